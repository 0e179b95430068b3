//! Invocations that are tasks of the runtime (R10), and tasks that belong to an invocation (R12).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::context::{self, Current};
use super::guard;
use super::send::ParentRef;
use super::shared::{BusShared, HubShared};
use super::task::Running;
use super::value::Answer;
use crate::machine::{InvocationKey, Outcome};
use crate::sync::OneWaker;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Ends an invocation that runs as a task of its own.
#[derive(Default)]
pub(crate) struct Leash {
    is_cut: AtomicBool,
    task: OneWaker,
}

impl Leash {
    /// Ends the invocation: its task drops the handler's future at its next poll.
    pub(crate) fn mark(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    /// Does the same, and has the task polled.
    pub(crate) fn cut(&self) {
        self.mark();
        // The waker belongs to whatever polls the task.
        let _ = guard::catch(|| self.task.wake());
    }
}

/// The task of one invocation.
pub(crate) struct SpawnedTask {
    pub(crate) bus: Arc<BusShared>,
    pub(crate) running: Running,
    pub(crate) invocation: InvocationKey,
    pub(crate) leash: Arc<Leash>,
}

impl Future for SpawnedTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.leash.task.register(cx.waker());
        // In this order: the holder of the turn marks the leash before it takes the mail.
        if self.bus.is_told_to_end(self.invocation) || self.leash.is_cut.load(Ordering::Acquire) {
            let Self { running, bus, .. } = &mut *self;
            running.discard(&bus.span);
            return Poll::Ready(());
        }
        let Self { running, bus, .. } = &mut *self;
        let mut outcome = None;
        ready!(context::outside(|| running.poll(&bus.span, cx, &mut outcome, None)));
        self.bus.spawned_ended(self.invocation, outcome);
        Poll::Ready(())
    }
}

impl Drop for SpawnedTask {
    fn drop(&mut self) {
        if self.running.is_pending() {
            self.running.discard(&self.bus.span);
            // A runtime that is shut down drops its tasks, the driver's before this one or after it.
            if !self.leash.is_cut.load(Ordering::Acquire) {
                self.bus.stop_now(false);
            }
        }
    }
}

impl BusShared {
    fn spawned_ended(
        self: &Arc<Self>,
        invocation: InvocationKey,
        outcome: Option<Outcome<Answer>>,
    ) {
        let now = self.hub.now();
        let refused = outcome
            .and_then(|outcome| self.hub.input(|hub| hub.books.finished(invocation, outcome, now)));
        // An invocation that was ended meanwhile already has its result.
        guard::discard(refused);
        // Its leash is no longer needed.
        self.mail(|inbox| inbox.spawned_ended.push(invocation));
    }
}

/// Carries the parent into a task that a handler spawns. Made by
/// [`EventHandle::scope`](super::EventHandle::scope).
///
/// Events dispatched while it is polled are children of the handler's event. Waits in it belong to
/// what polls it: the task, or the handler itself.
#[must_use = "futures do nothing unless they are polled"]
pub struct Scope<F> {
    future: Pin<Box<F>>,
    scope: Current,
    /// Held because the hub is identified by its address.
    _hub: Arc<HubShared>,
}

impl<F> Scope<F> {
    pub(crate) fn below(future: F, parent: ParentRef, hub: Arc<HubShared>) -> Self {
        let scope = Current { polled: None, hub: hub.address(), parent, in_scope: 1 };
        Self { future: Box::pin(future), scope, _hub: hub }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, scope, .. } = &mut *self;
        context::enter_scope(scope, || future.as_mut().poll(cx))
    }
}

impl<F> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
