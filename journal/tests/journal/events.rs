//! Events, buses and journals of these tests.

use std::time::Duration;

use busway_core::{BoxError, EventBus, EventBusBuilder};
use busway_journal::{Journal, JournalBuilder, Mode};
use busway_macros::Event;
use busway_tokio::Tokio;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;

pub(crate) type Outcome = Result<(), BoxError>;

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core", version = "1")]
pub(crate) struct Job {
    pub(crate) number: u32,
    pub(crate) title: String,
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core", timeout = "1.5s")]
pub(crate) struct Step {
    pub(crate) of: u32,
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
pub(crate) struct Unit;

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
pub(crate) struct Pair(pub(crate) u32, pub(crate) String);

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
pub(crate) enum Choice {
    Plain,
    Field { at: u32 },
}

/// Cannot be written, as it has a field that every line has.
#[derive(Debug, Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
pub(crate) struct Clashes {
    pub(crate) event_id: u32,
}

/// Has no JSON view.
#[derive(Debug, Event)]
#[event(crate = "busway_core")]
pub(crate) struct Silent;

pub(crate) fn job(number: u32) -> Job {
    Job { number, title: format!("job {number}") }
}

pub(crate) fn builder(name: &str) -> EventBusBuilder {
    EventBus::builder(name).runtime(Tokio::current().expect("in a runtime")).max_pending(None)
}

pub(crate) fn bus(journal: &Journal) -> EventBus {
    builder("main").journal(journal).build()
}

/// A write-ahead journal on a simulated disk.
pub(crate) fn ahead(disk: &Disk) -> Journal {
    on(disk, Mode::WriteAhead).open().expect("a journal")
}

pub(crate) fn on(disk: &Disk, mode: Mode) -> JournalBuilder {
    Journal::builder("events.jsonl").storage(disk.clone()).mode(mode)
}

/// Waits for a future that has to end. One that hangs fails.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future.into_future()).await.expect("it hangs")
}
