//! Counts a folder: files, folders, lines and bytes, by language.
//!
//! ```text
//! cargo run --release --example census [-- PATH] [--json]
//! ```
//!
//! Events walk the tree. [`ScanDir`] reads one folder, dispatches a [`ScanFile`] for each file and a
//! `ScanDir` for each subfolder, and awaits them; its answer is the sum of theirs. Several handlers
//! answer each `ScanFile`, one fact each, and their answers are merged into one record. A file or
//! folder that cannot be read becomes an [`Unreadable`] event, and the census goes on.
//!
//! | file | concern |
//! |---|---|
//! | `args.rs` | the command line |
//! | `scan.rs` | the events and their handlers |
//! | `place.rs`, `listing.rs`, `contents.rs` | reaching and reading folders and files, in pieces, off the executor |
//! | `language.rs`, `totals.rs` | what a file is; what is merged |
//! | `outline.rs`, `progress.rs`, `report.rs` | what is shown |

// This is a program with std, unlike the library's core.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod args;
mod contents;
mod language;
mod listing;
mod outline;
mod place;
mod progress;
mod report;
mod scan;
mod totals;

use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use busway::{AnyEvent, BoxError, EventBus, EventHandle, Limit};

use crate::args::{Args, Command};
use crate::outline::Outline;
use crate::place::Place;
use crate::progress::Progress;
use crate::scan::{ScanDir, ScanFile, Unreadable};
use crate::totals::Totals;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Count(args)) => args,
        Ok(Command::Help) => return print(args::USAGE),
        Err(mistake) => {
            complain(&format!("{mistake}\nTry `census --help`."));
            return ExitCode::from(2);
        }
    };
    match count(&args) {
        Ok(report) => print(&report),
        Err(error) => {
            complain(&format!("{:?}: {error}", args.path));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn count(args: &Args) -> Result<String, BoxError> {
    let progress = Progress::start();
    let outline = Arc::new(Outline::default());
    let bus = bus(args, &progress, &outline);
    let counted = count_path(&bus, &args.path).await;
    progress.finish();
    let (root, totals) = counted?;
    if args.json {
        return Ok(report::json(&totals)?);
    }
    Ok(report::text(root.as_ref(), &outline.take(), &totals))
}

/// The bus, with every handler in its place.
fn bus(args: &Args, progress: &Arc<Progress>, outline: &Arc<Outline>) -> EventBus {
    let bus = busway::builder("census")
        // Folders nest to any depth. A folder takes as long as everything in it, and a file as long as
        // it is large.
        .max_depth(None)
        .limit(Limit::Off)
        .slow_after(None)
        // A completed event has been merged; nothing asks for it again.
        .max_history(0)
        // A folder awaits one batch before the next: the walk bounds itself.
        .max_pending_children(None)
        .build();
    scan::register(&bus);
    let unreadable = progress.clone();
    bus.on(move |event: EventHandle<Unreadable>| unreadable.interrupt(&event.to_string()));
    if progress.is_shown() {
        let progress = progress.clone();
        bus.on_any(move |event: AnyEvent| progress.note(&event));
    }
    if !args.json {
        let outline = outline.clone();
        bus.on_any(move |event: AnyEvent| outline.note(&event));
    }
    bus
}

/// Counts what is at `path`, and returns the root event if there was something to count.
///
/// Links are not followed, not even this one: the figures are those of `find PATH`.
async fn count_path(bus: &EventBus, path: &Path) -> Result<(Option<AnyEvent>, Totals), BoxError> {
    let kind = tokio::fs::symlink_metadata(path).await?.file_type();
    if kind.is_dir() {
        let root = bus.run(ScanDir::new(Place::new(path))).await?;
        scan::check(&root)?;
        return Ok((Some(root.as_any()), root.result()?));
    }
    if kind.is_file() {
        let root = bus.run(ScanFile::new(Place::new(path))).await?;
        scan::check(&root)?;
        let record = root.results_list()?.into_iter().collect();
        return Ok((Some(root.as_any()), Totals::of_file(&record)));
    }
    let what = if kind.is_symlink() { "a link, not followed" } else { "no folder and no file" };
    complain(&format!("{path:?}: {what}: there is nothing to count"));
    Ok((None, Totals::default()))
}

/// Writes to stdout. A reader that went away, as in `census | head`, is not a failure.
fn print(text: &str) -> ExitCode {
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("cannot write the report: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Writes to stderr. When that fails, there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(stderr().lock(), "census: {text}");
}
