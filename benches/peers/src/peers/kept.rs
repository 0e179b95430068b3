//! As `mpsc`, with what an event of ours keeps of itself: a shared record with an id and three times,
//! the answer in it for whoever asks later, and a history of fifty. Nothing that decides anything.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::peer::{Mailbox, Peer, Service};

const HISTORY: usize = 50;

struct Record {
    id: u64,
    created_at: Instant,
    n: u64,
    done: OnceLock<Done>,
}

struct Done {
    started_at: Instant,
    completed_at: Instant,
    value: Arc<dyn Any + Send + Sync>,
}

struct Request {
    record: Arc<Record>,
    reply: oneshot::Sender<()>,
}

pub struct Reply {
    record: Arc<Record>,
    answer: oneshot::Receiver<()>,
}

#[derive(Clone)]
pub struct Task {
    sender: mpsc::UnboundedSender<Request>,
    ids: Arc<AtomicU64>,
    history: Arc<Mutex<VecDeque<Arc<Record>>>>,
}

impl Task {
    fn spawn<F: Future<Output = u64> + Send + 'static>(
        handler: impl Fn(Arc<Record>) -> F + Send + Sync + 'static,
    ) -> Self {
        let (sender, mut requests) = mpsc::unbounded_channel::<Request>();
        tokio::spawn(async move {
            while let Some(Request { record, reply }) = requests.recv().await {
                let started_at = Instant::now();
                let value = Box::pin(handler(record.clone())).await;
                let done =
                    Done { started_at, completed_at: Instant::now(), value: Arc::new(value) };
                assert!(record.done.set(done).is_ok(), "it is done once");
                let _ = reply.send(());
            }
        });
        Self { sender, ids: Arc::default(), history: Arc::default() }
    }

    fn adder() -> Self {
        Self::spawn(|record| async move { record.n + 1 })
    }

    fn send(&self, n: u64) -> Reply {
        let (reply, answer) = oneshot::channel();
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let record = Arc::new(Record { id, created_at: Instant::now(), n, done: OnceLock::new() });
        let forgotten = {
            let mut history = self.history.lock().expect("nobody panics");
            history.push_back(record.clone());
            if history.len() > HISTORY { history.pop_front() } else { None }
        };
        drop(forgotten);
        let request = Request { record: record.clone(), reply };
        assert!(self.sender.send(request).is_ok(), "the task is there");
        Reply { record, answer }
    }
}

impl Reply {
    async fn value(self) -> u64 {
        self.answer.await.expect("the task answers");
        let Record { id, created_at, done, .. } = &*self.record;
        let Done { started_at, completed_at, value } = done.get().expect("it is done");
        assert!(created_at <= started_at && started_at <= completed_at, "{id}");
        *value.downcast_ref().expect("a number")
    }
}

pub struct Kept;

impl Peer for Kept {
    const NAME: &'static str = "kept";

    type Adder = Task;
    type Nest = Task;
    type Fan = Vec<Task>;

    async fn adder(_: Mailbox) -> Task {
        Task::adder()
    }

    async fn nest() -> Task {
        let adder = Task::adder();
        Task::spawn(move |record| adder.send(record.n).value())
    }

    async fn fan(width: usize) -> Vec<Task> {
        (0..width).map(|_| Task::adder()).collect()
    }

    async fn ask_all(fan: &Vec<Task>, n: u64) -> u64 {
        let replies: Vec<_> = fan.iter().map(|task| task.send(n)).collect();
        let mut sum = 0;
        for reply in replies {
            sum += reply.value().await;
        }
        sum
    }
}

impl Service for Task {
    type Reply = Reply;

    async fn dispatch(&self, n: u64) -> Reply {
        self.send(n)
    }

    async fn answer(reply: Reply) -> u64 {
        reply.value().await
    }

    async fn request(&self, n: u64) -> u64 {
        self.send(n).value().await
    }
}
