//! Settings of hubs and buses.

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
use super::shared::{HubShared, Outside};
use crate::machine::{
    BusConfig, Completion, Concurrency, HandlerOrder, HubConfig, Limit, Machine, Warning,
};
use crate::runtime::{NoRuntime, Runtime, RuntimeSource};
use crate::time::Timestamp;

/// Settings of a hub, before it is made. See [`Hub::builder`].
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

/// Settings of a bus, before it is made. See [`EventBus::builder`] and [`Hub::bus`].
#[must_use = "the bus is not made yet"]
pub struct EventBusBuilder {
    config: BusConfig,
    spawns: bool,
    hub: WhichHub,
    #[cfg(feature = "journal")]
    journal: Option<Arc<dyn super::journal::Sink>>,
}

enum WhichHub {
    Own(Box<HubBuilder>),
    Given(Hub),
}

/// Where warnings go.
pub(crate) struct WarningSink(Box<dyn Fn(&Warning) + Send + Sync>);

impl WarningSink {
    pub(crate) fn tell(&self, warning: &Warning) {
        // A panic in the user's hook is the hook's own affair.
        let _ = super::guard::catch(|| (self.0)(warning));
    }
}

impl HubBuilder {
    pub(crate) fn new() -> Self {
        Self {
            config: HubConfig::default(),
            source: Box::new(|| Err(NoRuntime)),
            wall_offset: None,
            seed: None,
            ambient_parent: true,
            warnings: WarningSink(Box::new(log)),
            failures: FailureSink::unless_told(),
        }
    }

    /// The runtime that polls the handlers and keeps the time of this hub's buses.
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(runtime);
        self.source = Box::new(move || Ok(runtime.clone()));
        self
    }

    /// Asks for a runtime at the first dispatch, and at every further one until there is one.
    pub fn runtime_source(
        mut self,
        source: impl Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync + 'static,
    ) -> Self {
        self.source = Box::new(source);
        self
    }

    /// The deepest level a child may be dispatched at (R18); 1 000 unless set, `None` for any.
    pub const fn max_depth(mut self, depth: Option<u32>) -> Self {
        self.config.max_depth = depth;
        self
    }

    /// The bytes of events in memory above which one warning is given (R30): 50 MB unless set.
    pub const fn memory_warning(mut self, bytes: Option<u64>) -> Self {
        self.config.memory_warning = bytes;
        self
    }

    /// The wall time of the runtime's epoch. Unless set, `std` asks the system's clock.
    pub const fn wall_time_of_epoch(mut self, at: Timestamp) -> Self {
        self.wall_offset = Some(at.unix_nanos());
        self
    }

    /// The seed of the event ids. Unless set, `std` asks the system; without `std` it is 0, and
    /// the ids of two hubs may be the same.
    pub const fn id_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Whether what is dispatched on a bus of the hub while a handler of the hub is polled becomes
    /// the child of that handler's event (R12). It does unless this is set to false; a handler's own
    /// [`EventHandle`](super::EventHandle) makes children either way. Without `std` there is no
    /// telling which handler is polled, and only the handle does.
    pub const fn ambient_parent(mut self, on: bool) -> Self {
        self.ambient_parent = on;
        self
    }

    /// Where warnings go, instead of to `tracing` (with that feature; else nowhere). The function
    /// is called without any lock held.
    pub fn on_warning(mut self, tell: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.warnings = WarningSink(Box::new(tell));
        self
    }

    /// Who is told of each handler that fails or is over its limit, after all its tries, once its event has
    /// completed: also of an event that nobody awaits. Instead of `tracing` (with that feature; else
    /// nobody is). The function is called without any lock held.
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
    pub(crate) fn on_its_own(name: String) -> Self {
        Self::of(name, WhichHub::Own(Box::new(HubBuilder::new())))
    }

    pub(crate) fn in_hub(name: String, hub: Hub) -> Self {
        Self::of(name, WhichHub::Given(hub))
    }

    fn of(name: String, hub: WhichHub) -> Self {
        Self {
            config: BusConfig::new(name),
            spawns: false,
            hub,
            #[cfg(feature = "journal")]
            journal: None,
        }
    }

    /// The runtime, for a bus on its own; the buses of a hub have the hub's, and this changes nothing.
    pub fn runtime(self, runtime: impl Runtime) -> Self {
        self.own_hub(|hub| hub.runtime(runtime))
    }

    /// Asks for a runtime at the first dispatch, for a bus on its own; of others the
    /// [hub's](HubBuilder::runtime_source) holds.
    pub fn runtime_source(
        self,
        source: impl Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync + 'static,
    ) -> Self {
        self.own_hub(|hub| hub.runtime_source(source))
    }

    /// The deepest level a child may be dispatched at, for a bus on its own; of others the
    /// [hub's](HubBuilder::max_depth) holds.
    pub fn max_depth(self, depth: Option<u32>) -> Self {
        self.own_hub(|hub| hub.max_depth(depth))
    }

    /// The bytes of events in memory above which one warning is given, for a bus on its own; of others the
    /// [hub's](HubBuilder::memory_warning) holds.
    pub fn memory_warning(self, bytes: Option<u64>) -> Self {
        self.own_hub(|hub| hub.memory_warning(bytes))
    }

    /// The wall time of the runtime's epoch, for a bus on its own; of others the
    /// [hub's](HubBuilder::wall_time_of_epoch) holds.
    pub fn wall_time_of_epoch(self, at: Timestamp) -> Self {
        self.own_hub(|hub| hub.wall_time_of_epoch(at))
    }

    /// The seed of the event ids, for a bus on its own; of others the [hub's](HubBuilder::id_seed) holds.
    pub fn id_seed(self, seed: u64) -> Self {
        self.own_hub(|hub| hub.id_seed(seed))
    }

    /// Whether dispatching inside a handler makes a child, for a bus on its own; of others the
    /// [hub's](HubBuilder::ambient_parent) holds.
    pub fn ambient_parent(self, on: bool) -> Self {
        self.own_hub(|hub| hub.ambient_parent(on))
    }

    /// Where warnings go, for a bus on its own; of others the [hub's](HubBuilder::on_warning) holds.
    pub fn on_warning(self, tell: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.own_hub(|hub| hub.on_warning(tell))
    }

    /// Who is told of each handler that fails, for a bus on its own; of others the
    /// [hub's](HubBuilder::on_failure) holds.
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

    /// Root events that may be incomplete at a time (R6): 100 unless set, `None` for any number. With 0
    /// it takes children alone.
    pub const fn max_pending(mut self, events: Option<usize>) -> Self {
        self.config.max_pending = events;
        self
    }

    /// Children that may be incomplete at a time (R6): 10 000 unless set, `None` for any number.
    pub const fn max_pending_children(mut self, events: Option<usize>) -> Self {
        self.config.max_pending_children = events;
        self
    }

    /// Events that are remembered (R29): 50 unless set, `None` for all, 0 for those in flight, however
    /// many these are. Those in flight count: of more than the limit the completed ones are forgotten
    /// first, then those that were started, then those that are queued. What is forgotten runs all the
    /// same; it is not found by [`find`](crate::EventBus::find) any more.
    pub const fn max_history(mut self, events: Option<usize>) -> Self {
        self.config.max_history = events;
        self
    }

    /// The limit of an invocation whose handler and event leave it open (R22): 60 s unless set.
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.config.limit = limit.into();
        self
    }

    /// How long a handler runs before one warning says so (R25): 15 s unless set.
    pub const fn slow_after(mut self, after: Option<Duration>) -> Self {
        self.config.slow_after = after;
        self
    }

    /// How events exclude each other (R10): `BusSerial` unless set.
    pub const fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.concurrency = concurrency;
        self
    }

    /// How the handlers of an event follow each other (R9): `Serial` unless set.
    pub const fn handler_order(mut self, order: HandlerOrder) -> Self {
        self.config.handler_order = order;
        self
    }

    /// The handlers of an event run together (R9).
    pub const fn parallel_handlers(self) -> Self {
        self.handler_order(HandlerOrder::Parallel)
    }

    /// Puts each invocation that runs in parallel with others (R9, R10) on the runtime as a task of
    /// its own, so that handlers that compute use all cores. Unless set, the bus's one task polls
    /// them all.
    pub const fn spawn_parallel(mut self) -> Self {
        self.spawns = true;
        self
    }

    /// When an event is done (R11): after `All` handlers unless set.
    pub const fn completion(mut self, completion: Completion) -> Self {
        self.config.completion = completion;
        self
    }

    /// Notes the events of the bus in a journal, which buses may share (R41): as they complete, or,
    /// where the journal is written ahead, as they are accepted too, and then an event's handlers
    /// start only once its acceptance is written (R42).
    ///
    /// Every event of the bus needs a JSON view then: one without is refused at dispatch.
    #[cfg(feature = "journal")]
    pub fn journal(mut self, journal: impl Into<Arc<dyn super::journal::Sink>>) -> Self {
        let journal = journal.into();
        self.config.write_ahead = journal.is_write_ahead();
        self.journal = Some(journal);
        self
    }

    /// Makes the bus. Its driver is spawned at the first need.
    #[must_use]
    pub fn build(self) -> EventBus {
        let hub = match self.hub {
            WhichHub::Own(hub) => hub.build(),
            WhichHub::Given(hub) => hub,
        };
        #[cfg(feature = "journal")]
        let limit = self.config.limit;
        let bus = EventBus::make(hub, self.config, self.spawns);
        #[cfg(feature = "journal")]
        if let Some(sink) = self.journal {
            bus.shared.set_journal(super::journal::Link { sink, limit });
        }
        bus
    }

    /// Makes the bus and hands out its driver, to be polled by you: the bus does nothing by itself.
    pub fn with_driver(self) -> (EventBus, Driver) {
        let bus = self.build();
        bus.shared.claim_driver();
        let driver = Driver::new(bus.shared.clone());
        (bus, driver)
    }

    fn own_hub(mut self, set: impl FnOnce(HubBuilder) -> HubBuilder) -> Self {
        if let WhichHub::Own(hub) = self.hub {
            self.hub = WhichHub::Own(Box::new(set(*hub)));
        }
        self
    }
}

impl fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for EventBusBuilder {
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

#[cfg(feature = "std")]
fn random_seed() -> u64 {
    use core::hash::{BuildHasher, Hasher};
    // The keys of a new `RandomState` are the one randomness that std gives away.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(not(feature = "std"))]
fn random_seed() -> u64 {
    0
}
