//! R43: one writer for a file, whatever path leads to it.

use std::fs;

use busway_journal::{Journal, OpenError, SyncPolicy, segments};

use crate::events::{Outcome, bus, job, soon};

fn is_locked(path: &std::path::Path) -> bool {
    matches!(Journal::open(path), Err(OpenError::Locked { .. }))
}

#[cfg(unix)]
#[tokio::test]
async fn r43_a_link_is_the_file_it_leads_to() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("real.jsonl");
    let link = folder.path().join("b/link.jsonl");
    fs::create_dir(folder.path().join("b"))?;
    std::os::unix::fs::symlink("../real.jsonl", &link)?;
    let journal = Journal::builder(&link).rotate_at(1).sync(SyncPolicy::Always).open()?;
    assert!(is_locked(&path), "nothing is there yet");
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?.durable()).await?;
    soon(bus.dispatch(job(2))?.durable()).await?;
    assert!(is_locked(&path));
    assert_eq!(segments(&path)?.len(), 2, "the files are where it leads to");
    assert_eq!(segments(&link)?.len(), 2);
    assert!(fs::symlink_metadata(&link)?.is_symlink());
    soon(journal.close()).await?;
    let journal = Journal::open(&path)?;
    assert!(is_locked(&link));
    drop(journal);
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn r43_a_lock_file_that_was_removed_lets_nobody_in() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let journal = Journal::builder(&path).sync(SyncPolicy::Always).open()?;
    let bus = bus(&journal);
    soon(bus.dispatch(job(1))?.durable()).await?;
    fs::remove_file(folder.path().join("events.jsonl.lock"))?;
    assert!(is_locked(&path));
    soon(journal.close()).await?;
    assert!(!is_locked(&path));
    Ok(())
}

#[tokio::test]
async fn r43_what_was_closed_can_be_opened_while_processes_start() -> Outcome {
    use std::sync::atomic::{AtomicBool, Ordering};
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    let starting: Vec<_> = (0..2)
        .map(|_| {
            std::thread::spawn(|| {
                while !IS_OVER.load(Ordering::SeqCst) {
                    // Until it becomes another program, the child has all files that are open here.
                    let _ = std::process::Command::new("true").status();
                }
            })
        })
        .collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let mut locked = 0;
    for number in 0..300 {
        let Ok(journal) = Journal::builder(&path).sync(SyncPolicy::OnClose).open() else {
            locked += 1;
            continue;
        };
        let bus = bus(&journal);
        soon(bus.dispatch(job(number))?).await?;
        soon(journal.close()).await?;
    }
    IS_OVER.store(true, Ordering::SeqCst);
    starting.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
    assert_eq!(locked, 0);
    Ok(())
}
