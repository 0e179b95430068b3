//! R32: all buses of a hub are stopped together.

use std::sync::{Arc, OnceLock};

use busway::{Cause, DispatchError, Event, EventHandle, EventStatus, HandlerError, WaitError};

use futures_util::future::join;

use crate::runtimes::{Env, Outcome};
use crate::support::{Gate, Log};

scenarios!(
    r32_buses_stopped_together_finish_what_they_give_each_other,
    r32_what_handlers_dispatch_detached_is_finished_too,
    r31_a_hub_is_idle_when_all_its_buses_are,
    r32_what_a_hub_has_not_finished_in_time_is_ended,
    r32_a_hub_is_stopped_from_inside_a_handler,
    r32_a_handler_that_stops_its_hub_waits_for_nothing_that_comes_behind_it,
    r32_a_handler_that_stops_two_buses_is_told_of_both,
);

#[derive(Event)]
#[event(output = u32)]
struct Order(u32);

#[derive(Event)]
#[event(output = u32)]
struct Take(u32);

#[derive(Event)]
struct Stop;

async fn r32_buses_stopped_together_finish_what_they_give_each_other<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [orders, stock, audit] = ["orders", "stock", "audit"].map(|name| hub.bus(name).build());
    let (gate, log) = (Gate::closed(), Log::<u32>::new());
    let (opens, takes) = (gate.clone(), stock.clone());
    orders.on(move |order: EventHandle<Order>| {
        let (gate, stock) = (opens.clone(), takes.clone());
        async move {
            gate.pass().await;
            busway::ok(stock.run(Take(order.0)).await?.result()?)
        }
    });
    stock.on(|take: EventHandle<Take>| take.0 * 2);
    orders.forward("*", &audit)?;
    let seen = log.clone();
    audit.on(move |order: EventHandle<Order>| seen.push(order.0));
    let events = [orders.dispatch(Order(1))?, orders.dispatch(Order(2))?];

    let stopping = hub.clone();
    let stops = env.task(async move { stopping.stop(env.ticks(1_000), true).await });
    let opens = async {
        while !audit.is_stopped() {
            env.sleep(1).await;
        }
        let refused = stock.dispatch(Take(9));
        assert!(matches!(refused, Err(DispatchError::Stopped { event: Take(9) })));
        gate.open();
    };
    join(stops, opens).await;
    for (event, result) in events.into_iter().zip([2, 4]) {
        assert_eq!((event.status(), event.result()?), (EventStatus::Completed, result));
        assert_eq!(event.path(), ["orders", "audit"]);
    }
    assert_eq!(log.items(), [1, 2]);
    assert_eq!([&orders, &stock, &audit].map(|bus| bus.handler_count()), [0; 3], "cleared");
    hub.stop(None, false).await;
    Ok(())
}

/// A graceful stop must not lose what the end of the process would not.
async fn r32_what_handlers_dispatch_detached_is_finished_too<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (orders, mails) = (hub.bus("orders").build(), hub.bus("mails").build());
    let (gate, log) = (Gate::closed(), Log::<u32>::new());
    let (opens, sends) = (gate.clone(), mails.clone());
    orders.on(move |order: EventHandle<Order>| {
        let (gate, mails) = (opens.clone(), sends.clone());
        async move {
            gate.pass().await;
            mails.event(Take(1)).detached().dispatch()?;
            order.event(Take(2)).detached().dispatch()?;
            busway::ok(7)
        }
    });
    for bus in [&orders, &mails] {
        let seen = log.clone();
        bus.on(move |take: EventHandle<Take>| {
            seen.push(take.0);
            take.0
        });
    }
    let order = orders.dispatch(Order(1))?;
    let stopping = hub.clone();
    let stops = env.task(async move { stopping.stop(env.ticks(1_000), true).await });
    let opens = async {
        while !mails.is_stopped() {
            env.sleep(1).await;
        }
        gate.open();
    };
    join(stops, opens).await;
    assert_eq!(order.await?.result()?, 7);
    let mut seen = log.items();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    Ok(())
}

/// They send something to and fro: after each step, the bus that was looked at is busy again.
async fn r31_a_hub_is_idle_when_all_its_buses_are<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (ping, pong) = (hub.bus("ping").build(), hub.bus("pong").build());
    let log = Log::<u32>::new();
    for (bus, other) in [(&ping, &pong), (&pong, &ping)] {
        let (seen, other) = (log.clone(), other.downgrade());
        bus.on(move |take: EventHandle<Take>| {
            let (seen, other) = (seen.clone(), other.upgrade());
            async move {
                env.sleep(1).await;
                seen.push(take.0);
                if let Some(bus) = other.filter(|_| take.0 < 6) {
                    bus.event(Take(take.0 + 1)).detached().dispatch()?;
                }
                busway::ok(take.0)
            }
        });
    }
    ping.dispatch(Take(1))?;
    assert!(!hub.wait_until_idle(env.ticks(2)).await?);
    assert!(hub.wait_until_idle(None).await?);
    assert_eq!(log.items(), [1, 2, 3, 4, 5, 6]);

    let of_handler = hub.clone();
    pong.on(move |_: EventHandle<Stop>| {
        let hub = of_handler.clone();
        async move {
            assert!(matches!(hub.wait_until_idle(None).await, Err(WaitError::Deadlock { .. })));
        }
    });
    pong.run(Stop).await?.check()?;
    Ok(())
}

async fn r32_what_a_hub_has_not_finished_in_time_is_ended<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [one, other] = ["one", "other"].map(|name| hub.bus(name).build());
    for bus in [&one, &other] {
        bus.on(|_: EventHandle<Order>| std::future::pending::<u32>());
    }
    let events = [one.dispatch(Order(1))?, one.dispatch(Order(2))?, other.dispatch(Order(3))?];
    hub.stop(env.ticks(2), false).await;
    for event in &events {
        assert_eq!(event.wait().await?.cause(), Some(Cause::Stopped));
    }
    assert!(matches!(other.dispatch(Order(4)), Err(DispatchError::Stopped { .. })));
    Ok(())
}

async fn r32_a_hub_is_stopped_from_inside_a_handler<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [one, other] = ["one", "other"].map(|name| hub.bus(name).build());
    other.on(move |take: EventHandle<Take>| async move {
        env.sleep(2).await;
        take.0
    });
    let takes = other.dispatch(Take(7))?;
    let stops = hub.clone();
    one.on(move |_: EventHandle<Order>| {
        let hub = stops.clone();
        async move {
            hub.stop(env.ticks(1_000), false).await;
            1
        }
    });
    let order = one.dispatch(Order(1))?.await?;
    assert_eq!(takes.result()?, 7, "it was waited for");
    let Some(HandlerError::Aborted { cause: Cause::Stopped }) = order.results()[0].error() else {
        panic!("{:?}", order.results());
    };
    Ok(())
}

async fn r32_a_handler_that_stops_its_hub_waits_for_nothing_that_comes_behind_it<E: Env>(
    env: E,
) -> Outcome {
    let hub = env.hub();
    let [orders, audit] = ["orders", "audit"].map(|name| hub.bus(name).build());
    orders.on(move |order: EventHandle<Order>| async move {
        env.sleep(2).await;
        order.0
    });
    orders.forward("*", &audit)?;
    let (stops, log) = (hub.clone(), Log::<u32>::new());
    let begun = log.clone();
    audit.on(move |order: EventHandle<Order>| {
        let (hub, begun) = (stops.clone(), begun.clone());
        async move {
            begun.push(order.0);
            hub.stop(env.ticks(1_000_000), false).await;
            order.0
        }
    });
    let [first, second] = [orders.dispatch(Order(1))?, orders.dispatch(Order(2))?];
    let (first, second) = (first.await?, second.await?);
    assert_eq!(log.items(), [1], "the second one came behind the handler that stops");
    let error = first.results()[1].error();
    assert!(matches!(error, Some(HandlerError::Aborted { cause: Cause::Stopped })), "{error:?}");
    assert_eq!((second.cause(), second.results().len()), (Some(Cause::Stopped), 1));
    assert_eq!(second.path(), ["orders", "audit"]);
    Ok(())
}

async fn r32_a_handler_that_stops_two_buses_is_told_of_both<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let [main, orders, stock] = ["main", "orders", "stock"].map(|name| hub.bus(name).build());
    let own = Arc::new(OnceLock::<EventHandle<Stop>>::new());
    let (stops, stopped) = ([stock.downgrade(), orders.downgrade()], Gate::closed());
    let (opens, is_set) = (stopped.clone(), Gate::closed());
    let waits = is_set.clone();
    main.on(move |_: EventHandle<Stop>| {
        let (gate, set, buses) = (opens.clone(), waits.clone(), stops.clone());
        async move {
            set.pass().await;
            let [stock, orders] = buses.map(|bus| bus.upgrade().expect("it is held"));
            join(stock.stop(env.ticks(1_000), false), orders.stop(env.ticks(1_000), false)).await;
            gate.open();
        }
    });
    orders.on(move |_: EventHandle<Order>| async move { env.sleep(2).await });
    let waits_for = own.clone();
    stock.on(move |_: EventHandle<Take>| {
        let own = waits_for.clone();
        async move {
            env.sleep(5).await;
            let own = own.get().expect("it is set").clone();
            own.await.map(drop)
        }
    });
    orders.dispatch(Order(1))?;
    stock.dispatch(Take(1))?;
    let watch = env.watch();
    let _ = own.set(main.dispatch(Stop)?);
    is_set.open();
    stopped.pass().await;
    watch.took(env.ticks(5));
    Ok(())
}
