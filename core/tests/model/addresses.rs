//! Requests to one consumer, and values for every listener of a topic (R35–R39).

use busway_core::machine::{Completion, Concurrency, HandlerOrder, Limit, Refusal};

use super::{Action, BusId, EventId, Handler, HandlerId, Model, Order, Visit};

/// The destination of an event that bypasses the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Consumer(&'static str),
    Topic(&'static str),
}

impl Model {
    /// Returns `None` when the address is taken or the bus is gone.
    pub(crate) fn on_address(
        &mut self,
        bus: BusId,
        address: Address,
        label: &'static str,
    ) -> Option<HandlerId> {
        let is_taken = !self.at_address(bus, address).is_empty();
        if self.buses[bus].gone || is_taken && matches!(address, Address::Consumer(_)) {
            return None;
        }
        let (name, wanted, told_other_type) = (None, None, false);
        let (limit, action, address) = (Limit::Inherit, Action::Call, Some(address));
        let handler = Handler { bus, address, name, wanted, label, limit, action, told_other_type };
        Some(self.add_handler(handler))
    }

    /// In order of registration.
    pub(crate) fn at_address(&self, bus: BusId, address: Address) -> Vec<HandlerId> {
        let registered = self.buses[bus].handlers.iter().copied();
        registered.filter(|id| self.handlers[*id].address == Some(address)).collect()
    }

    /// Every reason to refuse an event to an address. Capacity is not one.
    pub(crate) fn refusals_to(&self, bus: BusId, address: Address, order: &Order) -> Vec<Refusal> {
        let nobody = self.at_address(bus, address).is_empty();
        let mut reasons = self.refusals(bus, order);
        reasons.retain(|reason| matches!(reason, Refusal::Stopped | Refusal::TooDeep { .. }));
        if nobody && matches!(address, Address::Consumer(_)) && !self.buses[bus].gone {
            reasons.push(Refusal::NotFound);
        }
        reasons
    }

    /// All handlers of the address start at once, next to whatever else runs.
    pub(crate) fn accept_to(&mut self, bus: BusId, address: Address, mut order: Order) -> EventId {
        order.overrides.concurrency = Some(Concurrency::Parallel);
        order.overrides.handler_order = Some(HandlerOrder::Parallel);
        order.overrides.completion = Some(Completion::All);
        let handlers = self.at_address(bus, address);
        let event = self.add_event(order, true);
        let visit = self.add_visit(Visit::new(event, bus));
        self.start(visit, handlers);
        self.remember(visit);
        self.settle();
        event
    }
}
