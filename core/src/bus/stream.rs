//! Dispatched events as a stream (R28).

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::FusedFuture;
use futures_core::stream::FusedStream;

use super::EventBus;
use super::any::AnyEvent;
use super::guard;
use super::handle::EventHandle;
use super::record::Erased;
use super::shared::BusShared;
use super::watch::{Select, Watcher};
use crate::event::Event;
use crate::machine::{Overflow, WatchKey};
use crate::sync::{Mutex, OneWaker};

impl EventBus {
    /// Returns a stream of the events dispatched from now on, with room for `capacity` unread ones
    /// (R28). `overflow` decides what happens when the reader is slow.
    ///
    /// With [`Overflow::Wait`], no event is lost: while the stream is full, the bus starts no further
    /// event, even after the last [`EventBus`] is dropped. So a task that holds such a stream must not
    /// await an event of the bus without reading: it could wait for itself. While an event has not
    /// started, handler limits do not count; a deadline does. Drop a stream that is not read. A
    /// `capacity` of 0 counts as 1.
    ///
    /// ```
    /// use busway::{Event, Overflow};
    ///
    /// #[derive(Event)]
    /// struct Login;
    ///
    /// #[derive(Event)]
    /// struct Logout;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let mut events = bus.events(16, Overflow::DropOldest);
    /// bus.dispatch(Login)?;
    /// bus.dispatch(Logout)?;
    /// bus.stop(None, false).await;
    ///
    /// let mut seen = Vec::new();
    /// while let Some(event) = events.next().await {
    ///     seen.push(event.event_type());
    /// }
    /// assert_eq!(seen, ["Login", "Logout"]);
    /// # Ok(()) }
    /// ```
    pub fn events(&self, capacity: usize, overflow: Overflow) -> EventStream<AnyEvent> {
        EventStream::new(&self.shared, &Select::named("*"), capacity, overflow)
    }

    /// Like [`events`](Self::events), but only for events of type `E`.
    pub fn events_of<E: Event>(
        &self,
        capacity: usize,
        overflow: Overflow,
    ) -> EventStream<EventHandle<E>> {
        EventStream::new(&self.shared, &Select::typed(), capacity, overflow)
    }
}

/// The events that come to a bus, in order of dispatch. Made by
/// [`EventBus::events`](super::EventBus::events); it ends when the bus is stopped.
///
/// # Cancel safety
/// Dropping it leaves nothing behind; a bus that was waiting for it goes on.
///
/// # Examples
///
/// ```
/// use busway::{Event, Overflow};
///
/// #[derive(Event)]
/// struct Reading(u32);
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// let mut readings = bus.events_of::<Reading>(2, Overflow::DropOldest);
/// for n in 1..=3 {
///     bus.dispatch(Reading(n))?;
/// }
/// assert_eq!(readings.next().await.unwrap().0, 2); // there was room for two
/// assert_eq!((readings.unread(), readings.dropped()), (1, 1));
/// # Ok(()) }
/// ```
#[must_use = "streams do nothing unless they are polled"]
pub struct EventStream<In> {
    bus: Arc<BusShared>,
    watch: Option<WatchKey>,
    convert: fn(Arc<dyn Erased>, &Arc<BusShared>) -> Option<In>,
    queue: Arc<Queue>,
    /// It has said so.
    is_over: bool,
}

/// The next event of a stream. Made by [`EventStream::next`].
#[must_use = "futures do nothing unless they are polled"]
pub struct NextEvent<'a, In>(&'a mut EventStream<In>);

struct Queue {
    state: Mutex<Unread>,
    reader: OneWaker,
}

struct Unread {
    events: VecDeque<Arc<dyn Erased>>,
    /// Set once no more events will come: how many were dropped.
    ended: Option<u64>,
}

impl<In> EventStream<In> {
    pub(crate) fn new(
        bus: &Arc<BusShared>,
        select: &Select<In>,
        capacity: usize,
        overflow: Overflow,
    ) -> Self {
        let unread = Unread { events: VecDeque::new(), ended: None };
        let queue = Arc::new(Queue { state: Mutex::new(unread), reader: OneWaker::new() });
        let watcher = queue.clone();
        let room = (capacity.max(1), overflow);
        let watch = bus.hub.input(|hub| hub.watch(bus, select.pattern(), room, watcher));
        if watch.is_none() {
            queue.state.lock().ended = Some(0);
        }
        Self { bus: bus.clone(), watch, convert: select.convert, queue, is_over: false }
    }

    /// Returns how many events were dropped because the reader was slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let ended = self.queue.state.lock().ended;
        let watched = || self.watch.map_or(0, |watch| self.bus.hub.lock().books.dropped(watch));
        ended.unwrap_or_else(watched)
    }

    /// Returns the next event; `None` once the bus is stopped and all events were read. It needs no
    /// crate for streams, whose `next` is the same.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready loses no event.
    pub const fn next(&mut self) -> NextEvent<'_, In> {
        NextEvent(self)
    }

    /// Returns how many events wait to be read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.queue.state.lock().events.len()
    }

    /// Takes the next event, or tells whether none will come.
    fn take(&self) -> Poll<Option<Arc<dyn Erased>>> {
        // Under the hub's lock: an event that arrived between the two would be counted wrong.
        self.bus.hub.input(|hub| {
            let mut unread = self.queue.state.lock();
            let record = unread.events.pop_front();
            match (&record, self.watch) {
                (Some(_), Some(watch)) => hub.books.read(watch),
                (None, _) if unread.ended.is_none() => return Poll::Pending,
                _ => {}
            }
            Poll::Ready(record)
        })
    }
}

impl<In> Stream for EventStream<In> {
    type Item = In;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<In>> {
        loop {
            let mut next = self.take();
            if next.is_pending() {
                self.queue.reader.register(cx.waker());
                next = self.take();
            }
            let Some(record) = ready!(next) else {
                self.is_over = true;
                return Poll::Ready(None);
            };
            if let Some(event) = (self.convert)(record, &self.bus) {
                return Poll::Ready(Some(event));
            }
        }
    }
}

impl<In> FusedStream for EventStream<In> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl<In> Future for NextEvent<'_, In> {
    type Output = Option<In>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<In>> {
        Pin::new(&mut *self.0).poll_next(cx)
    }
}

impl<In> FusedFuture for NextEvent<'_, In> {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl<In> fmt::Debug for NextEvent<'_, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NextEvent").field(&self.0).finish()
    }
}

impl Watcher for Queue {
    fn receive(
        &self,
        record: &Arc<dyn Erased>,
        instead_of_oldest: bool,
    ) -> Option<Arc<dyn Erased>> {
        let mut unread = self.state.lock();
        let oldest = if instead_of_oldest { unread.events.pop_front() } else { None };
        unread.events.push_back(record.clone());
        oldest
    }

    fn arrived(&self, _: Arc<dyn Erased>) {
        self.reader.wake();
    }

    fn ended(&self, dropped: u64) {
        self.state.lock().ended = Some(dropped);
        self.reader.wake();
    }
}

impl<In> Drop for EventStream<In> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            let watcher = self.bus.hub.input(|hub| hub.unwatch(watch));
            drop(watcher);
        }
        // Each on its own: two panics in one drop would end the process.
        let unread = core::mem::take(&mut self.queue.state.lock().events);
        unread.into_iter().for_each(guard::discard);
    }
}

impl<In> fmt::Debug for EventStream<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("unread", &self.unread()).finish_non_exhaustive()
    }
}
