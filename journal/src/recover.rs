//! Dispatches again what a crash left unfinished (R42).

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::pin::Pin;

use busway_core::{AnyEvent, BoxError, Event, EventBus, EventHandle, EventId};
use serde::de::DeserializeOwned;

use crate::unfinished::Unfinished;

/// The types whose events can be decoded from JSON, by their names.
#[derive(Clone, Default)]
pub struct Types(BTreeMap<String, (TypeId, Redispatch)>);

type Redispatch = for<'a> fn(&'a Unfinished, &'a EventBus) -> Dispatching<'a>;
type Dispatching<'a> = Pin<Box<dyn Future<Output = Result<AnyEvent, RecoverError>> + Send + 'a>>;

impl Types {
    /// Creates an empty set of types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type, under its name as an event.
    ///
    /// # Panics
    /// Another type of that name has been added, as happens with two instances of one generic type:
    /// their lines do not tell their events apart. A name of its own (`Event::NAME`) does.
    #[must_use]
    pub fn with<E: Event + DeserializeOwned>(self) -> Self {
        self.with_renamed::<E>(E::NAME)
    }

    /// Adds a type for events that were written under its former name.
    ///
    /// # Panics
    /// Another type of that name has been added.
    #[must_use]
    pub fn with_renamed<E: Event + DeserializeOwned>(mut self, former_name: &str) -> Self {
        let redispatch: Redispatch = |unfinished, bus| {
            Box::pin(async { Ok(unfinished.dispatch_renamed::<E>(bus).await?.as_any()) })
        };
        let id = TypeId::of::<E>();
        let before = self.0.insert(former_name.into(), (id, redispatch));
        let is_alone = before.is_none_or(|(before, _)| before == id);
        assert!(is_alone, "two types of events are called `{former_name}`");
        self
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The events that were accepted and not completed, in order of acceptance. Made by
/// [`Journal::recover`](crate::Journal::recover).
#[derive(Debug, Default)]
#[must_use = "what was not completed is given once"]
pub struct Recovered(Vec<Unfinished>);

impl Recovered {
    pub(crate) const fn new(unfinished: Vec<Unfinished>) -> Self {
        Self(unfinished)
    }

    /// Returns the events.
    #[must_use]
    pub fn events(&self) -> &[Unfinished] {
        &self.0
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Dispatches the events of a bus again, in order of acceptance, with their ids.
    ///
    /// This is at least once: handlers may see an event that they had seen before the crash. Each is
    /// now a root event. A full bus is waited for.
    ///
    /// It has the limit and the other settings that it was given, but no deadline. It goes to the bus of
    /// the name that first accepted it into this journal; or, if it had come from one without the journal
    /// and that is among the buses given, to that one, which sends it on again. Give that one too where it
    /// sends events on to several buses of the journal.
    ///
    /// Events that a handler of an unfinished event had dispatched, on whatever bus, are left out: that
    /// handler makes them again, with other ids, and the journal then forgets the old ones. Those whose
    /// parents are not dispatched now, because they belong to another bus or the dispatch failed, are in
    /// [`left`](Redispatched::left), or in [`others`](Redispatched::others).
    ///
    /// Register the handlers first: events that nobody handles complete at once.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the events not dispatched yet in the journal, to be given back when
    /// it is next opened.
    pub async fn dispatch(self, bus: &EventBus, types: &Types) -> Redispatched {
        self.dispatch_all(&[bus], types).await
    }

    /// Does the same for several buses that share the journal. Each gets its own events, which are known
    /// by its name: those of a name that two of them have are in [`failed`](Redispatched::failed).
    ///
    /// # Cancel safety
    /// As [`dispatch`](Self::dispatch).
    pub async fn dispatch_all(self, buses: &[&EventBus], types: &Types) -> Redispatched {
        let buses = by_name(buses);
        let makers: HashMap<_, _> = self.0.iter().filter_map(Unfinished::made_by).collect();
        let mut done = Redispatched::default();
        let mut again = HashSet::new();
        let mut below = Vec::new();
        for unfinished in self.0 {
            if unfinished.is_below {
                below.push(unfinished);
                continue;
            }
            let Some((name, bus)) = unfinished.owner(&buses) else {
                done.others.push(unfinished);
                continue;
            };
            let dispatched = match bus {
                Some(bus) => unfinished.dispatch_as(bus, types).await,
                None => Err(RecoverError::AmbiguousBus { name: name.clone() }),
            };
            match dispatched {
                Ok(event) => {
                    again.insert(event.id());
                    done.events.push(event);
                }
                Err(error) => done.failed.push((unfinished, error)),
            }
        }
        let made_again = all_made_by(again, &makers);
        let left = below.into_iter().filter(|event| !made_again.contains(&event.line.id));
        (done.left, below) = left.partition(|event| event.owner(&buses).is_some());
        done.others.extend(below);
        done
    }
}

/// These events, and all that they make, directly or not.
fn all_made_by(events: HashSet<EventId>, makers: &HashMap<EventId, EventId>) -> HashSet<EventId> {
    let mut made: HashMap<_, Vec<_>> = HashMap::new();
    makers.iter().for_each(|(event, maker)| made.entry(maker).or_default().push(*event));
    let mut next: Vec<_> = events.into_iter().collect();
    let mut all = HashSet::new();
    while let Some(event) = next.pop() {
        if all.insert(event) {
            next.extend(made.remove(&event).into_iter().flatten());
        }
    }
    all
}

/// The buses by their names; nothing for a name that several of them have.
type Buses<'a> = HashMap<String, Option<&'a EventBus>>;

fn by_name<'a>(buses: &[&'a EventBus]) -> Buses<'a> {
    let mut named = Buses::new();
    for bus in buses {
        let known = named.entry(bus.name()).or_insert(Some(bus));
        *known = known.filter(|known| known == bus);
    }
    named
}

impl IntoIterator for Recovered {
    type Item = Unfinished;
    type IntoIter = std::vec::IntoIter<Unfinished>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Unfinished {
    /// Dispatches the event again as an `E`, with its id and its own settings, as a root event. A full
    /// bus is waited for.
    ///
    /// # Errors
    /// The event has another name, its fields are not those of an `E`, or the bus refuses it.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready leaves the event in the journal, not dispatched.
    pub async fn dispatch<E: Event + DeserializeOwned>(
        &self,
        bus: &EventBus,
    ) -> Result<EventHandle<E>, RecoverError> {
        if self.line.event_type != E::NAME {
            let event_type = self.line.event_type.clone();
            return Err(RecoverError::OtherType { event_type, expected: E::NAME });
        }
        self.dispatch_renamed(bus).await
    }

    /// Does the same whatever the event's name, for one written when the type had another name.
    ///
    /// # Errors
    /// The event's fields are not those of an `E`, or the bus refuses it.
    ///
    /// # Cancel safety
    /// As [`dispatch`](Self::dispatch).
    pub async fn dispatch_renamed<E: Event + DeserializeOwned>(
        &self,
        bus: &EventBus,
    ) -> Result<EventHandle<E>, RecoverError> {
        let event: E = self.line.decode().map_err(RecoverError::Decode)?;
        let attempt = self.attempts.saturating_add(1);
        let again = bus.event(event).detached().id(self.line.id).attempt(attempt);
        let dispatched = again.settings(self.line.settings).dispatch_wait().await;
        dispatched.map_err(|error| RecoverError::Dispatch(Box::new(error)))
    }

    /// The event itself, and the one whose handlers make it anew, if any do.
    fn made_by(&self) -> Option<(EventId, EventId)> {
        Some((self.line.id, self.line.parent_id.filter(|_| self.is_below)?))
    }

    /// The first bus on its way to the one that accepted it first, and with that, with its name, if one
    /// of these is.
    fn owner<'a, 'b>(
        &self,
        buses: &'a Buses<'b>,
    ) -> Option<(&'a String, &'a Option<&'b EventBus>)> {
        self.line.path.iter().find_map(|name| buses.get_key_value(name))
    }

    async fn dispatch_as(&self, bus: &EventBus, types: &Types) -> Result<AnyEvent, RecoverError> {
        let event_type = &self.line.event_type;
        match types.0.get(event_type.as_str()) {
            Some((_, dispatch)) => dispatch(self, bus).await,
            None => Err(RecoverError::UnknownType { event_type: event_type.clone() }),
        }
    }
}

/// The outcome of dispatching events again.
#[must_use = "events that could not be dispatched are in it"]
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Redispatched {
    /// Events that were dispatched.
    pub events: Vec<AnyEvent>,
    /// Events that could not be dispatched, and stay in the journal.
    pub failed: Vec<(Unfinished, RecoverError)>,
    /// Events of other buses, unless they are below one that was dispatched and so are made again.
    pub others: Vec<Unfinished>,
    /// Events of these buses below one that was not dispatched: nothing makes them again now, and they
    /// stay in the journal.
    pub left: Vec<Unfinished>,
}

/// An event could not be dispatched again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// No type of this name was registered.
    #[error("no type named {event_type} is registered")]
    UnknownType {
        /// The name.
        event_type: String,
    },
    /// The event's name is not that of the type it was to be dispatched as.
    #[error("the event is called {event_type}, and not {expected}")]
    OtherType {
        /// The name the event was written with.
        event_type: String,
        /// The name of the type.
        expected: &'static str,
    },
    /// Several of the buses have the name of the one that accepted it.
    #[error("several of the buses are called {name}")]
    AmbiguousBus {
        /// The name.
        name: String,
    },
    /// Its fields are not those of the type.
    #[error("the payload is not of the type")]
    Decode(#[source] serde_json::Error),
    /// The bus refused it. The source is the [`DispatchError`](busway_core::DispatchError) of the type.
    #[error("the event was not accepted")]
    Dispatch(#[source] BoxError),
}
