//! Consistency checks of the books, for tests and simulations.

use alloc::format;
use alloc::string::String;

use super::event_state::VisitState;
use super::flight::Flight;
use super::registry::Place;
use super::results::EventStatus;
use super::state::{BusIx, EventIx, InvocationIx, Slot, VisitIx};
use super::work::Work;
use super::{BusKey, Machine};

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Recounts every count and flag from the entries.
    ///
    /// # Errors
    /// Returns the first disagreement.
    pub fn audit(&self) -> Result<(), String> {
        let mut hub = Slot::default();
        for (ix, _) in self.buses.iter() {
            self.audit_bus(ix, &mut hub)?;
        }
        expect(hub == self.hub_slot, || format!("hub slot: {:?}, counted {hub:?}", self.hub_slot))?;
        let named = |(_, place): &&(BusKey, Place)| matches!(place, Place::Name(_));
        let handlers = self.handler_places.values().filter(named).count();
        let uses = self.kinds.len() + self.named_watches() + handlers;
        let noted = self.kinds.uses();
        expect(uses == noted, || format!("names: {noted} uses, counted {uses}"))?;
        self.audit_events()
    }

    /// Recounts a bus, and adds what it takes of the hub's slot.
    fn audit_bus(&self, ix: BusIx, hub: &mut Slot) -> Result<(), String> {
        let (bus, mut slot) = (&self.buses[ix], Slot::default());
        let (mut queued, mut incomplete, mut raised, mut kept) = (0, 0, 0, 0);
        for (at, visit) in self.entries.visits().filter(|(_, visit)| visit.bus == ix) {
            let flies_alone = self.flight_at(at).is_some_and(Flight::is_in_queue);
            let is_queued = visit.state == VisitState::Queued;
            let is_complete = self.entries[visit.event].is_complete();
            queued += usize::from(is_queued || flies_alone);
            incomplete += usize::from(!is_complete);
            raised += usize::from(is_queued && self.raise_of(visit.event) > 0);
            kept += usize::from(visit.remembered || !is_complete);
            match visit.work {
                Some(work) => self.audit_work(at, &self.works[work], (&mut slot, hub))?,
                None => expect((visit.state == VisitState::Running) == flies_alone, || {
                    format!("{:?} without work", self.entries.key(visit.event))
                })?,
            }
        }
        let (name, bus_key) = (&bus.name, self.buses.key(ix));
        expect(bus.ready || self.flight_on(ix).is_none(), || format!("{name} is not asked"))?;
        expect(slot == bus.slot, || format!("slot of {name}: {:?}, counted {slot:?}", bus.slot))?;
        let agree = |what: &str, noted: usize, counted: usize| {
            expect(noted == counted, || format!("{what} {name}: {noted}, counted {counted}"))
        };
        agree("handlers of", self.handler_count(bus_key), bus.handlers.recount())?;
        agree("raised on", bus.raised.len() + bus.raised_parallel.len(), raised)?;
        agree("incomplete on", bus.incomplete, incomplete)?;
        agree("in memory on", bus.in_memory, kept)?;
        agree("queue of", bus.queue.len(), queued)?;
        agree("linked in the queue of", bus.queue.iter(&self.entries).count(), queued)
    }

    /// Recounts the work of a visit, and adds what it takes of the slots of its bus and the hub.
    fn audit_work(
        &self,
        at: VisitIx,
        work: &Work<R, H>,
        (slot, hub): (&mut Slot, &mut Slot),
    ) -> Result<(), String> {
        let live = self.invocations_of(work).count() + self.flight_at(at).iter().count();
        expect(live == work.live as usize, || format!("work: {} live, counted {live}", work.live))?;
        let counts = work.is_awake() == work.awake && work.waiting <= work.live;
        expect(counts, || format!("work: {} of {} wait", work.waiting, work.live))?;
        let waiting = self.waiting_of(work);
        expect(waiting == work.waiting, || {
            format!("work: {} wait, counted {waiting}", work.waiting)
        })?;
        if self.entries[at].state == VisitState::Running {
            work.concurrency.change_slots(slot, hub, |slot| {
                slot.occupied += 1;
                slot.busy += usize::from(work.awake);
            });
        }
        Ok(())
    }

    fn flight_at(&self, visit: VisitIx) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.visit == visit)
    }

    fn waiting_of(&self, work: &Work<R, H>) -> u32 {
        self.invocations_of(work).filter(|ix| self.invocations[*ix].is_waiting()).count() as u32
    }

    fn invocations_of(&self, work: &Work<R, H>) -> impl Iterator<Item = InvocationIx> {
        let next = |ix: &InvocationIx| self.invocations[*ix].of_event.next();
        core::iter::successors(work.invocations.first(), next)
    }

    fn audit_events(&self) -> Result<(), String> {
        for (ix, event) in self.entries.events() {
            let key = self.entries.key(ix);
            let mut open = 0;
            let is_open = |visit: &VisitIx| self.entries[*visit].state != VisitState::Done;
            open += self.visits_of(ix).filter(is_open).count() as u32;
            let children = self.entries.events().filter(|(_, child)| child.attached);
            let parent = |child: EventIx| self.kin(child).and_then(|kin| kin.parent);
            open += children.filter(|(ix, _)| parent(*ix) == Some(key)).count() as u32;
            expect(open == event.open, || format!("{key:?}: {} open, counted {open}", event.open))?;
            let complete = event.status == EventStatus::Completed;
            expect(complete == (open == 0), || {
                format!("{key:?}: {:?}, {open} open", event.status)
            })?;
            expect(!complete || event.remembered > 0, || format!("{key:?}: kept by nobody"))?;
            let further = self.visits_of(ix).skip(1).last();
            let noted = self.last_visits.get(&ix).copied();
            expect(further == noted, || format!("{key:?}: another visit is its last"))?;
            let group = |wait| self.invocations[self.waits[wait].invocation].group;
            let is_in_order = self.waits_for(ix).is_sorted_by_key(group);
            expect(is_in_order, || format!("{key:?}: waits in disorder"))?;
        }
        Ok(())
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
