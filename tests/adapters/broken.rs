//! The conformance suite finds what is wrong with a runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use busway::testing::{TestHandle, TestRuntime};
use busway::{Instant, Runtime, Task, Timer};

/// What is wrong.
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

/// The cases that fail. Those with foreign threads are left out: without them, a hang is seen.
fn failures(flaw: Flaw) -> Vec<&'static str> {
    let fails = |case: &busway::conformance::Case| {
        let runtime = TestRuntime::new(0);
        let flawed = Flawed(runtime.handle(), flaw);
        catch_unwind(AssertUnwindSafe(|| runtime.block_on(case.play(flawed)))).is_err()
    };
    let cases = busway::conformance::cases().filter(|case| !case.name().contains("foreign"));
    cases.filter(fails).map(|case| case.name()).collect()
}

#[test]
fn each_flaw_is_found() {
    assert_eq!(failures(Flaw::None), [""; 0]);
    for (flaw, found_by) in [
        (Flaw::TimerIsEarly, "a_timer_fires_when_its_time_has_come"),
        (Flaw::TimerKeepsItsFirstTime, "a_timer_is_set_to_an_earlier_time"),
        (Flaw::TimerKeepsItsFirstTime, "a_timer_is_set_to_a_later_time"),
        (Flaw::TimerWakesNobody, "a_limit_ends_a_handler"),
        (Flaw::TimerForgetsThePast, "a_timer_in_the_past_fires"),
        (Flaw::TimerIsUsedOnce, "a_timer_is_used_again"),
        (Flaw::TimerStartsDue, "a_timer_that_is_not_set_does_not_fire"),
        (Flaw::TaskIsDropped, "a_task_is_run"),
        (Flaw::TaskIsDropped, "events_start_in_order"),
    ] {
        let failures = failures(flaw);
        assert!(failures.contains(&found_by), "{flaw:?} is only found by {failures:?}");
    }
}

/// Its sleeps never end, so it is played alone.
#[test]
fn a_clock_that_stands_is_found() {
    let case = busway::conformance::cases().next().expect("the case of the clock");
    let runtime = TestRuntime::new(0);
    let flawed = Flawed(runtime.handle(), Flaw::ClockStands);
    let slept = Duration::from_secs(1);
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(case.play(flawed))));
    assert!(played.is_err() && runtime.handle().elapsed() < slept);
}
