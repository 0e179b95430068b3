//! An event of any type: what handlers of a name, or of every event, receive.

use alloc::sync::Arc;
use core::fmt;
use core::future::IntoFuture;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::future::FusedFuture;

use super::context::Claim;
use super::error::WaitError;
use super::handle::EventHandle;
use super::record::{Erased, Head, downcast};
use super::shared::BusShared;
use super::vantage::Vantage;
use super::waiter::{Awaited, Waiter};
use crate::event::Event;

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
    pub(super) seen: Vantage,
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

    /// Returns the event with its type, if that is `E`.
    #[must_use]
    pub fn downcast<E: Event>(&self) -> Option<EventHandle<E>> {
        let record = downcast::<E>(self.record.clone())?;
        Some(EventHandle::new(record, self.seen).claimed(self.claim))
    }

    /// Returns the path of the event's Rust type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.record.type_name()
    }

    /// Returns the address that it was sent or published to, if it is a message: messages have one
    /// [`event_type`](Self::event_type) in common.
    ///
    /// ```
    /// use busway::{AnyEvent, Message, ok};
    /// use std::sync::mpsc;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let (tell, told) = mpsc::channel();
    /// let bus = busway::builder("main")
    ///     .on_failure(move |event: &AnyEvent, _| drop(tell.send(event.address().map(String::from))))
    ///     .build();
    /// bus.consumer("stock.get", async |_: Message<u32>| Err::<u32, _>("sold out"))?;
    /// bus.request::<u32, u32>("stock.get", 7).await.unwrap_err();
    /// assert_eq!(told.recv()?.as_deref(), Some("stock.get"));
    /// # ok(()) }
    /// ```
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.record.is_message().then(|| self.record.label())
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
///
/// # Panics
/// When polled again after it was ready; [`is_terminated`](FusedFuture::is_terminated) tells.
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

impl FusedFuture for AnyWait {
    fn is_terminated(&self) -> bool {
        self.0.handle().is_none()
    }
}

impl fmt::Debug for AnyWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0.handle().map(AnyEvent::id);
        f.debug_struct("AnyWait").field("event", &event).finish_non_exhaustive()
    }
}
