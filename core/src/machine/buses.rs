//! The life of buses: names, places in a full bus, idle, stop, close (R6, R31–R33, R40).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::config::BusConfig;
use super::error::{BusGone, Refusal};
use super::event_state::VisitState;
use super::list::Links;
use super::output::{Dropped, Output};
use super::results::Cause;
use super::state::{BusIx, BusState, Phase, Reservation};
use super::warning::Warning;
use super::{BusKey, EventKey, Machine, ReservationKey};
use crate::time::Instant;

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Creates a bus. If its name is taken, it gets the same name with `suffix` as eight hexadecimal
    /// digits.
    pub fn add_bus(&mut self, config: BusConfig, suffix: u32) -> BusKey {
        let wanted = identifier(&config.name);
        let name = self.free_name(&wanted, suffix);
        if *name != *wanted {
            let taken = Warning::BusNameTaken { wanted, name: name.clone() };
            self.warn(taken);
        }
        let bus = self.buses.insert(BusState::new(config, name.clone()));
        self.bus_names.insert(name, bus);
        bus
    }

    /// Returns the name of a bus.
    #[must_use]
    pub fn bus_name(&self, bus: BusKey) -> Option<&Arc<str>> {
        self.buses.get(bus).map(|bus| &bus.name)
    }

    /// Returns the settings a bus was made with.
    #[must_use]
    pub fn bus_config(&self, bus: BusKey) -> Option<&BusConfig> {
        self.buses.get(bus).map(|bus| &bus.config)
    }

    /// Returns whether nothing of a bus is queued, running or incomplete (R31). A bus that is gone is
    /// idle.
    #[must_use]
    pub fn is_idle(&self, bus: BusKey) -> bool {
        self.incomplete(bus) == 0
    }

    /// Returns the number of events of a bus that have not completed.
    #[must_use]
    pub fn incomplete(&self, bus: BusKey) -> usize {
        self.buses.get(bus).map_or(0, |bus| bus.incomplete)
    }

    /// Returns the events of a bus that have not started there, in order of arrival.
    pub fn queued(&self, bus: BusKey) -> impl Iterator<Item = EventKey> {
        let queued = self.buses.get(bus).into_iter().flat_map(|bus| bus.queue.iter(&self.entries));
        // The event in flight is in the queue too.
        let queued = queued.filter(|visit| self.entries[*visit].state == VisitState::Queued);
        queued.map(|visit| self.entries.key(self.entries[visit].event))
    }

    /// Returns whether a bus no longer accepts events.
    #[must_use]
    pub fn is_stopped(&self, bus: BusKey) -> bool {
        self.buses.get(bus).is_none_or(|bus| bus.phase != Phase::Open)
    }

    /// Refuses new events except those that handlers of incomplete ones dispatch, so that the work in
    /// progress can end.
    pub fn drain(&mut self, bus: BusKey) {
        self.land();
        let Some(ix) = self.bus(bus) else { return };
        if self.buses[ix].phase == Phase::Open {
            self.buses[ix].phase = Phase::Draining;
        }
        self.answer_reservations(ix);
    }

    /// Does the same for all buses of the hub, which it returns. What one of them sends on, the others
    /// still accept.
    pub fn drain_hub(&mut self) -> Vec<BusKey> {
        let buses: Vec<_> = self.buses.iter().map(|(ix, _)| self.buses.key(ix)).collect();
        for bus in &buses {
            self.drain(*bus);
            if let Some(ix) = self.bus(*bus).filter(|ix| self.buses[*ix].phase == Phase::Draining) {
                self.buses[ix].phase = Phase::DrainingTogether;
            }
        }
        buses
    }

    /// Asks for one [`Output::Idle`] when a bus has no more than `at_most` incomplete events. Of
    /// several callers, all are told when the first one is due, and ask again.
    pub fn tell_idle(&mut self, bus: BusKey, at_most: usize) {
        if let Some(bus) = self.bus(bus) {
            let idle_at = &mut self.buses[bus].idle_at;
            *idle_at = (*idle_at).max(Some(at_most));
        }
    }

    /// Stops a bus: what runs is aborted, what is queued is cancelled, on this bus (R32).
    pub fn stop(&mut self, bus: BusKey, now: Instant) {
        self.advance(now);
        self.land();
        let Some(ix) = self.bus(bus) else { return };
        self.buses[ix].phase = Phase::Stopped;
        self.answer_reservations(ix);
        self.end_watches(ix);
        while let Some(visit) = self.buses[ix].queue.first() {
            self.end_stay(visit, Cause::Stopped);
        }
        // Between two handlers nothing runs, but the remaining ones must be cancelled.
        while let Some(visit) = self.pop_continuing(ix) {
            self.end_stay(visit, Cause::Stopped);
        }
        let started = self.buses[ix].started.iter(&self.entries);
        // An event that one of them awaits may end with it, and be in this list too.
        for visit in started.map(|visit| self.entries.key(visit)).collect::<Vec<_>>() {
            if let Some(visit) = self.entries.find(visit)
                && self.entries[visit].state == VisitState::Running
            {
                self.end_stay(visit, Cause::Stopped);
            }
        }
        self.pass_hub_slot_on(ix);
    }

    /// Closes a bus that can get no more dispatches. When it is idle, [`Output::Closed`] says so.
    pub fn close(&mut self, bus: BusKey) {
        if let Some(ix) = self.bus(bus) {
            self.buses[ix].closed = true;
            if self.buses[ix].incomplete == 0 {
                self.say(Output::Closed { bus });
            }
        }
    }

    /// Returns whether a bus was closed and has nothing left to do, or is gone.
    #[must_use]
    pub fn is_through(&self, bus: BusKey) -> bool {
        self.buses.get(bus).is_none_or(|bus| bus.closed && bus.incomplete == 0)
    }

    /// Reopens a closed bus that has not been removed, for a caller that got hold of it.
    ///
    /// # Errors
    /// The bus has been removed.
    pub fn reopen(&mut self, bus: BusKey) -> Result<(), BusGone> {
        let ix = self.bus(bus).ok_or(BusGone)?;
        self.buses[ix].closed = false;
        Ok(())
    }

    /// Drops a bus's handlers and history, and frees its name (R32).
    pub fn clear(&mut self, bus: BusKey) {
        let Some(ix) = self.bus(bus) else { return };
        let name = self.buses[ix].name.clone();
        if self.bus_names.get(&name) == Some(&bus) {
            self.bus_names.remove(&name);
        }
        let lists: Vec<_> = self.buses[ix].handlers.take().collect();
        for list in lists {
            for handler in &*list {
                self.forget_place(handler.info.key);
            }
            self.say(Output::Dropped(Dropped::Handlers(list)));
        }
        self.forget_completed(ix);
        self.let_go_of_room();
    }

    /// Stops a bus, and removes it with everything it has from the books.
    pub fn remove_bus(&mut self, bus: BusKey, now: Instant) {
        self.stop(bus, now);
        self.clear(bus);
        // Events still open elsewhere keep their visit here, and with it the bus.
        if let Some(ix) = self.bus(bus) {
            match self.buses[ix].incomplete {
                0 => {
                    self.forget_completed(ix);
                    self.pass_hub_slot_on(ix);
                    *self.buses.remove(ix) = BusState::new(BusConfig::new(""), Arc::default());
                    self.let_go_of_room();
                }
                _ => self.buses[ix].closed = true,
            }
        }
    }

    /// Frees much room that a burst of events has left, once there is none of them any more.
    #[inline]
    pub(super) fn let_go_of_much(&mut self) {
        if self.works.is_only_room() || self.kins.is_only_room() {
            self.let_go_of_room();
        }
    }

    /// Frees the room for what there is none of any more.
    #[cold]
    #[inline(never)]
    fn let_go_of_room(&mut self) {
        // The place of an invocation in flight was foretold.
        if self.flight.is_none() {
            self.entries.let_go();
            self.works.let_go();
            self.invocations.let_go();
            self.kins.let_go();
            self.waits.let_go();
        }
    }

    /// Asks for a place in a bus (R6).
    ///
    /// The place is available when [`is_granted`](Self::is_granted) says so, at once or after
    /// [`Output::Granted`]. A dispatch uses it, or [`release`](Self::release) gives it back.
    ///
    /// # Errors
    /// The bus is stopped, or has no places at all.
    pub fn reserve(&mut self, bus: BusKey) -> Result<ReservationKey, Refusal> {
        let ix = self.bus(bus).ok_or(Refusal::Stopped)?;
        let BusState { phase: Phase::Open, ref config, .. } = self.buses[ix] else {
            return Err(Refusal::Stopped);
        };
        if config.max_pending == Some(0) {
            return Err(Refusal::Full { limit: 0 });
        }
        let links = Links::default();
        let reservation = self.reservations.insert(Reservation { bus, granted: false, links });
        let mut waiting = self.buses[ix].reservations;
        waiting.push_back(&mut self.reservations, reservation.ix(), Reservation::links);
        self.buses[ix].reservations = waiting;
        self.grant(ix);
        Ok(reservation)
    }

    /// Returns whether a reservation was granted on this bus.
    #[must_use]
    pub fn is_granted(&self, reservation: ReservationKey, bus: BusKey) -> bool {
        let reservation = self.reservations.get(reservation);
        reservation.is_some_and(|reservation| reservation.granted && reservation.bus == bus)
    }

    /// Returns whether a reservation is still in line for a place.
    #[must_use]
    pub fn is_waiting(&self, reservation: ReservationKey) -> bool {
        self.reservations.get(reservation).is_some_and(|reservation| !reservation.granted)
    }

    /// Gives back an unused place, or stops waiting for one.
    pub fn release(&mut self, reservation: ReservationKey) {
        let Some(ix) = self.reservations.find(reservation) else { return };
        let Reservation { bus, granted, .. } = self.reservations[ix];
        if let Some(bus) = self.buses.find(bus) {
            match granted {
                true => self.buses[bus].granted -= 1,
                false => self.leave_reservations(bus, ix),
            }
            self.reservations.remove(ix);
            self.grant(bus);
        } else {
            self.reservations.remove(ix);
        }
    }

    /// Turns a granted place into the place of an event.
    #[cold]
    #[inline(never)]
    pub(super) fn use_permit(&mut self, permit: ReservationKey, bus: BusIx) {
        if self.is_granted(permit, self.buses.key(bus)) {
            self.reservations.remove(permit.ix());
            self.buses[bus].granted -= 1;
        }
    }

    /// Grants free places to waiting reservations, first come first served.
    #[inline(never)]
    pub(super) fn grant(&mut self, bus: BusIx) {
        while let Some(first) = self.buses[bus].reservations.first() {
            let state = &self.buses[bus];
            if state.config.max_pending.is_some_and(|max| state.roots + state.granted >= max) {
                return;
            }
            self.leave_reservations(bus, first);
            self.reservations[first].granted = true;
            self.buses[bus].granted += 1;
            self.say(Output::Granted { reservation: self.reservations.key(first) });
        }
    }

    fn leave_reservations(&mut self, bus: BusIx, ix: super::arena::Ix<super::ReservationTag>) {
        let mut waiting = self.buses[bus].reservations;
        waiting.remove(&mut self.reservations, ix, Reservation::links);
        self.buses[bus].reservations = waiting;
    }

    /// A stopped bus has no places: its waiting reservations are told, and find themselves refused.
    fn answer_reservations(&mut self, bus: BusIx) {
        while let Some(first) = self.buses[bus].reservations.first() {
            self.leave_reservations(bus, first);
            let reservation = self.reservations.key(first);
            self.reservations.remove(first);
            self.say(Output::Granted { reservation });
        }
    }

    fn free_name(&self, wanted: &str, suffix: u32) -> Arc<str> {
        let taken = |name: &str| self.bus_names.contains_key(name);
        if !taken(wanted) {
            return wanted.into();
        }
        let names = (0..=u32::MAX).map(|n| format!("{wanted}_{:08x}", suffix.wrapping_add(n)));
        names.into_iter().find(|name| !taken(name)).unwrap_or_default().into()
    }
}

/// Turns a name into an identifier: characters other than letters and the digits 0 to 9 become `_`.
/// Most other numeric characters (`²`, `①`) are not allowed in identifiers.
fn identifier(name: &str) -> String {
    let starts_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let prefix = if starts_well { "" } else { "_" };
    let stays = |c: char| c.is_alphabetic() || c.is_ascii_digit();
    let rest = name.chars().map(|c| if stays(c) { c } else { '_' });
    prefix.chars().chain(rest).collect()
}
