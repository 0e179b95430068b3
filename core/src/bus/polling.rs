//! What the holder of the turn does with one handler: call it, poll it, keep it until it is woken.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroUsize;
use core::task::Context;

use super::context::{Current, Polled};
use super::guard;
use super::handler::{Beginning, Callable, FirstPoll, Started};
use super::record::ParentLink;
use super::send::ParentRef;
use super::share;
use super::shared::BookRun;
use super::spawned::{Leash, SpawnedTask};
use super::task::{self, Readiness, Running, Task};
use super::turn::{Holder, Turn};
use super::value::Verdict;
use crate::machine::{Action, Beside, Handler, InvocationKey};

/// How many wakers are kept for later invocations.
const SPARE_WAKERS: usize = 64;

impl Holder<'_> {
    /// Calls a handler and polls its future for the first time.
    pub(super) fn begin(&mut self, run: BookRun) -> Option<InvocationKey> {
        let BookRun { invocation, event, beside, payload, handler: entry, .. } = run;
        let Action::Call(handler) = &entry.action else { return None };
        let head = payload.head();
        let hub = self.bus.hub.address();
        let parent = ParentRef {
            event: Some(event),
            depth: head.depth,
            link: ParentLink::new(head.id(), Some(entry.info.key)),
        };
        let polled_with = |waker| {
            let polled = Some(Polled { hub, invocation, waker });
            Current { polled, hub, parent, in_scope: 0 }
        };
        let call = |first: FirstPoll<'_, '_>| handler.call(payload, self.bus, invocation, first);
        let ended = if beside == Beside::Others && self.bus.spawns {
            self.begin_spawned(polled_with(None), invocation, call)
        } else {
            let Turn { spare_boxes, outcome, next_waker, spare_wakers, .. } = &mut *self.turn;
            let new = || spare_wakers.pop().unwrap_or_else(|| Readiness::new(self.bus));
            let ready = next_waker.get_or_insert_with(new);
            ready.assign(invocation);
            let waker = NonZeroUsize::new(ready.waker().data().addr());
            let mut cx = Context::from_waker(ready.waker());
            let first = FirstPoll { place: Some((&mut cx, spare_boxes)), outcome };
            match task::guarded(polled_with(waker), &self.bus.span, || call(first)) {
                Ok(Started(Beginning::Ended)) => {
                    self.drop_shared_waker();
                    Some(invocation)
                }
                Ok(Started(Beginning::Polled(future))) => {
                    self.park(invocation, Running::new(future, polled_with(waker)));
                    None
                }
                Ok(Started(Beginning::Unpolled(future))) => {
                    self.park(invocation, Running::new(future, polled_with(waker)));
                    self.poll_again(invocation)
                }
                Err(panicked) => {
                    self.drop_shared_waker();
                    self.ended(invocation, panicked)
                }
            }
        };
        // Before its end is told: then nobody holds the function of a handler that was removed.
        let spare = &mut self.turn.hand.spare;
        let earlier = if entry.is_registered() { spare.replace(entry) } else { Some(entry) };
        if let Some(earlier) = earlier {
            discard_handler(earlier);
        }
        ended
    }

    /// Keeps a handler that has not ended, with the waker it was called with.
    fn park(&mut self, invocation: InvocationKey, running: Running) {
        let Turn { next_waker, tasks, .. } = &mut *self.turn;
        if let Some(ready) = next_waker.take() {
            tasks.insert(invocation, Task { running, ready });
        }
    }

    /// Calls a handler whose future will be a task of the runtime.
    #[cold]
    #[inline(never)]
    fn begin_spawned(
        &mut self,
        current: Current,
        invocation: InvocationKey,
        call: impl FnOnce(FirstPoll<'_, '_>) -> Started,
    ) -> Option<InvocationKey> {
        let first = FirstPoll { place: None, outcome: &mut self.turn.outcome };
        match task::guarded(current, &self.bus.span, || call(first)) {
            Ok(Started(Beginning::Ended)) => Some(invocation),
            Ok(Started(Beginning::Polled(future) | Beginning::Unpolled(future))) => {
                self.spawn(Running::new(future, current), invocation);
                None
            }
            Err(panicked) => self.ended(invocation, panicked),
        }
    }

    #[inline]
    fn ended(&mut self, invocation: InvocationKey, verdict: Verdict) -> Option<InvocationKey> {
        // It may have had an outcome before it panicked.
        guard::discard(self.turn.outcome.replace(verdict.0));
        Some(invocation)
    }

    /// Polls an invocation again. A wake-up for one that has ended does nothing.
    #[inline(never)]
    pub(super) fn poll_again(&mut self, invocation: InvocationKey) -> Option<InvocationKey> {
        // The task stays where it is, because it is large. It is looked up again only when it has ended.
        let Turn { tasks, outcome, spare_boxes, .. } = &mut *self.turn;
        let Task { running, ready } = tasks.get_mut(invocation)?;
        ready.rearm();
        let mut cx = Context::from_waker(ready.waker());
        if running.poll(&self.bus.span, &mut cx, outcome, Some(spare_boxes)).is_pending() {
            return None;
        }
        if let Some(task) = self.turn.tasks.remove(invocation) {
            self.keep(task.ready);
        }
        Some(invocation)
    }

    /// Gives an invocation a task of its own, which reports its end itself.
    fn spawn(&mut self, running: Running, invocation: InvocationKey) {
        let leash = Arc::new(Leash::default());
        self.turn.leashes.insert(invocation, leash.clone());
        let task = SpawnedTask { bus: self.bus.clone(), running, invocation, leash };
        self.latched.runtime.spawn(Box::pin(task));
        share::count_task();
    }

    /// Keeps a waker for another invocation if nobody else has it.
    #[inline]
    pub(super) fn keep(&mut self, ready: Readiness) {
        if ready.is_ours_alone() && self.turn.spare_wakers.len() < SPARE_WAKERS {
            self.turn.spare_wakers.push(ready);
        }
    }

    /// Drops the waker that the last handler was called with, if somebody else has it too.
    #[inline]
    fn drop_shared_waker(&mut self) {
        self.turn.next_waker.take_if(|ready| !ready.is_ours_alone());
    }
}

/// Drops a handler. It may no longer be registered, and this may be the last reference.
#[inline]
pub(super) fn discard_handler(handler: Arc<Handler<Arc<dyn Callable>>>) {
    if let Some(handler) = Arc::into_inner(handler) {
        discard_function(handler);
    }
}

#[cold]
fn discard_function(handler: Handler<Arc<dyn Callable>>) {
    guard::discard(handler);
}
