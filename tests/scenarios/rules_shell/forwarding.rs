//! R17 and R34: buses of one hub, and of two.

use std::error::Error;

use busway::{
    DispatchError, Event, EventBus, EventHandle, ForwardError, HandlerError, Message, NotSentOn,
    Overflow, ResultError,
};

use crate::runtimes::{Env, Outcome, run};
use crate::support::Log;

scenarios!(
    r17_different_hubs_cannot_forward,
    r17_an_arrival_counts_for_expect_and_streams,
    r17_a_stopped_or_dropped_target_is_an_error_row,
    r17_a_ring_runs_each_bus_once_by_identity,
    r17_a_handler_sends_its_event_on,
    r17_an_event_that_is_not_sent_on_says_why,
    r34_what_happens_to_one_bus_changes_nothing_on_another,
);

#[derive(Event)]
#[event(output = u32)]
struct Work(u32);

fn two<E: Env>(env: E) -> (EventBus, EventBus) {
    let hub = env.hub();
    (hub.bus("one").build(), hub.bus("two").build())
}

async fn r17_different_hubs_cannot_forward<E: Env>(env: E) -> Outcome {
    let (one, other) = (env.bus("one"), env.bus("other"));
    let error = one.forward("*", &other).unwrap_err();
    assert!(
        matches!(&error, ForwardError::DifferentHubs { from, to } if from == "one" && to == "other")
    );
    assert!(error.to_string().contains("`Hub::bus`"), "{error}");
    assert_eq!(one.handler_count(), 0);
    Ok(())
}

async fn r17_an_arrival_counts_for_expect_and_streams<E: Env>(env: E) -> Outcome {
    let (one, two) = two(env);
    one.forward("*", &two)?;
    let expected = two.expect_where(|work: &EventHandle<Work>| work.0 == 2);
    let mut arrivals = two.events_of::<Work>(8, Overflow::DropNewest);
    run(&one, Work(1)).await?;
    let event = run(&one, Work(2)).await?;
    assert_eq!(expected.await?.id(), event.id());
    assert_eq!(arrivals.next().await.map(|work| work.0), Some(1));
    assert_eq!(arrivals.next().await.map(|work| work.id()), Some(event.id()));
    Ok(())
}

async fn r17_a_stopped_or_dropped_target_is_an_error_row<E: Env>(env: E) -> Outcome {
    let (one, two) = two(env);
    one.on(|work: EventHandle<Work>| work.0);
    one.forward("*", &two)?;
    two.stop(None, false).await;
    for _ in 0..2 {
        let event = run(&one, Work(1)).await?;
        let Err(ResultError::Failed { error: HandlerError::TargetGone, .. }) = event.result()
        else {
            panic!("{:?}", event.result());
        };
        assert_eq!(event.results()[0].value(), Some(&1u32));
        assert_eq!(event.path(), ["one"]);
    }
    let weak = two.downgrade();
    drop(two);
    assert!(weak.upgrade().is_none(), "a forward keeps nobody alive");
    let event = run(&one, Work(1)).await?;
    assert!(matches!(event.results()[1].error(), Some(HandlerError::TargetGone)));
    Ok(())
}

async fn r17_a_ring_runs_each_bus_once_by_identity<E: Env>(env: E) -> Outcome {
    let (hub, log) = (env.hub(), Log::<String>::new());
    // Two of them ask for the same name.
    let buses = ["ring", "ring", "third"].map(|name| hub.bus(name).build());
    for (bus, next) in buses.iter().zip(buses.iter().cycle().skip(1)) {
        bus.forward("*", next)?;
        let log = log.clone();
        bus.on(move |work: EventHandle<Work>| {
            log.push(work.bus().expect("in a handler").name());
            1
        });
    }
    let event = run(&buses[0], Work(0)).await?;
    assert_eq!(event.results_list()?, [1, 1, 1]);
    assert_eq!(event.path(), log.items());
    assert_eq!(event.path().len(), 3);
    Ok(())
}

async fn r34_what_happens_to_one_bus_changes_nothing_on_another<E: Env>(env: E) -> Outcome {
    let hub = env.hub();
    let (bad, good) = (hub.bus("bad").max_pending(Some(1)).build(), hub.bus("good").build());
    bad.on(|_: EventHandle<Work>| std::future::pending::<u32>());
    good.on(move |work: EventHandle<Work>| async move {
        env.sleep(2).await;
        work.0
    });
    let stuck = bad.dispatch(Work(1))?;
    let refused = bad.dispatch(Work(2)).unwrap_err();
    assert!(matches!(refused, DispatchError::Full { limit: 1, .. }));
    assert!(refused.source().is_none());
    let working = good.dispatch(Work(3))?;
    bad.on_any(|_: busway::AnyEvent| -> () { panic!("not me") });
    bad.stop(None, true).await;
    assert!(stuck.await?.result().is_err());
    assert_eq!(working.await?.result()?, 3);
    assert_eq!(run(&good, Work(4)).await?.result()?, 4);
    Ok(())
}

async fn r17_a_handler_sends_its_event_on<E: Env>(env: E) -> Outcome {
    let (one, two) = two(env);
    let (to, back) = (two.downgrade(), one.downgrade());
    one.on(move |work: EventHandle<Work>| {
        let to = to.clone();
        async move {
            if work.0 > 1 {
                let to = to.upgrade().expect("it is held");
                work.forward_to(&to)?;
                work.forward_to(&to)?;
                env.sleep(1).await;
            }
            busway::ok(work.0)
        }
    });
    two.on(move |work: EventHandle<Work>| {
        // It has been there.
        work.forward_to(&back.upgrade().expect("it is held"))?;
        busway::ok(work.0 * 10)
    });
    let stays = run(&one, Work(1)).await?;
    assert_eq!((stays.results_list()?, stays.path()), (vec![1], vec!["one".to_owned()]));
    let goes = run(&one, Work(2)).await?;
    assert_eq!(goes.results_list()?, [2, 20]);
    assert_eq!(goes.path(), ["one", "two"]);
    assert_eq!(two.history().len(), 1);
    Ok(())
}

async fn r17_an_event_that_is_not_sent_on_says_why<E: Env>(env: E) -> Outcome {
    let (one, two) = two(env);
    let elsewhere = env.bus("elsewhere");
    let (first, stopped, foreign) =
        (two.clone(), one.hub().bus("stopped").build(), elsewhere.clone());
    stopped.stop_now();
    one.on(move |work: EventHandle<Work>| {
        let error = work.forward_to(&foreign).expect_err("another hub");
        assert!(matches!(error, ForwardError::DifferentHubs { .. }), "{error}");
        let error = work.forward_to(&stopped).expect_err("a stopped bus");
        assert_eq!(error.to_string(), "not sent on to stopped: the bus takes no events");
        work.forward_to(&first).map(|()| work.0)
    });
    let why = |sent: Result<(), ForwardError>| match sent {
        Err(ForwardError::NotSentOn { source, .. }) => Some(source),
        _ => None,
    };
    let event = one.dispatch(Work(1))?;
    let early = event.forward_to(&two);
    let event = event.await?;
    assert_eq!(event.result()?, 1);
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(why(early), Some(NotSentOn::NotStarted));
    }
    assert_eq!(why(event.forward_to(&two)), Some(NotSentOn::Ended));
    let other = two.clone();
    one.consumer("address", move |message: Message<u32>| {
        let sent = message.event().forward_to(&other);
        async move {
            busway::ok(matches!(
                sent,
                Err(ForwardError::NotSentOn { source: NotSentOn::Addressed, .. })
            ))
        }
    })?;
    assert!(one.request::<u32, bool>("address", 1).await?);
    Ok(())
}
