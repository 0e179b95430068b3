//! R42, R43: handlers wait for the disk, many events share a sync, `durable` tells the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use busway_core::journal::DurableError;
use busway_core::{Cause, DispatchError, EventHandle, EventStatus};
use busway_journal::{Mode, SyncPolicy};
use busway_macros::Event;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::events::{Clashes, Job, Outcome, Silent, Step, ahead, builder, bus, job, on, soon};

#[tokio::test]
async fn r42_handlers_start_once_the_acceptance_is_on_disk() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    let seen = disk.clone();
    bus.on(move |job: EventHandle<Job>| {
        let lines = seen.after_power_loss(0).lines();
        let is_there = |line: &String| line.contains(&job.id().to_string());
        assert_eq!(lines.iter().filter(|line| is_there(line)).count(), 1, "on disk, once");
    });
    disk.stall();
    let event = bus.dispatch(job(1))?;
    disk.wait_for_a_stalled_write();
    assert_eq!(event.status(), EventStatus::Pending);
    assert!(!bus.wait_until_idle(Duration::ZERO).await?);
    disk.go();
    let event = soon(event).await?;
    assert!(event.results().iter().all(|row| row.error().is_none()), "{:?}", event.results());
    assert_eq!(event.results().len(), 1);
    Ok(())
}

#[tokio::test]
async fn r42_an_event_is_accepted_then_completed() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Job>| {});
    let event = soon(bus.run(job(1))).await.map_err(|error| error.to_string())?;
    journal.flush().await?;
    let lines = disk.lines();
    assert_eq!(lines.len(), 2);
    let id = event.id().to_string();
    let keys = [
        r#"{"event_type":"Job","event_schema":"journal::events.Job@1","event_timeout":60.0,"#,
        &format!(r#""event_id":"{id}","event_path":["main"],"event_parent_id":null,"#),
        &format!(r#""event_created_at":"{}","event_processed_at":"#, event.created_at()),
    ]
    .concat();
    let payload = r#","number":1,"title":"job 1""#;
    let accepted = format!(r#"{keys}null{payload},"busway_accepted":1,"busway_crc":""#);
    assert!(lines[0].starts_with(&accepted), "{}\n{accepted}", lines[0]);
    let at = event.completed_at().expect("it has completed");
    let completed = format!(r#"{keys}"{at}"{payload},"busway_crc":""#);
    assert!(lines[1].starts_with(&completed), "{}\n{completed}", lines[1]);
    Ok(())
}

#[tokio::test]
async fn r43_many_events_share_a_sync() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    disk.stall();
    let first = bus.dispatch(job(0))?;
    disk.wait_for_a_stalled_write();
    let rest: Vec<_> = (1..=500).map(|n| bus.dispatch(job(n))).collect::<Result<_, _>>()?;
    disk.go();
    soon(first.durable()).await?;
    for event in &rest {
        soon(event.durable()).await?;
    }
    // Lines that came while the first was being written were written together.
    assert!(disk.look().largest_sync >= 500, "{} lines", disk.look().largest_sync);
    for event in rest {
        soon(event).await?;
    }
    Ok(())
}

#[tokio::test]
async fn r42_durable_returns_when_it_is_on_disk_whatever_the_policy() -> Outcome {
    let policies =
        [SyncPolicy::Always, SyncPolicy::Every(Duration::from_millis(5)), SyncPolicy::OnClose];
    for (policy, mode) in policies
        .into_iter()
        .flat_map(|policy| [(policy, Mode::Completed), (policy, Mode::WriteAhead)])
    {
        let disk = Disk::default();
        let journal = on(&disk, mode).sync(policy).open()?;
        let bus = bus(&journal);
        bus.on(|_: EventHandle<Job>| async { tokio::task::yield_now().await });
        for number in 0..20 {
            let event = bus.dispatch(job(number))?;
            soon(event.durable()).await?;
            let lines = disk.after_power_loss(0).lines();
            let id = event.id().to_string();
            assert!(lines.iter().any(|line| line.contains(&id)), "{policy:?} {mode:?}");
            soon(event.as_any().durable()).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn r42_handlers_need_not_wait_for_the_disk_when_it_is_synced_later() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).sync(SyncPolicy::OnClose).open()?;
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Job>| {});
    soon(bus.dispatch(job(1))?).await?;
    assert_eq!(disk.look().syncs, 0);
    drop((bus, journal));
    assert_eq!(disk.after_power_loss(0).lines().len(), 2, "the last clone waits");
    Ok(())
}

#[tokio::test]
async fn r42_children_are_written_before_they_run_and_complete_before_their_parents() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|job: EventHandle<Job>| async move { job.run(Step { of: job.number }).await.map(drop) });
    bus.on(|_: EventHandle<Step>| {});
    let parent = soon(bus.dispatch(job(3))?).await?;
    assert!(parent.results()[0].error().is_none());
    journal.flush().await?;
    let lines = disk.lines();
    let kinds: Vec<_> = lines
        .iter()
        .map(|line| (line.contains("\"Step\""), line.contains("busway_accepted")))
        .collect();
    assert_eq!(kinds, [(false, true), (true, true), (true, false), (false, false)]);
    assert!(lines[1].contains(&format!(r#""event_parent_id":"{}""#, parent.id())));
    assert!(lines[1].contains(r#""event_timeout":1.5,"#));
    Ok(())
}

#[tokio::test]
async fn r41_every_bus_writes_its_own_line() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let hub = busway_core::Hub::builder().runtime(busway_tokio::Tokio::current()?).build();
    let first = hub.bus("first").journal(&journal).build();
    let second = hub.bus("second").journal(&journal).build();
    let third = hub.bus("third").build();
    first.forward("*", &second)?;
    second.forward("*", &third)?;
    let ran = Arc::new(AtomicUsize::new(0));
    let runs = ran.clone();
    third.on(move |_: EventHandle<Job>| {
        runs.fetch_add(1, Ordering::SeqCst);
    });
    let event = soon(first.dispatch(job(1))?).await?;
    assert_eq!(event.path(), ["first", "second", "third"]);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    journal.flush().await?;
    let paths = [r#"["first"],"#, r#"["first","second"],"#, r#"["first","second","third"],"#];
    let expected = [paths[0], paths[1], paths[2], paths[2]];
    let lines = disk.lines();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (line, path) in lines.iter().zip(expected) {
        assert!(line.contains(&format!("\"event_path\":{path}")), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn r44_what_cannot_be_written_is_refused_at_dispatch() -> Outcome {
    for mode in [Mode::Completed, Mode::WriteAhead] {
        let disk = Disk::default();
        let journal = on(&disk, mode).open()?;
        let bus = bus(&journal);
        let refused = bus.dispatch(Silent).expect_err("no JSON view");
        assert!(matches!(refused, DispatchError::NotSerializable { .. }), "{refused:?}");
        let refused = bus.dispatch(Clashes { event_id: 1 }).expect_err("a reserved key");
        let source = std::error::Error::source(&refused).map(ToString::to_string);
        assert!(source.is_some_and(|text| text.contains("event_id")), "{refused:?}");
        assert_eq!(refused.into_event().event_id, 1);
        assert_eq!(bus.pending(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn r42_without_a_journal_nothing_is_durable() -> Outcome {
    let bus = builder("main").build();
    let event = bus.dispatch(Silent)?;
    assert!(matches!(soon(event.durable()).await, Err(DurableError::NoJournal)));
    Ok(())
}

#[tokio::test]
async fn r42_a_stopped_event_has_not_completed() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
    let events = [bus.dispatch(job(1))?, bus.dispatch(job(2))?];
    for event in &events {
        soon(event.durable()).await?;
    }
    bus.stop_now();
    for event in events {
        soon(event).await?;
    }
    drop((bus, journal));
    let unfinished = ahead(&disk).recover();
    assert_eq!(unfinished.len(), 2, "{:#?}", disk.lines());
    Ok(())
}

#[tokio::test]
async fn r42_what_is_dropped_while_it_waits_waits_no_more() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    disk.stall();
    let event = bus.dispatch(job(1))?;
    let mut waits = Box::pin(event.durable());
    let polled = futures_poll(waits.as_mut()).await;
    assert!(polled.is_none());
    drop(waits);
    disk.go();
    soon(event.durable()).await?;
    soon(event).await?;
    Ok(())
}

#[tokio::test]
async fn r33_the_thread_ends_with_the_journal() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    assert_eq!(disk.holders(), 2, "ours and the journal's");
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?).await?;
    drop(journal);
    soon(bus.dispatch(job(2))?).await?;
    assert_eq!(disk.holders(), 2, "the bus keeps it open");
    drop(bus);
    soon(async {
        while disk.holders() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(disk.after_power_loss(0).lines().len(), 4, "and all was written");
    let journal = ahead(&disk);
    drop(journal);
    assert_eq!(disk.holders(), 1, "one that was never used has no thread");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r41_what_has_completed_is_in_a_journal_that_is_closed_then() -> Outcome {
    for round in 0..40 {
        let disk = Disk::default();
        let mode = if round % 2 == 0 { Mode::Completed } else { Mode::WriteAhead };
        let journal = on(&disk, mode).sync(SyncPolicy::OnClose).open()?;
        let hub = busway_core::Hub::builder().runtime(busway_tokio::Tokio::current()?).build();
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let bus = hub.bus(format!("b{number}")).journal(&journal).build();
                bus.on(|_: EventHandle<Job>| {});
                tokio::spawn(async move {
                    for number in 0..20 {
                        soon(bus.dispatch(job(number)).map_err(|e| e.to_string())?).await?;
                    }
                    busway_core::ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        soon(journal.close()).await?;
        let lines = if mode == Mode::Completed { 80 } else { 160 };
        assert_eq!(disk.after_power_loss(0).lines().len(), lines, "round {round}");
    }
    Ok(())
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    use std::pin::Pin;
    use std::task::Poll;
    std::future::poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The name that events with messages have, which nothing keeps a user from giving to their own.
#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core", name = "busway.message")]
struct Namesake;

#[tokio::test]
async fn r42_an_event_by_the_name_of_messages_is_an_event() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Namesake>| {});
    let expected = bus.expect_name("*");
    let event = soon(bus.run(Namesake)).await?;
    assert_eq!(soon(expected).await?.id(), event.id());
    soon(event.durable()).await?;
    journal.flush().await?;
    assert_eq!(disk.lines().len(), 2, "accepted and completed: {:?}", disk.lines());
    Ok(())
}

#[tokio::test]
async fn r42_a_cancelled_event_is_not_given_back() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
    let running = bus.dispatch(job(1))?;
    soon(running.durable()).await?;
    let queued = bus.dispatch(job(2))?;
    soon(queued.durable()).await?;
    disk.stall();
    let unwritten = bus.dispatch(job(3))?;
    disk.wait_for_a_stalled_write();
    for event in [&unwritten, &queued, &running] {
        assert!(event.cancel());
    }
    disk.go();
    for event in [running, queued, unwritten] {
        let event = soon(event).await?;
        assert_eq!(event.cause(), Some(Cause::Cancelled));
        soon(event.durable()).await?;
    }
    soon(bus.stop(None, false)).await;
    soon(journal.close()).await?;
    assert_eq!(disk.lines().len(), 6, "each was accepted and completed");
    assert!(ahead(&disk.after_power_loss(0)).recover().events().is_empty());
    Ok(())
}
