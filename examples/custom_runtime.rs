//! A runtime of your own: a thread for each task, one more for all timers, and a bus on it. It passes
//! the conformance suite (`tests/adapters`).

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant as StdInstant};

use busway::{BoxError, Event, EventBus, EventHandle, Instant, Runtime, Task, Timer};

/// The runtime. The timer thread ends with it.
#[derive(Debug)]
pub struct Threads(Arc<Timers>);

#[derive(Debug)]
struct Timers {
    epoch: StdInstant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The wakers by time; the timer's address tells those of the same time apart.
    waiting: BTreeMap<(StdInstant, usize), Waker>,
    is_over: bool,
}

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

impl Default for Threads {
    fn default() -> Self {
        let (epoch, state, changed) = (StdInstant::now(), Mutex::default(), Condvar::new());
        let timers = Arc::new(Timers { epoch, state, changed });
        let own = timers.clone();
        thread::spawn(move || own.run());
        Self(timers)
    }
}

impl Runtime for Threads {
    fn now(&self) -> Instant {
        Instant::EPOCH + self.0.epoch.elapsed()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(ThreadTimer { timers: self.0.clone(), at: None, key: None })
    }

    fn spawn(&self, task: Task) {
        thread::spawn(|| block_on(task));
    }

    fn is_current(&self) -> bool {
        true // the timers work on every thread, and a handler finds nothing else here
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Timers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under the lock")
    }

    fn run(&self) {
        loop {
            let (mut state, now) = (self.lock(), StdInstant::now());
            if state.is_over {
                return;
            }
            let next = state.waiting.first_entry();
            if let Some(due) = next.filter(|next| next.key().0 <= now) {
                let waker = due.remove();
                drop(state);
                waker.wake();
            } else {
                let next = state.waiting.first_key_value().map(|((at, _), _)| *at - now);
                let pause = next.unwrap_or(Duration::from_secs(3_600));
                drop(self.changed.wait_timeout(state, pause));
            }
        }
    }
}

#[derive(Debug)]
struct ThreadTimer {
    timers: Arc<Timers>,
    at: Option<StdInstant>,
    key: Option<(StdInstant, usize)>,
}

impl Timer for ThreadTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.at = self.timers.epoch.checked_add(at.since(Instant::EPOCH));
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (waker, mut state) = (cx.waker().clone(), self.timers.lock());
        let old = self.key.and_then(|key| state.waiting.remove(&key));
        let own_address = std::ptr::from_ref(&*self).addr();
        let key = self.at.filter(|at| *at > StdInstant::now()).map(|at| (at, own_address));
        state.waiting.extend(key.map(|key| (key, waker)));
        drop((state, old));
        self.timers.changed.notify_one();
        self.key = key;
        if self.at.is_some() && key.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for ThreadTimer {
    fn drop(&mut self) {
        drop(self.key.and_then(|key| self.timers.lock().waiting.remove(&key)));
    }
}

#[derive(Event)]
#[event(output = usize)]
struct Count(&'static str);

fn main() -> Result<(), BoxError> {
    let bus = EventBus::builder("main").runtime(Threads::default()).build();
    bus.on(|count: EventHandle<Count>| async move { count.0.len() });
    println!("{} letters", block_on(bus.run(Count("on threads")))?.result()?);
    Ok(())
}
