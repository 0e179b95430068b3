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
pub use self::builder::{EventBusBuilder, HubBuilder};
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
/// It is cheap to clone. When the last clone is dropped, what was dispatched still runs; then the
/// bus and everything it holds is freed. A handler that holds its own bus keeps it alive: let it
/// hold a [`WeakEventBus`], or use the event's own handle.
pub struct EventBus {
    pub(crate) shared: Arc<BusShared>,
}

impl EventBus {
    /// Settings for a new bus with a hub of its own. It has no runtime before it is given one
    /// ([`runtime`](EventBusBuilder::runtime), [`runtime_source`](EventBusBuilder::runtime_source)):
    /// `busway::builder` is the same with the runtime that is there.
    pub fn builder(name: impl Into<String>) -> EventBusBuilder {
        EventBusBuilder::on_its_own(name.into())
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

    /// A handle to a bus, unless that is gone.
    pub(crate) fn of(shared: Arc<BusShared>) -> Option<Self> {
        // None is made before, as its drop would count one less.
        shared.own().then(|| Self { shared })
    }

    /// The bus's name: what was asked for, as an identifier, with a suffix when it was taken.
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.name()
    }

    /// What the bus is known by in its hub, whatever its name.
    #[must_use]
    pub fn id(&self) -> BusKey {
        self.shared.key
    }

    /// The hub this bus is of.
    #[must_use]
    pub fn hub(&self) -> Hub {
        Hub(self.shared.hub.clone())
    }

    /// Registers a handler of events of type `E` (R1). It must not block: a plain function runs
    /// where the bus is polled.
    pub fn on<E: Event, M: 'static>(
        &self,
        handler: impl Handler<EventHandle<E>, M>,
    ) -> Subscription {
        self.handler(handler).register()
    }

    /// Registers a handler of events of this name, whatever their type; `*` is every event. It returns
    /// nothing, or what the event's own handlers return: another value is recorded as
    /// [`HandlerError::ResultType`], and fails the event's result.
    pub fn on_name<M: 'static>(
        &self,
        name: impl Into<String>,
        handler: impl Handler<AnyEvent, M>,
    ) -> Subscription {
        self.handler_of(name, handler).register()
    }

    /// Registers a handler of every event. It runs after the handlers of the event's own name. What it
    /// returns is as with [`on_name`](Self::on_name).
    pub fn on_any<M: 'static>(&self, handler: impl Handler<AnyEvent, M>) -> Subscription {
        self.handler_of("*", handler).register()
    }

    /// A handler of events of type `E`, to be given options and registered.
    pub fn handler<E: Event, M: 'static>(
        &self,
        handler: impl Handler<EventHandle<E>, M>,
    ) -> HandlerBuilder<'_> {
        HandlerBuilder::typed(&self.shared, handler)
    }

    /// A handler of events of a name (`*` for all), to be given options and registered.
    pub fn handler_of<M: 'static>(
        &self,
        name: impl Into<String>,
        handler: impl Handler<AnyEvent, M>,
    ) -> HandlerBuilder<'_> {
        HandlerBuilder::named_pattern(&self.shared, name.into(), handler)
    }

    /// The number of registered handlers.
    #[must_use]
    pub fn handler_count(&self) -> usize {
        self.shared.hub.lock().books.handler_count(self.shared.key)
    }

    /// Accepts an event and returns its handle at once (R5). It never blocks, and the work goes on
    /// whether or not the handle is kept. Inside a handler of the same hub the event becomes a
    /// child of that handler's event (with `std`).
    ///
    /// # Errors
    /// The event comes back when the bus is full or stopped, when it would be too deep, or when
    /// there is no runtime yet.
    pub fn dispatch<E: Event>(&self, event: E) -> Result<EventHandle<E>, DispatchError<E>> {
        self.shared.dispatch(event, Options::default())
    }

    /// Dispatches an event and waits for its completion. Outside of handlers the caller's task runs
    /// what is ready itself, without a task switch: other events of the bus too. Their handlers are
    /// polled in that task, and see what belongs to it: its task-locals, and without the feature
    /// `tracing` its span. Give a handler what it needs in the event.
    ///
    /// Most often it is ready at its first poll. When its thread has made some hundred steps for buses, it
    /// gives way to other tasks first, though its event may be done by then; so do the next ones, up to eight,
    /// until one of them is polled again.
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

    /// An event with options, to be dispatched or run.
    pub fn event<E: Event>(&self, event: E) -> EventBuilder<'_, E> {
        EventBuilder::new(&self.shared, event, Parentage::Ambient)
    }

    /// Waits for a place in a full bus, first come first served (R6): inside a handler also for the one
    /// that its own event takes.
    ///
    /// # Errors
    /// The bus is stopped, or its capacity is 0.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in the line.
    pub async fn reserve(&self) -> Result<Permit<'_>, ReserveError> {
        permit::reserve(&self.shared).await
    }

    /// Waits for a place and dispatches. Inside a handler of the hub it answers at once, as
    /// [`dispatch`](Self::dispatch) does.
    ///
    /// # Errors
    /// The event comes back when it is not accepted; a full bus is waited for, unless its capacity is 0.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready drops the event, which was not dispatched.
    pub async fn dispatch_wait<E: Event>(
        &self,
        event: E,
    ) -> Result<EventHandle<E>, DispatchError<E>> {
        permit::dispatch_wait(&self.shared, event, Options::default()).await
    }

    /// Sends events on to another bus of the hub (R17): those of a name, or `*` for all. One event
    /// then runs on both buses and completes when both are done.
    ///
    /// It does not keep the target alive, and does not end with it: once the last [`EventBus`] of the
    /// target is dropped, or it is stopped, each event has a failure for it among its results. Keep the
    /// target, or take the forward [`off`](Subscription::off).
    ///
    /// # Errors
    /// The buses are of different hubs.
    pub fn forward(&self, name: &str, target: &Self) -> Result<Subscription, ForwardError> {
        subscription::forward(&self.shared, name, &target.shared)
    }

    /// Expects an event of type `E`: the next one that is dispatched (R26).
    pub fn expect<E: Event>(&self) -> Expect<EventHandle<E>> {
        self.find().next()
    }

    /// Expects an event of type `E` that a predicate is true of. The predicate is asked by whoever
    /// dispatches.
    pub fn expect_where<E: Event>(
        &self,
        test: impl Fn(&EventHandle<E>) -> bool + Send + Sync + 'static,
    ) -> Expect<EventHandle<E>> {
        self.find().matching(test).next()
    }

    /// Expects an event of a name; `*` for any.
    pub fn expect_name(&self, name: impl Into<String>) -> Expect<AnyEvent> {
        self.find_name(name).next()
    }

    /// Looks for events of type `E` that are remembered, or will come (R27).
    pub fn find<E: Event>(&self) -> Find<'_, EventHandle<E>> {
        Find::new(&self.shared, Select::typed())
    }

    /// Looks for events of a name; `*` for any.
    pub fn find_name(&self, name: impl Into<String>) -> Find<'_, AnyEvent> {
        Find::new(&self.shared, Select::named(name.into()))
    }

    /// What is dispatched from now on, as a stream that keeps up to `capacity` unread events (R28).
    /// `overflow` says what happens when the reader is slow.
    ///
    /// [`Overflow::Wait`] keeps those too that are dispatched meanwhile, and holds back what has not
    /// started on the bus, the last of it also after the last [`EventBus`] was dropped: a task that has
    /// such a stream and awaits an event of the bus instead of reading waits for itself. Limits of
    /// handlers do not count for what has not started; a deadline does. Drop a stream that is not read.
    pub fn events(&self, capacity: usize, overflow: Overflow) -> EventStream<AnyEvent> {
        EventStream::new(&self.shared, &Select::named("*".into()), capacity, overflow)
    }

    /// The same for events of type `E` only.
    pub fn events_of<E: Event>(
        &self,
        capacity: usize,
        overflow: Overflow,
    ) -> EventStream<EventHandle<E>> {
        EventStream::new(&self.shared, &Select::typed(), capacity, overflow)
    }

    /// The events the bus remembers, oldest first (R29).
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

    /// The events the bus remembers, as trees of text: those of which it remembers no event above are
    /// the roots.
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

    /// The number of events that have not completed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.hub.lock().books.incomplete(self.shared.key)
    }

    /// Waits until nothing of the bus is queued, running or incomplete, children included; `false`
    /// when `timeout` was over first (R31).
    ///
    /// Inside a handler of another bus this raises nothing and lends nothing, and cycles of such waits
    /// are not seen: give it a timeout there.
    ///
    /// # Errors
    /// Inside a handler that the bus cannot be idle before (R15).
    ///
    /// # Cancel safety
    /// Dropping it ends the wait only.
    pub async fn wait_until_idle(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<bool, WaitError> {
        self.shared.wait_until_idle(timeout.into()).await
    }

    /// Stops the bus (R32). With a timeout it takes no new events but children of incomplete ones, and
    /// has until then to do what is there; what is left, and without a timeout (`None`) everything, is
    /// ended as in [`stop_now`](Self::stop_now), which says when its futures are dropped. `clear` also
    /// drops its handlers and history and frees its name.
    ///
    /// Inside a handler, the events that cannot complete before that handler (its own, what depends on
    /// it, and what is queued behind it) are not waited for; they are ended too, and with them the
    /// handler itself.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready leaves a bus that takes no new events and goes on with what
    /// it has.
    pub async fn stop(&self, timeout: impl Into<Option<Duration>>, clear: bool) {
        self.shared.drain_and_stop(timeout.into(), clear).await;
    }

    /// Stops the bus now (R32): what runs is aborted, what is queued is cancelled, everybody who
    /// waits is told. Harmless when it is stopped.
    ///
    /// A future of a handler that was aborted is dropped by whoever works for the bus next, mostly its
    /// driver, and one that runs as a task by its runtime: it may still be there when this returns.
    pub fn stop_now(&self) {
        self.shared.stop_now(false);
    }

    /// Whether the bus takes no events any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.hub.lock().books.is_stopped(self.shared.key)
    }

    /// A handle that does not keep the bus alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEventBus {
        WeakEventBus(Arc::downgrade(&self.shared))
    }
}

/// Whether it is the same bus, and not one of the same name.
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
#[derive(Clone)]
pub struct WeakEventBus(Weak<BusShared>);

impl WeakEventBus {
    /// The bus, unless it has ended, or nobody holds it and it is about to.
    #[must_use]
    pub fn upgrade(&self) -> Option<EventBus> {
        let shared = self.0.upgrade()?;
        shared.own_if_owned().then(|| EventBus { shared })
    }
}

impl fmt::Debug for WeakEventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakEventBus")
    }
}
