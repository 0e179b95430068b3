//! Which invocation is being polled. It decides which events are children, and which waits are a
//! handler's.
//!
//! With `std` the thread knows. Without it there are no threads to ask: one list has the invocations
//! that are being polled anywhere, and a handle tells whose it is ([`Claim`]).

use core::num::NonZeroUsize;

use super::send::ParentRef;
use super::shared::HubShared;
use crate::machine::{EventKey, HandlerKey, InvocationKey};

/// What is being polled, as seen by the code it calls.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    /// The invocation whose waits are noted; `None` in a task that only knows its parent.
    pub(crate) polled: Option<Polled>,
    /// The address of the parent's hub, as its identity while it lives.
    pub(crate) hub: usize,
    /// The parent of what is dispatched here.
    pub(crate) parent: ParentRef,
    /// Not 0 if the parent was given on purpose, with a scope.
    // As wide as its neighbours: with a `bool`, all of this would be copied field by field.
    pub(crate) in_scope: u32,
}

/// An invocation that is being polled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polled {
    /// The address of its hub.
    pub(crate) hub: usize,
    pub(crate) invocation: InvocationKey,
    /// The address of the data of its waker, if the invocation can be polled again for the end of
    /// what it waits for without being woken.
    pub(crate) waker: Option<NonZeroUsize>,
}

/// Who polls the caller, as far as can be known.
pub(crate) enum Poller {
    /// An invocation of the hub in question, and its `waker`.
    Invocation(InvocationKey, Option<NonZeroUsize>),
    /// Another handler. No handlers are polled inside one.
    Handler,
    Task,
}

impl Current {
    fn is_polled(&self, hub: usize, by: InvocationKey) -> bool {
        self.polled.is_some_and(|polled| polled.hub == hub && polled.invocation == by)
    }
}

#[cfg(feature = "std")]
mod imp {
    use super::{Current, HubShared, Polled, Poller, polling};
    use crate::machine::InvocationKey;
    use crate::sync::thread_local;
    use core::cell::Cell;

    /// Which invocation a handle belongs to. Empty, because the thread knows who polls.
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

    /// Who polls the caller, for this hub.
    pub(crate) fn poller(hub: &HubShared, _claim: Claim) -> Poller {
        match polling() {
            None => Poller::Task,
            Some(Polled { hub: of, invocation, waker }) if of == hub.address() => {
                Poller::Invocation(invocation, waker)
            }
            Some(_) => Poller::Handler,
        }
    }

    /// Whether a handler polls the caller.
    pub(crate) fn is_in_handler() -> bool {
        polling().is_some()
    }

    /// What is being polled, if it is this invocation.
    pub(super) fn polled(hub: &HubShared, by: InvocationKey) -> Option<Current> {
        current().filter(|current| current.is_polled(hub.address(), by))
    }

    thread_local! {
        static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    }

    /// Runs `poll` as this invocation, [`outside`] of all others.
    // Takes the value, so that it is made where the thread keeps it.
    #[inline]
    pub(crate) fn enter<T>(current: Current, poll: impl FnOnce() -> T) -> T {
        debug_assert!(self::current().is_none(), "handlers are polled outside of others");
        CURRENT.with(|at| at.set(Some(current)));
        let _back = Back(None);
        poll()
    }

    /// Runs `poll` as before, but with the parent of this scope.
    pub(crate) fn enter_scope<T>(scope: &Current, poll: impl FnOnce() -> T) -> T {
        let in_scope = Current { polled: polling(), ..*scope };
        let _back = Back(CURRENT.with(|at| at.replace(Some(in_scope))));
        poll()
    }

    /// Runs code as in no handler and as nobody's child, not even in a scope.
    #[inline]
    pub(crate) fn outside<T>(run: impl FnOnce() -> T) -> T {
        let _back = current().is_some().then(|| Back(CURRENT.with(Cell::take)));
        run()
    }

    /// What is being polled on this thread.
    // Inlined, so that only what the caller reads is copied.
    #[inline(always)]
    pub(crate) fn current() -> Option<Current> {
        // A thread that is ending polls nothing.
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
    use super::{Current, HubShared, Polled, Poller};
    use crate::machine::InvocationKey;
    use crate::sync::StaticMutex;
    use alloc::vec::Vec;

    /// What is being polled, on all hubs.
    static POLLED: StaticMutex<Vec<Current>> = StaticMutex::new(Vec::new());

    /// Which invocation a handle belongs to: the one it was given to, or the one that dispatched the
    /// event. It counts while that invocation is being polled.
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

    /// Who polls the caller, for this hub.
    pub(crate) fn poller(hub: &HubShared, claim: Claim) -> Poller {
        match claim.0.and_then(|by| polled(hub, by)?.polled) {
            Some(Polled { invocation, waker, .. }) => Poller::Invocation(invocation, waker),
            None if is_in_handler() => Poller::Handler,
            None => Poller::Task,
        }
    }

    /// Whether some handler is being polled, which may be the one that polls the caller.
    pub(crate) fn is_in_handler() -> bool {
        !POLLED.lock().is_empty()
    }

    /// This invocation, if it is being polled.
    pub(super) fn polled(hub: &HubShared, by: InvocationKey) -> Option<Current> {
        let is_it = |at: &&Current| at.is_polled(hub.address(), by);
        POLLED.lock().iter().find(is_it).copied()
    }

    /// Runs `poll` as this invocation.
    pub(crate) fn enter<T>(current: Current, poll: impl FnOnce() -> T) -> T {
        POLLED.lock().push(current);
        let _ended = Ended(current);
        poll()
    }

    /// Runs `poll` as before: it is unknown what runs in a scope.
    pub(crate) fn enter_scope<T>(_scope: &Current, poll: impl FnOnce() -> T) -> T {
        poll()
    }

    /// Runs code as nobody's child.
    pub(crate) fn outside<T>(run: impl FnOnce() -> T) -> T {
        run()
    }

    /// Nothing is known of the caller.
    pub(crate) const fn current() -> Option<Current> {
        None
    }

    struct Ended(Current);

    impl Drop for Ended {
        fn drop(&mut self) {
            let Some(Polled { hub, invocation, .. }) = self.0.polled else { return };
            let mut polled = POLLED.lock();
            let place = polled.iter().rposition(|at| at.is_polled(hub, invocation));
            place.map(|place| polled.swap_remove(place));
        }
    }
}

pub(crate) use imp::*;

/// The invocation that is being polled on this thread. Without `std` it is unknown.
#[inline]
pub(crate) fn polling() -> Option<Polled> {
    current()?.polled
}

/// The same, if it is of this hub.
pub(crate) fn invocation_of(hub: &HubShared) -> Option<InvocationKey> {
    let polled = polling().filter(|polled| polled.hub == hub.address())?;
    Some(polled.invocation)
}

/// Whether anything is being polled on this thread, or in a scope.
#[inline]
pub(crate) fn is_anywhere() -> bool {
    current().is_some()
}

/// The parent of events dispatched in this hub on this thread.
#[inline(never)]
pub(crate) fn parent_in(hub: &HubShared) -> Option<ParentRef> {
    let current = current().filter(|current| current.hub == hub.address())?;
    (current.in_scope > 0 || hub.ambient_parent).then_some(current.parent)
}

/// The event of this hub whose handler is being polled on this thread, or in whose scope code runs.
pub(crate) fn event_in(hub: &HubShared) -> Option<EventKey> {
    current().filter(|current| current.hub == hub.address())?.parent.event
}

/// The handler that is being polled, if the invocation is this one.
pub(crate) fn handler_of(hub: &HubShared, by: InvocationKey) -> Option<HandlerKey> {
    polled(hub, by).filter(|current| current.in_scope == 0)?.parent.link.handler
}
