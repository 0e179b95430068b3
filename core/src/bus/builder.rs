//! Builders of hubs and buses.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::EventBus;
use super::any::AnyEvent;
use super::driver::Driver;
use super::hub::Hub;
use super::report::FailureSink;
use super::results::EventResult;
use super::shared::{BusShared, HubShared, Outside};
use crate::id::random_seed;
use crate::machine::{
    BusConfig, Completion, Concurrency, HandlerOrder, HubConfig, Limit, Machine, Warning,
};
use crate::runtime::{NoRuntime, Runtime, RuntimeSource};
use crate::time::Timestamp;

/// The settings of a hub that is not made yet. See [`Hub::builder`].
#[must_use = "the hub is not made yet"]
pub struct HubBuilder {
    config: HubConfig,
    source: RuntimeSource,
    wall_offset: Option<u64>,
    seed: Option<u64>,
    ambient_parent: bool,
    warnings: WarningSink,
    failures: Option<FailureSink>,
}

/// The settings of a bus that is not made yet. See [`EventBus::builder`] and [`Hub::bus`].
///
/// The builder of a bus on its own (`EventBusBuilder<HubBuilder>`) also has the settings of the hub that
/// it makes, such as [`runtime`](Self::runtime). The builder of a bus of a shared hub
/// (`EventBusBuilder<Hub>`) does not: they are set on the [`HubBuilder`].
///
/// ```
/// use busway::{Event, EventHandle};
/// use std::time::Duration;
///
/// #[derive(Event)]
/// struct Backup;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::builder("main")
///     .max_pending(None)
///     .limit(Duration::from_secs(10))
///     .parallel_handlers()
///     .build();
/// bus.on(|_: EventHandle<Backup>| tokio::time::sleep(Duration::from_secs(2)));
/// bus.on(|_: EventHandle<Backup>| tokio::time::sleep(Duration::from_secs(3)));
/// let backup = bus.run(Backup).await?;
/// assert_eq!(backup.duration().unwrap().as_secs(), 3);
/// # Ok(()) }
/// ```
#[must_use = "the bus is not made yet"]
pub struct EventBusBuilder<H = HubBuilder> {
    config: BusConfig,
    spawns: bool,
    hub: H,
    #[cfg(feature = "journal")]
    journal: Option<Arc<dyn super::journal::Sink>>,
}

/// Where a bus gets its hub: a [`HubBuilder`] makes one for it alone, a [`Hub`] is shared.
pub trait IntoHub: sealed::Sealed {
    /// Returns the hub.
    fn into_hub(self) -> Hub;
}

impl IntoHub for HubBuilder {
    fn into_hub(self) -> Hub {
        self.build()
    }
}

impl IntoHub for Hub {
    fn into_hub(self) -> Hub {
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::HubBuilder {}
    impl Sealed for super::Hub {}
}

/// Where warnings go.
pub(crate) struct WarningSink(Box<dyn Fn(&Warning) + Send + Sync>);

impl WarningSink {
    pub(crate) fn tell(&self, warning: &Warning) {
        // A panic in the user's hook is ignored.
        let _ = super::guard::catch(|| (self.0)(warning));
    }
}

impl HubBuilder {
    pub(crate) fn new() -> Self {
        Self {
            config: HubConfig::default(),
            source: Box::new(|| Err(NoRuntime::new())),
            wall_offset: None,
            seed: None,
            ambient_parent: true,
            warnings: WarningSink(Box::new(log)),
            failures: FailureSink::unless_told(),
        }
    }

    /// Sets the runtime that polls the handlers and keeps the time of this hub's buses.
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(runtime);
        self.source = Box::new(move || Ok(runtime.clone()));
        self
    }

    /// Sets a source that is asked for a runtime at each dispatch, until it gives one, which is kept. A
    /// driver polled by hand asks too, and so does a wait with a timeout, which does not keep the answer.
    pub fn runtime_source(
        mut self,
        source: impl Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync + 'static,
    ) -> Self {
        self.source = Box::new(source);
        self
    }

    /// Sets the deepest level a child may be dispatched at (R18). The default is 1 000; `None`
    /// allows any. The bus uses no stack for depth, but an error that handlers pass up with `?` holds the
    /// one below it: showing or dropping such a chain takes some hundred bytes of stack for each level.
    pub fn max_depth(mut self, depth: impl Into<Option<u32>>) -> Self {
        self.config.max_depth = depth.into();
        self
    }

    /// Sets the bytes of events in memory above which one warning is given (R30). The default is 50 MB.
    pub fn memory_warning(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.config.memory_warning = bytes.into();
        self
    }

    /// Sets the wall time of the runtime's epoch. Unless set, `std` asks the system clock.
    pub const fn wall_time_of_epoch(mut self, at: Timestamp) -> Self {
        self.wall_offset = Some(at.unix_nanos());
        self
    }

    /// Sets the seed of the event ids. Unless set, `std` asks the system; without `std` it is 0, and
    /// two hubs may produce the same ids.
    pub const fn id_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets whether an event dispatched on a bus of the hub while a handler of the hub is polled
    /// becomes a child of that handler's event (R12). The default is true. A handler's own
    /// [`EventHandle`](super::EventHandle) makes children either way. Without `std` the polled
    /// handler is unknown, and only the handle does.
    pub const fn ambient_parent(mut self, on: bool) -> Self {
        self.ambient_parent = on;
        self
    }

    /// Sets where warnings go instead of `tracing` (with that feature; otherwise nowhere). The
    /// function is called without any lock held.
    pub fn on_warning(mut self, tell: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.warnings = WarningSink(Box::new(tell));
        self
    }

    /// Sets a function that is called for each handler that fails or exceeds its limit, after all its
    /// tries, once its event has completed, even if nobody awaits the event. It replaces `tracing`
    /// (with that feature; otherwise nobody is told). It is not told of handlers that a deadline, a
    /// `cancel`, a stop or a failed journal ends. No lock is held during the call.
    ///
    /// ```
    /// use busway::{Event, EventHandle, Hub};
    /// use std::sync::mpsc;
    ///
    /// #[derive(Event)]
    /// struct Save;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let (tell, failures) = mpsc::channel();
    /// let hub = busway::hub_builder()
    ///     .on_failure(move |event, result| {
    ///         let error = result.error().map(|error| error.to_string());
    ///         let _ = tell.send((event.event_type(), error.unwrap_or_default()));
    ///     })
    ///     .build();
    /// let bus = hub.bus("main").build();
    /// bus.on(|_: EventHandle<Save>| Err::<(), _>("no space left"));
    /// bus.run(Save).await?;
    /// assert_eq!(failures.recv()?, ("Save", "no space left".to_owned()));
    /// # Ok(()) }
    /// ```
    pub fn on_failure(
        mut self,
        tell: impl Fn(&AnyEvent, &EventResult) + Send + Sync + 'static,
    ) -> Self {
        self.failures = Some(FailureSink::new(tell));
        self
    }

    /// Makes the hub.
    #[must_use]
    pub fn build(self) -> Hub {
        let seed = self.seed.unwrap_or_else(random_seed);
        let Self { config, source, wall_offset, ambient_parent, warnings, failures, .. } = self;
        let outside = Outside { source, wall_offset, seed, ambient_parent, warnings, failures };
        Hub(Arc::new(HubShared::new(Machine::new(config), outside)))
    }
}

impl EventBusBuilder {
    /// Sets the runtime.
    pub fn runtime(self, runtime: impl Runtime) -> Self {
        self.own_hub(|hub| hub.runtime(runtime))
    }

    /// Sets a source that is asked for a runtime at each dispatch, until it gives one. See
    /// [`HubBuilder::runtime_source`].
    pub fn runtime_source(
        self,
        source: impl Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync + 'static,
    ) -> Self {
        self.own_hub(|hub| hub.runtime_source(source))
    }

    /// Sets the deepest level a child may be dispatched at. See [`HubBuilder::max_depth`].
    pub fn max_depth(self, depth: impl Into<Option<u32>>) -> Self {
        self.own_hub(|hub| hub.max_depth(depth))
    }

    /// Sets the bytes of events in memory above which one warning is given. See
    /// [`HubBuilder::memory_warning`].
    pub fn memory_warning(self, bytes: impl Into<Option<u64>>) -> Self {
        self.own_hub(|hub| hub.memory_warning(bytes))
    }

    /// Sets the wall time of the runtime's epoch. See [`HubBuilder::wall_time_of_epoch`].
    pub fn wall_time_of_epoch(self, at: Timestamp) -> Self {
        self.own_hub(|hub| hub.wall_time_of_epoch(at))
    }

    /// Sets the seed of the event ids. See [`HubBuilder::id_seed`].
    pub fn id_seed(self, seed: u64) -> Self {
        self.own_hub(|hub| hub.id_seed(seed))
    }

    /// Sets whether dispatching inside a handler makes a child. See [`HubBuilder::ambient_parent`].
    pub fn ambient_parent(self, on: bool) -> Self {
        self.own_hub(|hub| hub.ambient_parent(on))
    }

    /// Sets where warnings go. See [`HubBuilder::on_warning`].
    pub fn on_warning(self, tell: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.own_hub(|hub| hub.on_warning(tell))
    }

    /// Sets a function that is called for each handler that fails. See [`HubBuilder::on_failure`].
    ///
    /// ```
    /// # use busway_core::EventBus;
    /// let bus = EventBus::builder("main")
    ///     .on_failure(|event, result| {
    ///         let error = result.error().map(|error| error.to_string()).unwrap_or_default();
    ///         eprintln!("{} of {}: {error}", result.handler_name(), event.event_type());
    ///     })
    ///     .build();
    /// ```
    pub fn on_failure(
        self,
        tell: impl Fn(&AnyEvent, &EventResult) + Send + Sync + 'static,
    ) -> Self {
        self.own_hub(|hub| hub.on_failure(tell))
    }

    fn own_hub(mut self, set: impl FnOnce(HubBuilder) -> HubBuilder) -> Self {
        self.hub = set(self.hub);
        self
    }
}

impl<H: IntoHub> EventBusBuilder<H> {
    pub(crate) fn new(name: String, hub: H) -> Self {
        Self {
            config: BusConfig::new(name),
            spawns: false,
            hub,
            #[cfg(feature = "journal")]
            journal: None,
        }
    }

    /// Sets how many root events may be incomplete at a time (R6). The default is 100; `None` allows
    /// any number. With 0 the bus accepts only children. It is independent of
    /// [`max_history`](Self::max_history), other than in bubus.
    pub fn max_pending(mut self, events: impl Into<Option<usize>>) -> Self {
        self.config.max_pending = events.into();
        self
    }

    /// Sets how many children may be incomplete at a time (R6). The default is 10 000; `None` allows
    /// any number.
    pub fn max_pending_children(mut self, events: impl Into<Option<usize>>) -> Self {
        self.config.max_pending_children = events.into();
        self
    }

    /// Sets how many events are remembered (R29). The default is 50; `None` keeps all, 0 those in
    /// flight, however many they are. Events in flight count: above the limit, completed ones are
    /// forgotten first, then started ones, then queued ones. A forgotten event still runs, but
    /// [`find`](crate::EventBus::find) no longer finds it.
    ///
    /// Requests and published values do not push out events: they have a limit of their own, which is
    /// the same number of completed ones.
    pub fn max_history(mut self, events: impl Into<Option<usize>>) -> Self {
        self.config.max_history = events.into();
        self
    }

    /// Sets the limit of an invocation whose handler and event leave it open (R22). The default is 60 s;
    /// zero, or `None`, is no limit.
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.config.limit = limit.into();
        self
    }

    /// Sets how long a handler runs before one warning says so (R25). The default is 15 s; `None` is no
    /// warning, and zero one for each handler that takes any time. A handler that holds up its thread is
    /// reported when it ends.
    pub fn slow_after(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.config.slow_after = after.into();
        self
    }

    /// Sets how events exclude each other (R10). The default is `BusSerial`.
    pub const fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.concurrency = concurrency;
        self
    }

    /// Sets how the handlers of an event follow each other (R9). The default is `Serial`.
    pub const fn handler_order(mut self, order: HandlerOrder) -> Self {
        self.config.handler_order = order;
        self
    }

    /// Runs the handlers of an event in parallel (R9).
    pub const fn parallel_handlers(self) -> Self {
        self.handler_order(HandlerOrder::Parallel)
    }

    /// Spawns each invocation that runs in parallel with others (R9, R10) as a task of its own on
    /// the runtime, so that handlers that compute use all cores. Unless set, the bus's one task
    /// polls them all.
    pub const fn spawn_parallel(mut self) -> Self {
        self.spawns = true;
        self
    }

    /// Sets when an event is done (R11). The default is after `All` handlers.
    pub const fn completion(mut self, completion: Completion) -> Self {
        self.config.completion = completion;
        self
    }

    /// Records the bus's events in a journal, which buses may share (R41).
    ///
    /// Events are recorded as they complete. A write-ahead journal also records them as they are
    /// accepted, and an event's handlers start only once its acceptance is written (R42). With either,
    /// every event of the bus needs a JSON view (`#[event(json)]`); one without is refused at dispatch.
    ///
    /// The journal may still be writing after [`stop`](EventBus::stop) has returned. To wait for the last
    /// lines, call the journal's `flush` or `close`.
    #[cfg(feature = "journal")]
    pub fn journal(mut self, journal: impl Into<Arc<dyn super::journal::Sink>>) -> Self {
        let journal = journal.into();
        self.config.write_ahead = journal.is_write_ahead();
        self.journal = Some(journal);
        self
    }

    /// Makes the bus. Its driver is spawned when it is first needed.
    #[must_use]
    pub fn build(self) -> EventBus {
        self.make(|_| {})
    }

    fn make(self, prepare: impl FnOnce(&BusShared)) -> EventBus {
        #[cfg(feature = "journal")]
        let limit = self.config.limit;
        let hub = self.hub.into_hub();
        // User code, before there is a bus.
        #[cfg(feature = "journal")]
        self.journal.iter().for_each(|sink| sink.joined(super::journal::Feed::of(&hub.0)));
        EventBus::make(hub, self.config, self.spawns, |bus| {
            #[cfg(feature = "journal")]
            if let Some(sink) = self.journal {
                bus.set_journal(super::journal::Link { sink, limit });
            }
            prepare(bus);
        })
    }

    /// Makes the bus and returns its driver for you to poll; none is spawned. A task that awaits one of
    /// its events may still run handlers itself, but deadlines pass only when the driver is polled, or
    /// when such a task finds something to run.
    pub fn with_driver(self) -> (EventBus, Driver) {
        let bus = self.make(|bus| {
            bus.claim_driver();
        });
        let driver = Driver::new(bus.shared.clone());
        (bus, driver)
    }
}

impl fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<H> fmt::Debug for EventBusBuilder<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBusBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(feature = "tracing")]
fn log(warning: &Warning) {
    tracing::warn!(target: "busway", "{warning}");
}

#[cfg(not(feature = "tracing"))]
fn log(_warning: &Warning) {}
