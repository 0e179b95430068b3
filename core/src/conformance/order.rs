//! What happens when: the queue, handlers, children, several buses.

use alloc::vec::Vec;

use super::tools::{Child, Gate, Job, Log, Rt, builder, bus, give_way, hub};
use crate::{AnyEvent, EventBus, EventHandle, EventStatus};

/// Logs the numbers of the events of a bus.
fn logged(bus: &EventBus) -> Log {
    let log = Log::default();
    let job = log.clone();
    bus.on(move |event: EventHandle<Job>| job.push(event.0));
    let child = log.clone();
    bus.on(move |event: EventHandle<Child>| {
        child.push(event.0);
        event.0
    });
    log
}

pub(super) async fn events_start_in_order(rt: Rt) {
    let bus = bus(&rt);
    let log = logged(&bus);
    bus.on(|_: EventHandle<Job>| give_way());
    let all: Vec<_> = (0..100).map(|n| bus.dispatch(Job(n)).unwrap()).collect();
    for event in all {
        event.await.unwrap();
    }
    assert_eq!(log.items(), (0..100).collect::<Vec<_>>());
}

pub(super) async fn handlers_run_in_order_and_all_results_are_kept(rt: Rt) {
    let bus = bus(&rt);
    for n in 0..5u32 {
        bus.on(move |event: EventHandle<Job>| async move {
            give_way().await;
            event.0 + n
        });
    }
    let event = bus.run(Job(10)).await.unwrap();
    assert_eq!(event.results_list().unwrap(), [10, 11, 12, 13, 14]);
    assert_eq!(event.result().unwrap(), 10);
}

pub(super) async fn an_awaited_child_goes_ahead_of_the_queue(rt: Rt) {
    let bus = bus(&rt);
    let log = logged(&bus);
    let all_queued = Gate::default();
    let seen = all_queued.clone();
    bus.on(move |job: EventHandle<Job>| {
        let all_queued = seen.clone();
        async move {
            all_queued.pass().await;
            if job.0 == 1 {
                let not_awaited = job.dispatch(Child(90)).unwrap();
                let awaited = job.run(Child(10)).await.unwrap();
                assert_eq!(not_awaited.status(), EventStatus::Pending);
                assert_eq!(awaited.parent_id(), Some(job.id()));
            }
        }
    });
    let first = bus.dispatch(Job(1)).unwrap();
    let second = bus.dispatch(Job(2)).unwrap();
    all_queued.open();
    first.await.unwrap().result_opt().unwrap();
    second.await.unwrap();
    assert_eq!(log.items(), [1, 10, 2, 90]);
}

pub(super) async fn children_are_awaited_at_any_depth(rt: Rt) {
    let bus = bus(&rt);
    bus.on(|job: EventHandle<Job>| async move {
        match job.0 {
            0 => 0,
            n => job.run(Job(n - 1)).await.unwrap().result().unwrap() + 1,
        }
    });
    assert_eq!(bus.run(Job(300)).await.unwrap().result().unwrap(), 300);
}

/// Each handler waits for the other one.
async fn meet(bus: EventBus) {
    let (one, two) = (Gate::default(), Gate::default());
    for (mine, others) in [(one.clone(), two.clone()), (two, one)] {
        bus.on(move |_: EventHandle<Job>| {
            let (mine, others) = (mine.clone(), others.clone());
            async move {
                mine.open();
                others.pass().await;
            }
        });
    }
    bus.run(Job(0)).await.unwrap().result_opt().unwrap();
}

pub(super) async fn parallel_handlers_run_together(rt: Rt) {
    meet(builder(&rt, "main").parallel_handlers().build()).await;
}

pub(super) async fn spawned_handlers_run_together(rt: Rt) {
    let bus = builder(&rt, "main").parallel_handlers().spawn_parallel().build();
    bus.on(
        |job: EventHandle<Job>| async move { job.run(Child(5)).await.unwrap().result().unwrap() },
    );
    bus.on(|child: EventHandle<Child>| async move {
        give_way().await;
        child.0
    });
    assert_eq!(bus.run(Job(0)).await.unwrap().result().unwrap(), 5);
    meet(builder(&rt, "other").parallel_handlers().spawn_parallel().build()).await;
}

pub(super) async fn buses_run_side_by_side(rt: Rt) {
    let buses: Vec<_> = (0..20).map(|n| builder(&rt, &alloc::format!("bus_{n}")).build()).collect();
    let logs: Vec<_> = buses.iter().map(logged).collect();
    for bus in &buses {
        bus.on(|_: EventHandle<Job>| give_way());
    }
    let dispatched = (0..20).flat_map(|n| buses.iter().map(move |bus| bus.dispatch(Job(n))));
    for event in dispatched.collect::<Vec<_>>() {
        event.unwrap().await.unwrap();
    }
    for log in logs {
        assert_eq!(log.items(), (0..20).collect::<Vec<_>>());
    }
}

pub(super) async fn a_handler_awaits_an_event_of_another_bus(rt: Rt) {
    let hub = hub(&rt);
    let (front, back) = (hub.bus("front").build(), hub.bus("back").build());
    let target = back.downgrade();
    front.on(move |job: EventHandle<Job>| {
        let back = target.upgrade().unwrap();
        async move { back.run(Child(job.0 + 1)).await.unwrap().result().unwrap() }
    });
    back.on(|child: EventHandle<Child>| async move {
        give_way().await;
        child.0
    });
    let job = front.run(Job(1)).await.unwrap();
    assert_eq!(job.result().unwrap(), 2);
    assert_eq!(job.children().len(), 1);
}

pub(super) async fn an_event_is_forwarded(rt: Rt) {
    let hub = hub(&rt);
    let (front, back) = (hub.bus("front").build(), hub.bus("back").build());
    front.on(|job: EventHandle<Job>| job.0);
    back.on_any(|event: AnyEvent| async move {
        give_way().await;
        event.path().len() as u32
    });
    front.forward("*", &back).unwrap();
    let job = front.run(Job(7)).await.unwrap();
    assert_eq!(job.results_list().unwrap(), [7, 2]);
}
