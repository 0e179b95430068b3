//! A job queue that is killed, and resumes where it stopped.
//!
//! `cargo run --example journal --features journal`
//!
//! The example starts itself as the worker process, kills it (`kill -9` on Unix) after every few jobs,
//! and starts it again, until all are done. Jobs that were running when it was killed run again: at
//! least once is what a journal can promise. Look at the journal afterwards with `cargo run -p
//! busway-journal --bin busway-journal -- tree FILE`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use busway::journal::{Journal, Types};
use busway::{BoxError, Event, EventHandle};
use serde::{Deserialize, Serialize};

const JOBS: u32 = 20;
/// How many jobs are done before the process is killed.
const LIFE: usize = 6;

#[derive(Event, Serialize, Deserialize)]
#[event(json)]
struct Job {
    number: u32,
}

fn main() -> ExitCode {
    let outcome = match std::env::args_os().nth(1) {
        Some(path) => work(PathBuf::from(path)),
        None => supervise(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Works until it is killed, or everything is done.
#[tokio::main(flavor = "current_thread")]
async fn work(path: PathBuf) -> Result<(), BoxError> {
    let is_new = !path.exists();
    let journal = Journal::write_ahead(path)?;
    let bus = busway::builder("jobs").journal(&journal).build();
    bus.on(|job: EventHandle<Job>| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        println!("done {}", job.number);
    });

    if is_new {
        let jobs = (0..JOBS).map(|number| bus.dispatch(Job { number }));
        for job in jobs.collect::<Result<Vec<_>, _>>()? {
            // Now it is on disk, and will be done whatever happens to this process.
            job.durable().await?;
        }
    } else {
        let types = Types::new().with::<Job>();
        let again = journal.recover().dispatch(&bus, &types).await;
        println!("recovered {}", again.events.len());
    }
    bus.wait_until_idle(None).await?;
    journal.close().await?;
    println!("idle");
    Ok(())
}

fn supervise() -> Result<(), BoxError> {
    let folder = std::env::temp_dir().join(format!("busway-jobs-{}", std::process::id()));
    let path = folder.join("jobs.jsonl");
    for life in 1.. {
        println!("process {life}");
        if is_done(&path)? {
            break;
        }
    }
    println!("the journal is {}", path.display());
    Ok(())
}

/// Lets one process work for its life. Returns whether it found nothing more to do.
fn is_done(path: &Path) -> Result<bool, BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut worker = Worker(command.arg(path).stdout(Stdio::piped()).spawn()?);
    let output = BufReader::new(worker.0.stdout.take().ok_or("it has an output")?);
    let mut done = 0;
    for line in output.lines() {
        let line = line?;
        println!("  {line}");
        done += usize::from(line.starts_with("done"));
        if done == LIFE {
            println!("  killed");
            worker.0.kill()?;
            return Ok(false);
        }
        if line == "idle" {
            return Ok(true);
        }
    }
    Err("it ended by itself".into())
}

struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended, or been killed; then only its end has to be collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
