//! R44: files that something else has moved, removed or replaced under a journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use busway_core::DispatchError;
use busway_core::journal::DurableError;
use busway_journal::{
    Displaced, Files, Journal, JournalError, Mode, Segment, Storage, SyncPolicy, segments,
};

use crate::events::{Outcome, bus, job, soon};

fn folder() -> io::Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a/events.jsonl");
    Ok((folder, path))
}

/// Locks files, and appends a line.
fn files_with_a_line(path: &Path) -> Result<Files, busway_core::BoxError> {
    let mut files = Files::lock(path)?;
    files.append(b"ours\n")?;
    Ok(files)
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("jsonl.lock")
}

fn displaced<T>(outcome: io::Result<T>) -> Option<Displaced> {
    outcome.err()?.downcast().ok()
}

/// What an event's wait for the disk failed with.
fn cause(outcome: &Result<(), DurableError>) -> Option<Displaced> {
    let Err(DurableError::Failed(error)) = outcome else { return None };
    displaced_in(error.downcast_ref()?)
}

fn displaced_in(error: &JournalError) -> Option<Displaced> {
    match error {
        JournalError::Write { source, .. }
        | JournalError::Sync { source, .. }
        | JournalError::Rotate { source, .. } => source.get_ref()?.downcast_ref().copied(),
        _ => None,
    }
}

#[test]
fn r43_files_that_are_another_journals_are_not_touched() -> Outcome {
    let (_folder, path) = folder()?;
    let mut idle = Files::lock(&path)?;
    fs::remove_file(lock_of(&path))?;
    let mut busy = files_with_a_line(&path)?;
    assert_eq!(displaced(idle.append(b"no\n")), Some(Displaced::Claimed));
    assert!(
        idle.truncate(Segment::Active, 0).is_err_and(|it| it.kind() == io::ErrorKind::NotFound)
    );
    assert!(idle.rotate().is_err());
    busy.append(b"more\n")?;
    busy.sync()?;
    drop(busy);
    // Nobody writes it any more, but what is in it is not in this journal's count.
    assert_eq!(displaced(idle.append(b"no\n")), Some(Displaced::Replaced));
    drop(Files::lock(&path)?);
    assert_eq!(fs::read_to_string(&path)?, "ours\nmore\n");
    assert_eq!(segments(&path)?, [path]);
    Ok(())
}

/// As a cleaner of old files does: a lock file is never written.
#[test]
fn r43_a_removed_lock_file_is_made_again() -> Outcome {
    let (_folder, path) = folder()?;
    let mut files = Files::lock(&path)?;
    fs::remove_file(lock_of(&path))?;
    files.append(b"1\n")?;
    fs::remove_file(lock_of(&path))?;
    files.rotate()?;
    files.append(b"2\n")?;
    files.sync()?;
    fs::remove_file(&path)?;
    assert!(Files::lock(&path).is_err());
    Ok(())
}

#[test]
fn r43_a_file_that_something_else_put_there_is_left_alone() -> Outcome {
    let (_folder, path) = folder()?;
    let mut files = Files::lock(&path)?;
    fs::write(&path, "theirs\n")?;
    assert_eq!(displaced(files.append(b"ours\n")), Some(Displaced::Replaced));
    assert_eq!(fs::read_to_string(&path)?, "theirs\n");
    Ok(())
}

#[test]
fn r43_a_moved_journal_and_a_new_one_in_its_place_are_apart() -> Outcome {
    let (folder, path) = folder()?;
    let away = folder.path().join("b");
    let mut old = files_with_a_line(&path)?;
    fs::rename(folder.path().join("a"), &away)?;
    assert_eq!(displaced(old.sync()), Some(Displaced::Gone));
    let mut new = files_with_a_line(&path)?;
    new.append(b"and more\n")?;
    assert_eq!(displaced(old.sync()), Some(Displaced::Replaced));
    assert_eq!(displaced(old.rotate()), Some(Displaced::Replaced));
    assert_eq!(displaced(old.truncate(Segment::Active, 1)), Some(Displaced::Replaced));
    new.rotate()?;
    assert_eq!(displaced(old.rotate()), Some(Displaced::Gone));
    assert_eq!(fs::read_to_string(new.path(Segment::Closed(1)))?, "ours\nand more\n");
    assert_eq!(fs::read_to_string(away.join("events.jsonl"))?, "ours\n");
    Ok(())
}

#[test]
fn r43_a_journal_that_is_moved_back_goes_on() -> Outcome {
    let (folder, path) = folder()?;
    let [here, away] = ["a", "b"].map(|name| folder.path().join(name));
    let mut files = files_with_a_line(&path)?;
    fs::rename(&here, &away)?;
    assert_eq!(displaced(files.truncate(Segment::Active, 5)), Some(Displaced::Gone));
    fs::rename(&away, &here)?;
    files.truncate(Segment::Active, 5)?;
    files.append(b"more\n")?;
    files.rotate()?;
    assert_eq!(fs::read_to_string(files.path(Segment::Closed(1)))?, "ours\nmore\n");
    Ok(())
}

/// Another journal looked in while the lock file was away, and is gone.
#[cfg(unix)]
#[test]
fn r43_a_lock_that_is_free_again_is_taken_again() -> Outcome {
    let (_folder, path) = folder()?;
    let mut files = files_with_a_line(&path)?;
    files.rotate()?;
    fs::remove_file(lock_of(&path))?;
    let other = Files::lock(&path)?;
    assert_eq!(displaced(files.append(b"no\n")), Some(Displaced::Claimed));
    drop(other);
    files.append(b"more\n")?;
    assert!(Files::lock(&path).is_err(), "it is locked");
    Ok(())
}

/// What a cut finds is the cause that is reported.
#[cfg(unix)]
#[tokio::test]
async fn r44_what_is_lost_with_a_file_has_its_cause() -> Outcome {
    let (_folder, path) = folder()?;
    let fails = Arc::new(AtomicBool::new(false));
    let full = Full { files: Files::lock(&path)?, fails: fails.clone() };
    let journal = Journal::builder(&path).sync(SyncPolicy::Every(Duration::from_secs(3_600)));
    let journal = journal.storage(full).open()?;
    let bus = bus(&journal);
    let first = bus.dispatch(job(1))?;
    let (lost, failed) = {
        let durable = first.durable();
        while fs::read_to_string(&path).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fs::remove_file(&path)?;
        fails.store(true, Ordering::SeqCst);
        let failed = soon(bus.dispatch(job(2))?.durable()).await;
        (soon(durable).await, failed)
    };
    assert!(matches!(failed, Err(DurableError::Failed(_))), "{failed:?}");
    assert_eq!(cause(&lost), Some(Displaced::Gone), "{lost:?}");
    Ok(())
}

/// Files on a disk that may be full.
#[derive(Debug)]
struct Full {
    files: Files,
    fails: Arc<AtomicBool>,
}

impl Storage for Full {
    fn list(&mut self) -> io::Result<Vec<Segment>> {
        self.files.list()
    }

    fn read(&mut self, segment: Segment) -> io::Result<Box<dyn io::Read + Send>> {
        self.files.read(segment)
    }

    fn truncate(&mut self, segment: Segment, len: u64) -> io::Result<()> {
        self.files.truncate(segment, len)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.files.append(bytes),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.files.sync()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.files.rotate()
    }

    fn path(&self, segment: Segment) -> PathBuf {
        self.files.path(segment)
    }
}

#[test]
fn r43_no_segment_is_overwritten() -> Outcome {
    let (_folder, path) = folder()?;
    let mut files = files_with_a_line(&path)?;
    fs::write(files.path(Segment::Closed(1)), "theirs")?;
    files.rotate()?;
    assert_eq!(fs::read_to_string(files.path(Segment::Closed(1)))?, "theirs");
    assert_eq!(fs::read_to_string(files.path(Segment::Closed(2)))?, "ours\n");
    assert!(files.rotate().is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    Ok(())
}

/// A file that something else has shortened must not be filled up with zeros.
#[test]
fn r44_a_cut_makes_no_file_longer() -> Outcome {
    let (_folder, path) = folder()?;
    let mut files = files_with_a_line(&path)?;
    fs::OpenOptions::new().write(true).open(&path)?.set_len(2)?;
    files.truncate(Segment::Active, 5)?;
    assert_eq!(fs::read_to_string(&path)?, "ou");
    Ok(())
}

type Removal = fn(&Path) -> io::Result<()>;

const REMOVALS: [(&str, Removal); 3] = [
    ("the file", |path| fs::remove_file(path)),
    ("the folder", |path| fs::remove_dir_all(path.parent().expect("a folder"))),
    ("moved", |path| fs::rename(path, path.with_extension("old"))),
];

#[cfg(unix)]
#[tokio::test]
async fn r44_what_is_in_a_file_that_is_gone_is_not_durable() -> Outcome {
    for (what, remove) in REMOVALS {
        for sync in [SyncPolicy::Always, SyncPolicy::OnClose] {
            let (_folder, path) = folder()?;
            let journal = Journal::builder(&path).mode(Mode::WriteAhead).sync(sync).open()?;
            let bus = bus(&journal);
            let good = bus.dispatch(job(1))?;
            soon(good.durable()).await?;
            soon(good).await?;
            soon(journal.flush()).await?;
            remove(&path)?;
            let lost = soon(bus.dispatch(job(2))?.durable()).await;
            assert_eq!(cause(&lost), Some(Displaced::Gone), "{what} {sync:?}: {lost:?}");
            let refused = bus.dispatch(job(3)).expect_err("refused");
            let DispatchError::Journal { source, .. } = refused else { panic!("{refused:?}") };
            let source = source.downcast_ref().expect("its own error");
            assert_eq!(displaced_in(source), Some(Displaced::Gone), "{what} {sync:?}");
            assert!(soon(journal.close()).await.is_err(), "{what} {sync:?}");
        }
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn r44_a_journal_of_what_completed_reports_a_removed_file_and_starts_another() -> Outcome {
    let remove_both: Removal = |path| fs::remove_file(lock_of(path)).and(fs::remove_file(path));
    for (rotate_at, remove) in [
        (1, REMOVALS[0].1),
        (u64::MAX, REMOVALS[0].1),
        (u64::MAX, REMOVALS[2].1),
        (u64::MAX, remove_both),
    ] {
        for sync in [SyncPolicy::Always, SyncPolicy::OnClose] {
            let (_folder, path) = folder()?;
            let journal = Journal::builder(&path).sync(sync).rotate_at(rotate_at).open()?;
            let bus = bus(&journal);
            soon(bus.dispatch(job(1))?.durable()).await?;
            remove(&path)?;
            assert!(soon(bus.dispatch(job(2))?.durable()).await.is_err());
            assert!(soon(journal.flush()).await.is_err(), "it is reported");
            soon(bus.dispatch(job(3))?.durable()).await?;
            soon(bus.dispatch(job(4))?.durable()).await?;
            soon(journal.close()).await?;
            let numbers: Vec<_> = Journal::replay(&path)?
                .map(|line| line.map(|line| line.fields["number"].clone()))
                .collect::<Result<_, _>>()?;
            assert_eq!(numbers, [3, 4], "{rotate_at} {sync:?}");
        }
    }
    Ok(())
}
