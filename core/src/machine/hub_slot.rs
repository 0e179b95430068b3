//! The line for the hub's slot (R10). When the slot is free, one bus is called, and the others wait for
//! it, the one that had the slot too; a bus that does not use it calls the next. So nothing is scanned,
//! no bus is forgotten, and none is kept waiting by another that always has more.

use super::Machine;
use super::state::{BusIx, Line, Phase};

impl<P: Clone, R, H> Machine<P, R, H> {
    pub(super) fn stand_in_line(&mut self, bus: BusIx, line: Line) {
        let key = self.buses.key(bus);
        let state = &mut self.buses[bus];
        if core::mem::replace(&mut state.in_line[line as usize], true) {
            return;
        }
        match state.called_to_hub.contains(&true) {
            true => self.hub_lines[line as usize].push_front(key),
            false => self.hub_lines[line as usize].push_back(key),
        }
    }

    /// Calls the first bus of each line, as the hub's slot is free.
    #[inline]
    pub(super) fn call_lines(&mut self) {
        if self.hub_lines.iter().any(|line| !line.is_empty()) {
            self.call_waiting();
        }
    }

    #[cold]
    #[inline(never)]
    fn call_waiting(&mut self) {
        if self.hub_slot.busy == 0 {
            self.call(Line::Raised);
        }
        if self.hub_slot.occupied == 0 && self.called().is_none() {
            self.call(Line::Queued);
        }
    }

    /// The bus that the free slot was given to, until it uses it or passes it on.
    fn called(&self) -> Option<BusIx> {
        let called = self.hub_called.and_then(|bus| self.bus(bus))?;
        self.buses[called].called_to_hub[Line::Queued as usize].then_some(called)
    }

    /// Whether a bus has to wait until a queued visit of its can have the hub's slot.
    pub(super) fn awaits_hub(&self, bus: BusIx) -> bool {
        self.hub_slot.occupied > 0 || self.called().is_some_and(|called| called != bus)
    }

    /// A bus that was called and has nothing to start calls the next, even when it stands in line
    /// again: that may be the other line.
    #[inline]
    pub(super) fn pass_hub_slot_on(&mut self, bus: BusIx) {
        if core::mem::take(&mut self.buses[bus].called_to_hub).contains(&true) {
            self.call_lines();
        }
    }

    fn call(&mut self, line: Line) {
        while let Some(key) = self.hub_lines[line as usize].pop_front() {
            let Some(bus) = self.buses.find(key) else { continue };
            self.buses[bus].in_line[line as usize] = false;
            if self.buses[bus].phase == Phase::Stopped {
                // It starts nothing, and may be asked no more, even if it is ready.
                continue;
            }
            self.buses[bus].called_to_hub[line as usize] = true;
            if line == Line::Queued {
                self.hub_called = Some(key);
            }
            self.kick(bus);
            if self.buses[bus].ready {
                return;
            }
            self.buses[bus].called_to_hub[line as usize] = false;
            if self.buses[bus].in_line[line as usize] {
                // It still waits for the same, and is first in line again.
                return;
            }
        }
    }
}
