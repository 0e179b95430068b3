//! The clock and the timer, as the bus's driver uses them.

use core::pin::pin;
use core::task::Poll;

use futures_util::future::{Either, join, select};

use super::tools::{HOUR, Rt, fired, ms, sleep, task, took, touch};
use crate::time::Instant;

pub(super) async fn the_clock_never_goes_back(rt: Rt) {
    let mut last = rt.now();
    for _ in 0..1_000 {
        let now = rt.now();
        assert!(now >= last, "{now:?} comes after {last:?}");
        last = now;
    }
    sleep(&rt, ms(2)).await;
    assert!(rt.now() > last, "time does not pass");
}

pub(super) async fn a_timer_fires_when_its_time_has_come(rt: Rt) {
    let start = rt.now();
    let mut timer = rt.timer();
    timer.as_mut().reset(start + ms(20));
    fired(&mut timer).await;
    took(&rt, start, ms(20));
}

pub(super) async fn a_timer_in_the_past_fires(rt: Rt) {
    sleep(&rt, ms(5)).await;
    let mut timer = rt.timer();
    timer.as_mut().reset(Instant::EPOCH);
    fired(&mut timer).await;
    // This includes a timer that was set to the future, and polled.
    timer.as_mut().reset(rt.now() + HOUR);
    assert!(touch(&mut timer).is_pending());
    timer.as_mut().reset(Instant::EPOCH);
    fired(&mut timer).await;
}

/// On a paused clock, the elapsed time tells which of the two times it was.
pub(super) async fn a_timer_is_set_to_an_earlier_time(rt: Rt) {
    let start = rt.now();
    let mut timer = rt.timer();
    timer.as_mut().reset(start + HOUR);
    assert!(touch(&mut timer).is_pending());
    timer.as_mut().reset(start + ms(10));
    fired(&mut timer).await;
    took(&rt, start, ms(10));
    assert!(rt.now().since(start) < HOUR, "it kept its first time");
}

pub(super) async fn a_timer_is_set_to_a_later_time(rt: Rt) {
    let start = rt.now();
    let mut timer = rt.timer();
    timer.as_mut().reset(start + ms(5));
    assert!(touch(&mut timer).is_pending() || rt.now() >= start + ms(5));
    timer.as_mut().reset(start + ms(40));
    fired(&mut timer).await;
    took(&rt, start, ms(40));
}

pub(super) async fn a_timer_is_used_again(rt: Rt) {
    let mut timer = rt.timer();
    for _ in 0..5 {
        let start = rt.now();
        timer.as_mut().reset(start + ms(3));
        fired(&mut timer).await;
        took(&rt, start, ms(3));
    }
}

pub(super) async fn a_timer_wakes_who_polled_it_last(rt: Rt) {
    let mut timer = rt.timer();
    timer.as_mut().reset(rt.now() + ms(10));
    // Polled first with a waker that does nothing, then by this task: this task is woken.
    let _: Poll<()> = touch(&mut timer);
    fired(&mut timer).await;
}

pub(super) async fn a_timer_that_is_not_set_does_not_fire(rt: Rt) {
    let mut timer = rt.timer();
    let mut far = rt.timer();
    far.as_mut().reset(Instant::from_nanos(u64::MAX - 1));
    assert!(touch(&mut timer).is_pending());
    assert!(touch(&mut far).is_pending());
    let slept = pin!(sleep(&rt, ms(5)));
    let never = pin!(join(fired(&mut timer), fired(&mut far)));
    assert!(matches!(select(slept, never).await, Either::Left(_)));
}

pub(super) async fn a_timer_goes_to_another_task(rt: Rt) {
    let start = rt.now();
    let mut timer = rt.timer();
    timer.as_mut().reset(start + ms(10));
    assert!(touch(&mut timer).is_pending() || rt.now() >= start + ms(10));
    let other = task(&rt, async move { fired(&mut timer).await });
    other.await;
    took(&rt, start, ms(10));
}
