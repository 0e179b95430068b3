//! The line for the hub's slot (R10). When the slot is free, one bus is called; a bus that does not use
//! it calls the next. So nothing is scanned and no bus is forgotten.

use super::Machine;
use super::state::{BusIx, Line, Phase};

impl<P: Clone, R, H> Machine<P, R, H> {
    pub(super) fn stand_in_line(&mut self, bus: BusIx, line: Line) {
        let key = self.buses.key(bus);
        let state = &mut self.buses[bus];
        if core::mem::replace(&mut state.in_line[line as usize], true) {
            return;
        }
        match state.called_to_hub {
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
        if self.hub_slot.occupied == 0 {
            self.call(Line::Queued);
        }
    }

    /// A bus that was called and has nothing to start calls the next, even when it stands in line
    /// again: that may be the other line.
    #[inline]
    pub(super) fn pass_hub_slot_on(&mut self, bus: BusIx) {
        if core::mem::take(&mut self.buses[bus].called_to_hub) {
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
            self.buses[bus].called_to_hub = true;
            self.kick(bus);
            if self.buses[bus].ready {
                return;
            }
            self.buses[bus].called_to_hub = false;
            if self.buses[bus].in_line[line as usize] {
                // It still waits for the same, and is first in line again.
                return;
            }
        }
    }
}
