//! R41: the lines of completed events, and reading them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use busway_core::journal::DurableError;
use busway_core::{EventHandle, Hub, Timestamp};
use busway_journal::{Kind, Line, Mode};
use busway_macros::Event;
use busway_tokio::Tokio;
use serde::Serialize;

use crate::disk::Disk;
use crate::events::{Choice, Job, Outcome, Pair, Step, Unit, bus, job, on, soon};

const FROM_PYTHON: &str = r#"{"event_type":"Job","event_schema":"app.Job@1.0.0","event_timeout":300.0,"event_id":"b3e3f1c8-2f5a-4c55-9c0e-5a4e6b7f8a90","event_path":["Main","Audit"],"event_parent_id":"06b0229c-2b16-71ae-8000-0bbff42843e7","event_created_at":"2026-11-21T23:31:14.692940+01:00","event_processed_at":null,"number":7,"title":"Ä\"b","extra":{"a":[1,null]}}"#;

#[test]
fn r41_a_line_of_bubus_is_read() {
    let line = Line::parse(FROM_PYTHON.as_bytes()).expect("a line");
    assert_eq!((line.event_type.as_str(), line.schema.as_str()), ("Job", "app.Job@1.0.0"));
    assert_eq!(line.id.as_uuid().get_version_num(), 4, "any kind of id");
    assert_eq!(line.path, ["Main", "Audit"]);
    assert!(line.parent_id.is_some());
    assert_eq!(line.timeout.map(|timeout| timeout.as_secs()), Some(300));
    let at = line.created_at.map(|at| at.to_string());
    assert_eq!(at.as_deref(), Some("2026-11-21T22:31:14.692940Z"));
    assert_eq!((line.processed_at, line.kind), (None, Kind::Completed));
    assert_eq!(line.fields["extra"]["a"][1], serde_json::Value::Null, "unknown keys are kept");
    let event: Job = line.decode().expect("a job");
    assert_eq!(event, Job { number: 7, title: "Ä\"b".into() });
}

#[test]
fn r41_null_and_missing_keys_are_read() {
    let line = br#"{"event_type":"Job","event_id":"06b0229c2b1671ae80000bbff42843e7","event_created_at":null,"event_timeout":null,"event_parent_id":null}"#;
    let line = Line::parse(line).expect("a line");
    assert_eq!((line.created_at, line.timeout, line.parent_id), (None, None, None));
    assert!(line.fields.is_empty() && line.path.is_empty());
}

/// bubus 1.5 writes one key more.
#[test]
fn r41_the_type_of_the_results_is_no_part_of_the_payload() {
    let line = br#"{"event_type":"Job","event_schema":"x.Job@1","event_timeout":60.0,"event_result_type":"<class 'str'>","event_id":"06b0229c-2b16-71ae-8000-0bbff42843e7","event_path":["A"],"event_parent_id":null,"event_created_at":"2026-11-30T00:00:00.000000Z","event_processed_at":null,"big":170141183460469231731687303715884105727}"#;
    let line = Line::parse(line).expect("a line");
    assert_eq!(line.fields.keys().collect::<Vec<_>>(), ["big"]);
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Big {
        big: u128,
    }
    impl busway_core::Event for Big {
        type Output = ();
        const NAME: &'static str = "Job";
    }
    assert_eq!(line.decode::<Big>().expect("a payload").big, u128::MAX / 2);
}

#[test]
fn r44_what_is_no_event_is_damage() {
    let id = r#""event_id":"06b0229c-2b16-71ae-8000-0bbff42843e7""#;
    for line in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"event_type":"Job"}"#,
        &format!(r#"{{"event_type":7,{id}}}"#),
        r#"{"event_type":"Job","event_id":"no"}"#,
        &format!(r#"{{"event_type":"Job",{id},"event_created_at":"yesterday"}}"#),
        &format!(r#"{{"event_type":"Job",{id},"event_timeout":-1}}"#),
        &format!(r#"{{"event_type":"Job",{id},"event_path":[1]}}"#),
        &format!(r#"{{"event_type":"Job",{id},"busway_accepted":"x"}}"#),
        &format!(r#"{{"event_type":"Job",{id},"busway_crc":"00000000"}}"#),
    ] {
        assert!(Line::parse(line.as_bytes()).is_err(), "{line}");
    }
}

#[tokio::test]
async fn r15_a_handler_that_waits_for_the_line_of_its_own_event() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let bus = bus(&journal);
    bus.on(|step: EventHandle<Step>| async move {
        let refused = step.durable().await;
        assert!(matches!(refused, Err(DurableError::Deadlock(_))), "{refused:?}");
    });
    let step = soon(bus.run(Step { of: 1 })).await?;
    step.check()?;
    soon(step.durable()).await?;
    Ok(())
}

#[tokio::test]
async fn r13_a_child_whose_line_is_waited_for_is_raised() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let bus = bus(&journal);
    bus.on(|job: EventHandle<Job>| async move {
        job.dispatch(Step { of: job.number })?.durable().await?;
        busway_core::ok(())
    });
    soon(bus.run(job(1))).await?.check()?;
    soon(journal.flush()).await?;
    let lines = disk.lines();
    assert!(lines.len() == 2 && lines[0].contains("\"Step\""), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn r41_any_payload_is_written_and_read_back() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let bus = bus(&journal);
    soon(bus.dispatch(Unit)?).await?;
    soon(bus.dispatch(Pair(7, "x".into()))?).await?;
    soon(bus.dispatch(Choice::Plain)?).await?;
    soon(bus.dispatch(Choice::Field { at: 3 })?).await?;
    soon(bus.dispatch(job(1))?).await?;
    journal.flush().await?;
    let lines: Vec<_> = disk.lines().iter().map(|line| Line::parse(line.as_bytes())).collect();
    let lines: Vec<_> = lines.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(lines[0].decode::<Unit>()?, Unit);
    assert_eq!(lines[1].decode::<Pair>()?, Pair(7, "x".into()));
    assert_eq!(lines[2].decode::<Choice>()?, Choice::Plain);
    assert_eq!(lines[3].decode::<Choice>()?, Choice::Field { at: 3 });
    assert_eq!(lines[4].decode::<Job>()?, job(1));
    assert!(lines.iter().all(|line| line.kind == Kind::Completed && line.processed_at.is_some()));
    Ok(())
}

#[tokio::test]
async fn r41_awaited_children_come_before_their_parents() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let bus = bus(&journal);
    bus.on(|job: EventHandle<Job>| async move { job.run(Step { of: job.number }).await.map(drop) });
    for number in 0..50 {
        bus.dispatch(job(number))?;
    }
    soon(bus.wait_until_idle(None)).await?;
    journal.flush().await?;
    let lines = disk.lines();
    assert_eq!(lines.len(), 100);
    for (number, pair) in lines.chunks(2).enumerate() {
        assert!(pair[0].contains(&format!("\"of\":{number}}}")), "{}", pair[0]);
        assert!(pair[1].contains(&format!("\"number\":{number},")), "{}", pair[1]);
    }
    Ok(())
}

#[tokio::test]
async fn r42_an_event_keeps_the_id_it_is_given() -> Outcome {
    let line = Line::parse(FROM_PYTHON.as_bytes())?;
    let disk = Disk::default();
    let journal = on(&disk, Mode::Completed).open()?;
    let bus = bus(&journal);
    let event = bus.event(line.decode::<Job>()?).id(line.id).dispatch()?;
    // S139, S140: a deserialised event has not been started.
    assert_eq!((event.started_at(), event.completed_at()), (None::<Timestamp>, None));
    soon(event.clone()).await?;
    assert_eq!(event.id(), line.id);
    journal.flush().await?;
    assert_eq!(Line::parse(disk.lines()[0].as_bytes())?.id, line.id);
    Ok(())
}

#[derive(Event, Serialize)]
#[event(json, crate = "busway_core")]
struct Explodes {
    number: u32,
}

impl Drop for Explodes {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("dropped"));
    }
}

/// A line may hold the last reference to its event, when another thread writes the lines.
#[test]
fn r44_no_line_is_lost_with_a_payload_that_panics_when_it_is_dropped() -> Outcome {
    const EVENTS: u32 = 2_000;
    let workers =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build()?;
    let disk = Disk::default();
    workers.block_on(async {
        let journal = on(&disk, Mode::Completed).open()?;
        let hub = Hub::builder().runtime(Tokio::current()?).build();
        let buses = ["a", "b", "c"].map(|name| {
            let bus =
                hub.bus(name).max_pending(None).max_history(Some(0)).journal(&journal).build();
            bus.on(|_: EventHandle<Explodes>| tokio::task::yield_now());
            bus
        });
        let sending = buses.map(|bus| {
            tokio::spawn(async move {
                for number in 0..EVENTS {
                    // The handle may be the last reference itself.
                    let dispatch = || drop(bus.dispatch(Explodes { number }));
                    let _ = catch_unwind(AssertUnwindSafe(dispatch));
                    tokio::task::yield_now().await;
                }
                bus.wait_until_idle(None).await
            })
        });
        for sender in sending {
            soon(sender).await?.map_err(|error| error.to_string())?;
        }
        soon(journal.close()).await?;
        Outcome::Ok(())
    })?;
    assert_eq!(disk.lines().len(), 3 * EVENTS as usize);
    Ok(())
}
