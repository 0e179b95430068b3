//! Dispatching: from a value to a record, a place in the queue, and a handle.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::TypeId;
use core::fmt;
use core::time::Duration;

use super::context::{self, Current};
use super::error::{DispatchError, RunError};
use super::gate::Marked;
use super::handle::EventHandle;
use super::notices::Notices;
use super::record::{Erased, Head, ParentLink, Record};
use super::shared::{BusShared, Latched};
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{
    Completion, Concurrency, Dispatch, EventKey, HandlerKey, HandlerOrder, Limit, Overrides,
    Refusal, ReservationKey,
};

/// The event another one is a child of.
#[derive(Clone, Copy)]
pub(crate) struct ParentRef {
    pub(crate) event: EventKey,
    pub(crate) id: EventId,
    pub(crate) depth: u32,
    pub(crate) handler: Option<HandlerKey>,
}

/// Whose child an event becomes.
#[derive(Clone, Copy, Default)]
pub(crate) enum Parentage {
    /// That of the handler that is being polled, if there is one.
    #[default]
    Ambient,
    Of(ParentRef),
    /// A root, wherever it is dispatched.
    Detached,
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) parentage: Parentage,
    pub(crate) permit: Option<ReservationKey>,
    pub(crate) overrides: Option<Box<Overrides>>,
    pub(crate) deadline: Option<Duration>,
}

/// How the bus learns of the event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Its driver is woken, unless somebody is looking already.
    Driver,
    /// The caller looks itself, at once.
    Caller,
}

impl BusShared {
    /// Accepts an event; it never blocks.
    pub(crate) fn dispatch<E: Event>(
        self: &Arc<Self>,
        event: E,
        options: Options,
        telling: Telling,
    ) -> Result<EventHandle<E>, DispatchError<E>> {
        let latched = match self.hub.runtime() {
            Ok(latched) => latched,
            Err(source) => return Err(DispatchError::NoRuntime { event, source }),
        };
        let now = latched.runtime.now();
        let parent = self.parent(options.parentage);
        let link = parent.map(|parent| ParentLink { id: parent.id, handler: parent.handler });
        let depth = parent.map_or(0, |parent| parent.depth.saturating_add(1));
        let id = self.hub.ids.next(latched.unix_millis(now));
        let head = Head::new(id, now, depth, link);
        let record = Arc::new(Record { head, payload: event });
        let bytes = size_of::<Record<E>>() - size_of::<E>() + record.payload.bytes();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let has_deadline = options.deadline.is_some();
        let overrides = overrides::<E>(&options, latched);

        let mut notices = Notices::default();
        let accepted = {
            let erased: Arc<dyn Erased> = record.clone();
            let mut hub = self.hub.lock();
            let mut spec = Dispatch::new(hub.books.kind(E::NAME, Some(TypeId::of::<E>())));
            if let Some(parent) = parent {
                spec = spec.child_of(parent.event, parent.depth);
            }
            spec.permit = options.permit;
            spec.bytes = bytes;
            spec.overrides = options.overrides.or(overrides);
            let accepted = hub.books.dispatch(self.key, erased, spec, now);
            if let Ok(key) = accepted {
                record.head.set_key(key);
            }
            notices.collect(&mut hub, Some(self.key));
            accepted
        };
        match accepted {
            Ok(_) => {
                if notices.own_ready || has_deadline {
                    self.tell(telling);
                }
                notices.carry_out(&self.hub);
                Ok(EventHandle::new(record, self.clone()))
            }
            Err(refused) => {
                notices.carry_out(&self.hub);
                drop(refused.payload);
                let record = Arc::into_inner(record).expect("nobody else has seen it");
                Err(refusal(record.payload, refused.reason))
            }
        }
    }

    fn tell(self: &Arc<Self>, telling: Telling) {
        if self.gate.mark() == Marked::NobodyKnows && telling == Telling::Driver {
            self.wake_driver();
        }
    }

    /// Has the driver look at what nobody was told of.
    pub(crate) fn pass_on(self: &Arc<Self>) {
        if self.gate.is_marked() {
            self.wake_driver();
        }
    }

    fn parent(&self, parentage: Parentage) -> Option<ParentRef> {
        match parentage {
            Parentage::Detached => None,
            Parentage::Of(parent) => Some(parent),
            Parentage::Ambient => {
                let current = context::current().filter(|at| at.hub == self.hub.address())?;
                let Current { event, event_id: id, depth, handler, .. } = current;
                Some(ParentRef { event, id, depth, handler })
            }
        }
    }
}

/// What the type of the event decides, when the dispatch does not.
fn overrides<E: Event>(options: &Options, latched: &Latched) -> Option<Box<Overrides>> {
    let deadline = options.deadline.map(|after| latched.runtime.now() + after);
    if E::LIMIT == Limit::Inherit && deadline.is_none() {
        return None;
    }
    let mut own = options.overrides.as_deref().cloned().unwrap_or_default();
    if own.limit == Limit::Inherit {
        own.limit = E::LIMIT;
    }
    own.deadline = deadline;
    Some(Box::new(own))
}

fn refusal<E>(event: E, reason: Refusal) -> DispatchError<E> {
    match reason {
        Refusal::Full { limit } => DispatchError::Full { event, limit },
        Refusal::TooDeep { depth, limit } => DispatchError::TooDeep { event, depth, limit },
        // Events have no address.
        Refusal::Stopped | Refusal::NotFound => DispatchError::Stopped { event },
    }
}

/// An event with what it decides for itself, before it is dispatched. Made by
/// [`EventBus::event`](super::EventBus::event) and [`EventHandle::event`].
#[must_use = "the event is not dispatched yet"]
pub struct EventBuilder<'a, E> {
    bus: &'a Arc<BusShared>,
    event: E,
    options: Options,
}

impl<'a, E: Event> EventBuilder<'a, E> {
    pub(crate) fn new(bus: &'a Arc<BusShared>, event: E, parentage: Parentage) -> Self {
        Self { bus, event, options: Options { parentage, ..Options::default() } }
    }

    /// As a child of this event, wherever it is dispatched.
    pub fn parent<T: Event>(mut self, parent: &EventHandle<T>) -> Self {
        self.options.parentage = Parentage::Of(parent.parent_ref());
        self
    }

    /// As a root event, also inside a handler: no parent waits for it.
    pub fn detached(mut self) -> Self {
        self.options.parentage = Parentage::Detached;
        self
    }

    /// How long each invocation for it may take (R22).
    pub fn limit(mut self, limit: Limit) -> Self {
        self.overrides().limit = limit;
        self
    }

    /// How long the whole of it may take, from now; then what runs is aborted and what has not
    /// started is cancelled.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.options.deadline = Some(after);
        self
    }

    /// Takes no slot of the bus: it starts as soon as it is at the head of the queue (R10).
    pub fn parallel(self) -> Self {
        self.concurrency(Concurrency::Parallel)
    }

    /// How it excludes other events.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.overrides().concurrency = Some(concurrency);
        self
    }

    /// How its handlers follow each other.
    pub fn handler_order(mut self, order: HandlerOrder) -> Self {
        self.overrides().handler_order = Some(order);
        self
    }

    /// It is done at the first value that is not none and not an error (R11).
    pub fn first(mut self) -> Self {
        self.overrides().completion = Some(Completion::First);
        self
    }

    /// Dispatches it.
    ///
    /// # Errors
    /// The event comes back when it is not accepted.
    pub fn dispatch(self) -> Result<EventHandle<E>, DispatchError<E>> {
        self.bus.dispatch(self.event, self.options, Telling::Driver)
    }

    /// Dispatches it and waits for its completion.
    ///
    /// # Errors
    /// The event is not accepted, or the wait could never end.
    ///
    /// # Cancel safety
    /// Nothing is dispatched before the first poll. Once it is, dropping the future ends the wait,
    /// not the event.
    pub async fn run(self) -> Result<EventHandle<E>, RunError<E>> {
        let handle = self.bus.dispatch(self.event, self.options, Telling::Caller)?;
        // In a handler it is the driver's, or the holder's, to run it.
        if context::current().is_some() {
            self.bus.pass_on();
        }
        Ok(handle.wait().await?)
    }

    fn overrides(&mut self) -> &mut Overrides {
        self.options.overrides.get_or_insert_default()
    }
}

impl<E> fmt::Debug for EventBuilder<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuilder").finish_non_exhaustive()
    }
}
