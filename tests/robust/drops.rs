//! Every public future, dropped after every possible number of polls, in a root task and inside a
//! handler: nothing is lost, nothing leaks.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use busway::machine::Held;
use busway::{
    AnyEvent, Driver, EventBus, EventHandle, EventStatus, Hub, Limit, Overflow, WeakEventBus,
};
use futures_util::future::{BoxFuture, Either, join, select};
use futures_util::{FutureExt, StreamExt};

use crate::ledger::{Alive, Door, Job, Runs, Token};
use crate::manual::{Manual, Polled, drive, driven, yields};

const TICK: Duration = Duration::from_millis(1);

/// A hub with two buses, and the counts taken of it.
struct Rig {
    runtime: Manual,
    hub: Hub,
    bus: EventBus,
    far: EventBus,
    drivers: Vec<Polled<Driver>>,
    alive: Alive,
    runs: Runs,
}

/// The parts a scene works with.
#[derive(Clone)]
struct Stage {
    bus: EventBus,
    far: EventBus,
    alive: Alive,
}

type Scene = fn(Stage) -> BoxFuture<'static, ()>;

impl Stage {
    fn job(&self, id: u32) -> Job {
        Job { id, yields: 1, token: self.alive.token() }
    }

    /// Puts a job on the bus, if there is room.
    fn put(&self, id: u32) -> Option<EventHandle<Job>> {
        self.bus.dispatch(self.job(id)).ok()
    }
}

impl Rig {
    fn new(helps: bool) -> Self {
        let runtime = Manual::helping(helps);
        let hub = runtime.hub();
        let (alive, runs) = (Alive::default(), Runs::default());
        let settings = hub.bus("near").max_history(None).max_pending(Some(3));
        let (bus, near_driver) = driven(settings);
        let (far, far_driver) = driven(hub.bus("far").max_history(None));
        for bus in [&bus, &far] {
            let (runs, token) = (runs.clone(), alive.token());
            bus.on(move |job: EventHandle<Job>| {
                runs.note(job.id);
                let token = token.clone();
                async move {
                    yields(job.yields).await;
                    token
                }
            });
        }
        let drivers = vec![near_driver, far_driver];
        Self { runtime, hub, bus, far, drivers, alive, runs }
    }

    fn stage(&self) -> Stage {
        Stage { bus: self.bus.clone(), far: self.far.clone(), alive: self.alive.clone() }
    }

    fn step(&mut self) {
        for driver in &mut self.drivers {
            driver.step();
        }
    }

    fn rest(&mut self) {
        rest(&mut self.drivers);
    }

    /// Asserts that nothing is left to do, and that every dispatched job ran once.
    fn assert_nothing_lost(&mut self, what: &str) {
        self.rest();
        assert_eq!((self.bus.pending(), self.far.pending()), (0, 0), "{what}: something is stuck");
        for bus in [&self.bus, &self.far] {
            for event in bus.history() {
                assert_eq!(event.status(), EventStatus::Completed, "{what}: {event:?}");
                let Some(job) = event.downcast::<Job>() else { continue };
                // A stopped job may not have run, but never ran twice.
                let ran = self.runs.of(job.id);
                let may_run = if job.cause().is_none() { 1..=1 } else { 0..=1 };
                assert!(may_run.contains(&ran), "{what}: job {} ran {ran} times", job.id);
            }
        }
    }

    /// Asserts that the dispatched events are gone, with everything that belongs to them.
    fn assert_nothing_leaks(self, what: &str) {
        let held = self.hub.held();
        let open = (held.invocations, held.waits, held.watches, held.reservations, held.timers);
        assert_eq!(open, (0, 0, 0, 0, 0), "{what}: {held:?}");
        let Self { runtime, hub, bus, far, mut drivers, alive, .. } = self;
        drop((bus, far));
        rest(&mut drivers);
        assert!(drivers.iter().all(Polled::is_done), "{what}: the drivers go on without a bus");
        assert_eq!(hub.held().buses, 0, "{what}");
        assert_eq!(alive.count(), 0, "{what}: values of the user's are left");
        drop((drivers, hub, runtime));
    }
}

/// The first number of the scenes' jobs, so that each is seen to run once.
const OWN: u32 = 10;
/// The first number of the other jobs.
const OTHERS: u32 = 100;

fn scenes() -> Vec<(&'static str, Scene)> {
    vec![
        ("handle", |at| {
            let Some(job) = at.put(OWN) else { return async {}.boxed() };
            async move { drop(job.await) }.boxed()
        }),
        ("wait", |at| {
            let Some(job) = at.put(OWN) else { return async {}.boxed() };
            async move { drop(job.wait().await) }.boxed()
        }),
        ("wait of one behind others", |at| {
            let jobs: Vec<_> = (OWN..OWN + 3).filter_map(|id| at.put(id)).collect();
            async move { drop(jobs.last().unwrap().wait().await) }.boxed()
        }),
        ("wait of any", |at| {
            let Some(job) = at.put(OWN) else { return async {}.boxed() };
            async move { drop(job.as_any().wait().await) }.boxed()
        }),
        ("wait_for that is over", |at| {
            let Some(job) = at.put(OWN) else { return async {}.boxed() };
            async move { drop(job.wait_for(TICK).await) }.boxed()
        }),
        ("wait_for", |at| {
            let Some(job) = at.put(OWN) else { return async {}.boxed() };
            async move { drop(job.wait_for(1000 * TICK).await) }.boxed()
        }),
        ("run on the bus", |at| async move { drop(at.bus.run(at.job(OWN)).await) }.boxed()),
        ("run on another bus", |at| async move { drop(at.far.run(at.job(OWN)).await) }.boxed()),
        ("run of a builder", |at| {
            async move { drop(at.bus.event(at.job(OWN)).parallel().run().await) }.boxed()
        }),
        ("run with a deadline", |at| {
            let job = at.job(OWN);
            async move { drop(at.bus.event(job).deadline(3 * TICK).run().await) }.boxed()
        }),
        ("run on a handle", |at| {
            async move {
                let Some(parent) = at.put(OWN) else { return };
                drop(parent.run(at.job(OWN + 1)).await);
            }
            .boxed()
        }),
        ("run on any", |at| {
            async move {
                let Some(parent) = at.put(OWN) else { return };
                drop(parent.as_any().run(at.job(OWN + 1)).await);
            }
            .boxed()
        }),
        ("reserve", |at| {
            let _: Vec<_> = (OWN..OWN + 3).map(|id| at.put(id)).collect();
            async move {
                let Ok(permit) = at.bus.reserve().await else { return };
                yields(1).await;
                drop(permit.dispatch(at.job(OWN + 5)));
            }
            .boxed()
        }),
        ("two reservations", |at| {
            let _: Vec<_> = (OWN..OWN + 3).map(|id| at.put(id)).collect();
            async move {
                let (one, two) = join(at.bus.reserve(), at.bus.reserve()).await;
                drop(one);
                drop(two.map(|two| two.dispatch(at.job(OWN + 5))));
            }
            .boxed()
        }),
        ("dispatch_wait", |at| {
            let _: Vec<_> = (OWN..OWN + 3).map(|id| at.put(id)).collect();
            async move { drop(at.bus.dispatch_wait(at.job(OWN + 5)).await) }.boxed()
        }),
        ("wait_until_idle", |at| {
            at.put(OWN);
            async move { drop(at.bus.wait_until_idle(None).await) }.boxed()
        }),
        ("wait_until_idle of another bus", |at| {
            let _ = at.far.dispatch(at.job(OWN));
            async move { drop(at.far.wait_until_idle(2 * TICK).await) }.boxed()
        }),
        ("stop", |at| {
            at.put(OWN);
            async move { at.bus.stop(None, false).await }.boxed()
        }),
        ("graceful stop", |at| {
            at.put(OWN);
            async move { at.bus.stop(1000 * TICK, true).await }.boxed()
        }),
        ("graceful stop that is over", |at| {
            at.put(OWN);
            async move { at.bus.stop(TICK, false).await }.boxed()
        }),
        ("expect", |at| at.bus.expect::<Job>().map(drop).boxed()),
        ("expect where", |at| at.bus.expect_where::<Job>(|job| job.id > OTHERS).map(drop).boxed()),
        ("expect a name", |at| at.bus.expect_name("*").map(drop).boxed()),
        ("expect within", |at| at.bus.expect::<Job>().within(1000 * TICK).map(drop).boxed()),
        ("expect within, over", |at| {
            at.bus.expect_name("Nothing").within(2 * TICK).map(drop).boxed()
        }),
        ("newest or next", |at| {
            at.bus.find::<Job>().matching(|job| job.id > OTHERS).newest_or_next().map(drop).boxed()
        }),
        ("a stream that is waited for", |at| {
            let stream = at.bus.events(1, Overflow::Wait);
            at.put(OWN);
            at.put(OWN + 1);
            stream.take(3).collect::<Vec<AnyEvent>>().map(drop).boxed()
        }),
        ("a stream that drops", |at| {
            let stream = at.bus.events_of::<Job>(1, Overflow::DropOldest);
            at.put(OWN);
            at.put(OWN + 1);
            stream.take(2).collect::<Vec<_>>().map(drop).boxed()
        }),
        ("scope", |at| {
            async move {
                let Some(parent) = at.put(OWN) else { return };
                let inner = async { drop(at.bus.run(at.job(OWN + 1)).await) };
                parent.scope(inner).await;
            }
            .boxed()
        }),
        ("join", |at| {
            async move {
                let one = at.bus.run(at.job(OWN));
                let two = at.far.run(at.job(OWN + 1));
                drop(join(one, two).await);
            }
            .boxed()
        }),
        ("select", |at| {
            async move {
                let (near, far) = (at.job(OWN), at.job(OWN + 1));
                let (one, two) = (at.bus.run(near).boxed(), at.far.run(far).boxed());
                match select(one, two).await {
                    Either::Left((_, other)) => drop(other),
                    Either::Right((_, other)) => drop(other),
                }
            }
            .boxed()
        }),
        ("request", |at| {
            let kept = at.alive.token();
            let answer = at.bus.consumer("token", move |_: busway::Message<Token>| {
                let token = kept.clone();
                async move {
                    yields(1).await;
                    Ok::<Token, String>(token)
                }
            });
            let off = answer.ok().map(busway::Subscription::guard);
            async move {
                let token = at.alive.token();
                drop(at.bus.request::<_, Token>("token", token).await);
                drop(off);
            }
            .boxed()
        }),
        ("publish", |at| {
            let kept = at.alive.token();
            at.bus.subscribe("topic", move |_: busway::Message<Token>| {
                let token = kept.clone();
                async move {
                    yields(1).await;
                    drop(token);
                    Ok::<(), String>(())
                }
            });
            async move { drop(at.bus.publish("topic", at.alive.token()).await) }.boxed()
        }),
    ]
}

/// Starts a scene. Its future owns the stage, so that the buses there are dropped with it.
fn play(rig: &Rig, scene: Scene) -> BoxFuture<'static, ()> {
    scene(rig.stage())
}

#[test]
fn futures_of_root_tasks() {
    for helps in [false, true] {
        for (name, scene) in scenes() {
            let mut polls = 0;
            while !root_task(name, scene, polls, helps) {
                polls += 1;
                assert!(polls < 100, "{name} never ends");
            }
        }
    }
}

/// Returns true when the future ended by itself within this many polls.
fn root_task(name: &str, scene: Scene, polls: usize, helps: bool) -> bool {
    let what = format!("{name}, dropped after {polls} polls, {helps}");
    let mut rig = Rig::new(helps);
    rig.stage().put(OTHERS);
    let mut future = Polled::new(play(&rig, scene));
    let waker = future.waker.clone();
    for poll in 0..polls {
        future.waker.clone().wake_now();
        future.step();
        if poll == 1 {
            rig.stage().put(OTHERS + 1);
        }
        rig.step();
        rig.runtime.advance(TICK);
    }
    let has_ended = future.is_done();
    drop(future);
    rig.runtime.forget_timers();
    rig.assert_nothing_lost(&what);
    assert_eq!(Arc::strong_count(&waker), 1, "{what}: somebody keeps the waker");
    rig.assert_nothing_leaks(&what);
    has_ended
}

/// How a handler holds the future that it drops.
#[derive(Clone, Copy, Debug)]
enum Beside {
    Alone,
    Joined,
    Selected,
}

/// Polls `future` this many times, each time it is woken, and drops it. True when it has ended.
async fn dropped_after(polls: usize, future: BoxFuture<'static, ()>) -> bool {
    let mut future = Some(future);
    let mut polled = 0;
    poll_fn(move |cx| {
        let Some(inner) = &mut future else { return Poll::Ready(true) };
        if polled < polls {
            polled += 1;
            if inner.as_mut().poll(cx).is_ready() {
                future = None;
                return Poll::Ready(true);
            }
            if polled < polls {
                return Poll::Pending;
            }
        }
        future = None;
        Poll::Ready(false)
    })
    .await
}

#[test]
fn futures_inside_handlers() {
    for beside in [Beside::Alone, Beside::Joined, Beside::Selected] {
        for (name, scene) in scenes() {
            let mut polls = 0;
            while !in_handler(name, scene, polls, beside) && polls < 12 {
                polls += 1;
            }
        }
    }
}

#[derive(busway::Event)]
struct Play;

fn in_handler(name: &str, scene: Scene, polls: usize, beside: Beside) -> bool {
    let what = format!("{name} in a handler, dropped after {polls} polls, {beside:?}");
    let mut rig = Rig::new(true);
    let ended = Runs::default();
    let (alive, note) = (rig.alive.clone(), ended.clone());
    let (near, far): (WeakEventBus, WeakEventBus) = (rig.bus.downgrade(), rig.far.downgrade());
    rig.bus
        .handler(move |play: EventHandle<Play>| {
            let (bus, far) = (near.upgrade().unwrap(), far.upgrade().unwrap());
            let stage = Stage { bus, far, alive: alive.clone() };
            let note = note.clone();
            async move {
                let child = play.dispatch(stage.job(1)).unwrap();
                let future = dropped_after(polls, scene(stage));
                let has_ended = match beside {
                    Beside::Alone => future.await,
                    Beside::Joined => join(future, child.wait()).await.0,
                    Beside::Selected => match select(future.boxed(), child.wait()).await {
                        Either::Left((has_ended, _)) => has_ended,
                        Either::Right((_, future)) => future.await,
                    },
                };
                note.note(u32::from(has_ended));
            }
        })
        .limit(Limit::After(Duration::from_secs(1)))
        .register();
    let play = rig.bus.dispatch(Play).unwrap();
    rig.stage().put(OTHERS);
    // The awaited event may never come: then the handler's limit ends it.
    for _ in 0..4 {
        rig.rest();
        rig.runtime.advance(TICK);
        rig.stage().put(OTHERS + 1);
    }
    for _ in 0..4 {
        rig.rest();
        rig.runtime.advance(Duration::from_secs(1));
    }
    rig.rest();
    rig.runtime.forget_timers();
    assert_eq!(play.status(), EventStatus::Completed, "{what}");
    drop(play);
    rig.bus.stop_now();
    rig.assert_nothing_leaks(&what);
    ended.of(1) == 1
}

/// How to end a bus with work in all states.
#[derive(Clone, Copy, Debug)]
enum Ending {
    DriverDropped,
    BusesDropped,
    Stopped,
    Limits,
}

/// Handlers that wait for children, for the outside, for themselves: ended after every number of
/// polls of the driver.
#[test]
fn handlers_that_are_ended_at_every_poll() {
    let endings = [Ending::DriverDropped, Ending::BusesDropped, Ending::Stopped, Ending::Limits];
    for ending in endings {
        for helps in [false, true] {
            for polls in 0..12 {
                ended_after(ending, polls, helps);
            }
        }
    }
}

fn ended_after(ending: Ending, polls: usize, helps: bool) {
    let what = format!("{ending:?} after {polls} polls, {helps}");
    let rig = Rig::new(helps);
    let (alive, door, far) = (rig.alive.clone(), Door::default(), rig.far.downgrade());
    let outside = door.clone();
    rig.bus
        .handler(move |play: EventHandle<Play>| {
            let (alive, door, far) = (alive.clone(), outside.clone(), far.clone());
            async move {
                let job = |id| Job { id, yields: 3, token: alive.token() };
                let _kept = alive.token();
                let first = play.dispatch(job(1)).unwrap();
                let Some(far) = far.upgrade() else { return };
                let second = far.run(job(2));
                let (_, _) = join(first.wait(), second).await;
                yields(2).await;
                door.pass().await;
            }
        })
        .limit(Limit::After(Duration::from_secs(1)))
        .register();
    let play = rig.bus.dispatch(Play).unwrap();
    let jobs: Vec<_> = (OWN..OWN + 2).filter_map(|id| rig.stage().put(id)).collect();
    let mut waits: Vec<_> = jobs
        .iter()
        .map(|job| Polled::new(job.wait().map(|done| drop(done.unwrap())).boxed()))
        .collect();
    waits.push(Polled::new(play.wait().map(|done| drop(done.unwrap())).boxed()));
    let Rig { runtime, hub, bus, far, mut drivers, alive, .. } = rig;
    let mut buses = Some([bus, far]);
    for poll in 0..polls {
        drivers[poll % 2].step();
        waits[poll % 3].step();
    }
    match ending {
        Ending::DriverDropped => drivers.clear(),
        Ending::BusesDropped => buses = None,
        Ending::Stopped => buses.iter().flatten().for_each(EventBus::stop_now),
        Ending::Limits => {}
    }
    if let Ending::BusesDropped = ending {
        door.open();
    }
    rest(&mut drivers);
    runtime.advance(Duration::from_secs(1));
    rest(&mut drivers);
    for wait in &mut waits {
        wait.step();
        assert!(wait.is_done(), "{what}: a waiter was not told");
    }
    assert_eq!(play.status(), EventStatus::Completed, "{what}");
    drop((waits, jobs, play, buses, door));
    rest(&mut drivers);
    assert!(drivers.iter().all(Polled::is_done), "{what}: a driver goes on");
    drop(drivers);
    assert_eq!(hub.held(), Held::default(), "{what}");
    assert_eq!(alive.count(), 0, "{what}: values of the user's are left");
}

/// Drives until no driver is woken any more.
fn rest(drivers: &mut [Polled<Driver>]) {
    assert!(drive(drivers), "the drivers wake themselves without end");
}
