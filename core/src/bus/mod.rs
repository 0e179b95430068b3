//! The shell: the typed, async API around the machine, for any runtime.

mod address;
mod any;
mod builder;
mod context;
mod driver;
mod ending;
mod error;
mod event_builder;
mod expect;
mod find;
mod gate;
pub(crate) mod guard;
mod handle;
mod handler;
mod handler_future;
mod handler_name;
mod hub;
#[cfg(feature = "journal")]
pub mod journal;
mod lending;
mod life;
mod lineage;
mod merge;
mod message;
mod notices;
mod pass;
mod permit;
mod polling;
mod publish;
mod record;
mod report;
mod request;
mod results;
mod retried;
mod send;
pub(crate) mod share;
mod shared;
mod sleep;
mod span;
mod spare;
mod spawned;
mod stored;
mod stream;
mod subscription;
mod task;
mod tasks;
mod tree;
mod turn;
mod value;
mod vantage;
mod view;
mod waiter;
mod wakers;
mod watch;

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use hashbrown::HashSet;

pub use self::address::{Address, ConsumerError, IntoResponse};
pub use self::any::{AnyEvent, AnyWait};
pub use self::builder::{EventBusBuilder, HubBuilder, IntoHub};
pub use self::driver::Driver;
pub use self::error::{
    DispatchError, ForwardError, HandlerError, ResultError, RunError, WaitError,
};
pub use self::event_builder::EventBuilder;
pub use self::expect::{Expect, ExpectError};
pub use self::find::Find;
pub use self::handle::{EventHandle, Wait};
pub use self::handler::{Anything, Handler, Input, IsAsync, IsMethod, IsPlain, check_handler};
pub use self::hub::Hub;
pub use self::lineage::handler_runtime;
pub use self::merge::{FlatDict, FlatList};
pub use self::message::{Envelope, Headers, Message};
pub use self::permit::{Permit, ReserveError};
pub use self::publish::{PublishError, Published};
pub use self::request::{DeliveryOptions, Request, RequestError};
pub use self::results::{EventResult, Selection};
pub use self::spawned::Scope;
pub use self::stream::EventStream;
pub use self::subscription::{HandlerBuilder, Subscription, SubscriptionGuard};
pub use self::tree::LogTree;
pub use self::value::{AnyValue, BoxError, Reply, Verdict, ok};

pub(crate) use self::lending::{Lender, lending};
pub(crate) use self::lineage::{Caller, InvocationId, inside_of};

use self::send::{Options, Parentage};
use self::shared::BusShared;
use self::watch::Select;
use crate::event::Event;
use crate::machine::{BusConfig, BusKey, EventKey, Overflow};

/// An event bus: register handlers, dispatch events, await them.
///
/// It is cheap to clone. When the last clone is dropped, the events already dispatched still run;
/// then the bus and everything it holds is freed. A handler that holds its own bus keeps it alive:
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

impl EventBus {
    /// Returns a builder for a new bus with a hub of its own.
    ///
    /// The bus has no runtime until it is given one ([`runtime`](EventBusBuilder::runtime),
    /// [`runtime_source`](EventBusBuilder::runtime_source)). `busway::builder` does the same with
    /// the runtime that is available.
    pub fn builder(name: impl Into<String>) -> EventBusBuilder {
        EventBusBuilder::new(name.into(), HubBuilder::new())
    }

    pub(crate) fn make(hub: Hub, config: BusConfig, spawns: bool) -> Self {
        lineage::note(&hub.0);
        let suffix = hub.0.suffixes.fetch_add(0x9e37_79b9, core::sync::atomic::Ordering::Relaxed);
        let shared = hub.0.input(|state| {
            let key = state.books.add_bus(config, suffix as u32);
            let shared = Arc::new(BusShared::new(hub.0.clone(), key, spawns));
            state.set_shell(&shared);
            shared
        });
        shared.span.open(|| shared.name());
        shared.own();
        Self { shared }
    }

    /// A handle to a bus, unless the bus is gone.
    pub(crate) fn of(shared: Arc<BusShared>) -> Option<Self> {
        // Made only once it is counted: dropping an uncounted handle would decrement the count.
        shared.own().then(|| Self { shared })
    }

    /// The same, unless nobody holds the bus.
    fn of_owned(shared: Arc<BusShared>) -> Option<Self> {
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
    /// recorded as [`HandlerError::ResultType`] and fails the event's result.
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
        name: impl Into<String>,
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
        name: impl Into<String>,
        handler: impl Handler<AnyEvent, M>,
    ) -> HandlerBuilder<'_> {
        HandlerBuilder::named_pattern(&self.shared, name.into(), handler)
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
    /// or if there is no runtime yet; with a journal, also if the event cannot be written or the
    /// journal has failed.
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
    /// The future is usually ready at its first poll. Once its thread has made a few hundred steps
    /// for buses, it yields to other tasks first, even if its event is done by then. So do the next
    /// ones, up to eight, until one of them is polled again.
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

    /// Waits for a place in a full bus, first come first served (R6). Inside a handler, that may be
    /// the place its own event takes.
    ///
    /// # Errors
    /// The bus is stopped, or its capacity is 0.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in line.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{DispatchError, Event};
    ///
    /// #[derive(Event)]
    /// struct Job(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::builder("main").max_pending(Some(1)).build();
    /// let permit = bus.reserve().await?;
    /// let error = bus.dispatch(Job(2)).expect_err("the only place is taken");
    /// assert!(matches!(error, DispatchError::Full { limit: 1, .. }));
    ///
    /// permit.dispatch(Job(1))?.await?;
    /// let second = bus.dispatch(error.into_event())?;
    /// assert_eq!(second.0, 2);
    /// # Ok(()) }
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_>, ReserveError> {
        permit::reserve(&self.shared).await
    }

    /// Waits for a place and dispatches. Inside a handler of the hub it returns at once, like
    /// [`dispatch`](Self::dispatch).
    ///
    /// # Errors
    /// Those of [`dispatch`](Self::dispatch). A full bus is waited for, unless its capacity is 0, or the
    /// event is a child, which is refused at once beyond `max_pending_children`.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready drops the event without dispatching it.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Job(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::builder("main").max_pending(Some(2)).build();
    /// bus.on(|_: EventHandle<Job>| tokio::time::sleep(Duration::from_secs(1)));
    /// for n in 0..10 {
    ///     bus.dispatch_wait(Job(n)).await?;
    ///     assert!(bus.pending() <= 2);
    /// }
    /// bus.wait_until_idle(None).await?;
    /// assert_eq!(bus.history().len(), 10);
    /// # Ok(()) }
    /// ```
    pub async fn dispatch_wait<E: Event>(
        &self,
        event: E,
    ) -> Result<EventHandle<E>, DispatchError<E>> {
        permit::dispatch_wait(&self.shared, event, Options::default()).await
    }

    /// Forwards events of a name, or `*` for all, to another bus of the hub (R17). One event then
    /// runs on both buses and completes when both are done.
    ///
    /// The forward neither keeps the target alive nor ends with it. Once the last [`EventBus`] of
    /// the target is dropped, or the target is stopped, each event has a failure for it among its
    /// results. Keep the target, or end the forward with [`off`](Subscription::off).
    ///
    /// # Errors
    /// The buses belong to different hubs.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{AnyEvent, Event};
    ///
    /// #[derive(Event)]
    /// struct Login;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let hub = busway::hub();
    /// let (main, audit) = (hub.bus("main").build(), hub.bus("audit").build());
    /// audit.on_any(|event: AnyEvent| println!("{}", event.event_type()));
    /// main.forward("*", &audit)?;
    ///
    /// let login = main.run(Login).await?;
    /// assert_eq!(login.path(), ["main", "audit"]);
    /// # Ok(()) }
    /// ```
    pub fn forward(&self, name: &str, target: &Self) -> Result<Subscription, ForwardError> {
        subscription::forward(&self.shared, name, &target.shared)
    }

    /// Expects the next event of type `E` that is dispatched (R26).
    pub fn expect<E: Event>(&self) -> Expect<EventHandle<E>> {
        self.find().next()
    }

    /// Expects the next event of type `E` that satisfies a predicate. The dispatcher calls the
    /// predicate.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Paid { order: u32 }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let paid = bus.expect_where(|paid: &EventHandle<Paid>| paid.order == 7);
    /// bus.dispatch(Paid { order: 6 })?;
    /// bus.dispatch(Paid { order: 7 })?;
    /// assert_eq!(paid.await?.order, 7);
    /// # Ok(()) }
    /// ```
    pub fn expect_where<E: Event>(
        &self,
        test: impl Fn(&EventHandle<E>) -> bool + Send + Sync + 'static,
    ) -> Expect<EventHandle<E>> {
        self.find().matching(test).next()
    }

    /// Expects the next event of a name; `*` for any.
    pub fn expect_name(&self, name: impl Into<String>) -> Expect<AnyEvent> {
        self.find_name(name).next()
    }

    /// Looks for events of type `E`, remembered or still to come (R27).
    pub fn find<E: Event>(&self) -> Find<'_, EventHandle<E>> {
        Find::new(&self.shared, Select::typed())
    }

    /// Looks for events of a name; `*` for any.
    pub fn find_name(&self, name: impl Into<String>) -> Find<'_, AnyEvent> {
        Find::new(&self.shared, Select::named(name.into()))
    }

    /// Returns a stream of the events dispatched from now on, with room for `capacity` unread ones
    /// (R28). `overflow` decides what happens when the reader is slow.
    ///
    /// [`Overflow::Wait`] also keeps the events dispatched meanwhile. It holds back what has not started
    /// on the bus, the last of it even after the last [`EventBus`] is dropped. A task that has such a
    /// stream and awaits an event of the bus instead of reading waits for itself. While an event has not
    /// started, handler limits do not count; a deadline does. Drop a stream that is not read.
    ///
    /// ```
    /// use busway::{Event, Overflow};
    ///
    /// #[derive(Event)]
    /// struct Login;
    ///
    /// #[derive(Event)]
    /// struct Logout;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let mut events = bus.events(16, Overflow::DropOldest);
    /// bus.dispatch(Login)?;
    /// bus.dispatch(Logout)?;
    /// bus.stop(None, false).await;
    ///
    /// let mut seen = Vec::new();
    /// while let Some(event) = events.next().await {
    ///     seen.push(event.event_type());
    /// }
    /// assert_eq!(seen, ["Login", "Logout"]);
    /// # Ok(()) }
    /// ```
    pub fn events(&self, capacity: usize, overflow: Overflow) -> EventStream<AnyEvent> {
        EventStream::new(&self.shared, &Select::named("*".into()), capacity, overflow)
    }

    /// Like [`events`](Self::events), but only for events of type `E`.
    pub fn events_of<E: Event>(
        &self,
        capacity: usize,
        overflow: Overflow,
    ) -> EventStream<EventHandle<E>> {
        EventStream::new(&self.shared, &Select::typed(), capacity, overflow)
    }

    /// Returns the events the bus remembers, oldest first (R29).
    #[must_use]
    pub fn history(&self) -> Vec<AnyEvent> {
        let shared = &self.shared;
        let records: Vec<_> = {
            let hub = shared.hub.lock();
            let keys: Vec<_> = hub.books.history(shared.key).collect();
            keys.into_iter().filter_map(|key| hub.books.payload(key).cloned()).collect()
        };
        records.into_iter().map(|record| AnyEvent::on(record, shared)).collect()
    }

    /// Returns the events the bus remembers as text trees. The roots are those with no remembered
    /// ancestor.
    #[must_use]
    pub fn log_tree(&self) -> LogTree {
        let shared = &self.shared;
        let hub = shared.hub.lock();
        let remembered: HashSet<_> = hub.books.history(shared.key).collect();
        let parent = |event: &EventKey| hub.books.parent(*event);
        let is_root = |event: &EventKey| {
            !core::iter::successors(parent(event), parent).any(|above| remembered.contains(&above))
        };
        let roots = hub.books.history(shared.key).filter(is_root);
        let roots = roots.filter_map(|event| hub.books.payload(event).cloned()).collect();
        LogTree::new(shared.hub.clone(), roots)
    }

    /// Returns the number of events that have not completed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.hub.lock().books.incomplete(self.shared.key)
    }

    /// Waits until nothing on the bus is queued, running or incomplete, children included (R31).
    /// Returns `false` if `timeout` passes first.
    ///
    /// Inside a handler of another bus, this raises nothing and lends nothing, and cycles of such
    /// waits are not detected. Give it a timeout there.
    ///
    /// # Errors
    /// Inside a handler that has to end before the bus can be idle (R15).
    ///
    /// # Cancel safety
    /// Dropping it ends the wait only.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Upload;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Upload>| tokio::time::sleep(Duration::from_secs(10)));
    /// bus.dispatch(Upload)?;
    /// assert!(!bus.wait_until_idle(Duration::from_secs(1)).await?);
    /// assert!(bus.wait_until_idle(None).await?);
    /// # Ok(()) }
    /// ```
    pub async fn wait_until_idle(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<bool, WaitError> {
        self.shared.wait_until_idle(timeout.into()).await
    }

    /// Stops the bus (R32).
    ///
    /// With a timeout, the bus accepts no new events except children of incomplete ones, and has
    /// until then to finish its work. What is left then, or everything if there is no timeout
    /// (`None`), is ended as in [`stop_now`](Self::stop_now), which says when its futures are
    /// dropped. `clear` also drops the bus's handlers and history and frees its name.
    ///
    /// Inside a handler, the stop does not wait for events that cannot complete before that handler:
    /// its own, those that depend on it, and those queued behind it. They are ended too, and the
    /// handler with them.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready leaves a bus that accepts no new events and goes on with those
    /// it has.
    ///
    /// # Examples
    ///
    /// A graceful shutdown finishes what was accepted, and refuses the rest:
    ///
    /// ```
    /// use busway::{DispatchError, Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Upload;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Upload>| tokio::time::sleep(Duration::from_secs(2)));
    /// let upload = bus.dispatch(Upload)?;
    ///
    /// bus.stop(Duration::from_secs(10), true).await;
    /// assert!(upload.check().is_ok());
    /// assert!(matches!(bus.dispatch(Upload), Err(DispatchError::Stopped { .. })));
    /// # Ok(()) }
    /// ```
    pub async fn stop(&self, timeout: impl Into<Option<Duration>>, clear: bool) {
        self.shared.drain_and_stop(timeout.into(), clear).await;
    }

    /// Stops the bus now (R32): aborts what runs, cancels what is queued and wakes every waiter.
    /// Does nothing if the bus is stopped already.
    ///
    /// An aborted handler's future is dropped by the next task that works for the bus, mostly its
    /// driver. If the handler runs as a task of its own, the runtime drops its future. The future
    /// may still exist when this returns.
    pub fn stop_now(&self) {
        self.shared.stop_now(false);
    }

    /// Returns whether the bus no longer accepts events.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.hub.lock().books.is_stopped(self.shared.key)
    }

    /// Returns a handle that does not keep the bus alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEventBus {
        WeakEventBus(Arc::downgrade(&self.shared))
    }
}

/// Compares identity: two buses of the same name are not equal.
impl PartialEq for EventBus {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for EventBus {}

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

/// A handle to a bus that does not keep it alive: for handlers that use their own bus.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// struct Tick;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// let weak = bus.downgrade();
/// bus.on(move |_: EventHandle<Tick>| {
///     let bus = weak.upgrade().ok_or("nobody holds the bus any more")?;
///     println!("{} events are on their way", bus.pending());
///     busway::ok(())
/// });
/// bus.run(Tick).await?.check()?;
///
/// let weak = bus.downgrade();
/// drop(bus);
/// assert!(weak.upgrade().is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WeakEventBus(Weak<BusShared>);

impl WeakEventBus {
    /// Returns the bus, unless it has ended, or is about to end because nobody holds it.
    #[must_use]
    pub fn upgrade(&self) -> Option<EventBus> {
        EventBus::of_owned(self.0.upgrade()?)
    }
}

impl fmt::Debug for WeakEventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakEventBus")
    }
}
