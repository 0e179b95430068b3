//! Invocations that wait to be polled again: their wakers, and what others tell the turn's holder.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::any::TypeId;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};

use super::context::Current;
use super::handler::Started;
use super::shared::BusShared;
use super::value::Verdict;
use crate::machine::{InvocationKey, Key};

/// A running handler between two polls.
pub(crate) struct Task {
    /// There until it has ended.
    pub(crate) future: Option<Pin<Box<dyn Future<Output = Verdict> + Send>>>,
    /// What it ended with.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) ready: Readiness,
    pub(crate) current: Current,
    pub(crate) invocation: InvocationKey,
    /// The type its value is to be of.
    pub(crate) expected: (TypeId, &'static str),
}

/// Whether an invocation is to be polled again. It is used for another one once nobody else has a
/// clone of the waker.
pub(crate) struct Readiness {
    task: Arc<TaskWaker>,
    /// Of `task`; made once.
    waker: Waker,
}

/// Wakes one invocation: marks it ready, and tells whoever polls the bus.
struct TaskWaker {
    bus: Weak<BusShared>,
    invocation: AtomicU64,
    is_ready: AtomicBool,
}

/// What is told to the holder of the turn by those who do not have it.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) woken: Vec<InvocationKey>,
    pub(crate) cancelled: Vec<InvocationKey>,
}

impl Task {
    /// A handler was called.
    #[inline]
    pub(crate) fn start(&mut self, started: Started) {
        match started {
            Started::Ended(verdict) => self.verdict = Some(verdict),
            Started::Running(future) => {
                self.future = Some(future);
                self.poll();
            }
        }
    }

    /// Polls the future, and drops it when it has ended.
    #[inline]
    pub(crate) fn poll(&mut self) {
        let mut cx = Context::from_waker(&self.ready.waker);
        let polled = self.future.as_mut().map(|future| future.as_mut().poll(&mut cx));
        if let Some(Poll::Ready(verdict)) = polled {
            self.verdict = Some(verdict);
            self.future = None;
        }
    }
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

    /// Makes it this invocation's.
    #[inline]
    pub(crate) fn assign(&self, invocation: InvocationKey) {
        self.task.invocation.store(invocation.to_bits(), Ordering::Release);
        self.rearm();
    }

    /// Wake-ups from now on count again; asked before each poll.
    #[inline]
    pub(crate) fn rearm(&self) {
        self.task.is_ready.store(false, Ordering::Release);
    }

    /// Whether nobody else has a clone of the waker.
    #[inline]
    pub(crate) fn is_ours_alone(&self) -> bool {
        Arc::strong_count(&self.task) == 2
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        let invocation = Key::from_bits(self.invocation.load(Ordering::Acquire));
        if let (Some(bus), Some(invocation)) = (self.bus.upgrade(), invocation) {
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
}
