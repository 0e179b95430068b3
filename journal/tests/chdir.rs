//! A relative path refers to the working folder at the moment of opening. The test has its own process,
//! whose folder it changes.
#![allow(missing_docs)]

use busway_core::{BoxError, EventBus};
use busway_journal::{Journal, SyncPolicy};
use busway_macros::Event;
use busway_tokio::Tokio;
use serde::Serialize;

#[derive(Event, Serialize)]
#[event(json, crate = "busway_core")]
struct Job {
    number: u32,
}

#[tokio::test]
async fn r43_a_relative_path_stays_where_it_was() -> Result<(), BoxError> {
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::env::set_current_dir(&here)?;
    let journal = Journal::builder("events.jsonl").sync(SyncPolicy::Always).rotate_at(1).open()?;
    std::env::set_current_dir(&there)?;
    let bus = EventBus::builder("main").runtime(Tokio::current()?).journal(&journal).build();
    for number in 0..3 {
        bus.dispatch(Job { number })?.durable().await?;
    }
    assert_eq!(std::fs::read_dir(&there)?.count(), 0);
    assert_eq!(Journal::replay(journal.path())?.filter(Result::is_ok).count(), 3);
    journal.close().await?;
    Ok(())
}
