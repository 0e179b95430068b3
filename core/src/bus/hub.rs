//! Hubs: buses that can forward to each other.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::EventBus;
use super::builder::{EventBusBuilder, HubBuilder};
use super::error::WaitError;
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

    /// Waits until nothing is queued, running or incomplete on any of the hub's present buses (R31). Returns
    /// `false` if `timeout` passes first. Waiting for one bus after the other is not the same: the last one
    /// may have sent something to the first meanwhile.
    ///
    /// # Errors
    /// Inside a handler of the hub: its own event is incomplete.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait only.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Order;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let hub = busway::hub();
    /// let (orders, audit) = (hub.bus("orders").build(), hub.bus("audit").build());
    /// orders.forward("*", &audit)?;
    /// let order = orders.dispatch(Order)?;
    /// assert!(hub.wait_until_idle(None).await?);
    /// order.check()?;
    /// # Ok(()) }
    /// ```
    pub async fn wait_until_idle(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<bool, WaitError> {
        let buses: Vec<_> = self.0.lock().shells().cloned().collect();
        self.0.wait_until_idle(&buses, timeout.into()).await
    }

    /// Stops all buses of the hub together (R32).
    ///
    /// With a timeout, none of them accepts new events, but all accept what handlers still dispatch and
    /// what one bus sends on to another, and have until then to finish their work. What is left then, or
    /// everything if there is no timeout (`None`), is ended. `clear` also drops their handlers and
    /// histories and frees their names. Buses stopped one after the other would refuse each other's
    /// events meanwhile.
    ///
    /// Inside a handler, it does not wait for what cannot complete before that handler. Buses that are
    /// made meanwhile, or later, are not stopped.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready leaves buses that accept no new events and go on with those they
    /// have.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Order;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let hub = busway::hub();
    /// let (orders, audit) = (hub.bus("orders").build(), hub.bus("audit").build());
    /// orders.on(|_: EventHandle<Order>| tokio::time::sleep(Duration::from_secs(2)));
    /// orders.forward("*", &audit)?;
    /// let order = orders.dispatch(Order)?;
    ///
    /// hub.stop(Duration::from_secs(10), false).await;
    /// assert_eq!(order.path(), ["orders", "audit"]);
    /// order.check()?;
    /// # Ok(()) }
    /// ```
    ///
    /// Close a journal of its buses after this.
    pub async fn stop(&self, timeout: impl Into<Option<Duration>>, clear: bool) {
        self.0.drain_and_stop(timeout.into(), clear).await;
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
