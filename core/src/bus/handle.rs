//! The handle of an event: what dispatch gives and what handlers take.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::IntoFuture;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::EventBus;
use super::any::AnyEvent;
use super::context::Claim;
use super::error::{DispatchError, ResultError, RunError, WaitError};
use super::event_builder::EventBuilder;
use super::merge::{FlatDict, FlatList};
use super::record::{Frozen, Head, Record};
use super::results::{EventResult, Selection, first_value};
use super::send::{Options, ParentRef};
use super::shared::{BusShared, HubShared};
use super::sleep;
use super::spawned::Scope;
use super::tree::LogTree;
use super::vantage::{BusRef, Vantage};
use super::view;
use super::waiter::{Awaited, Waiter};
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{Cause, EventStatus, HandlerKey, InvocationKey};
use crate::time::Timestamp;

/// A dispatched event of type `E`: cheap to clone, derefs to the payload, can be awaited.
///
/// Dropping it cancels nothing. Awaiting it (or a reference to it) gives the handle back once the
/// event and all its descendants are done, whatever became of its handlers: their errors are in its
/// results. Inside a handler, awaiting an event moves it ahead of the queue (R13).
pub struct EventHandle<E> {
    pub(crate) record: Arc<Record<E>>,
    /// The bus and the invocation this handle was made for.
    seen: Vantage,
    pub(crate) claim: Claim,
}

impl<E: Event> EventHandle<E> {
    pub(crate) const fn new(record: Arc<Record<E>>, seen: Vantage) -> Self {
        Self { record, seen, claim: Claim::of(None) }
    }

    /// Waits for it are this invocation's.
    pub(crate) fn claimed(mut self, claim: Claim) -> Self {
        self.claim = claim;
        self
    }

    #[inline]
    pub(crate) fn in_handler(
        record: Arc<Record<E>>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
    ) -> Self {
        let seen = Vantage::inside(&record.head, bus, by);
        Self { record, seen, claim: Claim::of(Some(by)) }
    }

    /// The bus it belongs to; `None` when that is gone.
    pub(crate) fn place(&self) -> Option<BusRef<'_>> {
        self.seen.bus(&self.record.head)
    }

    /// Waits for it after it was dispatched by somebody who has worked for it, and has to give way to
    /// others now and then, also when it is done.
    #[inline]
    pub(crate) fn helped(self) -> Wait<E> {
        Wait(Waiter::after_help(self))
    }

    /// The hub of all buses that the event comes to.
    pub(crate) fn hub(&self) -> &Arc<HubShared> {
        &self.record.head.bus.hub
    }

    /// The payload, where a method of the handle hides one of the payload's.
    #[must_use]
    pub fn payload(&self) -> &E {
        &self.record.payload
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.record.head.id
    }

    /// The name of the event's type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        E::NAME
    }

    /// The event without its type.
    #[must_use]
    pub fn as_any(&self) -> AnyEvent {
        AnyEvent::new(self.record.clone(), self.seen).claimed(self.claim)
    }

    /// Where the event is in its life.
    #[must_use]
    pub fn status(&self) -> EventStatus {
        view::status(&self.record.head)
    }

    /// Why the event was ended before its handlers were; `None` while it runs, or when it ran to
    /// its end.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.record.head.cause()
    }

    /// When it was dispatched.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.hub().wall(self.record.head.created_at)
    }

    /// When it was started; `None` while it is pending, or when it was ended before.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        view::started_at(&self.record.head)
    }

    /// When it and all its descendants were done.
    #[must_use]
    pub fn completed_at(&self) -> Option<Timestamp> {
        Some(self.hub().wall(self.record.head.frozen()?.completed_at))
    }

    /// How long it took from its start to its completion; `None` before that, and when it never
    /// started.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        view::duration(&self.record.head)
    }

    /// The id of the event whose handler dispatched this one.
    #[must_use]
    pub fn parent_id(&self) -> Option<EventId> {
        self.record.head.parent().map(|parent| parent.id)
    }

    /// Its level: 0 for a root, the parent's and one for a child.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.record.head.depth
    }

    /// The names of the buses it has reached, in order of arrival.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        view::path(&self.record.head)
    }

    /// The children that are still in memory, in order of dispatch: those in flight, and those that
    /// some bus of the hub remembers.
    #[must_use]
    pub fn children(&self) -> Vec<AnyEvent> {
        view::children(&self.record.head, self.seen)
    }

    /// The bus that is processing the event, of a handle that a handler was given; else `None`.
    #[must_use]
    pub fn bus(&self) -> Option<EventBus> {
        view::bus(&self.record.head, self.seen)
    }

    /// Waits for its completion: the plain future, for `join!` and `select!`.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the event. An event that was raised for it and has not
    /// started returns to its place in the queue.
    pub fn wait(&self) -> Wait<E> {
        self.clone().into_future()
    }

    /// The same, as a wait of the handler that was given `handler`, while that is polled. With `std`
    /// every wait inside a handler is; without it, only waits for the handler's own event and for what
    /// was dispatched through it are known to be. In a task that a handler spawned it is the task's
    /// (see [`scope`](Self::scope)).
    ///
    /// # Cancel safety
    /// As [`wait`](Self::wait).
    pub fn wait_within<T: Event>(&self, handler: &EventHandle<T>) -> Wait<E> {
        self.clone().claimed(handler.claim).into_future()
    }

    /// Waits for its completion, for `limit` at most. The work goes on (R24).
    ///
    /// # Errors
    /// [`WaitError::TimedOut`], or a wait that could never end.
    ///
    /// # Cancel safety
    /// As [`wait`](Self::wait).
    pub async fn wait_for(&self, limit: Duration) -> Result<Self, WaitError> {
        sleep::wait_for(self.hub(), limit, self.wait()).await
    }

    /// Dispatches a child on the bus this handle belongs to: inside a handler the one that is
    /// processing the event.
    ///
    /// # Errors
    /// The child comes back when it is not accepted.
    pub fn dispatch<C: Event>(&self, child: C) -> Result<EventHandle<C>, DispatchError<C>> {
        // Not by way of a builder, which would have to be moved.
        match self.place() {
            Some(bus) => bus.dispatch(child, self.as_parent()),
            None => Err(DispatchError::Stopped { event: child }),
        }
    }

    /// Dispatches a child and waits for it. Inside a handler the child moves ahead of the queue.
    ///
    /// # Errors
    /// The child is not accepted, or the wait could never end.
    ///
    /// # Cancel safety
    /// Nothing is dispatched before the first poll; afterwards as [`wait`](Self::wait).
    pub async fn run<C: Event>(&self, child: C) -> Result<EventHandle<C>, RunError<C>> {
        let Some(bus) = self.place() else {
            return Err(DispatchError::Stopped { event: child }.into());
        };
        Ok(bus.dispatch_and_help(child, self.as_parent())?.helped().await?)
    }

    /// A child with options of its own.
    pub fn event<C: Event>(&self, child: C) -> EventBuilder<'_, C> {
        EventBuilder::with(self.place(), child, self.as_parent())
    }

    /// Makes this event the parent of what `future` dispatches, wherever it is polled: for tasks
    /// that a handler spawns.
    ///
    /// What is awaited in such a task is the task's wait, not the handler's (R14): it raises nothing,
    /// and the handler lends nothing meanwhile. A handler that joins a task which awaits a child on the
    /// same serial bus waits until its limit, and the cycle is not seen: have the child run
    /// [`parallel`](EventBuilder::parallel), or await it in the handler.
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::below(future, self.parent_ref(), self.hub().clone())
    }

    /// The event and everything below it as a tree of text.
    #[must_use]
    pub fn log_tree(&self) -> LogTree {
        LogTree::new(self.hub().clone(), alloc::vec![self.record.clone()])
    }

    /// The results so far, those to come included, in order of registration, bus by bus.
    #[must_use]
    pub fn results(&self) -> Vec<EventResult> {
        view::results(&self.record.head)
    }

    /// The first value that is not none, when no handler failed.
    ///
    /// # Errors
    /// The failures, all of them; the cause, when the event was ended; `Empty` when no handler
    /// returned a value; `NotCompleted`. An event without an output is always empty: whether all went
    /// well with it is what [`check`](Self::check) says.
    pub fn result(&self) -> Result<E::Output, ResultError> {
        self.result_ref().cloned()
    }

    /// The same, borrowed.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub fn result_ref(&self) -> Result<&E::Output, ResultError> {
        self.first_value()?.ok_or_else(|| ResultError::Empty)
    }

    /// The same, with `None` when no handler returned a value.
    ///
    /// # Errors
    /// As [`result`](Self::result), but `Empty`.
    pub fn result_opt(&self) -> Result<Option<E::Output>, ResultError> {
        self.first_value().map(Option::<&E::Output>::cloned)
    }

    /// Whether no handler failed and the event was not ended: for events without an output, of which
    /// `bus.run(event).await?.check()?` says all there is to be said.
    ///
    /// # Errors
    /// As [`result`](Self::result), but `Empty`.
    pub fn check(&self) -> Result<(), ResultError> {
        self.first_value().map(drop)
    }

    /// All values, in order of registration, bus by bus.
    ///
    /// # Errors
    /// As [`result`](Self::result), but `Empty`.
    pub fn results_list(&self) -> Result<Vec<E::Output>, ResultError> {
        self.select_all()?.list()
    }

    /// The maps that the handlers returned, merged into one: of two values for one key the later
    /// one stays. (bubus refuses such a conflict unless told otherwise, as a variant of
    /// [`select`](Self::select) does.)
    ///
    /// # Errors
    /// As [`result`](Self::result), but `Empty`.
    pub fn results_flat_dict(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatDict,
    {
        self.select_all()?.flat_dict()
    }

    /// The lists that the handlers returned, one after the other.
    ///
    /// # Errors
    /// As [`result`](Self::result), but `Empty`.
    pub fn results_flat_list(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatList,
    {
        self.select_all()?.flat_list()
    }

    /// The results by registration, to look one up. In the order of the handlers they are in
    /// [`results`](Self::results).
    #[must_use]
    pub fn results_by_handler_id(&self) -> BTreeMap<HandlerKey, EventResult> {
        view::by_handler_id(self.results())
    }

    /// The results by handler name, to look one up; of two handlers of one name, the later one's. In the
    /// order of the handlers they are in [`results`](Self::results).
    #[must_use]
    pub fn results_by_handler_name(&self) -> BTreeMap<String, EventResult> {
        view::by_handler_name(self.results())
    }

    /// The results that a filter lets through, to be asked for their first, all or merged values.
    /// `|result| result.error().is_none()` ignores errors.
    ///
    /// # Errors
    /// `NotCompleted`.
    pub fn select(
        &self,
        filter: impl Fn(&EventResult) -> bool,
    ) -> Result<Selection<'_, E>, ResultError> {
        Ok(Selection::filtered(self.frozen()?, self.record.head.cause(), filter))
    }

    /// What makes an event a child of this one.
    pub(crate) fn as_parent(&self) -> Options {
        Options::child_of(self.parent_ref(), self.claim)
    }

    fn parent_ref(&self) -> ParentRef {
        ParentRef::of(&self.record.head, self.seen)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.record.head.is_complete()
    }

    #[inline]
    fn first_value(&self) -> Result<Option<&E::Output>, ResultError> {
        first_value::<E>(self.frozen()?, self.record.head.cause())
    }

    fn select_all(&self) -> Result<Selection<'_, E>, ResultError> {
        Ok(Selection::all(self.frozen()?, self.record.head.cause()))
    }

    #[inline]
    fn frozen(&self) -> Result<&Frozen, ResultError> {
        self.record.head.frozen().ok_or_else(|| ResultError::NotCompleted)
    }
}

impl<E: Event> Deref for EventHandle<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.record.payload
    }
}

impl<E> Clone for EventHandle<E> {
    fn clone(&self) -> Self {
        let Self { seen, claim, .. } = *self;
        Self { record: self.record.clone(), seen, claim }
    }
}

impl<E: Event> fmt::Debug for EventHandle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHandle")
            .field("event_type", &E::NAME)
            .field("id", &self.record.head.id)
            .finish_non_exhaustive()
    }
}

impl<E: Event> IntoFuture for EventHandle<E> {
    type Output = Result<Self, WaitError>;
    type IntoFuture = Wait<E>;

    fn into_future(self) -> Wait<E> {
        Wait(Waiter::new(self))
    }
}

impl<E: Event> IntoFuture for &EventHandle<E> {
    type Output = Result<EventHandle<E>, WaitError>;
    type IntoFuture = Wait<E>;

    fn into_future(self) -> Wait<E> {
        self.wait()
    }
}

/// Waits for an event; made by [`EventHandle::wait`], or by awaiting the handle.
#[must_use = "futures do nothing unless they are polled"]
pub struct Wait<E>(Waiter<EventHandle<E>>);

impl<E> Awaited for EventHandle<E> {
    fn head(&self) -> &Head {
        &self.record.head
    }

    fn claim(&self) -> Claim {
        self.claim
    }
}

impl<E> Future for Wait<E> {
    type Output = Result<EventHandle<E>, WaitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<E> fmt::Debug for Wait<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0.handle().map(|handle| handle.record.head.id);
        f.debug_struct("Wait").field("event", &event).finish_non_exhaustive()
    }
}
