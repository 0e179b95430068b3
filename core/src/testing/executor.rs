//! The state of a test runtime: tasks, timers and the time.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::runtime::Task;
use crate::time::Instant;

/// A timer that is set: its time, and its own number.
pub(super) type TimerKey = (Instant, u64);

const NOTHING_CAN_HAPPEN: &str = "nothing can happen any more: no task is ready and no timer is due \
     (wake-ups by another thread, as a journal's or another runtime's, need `with_threads`, and \
     mostly `manual_time`)";

pub(super) struct Shared {
    state: Mutex<State>,
    woken: Condvar,
    root: Arc<JobWaker>,
}

pub(super) struct State {
    pub(super) now: Instant,
    /// Whether the time jumps when nothing else can happen.
    pub(super) moves_by_itself: bool,
    pub(super) has_threads: bool,
    /// The time may be moved up to here.
    goal: Instant,
    timers: BTreeMap<TimerKey, Waker>,
    tasks: BTreeMap<u64, Job>,
    ready: Vec<u64>,
    ids: u64,
    random: u64,
    is_down: bool,
}

/// A task between two polls.
pub(super) struct Job {
    task: Task,
    waker: Arc<JobWaker>,
}

struct JobWaker {
    shared: Weak<Shared>,
    id: u64,
    is_ready: AtomicBool,
}

/// The next thing to do.
pub(super) enum Step {
    /// Poll the future of `block_on`.
    Root,
    Task(Job),
    Stalled,
}

/// The id of the future of `block_on` among those of the tasks.
const ROOT: u64 = 0;

std::thread_local! {
    /// The runtime that runs on this thread, by its address.
    static HERE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The test runtime that runs on this thread, as its identity while it lives.
pub(crate) fn here() -> Option<usize> {
    HERE.get()
}

/// Makes the runtime this thread's, until it is dropped.
pub(super) struct Here(());

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(None);
    }
}

impl Shared {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new_cyclic(|shared| Self {
            state: Mutex::new(State {
                now: Instant::EPOCH,
                moves_by_itself: true,
                has_threads: false,
                goal: Instant::EPOCH,
                timers: BTreeMap::new(),
                tasks: BTreeMap::new(),
                ready: Vec::new(),
                ids: ROOT,
                random: seed,
                is_down: false,
            }),
            woken: Condvar::new(),
            root: JobWaker::new(shared, ROOT),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self) -> Here {
        assert!(HERE.get().is_none(), "a test runtime is running on this thread already");
        HERE.set(Some(self.address()));
        // The outcome of a seed must not depend on what its thread did before.
        crate::bus::share::renew();
        Here(())
    }

    pub(super) fn is_entered(&self) -> bool {
        here() == Some(self.address())
    }

    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Returns the waker of the future of `block_on`.
    pub(super) fn root_waker(&self) -> Waker {
        Waker::from(self.root.clone())
    }

    pub(super) fn spawn(self: &Arc<Self>, task: Task) {
        let mut task = Some(task);
        {
            let mut state = self.state();
            if !state.is_down {
                state.ids += 1;
                let (id, weak) = (state.ids, Arc::downgrade(self));
                let job = task.take().map(|task| Job { task, waker: JobWaker::new(&weak, id) });
                state.tasks.extend(job.map(|job| (id, job)));
                state.ready.push(id);
            }
        }
        self.woken.notify_all();
        // After the end, a task is dropped unpolled, outside the lock.
        drop(task);
    }

    /// Draws the next thing to poll from those that are ready.
    pub(super) fn next(&self) -> Step {
        let mut state = self.state();
        while !state.ready.is_empty() {
            let drawn = state.draw();
            let id = state.ready.swap_remove(drawn);
            if id == ROOT {
                self.root.rearm();
                return Step::Root;
            }
            // A wake-up of a task that has ended is ignored.
            if let Some(job) = state.tasks.remove(&id) {
                return Step::Task(job);
            }
        }
        Step::Stalled
    }

    pub(super) fn poll(&self, mut job: Job) {
        job.waker.rearm();
        let waker = Waker::from(job.waker.clone());
        if job.task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        let mut state = self.state();
        if !state.is_down {
            state.tasks.insert(job.waker.id, job);
        }
    }

    /// Moves the time to the next timer within reach.
    pub(super) fn move_time(&self) -> bool {
        let due = {
            let mut state = self.state();
            let Some((&(at, _), _)) = state.timers.first_key_value() else { return false };
            if !state.moves_by_itself && at > state.goal {
                return false;
            }
            state.now = state.now.max(at);
            let end = (state.now, u64::MAX);
            let later = state.timers.split_off(&end);
            mem::replace(&mut state.timers, later)
        };
        due.into_values().for_each(Waker::wake);
        true
    }

    pub(super) fn let_time_reach(&self, goal: Instant) {
        let mut state = self.state();
        state.goal = state.goal.max(goal);
    }

    /// Sleeps until another thread wakes a task.
    pub(super) fn wait_for_threads(&self) {
        let mut state = self.state();
        let has_threads = state.has_threads;
        while has_threads && state.ready.is_empty() {
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        assert!(has_threads, "{NOTHING_CAN_HAPPEN}");
    }

    /// Sets a timer. The replaced waker is dropped outside the lock.
    pub(super) fn set_timer(&self, at: Instant, key: Option<TimerKey>, waker: Waker) -> TimerKey {
        let mut state = self.state();
        let key = key.unwrap_or_else(|| {
            state.ids += 1;
            (at, state.ids)
        });
        let replaced = state.timers.insert(key, waker);
        drop(state);
        drop(replaced);
        key
    }

    pub(super) fn clear_timer(&self, key: TimerKey) {
        let waker = self.state().timers.remove(&key);
        drop(waker);
    }

    /// Drops all tasks, including those spawned from now on.
    pub(super) fn shut_down(&self) {
        let tasks = {
            let mut state = self.state();
            state.is_down = true;
            mem::take(&mut state.tasks)
        };
        drop(tasks);
    }
}

impl State {
    /// Draws one of the ready ones, by `SplitMix64`.
    fn draw(&mut self) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.random;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((drawn ^ (drawn >> 31)) % self.ready.len() as u64) as usize
    }
}

impl JobWaker {
    fn new(shared: &Weak<Shared>, id: u64) -> Arc<Self> {
        Arc::new(Self { shared: shared.clone(), id, is_ready: AtomicBool::new(id != ROOT) })
    }

    /// Makes wake-ups count again, before a poll that sees what those before it were about.
    fn rearm(&self) {
        self.is_ready.swap(false, Ordering::AcqRel);
    }
}

impl Wake for JobWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.state().ready.push(self.id);
            shared.woken.notify_all();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Shared")
            .field("now", &state.now)
            .field("tasks", &state.tasks.len())
            .field("ready", &state.ready)
            .finish_non_exhaustive()
    }
}
