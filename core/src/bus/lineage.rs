//! Which call is inside which: a call that holds a slot of a semaphore must not wait for itself (R46).

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::context::{self, Polled};
use super::record::{Erased, ParentLink};
use super::send::ParentRef;
use super::shared::{BusShared, HubShared};
use crate::machine::{EventKey, HandlerKey, InvocationKey};
use crate::runtime::Runtime;
use crate::semaphore::Lease;

/// A handler that runs for an event, as its descendants know it. Several events may have one
/// [`EventId`](crate::EventId), so the machine's keys tell them apart.
#[derive(Clone)]
pub(crate) struct InvocationId {
    /// Its address stays this hub's while this is held.
    hub: Weak<HubShared>,
    event: EventKey,
    handler: HandlerKey,
}

/// A call that wants a slot.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// What the calls around it hold.
    pub(crate) inside: Vec<Arc<Lease>>,
    /// The invocation it is made in.
    pub(crate) own: Option<InvocationId>,
    /// The invocations above that one.
    pub(crate) above: Vec<InvocationId>,
}

impl Caller {
    /// The caller that is being polled on this thread. Without `std` it is unknown.
    pub(crate) fn here() -> Self {
        let inside = imp::inside();
        let Some(current) = context::current() else {
            return Self { inside, ..Self::default() };
        };
        let ParentRef { event, link, .. } = current.parent;
        let Some((hub, event)) = hub(current.hub).zip(event) else {
            return Self { inside, ..Self::default() };
        };
        let own = link.handler.map(|handler| InvocationId::new(&hub, event, handler));
        Self { inside, own, above: above(&hub, event) }
    }

    /// An invocation that is being polled.
    pub(crate) fn invocation(bus: &BusShared, event: &dyn Erased, by: InvocationKey) -> Self {
        let event = event.head().key();
        let handler = context::handler_of(&bus.hub, by);
        let own = handler.map(|handler| InvocationId::new(&bus.hub, event, handler));
        Self { inside: Vec::new(), own, above: above(&bus.hub, event) }
    }
}

impl InvocationId {
    fn new(hub: &Arc<HubShared>, event: EventKey, handler: HandlerKey) -> Self {
        Self { hub: Arc::downgrade(hub), event, handler }
    }

    fn parts(&self) -> (usize, EventKey, HandlerKey) {
        (self.hub.as_ptr().addr(), self.event, self.handler)
    }
}

impl PartialEq for InvocationId {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for InvocationId {}

impl Hash for InvocationId {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InvocationId").field(&self.event).field(&self.handler).finish()
    }
}

/// The invocations that an event comes from, nearest first. Those still in flight are all remembered.
fn above(hub: &Arc<HubShared>, event: EventKey) -> Vec<InvocationId> {
    let state = hub.lock();
    let mut found = Vec::new();
    let mut next = Some(event);
    while let Some(record) = next.and_then(|event| state.books.payload(event)) {
        let parent = next.and_then(|event| state.books.parent(event));
        let handler = record.head().parent().and_then(|ParentLink { handler, .. }| handler);
        let id = |(parent, handler)| InvocationId::new(hub, parent, handler);
        found.extend(parent.zip(handler).map(id));
        next = parent;
    }
    found
}

/// Returns the runtime of the bus whose handler is being polled on this thread. What a handler calls
/// measures its time by that. `None` outside of handlers, and without `std`, where the handler is
/// unknown.
#[must_use]
pub fn handler_runtime() -> Option<Arc<dyn Runtime>> {
    let Polled { hub: address, .. } = context::polling()?;
    Some(hub(address)?.latched()?.runtime.clone())
}

pub(crate) use imp::inside_of;
pub(super) use imp::{hub, note};

#[cfg(feature = "std")]
mod imp {
    use alloc::collections::BTreeMap;
    use alloc::sync::{Arc, Weak};
    use alloc::vec::Vec;
    use core::cell::RefCell;
    use core::future::poll_fn;
    use core::pin::pin;

    use super::{HubShared, Lease, Polled, context};
    use crate::sync::{StaticMutex, thread_local};

    /// The live hubs by address, which is all that a thread knows of the hub it works for.
    static HUBS: StaticMutex<BTreeMap<usize, Weak<HubShared>>> = StaticMutex::new(BTreeMap::new());

    thread_local! {
        static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    }

    /// What a call being polled holds, and the invocation that polls it, if any. A task that helps
    /// another bus polls its handlers, but they are not inside the task's calls.
    type Call = (Arc<Lease>, Option<Polled>);

    /// Lets the hub be found from now on.
    pub(in super::super) fn note(hub: &Arc<HubShared>) {
        HUBS.lock().entry(hub.address()).or_insert_with(|| Arc::downgrade(hub));
    }

    impl Drop for HubShared {
        fn drop(&mut self) {
            let _gone = HUBS.lock().remove(&self.address());
        }
    }

    pub(in super::super) fn hub(address: usize) -> Option<Arc<HubShared>> {
        HUBS.lock().get(&address).and_then(Weak::upgrade)
    }

    pub(super) fn inside() -> Vec<Arc<Lease>> {
        let here = context::polling();
        let of = |calls: &RefCell<Vec<Call>>| {
            let calls = calls.borrow();
            calls.iter().filter(|(_, by)| *by == here).map(|(lease, _)| lease.clone()).collect()
        };
        CALLS.try_with(of).unwrap_or_default()
    }

    /// Runs a future as one that holds `lease`.
    pub(crate) async fn inside_of<F: Future>(lease: &Arc<Lease>, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            CALLS.with(|calls| calls.borrow_mut().push((lease.clone(), context::polling())));
            let _out = Out;
            future.as_mut().poll(cx)
        })
        .await
    }

    struct Out;

    impl Drop for Out {
        fn drop(&mut self) {
            // Dropping the last reference wakes the next caller: not while the calls are borrowed.
            let _out = CALLS.with(|calls| calls.borrow_mut().pop());
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::{HubShared, Lease};

    pub(in super::super) const fn note(_hub: &Arc<HubShared>) {}

    pub(in super::super) const fn hub(_address: usize) -> Option<Arc<HubShared>> {
        None
    }

    pub(super) const fn inside() -> Vec<Arc<Lease>> {
        Vec::new()
    }

    /// Runs a future. It is unknown what is inside it.
    pub(crate) async fn inside_of<F: Future>(_lease: &Arc<Lease>, future: F) -> F::Output {
        future.await
    }
}
