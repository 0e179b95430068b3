//! What handles show of an event: from the frozen record once it has completed, else from the books.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::any::AnyEvent;
use super::record::{Erased, Head};
use super::results::{EventResult, names};
use super::shared::BusShared;
use crate::machine::EventStatus;
use crate::time::Timestamp;

pub(crate) fn status(head: &Head, bus: &BusShared) -> EventStatus {
    if head.is_complete() {
        return EventStatus::Completed;
    }
    bus.hub.lock().books.status(head.key())
}

pub(crate) fn started_at(head: &Head, bus: &BusShared) -> Option<Timestamp> {
    let at = match head.frozen() {
        Some(frozen) => frozen.started_at?,
        None => bus.hub.lock().books.started_at(head.key())?,
    };
    Some(bus.hub.wall(at))
}

pub(crate) fn path(head: &Head, bus: &BusShared) -> Vec<String> {
    if let Some(frozen) = head.frozen() {
        return names(frozen.path());
    }
    let path = bus.hub.lock().books.path(head.key());
    // It may have completed in between, and then its path is here.
    head.frozen().map_or_else(|| names(&path), |frozen| names(frozen.path()))
}

pub(crate) fn children(head: &Head, bus: &Arc<BusShared>) -> Vec<AnyEvent> {
    let children = child_records(head, bus).into_iter();
    children.map(|child| AnyEvent::new(child, bus.clone(), None)).collect()
}

pub(crate) fn child_records(head: &Head, bus: &BusShared) -> Vec<Arc<dyn Erased>> {
    let hub = bus.hub.lock();
    let keys = hub.books.children(head.key());
    keys.into_iter().filter_map(|key| hub.books.payload(key).cloned()).collect()
}

pub(crate) fn results(head: &Head, bus: &BusShared) -> Vec<EventResult> {
    if head.frozen().is_none() {
        let rows = bus.hub.lock().books.results(head.key());
        if head.frozen().is_none() {
            return rows.into_iter().map(EventResult::new).collect();
        }
    }
    let frozen = head.frozen().into_iter().flat_map(|frozen| frozen.rows.iter());
    frozen.cloned().map(EventResult::new).collect()
}
