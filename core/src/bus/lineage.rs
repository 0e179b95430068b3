//! Who is inside of whom: a call that holds a slot of a semaphore is not to wait for itself (R46).

use alloc::vec::Vec;

use super::context;
use super::record::{Erased, ParentLink};
use super::shared::{BusShared, HubShared};
use crate::id::EventId;
use crate::machine::{EventKey, HandlerKey, InvocationKey};

/// A handler that runs for an event, as its descendants know it.
pub(crate) type InvocationId = (EventId, HandlerKey);

/// Somebody who wants a slot.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// The semaphores of the calls it is made in.
    pub(crate) inside: Vec<usize>,
    /// The invocation it is made in.
    pub(crate) own: Option<InvocationId>,
    /// The invocations above that one.
    pub(crate) above: Vec<InvocationId>,
}

impl Caller {
    /// Whoever is being polled on this thread. Without `std` nothing is known of it.
    pub(crate) fn here() -> Self {
        let inside = imp::inside();
        let Some(current) = context::current() else {
            return Self { inside, ..Self::default() };
        };
        let own = current.handler.map(|handler| (current.event_id, handler));
        let hub = imp::hub(current.hub);
        let above = hub.map_or_else(Vec::new, |hub| above(&hub, current.event));
        Self { inside, own, above }
    }

    /// An invocation that is being polled.
    pub(crate) fn invocation(bus: &BusShared, event: &dyn Erased, by: InvocationKey) -> Self {
        let head = event.head();
        let handler = context::handler_of(&bus.hub, Some(by));
        let own = handler.map(|handler| (head.id, handler));
        Self { inside: Vec::new(), own, above: above(&bus.hub, head.key()) }
    }
}

/// The invocations that an event comes from, nearest first: those that are still in flight are all
/// remembered.
fn above(hub: &HubShared, event: EventKey) -> Vec<InvocationId> {
    let state = hub.lock();
    let mut found = Vec::new();
    let mut next = Some(event);
    while let Some(record) = next.and_then(|event| state.books.payload(event)) {
        if let Some(ParentLink { id, handler: Some(handler) }) = record.head().parent() {
            found.push((id, handler));
        }
        next = next.and_then(|event| state.books.parent(event));
    }
    found
}

pub(crate) use imp::inside_of;
pub(super) use imp::note;

#[cfg(feature = "std")]
mod imp {
    use alloc::collections::BTreeMap;
    use alloc::sync::{Arc, Weak};
    use alloc::vec::Vec;
    use core::cell::RefCell;
    use core::future::poll_fn;
    use core::pin::pin;

    use super::{HubShared, context};
    use crate::machine::{EventKey, InvocationKey};
    use crate::sync::{StaticMutex, thread_local};

    /// The live hubs by their addresses, which is all that a thread knows of the one it works for.
    static HUBS: StaticMutex<BTreeMap<usize, Weak<HubShared>>> = StaticMutex::new(BTreeMap::new());

    thread_local! {
        /// The semaphores of the calls that are being polled, and in what.
        static CALLS: RefCell<Vec<(usize, Place)>> = const { RefCell::new(Vec::new()) };
    }

    /// What is being polled: an invocation, or none. A task that helps another bus polls its
    /// handlers, but they are not inside of its calls.
    type Place = Option<(usize, Option<InvocationKey>, EventKey)>;

    fn place() -> Place {
        context::current().map(|current| (current.hub, current.invocation, current.event))
    }

    /// A hub can be found from now on.
    pub(in super::super) fn note(hub: &Arc<HubShared>) {
        HUBS.lock().entry(hub.address()).or_insert_with(|| Arc::downgrade(hub));
    }

    impl Drop for HubShared {
        fn drop(&mut self) {
            let _gone = HUBS.lock().remove(&self.address());
        }
    }

    pub(super) fn hub(address: usize) -> Option<Arc<HubShared>> {
        HUBS.lock().get(&address).and_then(Weak::upgrade)
    }

    pub(super) fn inside() -> Vec<usize> {
        let here = place();
        let of = |calls: &RefCell<Vec<(usize, Place)>>| {
            let calls = calls.borrow();
            calls.iter().filter(|(_, place)| *place == here).map(|(call, _)| *call).collect()
        };
        CALLS.try_with(of).unwrap_or_default()
    }

    /// Runs a future as one that holds a slot of this semaphore.
    pub(crate) async fn inside_of<F: Future>(semaphore: usize, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            CALLS.with(|calls| calls.borrow_mut().push((semaphore, place())));
            let _out = Out;
            future.as_mut().poll(cx)
        })
        .await
    }

    struct Out;

    impl Drop for Out {
        fn drop(&mut self) {
            CALLS.with(|calls| calls.borrow_mut().pop());
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::HubShared;

    pub(in super::super) const fn note(_hub: &Arc<HubShared>) {}

    pub(super) const fn hub(_address: usize) -> Option<Arc<HubShared>> {
        None
    }

    pub(super) const fn inside() -> Vec<usize> {
        Vec::new()
    }

    /// Runs a future. Nobody can tell who is inside of it.
    pub(crate) async fn inside_of<F: Future>(_semaphore: usize, future: F) -> F::Output {
        future.await
    }
}
