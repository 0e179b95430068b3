//! The bus as its users hold it.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::sync::atomic::Ordering;

use super::any::AnyEvent;
use super::builder::{EventBusBuilder, HubBuilder};
use super::error::{DispatchError, RunError};
use super::event_builder::EventBuilder;
use super::handle::EventHandle;
use super::handler::Handler;
use super::hub::Hub;
use super::lineage;
use super::send::{Options, Parentage};
use super::shared::BusShared;
use super::subscription::{HandlerBuilder, Subscription};
use super::weak::WeakEventBus;
use crate::event::Event;
use crate::machine::{BusConfig, BusKey};

/// An event bus: register handlers, dispatch events, await them.
///
/// It is cheap to clone. When the last clone is dropped, the events already dispatched still run;
/// then the bus and everything it holds are freed. A handler that holds its own bus keeps it alive:
/// let it hold a [`WeakEventBus`] instead, or use the event's own handle.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// #[event(output = u32)]
/// struct Add(u32, u32);
///
/// async fn add(event: EventHandle<Add>) -> u32 {
///     event.0 + event.1
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.on(add);
/// let sum = bus.run(Add(2, 3)).await?;
/// assert_eq!(sum.result()?, 5);
/// # Ok(()) }
/// ```
pub struct EventBus {
    pub(crate) shared: Arc<BusShared>,
}

/// Odd, so that suffixes repeat after 2³² buses only, and large, so that they look unlike each other.
const NEXT_SUFFIX: u64 = 0x9e37_79b9;

impl EventBus {
    /// Returns a builder for a new bus with a hub of its own.
    ///
    /// The bus has no runtime until it is given one ([`runtime`](EventBusBuilder::runtime),
    /// [`runtime_source`](EventBusBuilder::runtime_source)). `busway::builder` does the same with
    /// the runtime that is available.
    pub fn builder(name: impl Into<String>) -> EventBusBuilder {
        EventBusBuilder::new(name.into(), HubBuilder::new())
    }

    /// Makes a bus. `prepare` completes it before anybody can find it in its hub.
    pub(crate) fn make(
        hub: Hub,
        config: BusConfig,
        spawns: bool,
        prepare: impl FnOnce(&Arc<BusShared>),
    ) -> Self {
        lineage::note(&hub.0);
        let suffix = hub.0.suffixes.fetch_add(NEXT_SUFFIX, Ordering::Relaxed);
        let shared = hub.0.input(|state| {
            let key = state.books.add_bus(config, suffix as u32);
            let shared = Arc::new(BusShared::new(hub.0.clone(), key, spawns));
            state.set_shell(&shared);
            shared
        });
        shared.span.open(|| shared.name());
        prepare(&shared);
        shared.own();
        Self { shared }
    }

    /// A handle to a bus, unless the bus is gone.
    pub(crate) fn of(shared: Arc<BusShared>) -> Option<Self> {
        // Made only once it is counted: dropping an uncounted handle would decrement the count.
        shared.own().then(|| Self { shared })
    }

    /// The same, unless nobody holds the bus.
    pub(super) fn of_owned(shared: Arc<BusShared>) -> Option<Self> {
        shared.own_if_owned().then(|| Self { shared })
    }

    /// Returns the bus's name: the one asked for, as an identifier, with a suffix if it was taken.
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.name()
    }

    /// Returns the id that the bus is known by in its hub, whatever its name.
    #[must_use]
    pub fn id(&self) -> BusKey {
        self.shared.key
    }

    /// Returns the hub this bus belongs to.
    #[must_use]
    pub fn hub(&self) -> Hub {
        Hub(self.shared.hub.clone())
    }

    /// Registers a handler for events of type `E` (R1). It must not block: a plain function runs
    /// where the bus is polled.
    ///
    /// A handler that needs a value shares it in an [`Arc`]:
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// #[derive(Event)]
    /// struct Added(u32);
    ///
    /// #[derive(Default)]
    /// struct Cart(AtomicU32);
    ///
    /// impl Cart {
    ///     async fn add(self: Arc<Self>, added: EventHandle<Added>) {
    ///         self.0.fetch_add(added.0, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let (bus, cart) = (busway::bus("main"), Arc::new(Cart::default()));
    /// bus.on((cart.clone(), Cart::add));
    /// bus.run(Added(2)).await?;
    /// assert_eq!(cart.0.load(Ordering::Relaxed), 2);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on<E: Event, M: 'static>(
        &self,
        handler: impl Handler<EventHandle<E>, M>,
    ) -> Subscription {
        self.handler(handler).register()
    }

    /// Registers a handler for events of this name, whatever their type; `*` matches every event.
    ///
    /// The handler returns nothing, or what the event's own handlers return. Any other value is
    /// recorded as [`HandlerError::ResultType`] and fails the event's result, unless the event declares
    /// no output: then it is kept, whatever its type.
    ///
    /// [`HandlerError::ResultType`]: super::HandlerError::ResultType
    ///
    /// ```
    /// use busway::{AnyEvent, Event, HandlerError};
    ///
    /// #[derive(Event)]
    /// #[event(output = u32, name = "price.asked")]
    /// struct Price;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on_name("price.asked", |_: AnyEvent| 12u32);
    /// let price = bus.run(Price).await?;
    /// assert_eq!(price.result()?, 12);
    ///
    /// bus.on_name("price.asked", |_: AnyEvent| "twelve");
    /// let error = bus.run(Price).await?.results()[1].error();
    /// assert!(matches!(error, Some(HandlerError::ResultType { .. })));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on_name<M: 'static>(
        &self,
        name: impl AsRef<str>,
        handler: impl Handler<AnyEvent, M>,
    ) -> Subscription {
        self.handler_of(name, handler).register()
    }

    /// Registers a handler for every event. It runs after the handlers of the event's own name, and
    /// may return the same values as with [`on_name`](Self::on_name).
    #[track_caller]
    pub fn on_any<M: 'static>(&self, handler: impl Handler<AnyEvent, M>) -> Subscription {
        self.handler_of("*", handler).register()
    }

    /// Returns a builder for a handler of events of type `E`, to set options and register it.
    #[track_caller]
    pub fn handler<E: Event, M: 'static>(
        &self,
        handler: impl Handler<EventHandle<E>, M>,
    ) -> HandlerBuilder<'_> {
        HandlerBuilder::typed(&self.shared, handler)
    }

    /// Returns a builder for a handler of events of a name (`*` for all), to set options and
    /// register it.
    #[track_caller]
    pub fn handler_of<M: 'static>(
        &self,
        name: impl AsRef<str>,
        handler: impl Handler<AnyEvent, M>,
    ) -> HandlerBuilder<'_> {
        HandlerBuilder::named_pattern(&self.shared, name.as_ref(), handler)
    }

    /// Returns the number of registered handlers.
    #[must_use]
    pub fn handler_count(&self) -> usize {
        self.shared.hub.lock().books.handler_count(self.shared.key)
    }

    /// Accepts an event and returns its handle at once (R5). It never blocks, and the work goes on
    /// whether or not the handle is kept. Inside a handler of the same hub the event becomes a
    /// child of that handler's event (with `std`).
    ///
    /// # Errors
    /// The error hands the event back if the bus is full or stopped, if the event would be too deep,
    /// or if there is no runtime yet; with a journal, also if the event has no JSON form that the
    /// journal can record; with a write-ahead journal, also if that journal has failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle, EventStatus};
    ///
    /// #[derive(Event)]
    /// struct Ping;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Ping>| async {});
    /// let ping = bus.dispatch(Ping)?;
    /// assert_eq!(ping.status(), EventStatus::Pending);
    ///
    /// let ping = ping.await?;
    /// assert_eq!(ping.status(), EventStatus::Completed);
    /// # Ok(()) }
    /// ```
    pub fn dispatch<E: Event>(&self, event: E) -> Result<EventHandle<E>, DispatchError<E>> {
        self.shared.dispatch(event, Options::default())
    }

    /// Dispatches an event and waits for its completion.
    ///
    /// Outside of handlers, the caller's task runs what is ready itself, without a task switch,
    /// including other events of the bus. Their handlers are polled in that task and see what
    /// belongs to it: its task-locals, and without the feature `tracing` its span. Pass a handler
    /// what it needs in the event.
    ///
    /// The future is usually ready at its first poll. But once a thread has run a few hundred handler
    /// steps in such waits, the next wait is pending once, even if its event is done, so that other tasks
    /// get a turn. Up to eight waits in a row yield like this, until one of them is polled again. Outside of
    /// handlers a wait also yields after 16 tasks were spawned on its thread, for drivers and handlers, so
    /// that the runtime ends tasks as fast as they are made.
    ///
    /// # Errors
    /// The event is not accepted, or the wait could never end.
    ///
    /// # Cancel safety
    /// Nothing is dispatched before the first poll. Once it is, dropping the future ends the wait,
    /// not the event.
    pub async fn run<E: Event>(&self, event: E) -> Result<EventHandle<E>, RunError<E>> {
        Ok(self.shared.dispatch_and_help(event, Options::default())?.helped().await?)
    }

    /// Returns a builder for an event with options, to be dispatched or run.
    pub fn event<E: Event>(&self, event: E) -> EventBuilder<'_, E> {
        EventBuilder::new(&self.shared, event, Parentage::Ambient)
    }

    /// Returns the number of events that have not completed, whether pending or started. Requests and
    /// published values in flight count too, though they take no place of
    /// [`max_pending`](super::EventBusBuilder::max_pending).
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.hub.lock().books.incomplete(self.shared.key)
    }

    /// Returns a handle that does not keep the bus alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEventBus {
        WeakEventBus::new(Arc::downgrade(&self.shared))
    }
}

/// Compares identity: two buses of the same name are not equal.
impl PartialEq for EventBus {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for EventBus {}

impl Hash for EventBus {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.shared).hash(state);
    }
}

impl Clone for EventBus {
    fn clone(&self) -> Self {
        self.shared.own();
        Self { shared: self.shared.clone() }
    }
}

impl Drop for EventBus {
    fn drop(&mut self) {
        self.shared.disown();
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").field("name", &self.name()).finish_non_exhaustive()
    }
}
