//! What the handles, the driver and the handlers of a bus share, and what its hub holds.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;

use hashbrown::HashMap;

use super::builder::WarningSink;
use super::driver::Driver;
use super::gate::{Gate, Marked};
use super::handler::Callable;
#[cfg(feature = "journal")]
pub(crate) use super::journal::Lines;
use super::record::Erased;
use super::report::FailureSink;
use super::share;
use super::span::Span;
use super::task::Inbox;
use super::turn::Turn;
use super::value::Answer;
use super::wakers::Wakers;
use super::watch::Watcher;
use crate::id::IdSource;
use crate::machine::{BusKey, Hand, Machine, Output, ReservationKey, Run, WatchKey};
use crate::runtime::{NoRuntime, Runtime, RuntimeSource};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, OnceLock, OneWaker};
use crate::time::{Instant, Timestamp};

pub(crate) type Books = Machine<Arc<dyn Erased>, Answer, Arc<dyn Callable>>;
pub(crate) type BookRun = Run<Arc<dyn Erased>, Arc<dyn Callable>>;
pub(crate) type BookHand = Hand<Arc<dyn Erased>, Arc<dyn Callable>>;
/// All that is left of a completed event is whom to wake.
pub(crate) type BookOutput =
    Output<Arc<dyn Erased>, Answer, Arc<dyn Callable>, Option<Arc<dyn Erased>>>;

/// A hub: the machine under its lock, and what it is given from outside.
pub(crate) struct HubShared {
    state: Mutex<HubState>,
    runtime: OnceLock<Latched>,
    source: RuntimeSource,
    /// Nanoseconds from 1970 to the runtime's epoch, if the user set it.
    wall_offset: Option<u64>,
    pub(crate) suffixes: AtomicU64,
    /// What a handler dispatches is a child, however it is dispatched.
    pub(crate) ambient_parent: bool,
    pub(crate) warnings: WarningSink,
    pub(crate) failures: Option<FailureSink>,
}

/// What a hub is given from outside the machine.
pub(crate) struct Outside {
    pub(crate) source: RuntimeSource,
    /// Nanoseconds from 1970 to the runtime's epoch.
    pub(crate) wall_offset: Option<u64>,
    /// The seed of the event ids.
    pub(crate) seed: u64,
    pub(crate) ambient_parent: bool,
    pub(crate) warnings: WarningSink,
    pub(crate) failures: Option<FailureSink>,
}

pub(crate) struct HubState {
    pub(crate) books: Books,
    pub(crate) ids: IdSource,
    /// The shells of the buses, by the slots of their keys, as long as the buses are in the books.
    /// Outputs for a bus find its shell here, whoever else still holds it.
    shells: Vec<Option<Arc<BusShared>>>,
    /// The wakers of tasks that wait for a place in a full bus.
    pub(crate) reserved: HashMap<ReservationKey, Waker>,
    /// The watchers for events to come.
    pub(crate) watchers: HashMap<WatchKey, Arc<dyn Watcher>>,
    /// The lines to hand to journals.
    pub(crate) lines: Lines,
}

/// There are no journals.
#[cfg(not(feature = "journal"))]
#[derive(Default)]
pub(crate) struct Lines(());

#[cfg(not(feature = "journal"))]
impl Lines {
    #[allow(clippy::unused_self, clippy::needless_pass_by_ref_mut)]
    pub(crate) const fn completed(&mut self, _record: &Arc<dyn Erased>) {}
}

/// The runtime, once there is one, and its epoch in wall time.
pub(crate) struct Latched {
    pub(crate) runtime: Arc<dyn Runtime>,
    wall_offset: u64,
}

pub(crate) struct BusShared {
    pub(crate) hub: Arc<HubShared>,
    pub(crate) key: BusKey,
    /// Invocations that run in parallel are tasks of the runtime.
    pub(crate) spawns: bool,
    /// The span that handlers run in.
    pub(crate) span: Span,
    pub(crate) gate: Gate,
    pub(crate) turn: Mutex<Turn>,
    pub(crate) inbox: Mutex<Inbox>,
    pub(crate) has_mail: AtomicBool,
    pub(crate) driver: OneWaker,
    driver_state: AtomicU8,
    /// The driver was woken and has not been polled since.
    driver_told: AtomicBool,
    /// What the driver's timer is set to. The driver need not be told of a later deadline.
    pub(crate) armed: AtomicU64,
    /// Live [`EventBus`](super::EventBus) values.
    pub(crate) owners: AtomicUsize,
    /// Tasks that wait until the bus has less to do.
    pub(crate) idle: Wakers,
    #[cfg(feature = "journal")]
    pub(crate) journal: OnceLock<super::journal::Link>,
}

/// There is no driver yet: one is spawned at the first need.
const NOT_DRIVEN: u8 = 0;
const DRIVEN: u8 = 1;
const ENDED: u8 = 2;

impl HubShared {
    pub(crate) fn new(books: Books, outside: Outside) -> Self {
        let Outside { source, wall_offset, seed, ambient_parent, warnings, failures } = outside;
        Self {
            state: Mutex::new(HubState {
                books,
                ids: IdSource::new(seed),
                shells: Vec::new(),
                reserved: HashMap::new(),
                watchers: HashMap::new(),
                lines: Lines::default(),
            }),
            runtime: OnceLock::new(),
            source,
            wall_offset,
            suffixes: AtomicU64::new(seed),
            ambient_parent,
            warnings,
            failures,
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock()
    }

    /// The runtime of this hub; asks for one if there is none yet.
    #[inline]
    pub(crate) fn runtime(&self) -> Result<&Latched, NoRuntime> {
        match self.runtime.get() {
            Some(latched) => Ok(latched),
            None => self.latch(),
        }
    }

    #[cold]
    fn latch(&self) -> Result<&Latched, NoRuntime> {
        let runtime = (self.source)()?;
        let wall_offset = self.wall_offset.unwrap_or_else(|| wall_offset(runtime.now()));
        // Another thread may have been first: then its runtime is used.
        let _ = self.runtime.set(Latched { runtime, wall_offset });
        self.runtime.get().ok_or(NoRuntime::new())
    }

    /// The runtime, if there is one by now.
    #[inline]
    pub(crate) fn latched(&self) -> Option<&Latched> {
        self.runtime.get()
    }

    /// A runtime to measure time with; it need not be the hub's.
    pub(crate) fn timekeeper(&self) -> Result<Arc<dyn Runtime>, NoRuntime> {
        match self.latched() {
            Some(latched) => Ok(latched.runtime.clone()),
            None => (self.source)(),
        }
    }

    /// The time by the hub's runtime; the epoch while there is none.
    pub(crate) fn now(&self) -> Instant {
        self.latched().map_or(Instant::EPOCH, |latched| latched.runtime.now())
    }

    pub(crate) fn wall(&self, at: Instant) -> Timestamp {
        let offset = self.latched().map_or(0, |latched| latched.wall_offset);
        Timestamp::from_unix_nanos(offset).after(at)
    }

    /// An identity that no other live hub has.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

impl Latched {
    #[inline]
    pub(crate) fn unix_millis(&self, now: Instant) -> u64 {
        self.wall_offset.saturating_add(now.as_nanos()) / 1_000_000
    }
}

impl HubState {
    pub(crate) fn shell(&self, bus: BusKey) -> Option<Arc<BusShared>> {
        self.shells.get(bus.slot())?.as_ref().filter(|shell| shell.key == bus).cloned()
    }

    pub(crate) fn shells(&self) -> impl Iterator<Item = &Arc<BusShared>> {
        self.shells.iter().flatten()
    }

    pub(crate) fn set_shell(&mut self, bus: &Arc<BusShared>) {
        let slot = bus.key.slot();
        if self.shells.len() <= slot {
            self.shells.resize_with(slot + 1, || None);
        }
        self.shells[slot] = Some(bus.clone());
    }

    /// Removes the shell of a bus that is out of the books. It is returned, to be dropped outside
    /// the lock.
    pub(crate) fn take_shell(&mut self, bus: BusKey) -> Option<Arc<BusShared>> {
        self.shells.get_mut(bus.slot())?.take_if(|shell| shell.key == bus)
    }
}

impl BusShared {
    pub(crate) fn new(hub: Arc<HubShared>, key: BusKey, spawns: bool) -> Self {
        Self {
            hub,
            key,
            spawns,
            span: Span::new(),
            gate: Gate::new(),
            turn: Mutex::new(Turn::new()),
            inbox: Mutex::new(Inbox::default()),
            has_mail: AtomicBool::new(false),
            driver: OneWaker::new(),
            driver_state: AtomicU8::new(NOT_DRIVEN),
            driver_told: AtomicBool::new(false),
            armed: AtomicU64::new(u64::MAX),
            owners: AtomicUsize::new(0),
            idle: Wakers::new(),
            #[cfg(feature = "journal")]
            journal: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.hub.lock().books.bus_name(self.key).map_or_else(String::new, |name| name.to_string())
    }

    /// Announces that something can be done on this bus: the holder of the turn looks, or else the
    /// driver is woken.
    pub(crate) fn notify(self: &Arc<Self>) {
        if self.gate.mark() == Marked::NobodyKnows {
            self.wake_driver();
        }
    }

    /// Wakes the driver, or spawns one if the bus has none yet.
    #[inline]
    pub(crate) fn wake_driver(self: &Arc<Self>) {
        if !self.is_driven() && self.claim_driver() {
            if let Ok(latched) = self.hub.runtime() {
                latched.runtime.spawn(alloc::boxed::Box::pin(Driver::new(self.clone())));
                share::count_task();
            } else {
                // Unless the bus has ended meanwhile.
                let (made, none) = (DRIVEN, NOT_DRIVEN);
                let state = &self.driver_state;
                let _ = state.compare_exchange(made, none, Ordering::AcqRel, Ordering::Acquire);
            }
            return;
        }
        if self.has_ended() {
            return self.drop_tasks();
        }
        // Woken already, and not polled since: it will see what was written before this was read.
        if !self.driver_told.load(Ordering::SeqCst)
            && !self.driver_told.swap(true, Ordering::SeqCst)
        {
            self.driver.wake();
        }
    }

    /// The driver is being polled: it looks at everything it was told before.
    pub(crate) fn driver_is_up(&self) {
        self.driver_told.swap(false, Ordering::SeqCst);
    }

    /// Whether a driver has been made for this bus.
    pub(crate) fn is_driven(&self) -> bool {
        self.driver_state.load(Ordering::Acquire) != NOT_DRIVEN
    }

    /// Claims the right to make the driver; there is only one.
    pub(crate) fn claim_driver(&self) -> bool {
        let state = &self.driver_state;
        state.compare_exchange(NOT_DRIVEN, DRIVEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn driver_ended(&self) {
        self.driver_state.store(ENDED, Ordering::Release);
    }

    /// Whether the bus has ended with its driver.
    pub(crate) fn has_ended(&self) -> bool {
        self.driver_state.load(Ordering::Acquire) == ENDED
    }

    pub(crate) fn armed(&self) -> Instant {
        Instant::from_nanos(self.armed.load(Ordering::SeqCst))
    }
}

#[cfg(feature = "std")]
fn wall_offset(now: Instant) -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since_1970.map_or(0, |since| since.as_nanos());
    u64::try_from(nanos).unwrap_or(u64::MAX).saturating_sub(now.as_nanos())
}

#[cfg(not(feature = "std"))]
fn wall_offset(_now: Instant) -> u64 {
    0
}
