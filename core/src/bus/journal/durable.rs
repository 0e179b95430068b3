//! Waiting until an event is on disk.

use core::future::poll_fn;
use core::task::Poll;

use super::SinkError;
use crate::bus::any::AnyEvent;
use crate::bus::handle::EventHandle;
use crate::bus::record::Head;
use crate::event::Event;

/// An event is not on disk, and will not be.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableError {
    /// The bus it was dispatched on has no journal.
    #[error("the bus has no journal")]
    NoJournal,
    /// It was to be written when it completes, and the bus was stopped before.
    #[error("the bus was stopped before the event completed")]
    Stopped,
    /// The journal let go of it before it was written.
    #[error("the journal was closed before the event was written")]
    Closed,
    /// It could not be written: also when the journal was closed by then.
    #[error("the event could not be written")]
    Failed(#[source] SinkError),
}

impl<E: Event> EventHandle<E> {
    /// Waits until the event is on disk: its acceptance where the journal of the bus is written
    /// ahead, else its completion, which this then waits for too. A journal that else
    /// syncs at its close syncs at once.
    ///
    /// Do not await it in a handler of that very event unless its journal is written ahead: the
    /// completion it waits for would not come before the handler's time is over.
    ///
    /// # Errors
    /// It is not, and will not be: the bus has no journal, or the journal failed.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the writing.
    pub async fn durable(&self) -> Result<(), DurableError> {
        durable(&self.record.head).await
    }
}

impl AnyEvent {
    /// Waits until the event is on disk, as [`EventHandle::durable`].
    ///
    /// # Errors
    /// It is not, and will not be: the bus has no journal, or the journal failed.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, not the writing.
    pub async fn durable(&self) -> Result<(), DurableError> {
        durable(self.record.head()).await
    }
}

async fn durable(head: &Head) -> Result<(), DurableError> {
    let ticket = head.ticket.as_ref().ok_or(DurableError::NoJournal)?;
    let mut place = ticket.place();
    poll_fn(|cx| {
        if let Some(settled) = ticket.settled() {
            return Poll::Ready(settled);
        }
        place.register(cx.waker());
        ticket.hurry();
        ticket.settled().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
