//! Events per second through a journal, by policy, compared with a bare loop that writes and syncs the
//! same bytes, all in one run on one disk.
//!
//! `cargo run --release [-- DIRECTORY]`. The files are in the directory, by default the system's
//! temporary one.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use busway::journal::{Journal, Mode, SyncPolicy};
use busway::{BoxError, Event, EventBus, EventHandle};
use serde::{Deserialize, Serialize};

/// Events of a run in which each waits for the disk.
const ONE_BY_ONE: usize = 500;
/// Events of a run in which many are on their way at once.
const MANY: usize = 20_000;
/// Events on their way at a time.
const AT_ONCE: usize = 1_000;
/// Runs of each kind; the median is shown.
const RUNS: usize = 5;

#[derive(Event, Serialize, Deserialize)]
#[event(json)]
struct Order {
    number: u64,
    customer: String,
    items: Vec<u32>,
}

fn order(number: usize) -> Order {
    Order { number: number as u64, customer: "Ada Lovelace".into(), items: vec![1, 2, 3] }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let lines = sample(&directory).await?;
    println!("lines of {} bytes; events a second, median of {RUNS} runs", lines[0].len());
    println!("bytes of two lines for each event where it is written ahead\n");

    show("bare write, no sync", bare(&directory, &lines, MANY, 0)?);
    show("bare write + fdatasync for each line", bare(&directory, &lines, ONE_BY_ONE, 1)?);
    show("bare write + fdatasync for 1 000 lines", bare(&directory, &lines, MANY, AT_ONCE)?);
    println!();
    show("no journal, 1 000 at once", run(&directory, None, MANY, AT_ONCE).await?);
    for (name, mode, sync) in policies() {
        let policy = Some((mode, sync));
        show(&format!("{name}, 1 000 at once"), run(&directory, policy, MANY, AT_ONCE).await?);
    }
    println!();
    let policy = Some((Mode::WriteAhead, SyncPolicy::Always));
    show("write-ahead, always, 1 at once", run(&directory, policy, ONE_BY_ONE, 1).await?);
    show("write-ahead, always, 16 at once", run(&directory, policy, ONE_BY_ONE * 4, 16).await?);
    Ok(())
}

fn policies() -> [(&'static str, Mode, SyncPolicy); 6] {
    let every = SyncPolicy::Every(Duration::from_millis(10));
    [
        ("write-ahead, always", Mode::WriteAhead, SyncPolicy::Always),
        ("write-ahead, every 10 ms", Mode::WriteAhead, every),
        ("write-ahead, on close", Mode::WriteAhead, SyncPolicy::OnClose),
        ("completed, always", Mode::Completed, SyncPolicy::Always),
        ("completed, every 10 ms", Mode::Completed, every),
        ("completed, on close", Mode::Completed, SyncPolicy::OnClose),
    ]
}

fn show(name: &str, mut rates: Vec<f64>) {
    rates.sort_by(f64::total_cmp);
    let (low, median, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
    println!("{name:42} {median:>9.0}   ({low:.0} – {high:.0})");
}

/// The lines that a journal writes of these events.
async fn sample(directory: &Path) -> Result<Vec<String>, BoxError> {
    let folder = tempfile::tempdir_in(directory)?;
    let path = folder.path().join("sample.jsonl");
    let journal = Journal::builder(&path).checksum(true).sync(SyncPolicy::OnClose).open()?;
    let bus = busway::builder("main").max_pending(None).journal(&journal).build();
    for number in 0..AT_ONCE {
        bus.dispatch(order(number))?.await?;
    }
    journal.close().await?;
    Ok(std::fs::read_to_string(path)?.split_inclusive('\n').map(str::to_owned).collect())
}

/// Writes this many lines, and syncs after every `group` of them; 0 for never.
fn bare(
    directory: &Path,
    lines: &[String],
    count: usize,
    group: usize,
) -> Result<Vec<f64>, BoxError> {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir_in(directory)?;
        let path = folder.path().join("bare.jsonl");
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut text = String::new();
        let start = Instant::now();
        for number in 1..=count {
            text.push_str(&lines[number % lines.len()]);
            if group == 0 || number % group == 0 {
                file.write_all(text.as_bytes())?;
                text.clear();
            }
            if group > 0 && number % group == 0 {
                file.sync_data()?;
            }
        }
        rates.push(count as f64 / start.elapsed().as_secs_f64());
    }
    Ok(rates)
}

/// Dispatches this many events, with this many on their way, and waits for each to complete.
async fn run(
    directory: &Path,
    policy: Option<(Mode, SyncPolicy)>,
    count: usize,
    at_once: usize,
) -> Result<Vec<f64>, BoxError> {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir_in(directory)?;
        let path = folder.path().join("events.jsonl");
        let builder = busway::builder("main").max_pending(Some(at_once));
        let Some((mode, sync)) = policy else {
            rates.push(rate(&builder.build(), count).await?);
            continue;
        };
        let journal = Journal::builder(path).mode(mode).sync(sync).checksum(true).open()?;
        rates.push(rate(&builder.journal(&journal).build(), count).await?);
        journal.close().await?;
    }
    Ok(rates)
}

async fn rate(bus: &EventBus, count: usize) -> Result<f64, BoxError> {
    bus.on(|order: EventHandle<Order>| {
        std::hint::black_box(order.number);
    });
    let start = Instant::now();
    for number in 0..count {
        bus.dispatch_wait(order(number)).await?;
    }
    bus.wait_until_idle(None).await?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
