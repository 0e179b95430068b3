//! Waiting until an event is on disk.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;

use super::SinkError;
use super::ticket::Ticket;
use crate::bus::error::WaitError;

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

/// Waits until what became of the line is known. `completion` is the wait for the event.
pub(crate) async fn durable<T>(
    ticket: &Ticket,
    completion: impl Future<Output = Result<T, WaitError>> + Unpin,
) -> Result<(), DurableError> {
    let mut completes = (!ticket.sink.is_write_ahead()).then_some(completion);
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
