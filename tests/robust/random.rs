//! Random tasks that do random things on threads: nothing is lost, nothing leaks. A failure names its
//! seed; `BUSWAY_SEED=n cargo test --test robust random` runs that seed again, as far as threads allow
//! it.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{
    BoxError, Concurrency, Event, EventBus, EventHandle, EventStatus, Hub, Limit, Overflow,
    WeakEventBus,
};
use futures_util::FutureExt;
use futures_util::future::{join, select};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::ledger::{Alive, Token};
use crate::seeds::{Random, play_seeds};

#[derive(Event)]
#[event(output = Token)]
struct Step {
    seed: u64,
    depth: u32,
    #[allow(dead_code)]
    token: Token,
}

/// Long enough for anything that ends at all.
const LONG: Duration = Duration::from_secs(20);

fn pause(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(300))
}

/// The buses, as handlers and tasks see them.
#[derive(Clone)]
struct World {
    buses: Arc<Vec<WeakEventBus>>,
    alive: Alive,
    dispatched: Arc<AtomicU64>,
    started: Arc<AtomicU64>,
    /// Handlers that were told a bus other than their own.
    misplaced: Arc<AtomicU64>,
}

impl World {
    fn bus(&self, random: &mut Random) -> Option<EventBus> {
        self.buses[random.index(self.buses.len())].upgrade()
    }

    fn step(&self, random: &mut Random, depth: u32) -> Step {
        Step { seed: random.next(), depth, token: self.alive.token() }
    }

    fn send(&self, random: &mut Random, depth: u32) -> Option<EventHandle<Step>> {
        let bus = self.bus(random)?;
        let mut event = bus.event(self.step(random, depth));
        event = match random.below(6) {
            0 => event.parallel(),
            1 => event.detached(),
            2 => event.concurrency(Concurrency::HubSerial),
            3 => event.deadline(Duration::from_millis(2)),
            _ => event,
        };
        let sent = event.dispatch().ok()?;
        self.dispatched.fetch_add(1, Ordering::SeqCst);
        Some(sent)
    }

    /// Does one random thing. A wait may be dropped before it is over.
    async fn act(&self, random: &mut Random, depth: u32) {
        let Some(bus) = self.bus(random) else { return };
        match random.below(10) {
            0..=2 => drop(self.send(random, depth)),
            3..=4 => {
                if let Some(event) = self.send(random, depth) {
                    let _ = event.wait().await;
                }
            }
            5 => {
                if let Some(event) = self.send(random, depth) {
                    let _ = event.wait_for(pause(random)).await;
                }
            }
            6 => {
                let both = (self.send(random, depth), self.send(random, depth));
                let (Some(one), Some(two)) = both else { return };
                match random.below(2) {
                    0 => drop(join(one.wait(), two.wait()).await),
                    _ => drop(select(one.wait(), two.wait()).await),
                }
            }
            7 => drop(bus.expect::<Step>().within(pause(random)).await),
            8 => {
                let all = [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest];
                let mut events = bus.events(1, random.one_of(all));
                drop(self.send(random, depth));
                let _ = timeout(pause(random), events.next()).await;
            }
            _ => {
                let place = bus.reserve().map(drop);
                let _ = timeout(pause(random), place).await;
                drop((bus.history(), bus.log_tree().to_string()));
            }
        }
    }

    async fn have_a_child(&self, random: &mut Random, event: &EventHandle<Step>) {
        let Ok(child) = event.dispatch(self.step(random, event.depth - 1)) else { return };
        self.dispatched.fetch_add(1, Ordering::SeqCst);
        match random.below(2) {
            0 => drop(child.await),
            _ => drop(child.wait_for(pause(random)).await),
        }
    }

    async fn handle(self, event: EventHandle<Step>) -> Result<Token, BoxError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let mut random = Random(event.seed);
        for _ in 0..random.below(3) {
            match random.below(4) {
                0 => tokio::task::yield_now().await,
                1 => tokio::time::sleep(pause(&mut random)).await,
                2 if event.depth > 0 => self.have_a_child(&mut random, &event).await,
                _ if event.depth > 0 => self.act(&mut random, event.depth - 1).await,
                _ => {}
            }
        }
        match random.below(12) {
            0 => Err("as it happens".into()),
            // A panic that does not run the panic hook.
            1 => resume_unwind(Box::new("as it happens")),
            _ => Ok(self.alive.token()),
        }
    }
}

fn three_buses(hub: &Hub, random: &mut Random) -> Vec<EventBus> {
    let buses: Vec<_> = (0..3)
        .map(|n| {
            let mut settings = hub.bus(format!("bus{n}")).max_history(Some(random.index(20)));
            settings = settings.limit(Limit::After(Duration::from_millis(20)));
            if random.one_in(2) {
                settings = settings.parallel_handlers();
            }
            if random.one_in(3) {
                settings = settings.spawn_parallel();
            }
            settings.max_pending(Some(4 + random.index(20))).build()
        })
        .collect();
    // All three forwards form a ring.
    for (bus, next) in buses.iter().zip(buses.iter().cycle().skip(1)) {
        if random.one_in(2) {
            bus.forward("*", next).unwrap();
        }
    }
    buses
}

fn world(buses: &[EventBus]) -> World {
    let world = World {
        buses: Arc::new(buses.iter().map(EventBus::downgrade).collect()),
        alive: Alive::default(),
        dispatched: Arc::default(),
        started: Arc::default(),
        misplaced: Arc::default(),
    };
    for bus in buses {
        for _ in 0..2 {
            let (world, name) = (world.clone(), bus.name());
            bus.on(move |event: EventHandle<Step>| {
                if event.bus().is_none_or(|bus| bus.name() != name) {
                    world.misplaced.fetch_add(1, Ordering::SeqCst);
                }
                world.clone().handle(event)
            });
        }
    }
    world
}

fn play(seed: u64) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut random = Random(seed);
    let hub = Hub::builder().runtime(Tokio::new(runtime.handle().clone())).build();
    let buses = three_buses(&hub, &mut random);
    let world = world(&buses);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (world, mut random) = (world.clone(), Random(random.next()));
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let act = AssertUnwindSafe(world.act(&mut random, 3));
                        act.catch_unwind().await.expect("a task panicked");
                    }
                })
            })
            .collect();
        for task in tasks {
            timeout(LONG, task).await.expect("a task is stuck").unwrap();
        }
        assert_all_comes_to_rest(&hub, &buses).await;
        let ran = world.started.load(Ordering::SeqCst);
        assert!(ran <= 6 * world.dispatched.load(Ordering::SeqCst), "on each bus each runs once");
        assert_eq!(world.misplaced.load(Ordering::SeqCst), 0);
        drop(buses);
        let is_gone = until(|| hub.held().buses == 0 && world.alive.count() == 0).await;
        assert!(is_gone, "left: {:?}, {} values", hub.held(), world.alive.count());
    });
}

async fn assert_all_comes_to_rest(hub: &Hub, buses: &[EventBus]) {
    // A handler of one bus may still dispatch on another that was idle before: all of them are idle only
    // when a single look at the hub says so.
    while hub.memory().iter().any(|bus| bus.incomplete > 0) {
        for bus in buses {
            let idle = bus.wait_until_idle(LONG).await;
            assert_eq!(idle, Ok(true), "{} is stuck:\n{}", bus.name(), bus.log_tree());
        }
    }
    for bus in buses {
        assert_eq!(bus.pending(), 0);
        assert!(bus.history().iter().all(|event| event.status() == EventStatus::Completed));
    }
    let held = hub.held();
    let open = (held.invocations, held.waits, held.reservations, held.timers);
    assert_eq!(open, (0, 0, 0, 0), "{held:?}");
    // An aborted handler is dropped, with its watches, by whichever task has the turn.
    assert!(until(|| hub.held().watches == 0).await, "{:?}", hub.held());
}

/// Returns whether the condition holds in time.
async fn until(is_so: impl Fn() -> bool) -> bool {
    let waits = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, waits).await.is_ok()
}

#[test]
fn random_tasks() {
    play_seeds(1..=12, play);
}
