//! The handle of an event: what dispatch returns and handlers receive.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::IntoFuture;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::future::FusedFuture;

use super::any::AnyEvent;
use super::context::Claim;
use super::error::{ResultError, WaitError};
use super::merge::{FlatDict, FlatList};
use super::record::{Frozen, Head, Record};
use super::results::{EventResult, Selection, first_value};
use super::vantage::Vantage;
use super::waiter::{Awaited, Waiter};
use crate::event::Event;

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
    pub(super) seen: Vantage,
    pub(crate) claim: Claim,
}

impl<E: Event> EventHandle<E> {
    pub(crate) const fn new(record: Arc<Record<E>>, seen: Vantage) -> Self {
        Self { record, seen, claim: Claim::of(None) }
    }

    /// Waits for an event that the caller has already helped to run. The wait has to yield to other
    /// tasks now and then, even if the event is done.
    #[inline]
    pub(crate) fn helped(self) -> Wait<E> {
        Wait(Waiter::after_help(self))
    }

    /// Returns the payload. Use it where a method of the handle hides one of the payload's.
    #[must_use]
    pub fn payload(&self) -> &E {
        &self.record.payload
    }

    /// Returns the event without its type.
    #[must_use]
    pub fn as_any(&self) -> AnyEvent {
        AnyEvent::new(self.record.clone(), self.seen).claimed(self.claim)
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
            .field("id", &self.record.head.id())
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
///
/// # Panics
/// When polled again after it was ready; [`is_terminated`](FusedFuture::is_terminated) tells.
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

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<E> FusedFuture for Wait<E> {
    fn is_terminated(&self) -> bool {
        self.0.handle().is_none()
    }
}

impl<E> fmt::Debug for Wait<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0.handle().map(|handle| handle.record.head.id());
        f.debug_struct("Wait").field("event", &event).finish_non_exhaustive()
    }
}
