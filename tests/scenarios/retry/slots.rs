//! R46: semaphores of one process.

use std::sync::Arc;

use busway::{BoxError, Retry, RetryError, SemaphoreError, SemaphoreScope};
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{Room, name};
use crate::runtimes::{Env, Outcome};
use crate::support::{Gate, Log};

scenarios!(
    s107_global_limit_two_of_four,
    s108_a_class_shares_its_slots,
    s109_each_instance_has_its_own,
    s104_who_waits_is_in_only_after_somebody_left,
    r46_a_slot_is_held_over_all_tries,
    r46_first_come_first_served,
    r46_ten_thousand_wait_in_order,
    r46_a_slot_comes_back_after_an_error_a_panic_and_a_drop,
    r46_strict_is_a_typed_error_and_lax_goes_on,
    r46_the_limit_gives_way_in_time_unless_that_is_ruled_out,
    r46_a_function_that_goes_on_without_a_slot_tells,
    r46_function_pointers_of_one_type_share_a_name,
    r46_names_and_scopes_are_apart,
    r46_an_instance_that_is_gone_is_not_mistaken_for_another,
);

/// A call that stays in the room for a tick.
async fn visit<E: Env>(env: E, policy: &Retry, room: &Room) -> Result<(), RetryError> {
    let stay = async || {
        let _guest = room.enter();
        env.sleep(1).await;
        Ok::<(), BoxError>(())
    };
    policy.run(stay).await
}

fn all_in(results: Vec<Result<(), RetryError>>) -> Result<(), RetryError> {
    results.into_iter().collect()
}

async fn s107_global_limit_two_of_four<E: Env>(env: E) -> Outcome {
    let (room, watch) = (Room::default(), env.watch());
    // Four policies, made separately: they share only the name.
    let policy =
        |_| Retry::new().semaphore_limit(2).semaphore_name(name::<E>("s107")).timeout(None);
    let policies: Vec<_> = (0..4).map(policy).collect();
    all_in(join_all(policies.iter().map(|policy| visit(env, policy, &room))).await)?;
    watch.took(env.ticks(2));
    assert_eq!((room.ever(), room.most(), room.now()), (4, 2, 0));
    Ok(())
}

struct Client;

async fn s108_a_class_shares_its_slots<E: Env>(env: E) -> Outcome {
    let (room, watch) = (Room::default(), env.watch());
    let policy = Retry::new()
        .semaphore_limit(1)
        .semaphore_name(name::<E>("s108"))
        .semaphore_scope(SemaphoreScope::class::<Client>());
    all_in(join_all((0..3).map(|_| visit(env, &policy, &room))).await)?;
    watch.took(env.ticks(3));
    assert_eq!((room.ever(), room.most()), (3, 1));
    Ok(())
}

async fn s109_each_instance_has_its_own<E: Env>(env: E) -> Outcome {
    let (room, watch) = (Room::default(), env.watch());
    let clients: Vec<_> = (0..3).map(|_| Arc::new(Client)).collect();
    let of = |client| {
        Retry::new()
            .semaphore_limit(1)
            .semaphore_name(name::<E>("s109"))
            .semaphore_scope(SemaphoreScope::instance(client))
    };
    let twice: Vec<_> = clients.iter().chain(&clients).map(of).collect();
    all_in(join_all(twice.iter().map(|policy| visit(env, policy, &room))).await)?;
    watch.took(env.ticks(2));
    assert_eq!((room.ever(), room.most()), (6, 3));
    Ok(())
}

async fn s104_who_waits_is_in_only_after_somebody_left<E: Env>(_env: E) -> Outcome {
    let policy = Retry::new().timeout(None).semaphore_limit(2).semaphore_name(name::<E>("s104"));
    let log = Log::<String>::new();
    let gates: Vec<_> = (0..4).map(|_| Gate::closed()).collect();
    let mut calls: Vec<_> = gates
        .iter()
        .enumerate()
        .map(|(number, gate)| {
            let (log, policy) = (log.clone(), &policy);
            Box::pin(async move {
                let stay = async || {
                    log.push(format!("{number} in"));
                    gate.pass().await;
                    log.push(format!("{number} out"));
                    busway::ok(())
                };
                policy.run(stay).await
            })
        })
        .collect();
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    assert_eq!(log.items(), ["0 in", "1 in"]);
    gates[1].open();
    calls.remove(1).await?;
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    assert_eq!(log.items(), ["0 in", "1 in", "1 out", "2 in"]);
    [0, 2, 3].into_iter().for_each(|number: usize| gates[number].open());
    all_in(join_all(calls).await)?;
    let left = log.items();
    let place = |what: &str| left.iter().position(|line| line == what);
    assert!(place("3 in") > place("0 out") || place("3 in") > place("2 out"), "{left:?}");
    Ok(())
}

async fn r46_a_slot_is_held_over_all_tries<E: Env>(env: E) -> Outcome {
    let policy = Retry::new()
        .retries(2)
        .wait(env.ticks(2))
        .timeout(None)
        .semaphore_limit(1)
        .semaphore_name(name::<E>("tries"));
    let log = Log::<&str>::new();
    let fails = |who| {
        let log = log.clone();
        let policy = &policy;
        async move {
            let fail = async || {
                log.push(who);
                Err::<(), _>("down")
            };
            policy.run(fail).await.unwrap_err()
        }
    };
    let watch = env.watch();
    let (a, b) = futures_util::join!(fails("a"), fails("b"));
    watch.took(env.ticks(8));
    assert_eq!((a.tries(), b.tries()), (3, 3));
    assert_eq!(log.items(), ["a", "a", "a", "b", "b", "b"]);
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(b.elapsed(), env.ticks(4), "the wait for the slot does not count");
    }
    Ok(())
}

async fn r46_first_come_first_served<E: Env>(env: E) -> Outcome {
    let policy = Retry::new().timeout(None).semaphore_limit(3).semaphore_name(name::<E>("order"));
    let log = Log::<u32>::new();
    let call = |number: u32| {
        let (log, policy) = (log.clone(), &policy);
        async move {
            let stay = async || {
                log.push(number);
                // Later ones leave sooner, which must not affect the order.
                env.sleep(1 + (29 - number) % 4).await;
                busway::ok(())
            };
            policy.run(stay).await
        }
    };
    all_in(join_all((0..30).map(call)).await)?;
    assert_eq!(log.items(), (0..30).collect::<Vec<_>>());
    Ok(())
}

async fn r46_ten_thousand_wait_in_order<E: Env>(env: E) -> Outcome {
    const CALLS: usize = 10_000;
    let policy = Retry::new().timeout(None).semaphore_limit(5).semaphore_name(name::<E>("many"));
    let (log, room) = (Log::<usize>::new(), Room::default());
    let (queued, start) = (Room::default(), Gate::closed());
    let mut tasks = Vec::new();
    for number in 0..CALLS {
        let (log, room, policy, start) = (log.clone(), room.clone(), policy.clone(), start.clone());
        let mut call = Box::pin(async move {
            let stay = async || {
                let _guest = room.enter();
                log.push(number);
                if number < 5 {
                    start.pass().await;
                }
                tokio::task::yield_now().await;
                busway::ok(())
            };
            policy.run(stay).await
        });
        // They queue in this order, whichever threads run them on.
        assert!(call.as_mut().now_or_never().is_none());
        let queued = queued.enter();
        tasks.push(env.task(async move {
            let _queued = queued;
            call.await
        }));
    }
    assert_eq!((queued.now(), log.len()), (CALLS, 5));
    (0..5).for_each(|_| start.open());
    all_in(join_all(tasks).await)?;
    assert!(room.most() <= 5, "{}", room.most());
    let log = log.items();
    match E::HAS_PAUSED_CLOCK {
        true => assert_eq!(log, (0..CALLS).collect::<Vec<_>>()),
        // Calls that were let in together may run in any order.
        false => {
            let early = log.iter().enumerate().filter(|(at, who)| **who > at + 2 * 5);
            assert_eq!((log.len(), early.count()), (CALLS, 0));
        }
    }
    Ok(())
}

async fn r46_a_slot_comes_back_after_an_error_a_panic_and_a_drop<E: Env>(env: E) -> Outcome {
    let policy = Retry::new()
        .retries(0)
        .semaphore_limit(1)
        .semaphore_name(name::<E>("back"))
        .semaphore_lax(false)
        .semaphore_timeout(env.ticks(0));
    let is_free = async || policy.run(async || busway::ok(())).await;
    is_free().await?;
    policy.run(async || Err::<(), _>("an error")).await.unwrap_err();
    is_free().await?;
    let panics = async || -> Result<(), BoxError> { panic!("as it should") };
    let panicked = std::panic::AssertUnwindSafe(policy.run(panics)).catch_unwind().await;
    assert!(panicked.is_err());
    is_free().await?;
    {
        let mut dropped = Box::pin(policy.run(std::future::pending::<Result<(), BoxError>>));
        assert!(dropped.as_mut().now_or_never().is_none());
        assert!(is_free().await.is_err(), "it has the slot");
    }
    is_free().await?;
    let over = policy.clone().timeout(env.ticks(1));
    over.run(std::future::pending::<Result<(), BoxError>>).await.unwrap_err();
    is_free().await?;
    Ok(())
}

async fn r46_strict_is_a_typed_error_and_lax_goes_on<E: Env>(env: E) -> Outcome {
    let semaphore = name::<E>("strict or lax");
    let policy = Retry::new()
        .timeout(None)
        .semaphore_limit(1)
        .semaphore_name(&*semaphore)
        .semaphore_timeout(env.ticks(2));
    let mut holder = Box::pin(policy.run(std::future::pending::<Result<(), BoxError>>));
    assert!(holder.as_mut().now_or_never().is_none());
    let watch = env.watch();
    let strict = policy.clone().semaphore_lax(false);
    let error = strict.run(async || busway::ok(())).await.unwrap_err();
    watch.took(env.ticks(2));
    assert_eq!(error.tries(), 0);
    let RetryError::Semaphore(SemaphoreError::TimedOut { name, limit: 1, waited }) = error else {
        panic!("{error}");
    };
    assert_eq!((name, waited), (semaphore, env.ticks(2)));
    assert_eq!(policy.run(async || busway::ok(7)).await?, 7);
    watch.took(env.ticks(4));
    Ok(())
}

async fn r46_the_limit_gives_way_in_time_unless_that_is_ruled_out<E: Env>(env: E) -> Outcome {
    if !E::HAS_PAUSED_CLOCK {
        return Ok(());
    }
    let policy = |test| {
        Retry::new().timeout(env.ticks(5)).semaphore_limit(3).semaphore_name(name::<E>(test))
    };
    let crowd = async |policy: Retry| {
        let room = Room::default();
        let stay = async || {
            let _guest = room.enter();
            env.sleep(4).await;
            busway::ok(())
        };
        let results = join_all((0..20).map(|_| policy.run(stay))).await;
        (room.most(), results.iter().filter(|result| result.is_err()).count())
    };
    // Nine have been in after `timeout * (limit - 1)`; then the eleven that still wait go on.
    assert_eq!(crowd(policy("gives way")).await, (14, 0));
    assert_eq!(crowd(policy("waits").semaphore_timeout(None)).await, (3, 0));
    assert_eq!(crowd(policy("refuses").semaphore_lax(false)).await, (3, 11));
    Ok(())
}

async fn r46_a_function_that_goes_on_without_a_slot_tells<E: Env>(env: E) -> Outcome {
    let told = Log::<String>::new();
    let tells = told.clone();
    let policy = Retry::new()
        .timeout(None)
        .semaphore_limit(1)
        .semaphore_name(name::<E>("tells"))
        .semaphore_timeout(env.ticks(2))
        .on_lax(move |error| tells.push(error.to_string()));
    assert_eq!(policy.run(async || busway::ok(7)).await?, 7);
    assert!(told.items().is_empty(), "there was a slot");
    let mut holder = Box::pin(policy.run(std::future::pending::<Result<(), BoxError>>));
    assert!(holder.as_mut().now_or_never().is_none());
    assert_eq!(policy.run(async || busway::ok(7)).await?, 7);
    let strict = policy.clone().semaphore_lax(false);
    strict.run(async || busway::ok(())).await.unwrap_err();
    let told = told.items();
    let [told] = &told[..] else { panic!("{told:?}") };
    assert!(told.starts_with("no slot of the semaphore tells on "), "{told}");
    Ok(())
}

async fn r46_function_pointers_of_one_type_share_a_name<E: Env>(env: E) -> Outcome {
    type Pointer = fn() -> std::future::Ready<Result<(), BoxError>>;
    type Slow = fn() -> std::future::Pending<Result<(), BoxError>>;
    fn slow() -> std::future::Pending<Result<(), BoxError>> {
        std::future::pending()
    }
    fn other_slow() -> std::future::Pending<Result<(), BoxError>> {
        std::future::pending()
    }
    fn quick() -> std::future::Ready<Result<(), BoxError>> {
        std::future::ready(Ok(()))
    }
    let policy = Retry::new()
        .retries(0)
        .timeout(env.ticks(1))
        .semaphore_limit(1)
        .semaphore_scope(SemaphoreScope::class::<E>())
        .semaphore_lax(false)
        .semaphore_timeout(env.ticks(0));
    let mut holder = Box::pin(policy.run(slow as Slow));
    assert!(holder.as_mut().now_or_never().is_none());
    let refused = policy.run(other_slow as Slow).await.unwrap_err();
    assert!(matches!(refused, RetryError::Semaphore(_)), "the same name: {refused}");
    // The functions themselves have their own slots, and so does another type.
    policy.run(quick as Pointer).await?;
    policy.run(quick).await?;
    let run = policy.run(other_slow).await.unwrap_err();
    assert!(matches!(run, RetryError::TimedOut { .. }), "it was in: {run}");
    // With its own name it does not wait for the other.
    let named = policy.clone().semaphore_name("the other");
    let run = named.run(other_slow as Slow).await.unwrap_err();
    assert!(matches!(run, RetryError::TimedOut { .. }), "it was in: {run}");
    Ok(())
}

async fn r46_names_and_scopes_are_apart<E: Env>(env: E) -> Outcome {
    let (client, other) = (Arc::new(Client), Arc::new(Client));
    let scopes = [
        SemaphoreScope::Global,
        SemaphoreScope::class::<Client>(),
        SemaphoreScope::class::<Room>(),
        SemaphoreScope::instance(&client),
        SemaphoreScope::instance(&other),
    ];
    let policy = |scope: &SemaphoreScope, what| {
        Retry::new()
            .semaphore_limit(1)
            .semaphore_scope(scope.clone())
            .semaphore_name(name::<E>(what))
            .semaphore_lax(false)
            .semaphore_timeout(env.ticks(0))
    };
    let names = ["apart", "and apart"];
    let policies: Vec<_> = scopes.iter().flat_map(|s| names.map(|n| policy(s, n))).collect();
    let hold = std::future::pending::<Result<(), BoxError>>;
    let mut held: Vec<_> = policies.iter().map(|policy| Box::pin(policy.run(hold))).collect();
    for call in &mut held {
        assert!(call.as_mut().now_or_never().is_none(), "it is in");
    }
    for policy in &policies {
        policy.run(async || busway::ok(())).await.unwrap_err();
    }
    Ok(())
}

async fn r46_an_instance_that_is_gone_is_not_mistaken_for_another<E: Env>(env: E) -> Outcome {
    let policy = |client: &Arc<Client>| {
        Retry::new()
            .semaphore_limit(1)
            .semaphore_scope(SemaphoreScope::instance(client))
            .semaphore_name(name::<E>("gone"))
            .semaphore_lax(false)
            .semaphore_timeout(env.ticks(0))
    };
    let hold = std::future::pending::<Result<(), BoxError>>;
    let mut held = Vec::new();
    for _ in 0..100 {
        let client = Arc::new(Client);
        let policy = policy(&client);
        // A new value at the address of the last one would find its slot taken.
        let mut call = Box::pin(async move { policy.run(hold).await });
        assert!(call.as_mut().now_or_never().is_none(), "it is in");
        held.push(call);
    }
    Ok(())
}
