//! Events of the busway event bus on disk.
//!
//! A [`Journal`] notes the events of buses as lines of JSON: as they complete, or ahead, so that an
//! event that was accepted and not completed survives a crash and is [recovered](Journal::recover).
//! Most users reach it as `busway::journal`, with the feature `journal` of the crate `busway`. Its
//! README describes modes, policies, lines and files.
//!
//! ```text
//!  bus ── acceptance, completion ──▶ lines, in the order the machine decided      busway-core, journal
//!                                      │ text, on the thread that dispatches
//!                                      ▼
//!                                    queue ──▶ one thread: write, sync, rotate     this crate
//!                                      ▲         │
//!             handlers start, durable ─┴─────────┘
//! ```
//!
//! # Example
//!
//! ```
//! use busway_core::{BoxError, Event, EventBus, EventHandle};
//! use busway_journal::{Journal, Types};
//! use busway_tokio::Tokio;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Job {
//!     number: u32,
//! }
//!
//! // What `#[derive(Event)]` with `#[event(json)]` generates.
//! impl Event for Job {
//!     type Output = ();
//!     const NAME: &'static str = "Job";
//!
//!     fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
//!         Some(serde_json::to_value(self))
//!     }
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("jobs.jsonl");
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let journal = Journal::write_ahead(&path)?;
//! let bus = EventBus::builder("jobs").runtime(Tokio::current()?).journal(&journal).build();
//! bus.on(|job: EventHandle<Job>| async move { assert_eq!(job.number, 1) });
//! let again = journal.recover().dispatch(&bus, &Types::new().with::<Job>()).await;
//! assert!(again.failed.is_empty());
//!
//! let job = bus.dispatch(Job { number: 1 })?;
//! job.durable().await?; // on disk
//! job.await?; // done
//! journal.close().await?;
//!
//! let done = Journal::replay(&path)?.of_type::<Job>().count();
//! assert_eq!(done, 1);
//! # Ok::<(), BoxError>(())
//! # })?;
//! # Ok::<(), BoxError>(())
//! ```
//!
//! # What it is not for
//!
//! Not a database, not a broker, and not exactly once: one process writes, and events that had not
//! completed run again.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod files;
mod journal;
mod line;
mod overrides;
mod place;
mod queue;
mod read;
mod readable;
mod recover;
mod replay;
mod settings;
mod storage;
mod text;
mod time;
mod unfinished;
mod writer;

pub use self::error::{
    Damage, DiscardError, Displaced, JournalError, OpenError, ReadError, ReservedKey,
    UnreadablePayload,
};
pub use self::files::{Files, segments};
pub use self::journal::Journal;
pub use self::line::{Kind, Line};
pub use self::read::Torn;
pub use self::recover::{RecoverError, Recovered, Redispatched, Types};
pub use self::replay::{Replay, ReplayError, ReplayOf};
pub use self::settings::{JournalBuilder, Mode, SyncPolicy};
pub use self::storage::{Segment, Storage};
pub use self::unfinished::{Ledger, Unfinished};
pub use busway_core::journal::{DurableError, Entry, Feed, Receipt, Settings, Sink, SinkError};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
