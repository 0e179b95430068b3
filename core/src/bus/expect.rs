//! Waiting for an event that somebody else will dispatch (R26).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use futures_core::future::FusedFuture;

use super::EventBus;
use super::any::AnyEvent;
use super::guard;
use super::handle::EventHandle;
use super::offers::{Decided, Offers};
use super::record::Erased;
use super::shared::BusShared;
use super::sleep::{self, Elapsed};
use super::watch::{Select, Watcher};
use crate::event::Event;
use crate::machine::{EventKey, Key, Overflow};
use crate::runtime::NoRuntime;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

impl EventBus {
    /// Expects the next event of type `E` that is dispatched (R26).
    pub fn expect<E: Event>(&self) -> Expect<EventHandle<E>> {
        self.find().next()
    }

    /// Expects the next event of type `E` that satisfies a predicate. The dispatcher calls the
    /// predicate.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Paid { order: u32 }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let paid = bus.expect_where(|paid: &EventHandle<Paid>| paid.order == 7);
    /// bus.dispatch(Paid { order: 6 })?;
    /// bus.dispatch(Paid { order: 7 })?;
    /// assert_eq!(paid.await?.order, 7);
    /// # Ok(()) }
    /// ```
    pub fn expect_where<E: Event>(
        &self,
        test: impl Fn(&EventHandle<E>) -> bool + Send + Sync + 'static,
    ) -> Expect<EventHandle<E>> {
        self.find().matching(test).next()
    }

    /// Expects the next event of a name; `*` for any.
    pub fn expect_name(&self, name: impl AsRef<str>) -> Expect<AnyEvent> {
        self.find_name(name).next()
    }
}

/// A future of the first event that matches. Made by [`EventBus::expect`](super::EventBus::expect)
/// and its siblings.
///
/// It is registered when it is made, not when it is first polled. It resolves when a match is
/// dispatched, before any handler of it ends. The first match in order of dispatch is the one it gives,
/// also when several threads dispatch at once.
///
/// # Cancel safety
/// Dropping it leaves nothing behind.
///
/// # Panics
/// When polled again after it was ready; [`is_terminated`](FusedFuture::is_terminated) tells.
///
/// # Examples
///
/// ```
/// use busway::{Event, ExpectError};
/// use std::time::Duration;
///
/// #[derive(Event)]
/// struct Login;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// let limit = Duration::from_secs(5);
/// let login = bus.expect::<Login>(); // from here on, nothing is missed
/// let id = bus.dispatch(Login)?.id();
/// assert_eq!(login.within(limit).await?.id(), id);
///
/// let another = bus.expect::<Login>().within(limit).await;
/// assert_eq!(another.unwrap_err(), ExpectError::TimedOut { limit });
/// # Ok(()) }
/// ```
#[must_use = "it is to be awaited; dropping it ends the expectation"]
pub struct Expect<In> {
    bus: Arc<BusShared>,
    expectation: Arc<Expectation<In>>,
}

/// Why no event came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectError {
    /// The time limit passed.
    #[error("no such event within {limit:?}")]
    TimedOut {
        /// How long the wait lasted.
        limit: Duration,
    },
    /// The bus is stopped, so none will come.
    #[error("the bus was stopped")]
    Stopped,
    /// There is no async runtime yet to measure the time limit.
    #[error(transparent)]
    NoRuntime(NoRuntime),
    /// The predicate panicked. Only this waiter fails.
    #[error("the predicate panicked: {message}")]
    PredicatePanicked {
        /// What the panic said.
        message: String,
    },
}

/// A predicate on an event.
pub(crate) type Test<In> = Box<dyn Fn(&In) -> bool + Send + Sync>;

/// A predicate on the record of an event.
pub(crate) type About = Box<dyn Fn(&Arc<BusShared>, &dyn Erased) -> bool + Send + Sync>;

pub(crate) struct Expectation<In> {
    /// Weak, because the hub holds the expectation.
    bus: Weak<BusShared>,
    /// Its watch, until it is ended; 0 for none.
    watch: AtomicU64,
    select: Select<In>,
    about: Vec<About>,
    test: Option<Test<In>>,
    state: Mutex<State<In>>,
}

type Answer<In> = Result<In, ExpectError>;

enum State<In> {
    Open(Option<Waker>, Offers<Offer, Answer<In>>),
    Settled(Answer<In>),
    Taken,
}

#[derive(Clone, Copy, PartialEq)]
enum Offer {
    /// The events that were there before.
    Known,
    Event(EventKey),
    /// The end of the bus.
    End,
}

impl<In: Send + 'static> Expect<In> {
    /// Registers. With `known`, events that are already there also count, newest first.
    pub(crate) fn new(
        bus: &Arc<BusShared>,
        select: Select<In>,
        about: Vec<About>,
        test: Option<Test<In>>,
        known: bool,
    ) -> Self {
        let mut offers = Offers::new();
        offers.receive(Offer::Known);
        let state = Mutex::new(State::Open(None, offers));
        let bus_of = Arc::downgrade(bus);
        let most = if about.is_empty() && test.is_none() { 1 } else { usize::MAX };
        let watch = AtomicU64::new(0);
        let expectation = Arc::new(Expectation { bus: bus_of, watch, select, about, test, state });
        let watcher = expectation.clone();
        // One lock for both: no event falls between the known ones and those to come.
        let (candidates, is_watching) = bus.hub.input(|hub| {
            let known = known.then(|| hub.remembered(bus, &expectation.select, most));
            let pattern = expectation.select.pattern();
            let room = (usize::MAX, Overflow::DropNewest);
            let watch = hub.watch(bus, pattern, room, watcher);
            expectation.watch.store(watch.map_or(0, Key::to_bits), Ordering::Release);
            (known.unwrap_or_default(), watch.is_some())
        });
        let answer = candidates.into_iter().find_map(|record| expectation.answer(record));
        expectation.decide(Offer::Known, answer);
        if !is_watching {
            expectation.end();
        }
        expectation.unwatch_if_settled();
        Self { bus: bus.clone(), expectation }
    }

    /// Gives up when `limit` has passed.
    ///
    /// # Errors
    /// [`ExpectError::TimedOut`], [`ExpectError::NoRuntime`] if there is nothing to measure the time with, or
    /// the other reasons why no event came.
    ///
    /// # Cancel safety
    /// Dropping it leaves nothing behind.
    pub async fn within(mut self, limit: Duration) -> Result<In, ExpectError> {
        let runtime = match self.bus.hub.timekeeper() {
            Ok(runtime) => runtime,
            Err(source) => {
                let at_once = poll_fn(|cx| match Pin::new(&mut self).poll(cx) {
                    Poll::Pending => Poll::Ready(Err(ExpectError::NoRuntime(source))),
                    ready => ready,
                });
                return at_once.await;
            }
        };
        match sleep::within(runtime, limit, self).await {
            Ok(answer) => answer,
            Err(Elapsed) => Err(ExpectError::TimedOut { limit }),
        }
    }
}

impl<In> Expectation<In> {
    /// Leaves the watch, of which there is nothing more to expect.
    fn unwatch(&self) {
        let watch = Key::from_bits(self.watch.swap(0, Ordering::AcqRel));
        if let Some((watch, bus)) = watch.zip(self.bus.upgrade()) {
            let watcher = bus.hub.input(|hub| hub.unwatch(watch));
            guard::discard(watcher);
        }
    }

    /// It does not wait to be polled: until it is, later events would be offered in vain.
    fn unwatch_if_settled(&self) {
        let is_open = matches!(*self.state.lock(), State::Open(..));
        if !is_open {
            self.unwatch();
        }
    }
}

impl<In: Send + 'static> Expectation<In> {
    /// The answer that an event gives, if it matches. It does not panic: what was offered is decided.
    fn answer(&self, record: Arc<dyn Erased>) -> Option<Answer<In>> {
        let bus = self.bus.upgrade()?;
        let matching = guard::catch(|| {
            if !self.about.iter().all(|about| about(&bus, &*record)) {
                return None;
            }
            let event = (self.select.convert)(record, &bus)?;
            self.test.as_ref().is_none_or(|test| test(&event)).then_some(event)
        });
        match matching {
            Ok(event) => event.map(Ok),
            Err(message) => Some(Err(ExpectError::PredicatePanicked { message })),
        }
    }

    /// Notes that an offer was looked at.
    fn decide(&self, offer: Offer, answer: Option<Answer<In>>) {
        let mut waker = None;
        let unused = {
            let mut state = self.state.lock();
            let State::Open(open, offers) = &mut *state else { return };
            let Decided { answer, unused } = offers.decide(&offer, answer);
            if let Some(answer) = answer {
                waker = open.take();
                *state = State::Settled(answer);
            }
            unused
        };
        // The user's values are dropped outside the lock, and last: they may panic.
        if let Some(waker) = waker {
            let _ = guard::catch(|| waker.wake());
        }
        unused.into_iter().for_each(guard::discard);
    }

    fn end(&self) {
        if let State::Open(_, offers) = &mut *self.state.lock() {
            offers.receive(Offer::End);
        }
        self.decide(Offer::End, Some(Err(ExpectError::Stopped)));
    }
}

impl<In: Send + 'static> Watcher for Expectation<In> {
    fn receive(&self, record: &Arc<dyn Erased>, _: bool) -> Option<Arc<dyn Erased>> {
        if let State::Open(_, offers) = &mut *self.state.lock() {
            offers.receive(Offer::Event(record.head().key()));
        }
        None
    }

    fn arrived(&self, record: Arc<dyn Erased>) {
        let offer = Offer::Event(record.head().key());
        let is_open = match &*self.state.lock() {
            State::Open(_, offers) => offers.is_open(&offer),
            _ => false,
        };
        if is_open {
            let answer = self.answer(record);
            self.decide(offer, answer);
            self.unwatch_if_settled();
        }
    }

    fn ended(&self, _: u64) {
        self.end();
    }
}

impl<In: Send + 'static> Future for Expect<In> {
    type Output = Result<In, ExpectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waker = Some(cx.waker().clone());
        let answer = {
            let mut state = self.expectation.state.lock();
            match &mut *state {
                State::Open(open, _) => {
                    waker = mem::replace(open, waker);
                    Poll::Pending
                }
                settled => Poll::Ready(mem::replace(settled, State::Taken)),
            }
        };
        drop(waker);
        match answer {
            Poll::Pending => Poll::Pending,
            Poll::Ready(State::Settled(answer)) => {
                self.expectation.unwatch();
                Poll::Ready(answer)
            }
            Poll::Ready(_) => panic!("an expectation was polled after it was ready"),
        }
    }
}

impl<In: Send + 'static> FusedFuture for Expect<In> {
    fn is_terminated(&self) -> bool {
        matches!(*self.expectation.state.lock(), State::Taken)
    }
}

impl<In> Drop for Expect<In> {
    fn drop(&mut self) {
        self.expectation.unwatch();
    }
}

impl<In> fmt::Debug for Expect<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expect").finish_non_exhaustive()
    }
}
