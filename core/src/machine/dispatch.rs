//! Events come in: capacity, depth, parent, queue (R5–R7, R12, R18).

use alloc::boxed::Box;

use super::config::Overrides;
use super::error::{Refusal, Refused};
use super::event_state::Counted;
use super::kinds::Kind;
use super::registry::Snapshot;
use super::state::{BusIx, Timer, VisitIx};
use super::{BusKey, EventKey, Machine, ReservationKey};
use crate::time::Instant;

/// The particulars of a dispatch, besides its payload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dispatch {
    /// Its type.
    pub kind: Kind,
    /// The event it is a child of.
    pub parent: Option<Parent>,
    /// The event whose handler dispatches it, if it is to be no child of that. As long as that has not
    /// completed, a bus that drains accepts it, as it accepts children.
    pub by: Option<EventKey>,
    /// A granted reservation for it.
    pub permit: Option<ReservationKey>,
    /// The bytes the event takes, as far as the caller knows, for [`Machine::memory`].
    pub bytes: u32,
    /// The settings it chooses for itself.
    pub overrides: Option<Box<Overrides>>,
}

/// An event on offer. The payload is taken on acceptance, and stays on refusal.
pub(crate) struct Offer<P> {
    pub(crate) payload: Option<P>,
    pub(crate) spec: Dispatch,
}

impl<P> Offer<P> {
    pub(super) fn refused(self, reason: Refusal) -> Refused<P> {
        let payload = self.payload.expect("it is taken when it is accepted");
        Refused { reason, payload }
    }
}

/// The parent of a dispatched event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parent {
    /// The parent. A stale key links nothing. `None` for a parent in another hub.
    pub event: Option<EventKey>,
    /// Its level, valid even if the books have forgotten the event.
    pub depth: u32,
}

impl Parent {
    /// Returns a parent with this level.
    #[must_use]
    pub const fn new(event: EventKey, depth: u32) -> Self {
        Self { event: Some(event), depth }
    }
}

impl Dispatch {
    /// Returns the particulars of a root event with no settings of its own.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, parent: None, by: None, permit: None, bytes: 0, overrides: None }
    }

    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.overrides.as_ref()?.deadline
    }

    /// Makes it a child of `event`, which is at level `depth`.
    #[must_use]
    pub const fn child_of(mut self, event: EventKey, depth: u32) -> Self {
        self.parent = Some(Parent::new(event, depth));
        self
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Accepts an event: it is queued and starts when its turn comes.
    ///
    /// # Errors
    /// The payload comes back when the bus is full or stopped, when what it writes ahead cannot be
    /// written, or when the event would be too deep. A refused dispatch keeps its permit.
    pub fn dispatch(
        &mut self,
        bus: BusKey,
        payload: P,
        spec: Dispatch,
        now: Instant,
    ) -> Result<EventKey, Refused<P>> {
        let mut offer = Offer { payload: Some(payload), spec };
        self.offer(bus, &mut offer, now).map_err(|reason| offer.refused(reason))
    }

    /// Does the same for an offer that stays in place until it is accepted, so that it is moved once.
    pub(crate) fn offer(
        &mut self,
        bus: BusKey,
        offer: &mut Offer<P>,
        now: Instant,
    ) -> Result<EventKey, Refusal> {
        self.advance(now);
        // A child is one more thing its parent waits for. And of two equal deadlines, the one set first
        // comes first.
        if offer.spec.parent.is_some() || offer.spec.deadline().is_some() {
            self.land();
        }
        let admitted = self.admit(bus, &offer.spec, false)?;
        Ok(self.accept(offer, admitted, None))
    }

    #[inline(always)]
    pub(super) fn admit(
        &self,
        bus: BusKey,
        spec: &Dispatch,
        goes_past: bool,
    ) -> Result<Admitted, Refusal> {
        let ix = self.bus(bus).ok_or(Refusal::Stopped)?;
        let state = &self.buses[ix];
        let incomplete = |event: EventKey| {
            self.entries.find(event).filter(|event| !self.entries[*event].is_complete())
        };
        let attached = spec.parent.and_then(|parent| incomplete(parent.event?));
        if !state.is_open_to(attached.or_else(|| incomplete(spec.by?)).is_some()) {
            return Err(Refusal::Stopped);
        }
        if state.refuses && !goes_past {
            return Err(Refusal::NotWritten);
        }
        let depth = spec.parent.map_or(0, |parent| parent.depth.saturating_add(1));
        if let Some(limit) = self.config.max_depth.filter(|limit| depth > *limit) {
            return Err(Refusal::TooDeep { depth, limit });
        }
        let permit = spec.permit.is_some_and(|permit| self.is_granted(permit, bus));
        let (held, limit) = match attached {
            Some(_) => (state.children, state.config.max_pending_children),
            None => (state.roots + state.granted - usize::from(permit), state.config.max_pending),
        };
        if let Some(limit) = limit.filter(|limit| !goes_past && held >= *limit) {
            return Err(Refusal::Full { limit });
        }
        Ok(Admitted { bus: ix, attached: attached.is_some(), depth })
    }

    /// With `handlers`, the event bypasses the queue and runs those.
    #[inline(always)]
    pub(super) fn accept(
        &mut self,
        offer: &mut Offer<P>,
        admitted: Admitted,
        handlers: Option<Snapshot<H>>,
    ) -> EventKey {
        let Admitted { bus, attached, depth } = admitted;
        let counted = match (&handlers, attached) {
            (Some(_), _) => Counted::Nothing,
            (None, true) => Counted::Child,
            (None, false) => Counted::Root,
        };
        let spec = &offer.spec;
        if let Some(permit) = spec.permit.filter(|_| !attached) {
            self.use_permit(permit, bus);
        }
        let deadline = spec.deadline();
        let parent = spec.parent.and_then(|parent| parent.event);
        let bytes = spec.bytes;
        self.gain(bytes);
        self.event_count += 1;
        let key = self.entries.insert(bus, self.event_count, |event| {
            event.begin(offer, attached, counted);
        });
        let event = key.ix();
        if let Some(parent) = parent {
            self.adopt(parent, event, depth);
            self.tell_those_in_handlers();
        }
        if let Some(deadline) = deadline {
            self.set_timer(bus, deadline, Timer::Event(event));
        }
        match counted {
            Counted::Nothing => {}
            Counted::Root => self.buses[bus].roots += 1,
            Counted::Child => self.buses[bus].children += 1,
        }
        match handlers {
            Some(handlers) => self.begin_past_queue(bus, event.home(), bytes, handlers),
            None => {
                if parent.is_some() {
                    self.place_raised(event.home());
                }
                self.arrived(bus, event.home(), bytes);
            }
        }
        key
    }

    /// Queues and remembers an event of this many bytes that has reached a bus.
    #[inline(always)]
    pub(super) fn arrived(&mut self, ix: BusIx, visit: VisitIx, bytes: u32) {
        let Self { buses, entries, .. } = self;
        let bus = &mut buses[ix];
        bus.take_in(entries, visit, bytes);
        bus.queue.push_back(entries, visit);
        let (writes_ahead, is_watched) = (bus.config.write_ahead, bus.watches.are_there());
        let (has_surplus, ready) = (bus.has_surplus(), bus.ready);
        if writes_ahead {
            self.hold(visit);
        }
        if has_surplus {
            self.forget_surplus(ix);
        }
        if is_watched {
            self.tell_watchers(visit);
        }
        if !ready {
            self.say_if_ready(ix);
        }
    }
}

pub(super) struct Admitted {
    bus: BusIx,
    attached: bool,
    depth: u32,
}
