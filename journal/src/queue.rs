//! Between those who dispatch and the thread that writes: lines, and who waits for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use busway_core::journal::{Receipt, SinkError};

use crate::error::JournalError;
use crate::storage::Storage;
use crate::writer::{Opened, Policy, Writer};

/// What a flush came to.
pub(crate) type Flushed = Result<(), Arc<JournalError>>;

pub(crate) struct Queue {
    state: Mutex<State>,
    /// The thread waits for something to do.
    work: Condvar,
}

struct State {
    batch: Batch,
    writer: WriterState,
    /// No line is taken any more.
    is_closed: bool,
    failure: Option<Arc<JournalError>>,
}

enum WriterState {
    /// Nothing was written yet, and there is no thread.
    Waiting(Box<(Box<dyn Storage>, Policy, Opened)>),
    Running(JoinHandle<()>, ThreadId),
    /// Nothing more is written; the thread may still be to be joined.
    Ended(Option<JoinHandle<()>>),
}

/// What is to be written next.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) text: String,
    pub(crate) lines: Vec<Queued>,
    /// Somebody waits for what was written so far to be on disk.
    pub(crate) hurries: bool,
    pub(crate) flushes: Vec<Sender<Flushed>>,
    /// It is the last one.
    pub(crate) is_last: bool,
}

/// A line in the text of a batch.
pub(crate) struct Queued {
    /// Where it ends in the text.
    pub(crate) end: usize,
    pub(crate) receipt: Receipt,
}

impl Queue {
    pub(crate) fn new(storage: Box<dyn Storage>, policy: Policy, opened: Opened) -> Self {
        let state = State {
            batch: Batch::default(),
            writer: WriterState::Waiting(Box::new((storage, policy, opened))),
            is_closed: false,
            failure: None,
        };
        Self { state: Mutex::new(state), work: Condvar::new() }
    }

    /// Adds a line; `write` puts its text at the end.
    pub(crate) fn push(self: &Arc<Self>, receipt: Receipt, write: impl FnOnce(&mut String)) {
        let mut state = self.lock();
        if let Some(reason) = state.refusal() {
            drop(state);
            return receipt.failed(reason);
        }
        write(&mut state.batch.text);
        let end = state.batch.text.len();
        state.batch.lines.push(Queued { end, receipt });
        self.wake(state);
    }

    /// Has what was added so far brought to disk.
    pub(crate) fn hurry(self: &Arc<Self>) {
        let mut state = self.lock();
        if matches!(state.writer, WriterState::Running(..)) {
            state.batch.hurries = true;
            self.wake(state);
        }
    }

    /// Tells when what was added so far is on disk; `None` when nothing was ever added.
    pub(crate) fn flush(self: &Arc<Self>) -> Option<Receiver<Flushed>> {
        let (tell, told) = async_channel::bounded(1);
        let mut state = self.lock();
        match &state.writer {
            _ if state.is_closed => None,
            WriterState::Running(_, id) if *id != thread::current().id() => {
                state.batch.flushes.push(tell);
                self.wake(state);
                Some(told)
            }
            _ => None,
        }
    }

    /// Takes no more lines: the thread writes what is there, and ends. Tells when it has given the
    /// storage back; `None` when there is no such thread, or somebody else has closed it.
    pub(crate) fn close(&self) -> Option<Receiver<Flushed>> {
        let (tell, told) = async_channel::bounded(1);
        let mut told = Some(told);
        let unused = {
            let mut state = self.lock();
            match &state.writer {
                WriterState::Running(..) if !state.is_closed => state.batch.flushes.push(tell),
                _ => told = None,
            }
            state.is_closed = true;
            state.batch.is_last = true;
            match &state.writer {
                // The storage is given back now.
                WriterState::Waiting(_) => {
                    Some(std::mem::replace(&mut state.writer, WriterState::Ended(None)))
                }
                _ => None,
            }
        };
        self.work.notify_one();
        drop(unused);
        told
    }

    /// Waits until the thread has ended. Not on that thread itself.
    pub(crate) fn join(&self) {
        let thread = {
            let mut state = self.lock();
            match &mut state.writer {
                WriterState::Running(_, id) if *id == thread::current().id() => None,
                WriterState::Running(..) => {
                    match std::mem::replace(&mut state.writer, WriterState::Ended(None)) {
                        WriterState::Running(thread, _) => Some(thread),
                        _ => None,
                    }
                }
                WriterState::Ended(thread) => thread.take(),
                WriterState::Waiting(_) => None,
            }
        };
        if let Some(thread) = thread {
            // A panic of a waker on that thread has been reported there.
            let _ = thread.join();
        }
    }

    /// Why nothing is taken any more.
    pub(crate) fn failure(&self) -> Option<SinkError> {
        self.lock().refusal()
    }

    /// What the journal failed with for good.
    pub(crate) fn error(&self) -> Option<Arc<JournalError>> {
        self.lock().failure.clone()
    }

    /// From now on nothing is taken.
    pub(crate) fn fail(&self, error: Arc<JournalError>) {
        self.lock().failure.get_or_insert(error);
    }

    /// The same, and nobody will write what was taken.
    pub(crate) fn abandon(&self, error: Arc<JournalError>) {
        let lost = {
            let mut state = self.lock();
            state.is_closed = true;
            state.failure.get_or_insert(error);
            std::mem::take(&mut state.batch)
        };
        // Those who wait are told, without the lock.
        drop(lost);
    }

    /// Waits for something to do; until `deadline` at the latest.
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

    /// Starts the thread when there is none, and wakes it.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let waiting = match &state.writer {
            WriterState::Waiting(_) => {
                std::mem::replace(&mut state.writer, WriterState::Ended(None))
            }
            _ => {
                drop(state);
                return self.work.notify_one();
            }
        };
        let WriterState::Waiting(waiting) = waiting else { return };
        let (storage, policy, opened) = *waiting;
        let writer = Writer::new(self.clone(), storage, policy, opened);
        let spawned = thread::Builder::new().name("busway-journal".into()).spawn(|| writer.run());
        match spawned {
            Ok(thread) => {
                let id = thread.thread().id();
                state.writer = WriterState::Running(thread, id);
            }
            Err(source) => {
                let error = Arc::new(JournalError::Thread(source));
                state.failure = Some(error.clone());
                let lost = std::mem::take(&mut state.batch);
                drop(state);
                lost.lines.into_iter().for_each(|line| line.receipt.failed(error.clone()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refusal(&self) -> Option<SinkError> {
        match &self.failure {
            Some(failure) => Some(failure.clone()),
            None if self.is_closed => Some(Arc::new(JournalError::Closed)),
            None => None,
        }
    }
}

impl Batch {
    fn is_due(&self) -> bool {
        !self.lines.is_empty() || !self.flushes.is_empty() || self.hurries || self.is_last
    }
}
