//! R44: a failing disk hangs nothing, and success is never reported.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway_core::journal::DurableError;
use busway_core::{Cause, DispatchError, EventBus, EventHandle, Warning};
use busway_journal::{Journal, JournalError, Mode, SyncPolicy};

use crate::disk::{Disk, Faults};
use crate::events::{Job, Outcome, Step, builder, bus, job, on, soon};

/// The operation that fails, with the journal's name for it.
const WAYS: [(&str, Faults); 3] = [
    ("write", Faults { append: true, ..NONE }),
    ("sync", Faults { sync: true, ..NONE }),
    ("rotate", Faults { rotate: true, ..NONE }),
];
const NONE: Faults = Faults {
    append: false,
    sync: false,
    rotate: false,
    truncate: false,
    vanish: false,
    panics: false,
};

/// A journal that needs a new segment for every line.
fn rotating(disk: &Disk, mode: Mode, sync: SyncPolicy) -> Journal {
    on(disk, mode).sync(sync).rotate_at(1).open().expect("a journal")
}

fn policies() -> [SyncPolicy; 3] {
    [SyncPolicy::Always, SyncPolicy::Every(Duration::from_millis(2)), SyncPolicy::OnClose]
}

fn is_failed(outcome: &Result<(), DurableError>) -> bool {
    matches!(outcome, Err(DurableError::Failed(_)))
}

#[tokio::test]
async fn r44_a_write_ahead_bus_refuses_with_the_cause() -> Outcome {
    for (way, faults) in WAYS {
        let disk = Disk::default();
        let journal = match way {
            "rotate" => rotating(&disk, Mode::WriteAhead, SyncPolicy::Always),
            _ => on(&disk, Mode::WriteAhead).open()?,
        };
        let bus = bus(&journal);
        bus.on(|_: EventHandle<Job>| {});
        let good = bus.dispatch(job(1))?;
        soon(good.durable()).await?;
        soon(good).await?;
        soon(journal.flush()).await?;
        disk.look().fails = faults;
        let lost = bus.dispatch(job(2))?;
        assert!(is_failed(&soon(lost.durable()).await), "{way}");
        let lost = soon(lost).await?;
        assert_eq!(lost.cause(), Some(Cause::NotWritten), "{way}");
        assert!(lost.results().is_empty(), "{way}: no handler has run");
        disk.look().fails = NONE;
        let refused = bus.dispatch(job(3)).expect_err("refused");
        let DispatchError::Journal { event, source } = refused else { panic!("{refused:?}") };
        assert_eq!(event, job(3));
        let source = source.downcast_ref::<JournalError>().expect("its own error");
        let is_it = match way {
            "write" => matches!(source, JournalError::Write { .. }),
            "sync" => matches!(source, JournalError::Sync { .. }),
            _ => matches!(source, JournalError::Rotate { .. }),
        };
        assert!(is_it, "{way}: {source:?}");
        assert!(soon(journal.flush()).await.is_err(), "{way}");
        assert!(soon(bus.wait_until_idle(None)).await?);
        drop((bus, journal));
        let left = on(&disk, Mode::WriteAhead).open()?.recover();
        assert!(left.len() <= 1, "{way}: of what was refused, nothing: {left:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn r44_whatever_the_policy_nobody_hangs_and_nothing_is_reported_durable() -> Outcome {
    for (way, faults) in WAYS {
        for (mode, sync) in policies()
            .into_iter()
            .flat_map(|sync| [(Mode::Completed, sync), (Mode::WriteAhead, sync)])
        {
            let what = format!("{way} {mode:?} {sync:?}");
            let disk = Disk::default();
            let journal = rotating(&disk, mode, sync);
            let bus = bus(&journal);
            // Once there is a line, the next one has to rotate.
            soon(bus.dispatch(job(0))?.durable()).await?;
            soon(bus.wait_until_idle(None)).await?;
            soon(journal.flush()).await?;
            disk.look().fails = faults;
            let events: Vec<_> = (1..20).filter_map(|n| bus.dispatch(job(n)).ok()).collect();
            assert!(!events.is_empty(), "{what}");
            for event in &events {
                assert!(is_failed(&soon(event.durable()).await), "{what}");
            }
            for event in events {
                soon(event).await?;
            }
            assert!(soon(bus.wait_until_idle(None)).await?, "{what}");
            assert!(soon(journal.close()).await.is_err(), "{what}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn r44_a_journal_of_what_completed_reports_it_and_the_events_go_on() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).sync(SyncPolicy::Always).open()?;
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = warnings.clone();
    let heard = move |warning: &Warning| heard.lock().unwrap().push(warning.to_string());
    let bus = builder("main").on_warning(heard).journal(&journal).build();
    bus.on(|_: EventHandle<Job>| {});
    soon(bus.dispatch(job(1))?.durable()).await?;
    disk.look().fails.append = true;
    let lost = bus.dispatch(job(2))?;
    assert!(is_failed(&soon(lost.durable()).await));
    let lost = soon(lost).await?;
    assert_eq!((lost.cause(), lost.results().len()), (None, 1), "it ran all the same");
    let warnings = warnings.lock().unwrap().clone();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("bus main: Job is not in the journal: "), "{warnings:?}");
    // Half of a line was written: it is removed before the next one comes.
    disk.look().fails = NONE;
    soon(bus.dispatch(job(3))?.durable()).await?;
    let numbers: Vec<_> = disk.lines().iter().map(|line| line.contains("\"number\":2")).collect();
    assert_eq!(numbers, [false, false]);
    assert!(journal.failure().is_none());
    Ok(())
}

/// What is told on the writing thread cannot wait for that thread, and is not told that all is well.
#[tokio::test]
async fn r44_a_flush_on_the_journals_own_thread_is_refused() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).sync(SyncPolicy::Always).open()?;
    let flushed = Arc::new(Mutex::new(Vec::new()));
    let (tells, flushes) = (flushed.clone(), journal.clone());
    let heard = move |_: &Warning| tells.lock().unwrap().push(flushes.flush_blocking());
    let bus = builder("main").on_warning(heard).journal(&journal).build();
    disk.look().fails.append = true;
    assert!(is_failed(&soon(bus.dispatch(job(1))?.durable()).await));
    disk.look().fails = NONE;
    soon(bus.dispatch(job(2))?.durable()).await?;
    let flushed = std::mem::take(&mut *flushed.lock().unwrap());
    let [Err(error)] = &flushed[..] else { panic!("{flushed:?}") };
    assert!(matches!(**error, JournalError::OwnThread), "{error}");
    Ok(())
}

#[tokio::test]
async fn r44_nothing_is_written_behind_half_a_line() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).sync(SyncPolicy::Always).open()?;
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?.durable()).await?;
    disk.look().fails = Faults { append: true, truncate: true, ..NONE };
    assert!(is_failed(&soon(bus.dispatch(job(2))?.durable()).await));
    disk.look().fails = Faults { truncate: true, ..NONE };
    let bytes = disk.bytes();
    assert!(is_failed(&soon(bus.dispatch(job(3))?.durable()).await));
    assert_eq!(disk.bytes(), bytes);
    disk.look().fails = NONE;
    soon(bus.dispatch(job(4))?.durable()).await?;
    let lines = disk.lines();
    assert!(lines.len() == 2 && lines[1].contains("\"number\":4"), "{lines:?}");
    assert!(journal.failure().is_none());
    Ok(())
}

/// The segment that is synced next is another one.
#[tokio::test]
async fn r44_what_was_written_to_a_segment_that_is_gone_is_not_durable() -> Outcome {
    let disk = Disk::default();
    let sync = SyncPolicy::Every(Duration::from_secs(3_600));
    let journal = on(&disk, Mode::Completed).sync(sync).open()?;
    let bus = bus(&journal);
    let written = bus.dispatch(job(1))?;
    soon(written.clone()).await?;
    while disk.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    disk.look().fails = Faults { vanish: true, ..NONE };
    let lost = bus.dispatch(job(2))?;
    assert!(is_failed(&soon(lost.durable()).await));
    disk.look().fails = NONE;
    let good = bus.dispatch(job(3))?;
    soon(good.clone()).await?;
    assert!(soon(journal.flush()).await.is_err());
    soon(good.durable()).await?;
    assert!(is_failed(&soon(written.durable()).await));
    assert_eq!(disk.lines().len(), 1);
    Ok(())
}

#[tokio::test]
async fn r44_a_full_disk() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).open()?;
    let bus = bus(&journal);
    disk.look().capacity = Some(5_000);
    let mut durable = 0;
    let mut lost = 0;
    for number in 0..100 {
        match bus.dispatch(job(number)) {
            Ok(event) => match soon(event.durable()).await {
                Ok(()) => durable += 1,
                Err(error) => {
                    assert!(is_failed(&Err(error)));
                    lost += 1;
                }
            },
            Err(refused) => assert!(matches!(refused, DispatchError::Journal { .. })),
        }
    }
    assert!(durable > 3 && lost <= 1, "{durable} durable, {lost} lost");
    soon(bus.wait_until_idle(None)).await?;
    drop((bus, journal));
    disk.look().capacity = None;
    let journal = on(&disk, Mode::WriteAhead).open()?;
    let text = disk.lines();
    let accepted = text.iter().filter(|line| line.contains("busway_accepted")).count();
    assert_eq!(accepted, durable, "{:?}", journal.torn());
    Ok(())
}

#[tokio::test]
async fn r44_a_handler_that_dispatches_learns_of_it() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).open()?;
    let bus = bus(&journal);
    let breaks = disk.clone();
    bus.on(move |job: EventHandle<Job>| {
        breaks.look().fails.sync = true;
        async move {
            let first = job.run(Step { of: 1 }).await.map_err(|error| error.to_string())?;
            assert_eq!(first.cause(), Some(Cause::NotWritten));
            assert!(job.run(Step { of: 2 }).await.is_err());
            busway_core::ok(())
        }
    });
    let event = soon(bus.dispatch(job(1))?).await?;
    assert!(event.results()[0].error().is_none(), "{:?}", event.results());
    Ok(())
}

#[tokio::test]
async fn r44_a_storage_that_panics_hangs_nobody() -> Outcome {
    for mode in [Mode::Completed, Mode::WriteAhead] {
        let disk = Disk::default();
        let journal = on(&disk, mode).open()?;
        let bus = bus(&journal);
        disk.look().fails.panics = true;
        let event = bus.dispatch(job(1))?;
        assert!(soon(event.durable()).await.is_err());
        soon(event).await?;
        let refused = bus.dispatch(job(2));
        assert_eq!(refused.is_err(), mode == Mode::WriteAhead);
        assert!(soon(journal.close()).await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn r44_a_closed_journal_takes_nothing() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).open()?;
    let bus: EventBus = bus(&journal);
    soon(bus.dispatch(job(1))?).await?;
    soon(journal.clone().close()).await?;
    assert!(matches!(bus.dispatch(job(2)), Err(DispatchError::Journal { .. })));
    soon(journal.flush()).await?;
    soon(journal.close()).await?;
    Ok(())
}

#[tokio::test]
async fn r44_a_journal_that_is_far_behind_says_so_and_events_go_on() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).max_unwritten(1_000).open()?;
    let warned = Arc::new(Mutex::new(0));
    let count = warned.clone();
    let heard = move |warning: &Warning| {
        let is_behind = warning.to_string().contains("is behind: 1000 bytes wait");
        *count.lock().unwrap() += usize::from(is_behind);
    };
    let bus = builder("main").on_warning(heard).journal(&journal).build();
    disk.stall();
    soon(bus.run(job(0))).await?;
    disk.wait_for_a_stalled_write();
    for number in 1..=20 {
        soon(bus.run(job(number))).await?;
    }
    disk.go();
    let error = soon(journal.flush()).await.expect_err("some lines are lost");
    assert!(matches!(*error, JournalError::Behind { limit: 1_000 }), "{error}");
    // The first ones are there, and those that came later are too.
    let written = disk.lines().len();
    assert!(written >= 3, "{written}");
    assert_eq!(written + *warned.lock().unwrap(), 21);
    soon(bus.run(job(21))).await?;
    soon(journal.flush()).await?;
    assert_eq!(disk.lines().len(), written + 1);
    Ok(())
}
