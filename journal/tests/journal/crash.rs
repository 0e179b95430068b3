//! R42, R44: a crash at every byte, and every byte damaged.

use std::collections::HashSet;

use busway_core::EventHandle;
use busway_journal::{Kind, Line, Mode, OpenError, ReadError, Unfinished};

use crate::disk::Disk;
use crate::events::{Job, Outcome, ahead, bus, job, on, soon};

/// The damages of a byte: its lowest bit, letter case, its highest bit, and all of it.
const FLIPS: [u8; 4] = [0x01, 0x20, 0x80, 0xff];

/// A log of events, some of which have completed.
async fn recorded(events: u32) -> Result<Vec<u8>, busway_core::BoxError> {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|job: EventHandle<Job>| async move {
        if job.number % 3 == 2 {
            std::future::pending::<()>().await;
        }
    });
    for number in 0..events {
        let parallel = bus.event(job(number)).parallel().dispatch()?;
        soon(parallel.durable()).await?;
        if number % 3 != 2 {
            soon(parallel).await?;
        }
    }
    journal.flush().await?;
    Ok(disk.bytes())
}

/// What has to be recovered from this much of a log on disk: from the whole lines alone.
fn expected(log: &[u8]) -> Vec<Line> {
    let mut open: Vec<Line> = Vec::new();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        // The last line may lack only its line feed.
        let Ok(line) = Line::parse(line) else { continue };
        match line.kind {
            Kind::Accepted { .. } => open.push(line),
            _ => open.retain(|other| other.id != line.id),
        }
    }
    open
}

fn open(disk: &Disk) -> Result<Vec<Unfinished>, OpenError> {
    Ok(on(disk, Mode::WriteAhead).open()?.recover().into_iter().collect())
}

#[tokio::test]
async fn r44_a_crash_at_every_byte_loses_nothing_and_invents_nothing() -> Outcome {
    let log = recorded(6).await?;
    let mut torn = 0;
    for len in 0..=log.len() {
        let disk = Disk::with(&log[..len]);
        let journal = on(&disk, Mode::WriteAhead).open()?;
        let left: Vec<_> = journal.recover().into_iter().map(|left| left.line).collect();
        assert_eq!(left, expected(&log[..len]), "of {len} bytes");
        let end = log[..len].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if let Some(cut) = journal.torn() {
            torn += 1;
            assert_eq!((cut.offset, cut.len), (end as u64, (len - end) as u64));
            assert_eq!(disk.bytes(), log[..end], "what is torn is cut off");
        }
        // Lines written after it are read, whatever was torn.
        let bus = bus(&journal);
        bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
        let event = bus.dispatch(job(77))?;
        soon(event.durable()).await?;
        let again = open(&disk.after_power_loss(0))?;
        assert_eq!(again.len(), left.len() + 1);
        assert_eq!(again.last().map(|last| last.line.id), Some(event.id()));
    }
    let lines = log.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(
        torn,
        log.len() - 2 * lines,
        "all but whole lines, with and without their line feed"
    );
    Ok(())
}

#[tokio::test]
async fn r44_every_flipped_byte_is_found() -> Outcome {
    let log = recorded(4).await?;
    let ids: HashSet<_> = expected(&log).into_iter().map(|line| line.id).collect();
    assert!(!ids.is_empty());
    let mut corrupt = 0;
    for at in 0..log.len() {
        for flip in FLIPS {
            let mut damaged = log.clone();
            damaged[at] ^= flip;
            let disk = Disk::with(&damaged);
            match open(&disk) {
                Err(OpenError::Read(ReadError::Corrupt { offset, .. })) => {
                    corrupt += 1;
                    let line = log[..at].iter().rposition(|byte| *byte == b'\n');
                    assert_eq!(offset, line.map_or(0, |end| end + 1) as u64, "byte {at} ^ {flip}");
                    assert_eq!(disk.bytes(), damaged, "and left as it is");
                }
                Err(error) => panic!("byte {at} ^ {flip}: {error}"),
                Ok(left) => {
                    let left: HashSet<_> = left.iter().map(|left| left.line.id).collect();
                    assert_eq!(left, ids, "byte {at} ^ {flip} is not found, and changes something");
                }
            }
        }
    }
    let tried = log.len() * FLIPS.len();
    assert!(corrupt >= tried - FLIPS.len(), "{corrupt} of {tried}");
    Ok(())
}

#[tokio::test]
async fn r44_zeros_behind_the_last_line_are_torn() -> Outcome {
    let log = recorded(4).await?;
    let whole = expected(&log).len();
    for zeros in [1, 7, 4096] {
        let padded = [&log[..], &vec![0; zeros]].concat();
        let disk = Disk::with(&padded);
        assert_eq!(open(&disk)?.len(), whole);
        assert_eq!(disk.bytes(), log);
        // With part of a line before the zeros.
        let padded = [&log[..], &log[..20], &vec![0; zeros]].concat();
        let disk = Disk::with(&padded);
        assert_eq!(open(&disk)?.len(), whole);
        assert_eq!(disk.bytes(), log);
    }
    Ok(())
}

#[tokio::test]
async fn r43_power_that_is_lost_at_every_byte_of_what_was_not_synced() -> Outcome {
    let disk = Disk::default();
    let journal = ahead(&disk);
    let bus = bus(&journal);
    bus.on(|_: EventHandle<Job>| std::future::pending::<()>());
    let mut durable = HashSet::new();
    let mut dispatched = HashSet::new();
    for number in 0..10 {
        let event = bus.dispatch(job(number))?;
        dispatched.insert(event.id());
        if number % 4 == 0 {
            soon(event.durable()).await?;
            durable.insert(event.id());
        }
        let now = disk.look().segments.values().map(|it| it.bytes.len() - it.synced).sum::<usize>();
        for kept in 0..=now {
            let left = open(&disk.after_power_loss(kept))?;
            let left: HashSet<_> = left.into_iter().map(|left| left.line.id).collect();
            assert!(durable.is_subset(&left), "a durable event is lost");
            assert!(left.is_subset(&dispatched), "an event is invented");
        }
    }
    Ok(())
}
