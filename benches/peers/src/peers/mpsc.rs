//! The hand-written way: a task behind an unbounded channel, and a oneshot for each answer.

use tokio::sync::{mpsc, oneshot};

use crate::peer::{Mailbox, Peer, Service};

struct Request {
    n: u64,
    reply: oneshot::Sender<u64>,
}

#[derive(Clone)]
pub struct Task(mpsc::UnboundedSender<Request>);

impl Task {
    fn spawn<F: Future<Output = u64> + Send>(
        handler: impl Fn(u64) -> F + Send + Sync + 'static,
    ) -> Self {
        let (sender, mut requests) = mpsc::unbounded_channel::<Request>();
        tokio::spawn(async move {
            while let Some(Request { n, reply }) = requests.recv().await {
                let _ = reply.send(handler(n).await);
            }
        });
        Self(sender)
    }

    fn adder() -> Self {
        Self::spawn(|n| async move { n + 1 })
    }

    fn send(&self, n: u64) -> oneshot::Receiver<u64> {
        let (reply, answer) = oneshot::channel();
        assert!(self.0.send(Request { n, reply }).is_ok(), "the task is there");
        answer
    }
}

pub struct Mpsc;

impl Peer for Mpsc {
    const NAME: &'static str = "mpsc";

    type Adder = Task;
    type Nest = Task;
    type Fan = Vec<Task>;

    async fn adder(_: Mailbox) -> Task {
        Task::adder()
    }

    async fn nest() -> Task {
        let adder = Task::adder();
        Task::spawn(move |n| {
            let answer = adder.send(n);
            async move { answer.await.expect("the task answers") }
        })
    }

    async fn fan(width: usize) -> Vec<Task> {
        (0..width).map(|_| Task::adder()).collect()
    }

    async fn ask_all(fan: &Vec<Task>, n: u64) -> u64 {
        let answers: Vec<_> = fan.iter().map(|task| task.send(n)).collect();
        let mut sum = 0;
        for answer in answers {
            sum += answer.await.expect("the task answers");
        }
        sum
    }
}

impl Service for Task {
    type Reply = oneshot::Receiver<u64>;

    async fn dispatch(&self, n: u64) -> oneshot::Receiver<u64> {
        self.send(n)
    }

    async fn answer(reply: oneshot::Receiver<u64>) -> u64 {
        reply.await.expect("the task answers")
    }

    async fn request(&self, n: u64) -> u64 {
        self.send(n).await.expect("the task answers")
    }
}
