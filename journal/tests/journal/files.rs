//! R41, R43: real files.

use std::fs;
use std::io::Write;
use std::time::Duration;

use busway_core::EventHandle;
use busway_core::journal::DurableError;
use busway_journal::{
    Journal, Kind, Mode, OpenError, ReadError, Replay, ReplayError, SyncPolicy, Types, segments,
};

use crate::events::{Job, Outcome, Step, bus, job, soon};

#[tokio::test]
async fn r43_there_is_one_writer() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a/events.jsonl");
    let journal = Journal::open(&path)?;
    assert!(matches!(Journal::open(&path), Err(OpenError::Locked { .. })));
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?).await?;
    assert!(matches!(Journal::open(&path), Err(OpenError::Locked { .. })));
    soon(journal.close()).await?;
    let journal = Journal::open(&path)?;
    drop(journal);
    drop(Journal::open(&path)?);
    Ok(())
}

#[tokio::test]
async fn r43_files_are_rotated_and_replayed_in_order() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let journal = Journal::builder(&path).rotate_at(1_000).open()?;
    let bus = bus(&journal);
    for number in 0..30 {
        soon(bus.dispatch(job(number))?).await?;
        soon(bus.dispatch(Step { of: number })?).await?;
    }
    soon(journal.flush()).await?;
    let files = segments(&path)?;
    assert!(files.len() > 10, "{files:?}");
    assert_eq!(files.first(), Some(&folder.path().join("events.jsonl.000001")));
    assert_eq!(files.last(), Some(&path));
    let jobs = Journal::replay(&path)?.of_type::<Job>();
    let jobs: Vec<_> = jobs.collect::<Result<_, _>>()?;
    assert_eq!(jobs.len(), 30);
    for (number, (line, event)) in (0..).zip(&jobs) {
        assert_eq!(event, &job(number));
        assert_eq!(line.kind, Kind::Completed);
    }
    assert_eq!(Journal::replay(&path)?.filter(Result::is_ok).count(), 60);
    Ok(())
}

#[tokio::test]
async fn r43_no_file_is_rotated_over_another_when_the_numbers_are_used_up() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    fs::write(folder.path().join(format!("events.jsonl.{}", u32::MAX)), "")?;
    let journal = Journal::builder(&path).sync(SyncPolicy::Always).rotate_at(1).open()?;
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?.durable()).await?;
    let lost = soon(bus.dispatch(job(2))?.durable()).await.expect_err("it cannot be rotated");
    let DurableError::Failed(source) = lost else { panic!("{lost:?}") };
    let source = source.source().expect("why").to_string();
    assert_eq!(source, "the numbers of rotated files are used up");
    assert_eq!(fs::read_to_string(&path)?.lines().count(), 1, "what was there is there");
    Ok(())
}

#[tokio::test]
async fn r44_replay_reports_what_is_torn_and_what_is_damaged() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let journal = Journal::open(&path)?;
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?).await?;
    soon(bus.dispatch(job(2))?).await?;
    soon(journal.close()).await?;
    let mut file = fs::OpenOptions::new().append(true).open(&path)?;
    file.write_all(b"{\"event_type\":\"Jo")?;
    let mut replay = Journal::replay(&path)?;
    assert_eq!(replay.by_ref().filter(Result::is_ok).count(), 2);
    assert_eq!(replay.torn().map(|torn| torn.len), Some(17));
    let journal = Journal::open(&path)?;
    assert_eq!(journal.torn().map(|torn| torn.len), Some(17));
    drop(journal);
    let text = fs::read_to_string(&path)?;
    assert_eq!(text.lines().count(), 2);
    let start = text.find('\n').ok_or("two lines")? + 1;
    fs::write(&path, text.replace("\"number\":2", "\"number\":,"))?;
    let lines: Vec<_> = Replay::open(&path)?.collect();
    assert_eq!(lines.len(), 2);
    let error = lines[1].as_ref().err().ok_or("damaged")?.to_string();
    assert!(error.contains(&format!("is damaged at byte {start}: ")), "{error}");
    Ok(())
}

#[tokio::test]
async fn r42_a_line_of_another_shape_is_skipped_only_when_asked_for() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let line = |number: &str| {
        format!(
            "{{\"event_type\":\"Job\",\"event_id\":\"06b0229c-2b16-71ae-8000-0bbff42843e7\",\
             \"number\":{number},\"title\":\"x\"}}\n"
        )
    };
    fs::write(&path, [line("1"), line("\"two\""), line("3")].concat())?;
    let jobs: Vec<_> = Journal::replay(&path)?.of_type::<Job>().collect();
    assert_eq!(jobs.len(), 3);
    assert!(matches!(&jobs[1], Err(ReplayError::Decode { .. })));
    assert!(jobs[2].as_ref().is_ok_and(|(_, job)| job.number == 3));
    Ok(())
}

#[tokio::test]
async fn r42_work_goes_on_where_it_stopped() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("jobs.jsonl");
    {
        let journal = Journal::write_ahead(&path)?;
        let bus = bus(&journal);
        bus.on(|job: EventHandle<Job>| async move {
            if job.number > 2 {
                std::future::pending::<()>().await;
            }
        });
        for number in 0..6 {
            soon(bus.dispatch(job(number))?.durable()).await?;
        }
        soon(bus.wait_until_idle(Duration::from_millis(50))).await?;
        bus.stop_now();
        soon(journal.close()).await?;
    }
    let journal = Journal::builder(&path).mode(Mode::WriteAhead).open()?;
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Job>| {});
    let again = soon(journal.recover().dispatch(&bus, &Types::new().with::<Job>())).await;
    assert!(again.events.len() >= 3 && again.failed.is_empty());
    soon(bus.wait_until_idle(None)).await?;
    soon(journal.close()).await?;
    assert!(Journal::write_ahead(&path)?.recover().is_empty());
    Ok(())
}

#[tokio::test]
async fn r44_replay_reports_a_missing_file_and_what_is_torn_in_a_rotated_one() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let rotated = |number| folder.path().join(format!("events.jsonl.{number:06}"));
    let journal = Journal::builder(&path).rotate_at(1).open()?;
    let bus = bus(&journal);
    for number in 0..4 {
        soon(bus.dispatch(job(number))?).await?;
    }
    soon(journal.close()).await?;
    // As after a crash between a rotation and the next line.
    fs::remove_file(&path)?;
    let text = fs::read(rotated(3))?;
    fs::write(rotated(3), &text[..text.len() - 5])?;
    for mut replay in [Journal::replay(&path)?, Replay::of_files(segments(&path)?)] {
        assert_eq!(replay.by_ref().take(2).filter(Result::is_ok).count(), 2);
        let error = replay.next();
        let Some(Err(ReadError::Corrupt { path, offset: 0, .. })) = error else {
            panic!("{error:?}")
        };
        assert_eq!((path, replay.torn()), (rotated(3), None));
    }
    assert!(Journal::write_ahead(&path).is_err(), "as opening does");
    fs::write(rotated(3), text)?;
    fs::remove_file(rotated(2))?;
    let mut replay = Journal::replay(&path)?;
    assert!(replay.next().is_some_and(|line| line.is_ok()));
    let error = replay.next();
    let Some(Err(ReadError::Missing { path: missing })) = error else { panic!("{error:?}") };
    assert_eq!(missing, rotated(2));
    assert!(replay.next().is_none());
    fs::remove_file(rotated(1))?;
    assert_eq!(Journal::replay(&path)?.filter(Result::is_ok).count(), 1);
    Ok(())
}
