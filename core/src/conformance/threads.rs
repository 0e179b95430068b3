//! Threads that the runtime does not know.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::thread;

use super::tools::{Gate, Job, Rt, bus, give_way};
use crate::{EventHandle, Limit};

/// Starts a thread, and returns its result.
fn thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> impl Future<Output = T> {
    let ended = Gate::default();
    let ends = ended.clone();
    let thread = thread::spawn(move || {
        let output = run();
        ends.open();
        output
    });
    async move {
        ended.pass().await;
        thread.join().unwrap()
    }
}

pub(super) async fn foreign_threads_dispatch(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|job: EventHandle<Job>| async move {
        give_way().await;
        job.0
    });
    let (from, until) = (bus.clone(), 50);
    let dispatches =
        move |start| (0..until).map(|n| from.dispatch(Job(start + n)).unwrap()).collect();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let dispatches = dispatches.clone();
            thread(move || -> Vec<_> { dispatches(n * until) })
        })
        .collect();
    let mut answers = Vec::new();
    for events in threads {
        for event in events.await {
            answers.push(event.await.unwrap().result().unwrap());
        }
    }
    assert_eq!(answers, (0..4 * until).collect::<Vec<_>>());
}

pub(super) async fn a_handler_is_woken_by_a_foreign_thread(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|_: EventHandle<Job>| async {
        let gate = Gate::default();
        let opens = gate.clone();
        let opened = thread(move || opens.open());
        gate.pass().await;
        opened.await;
        7
    });
    for n in 0..20 {
        // On a paused clock, time passes before the thread gets to it.
        let event = bus.event(Job(n)).limit(Limit::Off).run().await.unwrap();
        assert_eq!(event.result().unwrap(), 7);
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub(super) async fn a_foreign_thread_waits(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|job: EventHandle<Job>| async move {
        give_way().await;
        job.0
    });
    let used = bus.clone();
    let waited = thread(move || {
        let run = |n| block_on(used.run(Job(n))).unwrap().result().unwrap();
        (0..50).map(run).sum::<u32>()
    });
    assert_eq!(waited.await, (0..50).sum::<u32>());
}
