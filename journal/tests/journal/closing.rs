//! Closing and flushing from several sides.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use busway_core::{Event, EventBus, EventHandle};
use busway_journal::{Journal, JournalError, Mode, SyncPolicy};
use busway_tokio::Tokio;

use crate::disk::Disk;
use crate::events::{Job, Outcome, bus, job, on, soon};

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// An event that holds its own journal, as that journal's last owner.
struct Last(#[allow(dead_code)] Mutex<Option<Journal>>);

impl Event for Last {
    type Output = ();
    const NAME: &'static str = "Last";

    fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        Some(Ok(serde_json::json!({})))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_dispatch_that_drops_the_last_journal_comes_back() -> Outcome {
    let folder = tempfile::tempdir()?;
    let journal = Journal::write_ahead(folder.path().join("journal"))?;
    let settings = EventBus::builder("main").runtime(Tokio::current()?);
    let bus = settings.max_history(Some(1)).journal(&journal).build();
    soon(bus.run(Last(Mutex::new(Some(journal))))).await?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // The bus forgets the first event, which has the last clone.
        let _ = tell.send(bus.dispatch(Last(Mutex::default())).is_ok());
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(true));
    Ok(())
}

#[tokio::test]
async fn r44_all_who_close_or_flush_wait_for_the_same_end() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).sync(SyncPolicy::OnClose).open()?;
    let bus = bus(&journal);
    disk.stall();
    disk.look().fails.sync = true;
    soon(bus.dispatch(job(1))?).await?;
    disk.wait_for_a_stalled_write();
    let mut first = pin!(journal.clone().close());
    assert!(poll(first.as_mut()).is_pending());
    let mut second = pin!(journal.clone().close());
    let flushing = journal.clone();
    let mut flushed = pin!(flushing.flush());
    assert!(poll(second.as_mut()).is_pending(), "nothing is on disk");
    assert!(poll(flushed.as_mut()).is_pending(), "nothing is on disk");
    disk.go();
    let is_it = |error: Result<(), std::sync::Arc<JournalError>>| {
        error.is_err_and(|error| matches!(&*error, JournalError::Sync { .. }))
    };
    assert!(is_it(soon(first).await));
    assert!(is_it(soon(second).await));
    assert!(is_it(soon(flushed).await));
    assert!(is_it(soon(journal.flush()).await), "also when it is over");
    assert!(is_it(soon(journal.close()).await), "also when it is over");
    Ok(())
}

#[tokio::test]
async fn r43_memory_is_bounded_whatever_the_interval() -> Outcome {
    let disk = Disk::default();
    let sync = SyncPolicy::Every(Duration::from_secs(1_000_000));
    let journal = on(&disk, Mode::Completed).sync(sync).open()?;
    let bus = bus(&journal);
    let first = bus.event(job(0)).parallel().dispatch()?;
    for number in 1..10_000 {
        bus.event(job(number)).parallel().dispatch()?;
    }
    soon(first.durable()).await?;
    soon(journal.close()).await?;
    Ok(())
}

#[tokio::test]
async fn r43_an_interval_that_never_passes_waits_for_nobody_who_waits() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).sync(SyncPolicy::Every(Duration::MAX)).open()?;
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?.durable()).await?;
    soon(journal.close()).await?;
    Ok(())
}

#[tokio::test]
async fn r43_a_folder_that_was_gone_for_a_while() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a/events.jsonl");
    let journal = Journal::builder(&path).sync(SyncPolicy::Always).open()?;
    let bus = bus(&journal);
    std::fs::remove_dir_all(folder.path().join("a"))?;
    assert!(soon(bus.dispatch(job(1))?.durable()).await.is_err());
    std::fs::create_dir(folder.path().join("a"))?;
    soon(bus.dispatch(job(2))?.durable()).await?;
    assert!(journal.failure().is_none());
    assert!(soon(journal.close()).await.is_err(), "the first was lost");
    assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 1);
    Ok(())
}

#[tokio::test]
async fn r44_a_flush_does_not_wait_for_what_comes_after_it() -> Outcome {
    use std::sync::atomic::{AtomicBool, Ordering};
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).sync(SyncPolicy::OnClose).open()?;
    let bus = bus(&journal);
    // Each job dispatches the next one, so a line is always on its way.
    let again = bus.clone();
    bus.on(move |job: EventHandle<Job>| {
        if !IS_OVER.load(Ordering::SeqCst) {
            let next = Job { number: job.number + 1, title: String::new() };
            assert!(again.event(next).detached().dispatch().is_ok());
        }
    });
    bus.dispatch(job(0))?;
    for _ in 0..20 {
        soon(journal.flush()).await?;
    }
    IS_OVER.store(true, Ordering::SeqCst);
    assert!(soon(bus.wait_until_idle(None)).await?);
    Ok(())
}
