//! Dispatching: from a value to a record, a place in the queue, and a handle.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::TypeId;
use core::time::Duration;

use super::context::{self, Claim};
use super::error::DispatchError;
use super::handle::EventHandle;
use super::leftovers;
use super::notices::Notices;
use super::record::{Erased, Head, ParentLink, Record};
use super::shared::{BusShared, HubState};
use super::turn::Holder;
use super::vantage::Vantage;
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{
    Dispatch, EventKey, Kind, Limit, Offer, Overrides, Parent, Refusal, ReservationKey,
};
use crate::runtime::NoRuntime;
use crate::time::Instant;

/// An event as the parent of another.
#[derive(Clone, Copy)]
pub(crate) struct ParentRef {
    /// `None` for an event of another hub.
    pub(crate) event: Option<EventKey>,
    pub(crate) depth: u32,
    pub(crate) link: ParentLink,
}

impl ParentRef {
    /// An event as a parent. Its handler is known while that invocation of it runs.
    pub(crate) fn of(head: &Head, seen: Vantage) -> Self {
        let hub = &head.bus.hub;
        let handler = seen.by(head).and_then(|by| {
            context::handler_of(hub, by).or_else(|| hub.lock().books.handler_of(by))
        });
        Self {
            event: Some(head.key()),
            depth: head.depth,
            link: ParentLink::new(head.id(), handler),
        }
    }

    /// The same for a child in another hub, where keys name other things.
    pub(crate) fn elsewhere(self) -> Self {
        Self { event: None, link: ParentLink { handler: None, ..self.link }, ..self }
    }
}

/// Which event is the parent of a new one.
#[derive(Clone, Copy, Default)]
pub(crate) enum Parentage {
    /// That of the handler being polled, if there is one.
    #[default]
    Ambient,
    Of(ParentRef),
    /// A root, wherever it is dispatched: by a handler of this event; if `None`, by that being polled, if
    /// there is one.
    Detached(Option<EventKey>),
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) parentage: Parentage,
    pub(crate) permit: Option<ReservationKey>,
    pub(crate) overrides: Option<Box<Overrides>>,
    pub(crate) deadline: Option<Duration>,
    /// The id, if the event already has one.
    pub(crate) id: Option<EventId>,
    /// Which delivery of the event this is; 0 counts as the first.
    #[cfg(feature = "journal")]
    pub(crate) attempt: u32,
    /// The invocation that waits for the event belong to, where the thread does not know it.
    pub(crate) claim: Claim,
}

impl Options {
    /// A child of this event; waits for it belong to `claim`.
    pub(crate) fn child_of(parent: ParentRef, claim: Claim) -> Self {
        Self { parentage: Parentage::Of(parent), claim, ..Self::default() }
    }
}

impl BusShared {
    /// Accepts an event. Never blocks.
    pub(crate) fn dispatch<E: Event>(
        self: &Arc<Self>,
        event: E,
        options: Options,
    ) -> Result<EventHandle<E>, DispatchError<E>> {
        let sent = self.send(event, options, None, None, |hub, offer, now| {
            hub.books.offer(self.key, offer, now)
        });
        sent.map_err(|(event, refused)| refusal(event, refused))
    }

    /// The same for a caller that waits for the event now.
    pub(crate) fn dispatch_and_help<E: Event>(
        self: &Arc<Self>,
        event: E,
        options: Options,
    ) -> Result<EventHandle<E>, DispatchError<E>> {
        let sent = self
            .send_and_help(event, options, |hub, offer, now| hub.books.offer(self.key, offer, now));
        sent.map_err(|(event, refused)| refusal(event, refused))
    }

    /// Hands an event to the machine through `input`, for a caller that waits for it now.
    ///
    /// If the caller may work for the bus and nobody else does, it also takes the turn: the event
    /// starts under the lock it is dispatched under, and is mostly done when this returns. A caller
    /// that has taken the turn works even if its own event is refused, but then not for long.
    pub(crate) fn send_and_help<E: Event>(
        self: &Arc<Self>,
        event: E,
        options: Options,
        input: impl FnOnce(&mut HubState, &mut Offer<Arc<dyn Erased>>, Instant) -> Accepted,
    ) -> Result<EventHandle<E>, (E, NotSent)> {
        let helper = self.helper();
        let now = helper.map(|latched| latched.runtime.now_here());
        let (mut holder, mut left) = (None, Left::default());
        let sent = self.send(event, options, now, Some(&mut left), |hub, offer, now| {
            holder = helper.and_then(|latched| Holder::attending(self, latched, hub));
            let accepted = input(hub, offer, now);
            if let Some(holder) = &mut holder {
                holder.ask_first(hub, now);
            }
            accepted
        });
        let head = sent.as_ref().ok().map(|handle| &handle.record.head);
        // Not moved, because it is large.
        let end = holder.as_mut().map(|holder| holder.work_until(head));
        drop(holder);
        if let Some(end) = end {
            self.turn_ended(end);
        }
        // The turn is free again: a drop may wait for the bus.
        left.let_go();
        sent
    }

    /// Makes a record of an event and hands it to the machine through `input`. The time may be known.
    /// What is to be dropped goes to `left`, if the caller has to do something before.
    #[inline(always)]
    fn send<E: Event>(
        self: &Arc<Self>,
        event: E,
        options: Options,
        now: Option<Instant>,
        left: Option<&mut Left>,
        input: impl FnOnce(&mut HubState, &mut Offer<Arc<dyn Erased>>, Instant) -> Accepted,
    ) -> Result<EventHandle<E>, (E, NotSent)> {
        let latched = match self.hub.runtime() {
            Ok(latched) => latched,
            Err(source) => return Err((event, NotSent::NoRuntime(source))),
        };
        let parent = self.parent(options.parentage);
        #[cfg(feature = "journal")]
        let ticket = match self.ticket(&event, &options, parent) {
            Ok(ticket) => ticket,
            Err(reason) => return Err((event, reason)),
        };
        let now = now.unwrap_or_else(|| latched.runtime.now());
        #[cfg(feature = "journal")]
        let attempt = options.attempt;
        let id = options.id.map_or_else(|| NewId::In(latched.unix_millis(now)), NewId::Given);
        let claim = options.claim;
        let mut spec = Dispatch::new(Kind::UNKNOWN);
        spec.by = self.dispatcher(options.parentage);
        spec.permit = options.permit;
        spec.bytes = bytes_of(&event);
        spec.parent = parent.map(|ParentRef { event, depth, .. }| Parent { event, depth });
        spec.overrides = overrides::<E>(options, now);
        // There is no cycle; `new_cyclic` makes the record where it stays instead of moving it.
        let record = Arc::new_cyclic(|_| {
            let head = self.head(now, parent);
            #[cfg(feature = "journal")]
            let head = head.with_ticket(ticket, attempt);
            Record { head, payload: event }
        });

        let mut offer = Offer::<Arc<dyn Erased>> { payload: Some(record.clone()), spec };
        let kind = (E::NAME, TypeId::of::<E>());
        let accepted = self.hand_over((&record.head, id), kind, &mut offer, now, left, input);
        match accepted {
            Ok(_) => Ok(EventHandle::new(record, Vantage::HOME).claimed(claim)),
            Err(reason) => {
                drop(offer);
                let record = Arc::into_inner(record).expect("nobody else has seen it");
                Err((record.payload, NotSent::Refused(reason)))
            }
        }
    }

    /// Hands an event to the machine and carries out what follows. If the bus has something new to do, the
    /// holder of its turn is told, or else the driver.
    #[inline(always)]
    fn hand_over(
        self: &Arc<Self>,
        (head, id): (&Head, NewId),
        (name, of_type): (&'static str, TypeId),
        offer: &mut Offer<Arc<dyn Erased>>,
        now: Instant,
        left: Option<&mut Left>,
        input: impl FnOnce(&mut HubState, &mut Offer<Arc<dyn Erased>>, Instant) -> Accepted,
    ) -> Accepted {
        let has_deadline = offer.spec.deadline().is_some();
        // Declared outside the block: returned from it, they would be moved.
        let forgotten;
        let mut notices = None;
        let accepted = {
            let mut hub = self.hub.lock();
            offer.spec.kind = hub.books.kind_of(name, of_type);
            head.set_id(match id {
                NewId::Given(id) => id,
                NewId::In(unix_millis) => hub.ids.next(unix_millis),
            });
            let accepted = input(&mut hub, offer, now);
            if let Ok(key) = accepted {
                head.set_key(key);
            }
            // Most inputs leave one forgotten event, and nothing else.
            forgotten = hub.books.next_forgotten();
            if hub.books.has_outputs() {
                notices = Some(Notices::of(&mut hub, Some(self)));
            }
            accepted
        };
        let own_ready = notices.as_ref().is_some_and(Notices::is_own_ready);
        if own_ready || (has_deadline && accepted.is_ok()) {
            self.notify();
        }
        if let Some(notices) = &mut notices {
            notices.tell(&self.hub);
        }
        match left {
            Some(left) => *left = Left { forgotten, notices },
            None => Left { forgotten, notices }.let_go(),
        }
        accepted
    }

    // Inlined, so that the head is made where the record stays.
    #[inline(always)]
    fn head(self: &Arc<Self>, now: Instant, parent: Option<ParentRef>) -> Head {
        let link = parent.map(|parent| parent.link);
        let depth = parent.map_or(0, |parent| parent.depth.saturating_add(1));
        Head::new(self.clone(), now, depth, link)
    }

    /// Wakes the driver if there is work that nobody was told of.
    pub(crate) fn pass_on(self: &Arc<Self>) {
        if self.gate.is_marked() {
            self.wake_driver();
        }
    }

    #[inline]
    pub(crate) fn parent(&self, parentage: Parentage) -> Option<ParentRef> {
        match parentage {
            Parentage::Detached(_) => None,
            Parentage::Of(parent) => Some(parent),
            // Most events are dispatched outside of handlers.
            Parentage::Ambient if !context::is_anywhere() => None,
            Parentage::Ambient => context::parent_in(&self.hub),
        }
    }

    /// The event whose handler dispatches a root.
    #[inline]
    fn dispatcher(&self, parentage: Parentage) -> Option<EventKey> {
        match parentage {
            Parentage::Detached(by) => by.or_else(|| context::event_in(&self.hub)),
            _ => None,
        }
    }
}

/// The id of a new event.
enum NewId {
    Given(EventId),
    /// One is made, in this millisecond.
    In(u64),
}

/// What a dispatch leaves to be dropped, after all else: others rely on that, and a user's drop may wait
/// for it.
#[derive(Default)]
struct Left {
    forgotten: Option<Arc<dyn Erased>>,
    notices: Option<Notices>,
}

impl Left {
    #[inline(always)]
    fn let_go(self) {
        if let Some(mut notices) = self.notices {
            notices.let_go();
        }
        if let Some(forgotten) = self.forgotten {
            leftovers::forget(forgotten);
        }
    }
}

/// The machine's answer to a dispatch.
pub(crate) type Accepted = Result<EventKey, Refusal>;

/// Why the machine has no record of an event.
pub(crate) enum NotSent {
    NoRuntime(NoRuntime),
    Refused(Refusal),
    /// The event cannot be written to the bus's journal.
    #[cfg(feature = "journal")]
    NotSerializable(super::value::BoxError),
    /// The bus's write-ahead journal failed.
    #[cfg(feature = "journal")]
    Journal(super::journal::SinkError),
}

/// Adds what the event's type decides to what the dispatch decides.
fn overrides<E: Event>(options: Options, now: Instant) -> Option<Box<Overrides>> {
    let deadline = options.deadline.map(|after| now + after);
    if E::LIMIT == Limit::Inherit && deadline.is_none() {
        return options.overrides;
    }
    Some(with_limits(options.overrides, E::LIMIT, deadline))
}

#[cold]
#[inline(never)]
fn with_limits(
    own: Option<Box<Overrides>>,
    of_type: Limit,
    deadline: Option<Instant>,
) -> Box<Overrides> {
    let mut own = own.unwrap_or_default();
    if own.limit == Limit::Inherit {
        own.limit = of_type;
    }
    own.deadline = deadline;
    own
}

fn bytes_of<E: Event>(event: &E) -> u32 {
    let bytes = (size_of::<Record<E>>() - size_of::<E>()).saturating_add(event.bytes());
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cold]
fn refusal<E>(event: E, reason: NotSent) -> DispatchError<E> {
    match reason {
        NotSent::NoRuntime(source) => DispatchError::NoRuntime { event, source },
        NotSent::Refused(Refusal::Full { limit }) => DispatchError::Full { event, limit },
        NotSent::Refused(Refusal::TooDeep { depth, limit }) => {
            DispatchError::TooDeep { event, depth, limit }
        }
        // Events have no address.
        NotSent::Refused(Refusal::Stopped | Refusal::NotFound) => DispatchError::Stopped { event },
        NotSent::Refused(reason @ Refusal::NotWritten) => {
            DispatchError::Journal { event, source: Arc::new(reason) }
        }
        #[cfg(feature = "journal")]
        NotSent::NotSerializable(source) => DispatchError::NotSerializable { event, source },
        #[cfg(feature = "journal")]
        NotSent::Journal(source) => DispatchError::Journal { event, source },
    }
}
