//! Timers that can be polled in their runtime and elsewhere, also after its end.

use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use busway_core::{Instant, Timer};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

use super::is_current;

/// Tokio's own "far future", for a deadline beyond its clock's range.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

pub(crate) struct TokioTimer {
    handle: Handle,
    epoch: TokioInstant,
    deadline: Option<TokioInstant>,
    /// What is polled inside the runtime, as a driver does.
    sleep: Option<Pin<Box<Sleep>>>,
    /// What is polled elsewhere: a task of the runtime that sleeps. A `Sleep` whose runtime is shut down
    /// panics when it is polled; a task says that it was cancelled.
    task: Option<JoinHandle<()>>,
    /// The deadline that was given up for want of a runtime.
    given_up: Option<TokioInstant>,
}

/// The runtime is shut down.
struct Gone;

impl TokioTimer {
    pub(crate) const fn new(handle: Handle, epoch: TokioInstant) -> Self {
        Self { handle, epoch, deadline: None, sleep: None, task: None, given_up: None }
    }

    fn poll_inside(&mut self, deadline: TokioInstant, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(cx)
    }

    fn poll_elsewhere(
        &mut self,
        deadline: TokioInstant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        let sleeps = || self.handle.spawn(async move { sleep_until(deadline).await });
        let task = self.task.get_or_insert_with(sleeps);
        let ended = ready!(Pin::new(task).poll(cx));
        self.task = None;
        Poll::Ready(ended.map_err(|error| match error.try_into_panic() {
            // Its time driver is not enabled.
            Ok(panic) => resume_unwind(panic),
            Err(_cancelled) => Gone,
        }))
    }

    /// Outside of all runtimes nothing would ever wake the caller, so its time has come. A caller that
    /// comes back for the same time, as a driver does, is not told again: it would do so without end.
    fn give_up(&mut self, deadline: TokioInstant) -> Poll<()> {
        match self.given_up.replace(deadline) {
            Some(told) if told == deadline => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    fn forget_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Timer for TokioTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        let after = at.since(Instant::EPOCH);
        let deadline = self.epoch.checked_add(after).unwrap_or_else(|| self.epoch + FAR);
        self.deadline = Some(deadline);
        self.forget_task();
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(deadline);
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if !is_current(&self.handle) {
            match ready!(self.poll_elsewhere(deadline, cx)) {
                Ok(()) => return Poll::Ready(()),
                Err(Gone) => {
                    let Ok(here) = Handle::try_current() else { return self.give_up(deadline) };
                    (self.handle, self.sleep) = (here, None);
                }
            }
        }
        self.poll_inside(deadline, cx)
    }
}

impl Drop for TokioTimer {
    fn drop(&mut self) {
        self.forget_task();
    }
}

impl fmt::Debug for TokioTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioTimer").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[test]
    fn without_any_runtime_a_deadline_is_given_up_once() {
        let gone = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut timer = pin!(TokioTimer::new(gone.handle().clone(), TokioInstant::now()));
        drop(gone);
        let mut told = |seconds| {
            timer.as_mut().reset(Instant::EPOCH + Duration::from_secs(seconds));
            timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        assert!(told(60));
        assert!(!told(60), "a driver would ask without end");
        assert!(told(70));
    }
}
