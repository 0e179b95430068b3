//! Answers of a journal: written, or not.

use super::{Checked, World};

impl World {
    /// The journal answers for one event, mostly a held one, in any order.
    pub(super) fn write_one(&mut self) -> Checked {
        let held = self.model.held_visits();
        let spurious = (self.rng.below(self.keys.buses.len()), self.some_event());
        let one = self.rng.pick(&held).filter(|_| self.rng.chance(95));
        let Some((bus, event)) = one.or(spurious.1.map(|event| (spurious.0, event))) else {
            return Ok(());
        };
        match self.rng.chance(85) {
            true => self.written(bus, event),
            false => self.not_written(bus, event),
        }
    }

    /// Writes every held event. Returns whether there was one.
    pub(super) fn write_all(&mut self) -> Result<bool, String> {
        let held = self.model.held_visits();
        for (bus, event) in &held {
            self.written(*bus, *event)?;
        }
        Ok(!held.is_empty())
    }

    fn written(&mut self, bus: usize, event: usize) -> Checked {
        self.begin(|| format!("event {event} is written on {bus}"));
        let (bus_key, key) = (self.keys.buses[bus], self.keys.events[event]);
        self.input(|hub| hub.written(bus_key, key));
        self.model.written(bus, event);
        self.check()
    }

    /// The journal fails, for one event or for good.
    fn not_written(&mut self, bus: usize, event: usize) -> Checked {
        let for_good = self.rng.chance(10);
        self.begin(|| format!("event {event} is not written on {bus}, for good {for_good}"));
        let (now, bus_key, key) = (self.now(), self.keys.buses[bus], self.keys.events[event]);
        self.input(|hub| {
            if for_good {
                hub.refuse(bus_key);
            }
            hub.not_written(bus_key, key, now);
        });
        self.model.advance(now);
        if for_good {
            self.model.refuse(bus);
        }
        self.model.not_written(bus, event);
        self.check()
    }
}
