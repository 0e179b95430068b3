//! An event of any type: what handlers of a name, or of every event, receive.

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
use super::address::Address;
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
use super::vantage::{BusRef, Vantage};
use super::view;
use super::waiter::{Awaited, Waiter};
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{Cause, EventStatus, HandlerKey, InvocationKey};
use crate::time::Timestamp;

/// An event of unknown type, as received by handlers of a name or of `*`. [`downcast`](Self::downcast)
/// returns the [`EventHandle`], with the payload, the typed results and everything else it offers.
///
/// ```
/// use busway::{AnyEvent, Event};
///
/// #[derive(Event)]
/// struct Login { user: &'static str }
///
/// #[derive(Event)]
/// struct Logout;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.on_any(|event: AnyEvent| match event.downcast::<Login>() {
///     Some(login) => format!("{} is in", login.user),
///     None => event.event_type().to_owned(),
/// });
/// let login = bus.run(Login { user: "Ann" }).await?;
/// assert_eq!(login.results()[0].value::<String>().unwrap(), "Ann is in");
/// let logout = bus.run(Logout).await?;
/// assert_eq!(logout.results()[0].value::<String>().unwrap(), "Logout");
/// # Ok(()) }
/// ```
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

    /// The event as seen on a bus, outside of handlers.
    pub(crate) fn on(record: Arc<dyn Erased>, bus: &Arc<BusShared>) -> Self {
        let seen = Vantage::outside(record.head(), bus);
        Self::new(record, seen)
    }

    /// Makes waits on this handle the invocation's.
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

    /// Returns the event with its type, if that is `E`.
    #[must_use]
    pub fn downcast<E: Event>(&self) -> Option<EventHandle<E>> {
        let record = downcast::<E>(self.record.clone())?;
        Some(EventHandle::new(record, self.seen).claimed(self.claim))
    }

    /// Returns the event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.record.head().id
    }

    /// Returns the name of the event's type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.record.name()
    }

    /// Returns the path of the event's Rust type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.record.type_name()
    }

    /// Returns the event's `module.Type@version`.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.record.schema()
    }

    /// Returns the event as JSON, if its type opts in.
    ///
    /// # Errors
    /// The payload cannot be written as JSON.
    #[cfg(feature = "serde")]
    pub fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        self.record.to_json()
    }

    /// Returns where the event is in its life.
    #[must_use]
    pub fn status(&self) -> EventStatus {
        view::status(self.record.head())
    }

    /// Returns why the event was ended before its handlers were.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.record.head().cause()
    }

    /// Returns when the event was dispatched.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.hub().wall(self.record.head().created_at)
    }

    /// Returns when the event started.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        view::started_at(self.record.head())
    }

    /// Returns when the event and all its descendants were done.
    #[must_use]
    pub fn completed_at(&self) -> Option<Timestamp> {
        Some(self.hub().wall(self.record.head().frozen()?.completed_at))
    }

    /// Returns the time from start to completion; `None` before that, and if the event never started.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        view::duration(self.record.head())
    }

    /// Returns the id of the event whose handler dispatched this one.
    #[must_use]
    pub fn parent_id(&self) -> Option<EventId> {
        self.record.head().parent().map(|parent| parent.id)
    }

    /// Returns the event's level: 0 for a root, the parent's plus one for a child.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.record.head().depth
    }

    /// Returns the names of the buses the event has reached, in order of arrival.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        view::path(self.record.head())
    }

    /// Returns the children that are still in memory, in order of dispatch.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        view::children(self.record.head(), self.seen)
    }

    /// Returns the results so far, in order of registration, bus by bus.
    #[must_use]
    pub fn results(&self) -> Vec<EventResult> {
        view::results(self.record.head())
    }

    /// Returns the results by registration, for lookups. [`results`](Self::results) has them in
    /// handler order.
    #[must_use]
    pub fn results_by_handler_id(&self) -> BTreeMap<HandlerKey, EventResult> {
        view::by_handler_id(self.results())
    }

    /// Returns the results by handler name, for lookups. If handlers share a name, the last one's is
    /// kept. [`results`](Self::results) has them in handler order.
    #[must_use]
    pub fn results_by_handler_name(&self) -> BTreeMap<String, EventResult> {
        view::by_handler_name(self.results())
    }

    /// Returns the event and everything below it as a text tree.
    #[must_use]
    pub fn log_tree(&self) -> LogTree {
        LogTree::new(self.hub().clone(), alloc::vec![self.record.clone()])
    }

    /// Returns the bus that is processing the event, inside a handler; `None` outside.
    #[must_use]
    pub fn bus(&self) -> Option<EventBus> {
        view::bus(self.record.head(), self.seen)
    }

    /// Waits for completion.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the event.
    pub fn wait(&self) -> AnyWait {
        self.clone().into_future()
    }

    /// Waits for completion, for at most `limit`. The work goes on (R24).
    ///
    /// # Errors
    /// [`WaitError::TimedOut`], or a wait that could never end.
    ///
    /// # Cancel safety
    /// Same as [`wait`](Self::wait).
    pub async fn wait_for(&self, limit: Duration) -> Result<Self, WaitError> {
        sleep::wait_for(self.hub(), limit, self.wait()).await
    }

    /// Dispatches a child on the bus this handle belongs to.
    ///
    /// # Errors
    /// If the child is not accepted, the error hands it back.
    pub fn dispatch<C: Event>(&self, child: C) -> Result<EventHandle<C>, DispatchError<C>> {
        match self.place() {
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
    /// Nothing is dispatched before the first poll. After that, same as [`wait`](Self::wait).
    pub async fn run<C: Event>(&self, child: C) -> Result<EventHandle<C>, RunError<C>> {
        let Some(bus) = self.place() else {
            return Err(DispatchError::Stopped { event: child }.into());
        };
        Ok(bus.dispatch_and_help(child, self.as_parent())?.helped().await?)
    }

    /// The bus the event belongs to here; `None` once the bus is gone.
    pub(crate) fn place(&self) -> Option<BusRef<'_>> {
        self.seen.bus(self.record.head())
    }

    /// Returns a builder for a child with options of its own.
    pub fn event<C: Event>(&self, child: C) -> EventBuilder<'_, C> {
        EventBuilder::with(self.place(), child, self.as_parent())
    }

    /// Returns a request to the consumer of an address, as a child of this event. It is sent when it is
    /// awaited.
    pub fn request<B, R>(&self, address: impl Into<Arc<str>>, body: B) -> Request<B, R>
    where
        B: Send + Sync + 'static,
        R: Send + 'static,
    {
        Request::within(self.place(), self.as_parent(), address.into(), body)
    }

    /// Returns a request to the consumer of a typed address, as a child of this event. It is sent when it
    /// is awaited.
    pub fn call<A: Address>(
        &self,
        _address: A,
        body: A::Request,
    ) -> Request<A::Request, A::Response> {
        self.request(A::NAME, body)
    }

    /// Makes this event the parent of what `future` dispatches, wherever it is polled. See
    /// [`EventHandle::scope`].
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::below(future, self.parent_ref(), self.hub().clone())
    }

    /// The options that make an event a child of this one.
    pub(crate) fn as_parent(&self) -> Options {
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

/// The future of a wait for an event. Made by [`AnyEvent::wait`], or by awaiting the handle.
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
