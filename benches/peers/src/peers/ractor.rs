//! ractor: actors with unbounded mailboxes, replies through ports.

use ractor::concurrency::{OneshotReceiver, oneshot};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};

use crate::peer::{Mailbox, Peer, Service};

pub struct Add(u64, RpcReplyPort<u64>);

struct Adder;

/// Delegates its work to another one, if there is one.
type Behind = Option<ActorRef<Add>>;

impl Actor for Adder {
    type Msg = Add;
    type State = Behind;
    type Arguments = Behind;

    async fn pre_start(
        &self,
        _: ActorRef<Add>,
        behind: Behind,
    ) -> Result<Behind, ActorProcessingErr> {
        Ok(behind)
    }

    async fn handle(
        &self,
        _: ActorRef<Add>,
        Add(n, reply): Add,
        behind: &mut Behind,
    ) -> Result<(), ActorProcessingErr> {
        let answer = match behind {
            Some(behind) => call!(behind, Add, n)?,
            None => n + 1,
        };
        reply.send(answer)?;
        Ok(())
    }
}

async fn spawn(behind: Behind) -> ActorRef<Add> {
    Actor::spawn(None, Adder, behind).await.expect("the actor starts").0
}

fn send(actor: &ActorRef<Add>, n: u64) -> OneshotReceiver<u64> {
    let (port, answer) = oneshot();
    actor.cast(Add(n, port.into())).expect("the actor is there");
    answer
}

pub struct Ractor;

#[derive(Clone)]
pub struct Handle(ActorRef<Add>);

impl Peer for Ractor {
    const NAME: &'static str = "ractor";

    type Adder = Handle;
    type Nest = Handle;
    type Fan = Vec<ActorRef<Add>>;

    async fn adder(_: Mailbox) -> Handle {
        Handle(spawn(None).await)
    }

    async fn nest() -> Handle {
        Handle(spawn(Some(spawn(None).await)).await)
    }

    async fn fan(width: usize) -> Vec<ActorRef<Add>> {
        let mut fan = Vec::with_capacity(width);
        for _ in 0..width {
            fan.push(spawn(None).await);
        }
        fan
    }

    async fn ask_all(fan: &Vec<ActorRef<Add>>, n: u64) -> u64 {
        let answers: Vec<_> = fan.iter().map(|actor| send(actor, n)).collect();
        let mut sum = 0;
        for answer in answers {
            sum += answer.await.expect("the actor answers");
        }
        sum
    }
}

impl Service for Handle {
    type Reply = OneshotReceiver<u64>;

    async fn dispatch(&self, n: u64) -> OneshotReceiver<u64> {
        send(&self.0, n)
    }

    async fn answer(reply: OneshotReceiver<u64>) -> u64 {
        reply.await.expect("the actor answers")
    }

    async fn request(&self, n: u64) -> u64 {
        call!(self.0, Add, n).expect("the actor answers")
    }

    /// Actors of ractor live until stopped.
    fn close(self) {
        self.0.stop(None);
    }
}
