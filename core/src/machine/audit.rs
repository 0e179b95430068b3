//! Consistency checks of the books, for tests and simulations.

use alloc::format;
use alloc::string::String;

use super::event_state::VisitState;
use super::flight::Flight;
use super::registry::Place;
use super::results::EventStatus;
use super::state::{EventIx, InvocationIx, Slot, VisitIx};
use super::work::Work;
use super::{BusKey, Concurrency, Machine};

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Recounts every count and flag from the entries.
    ///
    /// # Errors
    /// Returns the first disagreement.
    pub fn audit(&self) -> Result<(), String> {
        let mut hub = Slot::default();
        for (ix, bus) in self.buses.iter() {
            let mut slot = Slot::default();
            let mut queued = 0;
            let mut incomplete = 0;
            let mut raised = 0;
            for (at, visit) in self.entries.visits().filter(|(_, visit)| visit.bus == ix) {
                let flight = self.flight.as_ref().filter(|flight| flight.visit == at);
                let flies_alone = flight.is_some_and(Flight::is_in_queue);
                queued += usize::from(visit.state == VisitState::Queued || flies_alone);
                let event = &self.entries[visit.event];
                incomplete += usize::from(!event.is_complete());
                raised += usize::from(
                    visit.state == VisitState::Queued && self.raise_of(visit.event) > 0,
                );
                let Some(work) = visit.work.map(|work| &self.works[work]) else {
                    let runs = visit.state == VisitState::Running;
                    expect(runs == flies_alone, || {
                        format!("{:?} without work", self.entries.key(visit.event))
                    })?;
                    continue;
                };
                let live = self.invocations_of(work).count() + flight.iter().count();
                expect(live == work.live as usize, || {
                    format!("work: {} live, counted {live}", work.live)
                })?;
                let counts = work.is_awake() == work.awake && work.waiting <= work.live;
                expect(counts, || format!("work: {} of {} wait", work.waiting, work.live))?;
                let waiting = self.waiting_of(work);
                expect(waiting == work.waiting, || {
                    format!("work: {} wait, counted {waiting}", work.waiting)
                })?;
                if visit.state == VisitState::Running {
                    let (held, awake) = (1, usize::from(work.awake));
                    if work.concurrency != Concurrency::Parallel {
                        slot = Slot { occupied: slot.occupied + held, busy: slot.busy + awake };
                    }
                    if work.concurrency == Concurrency::HubSerial {
                        hub = Slot { occupied: hub.occupied + held, busy: hub.busy + awake };
                    }
                }
            }
            let name = &bus.name;
            expect(bus.ready || self.flight_on(ix).is_none(), || format!("{name} is not asked"))?;
            expect(slot == bus.slot, || {
                format!("slot of {name}: {:?}, counted {slot:?}", bus.slot)
            })?;
            let placed = bus.raised.len() + bus.raised_parallel.len();
            expect(raised == placed, || format!("raised on {name}: {placed}, counted {raised}"))?;
            expect(incomplete == bus.incomplete, || {
                format!("incomplete on {name}: {}, counted {incomplete}", bus.incomplete)
            })?;
            let kept = self.entries.visits().filter(|(_, visit)| {
                visit.bus == ix && (visit.remembered || !self.entries[visit.event].is_complete())
            });
            let kept = kept.count();
            expect(kept == bus.in_memory, || {
                format!("in memory on {name}: {}, counted {kept}", bus.in_memory)
            })?;
            for length in [bus.queue.len(), bus.queue.iter(&self.entries).count()] {
                let is_so = length == queued;
                expect(is_so, || format!("queue of {name}: {length}, counted {queued}"))?;
            }
        }
        expect(hub == self.hub_slot, || format!("hub slot: {:?}, counted {hub:?}", self.hub_slot))?;
        let named = |(_, place): &&(BusKey, Place)| matches!(place, Place::Name(_));
        let handlers = self.handler_places.values().filter(named).count();
        let uses = self.kinds.len() + self.named_watches() + handlers;
        let noted = self.kinds.uses();
        expect(uses == noted, || format!("names: {noted} uses, counted {uses}"))?;
        self.audit_events()
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
