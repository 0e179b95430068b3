//! Counters and gates of the tests: values that are alive, handlers that ran, doors to open.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use busway::Event;

/// Counts values that are alive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alive(Arc<()>);

impl Alive {
    pub(crate) fn token(&self) -> Token {
        Token(self.0.clone())
    }

    pub(crate) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// One such value.
#[derive(Clone, Debug)]
pub(crate) struct Token(#[allow(dead_code)] Arc<()>);

/// Work for a handler, which yields this many times and answers with a token.
#[derive(Event)]
#[event(output = Token)]
pub(crate) struct Job {
    pub(crate) id: u32,
    pub(crate) yields: u32,
    #[allow(dead_code)]
    pub(crate) token: Token,
}

/// Which jobs ran, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<BTreeMap<u32, u32>>>);

impl Runs {
    pub(crate) fn note(&self, id: u32) {
        *self.0.lock().unwrap().entry(id).or_default() += 1;
    }

    pub(crate) fn of(&self, id: u32) -> u32 {
        self.0.lock().unwrap().get(&id).copied().unwrap_or_default()
    }
}

/// A door where tasks wait until it is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Door {
    pub(crate) fn open(&self) {
        let wakers = {
            let mut door = self.0.lock().unwrap();
            door.0 = true;
            std::mem::take(&mut door.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn pass(&self) -> impl Future<Output = ()> + Send + use<> {
        let door = self.0.clone();
        poll_fn(move |cx| {
            let waker = cx.waker().clone();
            let mut door = door.lock().unwrap();
            if door.0 {
                return Poll::Ready(());
            }
            door.1.push(waker);
            Poll::Pending
        })
    }
}
