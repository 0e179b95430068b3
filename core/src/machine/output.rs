//! What the machine reports: the outputs of its inputs, and the answers of `next`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::registry::{Handler, HandlerList};
use super::results::{Cause, HandlerInfo, Outcome, Row, Rows};
use super::state::EventIx;
use super::warning::Warning;
use super::{BusKey, EventKey, InvocationKey, ReservationKey, WatchKey};
use crate::time::Instant;

// The large variant is the frequent one: boxing it would cost an allocation for every event.
#[allow(clippy::large_enum_variant)]
/// A consequence of an input that the embedder has to act on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output<P, R, H, C = Completed<P, R>> {
    /// [`Machine::next`](super::Machine::next) has something for this bus. Given once until `next`
    /// returns [`Next::Idle`], and not while a caller asks for work or
    /// [`attend`](super::Machine::attend)s the bus.
    Ready {
        /// The bus to ask about.
        bus: BusKey,
    },
    /// The invocation was ended: drop its future, and report nothing of it.
    Cancel {
        /// The bus it ran on.
        bus: BusKey,
        /// The invocation.
        invocation: InvocationKey,
    },
    /// An event that an invocation [waited for](super::Machine::wait_to_resume) is done: poll the
    /// invocation again. Given for each of its waits, and possibly for an invocation that the same
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
    /// [`written`](super::Machine::written) or [`not_written`](super::Machine::not_written) is called.
    Accepted {
        /// The bus.
        bus: BusKey,
        /// The event.
        event: EventKey,
        /// Its payload.
        payload: P,
    },
    /// A reserved place is available (R6).
    Granted {
        /// The reservation.
        reservation: ReservationKey,
    },
    /// An event has arrived that matches a watch.
    Arrived {
        /// The watch.
        watch: WatchKey,
        /// The event.
        event: EventKey,
        /// Its payload.
        payload: P,
        /// There was no room: the event replaces the oldest unread one.
        instead_of_oldest: bool,
    },
    /// The bus was stopped: the watch is over and gets no more events.
    WatchEnded {
        /// The watch.
        watch: WatchKey,
        /// How many events were dropped for lack of room.
        dropped: u64,
    },
    /// No more events of this bus are queued, running or incomplete than
    /// [`tell_idle`](super::Machine::tell_idle) asked about. Given once, however often it was asked
    /// for.
    Idle {
        /// The bus.
        bus: BusKey,
    },
    /// The bus was closed and its last event has completed: its driver can end.
    Closed {
        /// The bus.
        bus: BusKey,
    },
    /// A warning for the user.
    Warning(Box<Warning>),
    /// User values that nothing refers to any more, handed out so that they are not dropped under the
    /// shell's lock.
    Dropped(Dropped<P, R, H>),
}

/// An output waiting to be taken. Those of most events are small, so that they are not moved piece by
/// piece; the others wait in a queue of their own.
// The tag is word-sized for the same reason as in `Beside`.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(super) enum Note {
    Ready(BusKey),
    Resumed(BusKey, InvocationKey),
    /// An event whose rows name its path. The rest is in the books, and is assembled when this is
    /// taken.
    Completed(EventIx),
    /// The next wide output.
    Wide,
}

pub(super) type WideNote<P, R, H> = Output<P, R, H, Ended<P, R>>;

/// A completed event in a wide note.
pub(super) enum Ended<P, R> {
    /// The rest is in the books.
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

/// A completed event in place in the books, for callers that can avoid moving it twice.
pub(crate) struct Done<'a, P, R> {
    pub(crate) event: EventKey,
    pub(crate) payload: &'a P,
    pub(crate) started_at: Option<Instant>,
    pub(crate) completed_at: Instant,
    pub(crate) cause: Option<Cause>,
    pub(crate) results: Results<'a, R>,
    /// `None` when the event was on one bus alone and its results name that bus.
    pub(crate) path: Option<Box<Path>>,
}

/// The results of a completed event, to be taken.
pub(crate) enum Results<'a, R> {
    /// It did not start.
    None,
    Rows(&'a mut Rows<R>),
    /// The result of this handler alone, which ran as long as the event.
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
    /// Borrows it as a `Done`.
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
    /// There nearly always are none.
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

    /// Returns the names in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        core::iter::once(&self.first).chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }
}

/// Values that left the machine and are to be dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Dropped<P, R, H> {
    /// The payload of an event that nothing refers to any more.
    Payload(P),
    /// The error of a try that was not the last one.
    Result(R),
    /// A list of handlers that was replaced while an event was using it.
    Handlers(HandlerList<H>),
}

/// The next thing for a bus's driver to do.
#[derive(Debug)]
pub enum Next<P, H> {
    /// Run this handler, and ask again.
    Run(Run<P, H>),
    /// Ask again: a bounded number of events without handlers were completed, or an invocation goes on
    /// first ([`finished_then_next`](super::Machine::finished_then_next)).
    Again,
    /// Nothing to do until the next [`Output::Ready`].
    Idle,
}

/// An invocation that has started in the books and is to be run now.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run<P, H> {
    /// Names the invocation when it ends or waits.
    pub invocation: InvocationKey,
    /// The event it is for.
    pub event: EventKey,
    /// What may run at the same time.
    pub beside: Beside,
    /// The event's payload.
    pub payload: P,
    /// The handler to call. Its registration may be gone by now, and this may be the last reference.
    pub handler: Arc<Handler<H>>,
}

/// What may run at the same time as an invocation.
// Word-sized: a run is moved often, and padding after a byte makes the move piecewise, which stalls a
// processor that has just written the pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u64)]
pub enum Beside {
    /// Nothing else of the same bus.
    Nobody,
    /// Handlers of the same event, or other events of the bus.
    Others,
}
