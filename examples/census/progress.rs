//! The progress line of the census: on stderr, and only if that is a terminal.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use busway::AnyEvent;
use tokio::time::{MissedTickBehavior, interval};

use crate::report::human_bytes;
use crate::scan::{ScanDir, ScanFile};

/// How often the line is redrawn.
const PERIOD: Duration = Duration::from_millis(100);
/// Back to the first column, and nothing after the cursor.
const CLEAR: &str = "\r\x1b[K";

/// Counts what has been handled, and shows it ten times a second until it is finished.
#[derive(Debug)]
pub(crate) struct Progress {
    files: AtomicU64,
    folders: AtomicU64,
    bytes: AtomicU64,
    started: Instant,
    /// Whether the line may be drawn. Writers to stderr hold the lock.
    line: Mutex<bool>,
}

impl Progress {
    /// Starts to show a line, if stderr is a terminal.
    pub(crate) fn start() -> Arc<Self> {
        let progress = Arc::new(Self {
            files: AtomicU64::new(0),
            folders: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            started: Instant::now(),
            line: Mutex::new(stderr().is_terminal()),
        });
        if progress.is_shown() {
            tokio::spawn(progress.clone().redraw());
        }
        progress
    }

    /// Returns whether a line is shown.
    pub(crate) fn is_shown(&self) -> bool {
        *self.line()
    }

    /// Counts an event whose own handlers are done.
    pub(crate) fn note(&self, event: &AnyEvent) {
        if let Some(file) = event.downcast::<ScanFile>() {
            self.files.fetch_add(1, Relaxed);
            self.bytes.fetch_add(file.bytes_read(), Relaxed);
        } else if event.downcast::<ScanDir>().is_some() {
            self.folders.fetch_add(1, Relaxed);
        }
    }

    /// Writes a message where the line was; the line comes back below it.
    pub(crate) fn interrupt(&self, message: &str) {
        let shown = self.line();
        let clear = if *shown { CLEAR } else { "" };
        // A message that cannot be written must not stop the census.
        let _ = writeln!(stderr().lock(), "{clear}census: {message}");
    }

    /// Clears the line for good.
    pub(crate) fn finish(&self) {
        let mut shown = self.line();
        if std::mem::replace(&mut *shown, false) {
            let _ = write!(stderr().lock(), "{CLEAR}");
        }
    }

    /// Redraws by the clock, not by the events: with one huge file, or a slow disk, the time still
    /// moves.
    async fn redraw(self: Arc<Self>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let shown = self.line();
            if !*shown {
                return;
            }
            let _ = write!(stderr().lock(), "\r{}\x1b[K", self.text());
        }
    }

    fn text(&self) -> String {
        let (files, folders) = (self.files.load(Relaxed), self.folders.load(Relaxed));
        let bytes = human_bytes(self.bytes.load(Relaxed));
        let seconds = self.started.elapsed().as_secs_f64();
        format!("{files} files, {folders} folders, {bytes}, {seconds:.1} s")
    }

    fn line(&self) -> MutexGuard<'_, bool> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
