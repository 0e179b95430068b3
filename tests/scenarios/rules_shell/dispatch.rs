//! R5 and R12: dispatching from anywhere, and the parent that this gives.

use std::thread;

use busway::{DispatchError, Event, EventHandle, EventStatus};
use futures_util::FutureExt;

use crate::runtimes::{Env, Outcome, run};
use crate::support::{Gate, Log};

scenarios!(
    r5_dispatch_works_from_a_thread_without_a_runtime,
    r5_without_a_runtime_to_latch_it_says_so_and_later_works,
    r5_dropping_the_handle_cancels_nothing,
    r5_dropping_a_wait_cancels_nothing,
    r12_a_spawned_task_has_no_parent,
    r12_scope_carries_the_parent_into_a_task,
    r12_a_detached_event_is_a_root,
    r12_a_late_child_is_linked_and_reopens_nothing,
    r12_another_hubs_handler_is_no_parent,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

#[derive(Event)]
struct Sub;

async fn r5_dispatch_works_from_a_thread_without_a_runtime<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(|work: EventHandle<Work>| work.0 * 2);
    let sender = bus.clone();
    let thread = thread::spawn(move || sender.dispatch(Work(21)));
    let event = thread.join().expect("no panic")?;
    assert_eq!(event.await?.result()?, 42);
    Ok(())
}

async fn r5_without_a_runtime_to_latch_it_says_so_and_later_works<E: Env>(_: E) -> Outcome {
    let bus = busway::EventBus::builder("main").runtime_source(busway::tokio::Tokio::latch).build();
    bus.on(|work: EventHandle<Work>| work.0);
    let sender = bus.clone();
    let refused = thread::spawn(move || sender.dispatch(Work(5)).err()).join().expect("no panic");
    let Some(DispatchError::NoRuntime { event, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(run(&bus, event).await?.result()?, 5);
    Ok(())
}

async fn r5_dropping_the_handle_cancels_nothing<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let done = Log::<u32>::new();
    let log = done.clone();
    bus.on(move |work: EventHandle<Work>| {
        let log = log.clone();
        async move {
            env.sleep(1).await;
            log.push(work.0);
        }
    });
    drop(bus.dispatch(Work(1))?);
    drop(bus.dispatch(Work(2))?);
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(done.items(), [1, 2]);
    Ok(())
}

async fn r5_dropping_a_wait_cancels_nothing<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    let closed = gate.clone();
    bus.on(move |work: EventHandle<Work>| {
        let closed = closed.clone();
        async move {
            closed.pass().await;
            work.0
        }
    });
    let event = bus.dispatch(Work(7))?;
    // Polled once, so that it is registered, then dropped.
    assert!(event.wait().now_or_never().is_none());
    assert!(bus.run(Work(8)).now_or_never().is_none());
    gate.open();
    assert_eq!(event.await?.result()?, 7);
    assert!(bus.wait_until_idle(None).await?);
    assert_eq!(bus.find::<Work>().newest().ok_or("both ran")?.result()?, 8);
    Ok(())
}

async fn r12_a_spawned_task_has_no_parent<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(move |work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        let inside = bus.dispatch(Sub)?;
        assert_eq!(inside.parent_id(), Some(work.id()));
        let outside = env.task(async move { bus.dispatch(Sub) }).await?;
        assert_eq!((outside.parent_id(), outside.depth()), (None, 0));
        busway::ok(())
    });
    run(&bus, Work(1)).await?.result_opt()?;
    Ok(())
}

async fn r12_scope_carries_the_parent_into_a_task<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    bus.on(move |work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        let dispatches = async move {
            env.sleep(1).await;
            bus.dispatch(Sub)
        };
        let child = env.task(work.scope(dispatches)).await?;
        assert_eq!((child.parent_id(), child.depth()), (Some(work.id()), 1));
        // A task's wait is not the handler's: this one only reports what it finds.
        let sent = env.task(work.scope({
            let work = work.clone();
            async move {
                work.dispatch(Sub)?.wait().now_or_never().map_or(Ok(false), |_| busway::ok(true))
            }
        }));
        assert!(!sent.await?, "it is not raised, and the bus is busy with this handler");
        busway::ok(())
    });
    let work = run(&bus, Work(1)).await?;
    work.result_opt()?;
    assert_eq!(work.children().len(), 2);
    Ok(())
}

async fn r12_a_detached_event_is_a_root<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let gate = Gate::closed();
    bus.on(gate.holds::<Sub>());
    bus.on(|work: EventHandle<Work>| async move {
        let bus = work.bus().ok_or("in a handler")?;
        let one = bus.event(Sub).detached().dispatch()?;
        let two = work.event(Sub).detached().dispatch()?;
        assert_eq!([one.parent_id(), two.parent_id()], [None, None]);
        busway::ok(())
    });
    let work = run(&bus, Work(1)).await?;
    work.result_opt()?;
    assert!(work.children().is_empty());
    assert_eq!(bus.pending(), 2, "the parent did not wait for them");
    gate.open();
    assert!(bus.wait_until_idle(None).await?);
    Ok(())
}

async fn r12_a_late_child_is_linked_and_reopens_nothing<E: Env>(env: E) -> Outcome {
    let bus = env.bus("main");
    let parent = run(&bus, Work(1)).await?;
    let completed_at = parent.completed_at();
    let child = parent.dispatch(Sub)?;
    assert_eq!((child.parent_id(), child.depth()), (Some(parent.id()), 1));
    assert_eq!(parent.status(), EventStatus::Completed);
    child.await?;
    assert_eq!(parent.completed_at(), completed_at);
    Ok(())
}

async fn r12_another_hubs_handler_is_no_parent<E: Env>(env: E) -> Outcome {
    let (bus, other) = (env.bus("main"), env.bus("other"));
    other.on(|work: EventHandle<Work>| work.0);
    bus.on(move |_: EventHandle<Sub>| {
        let other = other.clone();
        async move {
            let event = other.dispatch(Work(3))?;
            assert_eq!((event.parent_id(), event.depth()), (None, 0));
            // A wait for another hub's event is an ordinary one.
            assert_eq!(event.await?.result()?, 3);
            busway::ok(())
        }
    });
    run(&bus, Sub).await?.result_opt()?;
    Ok(())
}
