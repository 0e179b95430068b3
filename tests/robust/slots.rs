//! Calls that hold a slot or wait for one, dropped after every possible number of polls: every slot is
//! free again at once, and the next waiter gets it.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use busway::{BoxError, EventHandle, Retry, RetryError, RetryPolicy, Runtime};

use crate::ledger::{Alive, Job};
use crate::manual::{Counter, Manual, driven, yields};

const TICK: Duration = Duration::from_millis(1);

type Policy = RetryPolicy<busway::Always, Arc<dyn Runtime>>;
type Call<'a> = Pin<Box<dyn Future<Output = Result<(), RetryError>> + Send + 'a>>;

fn policy(runtime: &Manual, name: &str) -> Policy {
    Retry::new()
        .retries(1)
        .wait(2 * TICK)
        .timeout(3 * TICK)
        .semaphore_limit(2)
        .semaphore_name(format!("robust {name}"))
        .semaphore_timeout(4 * TICK)
        .semaphore_lax(false)
        .runtime(runtime.clone())
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Holds its slot until it is dropped. Once it has the slot, it is in at once.
fn hold(policy: &Policy) -> Call<'_> {
    Box::pin(policy.run(pending::<Result<(), BoxError>>))
}

/// Asserts that all slots are free: two calls get one at once, and a third does not.
fn assert_all_free(policy: &Policy, what: &str) {
    let tries = policy.clone().semaphore_timeout(Duration::ZERO).timeout(None);
    let mut holders = [hold(&tries), hold(&tries)];
    for holder in &mut holders {
        assert!(poll(holder.as_mut()).is_pending(), "{what}: a slot is lost");
    }
    assert!(poll(hold(&tries).as_mut()).is_ready(), "{what}: there is a slot too many");
}

/// A call that leaves the queue lets two others in at once; the first one's waker panics.
#[test]
fn r46_a_waker_that_panics_keeps_nobody_else_waiting() {
    let runtime = Manual::helping(false);
    let of_limit = |limit| policy(&runtime, "panicking waker").semaphore_limit(limit);
    let (one, three) = (of_limit(1), of_limit(3));
    let mut holder = hold(&one);
    assert!(poll(holder.as_mut()).is_pending());
    let mut first = hold(&one);
    let (mut second, mut third) = (hold(&three), hold(&three));
    assert!(poll(first.as_mut()).is_pending());
    let panics = Waker::from(Arc::new(Panics));
    assert!(second.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    let told = Counter::new();
    assert!(told.poll(third.as_mut()).is_pending());
    assert_eq!(told.wakes(), 0);
    drop(first);
    assert_eq!(told.wakes(), 1, "the third was not told that it is in");
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// Fails once, then succeeds; yields in between.
async fn flaky(policy: &Policy) -> Result<(), RetryError> {
    let mut calls = 0;
    let call = || {
        calls += 1;
        let comes_off = calls > 1;
        async move {
            yields(2).await;
            if comes_off { Ok(()) } else { Err("the first time") }
        }
    };
    policy.run(call).await
}

/// A call that tries, rests and tries again, and one that exceeds its time, each with no, one and two
/// other calls that hold the slots.
#[test]
fn r46_a_dropped_call_gives_its_slot_back_at_every_poll() {
    let mut longest = 0;
    for over_time in [false, true] {
        for others in 0..=2 {
            for polls in 0.. {
                let what = format!("over time: {over_time}, {others} others, {polls} polls");
                let runtime = Manual::helping(false);
                let policy = policy(&runtime, &what);
                let mut holders: Vec<_> = (0..others).map(|_| hold(&policy)).collect();
                for holder in &mut holders {
                    assert!(poll(holder.as_mut()).is_pending());
                }
                let mut call: Call<'_> =
                    if over_time { hold(&policy) } else { Box::pin(flaky(&policy)) };
                let mut is_done = false;
                for at in 0..polls {
                    // The first of the others leaves in between.
                    if at == 2 && !holders.is_empty() {
                        drop(holders.remove(0));
                    }
                    is_done = poll(call.as_mut()).is_ready();
                    if is_done {
                        break;
                    }
                    runtime.advance(TICK);
                }
                drop(call);
                holders.clear();
                assert_all_free(&policy, &what);
                longest = longest.max(polls);
                if is_done {
                    break;
                }
            }
        }
    }
    assert!(longest > 8, "they are dropped at {longest} places at most");
}

/// A call was granted its slot and does not know it yet.
#[test]
fn r46_a_slot_that_was_granted_to_one_who_is_dropped_goes_to_the_next() {
    let runtime = Manual::helping(false);
    let policy = policy(&runtime, "granted");
    let mut holders = [hold(&policy), hold(&policy)];
    holders.iter_mut().for_each(|call| assert!(poll(call.as_mut()).is_pending()));
    for _ in 0..10 {
        let mut first = hold(&policy);
        let mut waiting = pin!(flaky(&policy));
        assert!(poll(first.as_mut()).is_pending() && poll(waiting.as_mut()).is_pending());
        // The first call is granted a slot and is dropped with it: now it is the other's.
        holders[0] = Box::pin(pending());
        drop(first);
        let mut polls = 0;
        while poll(waiting.as_mut()).is_pending() {
            polls += 1;
            assert!(polls < 20, "the slot is lost");
            runtime.advance(TICK);
        }
        holders[0] = hold(&policy);
        assert!(poll(holders[0].as_mut()).is_pending());
    }
    drop(holders);
    assert_all_free(&policy, "granted");
}

/// Handlers that hold a slot, or wait for one, on a bus that is stopped, or whose driver is dropped,
/// after every number of polls.
#[test]
fn r46_a_handler_that_is_ended_gives_its_slot_back_at_every_poll() {
    for stops in [true, false] {
        for polls in 0..20 {
            let what = format!("stops: {stops}, {polls} polls");
            let (runtime, alive) = (Manual::helping(false), Alive::default());
            let policy = policy(&runtime, &what);
            let (bus, mut driver) = driven(runtime.hub().bus("near").parallel_handlers());
            for _ in 0..3 {
                let token = alive.token();
                let fails = move |_: EventHandle<Job>| {
                    let token = token.clone();
                    async move {
                        yields(2).await;
                        Err::<_, BoxError>("always".into()).map(|()| token)
                    }
                };
                bus.handler(fails).retry(policy.clone()).register();
            }
            let event = bus.dispatch(Job { id: 1, yields: 0, token: alive.token() }).unwrap();
            for _ in 0..polls {
                driver.step();
                runtime.advance(TICK);
            }
            let is_done = event.completed_at().is_some();
            match stops {
                true => bus.stop_now(),
                false => drop(std::mem::replace(&mut driver, driven(runtime.hub().bus("other")).1)),
            }
            driver.step();
            assert!(event.completed_at().is_some(), "{what}: it goes on");
            assert_all_free(&policy, &what);
            drop((event, bus, driver));
            assert_eq!(alive.count(), 0, "{what}: values of the user's are left");
            if is_done {
                break;
            }
            assert!(polls < 19, "{what}: it never ends");
        }
    }
}
