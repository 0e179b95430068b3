//! Requests to one consumer, and values for every listener of a topic (R35–R39).
//!
//! Both are events that bypass the queue: they take no slot and no capacity, start at once, and run the
//! handlers of their address instead of those of their type.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::config::{Completion, Concurrency, HandlerOrder, Limit, Overrides};
use super::dispatch::{Dispatch, Offer};
use super::error::{Refusal, Refused};
use super::registry::{Action, Handler, HandlerList, Place, Snapshot};
use super::results::HandlerInfo;
use super::{BusKey, EventKey, Machine};
use crate::time::Instant;

/// The destination of a request or a published value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// The one consumer of this address.
    Consumer(&'a str),
    /// All listeners of this topic, of which there may be none.
    Topic(&'a str),
}

/// Why nothing was registered. The handler comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddressRefused<H> {
    /// The address already has a consumer.
    AlreadyRegistered(H),
    /// The bus is gone.
    BusGone(H),
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Registers the consumer of an address, or a listener of a topic.
    ///
    /// # Errors
    /// The handler comes back when the address is taken or the bus is gone.
    pub fn on_address(
        &mut self,
        bus: BusKey,
        address: Address<'_>,
        name: &str,
        call: H,
    ) -> Result<Arc<HandlerInfo>, AddressRefused<H>> {
        let Some(ix) = self.bus(bus) else {
            return Err(AddressRefused::BusGone(call));
        };
        let place = match address {
            Address::Consumer(address) => Place::Consumer(address.into()),
            Address::Topic(topic) => Place::Topic(topic.into()),
        };
        let is_taken = self.buses[ix].handlers.at(address).is_some();
        if is_taken && matches!(place, Place::Consumer(_)) {
            return Err(AddressRefused::AlreadyRegistered(call));
        }
        let info = self.handler_info(ix, name);
        let handler = Handler::new(info.clone(), Action::Call(call), Limit::Inherit, None);
        self.enlist(ix, place, handler);
        Ok(info)
    }

    /// Returns the handlers of an address: the consumer, or the listeners in order of registration.
    #[must_use]
    pub fn at_address(&self, bus: BusKey, address: Address<'_>) -> &[Arc<Handler<H>>] {
        let list = self.buses.get(bus).and_then(|bus| bus.handlers.at(address));
        list.map_or(&[], |list| list)
    }

    /// Returns the addresses of a bus that have a consumer, in order.
    #[must_use]
    pub fn consumers(&self, bus: BusKey) -> Vec<Arc<str>> {
        let names = self.buses.get(bus).into_iter().flat_map(|bus| bus.handlers.consumers());
        let mut names: Vec<_> = names.cloned().collect();
        names.sort_unstable();
        names
    }

    /// Sends an event to an address. It starts at once, whatever the bus is doing, and so do all
    /// handlers of the address. It ends when they all have. The event's own settings for this are
    /// ignored.
    ///
    /// # Errors
    /// The payload comes back when the address has no consumer, the bus is stopped, or the event would
    /// be too deep.
    pub fn dispatch_to(
        &mut self,
        bus: BusKey,
        address: Address<'_>,
        payload: P,
        spec: Dispatch,
        now: Instant,
    ) -> Result<EventKey, Refused<P>> {
        let mut offer = Offer { payload: Some(payload), spec };
        self.offer_to(bus, address, &mut offer, now).map_err(|reason| offer.refused(reason))
    }

    /// Does the same for an offer that stays in place until it is accepted.
    pub(crate) fn offer_to(
        &mut self,
        bus: BusKey,
        address: Address<'_>,
        offer: &mut Offer<P>,
        now: Instant,
    ) -> Result<EventKey, Refusal> {
        self.advance(now);
        self.land();
        let list = self.bus(bus).and_then(|ix| self.buses[ix].handlers.at(address)).cloned();
        let is_nowhere = list.is_none() && matches!(address, Address::Consumer(_));
        let admitted = self.admit(bus, &offer.spec, true)?;
        if is_nowhere {
            return Err(Refusal::NotFound);
        }
        offer.spec.overrides.get_or_insert_default().go_past_queue();
        Ok(self.accept(offer, admitted, Some(Snapshot::only(list))))
    }
}

impl Overrides {
    fn go_past_queue(&mut self) {
        self.concurrency = Some(Concurrency::Parallel);
        self.handler_order = Some(HandlerOrder::Parallel);
        self.completion = Some(Completion::All);
    }
}

impl<H> Snapshot<H> {
    fn only(list: Option<HandlerList<H>>) -> Self {
        Self { exact: list, any: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    use crate::machine::{BusConfig, HubConfig, Next, Outcome, Output};

    #[test]
    fn r35_one_consumer_for_an_address() {
        let mut machine: Machine<u32, u32, u32> = Machine::new(HubConfig::default());
        let bus = machine.add_bus(BusConfig::new("main"), 0);
        let first = machine.on_address(bus, Address::Consumer("a"), "first", 1).expect("free");
        let second = machine.on_address(bus, Address::Consumer("a"), "second", 2);
        assert!(matches!(second, Err(AddressRefused::AlreadyRegistered(2))));
        assert_eq!(machine.consumers(bus), vec![Arc::<str>::from("a")]);
        assert!(machine.off(first.key).is_some());
        assert!(machine.consumers(bus).is_empty());
        assert!(machine.on_address(bus, Address::Consumer("a"), "third", 3).is_ok());
    }

    #[test]
    fn r36_a_request_goes_past_the_queue() {
        let mut machine: Machine<u32, u32, u32> = Machine::new(HubConfig::default());
        let bus = machine.add_bus(BusConfig::new("main"), 0);
        let _ = machine.on_address(bus, Address::Consumer("a"), "consumer", 7);
        let kind = machine.kind("Event", None);
        for event in 0..3 {
            machine.dispatch(bus, event, Dispatch::new(kind), Instant::EPOCH).expect("accepted");
        }
        let address = Address::Consumer("a");
        machine
            .dispatch_to(bus, address, 9, Dispatch::new(kind), Instant::EPOCH)
            .expect("accepted");
        let Next::Run(run) = machine.next(bus, Instant::EPOCH) else { panic!("nothing runs") };
        assert_eq!(run.payload, 9);
        machine.finished(run.invocation, Outcome::Value(1), Instant::EPOCH);
        let completed = machine.outputs().filter(|output| matches!(output, Output::Completed(_)));
        assert_eq!(completed.count(), 1);
        machine.audit().expect("the books agree");
    }
}
