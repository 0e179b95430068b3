//! What the machine says: the data that inputs leave behind, and the answers of `next`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::registry::{Handler, HandlerList};
use super::results::{Cause, HandlerInfo, Outcome, Row, Rows};
use super::state::EventIx;
use super::{BusKey, EventKey, InvocationKey, ReservationKey, WatchKey};
use crate::time::Instant;

// The large variant is the frequent one: a box would be an allocation for every event.
#[allow(clippy::large_enum_variant)]
/// Something that happened in the course of an input and that somebody outside has to act on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output<P, R, H, C = Completed<P, R>> {
    /// [`Machine::next`](super::Machine::next) has something for this bus. Said once until `next`
    /// answers [`Next::Idle`], and not while somebody asks or [`attend`](super::Machine::attend)s the
    /// bus.
    Ready {
        /// The bus to ask about.
        bus: BusKey,
    },
    /// The invocation was ended: its future is to be dropped, and nothing to be reported of it.
    Cancel {
        /// The bus it ran on.
        bus: BusKey,
        /// The invocation.
        invocation: InvocationKey,
    },
    /// An event that an invocation [waited for](super::Machine::wait_to_resume) is done: the
    /// invocation is to be polled again. Said for each of its waits, and maybe for one that the same
    /// input ends and that a later [`Cancel`](Self::Cancel) names.
    Resumed {
        /// The bus it runs on.
        bus: BusKey,
        /// The invocation.
        invocation: InvocationKey,
    },
    /// The event and all its descendants are done. Its results leave the machine with this.
    Completed(C),
    /// A write-ahead bus has accepted an event, which is held until
    /// [`written`](super::Machine::written) or [`not_written`](super::Machine::not_written).
    Accepted {
        /// The bus.
        bus: BusKey,
        /// The event.
        event: EventKey,
        /// Its payload.
        payload: P,
    },
    /// A place that was reserved is there (R6).
    Granted {
        /// The reservation.
        reservation: ReservationKey,
    },
    /// An event has come that somebody watches for.
    Arrived {
        /// Whose watch it is.
        watch: WatchKey,
        /// The event.
        event: EventKey,
        /// Its payload.
        payload: P,
        /// There was no room: the oldest unread one makes place for it.
        instead_of_oldest: bool,
    },
    /// The bus is stopped: nothing will come for this watch, and it is over.
    WatchEnded {
        /// The watch.
        watch: WatchKey,
        /// How many events there was no room for.
        dropped: u64,
    },
    /// No more events of this bus are queued, running or incomplete than
    /// [`tell_idle`](super::Machine::tell_idle) has asked about. Said once for that.
    Idle {
        /// The bus.
        bus: BusKey,
    },
    /// The bus was closed and its last event has completed: its driver can end.
    Closed {
        /// The bus.
        bus: BusKey,
    },
    /// Something the user should hear of.
    Warning(Box<Warning>),
    /// Values of the user's that nobody refers to any more. They are handed out so that they are
    /// not dropped under the shell's lock.
    Dropped(Dropped<P, R, H>),
}

/// An output that waits to be taken. Those that most events leave are small, so that they are not
/// moved piece by piece; the others wait in a queue of their own.
// Its tag is as wide as a word, for what `Beside` is.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(super) enum Note {
    Ready(BusKey),
    Resumed(BusKey, InvocationKey),
    /// Of an event whose rows tell its path. What else is said of it is in the books, and put
    /// together when it is taken.
    Completed(EventIx),
    /// The next of the others.
    Wide,
}

pub(super) type WideNote<P, R, H> = Output<P, R, H, Ended<P, R>>;

/// A completed event in a wide note.
pub(super) enum Ended<P, R> {
    /// What else is said of it is in the books.
    Held(EventIx, Box<Path>),
    Told(Box<Completed<P, R>>),
}

impl<P, R, H, C> Output<P, R, H, C> {
    #[inline]
    pub(super) fn map_completed<D>(self, map: impl FnOnce(C) -> D) -> Output<P, R, H, D> {
        match self {
            Self::Completed(completed) => Output::Completed(map(completed)),
            Self::Ready { bus } => Output::Ready { bus },
            Self::Cancel { bus, invocation } => Output::Cancel { bus, invocation },
            Self::Resumed { bus, invocation } => Output::Resumed { bus, invocation },
            Self::Accepted { bus, event, payload } => Output::Accepted { bus, event, payload },
            Self::Granted { reservation } => Output::Granted { reservation },
            Self::Arrived { watch, event, payload, instead_of_oldest } => {
                Output::Arrived { watch, event, payload, instead_of_oldest }
            }
            Self::WatchEnded { watch, dropped } => Output::WatchEnded { watch, dropped },
            Self::Idle { bus } => Output::Idle { bus },
            Self::Closed { bus } => Output::Closed { bus },
            Self::Warning(warning) => Output::Warning(warning),
            Self::Dropped(dropped) => Output::Dropped(dropped),
        }
    }
}

/// A completed event.
#[derive(Debug)]
#[non_exhaustive]
pub struct Completed<P, R> {
    /// The event; the key may be stale already when no history remembers it.
    pub event: EventKey,
    /// Its payload.
    pub payload: P,
    /// When it started; `None` when it was ended before it could.
    pub started_at: Option<Instant>,
    /// When it completed.
    pub completed_at: Instant,
    /// Why it did not run to its end.
    pub cause: Option<Cause>,
    /// The results of all buses, in the order in which the event reached them.
    pub results: Rows<R>,
    /// The names of those buses.
    pub path: Path,
}

/// A completed event where it lies in the books, for whoever need not move it twice.
pub(crate) struct Done<'a, P, R> {
    pub(crate) event: EventKey,
    pub(crate) payload: &'a P,
    pub(crate) started_at: Option<Instant>,
    pub(crate) completed_at: Instant,
    pub(crate) cause: Option<Cause>,
    pub(crate) results: Results<'a, R>,
    /// `None` when it was on one bus alone and its results name that.
    pub(crate) path: Option<Box<Path>>,
}

/// The results of a completed event, to be taken.
pub(crate) enum Results<'a, R> {
    /// It did not start.
    None,
    Rows(&'a mut Rows<R>),
    /// Of this handler alone, which took as long as the event.
    One(Arc<HandlerInfo>, &'a mut Option<Outcome<R>>),
}

impl<R> Results<'_, R> {
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::None)
    }

    #[inline(always)]
    pub(crate) fn rows(self, started_at: Option<Instant>, completed_at: Instant) -> Rows<R> {
        match self {
            Self::None => Rows::new(),
            Self::Rows(rows) => rows.take(),
            Self::One(handler, outcome) => {
                let (completed_at, outcome) = (Some(completed_at), outcome.take());
                Rows::of(Row { handler, started_at, completed_at, tries: 1, outcome })
            }
        }
    }
}

impl<P, R> Completed<P, R> {
    /// The same, where it lies.
    pub(super) fn as_done(&mut self) -> Done<'_, P, R> {
        let Self { event, payload, started_at, completed_at, cause, results, path } = self;
        Done {
            event: *event,
            payload,
            started_at: *started_at,
            completed_at: *completed_at,
            cause: *cause,
            results: Results::Rows(results),
            path: Some(Box::new(path.clone())),
        }
    }
}

impl<P: Clone, R> Done<'_, P, R> {
    pub(super) fn into_completed(self) -> Completed<P, R> {
        let Self { event, payload, started_at, completed_at, cause, results, path } = self;
        let (payload, results) = (payload.clone(), results.rows(started_at, completed_at));
        let of_rows = || results.bus_name().cloned().map(Path::new);
        let path = path.map(|path| *path).or_else(of_rows).expect("one of both tells");
        Completed { event, payload, started_at, completed_at, cause, results, path }
    }
}

/// The names of the buses an event was on, in order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    first: Arc<str>,
    /// Nearly always there are none.
    #[allow(clippy::box_collection)]
    rest: Option<Box<Vec<Arc<str>>>>,
}

impl Path {
    #[inline]
    pub(super) const fn new(first: Arc<str>) -> Self {
        Self { first, rest: None }
    }

    pub(super) fn push(&mut self, name: Arc<str>) {
        self.rest.get_or_insert_default().push(name);
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        core::iter::once(&self.first).chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }
}

/// Values that left the machine and wait to be dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Dropped<P, R, H> {
    /// The payload of an event that nothing remembers.
    Payload(P),
    /// The error of a try that was not the last.
    Result(R),
    /// A list of handlers that was replaced while an event was using it.
    Handlers(HandlerList<H>),
}

/// What the driver of a bus is to do next.
#[derive(Debug)]
pub enum Next<P, H> {
    /// Run this handler, and ask again.
    Run(Run<P, H>),
    /// A bounded number of events were completed because nobody handles them: ask again.
    Again,
    /// Nothing until the next [`Output::Ready`].
    Idle,
}

/// An invocation that has been started in the books and is to be run now.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run<P, H> {
    /// To be named when it ends or waits.
    pub invocation: InvocationKey,
    /// The event it is for.
    pub event: EventKey,
    /// Who may run at the same time.
    pub beside: Beside,
    /// The event's payload.
    pub payload: P,
    /// What to call. It may be registered no more by then, and this the last of it.
    pub handler: Arc<Handler<H>>,
}

/// Who may run at the same time as an invocation.
// As wide as a word: a run is moved often, and a gap behind a byte is moved piece by piece, which a
// processor that has just written the pieces has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u64)]
pub enum Beside {
    /// Nobody of the same bus.
    Nobody,
    /// Handlers of the same event, or other events of the bus.
    Others,
}

impl core::fmt::Display for Warning {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::SameHandlerName { handler, pattern } => write!(
                f,
                "bus {}: a second handler named {} is registered for {pattern}; both run",
                handler.bus_name, handler.name
            ),
            Self::BusNameTaken { wanted, name } => {
                write!(f, "the bus name {wanted} is taken; this bus is {name}")
            }
            Self::OtherTypeOfSameName { handler, event_type } => write!(
                f,
                "bus {}: handler {} is for another type named {event_type} and was skipped",
                handler.bus_name, handler.name
            ),
            Self::Memory { bytes, limit } => {
                write!(f, "the events in memory take {bytes} bytes, more than {limit}")
            }
            Self::NotWritten { bus_name, event_type, error } => {
                write!(f, "bus {bus_name}: {event_type} is not in the journal: {error}")
            }
            Self::Slow { handler, event_type, running, waits_for, waits_for_slot, .. } => {
                let HandlerInfo { bus_name, name, .. } = &**handler;
                write!(f, "bus {bus_name}: {name} of {event_type} is running for {running:?}")?;
                let slot = waits_for_slot.then_some("a slot of a semaphore");
                let mut names = waits_for.iter().map(|(_, name)| &**name).chain(slot);
                if let Some(first) = names.next() {
                    write!(f, ", waiting for {first}")?;
                }
                names.try_for_each(|name| write!(f, " and {name}"))
            }
            Self::WithoutSlot { bus, handler, reason } => {
                write!(f, "bus {bus}: {handler} goes on without a slot: {reason}")
            }
        }
    }
}

/// Something the user should hear of. None of them changes what the machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A second handler of one name on one pattern (R2).
    SameHandlerName {
        /// The registration that was made all the same.
        handler: Arc<HandlerInfo>,
        /// The pattern: an event name, or `*`.
        pattern: Arc<str>,
    },
    /// The bus got a suffix because its name is taken (R40).
    BusNameTaken {
        /// The name asked for.
        wanted: String,
        /// The name it has.
        name: Arc<str>,
    },
    /// An event of this name but of another type was kept from a typed handler (R1).
    OtherTypeOfSameName {
        /// The handler that was skipped.
        handler: Arc<HandlerInfo>,
        /// The name both types have.
        event_type: Arc<str>,
    },
    /// The events in memory take more than the limit (R30). Said again after they took less than
    /// half of it.
    Memory {
        /// What they take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A line of an event is not in the journal of its bus (R44).
    NotWritten {
        /// The name of the bus.
        bus_name: Arc<str>,
        /// The event's name.
        event_type: Arc<str>,
        /// What the journal said.
        error: Arc<str>,
    },
    /// An invocation runs longer than `slow_after` (R25).
    Slow {
        /// The handler.
        handler: Arc<HandlerInfo>,
        /// The event it is for.
        event: EventKey,
        /// The event's name; of what was sent to an address, that.
        event_type: Arc<str>,
        /// How long it has been running.
        running: Duration,
        /// The events it is waiting for, by name; empty when it waits for nothing of the hub.
        waits_for: Vec<(EventKey, Arc<str>)>,
        /// It is waiting for a slot of a semaphore ([`lend`](super::Machine::lend)).
        waits_for_slot: bool,
    },
    /// A handler goes on without the slot of its semaphore that it got none of in time (R45).
    WithoutSlot {
        /// The name of its bus.
        bus: String,
        /// Its name.
        handler: String,
        /// What it has not got, and in what time.
        reason: String,
    },
}
