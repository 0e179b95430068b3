//! What handles show of an event: from the frozen record once it has completed, else from the books.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::EventBus;
use super::any::AnyEvent;
use super::record::{Erased, Head};
use super::results::EventResult;
use super::vantage::Vantage;
use crate::machine::{EventStatus, HandlerKey};
use crate::time::Timestamp;

pub(crate) fn status(head: &Head) -> EventStatus {
    if head.is_complete() {
        return EventStatus::Completed;
    }
    head.bus.hub.lock().books.status(head.key())
}

pub(crate) fn started_at(head: &Head) -> Option<Timestamp> {
    let hub = &head.bus.hub;
    let frozen = || head.frozen().map(|frozen| frozen.started_at);
    let at = frozen().unwrap_or_else(|| {
        let started_at = hub.lock().books.started_at(head.key());
        // It may have completed in between, and be out of the books.
        started_at.or_else(|| frozen()?)
    });
    at.map(|at| hub.wall(at))
}

pub(crate) fn duration(head: &Head) -> Option<Duration> {
    let frozen = head.frozen()?;
    Some(frozen.completed_at.since(frozen.started_at?))
}

pub(crate) fn by_handler_id(results: Vec<EventResult>) -> BTreeMap<HandlerKey, EventResult> {
    results.into_iter().map(|row| (row.handler_id(), row)).collect()
}

pub(crate) fn by_handler_name(results: Vec<EventResult>) -> BTreeMap<String, EventResult> {
    results.into_iter().map(|row| (row.handler_name().into(), row)).collect()
}

pub(crate) fn path(head: &Head) -> Vec<String> {
    if let Some(frozen) = head.frozen() {
        return names(frozen.path());
    }
    let path = head.bus.hub.lock().books.path(head.key());
    // It may have completed in between; then its path is here.
    head.frozen().map_or_else(|| names(&path), |frozen| names(frozen.path()))
}

/// The bus that is processing an event, as seen by a handler of it.
pub(crate) fn bus(head: &Head, seen: Vantage) -> Option<EventBus> {
    let bus = seen.is_inside().then(|| seen.bus(head))??;
    EventBus::of(bus.clone())
}

/// The children are seen from where the parent is seen.
pub(crate) fn children(head: &Head, seen: Vantage) -> Vec<AnyEvent> {
    let bus = seen.bus(head);
    let child = |child| match &bus {
        Some(bus) => AnyEvent::on(child, bus),
        None => AnyEvent::new(child, Vantage::HOME),
    };
    child_records(head).into_iter().map(child).collect()
}

pub(crate) fn child_records(head: &Head) -> Vec<Arc<dyn Erased>> {
    let hub = head.bus.hub.lock();
    let keys = hub.books.children(head.key());
    keys.into_iter().filter_map(|key| hub.books.payload(key).cloned()).collect()
}

pub(crate) fn results(head: &Head) -> Vec<EventResult> {
    let result = |row| EventResult::new(row, &head.bus.hub);
    if head.frozen().is_none() {
        let rows = head.bus.hub.lock().books.results(head.key());
        if head.frozen().is_none() {
            return rows.into_iter().map(result).collect();
        }
    }
    let frozen = head.frozen().into_iter().flat_map(|frozen| frozen.rows.iter());
    frozen.cloned().map(result).collect()
}

/// The names of the buses an event was on.
fn names<'a>(path: impl IntoIterator<Item = &'a Arc<str>>) -> Vec<String> {
    path.into_iter().map(|name| String::from(&**name)).collect()
}
