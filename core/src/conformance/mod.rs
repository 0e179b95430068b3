//! The tests that every runtime has to pass (feature `conformance`).
//!
//! The tests run a bus on your runtime, and check the runtime's own promises: the clock, the timer,
//! tasks, and wake-ups from other threads. You only have to run one [`Case`] to its end:
//!
//! ```
//! # mod doc {
//! // tests/conformance.rs of an adapter:
//! busway_core::conformance_tests!(|case| {
//!     let runtime = busway_core::testing::TestRuntime::new(0).with_threads(); // yours
//!     runtime.block_on(case.play(runtime.handle()));
//! });
//! # }
//! ```
//!
//! This makes a `#[test]` of each case. [`run`] runs them all in one call.
//!
//! No case asserts that something is fast: measured times are lower bounds, so the cases hold on a
//! loaded machine and on a paused clock alike. A case that hangs fails after two minutes.

mod addresses;
mod budget;
mod life;
mod order;
mod retry;
mod tasks;
mod threads;
mod time;
mod timers;
mod tools;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::time::Duration;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use crate::runtime::Runtime;

/// One test of a runtime.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    play: fn(Arc<dyn Runtime>) -> Playing,
}

type Playing = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Case {
    /// Returns the name of what it tests.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case. Poll the future on the runtime, where its timers work.
    ///
    /// # Panics
    /// Panics if the runtime does not pass.
    pub async fn play(self, runtime: impl Runtime) {
        (self.play)(Arc::new(runtime)).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// A case that has not ended after this time is hung.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// Runs all cases, each with `play` on a thread of its own, and returns how many there are.
///
/// # Panics
/// Panics if some fail; the message names them.
pub fn run(play: impl Fn(Case) + Clone + Send + 'static) -> usize {
    let mut failures = Vec::new();
    for case in CASES {
        let play = play.clone();
        if let Err(failure) = play_alone(*case, play) {
            failures.push(alloc::format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "the runtime fails:\n{}", failures.join("\n"));
    CASES.len()
}

/// Returns all cases, for harnesses of your own.
pub fn cases() -> impl Iterator<Item = Case> {
    CASES.iter().copied()
}

/// Runs one case on a thread of its own. [`conformance_tests`](crate::conformance_tests) makes a test
/// of this.
///
/// # Panics
/// Panics if the case fails or hangs, or if there is no case of this name.
pub fn test(name: &str, play: impl FnOnce(Case) + Send + 'static) {
    let case = cases().find(|case| case.name == name).expect("a case of this name");
    if let Err(failure) = play_alone(case, play) {
        panic!("{name}: {failure}");
    }
}

fn play_alone(case: Case, play: impl FnOnce(Case) + Send + 'static) -> Result<(), String> {
    let (tell, told) = channel();
    let played = thread::Builder::new().name(case.name.to_string()).spawn(move || {
        play(case);
        drop(tell);
    });
    let played = played.map_err(|error| error.to_string())?;
    // Nothing is ever sent: the channel closes when the thread ends, even by a panic.
    let tell: Result<(), _> = told.recv_timeout(HANGS_AFTER);
    if tell == Err(RecvTimeoutError::Timeout) {
        return Err("it hangs".into());
    }
    played.join().map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
        text.unwrap_or_else(|| "a panic without a message".into())
    })
}

/// Hands the cases, by module, to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ([$($make:tt)*] $($arguments:tt)*) => {
        $($make)*! {
            ($($arguments)*)
            timers {
                the_clock_never_goes_back
                a_timer_fires_when_its_time_has_come
                a_timer_in_the_past_fires
                a_timer_is_set_to_an_earlier_time
                a_timer_is_set_to_a_later_time
                a_timer_is_used_again
                a_timer_wakes_who_polled_it_last
                a_timer_that_is_not_set_does_not_fire
                a_timer_goes_to_another_task
            }
            tasks {
                a_task_is_run
                a_task_is_spawned_by_a_foreign_thread
                a_task_is_woken_by_a_foreign_thread
                a_task_that_is_always_ready_starves_no_other
            }
            order {
                events_start_in_order
                handlers_run_in_order_and_all_results_are_kept
                an_awaited_child_goes_ahead_of_the_queue
                children_are_awaited_at_any_depth
                parallel_handlers_run_together
                spawned_handlers_run_together
                buses_run_side_by_side
                a_handler_awaits_an_event_of_another_bus
                an_event_is_forwarded
            }
            time {
                a_limit_ends_a_handler
                a_limit_that_is_earlier_comes_first
                a_limit_that_is_later_comes_later
                a_wait_ends_without_the_work
                a_deadline_ends_an_event
                nobody_waits_and_time_is_over
            }
            addresses {
                s145_one_consumer_for_an_address
                s146_a_reply_or_a_reason
                s147_listeners_hear_in_order
                s148_lists_reflect_registration
                s149_null_bodies_and_distinct_ids
                s150_failures_stay_with_their_own
                s151_a_hundred_listeners_and_values
                s153_causes_types_and_cleanup
                s154_a_thousand_requests
                s155_fifty_thousand_deliveries
                a_handler_asks_in_every_mode
                a_consumer_that_goes_finishes_what_it_has
            }
            retry {
                a_call_rests_and_comes_off
                a_call_is_over_its_time
                a_handler_rests_and_is_tried_again
                a_slot_is_waited_for
            }
            life {
                a_panic_is_a_result
                a_stop_ends_what_runs
                a_stop_waits_for_what_is_there
                the_handles_of_a_bus_go_first
                a_dropped_driver_stops_the_bus
                a_driver_is_polled_by_hand
                nothing_is_left
            }
            threads {
                foreign_threads_dispatch
                a_handler_is_woken_by_a_foreign_thread
                a_foreign_thread_waits
            }
            budget {
                a_handler_that_is_always_ready_starves_no_bus
                a_handler_that_is_always_ready_starves_no_task
                a_task_that_runs_events_starves_no_other
                a_task_that_runs_events_on_many_buses_starves_no_other
                a_task_that_waits_for_one_of_two_starves_no_other
                a_task_that_polls_a_driver_and_runs_events_starves_no_other
                a_long_queue_starves_no_task
            }
        }
    };
}

macro_rules! list_cases {
    (() $($module:ident { $($case:ident)* })*) => {
        const CASES: &[Case] = &[$($(Case {
            name: stringify!($case),
            play: |runtime| Box::pin($module::$case(runtime)),
        },)*)*];
    };
}

__conformance_cases!([list_cases]);

/// Makes a `#[test]` of each case of the [conformance suite](crate::conformance). It takes a function
/// that runs one [`Case`](crate::conformance::Case) to its end.
#[macro_export]
macro_rules! conformance_tests {
    ($play:expr) => {
        $crate::__conformance_cases! { [$crate::__conformance_tests] $play }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($play:expr) $($module:ident { $($case:ident)* })*) => {
        $($(
            #[test]
            fn $case() {
                $crate::conformance::test(stringify!($case), $play);
            }
        )*)*
    };
}
