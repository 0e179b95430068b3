//! Which invocation is being polled: what makes an event a child and a wait a handler's.
//!
//! With `std` the thread knows. Without it there are no threads to ask: there is one list of the
//! invocations that are being polled anywhere, and a handle tells whose it is ([`Claim`]).

use core::num::NonZeroUsize;

use super::shared::HubShared;
use crate::id::EventId;
use crate::machine::{EventKey, HandlerKey, InvocationKey};

/// The invocation that is being polled, as those see it who are called by its handler.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    /// The address of the hub, as its identity while it lives.
    pub(crate) hub: usize,
    /// Whose waits are noted; none in a task that only knows its parent.
    pub(crate) invocation: Option<InvocationKey>,
    /// The address of the data of the waker that it is polled with, when it can be polled again for
    /// the end of what it waits for without being woken.
    pub(crate) waker: Option<NonZeroUsize>,
    pub(crate) handler: Option<HandlerKey>,
    pub(crate) event: EventKey,
    pub(crate) event_id: EventId,
    pub(crate) depth: u32,
    /// Not 0 when the parent was given on purpose, with a scope.
    // As wide as `depth` beside it: with a `bool`, all of this is copied field by field.
    pub(crate) in_scope: u32,
}

/// Who polls the one that asks, as far as can be known.
pub(crate) enum Poller {
    /// An invocation of the hub that was asked for, and its `waker`.
    Invocation(InvocationKey, Option<NonZeroUsize>),
    /// Another handler. Inside of one, no handlers are polled.
    Handler,
    Task,
}

#[cfg(feature = "std")]
mod imp {
    use super::{Current, HubShared, Poller};
    use crate::machine::InvocationKey;
    use crate::sync::thread_local;
    use core::cell::Cell;

    /// Which invocation a handle belongs to: nothing, the thread knows who polls.
    #[derive(Clone, Copy, Default)]
    pub(crate) struct Claim(());

    impl Claim {
        pub(crate) const fn of(_by: Option<InvocationKey>) -> Self {
            Self(())
        }

        pub(crate) const fn or(self, _other: Self) -> Self {
            self
        }
    }

    /// Who polls the one that asks for this hub.
    pub(crate) fn poller(hub: &HubShared, _claim: Claim) -> Poller {
        let Some(Current { hub: of, invocation: Some(invocation), waker, .. }) = current() else {
            return Poller::Task;
        };
        match of == hub.address() {
            true => Poller::Invocation(invocation, waker),
            false => Poller::Handler,
        }
    }

    /// Whether a handler polls the one that asks.
    pub(crate) fn is_in_handler() -> bool {
        current().is_some()
    }

    /// This invocation, when it is the one that is being polled.
    pub(super) fn polled(hub: &HubShared, by: InvocationKey) -> Option<Current> {
        super::current_of(hub).filter(|at| at.invocation == Some(by))
    }

    thread_local! {
        static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    }

    /// Runs `poll` as this invocation.
    #[inline]
    pub(crate) fn enter<T>(current: &Current, poll: impl FnOnce() -> T) -> T {
        let _back = Back(CURRENT.with(|at| at.replace(Some(*current))));
        poll()
    }

    /// The invocation that is being polled on this thread.
    pub(crate) fn current() -> Option<Current> {
        // A thread that is ending polls nobody.
        CURRENT.try_with(Cell::get).ok().flatten()
    }

    struct Back(Option<Current>);

    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.with(|at| at.set(self.0));
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use super::{Current, HubShared, Poller};
    use crate::machine::InvocationKey;
    use crate::sync::StaticMutex;
    use alloc::vec::Vec;

    /// What is being polled, on all hubs.
    static POLLED: StaticMutex<Vec<Current>> = StaticMutex::new(Vec::new());

    /// Which invocation a handle belongs to: the one it was given to, or the one that dispatched
    /// the event. It counts while that one is being polled.
    #[derive(Clone, Copy, Default)]
    pub(crate) struct Claim(Option<InvocationKey>);

    impl Claim {
        pub(crate) const fn of(by: Option<InvocationKey>) -> Self {
            Self(by)
        }

        pub(crate) fn or(self, other: Self) -> Self {
            Self(self.0.or(other.0))
        }
    }

    /// Who polls the one that asks for this hub.
    pub(crate) fn poller(hub: &HubShared, claim: Claim) -> Poller {
        match claim.0.and_then(|by| Some((by, polled(hub, by)?.waker))) {
            Some((by, waker)) => Poller::Invocation(by, waker),
            None if is_in_handler() => Poller::Handler,
            None => Poller::Task,
        }
    }

    /// Whether some handler is being polled: it may be the one that asks.
    pub(crate) fn is_in_handler() -> bool {
        !POLLED.lock().is_empty()
    }

    /// This invocation, when it is one that is being polled.
    pub(super) fn polled(hub: &HubShared, by: InvocationKey) -> Option<Current> {
        let polled = POLLED.lock();
        polled.iter().find(|at| at.hub == hub.address() && at.invocation == Some(by)).copied()
    }

    /// Runs `poll` as this invocation.
    pub(crate) fn enter<T>(current: &Current, poll: impl FnOnce() -> T) -> T {
        if current.invocation.is_none() {
            return poll();
        }
        POLLED.lock().push(*current);
        let _ended = Ended(*current);
        poll()
    }

    /// Nothing happens to be known of whoever asks.
    pub(crate) const fn current() -> Option<Current> {
        None
    }

    struct Ended(Current);

    impl Drop for Ended {
        fn drop(&mut self) {
            let Current { hub, invocation, .. } = self.0;
            let mut polled = POLLED.lock();
            let place = polled.iter().rposition(|at| at.hub == hub && at.invocation == invocation);
            place.map(|place| polled.swap_remove(place));
        }
    }
}

pub(crate) use imp::*;

/// What is being polled on this thread, when it is of this hub.
pub(crate) fn current_of(hub: &HubShared) -> Option<Current> {
    current().filter(|current| current.hub == hub.address())
}

/// The invocation of this hub that is being polled on this thread.
pub(crate) fn invocation_of(hub: &HubShared) -> Option<InvocationKey> {
    current_of(hub)?.invocation
}

/// The handler that is being polled, when it is this invocation's.
pub(crate) fn handler_of(hub: &HubShared, by: Option<InvocationKey>) -> Option<HandlerKey> {
    polled(hub, by?)?.handler
}
