//! A process that takes slots: its work, and how a test starts it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use busway::{BoxError, Retry, RetryError, SemaphoreError, SemaphoreScope};
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::log::Log;

/// Orders for a worker.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) folder: PathBuf,
    pub(crate) limit: usize,
    /// How long it waits for a slot.
    pub(crate) patience: Option<Duration>,
    /// How often each of its tasks takes a slot; 0 is once, until it is told to leave.
    pub(crate) rounds: u32,
    pub(crate) tasks: u32,
}

const VARIABLE: &str = "BUSWAY_TEST_WORKER";

impl Orders {
    pub(crate) fn new(folder: &Folder, limit: usize) -> Self {
        Self { folder: folder.0.clone(), limit, patience: None, rounds: 0, tasks: 1 }
    }

    fn policy(&self) -> Retry {
        Retry::new()
            .retries(0)
            .timeout(None)
            .semaphore_scope(SemaphoreScope::Multiprocess)
            .semaphore_folder(&self.folder)
            .semaphore_name("test")
            .semaphore_limit(self.limit)
            .semaphore_timeout(self.patience)
            .semaphore_lax(false)
    }

    fn to_text(&self) -> String {
        let Self { folder, limit, patience, rounds, tasks } = self;
        let patience = patience.map_or(u128::MAX, |patience| patience.as_millis());
        format!("{limit} {patience} {rounds} {tasks} {}", folder.display())
    }

    fn parse(text: &str) -> Self {
        let mut parts = text.splitn(5, ' ');
        let mut number = || parts.next().unwrap().parse::<u128>().unwrap();
        let (limit, patience, rounds, tasks) = (number(), number(), number(), number());
        Self {
            limit: limit as usize,
            patience: u64::try_from(patience).ok().map(Duration::from_millis),
            rounds: rounds as u32,
            tasks: tasks as u32,
            folder: parts.next().unwrap().into(),
        }
    }
}

/// The process itself. The other tests run it; it does not run by itself.
#[test]
#[ignore = "it is what the other tests start"]
fn worker() -> Result<(), BoxError> {
    let orders = Orders::parse(&std::env::var(VARIABLE)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match orders.rounds {
        0 => runtime.block_on(visit(&orders)),
        _ => runtime.block_on(work(&orders)),
    }
}

fn tell(what: &str) {
    // The test harness prints to the same place.
    println!("\n@{what}");
    std::io::stdout().flush().unwrap();
}

/// Takes a slot once, until it is told to leave.
async fn visit(orders: &Orders) -> Result<(), BoxError> {
    let policy = orders.policy();
    let stay = async || {
        tell("in");
        // This blocks the runtime's thread, which has nothing else to do meanwhile.
        std::io::stdin().lock().read_line(&mut String::new())?;
        Ok::<_, std::io::Error>(())
    };
    let mut call = pin!(policy.run(stay));
    let done = match call.as_mut().now_or_never() {
        Some(done) => done,
        None => {
            tell("waits");
            call.await
        }
    };
    match done {
        Err(RetryError::Semaphore(SemaphoreError::TimedOut { .. })) => tell("timed out"),
        done => done?,
    }
    Ok(())
}

/// Takes slots and gives them back, and logs it.
async fn work(orders: &Orders) -> Result<(), BoxError> {
    let (policy, log) = (orders.policy(), Log::of(&orders.folder));
    let task = async |task: u32| {
        let who = format!("{}.{task}", std::process::id());
        for round in 0..orders.rounds {
            let stay = async || {
                log.write(&format!("in {who}"));
                tokio::time::sleep(Duration::from_micros(u64::from(round * 7 % 10) * 150)).await;
                log.write(&format!("out {who}"));
                busway::ok(())
            };
            policy.run(stay).await?;
        }
        busway::ok(())
    };
    join_all((0..orders.tasks).map(task)).await.into_iter().collect()
}

/// A folder for locks, deleted with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("busway-processes-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Deletes the files in it that are still there.
    pub(crate) fn delete_files(&self) {
        for file in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_file(Log::path(&self.0));
    }
}

/// The messages of all workers of a test, in the order in which they are received.
pub(crate) struct Said {
    sender: Sender<(usize, String)>,
    receiver: Receiver<(usize, String)>,
}

impl Said {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver }
    }

    /// Returns the next message, and the number of the worker that sent it.
    pub(crate) fn next(&self) -> (usize, String) {
        match self.receiver.recv_timeout(Duration::from_secs(60)) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) => panic!("nobody says anything any more"),
            Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender"),
        }
    }

    pub(crate) fn has_more(&self) -> bool {
        self.receiver.try_recv().is_ok()
    }
}

/// A worker that was started.
pub(crate) struct Worker {
    process: Child,
    stdin: Option<ChildStdin>,
}

impl Worker {
    pub(crate) fn start(orders: &Orders, number: usize, said: &Said) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker::worker", "--ignored", "--nocapture"])
            .env(VARIABLE, orders.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take().unwrap());
        let sender = said.sender.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines
                .filter_map(|line| line.strip_prefix('@').map(String::from))
                .try_for_each(|line| sender.send((number, line)))
        });
        Self { process, stdin }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Tells it to leave.
    pub(crate) fn leave(&mut self) {
        drop(self.stdin.take());
    }

    /// Waits until it has ended by itself.
    pub(crate) fn join(mut self) {
        drop(self.stdin.take());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    /// SIGKILL: it has no chance to give anything back.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Left over from a test that has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder, as a path.
impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}
