//! Watching for events to come: what expectations and streams have in common.

use alloc::string::String;
use alloc::sync::Arc;
use core::any::TypeId;

use super::any::AnyEvent;
use super::handle::EventHandle;
use super::record::{Erased, downcast};
use super::room;
use super::shared::{BusShared, HubState};
use super::vantage::Vantage;
use crate::event::Event;
use crate::machine::{Overflow, Pattern, WatchKey};

/// Observes the events that come to a bus.
pub(crate) trait Watcher: Send + Sync {
    /// Takes an event, under the hub's lock and so in order. Returns the event it replaces.
    fn receive(&self, record: &Arc<dyn Erased>, instead_of_oldest: bool)
    -> Option<Arc<dyn Erased>>;

    /// Handles the event, outside the lock.
    fn arrived(&self, record: Arc<dyn Erased>);

    /// No more events will come; `dropped` of them found no room.
    fn ended(&self, dropped: u64);
}

/// Which events a handler, a watcher or a search is for.
pub(crate) enum Wanted {
    Type(&'static str, TypeId),
    Name(String),
    Any,
}

/// Which events match, and what they are converted into.
pub(crate) struct Select<In> {
    wanted: Wanted,
    pub(crate) convert: fn(Arc<dyn Erased>, &Arc<BusShared>) -> Option<In>,
}

impl<E: Event> Select<EventHandle<E>> {
    pub(crate) fn typed() -> Self {
        Self {
            wanted: Wanted::typed::<E>(),
            convert: |record, bus| {
                let seen = Vantage::outside(record.head(), bus);
                Some(EventHandle::new(downcast(record)?, seen))
            },
        }
    }
}

impl Select<AnyEvent> {
    /// Events of a name; `*` for all.
    pub(crate) fn named(name: &str) -> Self {
        Self { wanted: Wanted::named(name), convert: |record, bus| Some(AnyEvent::on(record, bus)) }
    }
}

impl Wanted {
    pub(crate) fn typed<E: Event>() -> Self {
        Self::Type(E::NAME, TypeId::of::<E>())
    }

    /// Events of a name; `*` for all.
    pub(crate) fn named(name: &str) -> Self {
        if name == "*" { Self::Any } else { Self::Name(name.into()) }
    }

    pub(crate) fn pattern(&self) -> Pattern<'_> {
        match self {
            Self::Type(name, of_type) => Pattern::Type(name, *of_type),
            Self::Name(name) => Pattern::Name(name),
            Self::Any => Pattern::Any,
        }
    }
}

impl<In> Select<In> {
    pub(crate) fn pattern(&self) -> Pattern<'_> {
        self.wanted.pattern()
    }

    /// Whether a record matches.
    pub(crate) fn takes(&self, record: &dyn Erased) -> bool {
        match self.pattern() {
            Pattern::Type(_, of_type) => record.of_type() == of_type,
            Pattern::Name(name) => record.name() == name,
            // Requests and published values are not events of the bus itself.
            Pattern::Any => !record.is_message(),
        }
    }
}

impl HubState {
    /// Registers a watcher; `None` if the bus is stopped.
    pub(crate) fn watch(
        &mut self,
        bus: &BusShared,
        pattern: Pattern<'_>,
        (capacity, overflow): (usize, Overflow),
        watcher: Arc<dyn Watcher>,
    ) -> Option<WatchKey> {
        let watch = self.books.watch(bus.key, pattern, capacity, overflow)?;
        self.watchers.insert(watch, watcher);
        Some(watch)
    }

    /// Ends a watch. The watcher is returned, to be dropped outside the lock.
    #[must_use = "a watcher holds values of the user's: drop it outside the lock"]
    pub(crate) fn unwatch(&mut self, watch: WatchKey) -> Option<Arc<dyn Watcher>> {
        self.books.unwatch(watch);
        let watcher = self.watchers.remove(&watch);
        room::give_back(&mut self.watchers);
        watcher
    }
}
