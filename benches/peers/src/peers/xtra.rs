//! xtra: actors with the mailbox they are given, replies through `send`.

use xtra::prelude::{Actor, Address, Context, Handler};
use xtra::{Receiver, spawn_tokio};

use crate::peer::{Mailbox, Peer, Service};

pub struct Add(u64);

/// Delegates its work to another one, if there is one.
pub struct Adder {
    behind: Option<Address<Adder>>,
}

impl Actor for Adder {
    type Stop = ();

    async fn stopped(self) {}
}

impl Handler<Add> for Adder {
    type Return = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        match &self.behind {
            Some(behind) => behind.send(Add(n)).await.expect("the actor answers"),
            None => n + 1,
        }
    }
}

pub struct Xtra;

#[derive(Clone)]
pub struct Handle(Address<Adder>);

impl Handle {
    fn spawn(behind: Option<Address<Adder>>) -> Self {
        Self(spawn_tokio(Adder { behind }, xtra::Mailbox::unbounded()))
    }
}

impl Peer for Xtra {
    const NAME: &'static str = "xtra";

    type Adder = Handle;
    type Nest = Handle;
    type Fan = Vec<Handle>;

    async fn adder(_: Mailbox) -> Handle {
        Handle::spawn(None)
    }

    async fn nest() -> Handle {
        Handle::spawn(Some(Handle::spawn(None).0))
    }

    async fn fan(width: usize) -> Vec<Handle> {
        (0..width).map(|_| Handle::spawn(None)).collect()
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
    type Reply = Receiver<u64>;

    async fn dispatch(&self, n: u64) -> Receiver<u64> {
        self.0.send(Add(n)).detach().await.expect("the actor is there")
    }

    async fn answer(reply: Receiver<u64>) -> u64 {
        reply.await.expect("the actor answers")
    }

    async fn request(&self, n: u64) -> u64 {
        self.0.send(Add(n)).await.expect("the actor answers")
    }
}
