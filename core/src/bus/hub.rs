//! Hubs: buses that can forward to each other.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::EventBus;
use super::builder::{EventBusBuilder, HubBuilder};
use super::shared::HubShared;
use crate::machine::{BusMemory, Held};

/// One state machine under one lock, with any number of buses. Buses of one hub can forward to each
/// other and see each other's waits. A bus made on its own has a hub of its own.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// #[event(output = bool)]
/// struct Take(u32);
///
/// #[derive(Event)]
/// #[event(output = bool)]
/// struct Order(u32);
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let hub = busway::hub();
/// let (orders, stock) = (hub.bus("orders").build(), hub.bus("stock").build());
/// stock.on(|take: EventHandle<Take>| take.0 <= 3);
/// orders.on(move |order: EventHandle<Order>| {
///     let stock = stock.clone();
///     async move { busway::ok(stock.run(Take(order.0)).await?.result()?) }
/// });
/// let order = orders.run(Order(2)).await?;
/// assert!(order.result()?);
/// assert_eq!(order.children()[0].path(), ["stock"]); // a child, on the other bus
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Hub(pub(crate) Arc<HubShared>);

impl Hub {
    /// Returns a builder for a new hub.
    ///
    /// Its buses have no runtime until the hub is given one ([`runtime`](HubBuilder::runtime),
    /// [`runtime_source`](HubBuilder::runtime_source)). `busway::hub` makes one with the runtime
    /// that is available.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    /// Returns a builder for a new bus of this hub.
    pub fn bus(&self, name: impl Into<String>) -> EventBusBuilder<Self> {
        EventBusBuilder::new(name.into(), self.clone())
    }

    /// Returns the buses of the hub that somebody holds, in no particular order.
    #[must_use]
    pub fn buses(&self) -> Vec<EventBus> {
        let shells: Vec<_> = self.0.lock().shells().cloned().collect();
        shells.into_iter().filter_map(EventBus::of_owned).collect()
    }

    /// Returns what each bus of the hub holds in memory (R30).
    #[must_use]
    pub fn memory(&self) -> Vec<BusMemory> {
        self.0.lock().books.memory()
    }

    /// Counts what the hub's books hold, for tests that look for leaks.
    #[doc(hidden)]
    #[must_use]
    pub fn held(&self) -> Held {
        self.0.lock().books.held()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buses: Vec<_> = self.memory().into_iter().map(|bus| bus.name).collect();
        f.debug_struct("Hub").field("buses", &buses).finish_non_exhaustive()
    }
}
