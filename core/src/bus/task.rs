//! Running handlers, their wakers, and what others tell the holder of the turn.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::pin::Pin;
use core::sync::atomic::fence;
use core::task::{Context, Poll, Waker};

use hashbrown::HashMap;

use super::context::{self, Current};
use super::guard;
use super::handler_future::HandlerFuture;
use super::room;
use super::shared::BusShared;
use super::span::Span;
use super::spare::SpareBoxes;
use super::value::{Answer, Verdict};
use crate::machine::{InvocationKey, Key, Outcome};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A running handler, whoever polls it.
pub(crate) struct Running {
    /// `None` once it has ended.
    future: Option<Pin<Box<dyn HandlerFuture>>>,
    current: Current,
}

/// A handler that the holder of the turn polls, between two polls.
pub(crate) struct Task {
    pub(crate) running: Running,
    pub(crate) ready: Readiness,
}

/// Whether an invocation is to be polled again. It is reused for another one once nobody else has a
/// clone of the waker.
pub(crate) struct Readiness {
    task: Arc<TaskWaker>,
    /// Made from `task`, once.
    waker: Waker,
}

/// Wakes one invocation: marks it ready, and tells the task that polls the bus.
struct TaskWaker {
    bus: Weak<BusShared>,
    invocation: AtomicU64,
    is_ready: AtomicBool,
}

/// What others leave for the holder of the turn.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) woken: Vec<InvocationKey>,
    pub(crate) resumed: Vec<InvocationKey>,
    pub(crate) cancelled: Vec<InvocationKey>,
    /// The same, for the polls of those that run as tasks of the runtime.
    told_to_end: HashMap<InvocationKey, ()>,
    /// Those that ran as tasks of the runtime.
    pub(crate) spawned_ended: Vec<InvocationKey>,
}

impl Inbox {
    pub(crate) fn cancel(&mut self, invocation: InvocationKey) {
        self.cancelled.push(invocation);
        self.told_to_end.insert(invocation, ());
    }

    /// Moves those that were cancelled to the end of `to`.
    pub(crate) fn take_cancelled(&mut self, to: &mut Vec<InvocationKey>) {
        to.append(&mut self.cancelled);
        self.told_to_end.clear();
        room::give_back(&mut self.told_to_end);
    }
}

impl Running {
    pub(crate) const fn new(future: Pin<Box<dyn HandlerFuture>>, current: Current) -> Self {
        Self { future: Some(future), current }
    }

    /// Polls the future. When it has ended, its outcome is in `outcome`, and its box goes to `spare`.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        span: &Span,
        cx: &mut Context<'_>,
        outcome: &mut Option<Outcome<Answer>>,
        spare: Option<&mut SpareBoxes>,
    ) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        match guarded(self.current, span, || future.as_mut().poll_into(cx, outcome)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                if let Some((ended, spare)) = self.future.take().zip(spare) {
                    ended.give_back(spare);
                }
                Poll::Ready(())
            }
            Err(panicked) => {
                self.discard(span);
                guard::discard(outcome.replace(panicked.0));
                Poll::Ready(())
            }
        }
    }

    /// Whether it still has a future, and so has not ended.
    pub(crate) const fn is_pending(&self) -> bool {
        self.future.is_some()
    }

    /// Drops a future that will not be polled again.
    pub(crate) fn discard(&mut self, span: &Span) {
        span.discard(self.future.take());
    }
}

/// Runs the user's code of an invocation; `Err` is the verdict if it panics.
#[inline]
pub(crate) fn guarded<T>(
    current: Current,
    span: &Span,
    code: impl FnOnce() -> T,
) -> Result<T, Verdict> {
    let run = || guard::catch(|| span.enter(code));
    context::enter(current, run).map_err(|panic| Verdict::panicked(&panic))
}

impl Readiness {
    pub(crate) fn new(bus: &Arc<BusShared>) -> Self {
        let task = Arc::new(TaskWaker {
            bus: Arc::downgrade(bus),
            invocation: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
        });
        Self { waker: Waker::from(task.clone()), task }
    }

    /// Assigns it to this invocation.
    #[inline]
    pub(crate) fn assign(&self, invocation: InvocationKey) {
        self.task.invocation.store(invocation.to_bits(), Ordering::Release);
        // Nobody else has the waker yet.
        self.task.is_ready.store(false, Ordering::Release);
    }

    /// Makes wake-ups count again; called before each poll.
    #[inline]
    pub(crate) fn rearm(&self) {
        // Not a store: a wake-up that found the mark still set relies on this poll, which has to see what
        // was written before it.
        self.task.is_ready.swap(false, Ordering::AcqRel);
    }

    /// Marks it to be polled; false if it was marked already.
    #[inline]
    pub(crate) fn mark(&self) -> bool {
        self.task.mark()
    }

    #[inline]
    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether nobody else has a clone of the waker.
    #[inline]
    pub(crate) fn is_ours_alone(&self) -> bool {
        let is_so = Arc::strong_count(&self.task) == 2;
        if is_so {
            // What the others did with their clones came before.
            fence(Ordering::Acquire);
        }
        is_so
    }
}

impl TaskWaker {
    #[inline]
    fn mark(&self) -> bool {
        !self.is_ready.swap(true, Ordering::AcqRel)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.mark() {
            return;
        }
        let invocation = Key::from_bits(self.invocation.load(Ordering::Acquire));
        let Some(invocation) = invocation else { return };
        if let Some(bus) = self.bus.upgrade() {
            bus.mail(|inbox| inbox.woken.push(invocation));
        }
    }
}

impl BusShared {
    /// Leaves something for the holder of the turn, or for the next one.
    pub(crate) fn mail(self: &Arc<Self>, put: impl FnOnce(&mut Inbox)) {
        put(&mut self.inbox.lock());
        self.has_mail.store(true, Ordering::Release);
        self.notify();
    }

    /// Whether an invocation was ended, and whoever has the turn has not looked since.
    pub(crate) fn is_told_to_end(&self, invocation: InvocationKey) -> bool {
        self.has_mail.load(Ordering::Acquire)
            && self.inbox.lock().told_to_end.contains_key(&invocation)
    }
}
