//! What a peer has to show to be measured.

use std::future::Future;

use tokio::runtime::Runtime;

use crate::scenarios::Scenario;

/// How many requests may wait in front of the one handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mailbox {
    /// As many as with the peer's defaults.
    Default,
    /// Any number.
    Unlimited,
}

/// A library, or a way to write it by hand.
pub trait Peer: 'static {
    /// Its name in the table.
    const NAME: &'static str;
    /// It does one operation where the others do so many; for runs that end.
    const SLOWER: usize = 1;

    /// One handler that answers `n` with `n + 1`.
    type Adder: Service;
    /// A handler that has an adder do its work: it sends it `n` and answers with what it says.
    type Nest: Service;
    /// Many adders that are asked together.
    type Fan;

    /// Whether it can show this at all.
    fn shows(_scenario: Scenario) -> bool {
        true
    }

    /// Runs a future as the main task of a runtime.
    fn block_on<F: Future>(runtime: &Runtime, main: F) -> F::Output {
        runtime.block_on(main)
    }

    /// A new adder.
    fn adder(mailbox: Mailbox) -> impl Future<Output = Self::Adder>;

    /// A new adder, and a handler in front of it.
    fn nest() -> impl Future<Output = Self::Nest>;

    /// So many adders.
    fn fan(width: usize) -> impl Future<Output = Self::Fan>;

    /// Has all adders answer `n`; the sum of the answers.
    fn ask_all(fan: &Self::Fan, n: u64) -> impl Future<Output = u64>;
}

/// A handler that answers numbers, with what is in front of it.
pub trait Service: Clone + Send + Sync + 'static {
    /// What is held until the answer comes.
    type Reply: Send;

    /// Sends `n` on its way. Ready at once, unless the mailbox is full.
    fn dispatch(&self, n: u64) -> impl Future<Output = Self::Reply> + Send;

    /// Waits for the answer.
    fn answer(reply: Self::Reply) -> impl Future<Output = u64> + Send;

    /// Both in the peer's own call for it.
    fn request(&self, n: u64) -> impl Future<Output = u64> + Send;

    /// Nothing that is dispatched is answered before the guard is dropped. Where handlers run in
    /// the task that dispatches, or on its thread, that is so by itself.
    fn hold(&self) -> impl Sized {}

    /// Lets go of the service; what holds resources ends.
    fn close(self) {}
}
