//! actix: actors bound to the thread they start on, replies as futures of `send`.

use actix::prelude::Request as ActixRequest;
use actix::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::peer::{Mailbox, Peer, Service};

#[derive(Message)]
#[rtype(result = "u64")]
pub struct Add(u64);

/// Delegates its work to another one, if there is one.
pub struct Adder {
    behind: Option<Addr<Adder>>,
    mailbox: usize,
}

/// As the scenarios need; with actix's default of 16, most of a batch would wait outside.
const MAILBOX: usize = 128;

impl Actor for Adder {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(self.mailbox);
    }
}

impl Handler<Add> for Adder {
    type Result = ResponseFuture<u64>;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> ResponseFuture<u64> {
        match self.behind.clone() {
            Some(behind) => {
                Box::pin(async move { behind.send(Add(n)).await.expect("the actor answers") })
            }
            None => Box::pin(async move { n + 1 }),
        }
    }
}

fn start(behind: Option<Addr<Adder>>, mailbox: usize) -> Addr<Adder> {
    Adder::create(|context| {
        context.set_mailbox_capacity(mailbox);
        Adder { behind, mailbox }
    })
}

pub struct Actix;

#[derive(Clone)]
pub struct Handle(Addr<Adder>);

impl Peer for Actix {
    const NAME: &'static str = "actix";

    type Adder = Handle;
    type Nest = Handle;
    type Fan = Vec<Addr<Adder>>;

    /// Its actors are not `Send`: they live on the main thread.
    fn block_on<F: Future>(runtime: &Runtime, main: F) -> F::Output {
        LocalSet::new().block_on(runtime, main)
    }

    async fn adder(mailbox: Mailbox) -> Handle {
        Handle(match mailbox {
            Mailbox::Default => start(None, MAILBOX),
            Mailbox::Unlimited => start(None, usize::from(u16::MAX) * 64),
        })
    }

    async fn nest() -> Handle {
        Handle(start(Some(start(None, MAILBOX)), MAILBOX))
    }

    async fn fan(width: usize) -> Vec<Addr<Adder>> {
        (0..width).map(|_| start(None, MAILBOX)).collect()
    }

    async fn ask_all(fan: &Vec<Addr<Adder>>, n: u64) -> u64 {
        let answers: Vec<_> = fan.iter().map(|actor| actor.send(Add(n))).collect();
        let mut sum = 0;
        for answer in answers {
            sum += answer.await.expect("the actor answers");
        }
        sum
    }
}

impl Service for Handle {
    type Reply = ActixRequest<Adder, Add>;

    async fn dispatch(&self, n: u64) -> ActixRequest<Adder, Add> {
        self.0.send(Add(n))
    }

    async fn answer(reply: ActixRequest<Adder, Add>) -> u64 {
        reply.await.expect("the actor answers")
    }

    async fn request(&self, n: u64) -> u64 {
        self.0.send(Add(n)).await.expect("the actor answers")
    }
}
