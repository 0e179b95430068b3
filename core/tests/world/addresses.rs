//! Consumers and listeners, and the events sent to them.

use busway_core::machine::{Address as Theirs, AddressRefused};

use super::{Checked, World};
use crate::model::{Address, Order};

impl World {
    fn address(&mut self) -> Address {
        use Address::{Consumer, Topic};
        self.rng.one_of([Consumer("a"), Topic("a"), Topic("t"), Topic("t")])
    }

    pub(super) fn on_address(&mut self, bus: usize) -> Checked {
        let address = self.address();
        self.begin(|| format!("on {address:?} of {bus}"));
        let (key, call) = (self.keys.buses[bus], self.keys.handlers.len() as u32);
        let info = self.input(|hub| hub.on_address(key, theirs(address), "named", call));
        let expected = self.model.on_address(bus, address, "named");
        self.agree("registered for an address", &info.is_ok(), &expected.is_some())?;
        match info {
            Ok(info) => self.keys.handlers.push(info.key),
            Err(AddressRefused::BusGone(back)) => {
                self.agree("gone", &(true, call), &(self.model.buses[bus].gone, back))?;
            }
            Err(AddressRefused::AlreadyRegistered(back)) => {
                self.agree("taken", &(false, call), &(self.model.buses[bus].gone, back))?;
            }
            Err(other) => return Err(format!("refused: {other:?}")),
        }
        self.check()
    }

    /// Mostly as a child of a running handler's event.
    pub(super) fn send_to_address(&mut self) -> Checked {
        let bus = self.rng.below(self.keys.buses.len());
        let parent = self.some_running().map(|(_, event)| event).filter(|_| self.rng.chance(70));
        let (address, kind, overrides) = (self.address(), self.kind(), self.overrides());
        let event = self.keys.events.len();
        self.begin(|| {
            format!("send {event} to {address:?} of {bus}: parent {parent:?} {overrides:?}")
        });
        let order = Order { kind, parent, by: None, permit: None, overrides };
        let (now, key, id) = (self.now(), self.keys.buses[bus], event as u32);
        let spec = self.spec(&order);
        // An event without listeners completes at once, before its key is known.
        let answer =
            self.dispatch_input(|hub| hub.dispatch_to(key, theirs(address), id, spec, now));
        self.model.advance(now);
        if self.is_accepted(answer, &self.model.refusals_to(bus, address, &order), id)? {
            self.model.accept_to(bus, address, order);
        }
        self.check()
    }

    pub(super) fn check_addresses(&self, bus: usize) -> Checked {
        use Address::{Consumer, Topic};
        let key = self.keys.buses[bus];
        for address in [Consumer("a"), Topic("a"), Topic("t")] {
            let is = self.hub.at_address(key, theirs(address)).iter();
            let is: Vec<_> = is.map(|handler| handler.info.key.get() as usize - 1).collect();
            self.agree("who is at an address", &is, &self.model.at_address(bus, address))?;
        }
        Ok(())
    }
}

const fn theirs(address: Address) -> Theirs<'static> {
    match address {
        Address::Consumer(name) => Theirs::Consumer(name),
        Address::Topic(name) => Theirs::Topic(name),
    }
}
