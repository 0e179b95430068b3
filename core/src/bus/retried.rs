//! A handler that is tried again when it fails (R45): all tries are one invocation.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::error::HandlerError;
use super::guard::Discarded;
use super::handler::{Beginning, Callable, FirstPoll, Started};
use super::handler_future::{Answering, HandlerFuture};
use super::lending::Lender;
use super::lineage::Caller;
use super::record::Erased;
use super::shared::BusShared;
use super::value::{Answer, Verdict};
use crate::machine::{InvocationKey, Outcome, Warning};
use crate::retry::{self, Call, Clock, GivenUp, Numbers, RetryOn, RetryPolicy, SlotRules};
use crate::runtime::NoRuntime;
use crate::semaphore::SemaphoreError;

/// A policy for handlers, whatever decides which errors are worth a retry.
#[derive(Clone)]
pub(crate) struct HandlerRetry {
    numbers: Numbers,
    slots: SlotRules,
    on: Arc<dyn RetryOn<HandlerError> + Send + Sync>,
}

impl HandlerRetry {
    pub(crate) fn new<On, R>(policy: RetryPolicy<On, R>) -> Self
    where
        On: RetryOn<HandlerError> + Send + Sync + 'static,
    {
        let RetryPolicy { numbers, slots, on, .. } = policy;
        Self { numbers, slots, on: Arc::new(on) }
    }

    /// Wraps the handler of this name in its tries.
    pub(crate) fn around(self, handler: Arc<dyn Callable>, name: &str) -> Arc<dyn Callable> {
        Arc::new(Retried { handler, policy: Arc::new(self), name: name.into() })
    }
}

struct Retried {
    handler: Arc<dyn Callable>,
    policy: Arc<HandlerRetry>,
    name: Arc<str>,
}

impl Callable for Retried {
    fn call(
        &self,
        event: Arc<dyn Erased>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
        first: FirstPoll<'_, '_>,
    ) -> Started {
        let Self { handler, policy, name } = self;
        let handler = Handling {
            handler: Discarded::new(handler.clone()),
            on: Discarded::new(policy.on.clone()),
            event: Discarded::new(event),
            bus: bus.clone(),
            by,
        };
        let policy = Discarded::new(policy.clone());
        let tries = || all_tries(handler, policy, name.clone());
        Started::new(|| Answering::new(tries(), |verdict| verdict), first)
    }
}

async fn all_tries(
    handling: Handling,
    policy: Discarded<Arc<HandlerRetry>>,
    name: Arc<str>,
) -> Verdict {
    let HandlerRetry { numbers, slots, .. } = &**policy;
    let bus = handling.bus.clone();
    let Ok(latched) = bus.hub.runtime() else {
        return Verdict::failed(NoRuntime::new());
    };
    let mut clock = Clock::new(latched.runtime.clone());
    // While it waits for its slot, it has not been tried.
    if slots.limit.is_some() {
        handling.tried(0);
    }
    let by = handling.by;
    let caller = || Caller::invocation(&bus, &**handling.event, by);
    let lender = || Some(Lender::new(&bus.hub, by));
    let told = |error: &SemaphoreError| handling.warn(&name, error);
    let named = (&*name, numbers.rules.timeout);
    match slots.acquire(named, caller, lender, &mut clock, told).await {
        Err(error) => Verdict::failed(error),
        Ok(slot) => match retry::run(numbers, slot, &mut clock, handling).await {
            Ok(verdict) | Err(GivenUp::Failed((verdict, _), _)) => verdict,
            Err(GivenUp::TimedOut(limit, _)) => Verdict(Outcome::TimedOut { limit }),
        },
    }
}

/// One invocation of the handler.
struct Handling {
    // They may no longer be registered, and these may be the last references.
    handler: Discarded<Arc<dyn Callable>>,
    on: Discarded<Arc<dyn RetryOn<HandlerError> + Send + Sync>>,
    event: Discarded<Arc<dyn Erased>>,
    bus: Arc<BusShared>,
    by: InvocationKey,
}

impl Handling {
    fn tried(&self, tries: u32) {
        self.bus.hub.input(|hub| hub.books.tried(self.by, tries));
    }

    fn warn(&self, handler: &str, error: &SemaphoreError) {
        let (bus, handler) = (self.bus.name(), String::from(handler));
        let reason = alloc::format!("{error}");
        self.bus.hub.warnings.tell(&Warning::WithoutSlot { bus, handler, reason });
    }
}

/// One try, as a future.
enum Try {
    Runs(Pin<Box<dyn HandlerFuture>>),
    Ended(Option<Outcome<Answer>>),
}

impl Future for Try {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        let outcome = match &mut *self {
            Self::Ended(outcome) => outcome.take(),
            Self::Runs(future) => {
                let mut outcome = None;
                ready!(future.as_mut().poll_into(cx, &mut outcome));
                outcome
            }
        };
        outcome.map_or(Poll::Pending, |outcome| Poll::Ready(Verdict(outcome)))
    }
}

impl Call for Handling {
    type Value = Verdict;
    type Error = (Verdict, HandlerError);
    type Output = Verdict;
    type Future = Try;

    fn try_once(&mut self, number: u32) -> Self::Future {
        self.tried(number);
        let mut outcome = None;
        let later = FirstPoll { place: None, outcome: &mut outcome };
        match self.handler.call((*self.event).clone(), &self.bus, self.by, later).0 {
            Beginning::Polled(future) | Beginning::Unpolled(future) => Try::Runs(future),
            Beginning::Ended => Try::Ended(outcome),
        }
    }

    fn sort(&self, verdict: Verdict) -> Result<Verdict, Self::Error> {
        match &verdict.0 {
            Outcome::Failed(Answer::Failed(error)) => {
                let error = HandlerError::Failed(error.clone());
                Err((verdict, error))
            }
            _ => Ok(verdict),
        }
    }

    fn may_retry(&self, (_, error): &Self::Error) -> bool {
        self.on.may_retry(error)
    }

    fn over_time(&mut self) {
        let now = self.bus.hub.now();
        self.bus.hub.input(|hub| hub.books.try_timed_out(self.by, now));
    }
}
