//! The least bus: a queue under a lock, worked off only by the tasks that await an answer. It keeps what
//! our bus keeps of an event (a shared record with an id and three times, the answer in it for later
//! callers, a history of fifty), reads the same clock, takes a hundred at a time as ours does, and has
//! nothing else: one handler that answers with a number and must not wait for anything outside, no
//! children, no limits, no names, no handling of others' panics.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll};

use busway::{Instant, SystemClock};
use futures_util::task::AtomicWaker;

use crate::peer::{Mailbox, Peer, Service};

const HISTORY: usize = 50;
const PENDING: usize = 100;

type BoxFuture = Pin<Box<dyn Future<Output = u64> + Send>>;

struct Record {
    id: u64,
    created_at: Instant,
    n: u64,
    done: OnceLock<Done>,
    waiter: AtomicWaker,
}

struct Done {
    started_at: Instant,
    completed_at: Instant,
    value: u64,
}

struct Shared {
    handler: Box<dyn Fn(Arc<Record>) -> BoxFuture + Send + Sync>,
    clock: SystemClock,
    ids: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// Whether a task is working the queue off.
    taken: bool,
    pending: usize,
    limit: usize,
    queue: VecDeque<Arc<Record>>,
    history: VecDeque<Arc<Record>>,
}

#[derive(Clone)]
pub struct Bus(Arc<Shared>);

impl Bus {
    fn new<F: Future<Output = u64> + Send + 'static>(
        limit: usize,
        handler: impl Fn(Arc<Record>) -> F + Send + Sync + 'static,
    ) -> Self {
        let (queue, history) = (VecDeque::new(), VecDeque::new());
        let state = Mutex::new(State { taken: false, pending: 0, limit, queue, history });
        let handler = Box::new(move |record| Box::pin(handler(record)) as BoxFuture);
        let (clock, ids) = (SystemClock::new(), AtomicU64::new(1));
        Self(Arc::new(Shared { handler, clock, ids, state }))
    }

    fn adder(limit: usize) -> Self {
        Self::new(limit, |record| async move { record.n + 1 })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nobody panics")
    }

    fn now(&self) -> Instant {
        self.0.clock.now()
    }

    fn send(&self, n: u64) -> Reply {
        let id = self.0.ids.fetch_add(1, Ordering::Relaxed);
        let (created_at, done, waiter) = (self.now(), OnceLock::new(), AtomicWaker::new());
        let record = Arc::new(Record { id, created_at, n, done, waiter });
        let mut state = self.lock();
        assert!(state.pending < state.limit, "the bus has room");
        state.pending += 1;
        state.queue.push_back(record.clone());
        drop(state);
        Reply { bus: self.clone(), record }
    }

    /// Handles the queued events, unless another task does.
    fn work(&self, cx: &mut Context<'_>) {
        let mut next = {
            let mut state = self.lock();
            if state.taken {
                return;
            }
            let next = state.queue.pop_front();
            state.taken = next.is_some();
            next
        };
        let mut started_at = self.now();
        while let Some(record) = next {
            let Poll::Ready(value) = (self.0.handler)(record.clone()).as_mut().poll(cx) else {
                panic!("a handler of the least bus does not wait");
            };
            let completed_at = self.now();
            // The event may have been sent after the last one ended.
            started_at = started_at.max(record.created_at);
            next = self.ended(record, Done { started_at, completed_at, value });
            started_at = completed_at;
        }
    }

    /// Takes one lock for the end of one event and the start of the next.
    fn ended(&self, record: Arc<Record>, done: Done) -> Option<Arc<Record>> {
        let mut state = self.lock();
        assert!(record.done.set(done).is_ok(), "it is done once");
        let waiter = record.waiter.take();
        state.history.push_back(record);
        let is_full = state.history.len() > HISTORY;
        let forgotten = if is_full { state.history.pop_front() } else { None };
        state.pending -= 1;
        let next = state.queue.pop_front();
        state.taken = next.is_some();
        drop(state);
        drop(forgotten);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        next
    }
}

pub struct Reply {
    bus: Bus,
    record: Arc<Record>,
}

impl Reply {
    fn value(&self) -> Option<u64> {
        let Record { id, created_at, done, .. } = &*self.record;
        let Done { started_at, completed_at, value } = done.get()?;
        assert!(created_at <= started_at && started_at <= completed_at, "{id}");
        Some(*value)
    }
}

impl Future for Reply {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        if let Some(value) = self.value() {
            return Poll::Ready(value);
        }
        self.bus.work(cx);
        if self.value().is_none() {
            self.record.waiter.register(cx.waker());
        }
        self.value().map_or(Poll::Pending, Poll::Ready)
    }
}

pub struct Least;

impl Peer for Least {
    const NAME: &'static str = "least";

    type Adder = Bus;
    type Nest = Bus;
    type Fan = Vec<Bus>;

    async fn adder(mailbox: Mailbox) -> Bus {
        match mailbox {
            Mailbox::Default => Bus::adder(PENDING),
            Mailbox::Unlimited => Bus::adder(usize::MAX),
        }
    }

    async fn nest() -> Bus {
        let adder = Bus::adder(PENDING);
        Bus::new(PENDING, move |record| adder.send(record.n))
    }

    async fn fan(width: usize) -> Vec<Bus> {
        (0..width).map(|_| Bus::adder(PENDING)).collect()
    }

    async fn ask_all(fan: &Vec<Bus>, n: u64) -> u64 {
        let replies: Vec<_> = fan.iter().map(|bus| bus.send(n)).collect();
        let mut sum = 0;
        for reply in replies {
            sum += reply.await;
        }
        sum
    }
}

impl Service for Bus {
    type Reply = Reply;

    async fn dispatch(&self, n: u64) -> Reply {
        self.send(n)
    }

    async fn answer(reply: Reply) -> u64 {
        reply.await
    }

    async fn request(&self, n: u64) -> u64 {
        self.send(n).await
    }
}
