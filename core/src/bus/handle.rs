//! The handle of an event: what dispatch returns and handlers receive.

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
/// Dropping it cancels nothing. Awaiting it (or a reference to it) returns the handle once the event
/// and all its descendants are done, even if handlers failed: their errors are in its results.
/// Inside a handler, awaiting an event moves it ahead of the queue (R13).
///
/// ```
/// use busway::{BoxError, Event, EventHandle};
///
/// #[derive(Event)]
/// #[event(output = u32)]
/// struct Price(&'static str);
///
/// #[derive(Event)]
/// #[event(output = u32)]
/// struct Order { item: &'static str, count: u32 }
///
/// async fn on_order(order: EventHandle<Order>) -> Result<u32, BoxError> {
///     let price = order.run(Price(order.item)).await?; // a child, which goes ahead of the queue
///     Ok(order.count * price.result()?)
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.on(on_order);
/// bus.on(|price: EventHandle<Price>| if price.0 == "tea" { 3 } else { 5 });
/// let order = bus.run(Order { item: "tea", count: 2 }).await?;
/// assert_eq!(order.result()?, 6);
/// # Ok(()) }
/// ```
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

    /// Makes waits on this handle the invocation's.
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

    /// The bus the handle belongs to; `None` once the bus is gone.
    pub(crate) fn place(&self) -> Option<BusRef<'_>> {
        self.seen.bus(&self.record.head)
    }

    /// Waits for an event that the caller has already helped to run. The wait has to yield to other
    /// tasks now and then, even if the event is done.
    #[inline]
    pub(crate) fn helped(self) -> Wait<E> {
        Wait(Waiter::after_help(self))
    }

    /// The hub of all buses that the event reaches.
    pub(crate) fn hub(&self) -> &Arc<HubShared> {
        &self.record.head.bus.hub
    }

    /// Returns the payload. Use it where a method of the handle hides one of the payload's.
    #[must_use]
    pub fn payload(&self) -> &E {
        &self.record.payload
    }

    /// Returns the event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.record.head.id
    }

    /// Returns the name of the event's type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        E::NAME
    }

    /// Returns the event without its type.
    #[must_use]
    pub fn as_any(&self) -> AnyEvent {
        AnyEvent::new(self.record.clone(), self.seen).claimed(self.claim)
    }

    /// Returns where the event is in its life.
    #[must_use]
    pub fn status(&self) -> EventStatus {
        view::status(&self.record.head)
    }

    /// Returns why the event was ended before its handlers had finished; `None` while it runs, and if it
    /// ran to its end.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.record.head.cause()
    }

    /// Returns when the event was dispatched.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.hub().wall(self.record.head.created_at)
    }

    /// Returns when the event started; `None` while it is pending, and if it was ended before it
    /// started.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        view::started_at(&self.record.head)
    }

    /// Returns when the event and all its descendants were done; `None` before that.
    #[must_use]
    pub fn completed_at(&self) -> Option<Timestamp> {
        Some(self.hub().wall(self.record.head.frozen()?.completed_at))
    }

    /// Returns the time from start to completion; `None` before that, and if the event never started.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        view::duration(&self.record.head)
    }

    /// Returns the id of the parent: the event whose handler dispatched this one, or the one given
    /// explicitly. `None` for a root event.
    #[must_use]
    pub fn parent_id(&self) -> Option<EventId> {
        self.record.head.parent().map(|parent| parent.id)
    }

    /// Returns the event's level: 0 for a root, the parent's plus one for a child.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.record.head.depth
    }

    /// Returns the names of the buses the event has reached, in order of arrival.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        view::path(&self.record.head)
    }

    /// Returns the children that are still in memory, in order of dispatch: those in flight, and
    /// those that some bus of the hub remembers.
    #[must_use]
    pub fn children(&self) -> Vec<AnyEvent> {
        view::children(&self.record.head, self.seen)
    }

    /// Returns the bus that is processing the event, if a handler received this handle; otherwise
    /// `None`.
    #[must_use]
    pub fn bus(&self) -> Option<EventBus> {
        view::bus(&self.record.head, self.seen)
    }

    /// Waits for completion. Returns the plain future, for `join!` and `select!`.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the event. An event that was raised for the wait and has not
    /// started returns to its place in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// #[event(output = u32)]
    /// struct Square(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|square: EventHandle<Square>| square.0 * square.0);
    /// let (three, four) = (bus.dispatch(Square(3))?, bus.dispatch(Square(4))?);
    /// let (three, four) = tokio::try_join!(three.wait(), four.wait())?;
    /// assert_eq!(three.result()? + four.result()?, 25);
    /// # Ok(()) }
    /// ```
    pub fn wait(&self) -> Wait<E> {
        self.clone().into_future()
    }

    /// Waits for completion, as a wait of the handler that received `handler`, while that is being
    /// polled.
    ///
    /// With `std`, every wait inside a handler is the handler's. Without it, only waits for the
    /// handler's own event and for events dispatched through it are known to be. In a task that a
    /// handler spawned, the wait is the task's (see [`scope`](Self::scope)).
    ///
    /// # Cancel safety
    /// Same as [`wait`](Self::wait).
    pub fn wait_within<T: Event>(&self, handler: &EventHandle<T>) -> Wait<E> {
        self.clone().claimed(handler.claim).into_future()
    }

    /// Waits for completion, for at most `limit`. The work goes on (R24).
    ///
    /// # Errors
    /// [`WaitError::TimedOut`], or a wait that could never end.
    ///
    /// # Cancel safety
    /// Same as [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle, WaitError};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Export;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Export>| tokio::time::sleep(Duration::from_secs(20)));
    /// let export = bus.dispatch(Export)?;
    /// let limit = Duration::from_secs(5);
    /// assert_eq!(export.wait_for(limit).await.unwrap_err(), WaitError::TimedOut { limit });
    /// export.await?.check()?; // the export went on
    /// # Ok(()) }
    /// ```
    pub async fn wait_for(&self, limit: Duration) -> Result<Self, WaitError> {
        sleep::wait_for(self.hub(), limit, self.wait()).await
    }

    /// Dispatches a child on the bus this handle belongs to. Inside a handler, that is the bus
    /// processing the event.
    ///
    /// # Errors
    /// If the child is not accepted, the error hands it back.
    pub fn dispatch<C: Event>(&self, child: C) -> Result<EventHandle<C>, DispatchError<C>> {
        // No builder is used here, because it would have to be moved.
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
    /// Nothing is dispatched before the first poll. After that, same as [`wait`](Self::wait).
    pub async fn run<C: Event>(&self, child: C) -> Result<EventHandle<C>, RunError<C>> {
        let Some(bus) = self.place() else {
            return Err(DispatchError::Stopped { event: child }.into());
        };
        Ok(bus.dispatch_and_help(child, self.as_parent())?.helped().await?)
    }

    /// Returns a builder for a child with options of its own.
    pub fn event<C: Event>(&self, child: C) -> EventBuilder<'_, C> {
        EventBuilder::with(self.place(), child, self.as_parent())
    }

    /// Makes this event the parent of what `future` dispatches, wherever it is polled.
    ///
    /// Use it for tasks that a handler spawns. A wait in such a task is the task's, not the handler's
    /// (R14): it raises nothing, and the handler lends nothing meanwhile. A handler that joins a task
    /// which awaits a child on the same serial bus waits until its limit, and the cycle is not detected.
    /// Run the child [`parallel`](EventBuilder::parallel), or await it in the handler.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Crawl;
    ///
    /// #[derive(Event)]
    /// struct Page(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|crawl: EventHandle<Crawl>| async move {
    ///     let bus = crawl.bus().ok_or("the bus is gone")?;
    ///     let task = crawl.scope(async move { bus.dispatch(Page(1)).map(drop) });
    ///     tokio::spawn(task).await??;
    ///     busway::ok(())
    /// });
    /// let crawl = bus.run(Crawl).await?;
    /// assert_eq!(crawl.children().len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::below(future, self.parent_ref(), self.hub().clone())
    }

    /// Returns the event and everything below it as a text tree.
    #[must_use]
    pub fn log_tree(&self) -> LogTree {
        LogTree::new(self.hub().clone(), alloc::vec![self.record.clone()])
    }

    /// Returns the results so far, including pending ones, bus by bus, in handler order (R1): the
    /// handlers of the event's own name in order of registration, then those of `*`.
    #[must_use]
    pub fn results(&self) -> Vec<EventResult> {
        view::results(&self.record.head)
    }

    /// Returns the first value that is not none, if no handler failed.
    ///
    /// # Errors
    /// All failures of handlers; the cause, if the event was ended; `Empty` if no handler returned a
    /// value; `NotCompleted`. An event without an output is always empty: use [`check`](Self::check)
    /// to learn whether all went well.
    pub fn result(&self) -> Result<E::Output, ResultError> {
        self.result_ref().cloned()
    }

    /// Like [`result`](Self::result), but borrows the value.
    ///
    /// # Errors
    /// Same as [`result`](Self::result).
    pub fn result_ref(&self) -> Result<&E::Output, ResultError> {
        self.first_value()?.ok_or_else(|| ResultError::Empty)
    }

    /// Like [`result`](Self::result), but returns `None` if no handler returned a value.
    ///
    /// # Errors
    /// Same as [`result`](Self::result), except `Empty`.
    pub fn result_opt(&self) -> Result<Option<E::Output>, ResultError> {
        self.first_value().map(Option::<&E::Output>::cloned)
    }

    /// Checks that no handler failed and the event was not ended.
    ///
    /// For events without an output, `bus.run(event).await?.check()?` tells everything there is to know.
    ///
    /// # Errors
    /// Same as [`result`](Self::result), except `Empty`.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Save;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.handler(|_: EventHandle<Save>| Err::<(), _>("no space left")).named("disk").register();
    /// let save = bus.run(Save).await?; // a failed handler does not make this fail
    /// let error = save.check().unwrap_err();
    /// assert_eq!(error.to_string(), "handler disk failed: no space left");
    /// # Ok(()) }
    /// ```
    pub fn check(&self) -> Result<(), ResultError> {
        self.first_value().map(drop)
    }

    /// Returns all values, in the order of [`results`](Self::results).
    ///
    /// # Errors
    /// Same as [`result`](Self::result), except `Empty`.
    pub fn results_list(&self) -> Result<Vec<E::Output>, ResultError> {
        self.select_all()?.list()
    }

    /// Merges the maps that the handlers returned. If a key has two values, the later one wins. (bubus
    /// refuses such a conflict unless told otherwise, as a variant of [`select`](Self::select) does.)
    ///
    /// # Errors
    /// Same as [`result`](Self::result), except `Empty`.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle, ResultError};
    /// use std::collections::BTreeMap;
    ///
    /// #[derive(Event)]
    /// #[event(output = BTreeMap<&'static str, u32>)]
    /// struct Settings;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Settings>| BTreeMap::from([("port", 80), ("workers", 4)]));
    /// bus.on(|_: EventHandle<Settings>| BTreeMap::from([("port", 8080)]));
    /// let settings = bus.run(Settings).await?;
    /// assert_eq!(settings.results_flat_dict()?, BTreeMap::from([("port", 8080), ("workers", 4)]));
    ///
    /// let strict = settings.select(|_| true)?.flat_dict_strict();
    /// assert!(matches!(strict, Err(ResultError::Conflict { key }) if key == "\"port\""));
    /// # Ok(()) }
    /// ```
    pub fn results_flat_dict(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatDict,
    {
        self.select_all()?.flat_dict()
    }

    /// Concatenates the lists that the handlers returned.
    ///
    /// # Errors
    /// Same as [`result`](Self::result), except `Empty`.
    pub fn results_flat_list(&self) -> Result<E::Output, ResultError>
    where
        E::Output: FlatList,
    {
        self.select_all()?.flat_list()
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

    /// Selects the results that `filter` accepts, to read their first, all or merged values.
    ///
    /// `|result| result.error().is_none()` ignores errors.
    ///
    /// # Errors
    /// `NotCompleted`.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// #[event(output = u32)]
    /// struct Offer;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.handler(|_: EventHandle<Offer>| Err::<u32, _>("closed")).named("ann").register();
    /// bus.handler(|_: EventHandle<Offer>| 12).named("bob").register();
    /// let offer = bus.run(Offer).await?;
    /// assert!(offer.result().is_err());
    /// assert_eq!(offer.select(|result| result.error().is_none())?.list()?, [12]);
    /// assert_eq!(offer.select(|result| result.handler_name() == "bob")?.first()?, 12);
    /// # Ok(()) }
    /// ```
    pub fn select(
        &self,
        filter: impl Fn(&EventResult) -> bool,
    ) -> Result<Selection<'_, E>, ResultError> {
        Ok(Selection::filtered(&self.record.head, self.frozen()?, filter))
    }

    /// The options that make an event a child of this one.
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

/// The future of a wait for an event. Made by [`EventHandle::wait`], or by awaiting the handle.
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
