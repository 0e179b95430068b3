//! R45 around functions.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use busway::{BoxError, Retry, RetryError};

use super::Room;
use crate::runtimes::{Env, Outcome};

scenarios!(
    r45_it_is_tried_again_until_it_comes_off,
    r45_the_last_error_is_returned_with_tries_and_time,
    r45_each_rest_is_longer_by_the_factor_and_none_than_the_cap,
    r45_a_try_that_is_over_its_time_is_dropped_and_made_again,
    r45_or_not_when_that_is_said,
    r45_only_errors_that_are_worth_it_are_retried,
    r45_any_error_will_do,
    r45_a_call_that_fails_at_once_lets_others_run,
    r45_the_defaults,
);

fn failing(times: u32) -> (impl AsyncFn() -> io::Result<u32>, std::sync::Arc<AtomicU32>) {
    let count = std::sync::Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let call = async move || match counted.fetch_add(1, Ordering::SeqCst) {
        made if made < times => Err(io::Error::other(format!("down {}", made + 1))),
        made => Ok(made),
    };
    (call, count)
}

async fn r45_it_is_tried_again_until_it_comes_off<E: Env>(env: E) -> Outcome {
    let (call, count) = failing(2);
    let watch = env.watch();
    assert_eq!(Retry::new().retries(3).wait(env.ticks(2)).run(|| call()).await?, 2);
    watch.took(env.ticks(4));
    assert_eq!(count.load(Ordering::SeqCst), 3);
    Ok(())
}

async fn r45_the_last_error_is_returned_with_tries_and_time<E: Env>(env: E) -> Outcome {
    let (call, _) = failing(9);
    let error = Retry::new().retries(2).wait(env.ticks(3)).run(|| call()).await.unwrap_err();
    assert_eq!(
        (error.tries(), error.last::<io::Error>().unwrap().to_string()),
        (3, "down 3".into())
    );
    assert!(error.source().unwrap().downcast_ref::<io::Error>().is_some());
    assert!(error.elapsed() >= env.ticks(6), "{error}");
    if E::HAS_PAUSED_CLOCK {
        assert_eq!(error.to_string(), "failed after 3 tries over 6s: down 3");
    }
    Ok(())
}

async fn r45_each_rest_is_longer_by_the_factor_and_none_than_the_cap<E: Env>(env: E) -> Outcome {
    let policy = Retry::new().retries(4).wait(env.ticks(1)).backoff_factor(2.0);
    for (policy, rests) in
        [(policy.clone(), 1 + 2 + 4 + 8), (policy.max_wait(env.ticks(3)), 1 + 2 + 3 + 3)]
    {
        let (call, _) = failing(9);
        let watch = env.watch();
        policy.run(|| call()).await.unwrap_err();
        watch.took(env.ticks(rests));
    }
    Ok(())
}

async fn r45_a_try_that_is_over_its_time_is_dropped_and_made_again<E: Env>(env: E) -> Outcome {
    let room = Room::default();
    let policy = Retry::new().retries(2).wait(env.ticks(1)).timeout(env.ticks(2));
    let watch = env.watch();
    let hangs = async || {
        let _guest = room.enter();
        env.sleep(1_000_000).await;
        Ok::<(), BoxError>(())
    };
    let error = policy.run(hangs).await.unwrap_err();
    watch.took(env.ticks(8));
    let wanted = env.ticks(2);
    assert!(matches!(error, RetryError::TimedOut { tries: 3, limit, .. } if limit == wanted));
    assert_eq!((room.ever(), room.most(), room.now()), (3, 1, 0));
    assert!(error.to_string().starts_with("timed out after 3 tries over "), "{error}");
    Ok(())
}

async fn r45_or_not_when_that_is_said<E: Env>(env: E) -> Outcome {
    let policy = Retry::new().timeout(env.ticks(1)).retry_on_timeout(false);
    let hangs = async || {
        env.sleep(1_000_000).await;
        Ok::<(), BoxError>(())
    };
    let error = policy.run(hangs).await.unwrap_err();
    assert_eq!(error.tries(), 1);
    Ok(())
}

async fn r45_only_errors_that_are_worth_it_are_retried<E: Env>(env: E) -> Outcome {
    let policy = Retry::new()
        .wait(env.ticks(1))
        .retry_on(|error: &io::Error| !error.to_string().ends_with('2'));
    let (call, count) = failing(9);
    let error = policy.run(|| call()).await.unwrap_err();
    assert_eq!((error.tries(), count.load(Ordering::SeqCst)), (2, 2));
    Ok(())
}

async fn r45_any_error_will_do<E: Env>(env: E) -> Outcome {
    let once = Retry::new().retries(0).wait(env.ticks(1));
    let text = once.run(async || Err::<(), _>("a text")).await.unwrap_err();
    assert!(text.to_string().ends_with(": a text"), "{text}");
    let boxed = once.run(async || busway::ok("seven".parse::<u32>()?)).await.unwrap_err();
    assert!(boxed.last::<std::num::ParseIntError>().is_some());
    Ok(())
}

async fn r45_a_call_that_fails_at_once_lets_others_run<E: Env>(_env: E) -> Outcome {
    let (call, count) = failing(u32::MAX);
    let policy = Retry::new().retries(u32::MAX).wait(Duration::ZERO);
    let others = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = policy.run(|| call()) => panic!("it never comes off"),
        () = others => {}
    }
    assert!(count.load(Ordering::SeqCst) >= 100);
    Ok(())
}

async fn r45_the_defaults<E: Env>(_env: E) -> Outcome {
    if !E::HAS_PAUSED_CLOCK {
        return Ok(());
    }
    let (call, _) = failing(9);
    let error = Retry::new().run(|| call()).await.unwrap_err();
    assert_eq!((error.tries(), error.elapsed()), (4, Duration::from_secs(9)));
    let hangs = std::future::pending::<Result<(), BoxError>>;
    let error = Retry::new().run(hangs).await.unwrap_err();
    assert_eq!((error.tries(), error.elapsed()), (4, Duration::from_secs(4 * 5 + 9)));
    Ok(())
}
