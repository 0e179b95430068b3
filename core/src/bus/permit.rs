//! Places in a full bus (R6).

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use super::EventBus;
use super::context::{self, Poller};
use super::error::DispatchError;
use super::handle::EventHandle;
use super::send::Options;
use super::shared::BusShared;
use crate::event::Event;
use crate::machine::{EventStatus, Refusal, ReservationKey};

impl EventBus {
    /// Waits for a place in a full bus, first come first served (R6). Inside a handler, that may be
    /// the place its own event takes.
    ///
    /// # Errors
    /// The bus is stopped, or its capacity is 0.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in line.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{DispatchError, Event};
    ///
    /// #[derive(Event)]
    /// struct Job(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::builder("main").max_pending(1).build();
    /// let permit = bus.reserve().await?;
    /// let error = bus.dispatch(Job(2)).expect_err("the only place is taken");
    /// assert!(matches!(error, DispatchError::Full { limit: 1, .. }));
    ///
    /// permit.dispatch(Job(1))?.await?;
    /// let second = bus.dispatch(error.into_event())?;
    /// assert_eq!(second.0, 2);
    /// # Ok(()) }
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_>, ReserveError> {
        reserve(&self.shared).await
    }

    /// Waits for a place and dispatches. Inside a handler of the hub it returns at once, like
    /// [`dispatch`](Self::dispatch).
    ///
    /// # Errors
    /// Those of [`dispatch`](Self::dispatch). A full bus is waited for, unless its capacity is 0, or the
    /// event is a child, which is refused at once beyond `max_pending_children`.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready drops the event without dispatching it.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Job(u32);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::builder("main").max_pending(2).build();
    /// bus.on(|_: EventHandle<Job>| tokio::time::sleep(Duration::from_secs(1)));
    /// for n in 0..10 {
    ///     bus.dispatch_wait(Job(n)).await?;
    ///     assert!(bus.pending() <= 2);
    /// }
    /// bus.wait_until_idle(None).await?;
    /// assert_eq!(bus.history().len(), 10);
    /// # Ok(()) }
    /// ```
    pub async fn dispatch_wait<E: Event>(
        &self,
        event: E,
    ) -> Result<EventHandle<E>, DispatchError<E>> {
        dispatch_wait(&self.shared, event, Options::default()).await
    }
}

/// A place in a bus for one event. Dropping it gives the place back.
///
/// ```
/// use busway::Event;
///
/// #[derive(Event)]
/// struct Job;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::builder("main").max_pending(1).build();
/// let permit = bus.reserve().await?;
/// assert!(bus.dispatch(Job).is_err(), "the bus is full");
/// drop(permit);
///
/// let permit = bus.reserve().await?;
/// permit.dispatch(Job)?.await?;
/// # Ok(()) }
/// ```
#[must_use = "dropping a permit gives the place back"]
pub struct Permit<'a> {
    bus: &'a Arc<BusShared>,
    reservation: ReservationKey,
}

/// There will be no place in the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// The bus is stopped.
    #[error("the bus is stopped")]
    Stopped,
    /// The bus was made with room for no events.
    #[error("the bus has a capacity of 0")]
    NoCapacity,
}

impl ReserveError {
    fn with<E>(self, event: E) -> DispatchError<E> {
        match self {
            Self::Stopped => DispatchError::Stopped { event },
            Self::NoCapacity => DispatchError::Full { event, limit: 0 },
        }
    }
}

impl Permit<'_> {
    /// Dispatches an event into the place.
    ///
    /// # Errors
    /// If the event is not accepted, for another reason than a full bus, the error hands it back.
    pub fn dispatch<E: Event>(self, event: E) -> Result<EventHandle<E>, DispatchError<E>> {
        let permit = Some(self.reservation);
        self.bus.dispatch(event, Options { permit, ..Options::default() })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // Once used, it is no longer there.
        let waker = self.bus.hub.input(|hub| {
            hub.books.release(self.reservation);
            hub.reserved.remove(&self.reservation)
        });
        drop(waker);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

pub(crate) async fn reserve(bus: &Arc<BusShared>) -> Result<Permit<'_>, ReserveError> {
    let reserved = bus.hub.input(|hub| hub.books.reserve(bus.key));
    let reservation = reserved.map_err(|refusal| match refusal {
        Refusal::Full { .. } => ReserveError::NoCapacity,
        _ => ReserveError::Stopped,
    })?;
    let permit = Permit { bus, reservation };
    poll_fn(|cx| {
        let mut waker: Option<Waker> = Some(cx.waker().clone());
        let answer = {
            let mut hub = bus.hub.lock();
            if hub.books.is_granted(reservation, bus.key) {
                Poll::Ready(Ok(()))
            } else if hub.books.is_waiting(reservation) {
                waker = waker.and_then(|waker| hub.reserved.insert(reservation, waker));
                Poll::Pending
            } else {
                Poll::Ready(Err(ReserveError::Stopped))
            }
        };
        // A waker that is replaced or not needed is dropped outside the lock.
        drop(waker);
        answer
    })
    .await?;
    Ok(permit)
}

/// Dispatches with options. A root event from outside of handlers waits for a place first.
pub(crate) async fn dispatch_wait<E: Event>(
    bus: &Arc<BusShared>,
    event: E,
    options: Options,
) -> Result<EventHandle<E>, DispatchError<E>> {
    // A child of an event in progress takes no place of the roots.
    let parent = bus.parent(options.parentage).and_then(|parent| parent.event);
    let is_open = |parent| bus.hub.lock().books.status(parent) != EventStatus::Completed;
    let poller = context::poller(&bus.hub, options.claim);
    if parent.is_some_and(is_open) || matches!(poller, Poller::Invocation(..)) {
        return bus.dispatch(event, options);
    }
    match reserve(bus).await {
        Ok(permit) => {
            let options = Options { permit: Some(permit.reservation), ..options };
            bus.dispatch(event, options)
        }
        Err(error) => Err(error.with(event)),
    }
}
