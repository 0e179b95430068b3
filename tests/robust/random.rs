//! Random tasks that do random things on threads: nothing is lost, nothing leaks. A failure names its
//! seed; `BUSWAY_SEED=n cargo test --test robust random` plays that one again, as far as threads let
//! it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{Concurrency, EventHandle, EventStatus, Hub, Limit, Overflow, WeakEventBus};
use futures_util::future::{join, select};
use futures_util::{FutureExt, StreamExt};

use crate::ledger::{Alive, Token};

#[derive(busway::Event)]
#[event(output = Token)]
struct Step {
    seed: u64,
    depth: u32,
    #[allow(dead_code)]
    token: Token,
}

/// Splitmix64.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pause(&mut self) -> Duration {
        Duration::from_micros(self.below(300))
    }
}

/// The buses, as handlers and tasks see them.
#[derive(Clone)]
struct World {
    buses: Arc<Vec<WeakEventBus>>,
    alive: Alive,
    dispatched: Arc<AtomicU64>,
    started: Arc<AtomicU64>,
}

impl World {
    fn bus(&self, random: &mut Random) -> Option<busway::EventBus> {
        self.buses[random.below(self.buses.len() as u64) as usize].upgrade()
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

    /// One thing out of all there are; what waits may be dropped before it is over.
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
                    let _ = event.wait_for(random.pause()).await;
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
            7 => drop(bus.expect::<Step>().within(random.pause()).await),
            8 => {
                let overflow = [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest];
                let overflow = overflow[random.below(3) as usize];
                let mut events = bus.events(1, overflow);
                drop(self.send(random, depth));
                let _ = tokio::time::timeout(random.pause(), events.next()).await;
            }
            _ => {
                let place = bus.reserve().map(drop);
                let _ = tokio::time::timeout(random.pause(), place).await;
                drop((bus.history(), bus.log_tree().to_string()));
            }
        }
    }

    async fn handle(self, event: EventHandle<Step>) -> Result<Token, busway::BoxError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let mut random = Random(event.seed);
        for _ in 0..random.below(3) {
            match random.below(4) {
                0 => tokio::task::yield_now().await,
                1 => tokio::time::sleep(random.pause()).await,
                _ if event.depth > 0 => self.act(&mut random, event.depth - 1).await,
                _ => {}
            }
        }
        match random.below(12) {
            0 => Err("as it happens".into()),
            // A panic without the noise of its hook.
            1 => std::panic::resume_unwind(Box::new("as it happens")),
            _ => Ok(self.alive.token()),
        }
    }
}

fn play(seed: u64) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut random = Random(seed);
    let latch = Tokio::new(runtime.handle().clone());
    let hub = Hub::builder().runtime(latch).build();
    let buses: Vec<_> = (0..3)
        .map(|n| {
            let mut settings =
                hub.bus(format!("bus{n}")).max_history(Some(random.below(20) as usize));
            settings = settings.limit(Limit::After(Duration::from_millis(20)));
            if random.below(2) == 0 {
                settings = settings.parallel_handlers();
            }
            if random.below(3) == 0 {
                settings = settings.spawn_parallel();
            }
            settings.max_pending(Some(4 + random.below(20) as usize)).build()
        })
        .collect();
    let world = World {
        buses: Arc::new(buses.iter().map(busway::EventBus::downgrade).collect()),
        alive: Alive::default(),
        dispatched: Arc::default(),
        started: Arc::default(),
    };
    for bus in &buses {
        for _ in 0..2 {
            let world = world.clone();
            bus.on(move |event: EventHandle<Step>| world.clone().handle(event));
        }
    }
    runtime.block_on(async {
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (world, mut random) = (world.clone(), Random(random.next()));
                tokio::spawn(async move {
                    for _ in 0..25 {
                        let act = std::panic::AssertUnwindSafe(world.act(&mut random, 3));
                        act.catch_unwind().await.expect("a task panicked");
                    }
                })
            })
            .collect();
        for task in tasks {
            let done = tokio::time::timeout(Duration::from_secs(20), task).await;
            done.expect("a task is stuck").unwrap();
        }
        // A handler of one bus may still dispatch on another that was idle before: all of them are
        // idle when one look at the hub says so.
        while hub.memory().iter().any(|bus| bus.incomplete > 0) {
            for bus in &buses {
                let idle = bus.wait_until_idle(Duration::from_secs(20)).await;
                assert_eq!(idle, Ok(true), "{} is stuck:\n{}", bus.name(), bus.log_tree());
            }
        }
        for bus in &buses {
            assert_eq!(bus.pending(), 0);
            assert!(bus.history().iter().all(|event| event.status() == EventStatus::Completed));
        }
        let held = hub.held();
        let open = (held.invocations, held.waits, held.reservations, held.timers);
        assert_eq!(open, (0, 0, 0, 0), "{held:?}");
        // A handler that was aborted is dropped, with what it watched for, by whoever has the turn.
        let unwatched = async {
            while hub.held().watches > 0 {
                tokio::task::yield_now().await;
            }
        };
        let unwatched = tokio::time::timeout(Duration::from_secs(20), unwatched).await;
        assert!(unwatched.is_ok(), "{:?}", hub.held());
        assert!(
            world.started.load(Ordering::SeqCst) <= 2 * world.dispatched.load(Ordering::SeqCst)
        );
        drop(buses);
        let gone = async {
            while hub.held().buses > 0 || world.alive.count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
        assert!(gone.is_ok(), "left: {:?}, {} values", hub.held(), world.alive.count());
    });
}

#[test]
fn random_tasks() {
    let given = std::env::var("BUSWAY_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = given.map_or(1..=12, |seed| seed..=seed);
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("failed with BUSWAY_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
