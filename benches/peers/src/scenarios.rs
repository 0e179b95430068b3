//! The measured scenarios, written once for all peers.

use tokio::runtime::{Builder, Runtime};

use crate::measure::{Purpose, Sample, live_bytes, sample};
use crate::peer::{Mailbox, Peer, Service};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Batches of 50 dispatched, each answer awaited.
    P1,
    /// One request at a time.
    P2,
    /// 100 handlers asked at once.
    P3,
    /// Batches of 50, whose handler dispatches a child and awaits it.
    P4,
    /// 500 services, one after the other: each created, given 100 and dropped.
    P5,
    /// Four tasks on two threads into one service, each with batches of 25.
    P6,
    /// 100 000 dispatched and held.
    P7,
    /// Like P2, from the main task of a two-thread runtime.
    P8,
}

impl Scenario {
    pub const ALL: [Self; 8] =
        [Self::P1, Self::P2, Self::P3, Self::P4, Self::P5, Self::P6, Self::P7, Self::P8];

    pub fn name(self) -> String {
        format!("{self:?}")
    }

    fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::P6 | Self::P8 => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        builder.worker_threads(2).enable_all().build().expect("a runtime")
    }
}

/// The amount of work of a run.
#[derive(Clone, Copy)]
pub struct Size {
    /// Operations of P1, P2, P3, P4 and P6.
    pub operations: usize,
    /// Requests of P8, which are slow where each wakes another thread twice.
    pub across_threads: usize,
    /// Services of P5.
    pub services: usize,
    /// Held events of P7.
    pub held: usize,
}

impl Size {
    pub const FULL: Self =
        Self { operations: 100_000, across_threads: 10_000, services: 500, held: 100_000 };
    pub const QUICK: Self =
        Self { operations: 10_000, across_threads: 500, services: 500, held: 100_000 };

    /// Adjusts it for a peer that does one operation where the others do `slower`.
    fn for_slower(self, slower: usize) -> Self {
        Self {
            operations: self.operations / slower,
            across_threads: self.across_threads / slower,
            services: (self.services / slower).max(1),
            held: self.held / slower,
        }
    }
}

const BATCH: usize = 50;
const WIDTH: usize = 100;
const EVENTS_PER_SERVICE: usize = 100;
const TASKS: usize = 4;
/// Four of these are as many as a bus takes at a time by default.
const BATCH_OF_TASK: usize = 25;

/// One run of a scenario by a peer, on a runtime of its own.
pub fn run<P: Peer>(scenario: Scenario, size: Size, purpose: Purpose) -> Sample {
    let size = size.for_slower(P::SLOWER);
    let runtime = scenario.runtime();
    P::block_on(&runtime, async move {
        match scenario {
            Scenario::P1 => batches(P::adder(Mailbox::Default).await, size, purpose).await,
            Scenario::P2 => requests::<P>(size.operations, purpose).await,
            Scenario::P8 => requests::<P>(size.across_threads, purpose).await,
            Scenario::P3 => fan::<P>(size, purpose).await,
            Scenario::P4 => batches(P::nest().await, size, purpose).await,
            Scenario::P5 => services::<P>(size, purpose).await,
            Scenario::P6 => tasks::<P>(size, purpose).await,
            Scenario::P7 => held::<P>(size, purpose).await,
        }
    })
}

/// Dispatches a batch, then awaits each answer.
async fn batch<S: Service>(service: &S, replies: &mut Vec<S::Reply>, length: usize) {
    for n in numbers(length) {
        replies.push(service.dispatch(n).await);
    }
    let mut sum = 0;
    for reply in replies.drain(..) {
        sum += S::answer(reply).await;
    }
    assert_eq!(sum, sum_of_answers(length));
}

async fn batches<S: Service>(service: S, size: Size, purpose: Purpose) -> Sample {
    let rounds = (size.operations / BATCH).max(1);
    let mut replies = Vec::with_capacity(BATCH);
    for _ in 0..warm_up(rounds) {
        batch(&service, &mut replies, BATCH).await;
    }
    let sample = sample(purpose, rounds * BATCH, async {
        for _ in 0..rounds {
            batch(&service, &mut replies, BATCH).await;
        }
        None
    });
    let sample = sample.await;
    service.close();
    sample
}

async fn requests<P: Peer>(operations: usize, purpose: Purpose) -> Sample {
    let service = P::adder(Mailbox::Default).await;
    for n in numbers(warm_up(operations)) {
        service.request(n).await;
    }
    let sample = sample(purpose, operations, async {
        let mut sum = 0;
        for n in numbers(operations) {
            sum += service.request(n).await;
        }
        assert_eq!(sum, sum_of_answers(operations));
        None
    });
    let sample = sample.await;
    service.close();
    sample
}

async fn fan<P: Peer>(size: Size, purpose: Purpose) -> Sample {
    let rounds = (size.operations / WIDTH).max(1);
    let fan = P::fan(WIDTH).await;
    for n in numbers(warm_up(rounds)) {
        P::ask_all(&fan, n).await;
    }
    let sample = sample(purpose, rounds * WIDTH, async {
        for n in numbers(rounds) {
            assert_eq!(P::ask_all(&fan, n).await, (n + 1) * WIDTH as u64);
        }
        None
    });
    sample.await
}

async fn services<P: Peer>(size: Size, purpose: Purpose) -> Sample {
    let mut replies = Vec::with_capacity(EVENTS_PER_SERVICE);
    let mut one = async || {
        let service = P::adder(Mailbox::Default).await;
        batch(&service, &mut replies, EVENTS_PER_SERVICE).await;
        service.close();
    };
    for _ in 0..warm_up(size.services) {
        one().await;
    }
    let sample = sample(purpose, size.services * EVENTS_PER_SERVICE, async {
        for _ in 0..size.services {
            one().await;
        }
        None
    });
    sample.await
}

async fn tasks<P: Peer>(size: Size, purpose: Purpose) -> Sample {
    let rounds = (size.operations / TASKS / BATCH_OF_TASK).max(1);
    let service = P::adder(Mailbox::Default).await;
    in_tasks(&service, warm_up(rounds)).await;
    let sample = sample(purpose, rounds * TASKS * BATCH_OF_TASK, async {
        in_tasks(&service, rounds).await;
        None
    });
    let sample = sample.await;
    service.close();
    sample
}

async fn in_tasks<S: Service>(service: &S, rounds: usize) {
    let mut tasks = Vec::with_capacity(TASKS);
    for _ in 0..TASKS {
        let service = service.clone();
        tasks.push(tokio::spawn(async move {
            let mut replies = Vec::with_capacity(BATCH_OF_TASK);
            for _ in 0..rounds {
                batch(&service, &mut replies, BATCH_OF_TASK).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("the task ends");
    }
}

async fn held<P: Peer>(size: Size, purpose: Purpose) -> Sample {
    let service = P::adder(Mailbox::Unlimited).await;
    // Makes sure that everything created at the first use exists.
    service.request(0).await;
    let hold = service.hold();
    let sample = sample(purpose, size.held, async {
        let mut replies = Vec::with_capacity(size.held);
        for n in numbers(size.held) {
            replies.push(service.dispatch(n).await);
        }
        let bytes = live_bytes();
        drop(hold);
        let mut sum = 0;
        for reply in replies {
            sum += P::Adder::answer(reply).await;
        }
        assert_eq!(sum, sum_of_answers(size.held));
        Some(bytes)
    });
    let sample = sample.await;
    service.close();
    sample
}

fn warm_up(rounds: usize) -> usize {
    (rounds / 10).max(1)
}

fn numbers(count: usize) -> std::ops::Range<u64> {
    0..count as u64
}

/// The sum of `n + 1` for the first `count` numbers.
fn sum_of_answers(count: usize) -> u64 {
    let count = count as u64;
    count * (count + 1) / 2
}
