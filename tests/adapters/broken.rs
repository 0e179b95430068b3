//! The conformance suite finds the flaws of a runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use busway::testing::{TestHandle, TestRuntime};
use busway::{Instant, Runtime, Task, Timer};

/// What is wrong with the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    ClockStands,
    TimerIsEarly,
    TimerKeepsItsFirstTime,
    TimerWakesNobody,
    TimerForgetsThePast,
    TimerIsUsedOnce,
    TimerStartsDue,
    TaskIsDropped,
}

#[derive(Clone, Debug)]
struct Flawed(TestHandle, Flaw);

#[derive(Debug)]
struct FlawedTimer {
    timer: Pin<Box<dyn Timer>>,
    runtime: Flawed,
    is_set: bool,
    has_fired: bool,
}

impl Runtime for Flawed {
    fn now(&self) -> Instant {
        if self.1 == Flaw::ClockStands { Instant::EPOCH } else { self.0.now() }
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        let (timer, runtime) = (self.0.timer(), self.clone());
        Box::pin(FlawedTimer { timer, runtime, is_set: false, has_fired: false })
    }

    fn spawn(&self, task: Task) {
        if self.1 != Flaw::TaskIsDropped {
            Runtime::spawn(&self.0, task);
        }
    }

    fn is_current(&self) -> bool {
        self.0.is_current()
    }
}

impl Timer for FlawedTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        let now = self.runtime.0.now();
        let at = match self.runtime.1 {
            Flaw::TimerKeepsItsFirstTime if self.is_set => return,
            Flaw::TimerForgetsThePast if at <= now => Instant::FAR,
            Flaw::TimerIsEarly if at > now => now + at.since(now) / 2,
            _ => at,
        };
        self.is_set = true;
        self.timer.as_mut().reset(at);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let flaw = self.runtime.1;
        if flaw == Flaw::TimerStartsDue && !self.is_set {
            return Poll::Ready(());
        }
        if flaw == Flaw::TimerIsUsedOnce && self.has_fired {
            return Poll::Pending;
        }
        let mut nobody = Context::from_waker(Waker::noop());
        let cx = if flaw == Flaw::TimerWakesNobody { &mut nobody } else { cx };
        let polled = self.timer.as_mut().poll(cx);
        self.has_fired |= polled.is_ready();
        polled
    }
}

/// Returns whether a case finds a flaw. A case that would hang on other runtimes panics on this one.
fn finds(flaw: Flaw, name: &str) -> bool {
    let case = busway::conformance::cases().find(|case| case.name() == name);
    let case = case.expect("a case of this name");
    let runtime = TestRuntime::new(0);
    let flawed = Flawed(runtime.handle(), flaw);
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(case.play(flawed)))).is_err()
}

#[test]
fn each_flaw_is_found() {
    for (flaw, name) in [
        (Flaw::ClockStands, "the_clock_never_goes_back"),
        (Flaw::TimerIsEarly, "a_timer_fires_when_its_time_has_come"),
        (Flaw::TimerKeepsItsFirstTime, "a_timer_is_set_to_an_earlier_time"),
        (Flaw::TimerKeepsItsFirstTime, "a_timer_is_set_to_a_later_time"),
        (Flaw::TimerWakesNobody, "a_limit_ends_a_handler"),
        (Flaw::TimerForgetsThePast, "a_timer_in_the_past_fires"),
        (Flaw::TimerIsUsedOnce, "a_timer_is_used_again"),
        (Flaw::TimerStartsDue, "a_timer_that_is_not_set_does_not_fire"),
        (Flaw::TaskIsDropped, "a_task_is_run"),
        (Flaw::TaskIsDropped, "nobody_waits_and_time_is_over"),
    ] {
        assert!(!finds(Flaw::None, name), "{name} fails where there is nothing wrong");
        assert!(finds(flaw, name), "{name} does not find that {flaw:?}");
    }
}
