//! What a peer has to implement to be measured.

use std::future::Future;

use tokio::runtime::Runtime;

use crate::scenarios::Scenario;

/// How many requests may wait in front of the one handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mailbox {
    /// As many as the peer's default.
    Default,
    /// Any number.
    Unlimited,
}

/// A library, or a way to write it by hand.
pub trait Peer: 'static {
    /// Its name in the table.
    const NAME: &'static str;
    /// How many operations the others do for one of this peer, to keep its runs short.
    const SLOWER: usize = 1;

    /// One handler that answers `n` with `n + 1`.
    type Adder: Service;
    /// A handler that delegates to an adder: it sends `n` on and returns the adder's answer.
    type Nest: Service;
    /// Many adders that are asked together.
    type Fan;

    /// Whether the peer supports this scenario.
    fn shows(_scenario: Scenario) -> bool {
        true
    }

    /// Runs a future as the main task of a runtime.
    fn block_on<F: Future>(runtime: &Runtime, main: F) -> F::Output {
        runtime.block_on(main)
    }

    /// Creates an adder.
    fn adder(mailbox: Mailbox) -> impl Future<Output = Self::Adder>;

    /// Creates an adder, and a handler in front of it.
    fn nest() -> impl Future<Output = Self::Nest>;

    /// Creates this many adders.
    fn fan(width: usize) -> impl Future<Output = Self::Fan>;

    /// Has all adders answer `n`, and returns the sum of the answers.
    fn ask_all(fan: &Self::Fan, n: u64) -> impl Future<Output = u64>;
}

/// A handler that answers numbers, with the mailbox in front of it.
pub trait Service: Clone + Send + Sync + 'static {
    /// What the caller holds until the answer comes.
    type Reply: Send;

    /// Sends `n`. Ready at once, unless the mailbox is full.
    fn dispatch(&self, n: u64) -> impl Future<Output = Self::Reply> + Send;

    /// Waits for the answer.
    fn answer(reply: Self::Reply) -> impl Future<Output = u64> + Send;

    /// Does both with the peer's own request call.
    fn request(&self, n: u64) -> impl Future<Output = u64> + Send;

    /// No dispatched request is answered before the guard is dropped. This needs no code where handlers
    /// run in the task that dispatches, or on its thread.
    fn hold(&self) -> impl Sized {}

    /// Releases the service, and ends any part that holds resources.
    fn close(self) {}
}
