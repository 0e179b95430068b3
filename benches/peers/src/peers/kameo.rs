//! kameo: actors with mailboxes of 64, replies through `ask`.

use kameo::actor::{ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::request::PendingReply;

use crate::peer::{Mailbox, Peer, Service};

pub struct Add(u64);

/// Delegates its work to another one, if there is one.
pub struct Adder {
    behind: Option<ActorRef<Adder>>,
}

impl kameo::Actor for Adder {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(adder: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(adder)
    }
}

impl Message<Add> for Adder {
    type Reply = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self, u64>) -> u64 {
        match &self.behind {
            Some(behind) => behind.ask(Add(n)).await.expect("the actor answers"),
            None => n + 1,
        }
    }
}

pub struct Kameo;

#[derive(Clone)]
pub struct Handle(ActorRef<Adder>);

impl Peer for Kameo {
    const NAME: &'static str = "kameo";

    type Adder = Handle;
    type Nest = Handle;
    type Fan = Vec<Handle>;

    async fn adder(mailbox: Mailbox) -> Handle {
        let adder = Adder { behind: None };
        Handle(match mailbox {
            Mailbox::Default => Adder::spawn(adder),
            Mailbox::Unlimited => Adder::spawn_with_mailbox(adder, mailbox::unbounded()),
        })
    }

    async fn nest() -> Handle {
        let behind = Some(Adder::spawn(Adder { behind: None }));
        Handle(Adder::spawn(Adder { behind }))
    }

    async fn fan(width: usize) -> Vec<Handle> {
        (0..width).map(|_| Handle(Adder::spawn(Adder { behind: None }))).collect()
    }

    async fn ask_all(fan: &Vec<Handle>, n: u64) -> u64 {
        let mut answers = Vec::with_capacity(fan.len());
        for actor in fan {
            answers.push(actor.dispatch(n).await);
        }
        let mut sum = 0;
        for answer in answers {
            sum += Handle::answer(answer).await;
        }
        sum
    }
}

impl Service for Handle {
    type Reply = PendingReply<Add, u64>;

    async fn dispatch(&self, n: u64) -> PendingReply<Add, u64> {
        self.0.ask(Add(n)).enqueue().await.expect("the actor is there")
    }

    async fn answer(reply: PendingReply<Add, u64>) -> u64 {
        reply.await.expect("the actor answers")
    }

    async fn request(&self, n: u64) -> u64 {
        self.0.ask(Add(n)).await.expect("the actor answers")
    }
}
