//! Inspects journals: `busway-journal {tail,verify,tree,stats} FILE…`.

mod stats;
mod tail;
mod tree;
mod verify;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use busway_journal::{Line, ReadError, Replay, segments};

const USAGE: &str = "\
usage: busway-journal COMMAND FILE…

  tail [-n LINES] [--once] FILE   shows the last lines, and those that come (not with --once)
  verify FILE…                    checks every line; exit status 1 and the place when one is damaged
  tree FILE…                      shows which event's handler dispatched which
  stats FILE…                     counts, and durations from dispatch to completion, by type

The files that a journal was rotated into are read with it, oldest first. Where a line is damaged, what comes
before it is shown, and the exit status is 1.";

/// The outcome of a command.
type Outcome = Result<ExitCode, Failure>;

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{USAGE}")]
    Usage,
    #[error("{}: no such file", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<_> = args.collect();
    let mut out = io::stdout().lock();
    let asks = |arg: &std::ffi::OsString| arg == "--help" || arg == "-h";
    let outcome = match command.to_str() {
        _ if asks(&command) || rest.iter().any(asks) => {
            writeln!(out, "{USAGE}").map(|()| ExitCode::SUCCESS).map_err(Failure::Io)
        }
        Some("tail") => tail::run(&mut out, rest),
        Some("verify") => files(rest).and_then(|files| verify::run(&mut out, files)),
        Some("tree") => files(rest).and_then(|files| tree::run(&mut out, &files)),
        Some("stats") => files(rest).and_then(|files| stats::run(&mut out, &files)),
        _ => Err(Failure::Usage),
    };
    match outcome {
        Ok(code) => code,
        // The reader has seen enough.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let code = if matches!(failure, Failure::Read(_)) { 1 } else { 2 };
            let _ = writeln!(io::stderr(), "{}", told(&failure));
            ExitCode::from(code)
        }
    }
}

fn files(args: Vec<std::ffi::OsString>) -> Result<Vec<PathBuf>, Failure> {
    if args.is_empty() {
        return Err(Failure::Usage);
    }
    Ok(args.into_iter().map(PathBuf::from).collect())
}

/// The text of an error and of its sources.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Reads the lines of journals, up to the first that cannot be read.
fn read(files: &[PathBuf], mut note: impl FnMut(Line)) -> Result<(), Failure> {
    for file in files {
        for line in lines(file)? {
            note(line?);
        }
    }
    Ok(())
}

/// The lines of a journal, including its rotated files.
fn lines(file: &PathBuf) -> Result<Replay, Failure> {
    if segments(file)?.is_empty() {
        return Err(Failure::Missing(file.clone()));
    }
    Ok(Replay::open(file)?)
}

/// The end of an id, enough for a reader to tell events apart.
fn short(line: &Line) -> String {
    let id = line.id.to_string();
    id.get(id.len().saturating_sub(4)..).unwrap_or(&id).into()
}

/// The time of day of a dispatch, to milliseconds.
fn clock(line: &Line) -> String {
    let at = line.created_at.map(|at| at.to_string()).unwrap_or_default();
    at.get(11..23).unwrap_or("-").into()
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}
