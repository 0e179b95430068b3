//! Waiting until an event is on disk.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;

use super::SinkError;
use super::ticket::Ticket;
use crate::bus::any::AnyEvent;
use crate::bus::error::WaitError;
use crate::bus::handle::EventHandle;
use crate::event::Event;

/// An event is not on disk, and will not be.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableError {
    /// The bus it was dispatched on has no journal.
    #[error("the bus has no journal")]
    NoJournal,
    /// It was to be written at its completion, and the bus was stopped before.
    #[error("the bus was stopped before the event completed")]
    Stopped,
    /// The journal released it before it was written.
    #[error("the journal was closed before the event was written")]
    Closed,
    /// It is written at its completion, which waits for the handler that asks (R15).
    #[error("the event is written when it completes")]
    Deadlock(#[source] WaitError),
    /// It could not be written, or the journal was already closed.
    #[error("the event could not be written")]
    Failed(#[source] SinkError),
}

impl<E: Event> EventHandle<E> {
    /// Waits until the event is on disk.
    ///
    /// With a write-ahead journal, its acceptance has to be on disk. Otherwise its completion has to
    /// be, which this waits for as [`wait`](Self::wait) does. A journal that otherwise syncs when it
    /// is closed syncs at once.
    ///
    /// # Errors
    /// The event is not on disk and will not be: the bus has no journal, the journal failed, or the
    /// event is to be written at its completion, which waits for the handler that asks.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the writing.
    pub async fn durable(&self) -> Result<(), DurableError> {
        self.as_any().durable().await
    }
}

impl AnyEvent {
    /// Waits until the event is on disk, like [`EventHandle::durable`].
    ///
    /// # Errors
    /// Same as [`EventHandle::durable`].
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the writing.
    pub async fn durable(&self) -> Result<(), DurableError> {
        let ticket = self.record.head().ticket.as_ref();
        durable(self, ticket.ok_or(DurableError::NoJournal)?).await
    }
}

async fn durable(event: &AnyEvent, ticket: &Ticket) -> Result<(), DurableError> {
    let mut completes = (!ticket.sink.is_write_ahead()).then(|| event.wait());
    let mut place = ticket.place();
    poll_fn(|cx| {
        if let Some(settled) = ticket.settled() {
            return Poll::Ready(settled);
        }
        if let Some(completion) = &mut completes
            && let Poll::Ready(completed) = Pin::new(completion).poll(cx)
        {
            completed.map_err(DurableError::Deadlock)?;
            completes = None;
        }
        place.register(cx.waker());
        ticket.hurry();
        ticket.settled().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
