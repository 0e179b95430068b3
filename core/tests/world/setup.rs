//! Random configurations: buses, handlers, forwards, and the settings of an event.

use core::any::TypeId;
use core::time::Duration;

use busway_core::Instant;
use busway_core::machine::{
    Action, BusConfig, Completion, Concurrency, HandlerOrder, Limit, Overrides, Pattern, Retries,
};

use super::{Checked, TICK, World};
use crate::model::{self, BusId, Kind};

impl World {
    pub(super) fn set_up(&mut self) -> Checked {
        for _ in 0..1 + self.rng.below(4) {
            self.add_bus()?;
        }
        let handlers = self.rng.one_of([2, 4, 6]);
        for bus in 0..self.keys.buses.len() {
            for _ in 0..self.rng.below(handlers) {
                match self.rng.chance(6 * self.mood.addressed) {
                    true => self.on_address(bus)?,
                    false => self.on(bus)?,
                }
            }
        }
        Ok(())
    }

    pub(super) fn add_bus(&mut self) -> Checked {
        let config = self.bus_config();
        self.begin(|| format!("add bus {config:?}"));
        let key = self.input(|hub| {
            let key = hub.add_bus(config.clone(), 7);
            hub.tell_idle(key, 0);
            key
        });
        self.keys.buses.push(key);
        self.ready.push(false);
        self.model.add_bus(config);
        self.check()
    }

    /// Registers a handler or a forward.
    pub(super) fn on(&mut self, bus: BusId) -> Checked {
        let pattern = self.pattern();
        let label = self.rng.one_of(["f", "g", "h", "i", "j"]);
        let limit = self.limit();
        let target = self.rng.below(self.keys.buses.len());
        let forwards = self.rng.chance(self.mood.forwards);
        let ours = if forwards { model::Action::Forward(target) } else { model::Action::Call };
        self.begin(|| format!("on {bus} {pattern:?} {limit:?} forward {forwards} to {target}"));
        let theirs = match ours {
            model::Action::Forward(target) => Action::Forward(self.keys.buses[target]),
            model::Action::Call => Action::Call(self.keys.handlers.len() as u32),
        };
        let (of, key) = (pattern_of(pattern), self.keys.buses[bus]);
        let info = self.input(|hub| hub.on(key, of, label, limit, theirs));
        if let Ok(info) = &info {
            self.keys.handlers.push(info.key);
            self.model.on(bus, pattern, label, limit, ours);
        }
        self.agree("registered", &info.is_ok(), &!self.model.buses[bus].gone)?;
        self.check()
    }

    fn bus_config(&mut self) -> BusConfig {
        let mut config = BusConfig::new(format!("bus{}", self.keys.buses.len()));
        let rng = &mut self.rng;
        config.max_pending =
            rng.one_of([None, Some(0), Some(1), Some(2), Some(4), Some(100), Some(100)]);
        config.max_pending_children = rng.one_of([None, Some(0), Some(2), Some(10_000)]);
        config.max_history = rng.one_of([None, Some(0), Some(1), Some(2), Some(3), Some(50)]);
        config.limit = self.limit();
        config.slow_after = self.duration(4);
        config.concurrency = self.concurrency();
        config.handler_order = self.handler_order();
        config.completion = self.completion();
        config.write_ahead = self.rng.chance(self.mood.ahead);
        config
    }

    pub(super) fn overrides(&mut self) -> Overrides {
        let mut own = Overrides::default();
        if self.rng.chance(40) {
            own.limit = self.limit();
            own.concurrency = Some(self.concurrency()).filter(|_| self.rng.chance(50));
            own.handler_order = Some(self.handler_order()).filter(|_| self.rng.chance(30));
            own.completion = Some(self.completion()).filter(|_| self.rng.chance(30));
            own.deadline = self.deadline().filter(|_| self.rng.chance(30));
        }
        if self.rng.chance(self.mood.retried) {
            own.retries = Some(self.retries());
        }
        own
    }

    pub(super) fn kind(&mut self) -> Kind {
        self.rng.one_of([
            ("A", Some(TypeId::of::<u8>())),
            ("A", Some(TypeId::of::<u8>())),
            ("A", Some(TypeId::of::<u16>())),
            ("A", None),
            ("B", None),
        ])
    }

    pub(super) fn pattern(&mut self) -> Option<Kind> {
        let kind = self.kind();
        self.rng.chance(50).then_some(kind)
    }

    fn deadline(&mut self) -> Option<Instant> {
        let now = self.now();
        self.duration(6).map(|after| now + after)
    }

    fn limit(&mut self) -> Limit {
        match self.rng.below(6) {
            0 => Limit::Off,
            1 => Limit::After(Duration::ZERO),
            2 | 3 => self.duration(6).map_or(Limit::Off, Limit::After),
            _ => Limit::Inherit,
        }
    }

    fn duration(&mut self, ticks: usize) -> Option<Duration> {
        let ticks = self.rng.below(ticks) as u64;
        (ticks > 0).then(|| Duration::from_nanos(ticks * TICK))
    }

    fn retries(&mut self) -> Retries {
        let wait = self.duration(3).unwrap_or_default();
        let mut retries = Retries::new(self.rng.below(3) as u32, wait);
        retries.backoff_factor = self.rng.one_of([1.0, 2.0]);
        retries
    }

    fn concurrency(&mut self) -> Concurrency {
        if self.rng.chance(self.mood.hub_serial) {
            Concurrency::HubSerial
        } else if self.rng.chance(self.mood.parallel) {
            Concurrency::Parallel
        } else {
            Concurrency::BusSerial
        }
    }

    fn handler_order(&mut self) -> HandlerOrder {
        if self.rng.chance(30) { HandlerOrder::Parallel } else { HandlerOrder::Serial }
    }

    fn completion(&mut self) -> Completion {
        if self.rng.chance(25) { Completion::First } else { Completion::All }
    }
}

pub(super) const fn pattern_of(pattern: Option<Kind>) -> Pattern<'static> {
    match pattern {
        None => Pattern::Any,
        Some((name, None)) => Pattern::Name(name),
        Some((name, Some(of_type))) => Pattern::Type(name, of_type),
    }
}
