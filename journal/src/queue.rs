//! The queue between the dispatching threads and the writing thread: lines, and their waiters.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use busway_core::journal::{Receipt, SinkError};

use crate::error::JournalError;
use crate::storage::Storage;
use crate::writer::{Opened, Policy, Writer};

/// The outcome of a flush.
pub(crate) type Flushed = Result<(), Arc<JournalError>>;

pub(crate) struct Queue {
    state: Mutex<State>,
    max_unwritten: usize,
    /// Wakes the thread when there is work.
    work: Condvar,
}

struct State {
    batch: Batch,
    writer: WriterState,
    /// No more lines are accepted.
    is_closed: bool,
    /// The outcome of the end.
    end: Option<Flushed>,
    /// Waiters for the end.
    told_of_end: Vec<Sender<Flushed>>,
    failure: Option<Arc<JournalError>>,
}

enum WriterState {
    /// Nothing has been written yet, and there is no thread.
    Waiting(Box<(Box<dyn Storage>, Policy, Opened)>),
    /// The thread, until it is joined.
    Running(ThreadId, Option<JoinHandle<()>>),
    /// There is no thread, and there will be none.
    Ended,
}

/// The next text to write.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) text: String,
    pub(crate) lines: Vec<Queued>,
    /// Why further lines were refused.
    pub(crate) refused: Option<Arc<JournalError>>,
    /// A caller waits for everything written so far to be on disk.
    pub(crate) hurries: bool,
    pub(crate) flushes: Vec<Sender<Flushed>>,
    /// It is the last one.
    pub(crate) is_last: bool,
}

/// A line in the text of a batch.
pub(crate) struct Queued {
    /// Where it ends in the text.
    pub(crate) end: usize,
    pub(crate) told: Told,
}

/// Who is told what became of a line.
pub(crate) enum Told {
    /// An event of a bus.
    Event(Receipt),
    /// A caller who waits until it is on disk.
    Caller(Sender<Flushed>),
}

impl Told {
    pub(crate) fn written(&mut self) {
        if let Self::Event(receipt) = self {
            receipt.written();
        }
    }

    pub(crate) fn durable(self) {
        match self {
            Self::Event(receipt) => receipt.durable(),
            Self::Caller(tell) => answer(vec![tell], &Ok(())),
        }
    }

    pub(crate) fn failed(self, error: Arc<JournalError>) {
        match self {
            Self::Event(receipt) => receipt.failed(error),
            Self::Caller(tell) => answer(vec![tell], &Err(error)),
        }
    }
}

impl Queue {
    pub(crate) fn new(storage: Box<dyn Storage>, policy: Policy, opened: Opened) -> Self {
        let max_unwritten = policy.max_unwritten;
        let state = State {
            batch: Batch::default(),
            writer: WriterState::Waiting(Box::new((storage, policy, opened))),
            is_closed: false,
            end: None,
            told_of_end: Vec::new(),
            failure: None,
        };
        Self { state: Mutex::new(state), max_unwritten, work: Condvar::new() }
    }

    /// Adds a line.
    pub(crate) fn push(self: &Arc<Self>, line: &str, told: Told) {
        let mut state = self.lock();
        if let Some(reason) = state.refusal().or_else(|| state.is_behind(self.max_unwritten)) {
            drop(state);
            return told.failed(reason);
        }
        state.batch.text.push_str(line);
        let end = state.batch.text.len();
        state.batch.hurries |= matches!(told, Told::Caller(_));
        state.batch.lines.push(Queued { end, told });
        self.wake(state);
    }

    /// Adds a line, and reports when it is on disk.
    pub(crate) fn push_and_sync(self: &Arc<Self>, line: &str) -> Receiver<Flushed> {
        let (tell, told) = async_channel::bounded(1);
        self.push(line, Told::Caller(tell));
        told
    }

    /// Whether this is the writing thread.
    pub(crate) fn is_writing_thread(&self) -> bool {
        self.lock().is_writing_thread()
    }

    /// Asks for everything added so far to be brought to disk.
    pub(crate) fn hurry(self: &Arc<Self>) {
        let mut state = self.lock();
        if matches!(state.writer, WriterState::Running(..)) {
            state.batch.hurries = true;
            self.wake(state);
        }
    }

    /// Reports when everything added so far is on disk, or, while it is being closed, the outcome of
    /// the end. `None` when nothing was ever added, and on the writing thread.
    pub(crate) fn flush(self: &Arc<Self>) -> Option<Receiver<Flushed>> {
        let mut state = self.lock();
        if !state.is_running_elsewhere() {
            return None;
        }
        if state.is_closed {
            return Some(state.tell_of_end());
        }
        let (tell, told) = async_channel::bounded(1);
        state.batch.flushes.push(tell);
        self.wake(state);
        Some(told)
    }

    /// Accepts no more lines: the thread writes what is there, and ends. Reports when the thread has
    /// given the storage back, whoever closed it. `None` when there is no such thread, and on that
    /// thread.
    pub(crate) fn close(&self) -> Option<Receiver<Flushed>> {
        let (told, unused) = {
            let mut state = self.lock();
            state.is_closed = true;
            state.batch.is_last = true;
            match &state.writer {
                // Gives the storage back now.
                WriterState::Waiting(_) => {
                    (None, Some(std::mem::replace(&mut state.writer, WriterState::Ended)))
                }
                _ if state.is_running_elsewhere() => (Some(state.tell_of_end()), None),
                _ => (None, None),
            }
        };
        self.work.notify_one();
        drop(unused);
        told
    }

    /// Called when the thread has ended, and has given the storage back.
    pub(crate) fn end(&self, outcome: &Flushed) {
        let told = {
            let mut state = self.lock();
            state.end = Some(outcome.clone());
            std::mem::take(&mut state.told_of_end)
        };
        answer(told, outcome);
    }

    /// Waits until the thread has ended. Does nothing on that thread itself.
    pub(crate) fn join(&self) {
        let thread = match &mut self.lock().writer {
            WriterState::Running(id, thread) if *id != thread::current().id() => thread.take(),
            _ => None,
        };
        if let Some(thread) = thread {
            // A panic of a waker on that thread has been reported there.
            let _ = thread.join();
        }
    }

    /// Why no more lines are accepted.
    pub(crate) fn failure(&self) -> Option<SinkError> {
        Some(self.lock().refusal()?)
    }

    /// The error that the journal has failed with for good.
    pub(crate) fn error(&self) -> Option<Arc<JournalError>> {
        self.lock().failure.clone()
    }

    /// Accepts no more lines from now on.
    pub(crate) fn fail(&self, error: Arc<JournalError>) {
        self.lock().failure.get_or_insert(error);
    }

    /// Does the same, and nobody will write the accepted lines.
    pub(crate) fn abandon(&self, error: Arc<JournalError>) {
        let lost = {
            let mut state = self.lock();
            state.is_closed = true;
            let error = state.failure.get_or_insert(error).clone();
            state.end = Some(Err(error));
            (std::mem::take(&mut state.batch), std::mem::take(&mut state.told_of_end))
        };
        // Notifies the waiters, without the lock.
        drop(lost);
    }

    /// Waits for work, until `deadline` at the latest.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Batch {
        let mut state = self.lock();
        loop {
            if state.batch.is_due() {
                let is_last = state.batch.is_last;
                return std::mem::replace(&mut state.batch, Batch { is_last, ..Batch::default() });
            }
            let Some(deadline) = deadline else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Batch::default();
            }
            let waited = self.work.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts the thread if there is none, and wakes it.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !matches!(state.writer, WriterState::Waiting(_)) {
            drop(state);
            return self.work.notify_one();
        }
        let waiting = std::mem::replace(&mut state.writer, WriterState::Ended);
        let WriterState::Waiting(waiting) = waiting else { return };
        let (storage, policy, opened) = *waiting;
        let writer = Writer::new(self.clone(), storage, policy, opened);
        // A second reference: a thread that cannot be started drops its closure under the lock, and the
        // storage is user code.
        let writer = Arc::new(Mutex::new(Some(writer)));
        let taken = writer.clone();
        let run = move || {
            let writer = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            writer.into_iter().for_each(Writer::run);
        };
        match thread::Builder::new().name("busway-journal".into()).spawn(run) {
            Ok(thread) => {
                state.writer = WriterState::Running(thread.thread().id(), Some(thread));
            }
            Err(source) => {
                let error = Arc::new(JournalError::Thread(source));
                state.failure = Some(error.clone());
                let lost = std::mem::take(&mut state.batch);
                drop(state);
                drop(writer);
                lost.lines.into_iter().for_each(|line| line.told.failed(error.clone()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_running_elsewhere(&self) -> bool {
        matches!(self.writer, WriterState::Running(..)) && !self.is_writing_thread()
    }

    fn is_writing_thread(&self) -> bool {
        matches!(&self.writer, WriterState::Running(id, _) if *id == thread::current().id())
    }

    /// Reports the outcome of the end, now or later.
    fn tell_of_end(&mut self) -> Receiver<Flushed> {
        let (tell, told) = async_channel::bounded(1);
        match &self.end {
            Some(end) => answer(vec![tell], end),
            None => self.told_of_end.push(tell),
        }
        told
    }

    fn refusal(&self) -> Option<Arc<JournalError>> {
        match &self.failure {
            Some(failure) => Some(failure.clone()),
            None if self.is_closed => Some(Arc::new(JournalError::Closed)),
            None => None,
        }
    }

    /// Refuses a line when so much waits to be written; the next flush tells.
    fn is_behind(&mut self, max_unwritten: usize) -> Option<Arc<JournalError>> {
        if self.batch.text.len() < max_unwritten {
            return None;
        }
        let error = Arc::new(JournalError::Behind { limit: max_unwritten });
        self.batch.refused.get_or_insert_with(|| error.clone());
        Some(error)
    }
}

impl Batch {
    fn is_due(&self) -> bool {
        !self.lines.is_empty() || !self.flushes.is_empty() || self.hurries || self.is_last
    }
}

/// Sends waiters the outcome.
pub(crate) fn answer(told: Vec<Sender<Flushed>>, outcome: &Flushed) {
    for tell in told {
        // The waiter may be gone.
        let _ = tell.try_send(outcome.clone());
    }
}
