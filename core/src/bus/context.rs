//! Which invocation is being polled: what makes an event a child and a wait a handler's.

use crate::id::EventId;
use crate::machine::{EventKey, HandlerKey, InvocationKey};

/// The invocation that is being polled, as those see it who are called by its handler.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    /// The address of the hub, as its identity while it lives.
    pub(crate) hub: usize,
    pub(crate) invocation: InvocationKey,
    pub(crate) handler: HandlerKey,
    pub(crate) event: EventKey,
    pub(crate) event_id: EventId,
    pub(crate) depth: u32,
}

#[cfg(feature = "std")]
mod imp {
    use super::Current;
    use core::cell::Cell;

    std::thread_local! {
        static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    }

    /// Runs `poll` as this invocation.
    pub(crate) fn enter<T>(current: Current, poll: impl FnOnce() -> T) -> T {
        let _back = Back(CURRENT.replace(Some(current)));
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
            CURRENT.set(self.0);
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use super::Current;

    pub(crate) fn enter<T>(_current: Current, poll: impl FnOnce() -> T) -> T {
        poll()
    }

    pub(crate) fn current() -> Option<Current> {
        None
    }
}

pub(crate) use imp::*;
