//! Handlers and their patterns: the lists of handlers of one bus (R1–R4).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::TypeId;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use super::addresses::Address;
use super::config::Limit;
use super::kinds::{Kind, NameIx};
use super::names::Names;
use super::results::HandlerInfo;
use super::state::BusIx;
use super::warning::Warning;
use super::{BusKey, HandlerKey, Machine};

/// What a handler is registered for (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern<'a> {
    /// Events of this name and this type.
    Type(&'a str, TypeId),
    /// Events of this name, whatever their type.
    Name(&'a str),
    /// Every event.
    Any,
}

/// A registered handler.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handler<H> {
    /// What its results keep of it.
    pub info: Arc<HandlerInfo>,
    /// The function to call, or the bus to send the event on to.
    pub action: Action<H>,
    pub(super) limit: Limit,
    /// The events of its name that it wants: those of one type, or all.
    pub(super) wanted: Option<Kind>,
    /// Whether a registry has it. Changed only with the machine.
    is_registered: AtomicBool,
}

/// What a handler does.
#[derive(Debug)]
pub enum Action<H> {
    /// The shell runs it.
    Call(H),
    /// It sends the event on to another bus of the hub (R17).
    Forward(BusKey),
}

/// Handlers of one pattern, in order of registration.
pub type HandlerList<H> = Arc<Vec<Arc<Handler<H>>>>;

pub(super) struct Registry<H> {
    exact: BTreeMap<NameIx, Listed<H>>,
    any: Listed<H>,
    /// How many handlers of events there are.
    count: usize,
    consumers: HashMap<Arc<str>, HandlerList<H>>,
    topics: HashMap<Arc<str>, HandlerList<H>>,
}

/// Handlers of events.
struct Listed<H> {
    list: HandlerList<H>,
    names: Names,
}

/// The list that a registration is in.
#[derive(Clone)]
pub(super) enum Place {
    Name(NameIx),
    Any,
    Consumer(Arc<str>),
    Topic(Arc<str>),
}

/// The handlers of one event as they were when it started (R3).
pub(super) struct Snapshot<H> {
    pub(super) exact: Option<HandlerList<H>>,
    pub(super) any: Option<HandlerList<H>>,
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Registers a handler on a bus (R2). It handles events that start from now on.
    ///
    /// # Errors
    /// The action comes back when the bus is gone.
    pub fn on(
        &mut self,
        bus: BusKey,
        pattern: Pattern<'_>,
        name: &str,
        limit: Limit,
        action: Action<H>,
    ) -> Result<Arc<HandlerInfo>, Action<H>> {
        let Some(ix) = self.buses.find(bus) else {
            return Err(action);
        };
        let info = self.handler_info(ix, name);
        let (slot, wanted) = self.kinds.pattern(pattern);
        let place = slot.map_or(Place::Any, Place::Name);
        if self.buses[ix].handlers.has_name(&place, name) {
            let pattern = slot.map_or_else(|| "*".into(), |slot| self.kinds.text(slot).clone());
            let handler = info.clone();
            self.warn(Warning::SameHandlerName { handler, pattern });
        }
        self.enlist(ix, place, Handler::new(info.clone(), action, limit, wanted));
        Ok(info)
    }

    /// Returns the bus that a handler is registered on; `None` once it is not.
    #[must_use]
    pub fn bus_of(&self, handler: HandlerKey) -> Option<BusKey> {
        self.handler_places.get(&handler).map(|(bus, _)| *bus)
    }

    /// Notes that a handler's type shares its name with others on purpose. That the handler is skipped
    /// for events of the others is then not warned of.
    pub fn expect_other_types(&mut self, handler: HandlerKey) {
        if self.handler_places.contains_key(&handler) {
            self.told_other_type.insert(handler);
        }
    }

    /// Appends a handler to its list.
    pub(super) fn enlist(&mut self, bus: BusIx, place: Place, handler: Handler<H>) {
        self.handler_places.insert(handler.info.key, (handler.info.bus, place.clone()));
        self.buses[bus].handlers.add(&place, handler);
    }

    pub(super) fn handler_info(&mut self, bus: BusIx, name: &str) -> Arc<HandlerInfo> {
        self.handler_count += 1;
        Arc::new(HandlerInfo {
            key: HandlerKey::new(self.handler_count),
            name: name.into(),
            bus_name: self.buses[bus].name.clone(),
            bus: self.buses.key(bus),
        })
    }

    /// Ends a registration; events that have started keep it. The handler is returned, so that it can
    /// be dropped where user code may run; `None` when it is not registered.
    pub fn off(&mut self, handler: HandlerKey) -> Option<Arc<Handler<H>>> {
        let (bus, place) = self.forget_place(handler)?;
        let ix = self.buses.find(bus)?;
        self.buses[ix].handlers.remove(&place, handler)
    }

    /// Removes the record of a registration's place.
    pub(super) fn forget_place(&mut self, handler: HandlerKey) -> Option<(BusKey, Place)> {
        let (bus, place) = self.handler_places.remove(&handler)?;
        self.told_other_type.remove(&handler);
        if let Place::Name(name) = place {
            self.kinds.release(name);
        }
        Some((bus, place))
    }

    /// Returns the number of registrations on a bus.
    #[must_use]
    pub fn handler_count(&self, bus: BusKey) -> usize {
        self.buses.get(bus).map_or(0, |bus| bus.handlers.count)
    }
}

impl<H> Registry<H> {
    pub(super) fn new() -> Self {
        let (consumers, topics) = (HashMap::new(), HashMap::new());
        Self { exact: BTreeMap::new(), any: Listed::default(), count: 0, consumers, topics }
    }

    /// Returns the only handler of such events, if there is exactly one.
    #[inline]
    pub(super) fn only(&self, name: NameIx) -> Option<&Arc<Handler<H>>> {
        let exact = self.exact.get(&name).map_or(&[][..], |exact| &exact.list);
        match (exact, &self.any.list[..]) {
            ([one], []) | ([], [one]) => Some(one),
            _ => None,
        }
    }

    pub(super) fn snapshot(&self, name: NameIx) -> Snapshot<H> {
        let any = (!self.any.list.is_empty()).then(|| self.any.list.clone());
        Snapshot { exact: self.exact.get(&name).map(|exact| exact.list.clone()), any }
    }

    /// Counts the handlers of events one by one.
    pub(super) fn recount(&self) -> usize {
        let lists = self.exact.values().chain([&self.any]).map(|listed| &listed.list);
        lists.flat_map(|list| list.iter()).filter(|handler| handler.is_registered()).count()
    }

    /// Takes every list, to be dropped outside. The registry is then empty.
    pub(super) fn take(&mut self) -> impl Iterator<Item = HandlerList<H>> {
        self.count = 0;
        let any = core::mem::take(&mut self.any).list;
        let exact = core::mem::take(&mut self.exact).into_values().map(|exact| exact.list);
        let consumers = core::mem::take(&mut self.consumers).into_values();
        let topics = core::mem::take(&mut self.topics).into_values();
        let lists = exact.chain(consumers).chain(topics).chain([any]);
        let of_it =
            |handler: &Arc<Handler<H>>| handler.is_registered.store(false, Ordering::Relaxed);
        lists.filter(|list| !list.is_empty()).inspect(move |list| list.iter().for_each(of_it))
    }

    /// Whether a handler of events in this place has this name.
    fn has_name(&self, place: &Place, name: &str) -> bool {
        let listed = match place {
            Place::Name(of_events) => self.exact.get(of_events),
            _ => Some(&self.any),
        };
        listed.is_some_and(|Listed { list, names }| names.are_taken(name, list))
    }

    fn add(&mut self, place: &Place, handler: Handler<H>) {
        let (list, names) = self.list_mut(place);
        // A list in use by an event is copied, so that the event keeps the handlers it started with.
        Arc::make_mut(list).push(Arc::new(handler));
        if let Some(names) = names {
            names.note_added(list);
            self.count += 1;
        }
    }

    /// Returns the list in a place, and the names in it if its handlers are for events.
    fn list_mut(&mut self, place: &Place) -> (&mut HandlerList<H>, Option<&mut Names>) {
        let Listed { list, names } = match place {
            Place::Name(name) => self.exact.entry(*name).or_default(),
            Place::Any => &mut self.any,
            Place::Consumer(address) => {
                return (self.consumers.entry(address.clone()).or_default(), None);
            }
            Place::Topic(topic) => return (self.topics.entry(topic.clone()).or_default(), None),
        };
        (list, Some(names))
    }

    /// Returns the handlers of an address.
    pub(super) fn at(&self, address: Address<'_>) -> Option<&HandlerList<H>> {
        match address {
            Address::Consumer(address) => self.consumers.get(address),
            Address::Topic(topic) => self.topics.get(topic),
        }
    }

    pub(super) fn consumers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.consumers.keys()
    }

    fn remove(&mut self, place: &Place, key: HandlerKey) -> Option<Arc<Handler<H>>> {
        let (list, names) = self.list_mut(place);
        // In order of registration, and so of their keys.
        let at = list.binary_search_by_key(&key, |handler| handler.info.key).ok()?;
        let removed = Arc::make_mut(list).remove(at);
        removed.is_registered.store(false, Ordering::Relaxed);
        let left = list.len();
        if let Some(names) = names {
            names.note_removed(&removed.info.name, left);
            self.count -= 1;
        }
        if left == 0 {
            match place {
                Place::Name(name) => drop(self.exact.remove(name)),
                Place::Any => {}
                Place::Consumer(address) => drop(self.consumers.remove(address)),
                Place::Topic(topic) => drop(self.topics.remove(topic)),
            }
        }
        Some(removed)
    }
}

// A derived impl would ask `H` for the same trait.
impl<H> Default for Listed<H> {
    fn default() -> Self {
        Self { list: Arc::default(), names: Names::default() }
    }
}

impl<H> Snapshot<H> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        let [exact, any] = self.parts();
        exact.len() + any.len()
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Arc<Handler<H>>> {
        // Most handlers are for a type.
        let exact = self.exact.as_ref().map_or(&[][..], |list| list);
        match exact.get(index) {
            None => self.any.as_ref()?.get(index - exact.len()),
            handler => handler,
        }
    }

    #[inline]
    fn parts(&self) -> [&[Arc<Handler<H>>]; 2] {
        [&self.exact, &self.any].map(|list| list.as_ref().map_or(&[][..], |list| list))
    }
}

impl<H> Handler<H> {
    pub(super) const fn new(
        info: Arc<HandlerInfo>,
        action: Action<H>,
        limit: Limit,
        wanted: Option<Kind>,
    ) -> Self {
        Self { info, action, limit, wanted, is_registered: AtomicBool::new(true) }
    }

    /// Whether the registry has it, so that another reference to it is not the last.
    #[inline]
    pub(crate) fn is_registered(&self) -> bool {
        self.is_registered.load(Ordering::Relaxed)
    }

    /// Returns whether this handler takes events of this kind, given that the name matches.
    #[inline]
    pub(super) fn accepts(&self, kind: Kind) -> bool {
        self.wanted.is_none_or(|wanted| wanted == kind)
    }

    /// Returns whether an event of this kind has a result of this handler; a forward has none (R17).
    pub(super) fn has_row(&self, kind: Kind) -> bool {
        matches!(self.action, Action::Call(_)) && self.accepts(kind)
    }
}

impl<'a, H> IntoIterator for &'a Snapshot<H> {
    type Item = &'a Arc<Handler<H>>;
    type IntoIter =
        core::iter::Chain<slice::Iter<'a, Arc<Handler<H>>>, slice::Iter<'a, Arc<Handler<H>>>>;

    fn into_iter(self) -> Self::IntoIter {
        let [exact, any] = self.parts();
        exact.iter().chain(any)
    }
}
