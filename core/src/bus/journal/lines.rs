//! The lines of a hub's buses: ordered under its lock, handed to the sinks outside it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
#[cfg(feature = "std")]
use core::cell::Cell;
use core::fmt;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::order::{Done, Order, Work};
use super::{DurableError, Entry, Receipt, Settings, Sink, SinkError, Ticket};
use crate::bus::guard;
use crate::bus::record::{Erased, Head, ParentLink};
use crate::bus::shared::{BusShared, HubShared, HubState};
use crate::bus::view;
use crate::id::EventId;
use crate::machine::{Cause, EventKey, HandlerKey, Limit};

/// The lines to hand to sinks, in order.
#[derive(Default)]
pub(crate) struct Lines {
    /// The buses that have a journal, by the addresses of their names. A name belongs to one bus
    /// while that exists, and is shared with it, not copied.
    buses: BTreeMap<usize, Journaled>,
    /// At this size, buses that are gone are removed.
    many: usize,
    order: Order<Line, Option<Prepared>>,
    /// How many lines there were so far.
    noted: u64,
    /// How many of them were handed on.
    handed_on: u64,
    /// The wakers of those that wait until so many are handed on.
    told: Vec<(u64, Waker)>,
}

/// A bus with a journal.
struct Journaled {
    /// Held, so that no later name gets its address.
    _name: Arc<str>,
    bus: Weak<BusShared>,
    sink: Weak<dyn Sink>,
}

struct Line {
    bus: Arc<BusShared>,
    record: Arc<dyn Erased>,
    what: What,
}

/// A line with its text.
struct Prepared {
    sink: Arc<dyn Sink>,
    text: String,
    receipt: Receipt,
    ticket: Option<Arc<Ticket>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Accepted,
    Completed,
}

impl Lines {
    pub(super) fn add(&mut self, name: &Arc<str>, bus: &Arc<BusShared>, sink: &Arc<dyn Sink>) {
        if self.buses.len() >= self.many {
            self.buses.retain(|_, journaled| journaled.bus.strong_count() > 0);
            self.many = 2 * self.buses.len() + 16;
        }
        let (bus, sink) = (Arc::downgrade(bus), Arc::downgrade(sink));
        self.buses.insert(place_of(name), Journaled { _name: name.clone(), bus, sink });
    }

    pub(crate) fn accepted(&mut self, bus: Arc<BusShared>, record: Arc<dyn Erased>) {
        self.add_line(Line { bus, record, what: What::Accepted });
    }

    fn add_line(&mut self, line: Line) {
        self.noted += 1;
        self.order.add(line);
    }

    /// Every bus with a journal that the event was on writes its own line.
    pub(crate) fn completed(&mut self, record: &Arc<dyn Erased>) {
        if self.buses.is_empty() || record.is_message() {
            return;
        }
        for name in record.head().frozen().into_iter().flat_map(|frozen| frozen.path()) {
            let bus = self.buses.get(&place_of(name)).and_then(|journaled| journaled.bus.upgrade());
            if let Some(bus) = bus {
                self.add_line(Line { bus, record: record.clone(), what: What::Completed });
            }
        }
    }

    /// Whether the bus of this name has this journal.
    fn is_of(&self, name: &Arc<str>, sink: &Arc<dyn Sink>) -> bool {
        // Nothing is upgraded: a bus must not be dropped under the lock.
        let is_it =
            |journaled: &Journaled| core::ptr::addr_eq(journaled.sink.as_ptr(), Arc::as_ptr(sink));
        self.buses.get(&place_of(name)).is_some_and(is_it)
    }

    /// Counts lines that were handed on, and returns the wakers of those that wait for no more.
    fn are_handed_on(&mut self, count: u64) -> Vec<Waker> {
        self.handed_on += count;
        let handed_on = self.handed_on;
        let told = self.told.extract_if(.., |(until, _)| *until <= handed_on);
        told.map(|(_, waker)| waker).collect()
    }

    /// Whether the caller must [help](HubShared::write_lines), once, outside the lock.
    pub(crate) fn need_help(&mut self) -> bool {
        self.order.needs_help()
    }
}

/// A bus is known by the address of its name: the results of its handlers and the paths of its
/// events share it.
fn place_of(name: &Arc<str>) -> usize {
    Arc::as_ptr(name).addr()
}

/// The lines of one hub, on their way to its sinks.
///
/// A task that completes an event may be ahead of the thread that hands its line on. Before it
/// closes, a sink waits until what its hubs have noted so far is handed on.
#[derive(Clone)]
pub struct Feed(Weak<HubShared>);

impl Feed {
    pub(in crate::bus) fn of(hub: &Arc<HubShared>) -> Self {
        Self(Arc::downgrade(hub))
    }

    /// Returns how many lines there were so far.
    #[must_use]
    pub fn noted(&self) -> u64 {
        self.0.upgrade().map_or(0, |hub| hub.lock().lines.noted)
    }

    /// Completes when the first `until` lines have been handed on; until then, the task is woken
    /// when that may be so.
    pub fn poll_handed_on(&self, until: u64, cx: &Context<'_>) -> Poll<()> {
        let Some(hub) = self.0.upgrade() else { return Poll::Ready(()) };
        let waker = cx.waker().clone();
        let mut state = hub.lock();
        let lines = &mut state.lines;
        if lines.handed_on >= until {
            drop(state);
            return Poll::Ready(());
        }
        let is_there = |(at, told): &(u64, Waker)| *at == until && told.will_wake(&waker);
        if !lines.told.iter().any(is_there) {
            lines.told.push((until, waker));
            return Poll::Pending;
        }
        drop(state);
        Poll::Pending
    }

    /// Returns whether both belong to one hub.
    #[must_use]
    pub fn is_of_same_hub(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// Returns whether the hub is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("is_over", &self.is_over()).finish()
    }
}

/// The event above another, in the same journal.
#[derive(Clone, Copy)]
pub(super) struct Above {
    pub(super) id: EventId,
    /// On the way down from it, something was dispatched outside of its parent's handlers. When its
    /// handlers run again, they do not make the event again.
    pub(super) is_outside: bool,
}

/// What is above an event in the journal of this bus.
fn above(bus: &BusShared, head: &Head) -> Option<Above> {
    let sink = &bus.journal.get()?.sink;
    if let Some(ticket) = head.ticket.as_ref().filter(|ticket| Arc::ptr_eq(&ticket.sink, sink)) {
        return ticket.above;
    }
    let link = head.parent()?;
    let parent = bus.hub.lock().books.parent(head.key());
    Some(bus.hub.above_in_journal(parent, link, sink))
}

impl HubState {
    /// Whether a handler is one of a bus of these names.
    fn is_of(&self, handler: HandlerKey, names: &[Arc<str>]) -> bool {
        let bus = self.books.bus_of(handler).and_then(|bus| self.books.bus_name(bus));
        bus.is_some_and(|bus| names.contains(bus))
    }
}

impl HubShared {
    /// What is above a child of this parent in this journal: the parent, or the nearest above it, that
    /// is on a bus with the journal and so has a line. Requests and publications have none. If there is
    /// no such event, the parent itself. It is dispatched again on its first bus with the journal, so
    /// that handlers on the buses before make nothing again.
    pub(super) fn above_in_journal(
        &self,
        parent: Option<EventKey>,
        link: ParentLink,
        sink: &Arc<dyn Sink>,
    ) -> Above {
        let direct = Above { id: link.id, is_outside: !link.in_handler };
        let (mut is_outside, mut maker) = (direct.is_outside, link.handler);
        let state = self.lock();
        let mut next = parent;
        while let Some(event) = next {
            let Some(record) = state.books.payload(event) else { break };
            let head = record.head();
            let path = match head.frozen() {
                Some(frozen) => frozen.path().cloned().collect(),
                None => state.books.path(event),
            };
            let first = path.iter().position(|bus| state.lines.is_of(bus, sink));
            if let Some(first) = first.filter(|_| !record.is_message()) {
                let is_before = maker.is_some_and(|maker| state.is_of(maker, &path[..first]));
                return Above { id: head.id(), is_outside: is_outside || is_before };
            }
            let link = head.parent();
            is_outside |= link.is_some_and(|link| !link.in_handler);
            maker = link.and_then(|link| link.handler);
            next = state.books.parent(event);
        }
        // If the parent comes to a bus with the journal yet, that is behind those of its handlers.
        Above { is_outside: direct.is_outside || parent.is_some(), ..direct }
    }

    /// Helps to hand the lines to their sinks, until none is left or others do it.
    pub(crate) fn write_lines(&self) {
        let (mut done, mut count, mut turns) = (Done::Nothing, 0, 0);
        loop {
            let (work, told) = {
                let lines = &mut self.lock().lines;
                (lines.order.next(done, turns), lines.are_handed_on(count))
            };
            for waker in told {
                let _ = guard::catch(|| waker.wake());
            }
            (done, count) = match work {
                Some(Work::Prepare(number, lines)) => (Done::Prepared(number, prepare(lines)), 0),
                Some(Work::HandOn(prepared)) => {
                    let count = prepared.len() as u64;
                    hand_on(prepared);
                    (Done::HandedOn, count)
                }
                Some(Work::Both(lines)) => {
                    let count = lines.len() as u64;
                    write(lines);
                    (Done::HandedOn, count)
                }
                None => return,
            };
            turns += 1;
        }
    }
}

// Sinks and serializers are user code: a panic is theirs, and the line is lost.

fn prepare(lines: Vec<Line>) -> Vec<Option<Prepared>> {
    // The line may hold the last reference to an event, whose drop may panic.
    let prepare = |line: Line| {
        let prepared = guard::catch(|| line.prepare()).ok().flatten();
        guard::discard(line);
        prepared
    };
    handing_on(|| lines.into_iter().map(prepare).collect())
}

fn hand_on(prepared: Vec<Option<Prepared>>) {
    let hand_on = |prepared: Prepared| drop(guard::catch(|| prepared.hand_on()));
    handing_on(|| prepared.into_iter().flatten().for_each(hand_on));
}

fn write(lines: Vec<Line>) {
    let write = |line: Line| {
        drop(guard::catch(|| line.prepare().map(Prepared::hand_on)));
        guard::discard(line);
    };
    handing_on(|| lines.into_iter().for_each(write));
}

#[cfg(feature = "std")]
std::thread_local! {
    static HANDS_ON: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is handing a line on. Waiting here until all are handed on would wait
/// for itself. Without `std` this is unknown.
#[must_use]
pub fn hands_on_here() -> bool {
    #[cfg(feature = "std")]
    return HANDS_ON.try_with(Cell::get).unwrap_or(false);
    #[cfg(not(feature = "std"))]
    false
}

/// `hand_on` does not panic: it catches panics.
fn handing_on<T>(hand_on: impl FnOnce() -> T) -> T {
    #[cfg(feature = "std")]
    let before = HANDS_ON.replace(true);
    let handed = hand_on();
    #[cfg(feature = "std")]
    HANDS_ON.set(before);
    handed
}

impl Line {
    /// Makes the text, unless nothing is to be written.
    fn prepare(&self) -> Option<Prepared> {
        let Self { bus, record, what } = self;
        let what = *what;
        let link = bus.journal.get()?;
        let head = record.head();
        let dispatched_here = head.ticket.as_ref().filter(|ticket| ticket.bus == bus.key);
        let settles = (what == What::Accepted) == link.sink.is_write_ahead();
        let ticket = dispatched_here.filter(|_| settles).cloned();
        let cause = head.cause();
        // If another bus on its way could not write it, it did not run there.
        let is_cut_short = cause == Some(Cause::Stopped)
            || (cause == Some(Cause::NotWritten) && link.sink.is_write_ahead());
        if what == What::Completed && (is_cut_short || dispatched_here.is_some_and(has_failed)) {
            // It did not run to its end: a write-ahead journal gives it back.
            if let Some(ticket) = ticket {
                ticket.settle(Err(DurableError::Stopped));
            }
            return None;
        }
        let holds = what == What::Accepted;
        let event = (head.key(), record.name());
        let receipt = Receipt::new(bus, event, holds, ticket.clone());
        let own;
        let payload = match &head.ticket {
            Some(ticket) => &ticket.payload,
            None => match text_of(&**record, &*link.sink) {
                Ok(text) => {
                    own = text;
                    &own
                }
                Err(error) => {
                    receipt.failed(error);
                    return None;
                }
            },
        };
        let text = link.sink.text(&entry(bus, &**record, what, payload));
        Some(Prepared { sink: link.sink.clone(), text, receipt, ticket })
    }
}

impl Prepared {
    fn hand_on(self) {
        let Self { sink, text, receipt, ticket } = self;
        sink.write(text, receipt);
        if let Some(ticket) = ticket {
            ticket.handed_on();
        }
    }
}

fn has_failed(ticket: &Arc<Ticket>) -> bool {
    matches!(ticket.settled(), Some(Err(_)))
}

/// The payload of an event that came from a bus without a journal.
fn text_of(record: &dyn Erased, sink: &dyn Sink) -> Result<String, SinkError> {
    let text = match record.to_json_text() {
        Some(Ok(text)) => text,
        Some(Err(error)) => return Err(Arc::new(error)),
        None => return Err(Arc::new(NoView)),
    };
    sink.check(&text)?;
    Ok(text)
}

#[derive(Debug, thiserror::Error)]
#[error("the event has no JSON view")]
struct NoView;

/// The buses of a line. An event may have been sent on since a bus accepted it.
fn path(bus: &BusShared, head: &Head, what: What) -> Vec<String> {
    let mut path = view::path(head);
    if what == What::Accepted && path.len() > 1 {
        let own = bus.name();
        let len = path.iter().position(|name| *name == own).map_or(path.len(), |at| at + 1);
        path.truncate(len);
    }
    path
}

/// The limit of its invocations, and what it decided for itself. Once it is forgotten, what a bus
/// without a journal was told is not known any more; acceptances come before that.
fn given(bus: &BusShared, record: &dyn Erased) -> (Option<Duration>, Settings) {
    let head = record.head();
    if let Some(ticket) = &head.ticket {
        return (ticket.timeout, ticket.settings);
    }
    let settings = Settings::of(bus.hub.lock().books.overrides(head.key()), record.limit());
    let of_bus = bus.journal.get().map_or(Limit::Off, |link| link.limit);
    (settings.timeout(record.limit(), of_bus), settings)
}

fn entry<'a>(bus: &BusShared, record: &'a dyn Erased, what: What, payload: &'a str) -> Entry<'a> {
    let head = record.head();
    let above = above(bus, head);
    let (timeout, settings) = given(bus, record);
    let ended = head.frozen().filter(|_| what == What::Completed);
    Entry {
        event_type: record.name(),
        schema: record.schema(),
        timeout,
        id: head.id(),
        path: path(bus, head, what),
        parent_id: above.map(|above| above.id),
        created_at: bus.hub.wall(head.created_at),
        completed_at: ended.map(|ended| bus.hub.wall(ended.completed_at)),
        attempt: head.attempt.max(1),
        settings,
        is_outside: above.is_some_and(|above| above.is_outside),
        payload,
    }
}
