//! This project's bus, as a user sees it: ids, timestamps, results, parents, limits, history.

use busway::{Event, EventBus, EventHandle};

use crate::peer::{Mailbox, Peer, Service};

#[derive(Event)]
#[event(output = u64)]
pub struct Add(u64);

#[derive(Event)]
#[event(output = u64)]
pub struct Outer(u64);

async fn add(event: EventHandle<Add>) -> u64 {
    event.0 + 1
}

async fn outer(event: EventHandle<Outer>) -> Result<u64, busway::BoxError> {
    let child = event.dispatch(Add(event.0))?;
    Ok(child.await?.result()?)
}

pub struct Busway;

#[derive(Clone)]
pub struct Adder(EventBus);

#[derive(Clone)]
pub struct Nest(EventBus);

impl Peer for Busway {
    const NAME: &'static str = "busway";

    type Adder = Adder;
    type Nest = Nest;
    type Fan = EventBus;

    async fn adder(mailbox: Mailbox) -> Adder {
        let bus = match mailbox {
            Mailbox::Default => busway::bus("peers"),
            Mailbox::Unlimited => busway::builder("peers").max_pending(None).build(),
        };
        bus.on(add);
        Adder(bus)
    }

    async fn nest() -> Nest {
        let bus = busway::bus("peers");
        bus.on(add);
        bus.on(outer);
        Nest(bus)
    }

    async fn fan(width: usize) -> EventBus {
        let bus = busway::bus("peers");
        for _ in 0..width {
            bus.on(add);
        }
        bus
    }

    async fn ask_all(bus: &EventBus, n: u64) -> u64 {
        let event = bus.run(Add(n)).await.expect("it is accepted and completes");
        event.results_list().expect("no handler fails").into_iter().sum()
    }
}

impl Service for Adder {
    type Reply = EventHandle<Add>;

    async fn dispatch(&self, n: u64) -> EventHandle<Add> {
        self.0.dispatch(Add(n)).expect("the bus has room")
    }

    async fn answer(reply: EventHandle<Add>) -> u64 {
        reply.await.expect("it completes").result().expect("its handler does not fail")
    }

    async fn request(&self, n: u64) -> u64 {
        let event = self.0.run(Add(n)).await.expect("it is accepted and completes");
        event.result().expect("its handler does not fail")
    }
}

impl Service for Nest {
    type Reply = EventHandle<Outer>;

    async fn dispatch(&self, n: u64) -> EventHandle<Outer> {
        self.0.dispatch(Outer(n)).expect("the bus has room")
    }

    async fn answer(reply: EventHandle<Outer>) -> u64 {
        reply.await.expect("it completes").result().expect("its handler does not fail")
    }

    async fn request(&self, n: u64) -> u64 {
        let event = self.0.run(Outer(n)).await.expect("it is accepted and completes");
        event.result().expect("its handler does not fail")
    }
}
