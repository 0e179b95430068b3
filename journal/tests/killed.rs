//! R42 on a real disk: a process that is killed (`kill -9`) at any time loses no event for which
//! `durable` had returned, and invents none. It starts itself as the process that is killed.
//!
//! `BUSWAY_KILLS=200 cargo test -p busway-journal --test killed` sets the number of kills.
#![allow(missing_docs)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use busway_core::{BoxError, EventBus, EventHandle};
use busway_journal::{Journal, Kind, Types};
use busway_macros::Event;
use busway_tokio::Tokio;
use serde::{Deserialize, Serialize};

const PATH: &str = "BUSWAY_KILLED_JOURNAL";
const KILLS: &str = "BUSWAY_KILLS";
/// Tasks that dispatch at the same time, in the process that is killed.
const TASKS: u64 = 4;

/// Kills in a row on one journal, each going on where the last one stopped, before a new journal.
const ON_ONE_JOURNAL: u64 = 10;

#[derive(Event, Serialize, Deserialize)]
#[event(json, crate = "busway_core")]
struct Work {
    text: String,
}

fn main() -> Result<(), BoxError> {
    match std::env::var_os(PATH) {
        Some(path) => work(PathBuf::from(path)),
        None => kill_again_and_again(),
    }
}

fn kill_again_and_again() -> Result<(), BoxError> {
    let kills = std::env::var(KILLS).ok().and_then(|text| text.parse().ok()).unwrap_or(10u64);
    let mut folder = tempfile::tempdir()?;
    let mut all = 0;
    let mut durable = HashSet::new();
    let mut torn = 0;
    for kill in 0..kills {
        let path = folder.path().join("work.jsonl");
        // Any number of lines, spread by a multiplicative hash.
        let lines = kill.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
        kill_after(&path, lines as usize, &mut durable)?;
        torn += u64::from(check(&path, &durable)?);
        if kill % ON_ONE_JOURNAL == ON_ONE_JOURNAL - 1 {
            all += durable.drain().count();
            folder = tempfile::tempdir()?;
        }
    }
    all += durable.len();
    println!("killed {kills} times; {all} durable events, none lost; {torn} torn ends");
    println!("1 passed, 0 failed");
    Ok(())
}

/// Starts the process, lets it print this many lines, and kills it.
fn kill_after(path: &Path, lines: usize, durable: &mut HashSet<String>) -> Result<(), BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = Killed(command.env(PATH, path).stdout(Stdio::piped()).spawn()?);
    let mut output = BufReader::new(child.0.stdout.take().ok_or("it has an output")?);
    let mut line = String::new();
    let mut said = 0;
    let mut is_alive = true;
    loop {
        line.clear();
        if output.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            break;
        }
        let id = line.trim_end().strip_prefix("durable ").ok_or("it says nothing else")?;
        durable.insert(id.into());
        said += 1;
        if said > lines && is_alive {
            // On Unix this is SIGKILL. The lines it printed before are still read.
            child.0.kill()?;
            is_alive = false;
        }
    }
    if is_alive { Err("it ended by itself".into()) } else { Ok(()) }
}

/// Checks the journal on disk. Returns whether a line was torn.
fn check(path: &Path, durable: &HashSet<String>) -> Result<bool, BoxError> {
    let mut replay = Journal::replay(path)?;
    let (mut accepted, mut completed) = (HashSet::new(), HashSet::new());
    for line in &mut replay {
        let line = line?;
        let id = line.id.to_string();
        match line.kind {
            Kind::Accepted { .. } => accepted.insert(id),
            _ => completed.insert(id),
        };
    }
    let is_torn = replay.torn().is_some();
    let lost = durable.difference(&accepted).count();
    assert_eq!(lost, 0, "durable events are lost");
    assert!(completed.is_subset(&accepted), "an event completed that was not accepted");
    let journal = Journal::write_ahead(path)?;
    let left: HashSet<_> =
        journal.recover().into_iter().map(|left| left.line.id.to_string()).collect();
    let open: HashSet<_> = accepted.difference(&completed).cloned().collect();
    assert_eq!(left, open, "recovery gives back what was accepted and not completed");
    Ok(is_torn)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may already be dead; then this only waits for it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn work(path: PathBuf) -> Result<(), BoxError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    runtime.block_on(async {
        let journal = Journal::builder(path)
            .mode(busway_journal::Mode::WriteAhead)
            .rotate_at(20_000)
            .open()?;
        let bus = EventBus::builder("work").runtime(Tokio::current()?).journal(&journal).build();
        bus.on(|_: EventHandle<Work>| async { tokio::task::yield_now().await });
        let again = journal.recover().dispatch(&bus, &Types::new().with::<Work>()).await;
        assert!(again.failed.is_empty() && again.others.is_empty());
        let tasks: Vec<_> =
            (0..TASKS).map(|task| tokio::spawn(dispatch(bus.clone(), task))).collect();
        for task in tasks {
            task.await??;
        }
        Err("it is to be killed".into())
    })
}

async fn dispatch(bus: EventBus, task: u64) -> Result<(), BoxError> {
    for number in 0u64.. {
        let text = format!("{task}/{number}").repeat(1 + number as usize % 20);
        let event = bus.dispatch_wait(Work { text }).await.map_err(|error| error.to_string())?;
        event.durable().await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {}", event.id())?;
        out.flush()?;
    }
    Ok(())
}
