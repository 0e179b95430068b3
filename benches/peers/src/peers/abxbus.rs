//! abxbus, the Rust port of bubus, through its typed interface. It has threads of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abxbus::event;
use abxbus::event_bus::{EventBus, EventBusOptions};

use crate::peer::{Mailbox, Peer, Service};

event! {
    pub struct Add {
        n: u64,
        event_result_type: u64,
    }
}

event! {
    pub struct Outer {
        n: u64,
        event_result_type: u64,
    }
}

event! {
    pub struct Hold {
        event_result_type: (),
    }
}

pub struct Abxbus;

#[derive(Clone)]
pub struct Adder(Arc<EventBus>);

#[derive(Clone)]
pub struct Nest(Arc<EventBus>);

/// Its holder keeps the handler of `Hold`, and so its bus, from going on.
static HOLD: Mutex<()> = Mutex::new(());

fn hold() -> MutexGuard<'static, ()> {
    HOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The defaults, except that a full history drops its oldest event; by default it panics.
fn options() -> EventBusOptions {
    EventBusOptions { max_history_drop: true, ..EventBusOptions::default() }
}

fn adding_bus(options: EventBusOptions) -> Arc<EventBus> {
    let bus = EventBus::new_with_options(None, options);
    bus.on(Add, |event: Add| async move { Ok(event.n + 1) });
    bus
}

async fn ask(event: Add) -> u64 {
    let event = event.now().await.expect("it completes");
    event.event_result().await.expect("its handler does not fail").expect("there is one")
}

fn add(n: u64) -> Add {
    Add { n, ..Default::default() }
}

fn outer(n: u64) -> Outer {
    Outer { n, ..Default::default() }
}

impl Peer for Abxbus {
    const NAME: &'static str = "abxbus";
    const SLOWER: usize = 100;

    type Adder = Adder;
    type Nest = Nest;
    type Fan = Arc<EventBus>;

    async fn adder(mailbox: Mailbox) -> Adder {
        let mut options = options();
        if mailbox == Mailbox::Unlimited {
            options.max_history_size = None;
        }
        let bus = adding_bus(options);
        bus.on(Hold, |_: Hold| async {
            drop(hold());
            Ok(())
        });
        Adder(bus)
    }

    async fn nest() -> Nest {
        let bus = adding_bus(options());
        bus.on(Outer, |event: Outer| async move { Ok(ask(event.emit(add(event.n))).await) });
        Nest(bus)
    }

    async fn fan(width: usize) -> Arc<EventBus> {
        let bus = adding_bus(options());
        for _ in 1..width {
            bus.on(Add, |event: Add| async move { Ok(event.n + 1) });
        }
        bus
    }

    async fn ask_all(bus: &Arc<EventBus>, n: u64) -> u64 {
        let event = bus.emit(add(n)).now().await.expect("it completes");
        event.event_results_list().await.expect("no handler fails").into_iter().sum()
    }
}

impl Service for Adder {
    type Reply = Add;

    async fn dispatch(&self, n: u64) -> Add {
        self.0.emit(add(n))
    }

    async fn answer(reply: Add) -> u64 {
        ask(reply).await
    }

    async fn request(&self, n: u64) -> u64 {
        ask(self.0.emit(add(n))).await
    }

    fn hold(&self) -> impl Sized {
        let guard = hold();
        self.0.emit(Hold::default());
        guard
    }

    fn close(self) {
        self.0.destroy();
    }
}

impl Service for Nest {
    type Reply = Outer;

    async fn dispatch(&self, n: u64) -> Outer {
        self.0.emit(outer(n))
    }

    async fn answer(reply: Outer) -> u64 {
        let event = reply.now().await.expect("it completes");
        event.event_result().await.expect("its handler does not fail").expect("there is one")
    }

    async fn request(&self, n: u64) -> u64 {
        Self::answer(self.dispatch(n).await).await
    }

    fn close(self) {
        self.0.destroy();
    }
}
