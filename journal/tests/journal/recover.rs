//! R42: events that were accepted and have not completed are dispatched again.

use std::sync::{Arc, Mutex};

use busway_core::{BoxError, DispatchError, EventBus, EventHandle, EventId, Message};
use busway_journal::{Journal, RecoverError, Types, Unfinished};
use busway_macros::Event;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::events::{Job, Outcome, Pair, Step, ahead, builder, bus, job, on, soon};

type Seen = Arc<Mutex<Vec<(u32, EventId)>>>;

/// A bus that does jobs, and a list of them.
fn worker(disk: &Disk) -> (EventBus, Seen, Journal) {
    let journal = ahead(disk);
    let bus = bus(&journal);
    let seen = Seen::default();
    let sees = seen.clone();
    bus.on(move |job: EventHandle<Job>| sees.lock().unwrap().push((job.number, job.id())));
    (bus, seen, journal)
}

fn types() -> Types {
    Types::new().with::<Job>()
}

#[tokio::test]
async fn r42_with_its_id_in_order_of_acceptance_with_its_attempts_counted() -> Outcome {
    let disk = Disk::default();
    let ids = {
        let journal = ahead(&disk);
        let bus = bus(&journal);
        bus.on(|job: EventHandle<Job>| async move {
            if job.number > 1 {
                std::future::pending::<()>().await;
            }
        });
        let mut ids = Vec::new();
        for number in 0..5 {
            let event = bus.dispatch(job(number))?;
            soon(event.durable()).await?;
            ids.push(event.id());
        }
        soon(bus.wait_until_idle(std::time::Duration::from_millis(20))).await?;
        journal.flush().await?;
        ids
    };
    for crash in 2..5 {
        // The handler never ends, so that nothing completes before the next crash.
        let disk = disk.after_power_loss(0);
        let mut attempts = Vec::new();
        for _ in 1..crash {
            let journal = ahead(&disk);
            let bus = builder("main").journal(&journal).build();
            bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
            let left = journal.recover();
            attempts = left.events().iter().map(|left| left.attempts).collect();
            let again = soon(left.dispatch(&bus, &types())).await;
            assert_eq!(again.events.len(), 3);
            for event in again.events {
                soon(event.durable()).await?;
            }
        }
        assert_eq!(attempts, [crash - 1; 3]);
        let (bus, seen, journal) = worker(&disk);
        let again = soon(journal.recover().dispatch(&bus, &types())).await;
        assert!(again.failed.is_empty() && again.others.is_empty());
        soon(bus.wait_until_idle(None)).await?;
        let expected: Vec<_> = (2..5).map(|number| (number, ids[number as usize])).collect();
        assert_eq!(*seen.lock().unwrap(), expected);
    }
    Ok(())
}

#[tokio::test]
async fn r42_what_completed_is_not_given_back() -> Outcome {
    let disk = Disk::default();
    let (bus, seen, journal) = worker(&disk);
    for number in 0..10 {
        soon(bus.dispatch(job(number))?).await?;
    }
    assert_eq!(seen.lock().unwrap().len(), 10);
    soon(journal.close()).await?;
    let journal = ahead(&disk);
    assert!(journal.recover().is_empty());
    assert!(journal.recover().is_empty());
    Ok(())
}

#[tokio::test]
async fn r42_it_is_given_once() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let stuck = bus(&journal);
    stuck.on(|_: EventHandle<Job>| std::future::pending::<()>());
    soon(stuck.dispatch(job(1))?.durable()).await?;
    let journal = ahead(&disk.after_power_loss(0));
    assert_eq!(journal.recover().len(), 1);
    assert!(journal.recover().is_empty());
    Ok(())
}

/// The disk after a job that awaits its step forever was cut off, with both on disk.
async fn cut_off_with_a_child() -> Result<Disk, BoxError> {
    let disk = Disk::default();
    {
        let journal = ahead(&disk);
        let bus = bus(&journal);
        bus.on(
            |job: EventHandle<Job>| async move { job.run(Step { of: job.number }).await.map(drop) },
        );
        bus.on(|_: EventHandle<Step>| std::future::pending::<()>());
        bus.dispatch(job(1))?;
        let child = soon(bus.expect::<Step>()).await?;
        soon(child.durable()).await?;
    }
    Ok(disk)
}

/// The types of what was left, and whether it is below another one.
fn types_and_below(left: &[Unfinished]) -> Vec<(&str, bool)> {
    left.iter().map(|left| (left.line.event_type.as_str(), left.is_below)).collect()
}

#[tokio::test]
async fn r42_a_child_is_made_again_by_its_parent() -> Outcome {
    let disk = cut_off_with_a_child().await?.after_power_loss(0);
    let left: Vec<Unfinished> = ahead(&disk).recover().into_iter().collect();
    assert_eq!(types_and_below(&left), [("Job", false), ("Step", true)]);
    let journal = ahead(&disk);
    let bus = builder("main").journal(&journal).build();
    bus.on(|job: EventHandle<Job>| async move { job.run(Step { of: job.number }).await.map(drop) });
    let again = soon(journal.recover().dispatch(&bus, &types().with::<Step>())).await;
    assert_eq!(again.events.len(), 1, "the parent alone");
    for event in again.events {
        soon(event).await?;
    }
    journal.flush().await?;
    assert!(ahead(&disk.after_power_loss(0)).recover().is_empty(), "the old child is forgotten");
    Ok(())
}

/// Runs the step of a job, by way of a request and of an event on another bus, of which there are no
/// lines in the journal of the first.
fn in_a_roundabout_way(bus: &EventBus, other: Option<&Journal>) -> Result<EventBus, BoxError> {
    let settings = bus.hub().bus("quiet");
    let quiet = match other {
        Some(journal) => settings.journal(journal).build(),
        None => settings.build(),
    };
    bus.on(|job: EventHandle<Job>| async move {
        job.request::<u32, ()>("steps", job.number).timeout(None).await
    });
    let unnoted = quiet.clone();
    bus.consumer("steps", move |of: Message<u32>| {
        let unnoted = unnoted.clone();
        async move { unnoted.run(Pair(*of, String::new())).await.map(drop).map_err(BoxError::from) }
    })?;
    let noted = bus.downgrade();
    quiet.on(move |pair: EventHandle<Pair>| {
        let noted = noted.upgrade();
        async move {
            noted.ok_or("gone")?.run(Step { of: pair.0 }).await.map(drop).map_err(BoxError::from)
        }
    });
    Ok(quiet)
}

#[tokio::test]
async fn r42_a_child_is_known_below_what_has_no_line() -> Outcome {
    for other in [None, Some(ahead(&Disk::default()))] {
        runs_once(other.as_ref()).await?;
    }
    Ok(())
}

async fn runs_once(other: Option<&Journal>) -> Outcome {
    let disk = Disk::default();
    {
        let journal = ahead(&disk);
        let bus = bus(&journal);
        let _quiet = in_a_roundabout_way(&bus, other)?;
        bus.on(|_: EventHandle<Step>| std::future::pending::<()>());
        let job = bus.dispatch(job(1))?;
        let child = soon(bus.expect::<Step>()).await?;
        assert_ne!(child.parent_id(), Some(job.id()));
        soon(child.durable()).await?;
    }
    let disk = disk.after_power_loss(0);
    let journal = ahead(&disk);
    let bus = bus(&journal);
    let _quiet = in_a_roundabout_way(&bus, other)?;
    let steps = Arc::new(Mutex::new(0));
    let ran = steps.clone();
    bus.on(move |_: EventHandle<Step>| *ran.lock().unwrap() += 1);
    let left = journal.recover();
    assert_eq!(types_and_below(left.events()), [("Job", false), ("Step", true)]);
    let again = soon(left.dispatch(&bus, &types().with::<Step>())).await;
    for event in again.events {
        soon(event).await?;
    }
    assert_eq!(*steps.lock().unwrap(), 1, "it ran twice");
    Ok(())
}

#[tokio::test]
async fn r42_what_cannot_be_dispatched_stays() -> Outcome {
    let disk = Disk::default();
    {
        let journal = ahead(&disk);
        let bus = bus(&journal);
        bus.on_any(|_: busway_core::AnyEvent| std::future::pending::<()>());
        soon(bus.dispatch(job(1))?.durable()).await?;
        soon(bus.dispatch(Step { of: 2 })?.durable()).await?;
    }
    let disk = disk.after_power_loss(0);
    let journal = ahead(&disk);
    let other = builder("other").journal(&journal).build();
    let again = soon(journal.recover().dispatch(&other, &types())).await;
    assert_eq!((again.events.len(), again.others.len()), (0, 2), "they are another bus's");
    let journal = ahead(&disk);
    let bus = bus(&journal);
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    assert_eq!(again.events.len(), 1);
    let (left, error) = &again.failed[0];
    assert_eq!(left.line.event_type, "Step");
    assert!(matches!(error, RecoverError::UnknownType { event_type } if event_type == "Step"));
    soon(bus.wait_until_idle(None)).await?;
    journal.flush().await?;
    assert_eq!(ahead(&disk.after_power_loss(0)).recover().len(), 1);
    Ok(())
}

/// A disk with the seventh job on it, accepted and not ended.
async fn with_a_job_left() -> Result<Disk, BoxError> {
    let disk = Disk::default();
    let bus = bus(&ahead(&disk));
    bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
    soon(bus.dispatch(job(7))?.durable()).await?;
    Ok(disk)
}

/// Another event with the fields of a job: the new name of jobs.
#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Task {
    number: u32,
    title: String,
}

#[tokio::test]
async fn r42_an_event_is_not_dispatched_as_one_of_another_name() -> Outcome {
    let disk = with_a_job_left().await?;
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let journal = ahead(&disk.after_power_loss(0));
    let bus = bus(&journal);
    let seen = numbers.clone();
    bus.on(move |task: EventHandle<Task>| seen.lock().unwrap().push(task.number));
    for left in journal.recover() {
        let refused = soon(left.dispatch::<Task>(&bus)).await.unwrap_err();
        assert!(
            matches!(&refused, RecoverError::OtherType { event_type, expected: "Task" } if event_type == "Job")
        );
        soon(soon(left.dispatch_renamed::<Task>(&bus)).await?).await?;
    }
    assert_eq!(*numbers.lock().unwrap(), [7]);

    let journal = ahead(&disk.after_power_loss(0));
    let bus = builder("main").journal(&journal).build();
    let again = journal.recover();
    let again = soon(again.dispatch(&bus, &Types::new().with_renamed::<Task>("Job"))).await;
    assert!(again.failed.is_empty() && again.events.len() == 1, "{again:?}");
    Ok(())
}

#[tokio::test]
async fn r42_two_buses_recover_from_one_journal() -> Outcome {
    let disk = Disk::default();
    {
        let journal = ahead(&disk);
        for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
            let bus = builder(name).journal(&journal).build();
            bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
            soon(bus.dispatch(job(number))?.durable()).await?;
        }
    }
    let journal = ahead(&disk.after_power_loss(0));
    let [a, b] = ["a", "b"].map(|name| builder(name).journal(&journal).build());
    let again = soon(journal.recover().dispatch_all(&[&a, &b], &types())).await;
    let buses: Vec<_> = again.events.iter().map(|event| event.path()).collect();
    assert_eq!(buses, [["a"], ["b"]]);
    assert_eq!(again.others.len(), 1, "that of `c`");
    Ok(())
}

#[tokio::test]
async fn r42_what_is_refused_says_why_and_by_which_bus() -> Outcome {
    let disk = with_a_job_left().await?;
    let journal = ahead(&disk.after_power_loss(0));
    let bus = bus(&journal);
    bus.stop_now();
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    let RecoverError::Dispatch(source) = &again.failed[0].1 else { panic!("{again:?}") };
    let source = source.downcast_ref::<DispatchError<Job>>();
    assert!(matches!(source, Some(DispatchError::Stopped { event }) if event.number == 7));
    Ok(())
}

#[tokio::test]
async fn r42_more_than_the_bus_takes_at_a_time() -> Outcome {
    let disk = Disk::default();
    {
        let journal = ahead(&disk);
        let bus = bus(&journal);
        bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
        let events: Vec<_> = (0..40).map(|n| bus.dispatch(job(n))).collect::<Result<_, _>>()?;
        for event in events {
            soon(event.durable()).await?;
        }
    }
    let journal = on(&disk.after_power_loss(0), busway_journal::Mode::WriteAhead).open()?;
    let bus = builder("main").max_pending(Some(3)).journal(&journal).build();
    bus.on(|_: EventHandle<Job>| {});
    let again = soon(journal.recover().dispatch(&bus, &types())).await;
    assert_eq!(again.events.len(), 40);
    assert!(soon(bus.wait_until_idle(None)).await?);
    Ok(())
}

#[tokio::test]
async fn r42_what_is_below_an_event_that_was_not_dispatched_is_left() -> Outcome {
    let disk = cut_off_with_a_child().await?;
    let journal = ahead(&disk.after_power_loss(0));
    let bus = bus(&journal);
    // No type for jobs is given.
    let again = soon(journal.recover().dispatch(&bus, &Types::new().with::<Step>())).await;
    assert_eq!((again.events.len(), again.failed.len(), again.others.len()), (0, 1, 0));
    assert_eq!(again.left.len(), 1, "{again:?}");
    assert_eq!(again.left[0].line.event_type, "Step");
    Ok(())
}

#[test]
#[should_panic = "two types of events are called `Job`"]
fn r42_two_types_of_one_name_cannot_be_told_apart() {
    #[derive(Event, Deserialize)]
    #[event(name = "Job", crate = "busway_core")]
    struct Other;

    drop(types().with::<Job>().with::<Other>());
}
