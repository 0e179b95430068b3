//! Buses, drivers, streams, handles and the runtime, dropped in any order while handlers run: nothing is
//! left. There is one thread and time is virtual, so `BUSWAY_SEED=n cargo test --test robust teardown`
//! runs a failed seed again, step by step.

use std::any::Any;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{
    AnyEvent, BoxError, Concurrency, Driver, Event, EventBus, EventBusBuilder, EventHandle, Hub,
    IntoHub, Limit, Overflow, WeakEventBus,
};
use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::ledger::{Alive, Token};
use crate::seeds::{Random, play_seeds};

#[derive(Event)]
#[event(output = Token)]
struct Job {
    seed: u64,
    depth: u64,
    #[allow(dead_code)]
    token: Token,
    /// An event may hold its parent.
    #[allow(dead_code)]
    parent: Option<EventHandle<Self>>,
}

/// Longer than all limits together.
const LONG: Duration = Duration::from_secs(200);
const OVERFLOWS: [Overflow; 3] = [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest];

/// What handlers share.
#[derive(Clone)]
struct World {
    buses: Arc<[WeakEventBus]>,
    alive: Alive,
    /// What handlers kept when they were done.
    kept: Arc<Mutex<Vec<Box<dyn Any + Send>>>>,
}

impl World {
    fn keep(&self, thing: impl Any + Send) {
        self.kept.lock().unwrap().push(Box::new(thing));
    }

    fn job(&self, random: &mut Random, depth: u64) -> Job {
        Job { seed: random.next(), depth, token: self.alive.token(), parent: None }
    }

    /// Returns whether there was anything to drop.
    fn drop_kept(&self) -> bool {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        !kept.is_empty()
    }

    async fn handle(self, event: EventHandle<Job>) -> Result<Token, BoxError> {
        let mut random = Random(event.seed);
        for _ in 0..=random.below(3) {
            self.act(&mut random, &event).await;
        }
        match random.below(10) {
            0 => Err("as it happens".into()),
            // A panic that does not run the panic hook.
            1 => resume_unwind(Box::new("as it happens")),
            _ => Ok(self.alive.token()),
        }
    }

    async fn act(&self, random: &mut Random, event: &EventHandle<Job>) {
        match random.below(16) {
            0 => yield_now().await,
            1 => sleep(random.millis(50)).await,
            2 => self.keep(event.clone()),
            3 => self.keep(event.as_any()),
            4..=6 if event.depth > 0 => self.have_a_child(random, event).await,
            7..=8 if event.depth > 0 => self.dispatch_anywhere(random, event.depth - 1).await,
            9 if event.depth > 0 => self.run_in_a_task(random, event.clone()).await,
            10 if random.one_in(4) => pending().await,
            11..=13 => self.touch_the_bus(random, event).await,
            14 => {
                drop((event.log_tree().to_string(), event.children()));
                drop((event.results(), event.path()));
            }
            _ => {}
        }
    }

    async fn have_a_child(&self, random: &mut Random, event: &EventHandle<Job>) {
        let mut job = self.job(random, event.depth - 1);
        job.parent = random.one_in(2).then(|| event.clone());
        let Ok(child) = event.dispatch(job) else { return };
        match random.below(4) {
            0 => drop(child),
            1 => self.keep(child),
            2 => drop(child.await),
            _ => drop(child.wait_for(Duration::from_millis(5)).await),
        }
    }

    async fn dispatch_anywhere(&self, random: &mut Random, depth: u64) {
        let Some(bus) = self.buses[random.index(self.buses.len())].upgrade() else { return };
        let event = bus.event(self.job(random, depth));
        let event = match random.below(4) {
            0 => event.parallel(),
            1 => event.detached(),
            2 => event.deadline(random.millis(30)),
            _ => event,
        };
        match event.dispatch() {
            Ok(event) if random.one_in(2) => drop(event.await),
            _ => {}
        }
    }

    async fn run_in_a_task(&self, random: &mut Random, event: EventHandle<Job>) {
        let job = self.job(random, event.depth - 1);
        let task = tokio::spawn(async move { drop(event.event(job).parallel().run().await) });
        if random.one_in(2) {
            let _ = task.await;
        }
    }

    async fn touch_the_bus(&self, random: &mut Random, event: &EventHandle<Job>) {
        let Some(bus) = event.bus() else { return };
        match random.below(18) {
            0 => bus.stop_now(),
            1..=2 => bus.stop(random.millis(20), random.one_in(2)).await,
            3..=5 => self.keep(bus),
            6..=11 => drop(timeout(random.millis(20), bus.expect::<Job>()).await),
            _ => {}
        }
    }
}

/// Everything there is, before it is dropped.
struct Scene {
    random: Random,
    runtime: Runtime,
    hub: Hub,
    world: World,
    buses: Vec<EventBus>,
    things: Vec<Box<dyn Any>>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let (mut random, alive) = (Random(seed), Alive::default());
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let hub_token = alive.token();
        let hub = Hub::builder()
            .runtime(Tokio::new(runtime.handle().clone()))
            .on_warning(move |_| drop(hub_token.clone()))
            .build();
        let (mut buses, mut drivers) = (Vec::new(), Vec::new());
        for number in 0..random.one_of([1, 2, 2, 3]) {
            let settings = settings(&mut random, hub.bus(format!("bus{number}")));
            if random.one_in(3) {
                let (bus, driver) = settings.with_driver();
                buses.push(bus);
                drivers.push(driver);
            } else {
                buses.push(settings.build());
            }
        }
        let weak = buses.iter().map(EventBus::downgrade).collect();
        let world = World { buses: weak, alive, kept: Arc::default() };
        let mut scene = Self { random, runtime, hub, world, buses, things: Vec::new() };
        scene.register();
        scene.watch();
        drivers.into_iter().for_each(|driver| scene.place(driver));
        scene
    }

    fn register(&mut self) {
        let random = &mut self.random;
        for bus in &self.buses {
            for _ in 0..random.below(3) {
                let (world, token) = (self.world.clone(), self.world.alive.token());
                let subscription = bus.on(move |event: EventHandle<Job>| {
                    let _token = &token;
                    world.clone().handle(event)
                });
                if random.one_in(5) {
                    self.things.push(Box::new(subscription.guard()));
                }
            }
            if random.one_in(3) {
                let (world, token, keeps) =
                    (self.world.clone(), self.world.alive.token(), random.one_in(3));
                bus.on_any(move |event: AnyEvent| {
                    let _token = &token;
                    if keeps {
                        world.keep(event);
                    }
                });
            }
            for _ in 0..random.below(3) {
                let _ = bus.forward("*", &self.buses[random.index(self.buses.len())]);
            }
        }
    }

    /// Streams and expectations, polled or not.
    fn watch(&mut self) {
        let random = &mut self.random;
        for bus in &self.buses {
            let thing: Box<dyn Any> = match random.below(5) {
                0 => Box::new(bus.events(1 + random.index(4), random.one_of(OVERFLOWS))),
                1 => Box::new(bus.expect::<Job>()),
                2 => {
                    let token = self.world.alive.token();
                    Box::new(bus.expect_where::<Job>(move |_| {
                        let _token = &token;
                        false
                    }))
                }
                3 => {
                    let mut events = bus.events_of::<Job>(3, Overflow::Wait);
                    let _ = self.runtime.block_on(async { events.next().now_or_never() });
                    Box::new(events)
                }
                _ => continue,
            };
            self.things.push(thing);
        }
    }

    /// Spawns the driver of a bus, polls it once, or never.
    fn place(&mut self, mut driver: Driver) {
        match self.random.below(4) {
            0 => self.things.push(Box::new(self.runtime.spawn(driver))),
            1 => {
                let _entered = self.runtime.enter();
                let cx = &mut Context::from_waker(Waker::noop());
                let _ = Future::poll(Pin::new(&mut driver), cx);
                self.things.push(Box::new(driver));
            }
            _ => self.things.push(Box::new(driver)),
        }
    }

    fn dispatch_some(&mut self) {
        let random = &mut self.random;
        for _ in 0..random.below(6) {
            let bus = &self.buses[random.index(self.buses.len())];
            let depth = random.below(4);
            let event = bus.event(self.world.job(random, depth));
            let event = match random.below(5) {
                0 => event.parallel(),
                1 => event.deadline(random.millis(40)),
                2 => event.first(),
                _ => event,
            };
            if random.one_in(3) {
                let mut run = pin!(event.run());
                let _ = self.runtime.block_on(async { run.as_mut().now_or_never() });
            } else if let Ok(event) = event.dispatch()
                && random.one_in(2)
            {
                self.things.push(Box::new(event));
            }
        }
        let pause = match random.below(4) {
            0 => return,
            1 => Duration::ZERO,
            2 => random.millis(30),
            _ => Duration::from_secs(5),
        };
        self.rest(pause);
    }

    fn rest(&self, pause: Duration) {
        self.runtime.block_on(async {
            sleep(pause).await;
            yield_now().await;
        });
    }

    fn stop_one(&mut self) {
        let (limit, clears) = (self.random.millis(20), self.random.one_in(2));
        let stops = self.buses[0].stop(limit, clears);
        let _ = self.runtime.block_on(async { timeout(Duration::from_secs(5), stops).await });
    }

    /// The runtime lives on: all dispatched events end, and only the hub is left.
    fn end_before_the_runtime(mut self) {
        while !self.things.is_empty() {
            drop_one(&mut self.things, &mut self.random);
            if self.random.one_in(4) {
                let pause = self.random.millis(20);
                self.rest(pause);
            }
        }
        self.rest(LONG);
        while self.world.drop_kept() {
            self.rest(LONG);
        }
        let held = self.hub.held();
        assert_eq!((held.buses, self.world.alive.count()), (0, 1), "{held:?}");
        drop(self.hub);
        assert_eq!(self.world.alive.count(), 0, "values are left of the hub");
    }

    /// The runtime is one of the things that are dropped.
    fn end_with_the_runtime(self) {
        let Self { runtime, hub, world, mut random, mut things, .. } = self;
        things.push(Box::new(runtime));
        things.push(Box::new(hub));
        while !things.is_empty() {
            drop_one(&mut things, &mut random);
        }
        while world.drop_kept() {}
        assert_eq!(world.alive.count(), 0, "values are left");
    }
}

fn drop_one(things: &mut Vec<Box<dyn Any>>, random: &mut Random) {
    drop(things.swap_remove(random.index(things.len())));
}

fn settings<H: IntoHub>(random: &mut Random, settings: EventBusBuilder<H>) -> EventBusBuilder<H> {
    let history = random.one_of([Some(0), Some(1), Some(5), None]);
    let limit = Duration::from_millis(20) + random.millis(500);
    let mut settings = settings.max_history(history).limit(Limit::After(limit));
    if random.one_in(2) {
        settings = settings.parallel_handlers();
    }
    if random.one_in(3) {
        settings = settings.spawn_parallel();
    }
    if random.one_in(4) {
        let mode = random.one_of([Concurrency::HubSerial, Concurrency::Parallel]);
        settings = settings.concurrency(mode);
    }
    settings
}

fn play(seed: u64) {
    let mut scene = Scene::new(seed);
    scene.dispatch_some();
    if scene.buses.len() > 1 && scene.random.one_in(2) {
        drop(scene.buses.remove(scene.random.index(scene.buses.len())));
        scene.dispatch_some();
    }
    if scene.random.one_in(6) {
        scene.stop_one();
    }
    let buses = std::mem::take(&mut scene.buses);
    scene.things.extend(buses.into_iter().map(|bus| Box::new(bus) as Box<dyn Any>));
    if scene.random.one_in(2) {
        scene.end_before_the_runtime();
    } else {
        scene.end_with_the_runtime();
    }
}

#[test]
fn r33_nothing_is_left_when_all_is_dropped_in_any_order() {
    play_seeds(1..=1_000, play);
}
