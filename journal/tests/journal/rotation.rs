//! R43: segments by size and age, read in order.

use std::time::Duration;

use busway_core::EventHandle;
use busway_journal::{Journal, Mode, OpenError, ReadError, Segment, SyncPolicy};

use crate::disk::Disk;
use crate::events::{Job, Outcome, ahead, bus, job, on, soon};

async fn some(journal: &Journal, count: u32) -> Outcome {
    let bus = bus(journal);
    bus.on(|job: EventHandle<Job>| async move {
        if job.number == 0 {
            std::future::pending::<()>().await;
        }
    });
    soon(bus.event(job(0)).parallel().dispatch()?.durable()).await?;
    for number in 1..count {
        soon(bus.event(job(number)).parallel().dispatch()?).await?;
    }
    soon(journal.flush()).await?;
    Ok(())
}

#[tokio::test]
async fn r43_by_size_and_recovery_reads_all_in_order() -> Outcome {
    for sync in [SyncPolicy::Always, SyncPolicy::OnClose] {
        let disk = Disk::default();
        let journal = on(&disk, Mode::WriteAhead).sync(sync).rotate_at(2_000).open()?;
        some(&journal, 40).await?;
        let segments = disk.look().segments.clone();
        assert!(segments.len() > 5, "{}", segments.len());
        assert!(segments.values().all(|segment| segment.bytes.len() <= 2_000));
        assert!(segments.values().all(|segment| segment.bytes.ends_with(b"\n")));
        assert_eq!(disk.lines().len(), 79);
        let left = ahead(&disk.after_power_loss(0)).recover();
        let numbers: Vec<_> =
            left.events().iter().map(|left| &left.line.fields["number"]).collect();
        assert_eq!(numbers, [0], "accepted in the first segment, and never completed");
    }
    Ok(())
}

#[tokio::test]
async fn r43_by_age() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).rotate_after(Duration::ZERO).open()?;
    some(&journal, 4).await?;
    assert!(disk.look().segments.len() >= 4, "every write is a new segment");
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).rotate_after(Duration::from_secs(3_600)).open()?;
    some(&journal, 4).await?;
    assert_eq!(disk.look().segments.len(), 1);
    Ok(())
}

#[tokio::test]
async fn r43_a_segment_is_as_old_as_its_first_line() -> Outcome {
    let line = r#"{"event_type":"Job","event_id":"06b0229c-2b16-71ae-8000-0bbff42843e7","event_created_at":"2001-01-01T00:00:00Z"}"#;
    let disk = Disk::with(format!("{line}\n").as_bytes());
    let journal = on(&disk, Mode::Completed).rotate_after(Duration::from_secs(3_600)).open()?;
    soon(bus(&journal).dispatch(job(1))?.durable()).await?;
    assert_eq!(disk.look().segments.len(), 2);
    Ok(())
}

#[tokio::test]
async fn r44_only_the_last_segment_may_be_torn() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).rotate_at(1_000).open()?;
    some(&journal, 10).await?;
    drop(journal);
    let closed = Segment::Closed(1);
    let torn = disk.after_power_loss(0);
    let len = {
        let mut platter = torn.look();
        let segment = platter.segments.get_mut(&closed).expect("a closed segment");
        let len = segment.bytes.len() - 9;
        segment.bytes.truncate(len);
        let line = segment.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        line as u64
    };
    let error = on(&torn, Mode::WriteAhead).open().err();
    let Some(OpenError::Read(ReadError::Corrupt { path, offset, .. })) = error else {
        panic!("{error:?}")
    };
    assert_eq!((path.to_str(), offset), (Some("Closed(1)"), len));
    Ok(())
}

#[tokio::test]
async fn r44_a_missing_segment_is_damage_unless_it_is_the_oldest() -> Outcome {
    let disk = Disk::default();
    let journal = on(&disk, Mode::WriteAhead).rotate_at(1_000).open()?;
    some(&journal, 10).await?;
    drop(journal);
    let gapped = disk.after_power_loss(0);
    assert!(gapped.look().segments.remove(&Segment::Closed(3)).is_some());
    let error = on(&gapped, Mode::WriteAhead).open().err();
    let Some(OpenError::Read(ReadError::Missing { path })) = error else { panic!("{error:?}") };
    assert_eq!(path.to_str(), Some("Closed(3)"));
    // It is not read there.
    on(&gapped, Mode::Completed).open()?;
    gapped.look().segments.retain(|segment, _| *segment > Segment::Closed(3));
    on(&gapped, Mode::WriteAhead).open()?;
    Ok(())
}
