//! No library: a handler is a function that boxes a future, and the caller polls it for the answer.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;

use crate::peer::{Mailbox, Peer, Service};
use crate::scenarios::Scenario;

type BoxFuture = Pin<Box<dyn Future<Output = u64> + Send>>;

#[derive(Clone)]
pub struct Handler(Arc<dyn Fn(u64) -> BoxFuture + Send + Sync>);

impl Handler {
    /// Keeps the compiler from seeing through the call.
    fn new(handler: impl Fn(u64) -> BoxFuture + Send + Sync + 'static) -> Self {
        Self(black_box(Arc::new(handler)))
    }

    fn adder() -> Self {
        Self::new(|n| Box::pin(async move { n + 1 }))
    }
}

pub struct Bare;

impl Peer for Bare {
    const NAME: &'static str = "bare";

    type Adder = Handler;
    type Nest = Handler;
    type Fan = Vec<Handler>;

    /// A future that its creator polls is never pending in a queue.
    fn shows(scenario: Scenario) -> bool {
        scenario != Scenario::P7
    }

    async fn adder(_: Mailbox) -> Handler {
        Handler::adder()
    }

    async fn nest() -> Handler {
        let adder = Handler::adder();
        Handler::new(move |n| {
            let adder = adder.clone();
            Box::pin(async move { (adder.0)(n).await })
        })
    }

    async fn fan(width: usize) -> Vec<Handler> {
        (0..width).map(|_| Handler::adder()).collect()
    }

    async fn ask_all(fan: &Vec<Handler>, n: u64) -> u64 {
        let futures: Vec<_> = fan.iter().map(|handler| (handler.0)(n)).collect();
        let mut sum = 0;
        for future in futures {
            sum += future.await;
        }
        sum
    }
}

impl Service for Handler {
    type Reply = BoxFuture;

    async fn dispatch(&self, n: u64) -> BoxFuture {
        (self.0)(n)
    }

    async fn answer(reply: BoxFuture) -> u64 {
        reply.await
    }

    async fn request(&self, n: u64) -> u64 {
        (self.0)(n).await
    }
}
