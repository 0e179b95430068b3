//! What starts next: the queue, the slot, raised events, the next handler (R1, R3, R8–R10, R13, R14,
//! R17).

use alloc::sync::Arc;

use super::config::Concurrency;
use super::event_state::{EventState, Visit, VisitState};
use super::flight::{OfSeveral, may_fly, may_fly_in_turn};
use super::hand::Hand;
use super::output::{Dropped, Next, Note, Output, Run};
use super::registry::{Action, Handler, Snapshot};
use super::results::{HandlerInfo, Outcome, Row};
use super::state::{BusIx, BusState, EventIx, Line, Phase, Slot, VisitIx, WorkIx};
use super::work::Work;
use super::{BusKey, Machine};
use crate::time::Instant;

/// The most events without handlers that one call of `next` completes.
const UNHANDLED_AT_ONCE: usize = 64;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Starts what is next on a bus, and returns what to run. Ask again until it is idle: until then
    /// there is no [`Output::Ready`] for the bus.
    pub fn next(&mut self, bus: BusKey, now: Instant) -> Next<P, H> {
        self.advance(now);
        let mut hand = Hand::EMPTY;
        let asked = self.bus(bus).map_or(Asked::Idle, |bus| self.next_run(bus, &mut hand));
        Next::of(hand.run, asked)
    }

    /// Does the same, but puts what to run in its final place, so that it is moved once.
    #[inline]
    pub(super) fn next_run(&mut self, ix: BusIx, hand: &mut Hand<P, H>) -> Asked {
        self.land();
        for _ in 0..UNHANDLED_AT_ONCE {
            let asked = self.try_next(ix, hand);
            if asked == Asked::Idle || hand.run.is_some() {
                return asked;
            }
        }
        Asked::Again
    }

    /// Announces that the caller will ask a bus for [`next`](Self::next) until it is idle, so that it
    /// needs no [`Output::Ready`]. This cannot be taken back: a caller that then does not ask silences
    /// the bus.
    pub fn attend(&mut self, bus: BusKey) {
        if let Some(bus) = self.bus(bus) {
            self.buses[bus].ready = true;
        }
    }

    /// When what was next is done as soon as it has started, nothing is to be run although the bus is
    /// not idle.
    #[inline(never)]
    fn try_next(&mut self, ix: BusIx, hand: &mut Hand<P, H>) -> Asked {
        let BusState { resuming, continuing, ready, .. } = &mut self.buses[ix];
        *ready = true;
        let (resumes, continues) = (!resuming.is_empty(), !continuing.is_empty());
        if resumes && let Some(resumed) = self.resume(ix) {
            hand.run = Some(resumed);
            return Asked::Again;
        }
        let continuing = if continues { self.pop_continuing(ix) } else { None };
        match continuing {
            Some(visit) => self.start_next(visit, hand),
            None => match self.candidate(ix) {
                Candidate::Start(visit) => self.start(ix, visit, hand),
                waiting => return self.idle(ix, waiting),
            },
        }
        Asked::Again
    }

    #[inline(never)]
    fn idle(&mut self, ix: BusIx, waiting: Candidate) -> Asked {
        self.buses[ix].ready = false;
        if let Candidate::AwaitsHub(line) = waiting {
            self.stand_in_line(ix, line);
        }
        self.pass_hub_slot_on(ix);
        self.let_go_of_much();
        Asked::Idle
    }

    /// Gives `Ready` once for a bus on which something can start.
    #[inline(always)]
    pub(super) fn kick(&mut self, bus: BusIx) {
        if !self.buses[bus].ready {
            self.say_if_ready(bus);
        }
    }

    #[inline(never)]
    pub(super) fn say_if_ready(&mut self, bus: BusIx) {
        let state = &self.buses[bus];
        let candidate = match state.continuing.is_empty() && state.resuming.is_empty() {
            true => self.candidate(bus),
            false => Candidate::Continue,
        };
        match candidate {
            Candidate::Start(_) | Candidate::Continue => {
                self.buses[bus].ready = true;
                self.note(Note::Ready(self.buses.key(bus)));
            }
            Candidate::AwaitsHub(line) => self.stand_in_line(bus, line),
            Candidate::None => {}
        }
    }

    /// How a visit excludes others: the event's own setting, else its bus's.
    #[inline(always)]
    pub(super) fn concurrency(&self, visit: VisitIx) -> Concurrency {
        let (stay, event) = self.entries.pair(visit);
        event.concurrency(&self.buses[stay.bus].config)
    }

    /// Updates everything that depends on what a started visit is doing now.
    #[inline(never)]
    pub(super) fn settle(&mut self, visit: VisitIx) {
        let Self { buses, entries, works, hub_slot, .. } = self;
        let stay = &mut entries[visit];
        let (VisitState::Running, Some(work)) = (stay.state, stay.work) else { return };
        let (event, ix) = (stay.event, stay.bus);
        let (bus, state) = (&mut buses[ix], &mut works[work]);
        let is_done = state.is_done();
        let awake = !is_done && state.is_awake();
        if awake != core::mem::replace(&mut state.awake, awake) {
            state.concurrency.change_slots(&mut bus.slot, hub_slot, |slot| match awake {
                true => slot.busy += 1,
                false => slot.busy -= 1,
            });
        }
        if is_done {
            // It is done, and gives its slots back.
            stay.state = VisitState::Done;
            state.concurrency.change_slots(&mut bus.slot, hub_slot, |slot| slot.occupied -= 1);
            if let Some(handlers) = state.handlers.take() {
                self.let_go(handlers);
            }
            self.close_one(event);
        } else if state.can_continue() && !state.continuing {
            state.continuing = true;
            bus.continuing.push(entries.key(visit));
        }
        self.kick(ix);
        self.call_lines();
    }

    #[inline(always)]
    fn candidate(&self, bus: BusIx) -> Candidate {
        let state = &self.buses[bus];
        if state.phase == Phase::Stopped || state.watches.holds > 0 {
            return Candidate::None;
        }
        if let Some(visit) = state.raised_parallel.first() {
            return self.unless_held(visit);
        }
        if let Some(visit) = state.raised.first().filter(|_| state.slot.busy == 0) {
            return self.raised_candidate(visit);
        }
        let Some(head) = state.queue.first() else {
            return Candidate::None;
        };
        let (stay, event) = self.entries.pair(head);
        let unless_held = if stay.held { Candidate::None } else { Candidate::Start(head) };
        match event.concurrency(&state.config) {
            Concurrency::Parallel => unless_held,
            _ if state.slot.occupied > 0 => Candidate::None,
            Concurrency::HubSerial if self.hub_slot.occupied > 0 => {
                Candidate::AwaitsHub(Line::Queued)
            }
            _ => unless_held,
        }
    }

    #[inline(never)]
    fn raised_candidate(&self, visit: VisitIx) -> Candidate {
        match self.concurrency(visit) {
            Concurrency::HubSerial if self.hub_slot.busy > 0 => Candidate::AwaitsHub(Line::Raised),
            _ => self.unless_held(visit),
        }
    }

    /// A visit whose acceptance is not written holds back the ones behind it (R42).
    fn unless_held(&self, visit: VisitIx) -> Candidate {
        match self.entries[visit].held {
            true => Candidate::None,
            false => Candidate::Start(visit),
        }
    }

    /// Starts a visit and its first handler.
    #[inline(always)]
    fn start(&mut self, ix: BusIx, visit: VisitIx, hand: &mut Hand<P, H>) {
        self.unplace_raised(visit);
        let bus = &self.buses[ix];
        let (stay, event) = self.entries.pair(visit);
        let kind = event.kind;
        let only = || bus.handlers.only(self.kinds.name_ix(kind));
        let may_fly = may_fly(bus, visit, stay, event);
        match may_fly.then(only).flatten().filter(|only| only.has_row(kind)) {
            Some(only) => {
                let handler = hand.another(only);
                self.take_off(visit, handler, hand);
            }
            None => self.start_first(ix, visit, hand),
        }
    }

    /// Does the same, whatever handlers it has.
    #[inline(never)]
    fn start_first(&mut self, ix: BusIx, visit: VisitIx, hand: &mut Hand<P, H>) {
        self.buses[ix].queue.remove(&mut self.entries, visit);
        let name = self.kinds.name_ix(self.entries.pair(visit).1.kind);
        let handlers = self.buses[ix].handlers.snapshot(name);
        self.start_all(visit, handlers);
        self.start_next(visit, hand);
    }

    /// Fixes the handlers of a visit from now on (R3).
    #[inline(never)]
    fn start_all(&mut self, visit: VisitIx, handlers: Snapshot<H>) {
        let Self { buses, entries, works, hub_slot, now, .. } = self;
        let (stay, event) = entries.pair_mut(visit);
        let bus = &mut buses[stay.bus];
        event.begin_to_run(*now);
        stay.begin_to_run();
        let (key, work) = works.renew();
        begin_work(bus, hub_slot, (stay, event), (key.ix(), work), handlers.len());
        work.handlers = Some(handlers);
        bus.started.push_back(entries, visit);
    }

    /// Starts a visit that was never queued.
    #[inline(never)]
    pub(super) fn begin_past_queue(
        &mut self,
        bus: BusIx,
        visit: VisitIx,
        bytes: u32,
        handlers: Snapshot<H>,
    ) {
        self.entries[visit].addressed = true;
        self.buses[bus].take_in_addressed(&mut self.entries, visit, bytes);
        self.start_all(visit, handlers);
        self.settle(visit);
    }

    /// Takes a visit that will wait no longer out of its queue.
    #[inline(always)]
    pub(super) fn unqueue(&mut self, visit: VisitIx) {
        self.unplace_raised(visit);
        let bus = self.entries[visit].bus;
        self.buses[bus].queue.remove(&mut self.entries, visit);
    }

    /// Hands out lists that were replaced meanwhile: dropping them drops user values.
    #[inline(never)]
    fn let_go(&mut self, Snapshot { exact, any }: Snapshot<H>) {
        let lists = [exact, any].into_iter().flatten();
        for list in lists.filter(|list| Arc::strong_count(list) == 1) {
            self.say(Output::Dropped(Dropped::Handlers(list)));
        }
    }

    /// Takes the next started visit that has a handler to start.
    #[inline(never)]
    pub(super) fn pop_continuing(&mut self, bus: BusIx) -> Option<VisitIx> {
        while let Some(key) = self.buses[bus].continuing.pop() {
            let Some(visit) = self.entries.find(key) else { continue };
            let Some(work) = self.entries[visit].work else { continue };
            self.works[work].continuing = false;
            if self.works[work].can_continue() {
                return Some(visit);
            }
        }
        None
    }

    /// Starts the next handler of a visit.
    fn start_next(&mut self, visit: VisitIx, hand: &mut Hand<P, H>) {
        let Self { entries, works, .. } = self;
        let (stay, event) = entries.pair(visit);
        let Some(ix) = stay.work else { return };
        let work = &mut works[ix];
        let index = work.next;
        match work.next_handler() {
            Some(handler) if handler.has_row(event.kind) => {
                let may_fly = may_fly_in_turn(visit, stay, event, work);
                let (beside, is_parallel) = (work.beside(), work.parallel);
                work.live += 1;
                let of = Some(OfSeveral { work: ix, handler: index });
                self.launch(visit, handler, beside, of, hand);
                if !may_fly {
                    self.land();
                }
                match is_parallel {
                    // It runs, as its slots already count; other buses may use the hub's.
                    false => self.call_lines(),
                    true => self.settle(visit),
                }
            }
            Some(other) => {
                let event = stay.event;
                self.pass_by(event, ix, &other);
                self.settle(visit);
            }
            // It has no handlers, and is done as soon as it has started (R7).
            None => self.settle(visit),
        }
    }

    /// Passes a handler that is not run: one for events of another type, or a forward.
    #[cold]
    #[inline(never)]
    fn pass_by(&mut self, event: EventIx, work: WorkIx, handler: &Handler<H>) {
        match handler.action {
            Action::Forward(target) if handler.accepts(self.entries[event].kind) => {
                self.forward_or_say(event, work, target, &handler.info);
            }
            _ => self.tell_other_type(event, &handler.info),
        }
    }

    /// Forwards an event. If it cannot be forwarded, a row says so.
    fn forward_or_say(
        &mut self,
        event: EventIx,
        work: WorkIx,
        target: BusKey,
        handler: &Arc<HandlerInfo>,
    ) {
        if !self.forward(event, target) {
            let (now, outcome) = (Some(self.now), Some(Outcome::TargetGone));
            let pending = Row::pending(handler.clone());
            let row = Row { started_at: now, completed_at: now, outcome, ..pending };
            self.works[work].rows.push(row);
        }
    }
}

/// Sets up the work of a visit that starts with this many handlers. The caller then puts it into the
/// started stage.
#[inline(always)]
pub(super) fn begin_work<P, R, H>(
    bus: &mut BusState<H>,
    hub_slot: &mut Slot,
    (stay, event): (&mut Visit, &mut EventState<P>),
    (ix, work): (WorkIx, &mut Work<R, H>),
    handlers: usize,
) {
    work.begin(handlers, &bus.config, event);
    work.concurrency.change_slots(&mut bus.slot, hub_slot, |slot| {
        slot.occupied += 1;
        slot.busy += usize::from(handlers > 0);
    });
    if work.concurrency == Concurrency::HubSerial {
        bus.called_to_hub = false;
    }
    stay.work = Some(ix);
}

impl<P, H> Next<P, H> {
    pub(super) fn of(run: Option<Run<P, H>>, asked: Asked) -> Self {
        match run {
            Some(run) => Self::Run(run),
            None if asked == Asked::Idle => Self::Idle,
            None => Self::Again,
        }
    }
}

/// The result of asking, besides what to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// There may be more.
    Again,
    Idle,
}

enum Candidate {
    Start(VisitIx),
    /// A started visit has a handler to start.
    Continue,
    /// It could start if the hub's slot were free.
    AwaitsHub(Line),
    None,
}
