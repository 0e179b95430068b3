//! Which invocation is being polled: what makes an event a child and a wait a handler's.

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
    pub(crate) handler: Option<HandlerKey>,
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

/// The invocation of this hub that is being polled on this thread.
pub(crate) fn invocation_of(hub: &HubShared) -> Option<InvocationKey> {
    current().filter(|current| current.hub == hub.address())?.invocation
}

/// The handler that is being polled, when it is this invocation's.
pub(crate) fn handler_of(by: Option<InvocationKey>) -> Option<HandlerKey> {
    current().filter(|current| by.is_some() && current.invocation == by)?.handler
}
