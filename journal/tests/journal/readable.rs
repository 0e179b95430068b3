//! R44: accepted events can be read again; those that could not be are refused or reported.

use std::fs;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use busway_core::journal::DurableError;
use busway_core::{AnyEvent, DispatchError, EventBus, EventHandle, Limit};
use busway_journal::{
    Journal, Ledger, Line, Mode, OpenError, Replay, ReplayError, SyncPolicy, UnreadablePayload,
};
use busway_macros::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::disk::Disk;
use crate::events::{Clashes, Job, Outcome, ahead, builder, bus, job, on, soon};

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Any(Value);

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Fields {
    first: Value,
    second: u32,
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |value, _| json!([value]))
}

#[tokio::test]
async fn r44_a_payload_that_is_nested_too_deep_is_refused() -> Outcome {
    let disk = Disk::default();
    let bus = bus(&ahead(&disk));
    // Completed events may be on disk too, but are not recovered.
    bus.on_any(|_: AnyEvent| pending::<()>());
    soon(bus.dispatch(Any(nested(126)))?.durable()).await?;
    soon(bus.dispatch(Fields { first: nested(126), second: 2 })?.durable()).await?;
    for depth in [127, 200] {
        let refused = bus.dispatch(Any(nested(depth))).expect_err("it cannot be read again");
        let DispatchError::NotSerializable { source, .. } = refused else { panic!("{refused:?}") };
        assert!(source.is::<UnreadablePayload>(), "{source}");
    }
    assert_eq!(ahead(&disk.after_power_loss(0)).recover().len(), 2);
    Ok(())
}

#[tokio::test]
async fn r41_a_limit_that_is_none() -> Outcome {
    let disk = Disk::default();
    let bus = builder("main").limit(Limit::After(Duration::MAX)).journal(ahead(&disk)).build();
    bus.on(|_: EventHandle<Job>| pending::<()>());
    soon(bus.dispatch(job(1))?.durable()).await?;
    let left = ahead(&disk.after_power_loss(0)).recover();
    assert_eq!(left.events()[0].line.timeout, Some(Duration::MAX));
    Ok(())
}

#[tokio::test]
async fn r44_a_payload_that_comes_from_a_bus_without_a_journal_is_looked_at_too() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let here = builder("here").build();
    let there = here.hub().bus("there").journal(&journal).build();
    here.forward("*", &there)?;
    soon(here.dispatch(Clashes { event_id: 7 })?).await?;
    soon(here.dispatch(job(1))?).await?;
    soon(journal.flush()).await?;
    let lines = disk.lines();
    assert!(lines.len() == 1 && lines[0].contains("\"number\":1"), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn r44_every_prefix_of_a_line_is_torn() -> Outcome {
    let alike = json!({"a": 1, "busway_crc": "01234567"});
    let text = json!({"ä": "\u{1F600}\\\"\n\u{7}", "f": [-1.5e-300, 1e300, true, null]});
    for first in [alike, text] {
        let disk = Disk::default();
        soon(bus(&ahead(&disk)).dispatch(Fields { first, second: 2 })?.durable()).await?;
        let bytes = disk.bytes();
        for len in 0..bytes.len() {
            let torn = Disk::with(&bytes[..len]);
            let opened = on(&torn, Mode::WriteAhead).open();
            assert!(opened.is_ok(), "{len}: {opened:?}");
        }
    }
    Ok(())
}

/// A bus whose journal syncs each line, in files of this many bytes.
fn rotating(path: &Path, bytes: u64) -> Result<EventBus, OpenError> {
    Ok(bus(&Journal::builder(path).sync(SyncPolicy::Always).rotate_at(bytes).open()?))
}

fn numbers(replay: Replay) -> Result<Vec<u32>, ReplayError> {
    replay.of_type::<Job>().map(|read| read.map(|(_, job)| job.number)).collect()
}

#[tokio::test]
async fn r41_an_event_on_two_buses_has_two_lines_and_is_replayed_once() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let journal = Journal::builder(&path).open()?;
    let here = builder("here").journal(&journal).build();
    let there = here.hub().bus("there").journal(&journal).build();
    here.forward("*", &there)?;
    soon(here.dispatch(job(1))?).await?;
    soon(there.dispatch(job(2))?).await?;
    soon(journal.close()).await?;
    assert_eq!(Journal::replay(&path)?.count(), 3);
    assert_eq!(numbers(Journal::replay(&path)?)?, [1, 2]);
    Ok(())
}

#[tokio::test]
async fn r43_a_replay_reads_what_is_rotated_away_meanwhile() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let bus = rotating(&path, 1)?;
    for number in 0..3 {
        soon(bus.dispatch(job(number))?.durable()).await?;
    }
    let replay = Journal::replay(&path)?;
    for number in 3..6 {
        soon(bus.dispatch(job(number))?.durable()).await?;
    }
    assert_eq!(numbers(replay)?, [0, 1, 2]);
    Ok(())
}

#[tokio::test]
async fn r43_a_file_that_somebody_moves_away_is_begun_anew() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let bus = rotating(&path, 700)?;
    for number in 0..12 {
        if number == 2 {
            fs::rename(&path, folder.path().join("moved"))?;
        }
        let outcome = soon(bus.dispatch(job(number))?.durable()).await;
        assert_eq!(outcome.is_err(), number == 2, "it is reported: {outcome:?}");
    }
    fs::write(folder.path().join("events.jsonl.0000001"), "not ours")?;
    let jobs = numbers(Journal::replay(&path)?)?;
    assert_eq!(jobs, [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    Ok(())
}

#[tokio::test]
async fn r42_what_another_bus_could_not_write_is_given_back() -> Outcome {
    let (good, bad) = (Disk::default(), Disk::default());
    let journal = ahead(&good);
    let here = builder("here").journal(&journal).build();
    let there = here.hub().bus("there").journal(ahead(&bad)).build();
    here.forward("*", &there)?;
    bad.look().fails.append = true;
    let event = here.dispatch(job(1))?;
    soon(event.durable()).await?;
    soon(event).await?;
    soon(journal.flush()).await?;
    assert_eq!(ahead(&good.after_power_loss(0)).recover().len(), 1);
    Ok(())
}

#[test]
fn r42_what_nobody_makes_again_is_not_forgotten() {
    let line = |id: u32, parent: u32, accepted: Option<u32>| {
        let uuid = |id: u32| format!("\"00000000-0000-7000-8000-{id:012}\"");
        let parent = if parent == 0 { "null".into() } else { uuid(parent) };
        let accepted = accepted.map_or(String::new(), |at| format!(",\"busway_accepted\":{at}"));
        let id = uuid(id);
        let line = format!(
            r#"{{"event_type":"Job","event_id":{id},"event_parent_id":{parent}{accepted}}}"#
        );
        Line::parse(line.as_bytes()).expect("a line")
    };
    let left = |lines: &[Line]| {
        let mut ledger = Ledger::new();
        lines.iter().cloned().for_each(|line| ledger.note(line));
        ledger.into_unfinished().len()
    };
    let accepted = [line(1, 0, Some(1)), line(2, 1, Some(1))];
    let again = line(1, 0, Some(2));
    assert_eq!(left(&[&accepted[..], std::slice::from_ref(&again)].concat()), 1, "made again");
    // The child is done; an event dispatched below it afterwards stands alone.
    let late = [line(2, 1, None), line(3, 2, Some(1)), again.clone()];
    assert_eq!(left(&[&accepted[..], &late].concat()), 2);
    // The child was dispatched again by itself.
    let alone = [line(2, 0, Some(2)), again];
    assert_eq!(left(&[&accepted[..], &alone].concat()), 2);
}

#[tokio::test]
async fn r44_who_is_told_of_a_line_may_flush() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let flushes = journal.clone();
    let builder = builder("main").on_warning(move |_| drop(flushes.flush_blocking()));
    let bus = builder.journal(&journal).build();
    bus.on(|_: EventHandle<Job>| {});
    soon(journal.close()).await?;
    let event = bus.dispatch(job(1))?;
    assert!(matches!(soon(event.durable()).await, Err(DurableError::Failed(_))));
    soon(event).await?;
    Ok(())
}
