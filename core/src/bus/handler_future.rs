//! The future of a handler, which puts its outcome where it stays.

use alloc::boxed::Box;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::guard;
use super::spare::SpareBoxes;
use super::value::{Answer, Verdict};
use crate::machine::Outcome;

/// A running handler. It is not a `Future`, so that an outcome is not moved from poll to poll.
pub(crate) trait HandlerFuture: Send {
    /// Ready when the handler has ended; then its outcome is in `outcome`.
    fn poll_into(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        outcome: &mut Option<Outcome<Answer>>,
    ) -> Poll<()>;

    /// The handler has ended, so its box can be used again.
    fn give_back(self: Pin<Box<Self>>, spare: &mut SpareBoxes);
}

pin_project_lite::pin_project! {
    /// The future a handler returned, and the verdict on its value. The future is not behind a tag:
    /// it is read right after it was written here, and a processor forwards a store to a load only
    /// if the load is within it.
    pub(crate) struct Answering<F, M> {
        #[pin]
        future: Option<F>,
        verdict: M,
    }
}

impl<F, M> Answering<F, M> {
    #[inline]
    pub(crate) const fn new(future: F, verdict: M) -> Self {
        Self { future: Some(future), verdict }
    }
}

impl<F, M> HandlerFuture for Answering<F, M>
where
    F: Future + Send + 'static,
    M: Fn(F::Output) -> Verdict + Send + 'static,
{
    /// Drops the handler's future as soon as it has ended and its output is where it stays, or has
    /// panicked. Either drop may panic, which must not happen while another panic goes on, nor with
    /// the output at hand, whose drop may panic too. Polled again, this is never ready.
    #[inline]
    fn poll_into(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        outcome: &mut Option<Outcome<Answer>>,
    ) -> Poll<()> {
        let mut this = self.project();
        let mut future = Unless(this.future.as_mut());
        let polled = future.0.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx));
        if let Poll::Ready(output) = polled {
            *outcome = Some((this.verdict)(output).0);
            core::mem::forget(future);
            this.future.set(None);
            return Poll::Ready(());
        }
        core::mem::forget(future);
        Poll::Pending
    }

    fn give_back(self: Pin<Box<Self>>, spare: &mut SpareBoxes) {
        spare.keep(self);
    }
}

/// Drops a future, unless its poll returned.
struct Unless<'a, F>(Pin<&'a mut Option<F>>);

impl<F> Drop for Unless<'_, F> {
    fn drop(&mut self) {
        let _ = guard::catch(|| self.0.set(None));
    }
}

impl fmt::Debug for dyn HandlerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandlerFuture")
    }
}
