//! One event on many buses (R17).

use super::error::NotSentOn;
use super::state::EventIx;
use super::{BusKey, EventKey, Machine};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Sends an event on to another bus while its handlers run, as a registered forward does. A bus where
    /// it has been gets it no second time, which is not an error.
    ///
    /// # Errors
    /// It has not started or has ended, it is a message to an address, or the bus takes no events.
    pub fn send_on(
        &mut self,
        event: EventKey,
        target: BusKey,
        now: Instant,
    ) -> Result<(), NotSentOn> {
        self.advance(now);
        self.land();
        let event = self.entries.find(event).ok_or(NotSentOn::Ended)?;
        if self.entries[event].cause.is_some() || !self.is_open(event) {
            return Err(NotSentOn::Ended);
        }
        let home = &self.entries[event.home()];
        if home.addressed {
            return Err(NotSentOn::Addressed);
        }
        // Its results are gathered where it began.
        if home.work.is_none() {
            return Err(NotSentOn::NotStarted);
        }
        if self.forward(event, target) { Ok(()) } else { Err(NotSentOn::TargetGone) }
    }

    /// Sends an event on to a bus, unless it has been there. Returns false when that bus refuses it.
    pub(super) fn forward(&mut self, event: EventIx, target: BusKey) -> bool {
        let Some(bus) = self.buses.find(target) else {
            return false;
        };
        // It is not sent again to a bus where it has been, whatever has become of that bus. That is not
        // an error.
        let first = event.home();
        if self.entries[first].bus == bus || self.forwarded.contains(&(event, bus)) {
            return true;
        }
        let state = &self.buses[bus];
        if !state.is_open_to_forwards(self.entries[event].attached) || state.closed || state.refuses
        {
            return false;
        }
        self.forwarded.insert((event, bus));
        self.event_count += 1;
        let visit = self.entries.insert_further(event, bus, self.event_count);
        let last = self.last_visits.insert(event, visit).unwrap_or(first);
        self.entries[last].next = Some(visit);
        self.entries[event].open += 1;
        self.place_raised(visit);
        self.arrived(bus, visit, self.entries[event].bytes);
        self.tell_those_in_handlers();
        true
    }
}
