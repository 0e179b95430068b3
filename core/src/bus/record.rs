//! An event as everything outside the machine sees it: one allocation, shared by all handles.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::{Any, TypeId};
use core::mem::needs_drop;
use core::task::Waker;

use super::guard;
use super::report;
use super::shared::BusShared;
use super::value::Answer;
use super::vantage::Abroad;
use super::wakers::{Seat, Wakers};
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{Cause, Done, EventKey, HandlerKey, Key, Outcome, Path, Row, Rows};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock};
use crate::time::Instant;

pub(crate) struct Record<E> {
    pub(crate) head: Head,
    pub(crate) payload: E,
}

/// The part of a record that does not depend on the payload.
pub(crate) struct Head {
    /// The bus it was dispatched on. A remembered event thereby keeps its bus until the bus is taken
    /// out of the books.
    pub(crate) bus: Arc<BusShared>,
    /// Its halves, set under the hub's lock before anybody else sees the event: so ids are in the order
    /// of the queue.
    id: [AtomicU64; 2],
    pub(crate) created_at: Instant,
    pub(crate) depth: u32,
    /// Beside the id, because an `Option` of it would be moved byte by byte.
    has_parent: bool,
    /// Whether a handler of its parent dispatched it.
    #[cfg(feature = "journal")]
    in_handler: bool,
    parent: EventId,
    /// The handler that dispatched it, if one of this hub did.
    by: Option<HandlerKey>,
    key: AtomicU64,
    /// Why it was ended, if it was. Set before `frozen`.
    cause: OnceLock<Cause>,
    /// Set at completion, then read without a lock.
    frozen: OnceLock<Frozen>,
    /// For a forwarded event: who handles it elsewhere.
    pub(crate) abroad: Mutex<Abroad>,
    /// A waker may be registered for the end. Written under the hub's lock, which is also held when
    /// the end is noted.
    is_awaited: AtomicBool,
    waiters: Wakers,
    /// What became of its line, if it was dispatched on a bus with a journal.
    #[cfg(feature = "journal")]
    pub(crate) ticket: Option<Arc<super::journal::Ticket>>,
    /// Which delivery of it this is; 0 counts as the first.
    #[cfg(feature = "journal")]
    pub(crate) attempt: u32,
}

/// The parent of an event, which may no longer be in memory.
#[derive(Clone, Copy)]
pub(crate) struct ParentLink {
    pub(crate) id: EventId,
    /// The handler that dispatched the child, if one of this hub did.
    pub(crate) handler: Option<HandlerKey>,
    /// Whether a running handler of the parent dispatched the child, in this hub or another.
    #[cfg(feature = "journal")]
    pub(crate) in_handler: bool,
}

impl ParentLink {
    /// A parent in this hub, and the handler of it that dispatches the child, if one does.
    pub(crate) const fn new(id: EventId, handler: Option<HandlerKey>) -> Self {
        Self {
            id,
            handler,
            #[cfg(feature = "journal")]
            in_handler: handler.is_some(),
        }
    }
}

/// What an event ended with.
pub(crate) struct Frozen {
    pub(crate) rows: Rows<Answer>,
    /// `None` if it was on one bus alone and its results name that.
    path: Option<Box<Path>>,
    pub(crate) started_at: Option<Instant>,
    pub(crate) completed_at: Instant,
}

/// A record with its payload type erased.
pub(crate) trait Erased: Any + Send + Sync {
    fn head(&self) -> &Head;
    fn name(&self) -> &'static str;
    fn label(&self) -> &str;
    fn schema(&self) -> &'static str;
    fn type_name(&self) -> &'static str;
    fn of_type(&self) -> TypeId;
    /// Whether it carries a message to an address.
    fn is_message(&self) -> bool;
    /// Whether its payload and its results have no drop of the user's.
    fn is_plain(&self) -> bool;
    /// The type that this event's handlers answer with.
    fn output(&self) -> (TypeId, &'static str);
    #[cfg(feature = "serde")]
    fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>>;
    #[cfg(feature = "journal")]
    fn to_json_text(&self) -> Option<Result<alloc::string::String, serde_json::Error>>;
    /// The limit that its type sets.
    #[cfg(feature = "journal")]
    fn limit(&self) -> crate::machine::Limit;
}

impl Frozen {
    #[inline(always)]
    fn of(done: &mut Done<'_, Arc<dyn Erased>, Answer>) -> Self {
        let Done { started_at, completed_at, .. } = *done;
        let rows = done.results.take().rows(started_at, completed_at);
        Self { rows, path: done.path.take(), started_at, completed_at }
    }

    /// Whether a value or an error among its results has a drop of the user's.
    fn owns_something(&self) -> bool {
        self.rows.iter().any(owns_something)
    }

    /// The names of the buses the event was on, in order of arrival.
    pub(crate) fn path(&self) -> impl Iterator<Item = &Arc<str>> {
        let named = self.rows.bus_name().filter(|_| self.path.is_none());
        named.into_iter().chain(self.path.iter().flat_map(|path| path.iter()))
    }
}

impl Drop for Frozen {
    /// Drops the user's values one by one: two panics in one drop would end the process.
    fn drop(&mut self) {
        if self.owns_something() {
            self.rows.take().into_iter().for_each(guard::discard);
        }
    }
}

/// Whether a result has a value or an error whose drop is the user's.
fn owns_something(row: &Row<Answer>) -> bool {
    match &row.outcome {
        Some(Outcome::Value(answer) | Outcome::Failed(answer)) => answer.owns_something(),
        _ => false,
    }
}

impl<E: Event> Erased for Record<E> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn name(&self) -> &'static str {
        E::NAME
    }

    fn label(&self) -> &str {
        self.payload.label()
    }

    fn schema(&self) -> &'static str {
        E::SCHEMA
    }

    fn type_name(&self) -> &'static str {
        core::any::type_name::<E>()
    }

    fn of_type(&self) -> TypeId {
        TypeId::of::<E>()
    }

    fn is_message(&self) -> bool {
        E::__IS_MESSAGE
    }

    fn is_plain(&self) -> bool {
        !needs_drop::<E>() && !self.head.frozen().is_some_and(Frozen::owns_something)
    }

    fn output(&self) -> (TypeId, &'static str) {
        (TypeId::of::<E::Output>(), core::any::type_name::<E::Output>())
    }

    #[cfg(feature = "serde")]
    fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        self.payload.to_json()
    }

    #[cfg(feature = "journal")]
    fn to_json_text(&self) -> Option<Result<alloc::string::String, serde_json::Error>> {
        self.payload.to_json_text()
    }

    #[cfg(feature = "journal")]
    fn limit(&self) -> crate::machine::Limit {
        E::LIMIT
    }
}

/// The record with its payload type, if that is `E`.
pub(crate) fn downcast<E: Event>(record: Arc<dyn Erased>) -> Option<Arc<Record<E>>> {
    let record: Arc<dyn Any + Send + Sync> = record;
    record.downcast().ok()
}

/// Notes the end of an event in its record. Its waiters are still to be woken, outside the hub's
/// lock: the record is returned if there may be any, or a failure to report.
#[inline]
pub(crate) fn freeze(mut done: Done<'_, Arc<dyn Erased>, Answer>) -> Option<Arc<dyn Erased>> {
    let payload = done.payload;
    let head = payload.head();
    if let Some(cause) = done.cause {
        head.cause.init(|| cause);
    }
    let end = &mut done;
    // An event completes once. The one reference goes in a register: captured in pieces, `done`
    // would be moved as a whole, for which a processor has to wait.
    head.frozen.init(move || Frozen::of(end));
    let is_of_use = head.is_awaited.load(Ordering::Relaxed) || report::is_due(head);
    is_of_use.then(|| payload.clone())
}

impl Head {
    #[inline(always)]
    pub(crate) fn new(
        bus: Arc<BusShared>,
        created_at: Instant,
        depth: u32,
        parent: Option<ParentLink>,
    ) -> Self {
        Self {
            bus,
            id: [AtomicU64::new(0), AtomicU64::new(0)],
            created_at,
            depth,
            has_parent: parent.is_some(),
            #[cfg(feature = "journal")]
            in_handler: parent.is_some_and(|parent| parent.in_handler),
            parent: parent.map_or(EventId::NIL, |parent| parent.id),
            by: parent.and_then(|parent| parent.handler),
            key: AtomicU64::new(0),
            cause: OnceLock::new(),
            frozen: OnceLock::new(),
            abroad: Mutex::new(Abroad::default()),
            is_awaited: AtomicBool::new(false),
            waiters: Wakers::new(),
            #[cfg(feature = "journal")]
            ticket: None,
            #[cfg(feature = "journal")]
            attempt: 0,
        }
    }

    pub(crate) fn parent(&self) -> Option<ParentLink> {
        let Self { has_parent, parent: id, by: handler, .. } = *self;
        has_parent.then_some(ParentLink {
            id,
            handler,
            #[cfg(feature = "journal")]
            in_handler: self.in_handler,
        })
    }

    pub(crate) fn id(&self) -> EventId {
        let [high, low] = self.id.each_ref().map(|half| half.load(Ordering::Relaxed));
        EventId::from_halves(high, low)
    }

    #[inline]
    pub(crate) fn set_id(&self, id: EventId) {
        let (high, low) = id.halves();
        self.id[0].store(high, Ordering::Relaxed);
        self.id[1].store(low, Ordering::Relaxed);
    }

    /// The event's key in the machine.
    pub(crate) fn key(&self) -> EventKey {
        Key::from_bits(self.key.load(Ordering::Acquire)).expect("set when it was dispatched")
    }

    #[inline]
    pub(crate) fn set_key(&self, key: EventKey) {
        self.key.store(key.to_bits(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn frozen(&self) -> Option<&Frozen> {
        self.frozen.get()
    }

    /// Why it was ended before its handlers were, once it has completed.
    #[inline]
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.frozen().and_then(|_| self.cause.get().copied())
    }

    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.frozen.get().is_some()
    }

    /// Wakes everything that waits for the end.
    #[inline]
    pub(crate) fn wake_waiters(&self) {
        self.waiters.wake_all();
    }

    /// Registers `waker` to be woken at the end, replacing what `seat` registered before. True if
    /// the event has ended already.
    pub(crate) fn register(&self, waker: &Waker, seat: &mut Option<Seat>) -> bool {
        if !self.is_awaited.load(Ordering::Acquire) {
            let _under = self.bus.hub.lock();
            self.is_awaited.store(true, Ordering::Release);
        }
        self.waiters.register(waker, seat, || self.is_complete());
        self.is_complete()
    }

    /// Removes a registration.
    pub(crate) fn unregister(&self, seat: Seat) {
        self.waiters.unregister(seat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::EventBus;

    #[test]
    fn any_uuid_may_be_a_parents() {
        let id = EventId::from(uuid::Uuid::nil());
        let link = ParentLink::new(id, None);
        let bus = EventBus::builder("bus").build();
        let head = |parent| Head::new(bus.shared.clone(), Instant::EPOCH, 0, parent);
        assert_eq!(head(Some(link)).parent().map(|parent| parent.id), Some(id));
        assert!(head(None).parent().is_none());
    }
}
