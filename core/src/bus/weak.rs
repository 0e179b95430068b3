//! Handles that keep no bus alive.

use alloc::sync::Weak;
use core::fmt;

use super::error::{DispatchError, RunError};
use super::event_builder::EventBuilder;
use super::event_bus::EventBus;
use super::handle::EventHandle;
use super::send::Options;
use super::shared::BusShared;
use super::vantage::BusRef;
use crate::event::Event;

/// A handle to a bus that does not keep it alive: for handlers that use buses beyond that of their own
/// event. Handlers that hold buses, their own or each other's, would keep them alive for ever.
///
/// ```
/// use busway::{DispatchError, Event, EventHandle};
///
/// #[derive(Event)]
/// struct Order;
///
/// #[derive(Event)]
/// struct SendMail;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let hub = busway::hub();
/// let (orders, mails) = (hub.bus("orders").build(), hub.bus("mails").build());
/// mails.on(|_: EventHandle<SendMail>| {});
/// let weak = mails.downgrade();
/// orders.on(move |_: EventHandle<Order>| weak.dispatch(SendMail).map(drop));
/// orders.run(Order).await?.check()?;
///
/// let weak = orders.downgrade();
/// drop(orders);
/// assert!(weak.upgrade().is_none());
/// assert!(matches!(weak.dispatch(Order), Err(DispatchError::Stopped { event: Order })));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WeakEventBus(Weak<BusShared>);

impl WeakEventBus {
    pub(crate) const fn new(shared: Weak<BusShared>) -> Self {
        Self(shared)
    }

    /// Returns the bus, unless it has ended, or is about to end because nobody holds it.
    #[must_use]
    pub fn upgrade(&self) -> Option<EventBus> {
        EventBus::of_owned(self.0.upgrade()?)
    }

    /// Dispatches an event, as [`EventBus::dispatch`] does.
    ///
    /// # Errors
    /// As that, and `Stopped` if the bus cannot be [upgraded](Self::upgrade) to.
    pub fn dispatch<E: Event>(&self, event: E) -> Result<EventHandle<E>, DispatchError<E>> {
        self.event(event).dispatch()
    }

    /// Dispatches an event and waits for its end, as [`EventBus::run`] does.
    ///
    /// # Errors
    /// As that, and `Stopped` if the bus cannot be [upgraded](Self::upgrade) to.
    ///
    /// # Cancel safety
    /// Nothing is dispatched before the first poll. Once it is, dropping the future ends the wait,
    /// not the event.
    pub async fn run<E: Event>(&self, event: E) -> Result<EventHandle<E>, RunError<E>> {
        self.event(event).run().await
    }

    /// Returns a builder for an event with options, as [`EventBus::event`] does. It is refused as
    /// `Stopped` if the bus cannot be [upgraded](Self::upgrade) to now.
    pub fn event<E: Event>(&self, event: E) -> EventBuilder<'static, E> {
        let bus = self.upgrade().map(|bus| BusRef::Abroad(bus.shared.clone()));
        EventBuilder::with(bus, event, Options::default())
    }
}

impl fmt::Debug for WeakEventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakEventBus")
    }
}
