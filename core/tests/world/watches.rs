//! Readers come, read and go.

use busway_core::machine::Overflow;

use super::setup::pattern_of;
use super::{Checked, World};
use crate::model::{Watch, WatchId};

impl World {
    pub(super) fn watch_or_read(&mut self) -> Checked {
        let watches = self.model.watches.len();
        match self.rng.below(10) {
            0..=2 if watches < 8 => self.watch(),
            3 if watches > 0 => {
                let watch = self.rng.below(watches);
                self.unwatch(watch)
            }
            _ => {
                let unread = self.those(|watch| !watch.over && watch.unread > 0);
                let any = (watches > 0).then(|| self.rng.below(watches));
                let one = self.rng.pick(&unread).filter(|_| self.rng.chance(95)).or(any);
                one.map_or(Ok(()), |watch| self.read(watch))
            }
        }
    }

    fn watch(&mut self) -> Checked {
        let bus = self.rng.below(self.keys.buses.len());
        let pattern = self.pattern();
        let capacity = self.rng.one_of([0, 1, 2, 5]);
        let all = [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest];
        let overflow = self.rng.one_of(all);
        self.begin(|| format!("watch {bus} {pattern:?} capacity {capacity} {overflow:?}"));
        let key = self.keys.buses[bus];
        let watch = self.input(|hub| hub.watch(key, pattern_of(pattern), capacity, overflow));
        self.keys.watches.extend(watch);
        let expected = self.model.watch(bus, pattern, capacity, overflow);
        self.agree("may be watched", &watch.is_some(), &expected.is_some())?;
        self.check()
    }

    fn unwatch(&mut self, watch: WatchId) -> Checked {
        self.begin(|| format!("unwatch {watch}"));
        let key = self.keys.watches[watch];
        self.input(|hub| hub.unwatch(key));
        self.model.unwatch(watch);
        self.check()
    }

    fn read(&mut self, watch: WatchId) -> Checked {
        self.begin(|| format!("watcher {watch} reads"));
        let key = self.keys.watches[watch];
        self.input(|hub| hub.read(key));
        self.model.read(watch);
        self.check()
    }

    /// Every reader that a bus waits for catches up. Returns whether there was one.
    pub(super) fn catch_up(&mut self) -> Result<bool, String> {
        let behind = self.those(Watch::is_behind);
        for watch in &behind {
            while self.model.watches[*watch].is_behind() {
                self.read(*watch)?;
            }
        }
        Ok(!behind.is_empty())
    }

    fn those(&self, are: impl Fn(&Watch) -> bool) -> Vec<WatchId> {
        let watches = self.model.watches.iter().enumerate();
        watches.filter(|(_, watch)| are(watch)).map(|(id, _)| id).collect()
    }

    pub(super) fn check_watches(&self) -> Checked {
        let (seen, said) = (&self.seen, &self.model.said);
        let key = |watch: &WatchId| self.keys.watches[*watch];
        let arrived = said.arrived.iter().map(|(watch, event, instead_of_oldest)| {
            (key(watch), self.keys.events[*event], *event as u32, *instead_of_oldest)
        });
        self.agree("arrived, in order", &seen.arrived, &arrived.collect())?;
        let ended = said.ended_watches.iter().map(|(watch, dropped)| (key(watch), *dropped));
        self.agree_as_sets("ended watches", &seen.ended_watches, ended)?;
        for (id, watch) in self.model.watches.iter().enumerate() {
            let dropped = if watch.over { 0 } else { watch.dropped };
            self.agree("dropped", &self.hub.dropped(key(&id)), &dropped)?;
        }
        Ok(())
    }
}
