//! An event of any type: what handlers of a name or of every event take.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::IntoFuture;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::EventBus;
use super::context::Claim;
use super::error::{DispatchError, RunError, WaitError};
use super::event_builder::EventBuilder;
use super::handle::EventHandle;
use super::record::{Erased, Head, downcast};
use super::request::Request;
use super::results::EventResult;
use super::send::{Options, ParentRef};
use super::shared::{BusShared, HubShared};
use super::sleep;
use super::spawned::Scope;
use super::tree::LogTree;
use super::vantage::Vantage;
use super::view;
use super::waiter::{Awaited, Waiter};
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{Cause, EventStatus, HandlerKey, InvocationKey};
use crate::time::Timestamp;

/// An event whose type is not known, as handlers of a name or of `*` receive it.
/// [`downcast`](Self::downcast) gives the [`EventHandle`] with its payload, its typed results and the
/// rest of what that can do.
#[derive(Clone)]
pub struct AnyEvent {
    pub(crate) record: Arc<dyn Erased>,
    seen: Vantage,
    pub(crate) claim: Claim,
}

impl AnyEvent {
    pub(crate) fn new(record: Arc<dyn Erased>, seen: Vantage) -> Self {
        Self { record, seen, claim: Claim::of(None) }
    }

    /// As it is seen on a bus, outside of handlers.
    pub(crate) fn on(record: Arc<dyn Erased>, bus: &Arc<BusShared>) -> Self {
        let seen = Vantage::outside(record.head(), bus);
        Self::new(record, seen)
    }

    /// Waits for it are this invocation's.
    pub(crate) fn claimed(mut self, claim: Claim) -> Self {
        self.claim = claim;
        self
    }

    pub(crate) fn in_handler(
        record: Arc<dyn Erased>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
    ) -> Self {
        let seen = Vantage::inside(record.head(), bus, by);
        Self { record, seen, claim: Claim::of(Some(by)) }
    }

    pub(crate) fn hub(&self) -> &Arc<HubShared> {
        &self.record.head().bus.hub
    }

    /// The event with its type, when that is `E`.
    #[must_use]
    pub fn downcast<E: Event>(&self) -> Option<EventHandle<E>> {
        let record = downcast::<E>(self.record.clone())?;
        Some(EventHandle::new(record, self.seen).claimed(self.claim))
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.record.head().id
    }

    /// The name of the event's type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.record.name()
    }

    /// The path of the event's Rust type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.record.type_name()
    }

    /// `module.Type@version` of the event.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.record.schema()
    }

    /// The event as JSON, when its type opts in.
    ///
    /// # Errors
    /// The payload cannot be written as JSON.
    #[cfg(feature = "serde")]
    pub fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        self.record.to_json()
    }

    /// Where the event is in its life.
    #[must_use]
    pub fn status(&self) -> EventStatus {
        view::status(self.record.head())
    }

    /// Why the event was ended before its handlers were.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.record.head().cause()
    }

    /// When it was dispatched.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.hub().wall(self.record.head().created_at)
    }

    /// When it was started.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        view::started_at(self.record.head())
    }

    /// When it and all its descendants were done.
    #[must_use]
    pub fn completed_at(&self) -> Option<Timestamp> {
        Some(self.hub().wall(self.record.head().frozen()?.completed_at))
    }

    /// How long it took from its start to its completion; `None` before that, and when it never
    /// started.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        view::duration(self.record.head())
    }

    /// The id of the event whose handler dispatched this one.
    #[must_use]
    pub fn parent_id(&self) -> Option<EventId> {
        self.record.head().parent().map(|parent| parent.id)
    }

    /// Its level: 0 for a root, the parent's and one for a child.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.record.head().depth
    }

    /// The names of the buses it has reached, in order of arrival.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        view::path(self.record.head())
    }

    /// The children that are still in memory, in order of dispatch.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        view::children(self.record.head(), self.seen)
    }

    /// The results so far, in order of registration, bus by bus.
    #[must_use]
    pub fn results(&self) -> Vec<EventResult> {
        view::results(self.record.head())
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

    /// The event and everything below it as a tree of text.
    #[must_use]
    pub fn log_tree(&self) -> LogTree {
        LogTree::new(self.hub().clone(), alloc::vec![self.record.clone()])
    }

    /// The bus that is processing the event, inside a handler; `None` outside.
    #[must_use]
    pub fn bus(&self) -> Option<EventBus> {
        view::bus(self.record.head(), self.seen)
    }

    /// Waits for its completion.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the event.
    pub fn wait(&self) -> AnyWait {
        self.clone().into_future()
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

    /// Dispatches a child on the bus this handle belongs to.
    ///
    /// # Errors
    /// The child comes back when it is not accepted.
    pub fn dispatch<C: Event>(&self, child: C) -> Result<EventHandle<C>, DispatchError<C>> {
        match self.seen.bus(self.record.head()) {
            Some(bus) => bus.dispatch(child, self.as_parent()),
            None => Err(DispatchError::Stopped { event: child }),
        }
    }

    /// Dispatches a child and waits for it.
    ///
    /// # Errors
    /// The child is not accepted, or the wait could never end.
    ///
    /// # Cancel safety
    /// Nothing is dispatched before the first poll; afterwards as [`wait`](Self::wait).
    pub async fn run<C: Event>(&self, child: C) -> Result<EventHandle<C>, RunError<C>> {
        let Some(bus) = self.seen.bus(self.record.head()) else {
            return Err(DispatchError::Stopped { event: child }.into());
        };
        Ok(bus.dispatch_and_help(child, self.as_parent())?.helped().await?)
    }

    /// A child with options of its own.
    pub fn event<C: Event>(&self, child: C) -> EventBuilder<'_, C> {
        EventBuilder::with(self.seen.bus(self.record.head()), child, self.as_parent())
    }

    /// Asks the consumer of an address, as a child of this event.
    pub fn request<B, R>(&self, address: impl Into<Arc<str>>, body: B) -> Request<B, R>
    where
        B: Send + Sync + 'static,
        R: Send + 'static,
    {
        let bus = self.seen.bus(self.record.head()).map(|bus| bus.clone());
        Request::within(bus, self.as_parent(), address.into(), body)
    }

    /// Makes this event the parent of what `future` dispatches, wherever it is polled: see
    /// [`EventHandle::scope`].
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::below(future, self.parent_ref(), self.hub().clone())
    }

    /// What makes an event a child of this one.
    fn as_parent(&self) -> Options {
        Options::child_of(self.parent_ref(), self.claim)
    }

    pub(crate) fn parent_ref(&self) -> ParentRef {
        ParentRef::of(self.record.head(), self.seen)
    }
}

impl<E: Event> From<&EventHandle<E>> for AnyEvent {
    fn from(event: &EventHandle<E>) -> Self {
        event.as_any()
    }
}

impl<E: Event> From<EventHandle<E>> for AnyEvent {
    fn from(event: EventHandle<E>) -> Self {
        event.as_any()
    }
}

impl From<&Self> for AnyEvent {
    fn from(event: &Self) -> Self {
        event.clone()
    }
}

impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEvent")
            .field("event_type", &self.event_type())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl IntoFuture for AnyEvent {
    type Output = Result<Self, WaitError>;
    type IntoFuture = AnyWait;

    fn into_future(self) -> AnyWait {
        AnyWait(Waiter::new(self))
    }
}

impl IntoFuture for &AnyEvent {
    type Output = Result<AnyEvent, WaitError>;
    type IntoFuture = AnyWait;

    fn into_future(self) -> AnyWait {
        self.wait()
    }
}

/// Waits for an event; made by [`AnyEvent::wait`], or by awaiting the handle.
#[must_use = "futures do nothing unless they are polled"]
pub struct AnyWait(Waiter<AnyEvent>);

impl Awaited for AnyEvent {
    fn head(&self) -> &Head {
        self.record.head()
    }

    fn claim(&self) -> Claim {
        self.claim
    }
}

impl Future for AnyWait {
    type Output = Result<AnyEvent, WaitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for AnyWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0.handle().map(AnyEvent::id);
        f.debug_struct("AnyWait").field("event", &event).finish_non_exhaustive()
    }
}
