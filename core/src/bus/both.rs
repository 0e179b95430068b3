//! What an event's two handles, [`EventHandle`] and [`AnyEvent`], have in common.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::IntoFuture;
use core::time::Duration;

use super::EventBus;
use super::address::Address;
use super::any::{AnyEvent, AnyWait};
use super::context::Claim;
use super::error::{DispatchError, ForwardError, ResultError, RunError, WaitError};
use super::event_builder::EventBuilder;
use super::handle::{EventHandle, Wait};
#[cfg(feature = "journal")]
use super::journal::{DurableError, durable};
use super::message::Headers;
use super::publish::{PublishError, Published, publish_below};
use super::record::{Erased, Record};
use super::request::Request;
use super::results::{self, EventResult};
use super::send::{Options, ParentRef};
use super::shared::{BusShared, HubShared};
use super::sleep;
use super::spawned::Scope;
use super::subscription::check_hubs;
use super::tree::LogTree;
use super::vantage::{BusRef, Vantage};
use super::view;
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{Cause, EventStatus, HandlerKey, InvocationKey};
use crate::time::Timestamp;

macro_rules! for_both_handles {
    ($([$($generics:tt)*] $handle:ty, $record:ty, $wait:ty;)*) => {$(
        impl<$($generics)*> $handle {
            /// Returns the event's id.
            #[must_use]
            pub fn id(&self) -> EventId {
                self.record.head().id()
            }

            /// Returns the name of the event's type.
            #[must_use]
            pub fn event_type(&self) -> &'static str {
                self.record.name()
            }

            /// Returns where the event is in its life.
            #[must_use]
            pub fn status(&self) -> EventStatus {
                view::status(self.record.head())
            }

            /// Returns why the event was ended before its handlers had finished; `None` while it
            /// runs, and if it ran to its end.
            #[must_use]
            pub fn cause(&self) -> Option<Cause> {
                self.record.head().cause()
            }

            /// Returns when the event was dispatched.
            #[must_use]
            pub fn created_at(&self) -> Timestamp {
                self.hub().wall(self.record.head().created_at)
            }

            /// Returns when the event started; `None` while it is pending, and if it was ended
            /// before it started.
            #[must_use]
            pub fn started_at(&self) -> Option<Timestamp> {
                view::started_at(self.record.head())
            }

            /// Returns when the event and all its descendants were done; `None` before that.
            #[must_use]
            pub fn completed_at(&self) -> Option<Timestamp> {
                Some(self.hub().wall(self.record.head().frozen()?.completed_at))
            }

            /// Returns the time from start to completion; `None` before that, and if the event
            /// never started.
            #[must_use]
            pub fn duration(&self) -> Option<Duration> {
                view::duration(self.record.head())
            }

            /// Returns the id of the parent: the event whose handler dispatched this one, or the
            /// one given explicitly. `None` for a root event.
            #[must_use]
            pub fn parent_id(&self) -> Option<EventId> {
                self.record.head().parent().map(|parent| parent.id)
            }

            /// Returns the event's level: 0 for a root, the parent's plus one for a child.
            #[must_use]
            pub fn depth(&self) -> u32 {
                self.record.head().depth
            }

            /// Returns the names of the buses the event has reached, in order of arrival.
            #[must_use]
            pub fn path(&self) -> Vec<String> {
                view::path(self.record.head())
            }

            /// Returns the children that are still in memory, in order of dispatch: those in
            /// flight, and those that some bus of the hub remembers.
            #[must_use]
            pub fn children(&self) -> Vec<AnyEvent> {
                view::children(self.record.head(), self.seen)
            }

            /// Returns the bus that is processing the event, if a handler received this handle;
            /// otherwise `None`.
            #[must_use]
            pub fn bus(&self) -> Option<EventBus> {
                view::bus(self.record.head(), self.seen)
            }

            /// Returns the results so far, including pending ones, bus by bus, in handler order
            /// (R1): the handlers of the event's own name in order of registration, then those of
            /// `*`.
            #[must_use]
            pub fn results(&self) -> Vec<EventResult> {
                view::results(self.record.head())
            }

            /// Returns the results by registration, for lookups. [`results`](Self::results) has
            /// them in handler order.
            #[must_use]
            pub fn results_by_handler_id(&self) -> BTreeMap<HandlerKey, EventResult> {
                view::by_handler_id(self.results())
            }

            /// Returns the results by handler name, for lookups. If handlers share a name, the last
            /// one's is kept. [`results`](Self::results) has them in handler order.
            #[must_use]
            pub fn results_by_handler_name(&self) -> BTreeMap<String, EventResult> {
                view::by_handler_name(self.results())
            }

            /// Checks that no handler failed and the event was not ended.
            ///
            /// For events without an output, `bus.run(event).await?.check()?` tells everything
            /// there is to know.
            ///
            /// # Errors
            /// All failures of handlers; the cause, if the event was ended; `NotCompleted`.
            ///
            /// # Examples
            ///
            /// ```
            /// use busway::{Event, EventHandle};
            ///
            /// #[derive(Event)]
            /// struct Save;
            ///
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
            /// # async fn main() -> Result<(), busway::BoxError> {
            /// let bus = busway::bus("main");
            /// bus.handler(|_: EventHandle<Save>| Err::<(), _>("no space left")).named("disk").register();
            /// let save = bus.run(Save).await?; // a failed handler does not make this fail
            /// let error = save.check().unwrap_err();
            /// assert_eq!(error.to_string(), "handler disk failed: no space left");
            /// # Ok(()) }
            /// ```
            pub fn check(&self) -> Result<(), ResultError> {
                results::check(self.record.head())
            }

            /// Returns the event and everything below it as a text tree.
            #[must_use]
            pub fn log_tree(&self) -> LogTree {
                LogTree::new(self.hub().clone(), alloc::vec![self.record.clone()])
            }

            /// Waits for completion. Returns the plain future, for `join!` and `select!`.
            ///
            /// # Cancel safety
            /// Dropping it ends the wait, not the event. An event that was raised for the wait and
            /// has not started returns to its place in the queue.
            ///
            /// # Examples
            ///
            /// ```
            /// use busway::{Event, EventHandle};
            ///
            /// #[derive(Event)]
            /// #[event(output = u32)]
            /// struct Square(u32);
            ///
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
            /// # async fn main() -> Result<(), busway::BoxError> {
            /// let bus = busway::bus("main");
            /// bus.on(|square: EventHandle<Square>| square.0 * square.0);
            /// let (three, four) = (bus.dispatch(Square(3))?, bus.dispatch(Square(4))?);
            /// let (three, four) = tokio::try_join!(three.wait(), four.wait())?;
            /// assert_eq!(three.result()? + four.result()?, 25);
            /// # Ok(()) }
            /// ```
            pub fn wait(&self) -> $wait {
                self.clone().into_future()
            }

            /// Waits for completion, as a wait of the handler that received `handler`, while that
            /// is being polled.
            ///
            /// With `std`, every wait inside a handler is the handler's. Without it, only waits for
            /// the handler's own event and for events dispatched through it are known to be. In a
            /// task that a handler spawned, the wait is the task's (see [`scope`](Self::scope)).
            ///
            /// # Cancel safety
            /// Same as [`wait`](Self::wait).
            pub fn wait_within(&self, handler: impl Into<AnyEvent>) -> $wait {
                self.clone().claimed(handler.into().claim).into_future()
            }

            /// Waits for completion, for at most `limit`. The work goes on (R24).
            ///
            /// # Errors
            /// [`WaitError::TimedOut`], or a wait that could never end.
            ///
            /// # Cancel safety
            /// Same as [`wait`](Self::wait).
            ///
            /// # Examples
            ///
            /// ```
            /// use busway::{Event, EventHandle, WaitError};
            /// use std::time::Duration;
            ///
            /// #[derive(Event)]
            /// struct Export;
            ///
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
            /// # async fn main() -> Result<(), busway::BoxError> {
            /// let bus = busway::bus("main");
            /// bus.on(|_: EventHandle<Export>| tokio::time::sleep(Duration::from_secs(20)));
            /// let export = bus.dispatch(Export)?;
            /// let limit = Duration::from_secs(5);
            /// assert_eq!(export.wait_for(limit).await.unwrap_err(), WaitError::TimedOut { limit });
            /// export.await?.check()?; // the export went on
            /// # Ok(()) }
            /// ```
            pub async fn wait_for(&self, limit: Duration) -> Result<Self, WaitError> {
                sleep::wait_for(self.hub(), limit, self.wait()).await
            }

            /// Sends this event on to another bus of its hub, as [`forward`](EventBus::forward) does with
            /// all events of a name: it runs there too, once, and completes when every bus is done
            /// (R17). A bus where it has been gets it no second time.
            ///
            /// # Errors
            /// The bus belongs to another hub, or is stopped; no handler of the event has started, or
            /// all have ended; or it is a request or a publication.
            ///
            /// ```
            /// use busway::{Event, EventHandle};
            ///
            /// #[derive(Event)]
            /// #[event(output = &'static str)]
            /// struct Order(u32);
            ///
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
            /// # async fn main() -> Result<(), busway::BoxError> {
            /// let hub = busway::hub();
            /// let (shop, review) = (hub.bus("shop").build(), hub.bus("review").build());
            /// review.on(|_: EventHandle<Order>| "reviewed");
            /// shop.on(move |order: EventHandle<Order>| {
            ///     if order.0 > 100 {
            ///         order.forward_to(&review)?;
            ///     }
            ///     busway::ok("accepted")
            /// });
            /// assert_eq!(shop.run(Order(5)).await?.results_list()?, ["accepted"]);
            /// let large = shop.run(Order(500)).await?;
            /// assert_eq!(large.results_list()?, ["accepted", "reviewed"]);
            /// assert_eq!(large.path(), ["shop", "review"]);
            /// # Ok(()) }
            /// ```
            pub fn forward_to(&self, bus: &EventBus) -> Result<(), ForwardError> {
                let (head, target) = (self.record.head(), &*bus.shared);
                check_hubs(&head.bus, target)?;
                let now = self.hub().now();
                let sent = self.hub().input(|hub| hub.books.send_on(head.key(), target.key, now));
                sent.map_err(|source| ForwardError::NotSentOn { to: target.name(), source })
            }

            /// Ends the event now, as its [deadline](super::EventBuilder::deadline) would: what runs
            /// of it is aborted, with the children that it was awaiting (R23), and what has not
            /// started is cancelled, both with [`Cause::Cancelled`]. Children that no handler awaits
            /// go on, and the event completes after them.
            ///
            /// The futures of its handlers are dropped before this returns, unless it is called in a
            /// handler, outside of the bus's runtime, or while another thread polls handlers of the
            /// bus: then when the poll under way returns. The event may be seen to be done before
            /// that, and what its handlers did until then is done. To undo it, dispatch an event
            /// once the cancelled one is done, or from the drop of a value that its handler holds.
            ///
            /// In a write-ahead journal it counts as completed: once that is on disk, it is not given
            /// back after a crash.
            ///
            /// Returns `false` if all its handlers had ended already.
            ///
            /// ```
            /// use busway::{Cause, Event, EventHandle};
            /// use std::time::Duration;
            ///
            /// #[derive(Event)]
            /// struct Export;
            ///
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
            /// # async fn main() -> Result<(), busway::BoxError> {
            /// let bus = busway::bus("main");
            /// bus.on(|_: EventHandle<Export>| tokio::time::sleep(Duration::from_secs(20)));
            /// let export = bus.dispatch(Export)?;
            /// assert!(export.wait_for(Duration::from_secs(5)).await.is_err());
            /// assert!(export.cancel());
            /// let export = export.await?; // at once
            /// assert_eq!(export.cause(), Some(Cause::Cancelled));
            /// assert!(!export.cancel());
            /// # Ok(()) }
            /// ```
            pub fn cancel(&self) -> bool {
                self.hub().cancel(self.record.head().key())
            }

            /// Waits until the event is on disk.
            ///
            /// With a write-ahead journal, its acceptance has to be on disk. Otherwise its
            /// completion has to be, which this waits for as [`wait`](Self::wait) does. A journal
            /// that otherwise syncs when it is closed syncs at once.
            ///
            /// # Errors
            /// The event is not on disk and will not be: the bus has no journal, the journal
            /// failed, or the event is to be written at its completion, which waits for the handler
            /// that asks.
            ///
            /// # Cancel safety
            /// Dropping it ends the wait, not the writing.
            #[cfg(feature = "journal")]
            pub async fn durable(&self) -> Result<(), DurableError> {
                let ticket = self.record.head().ticket.as_ref().ok_or(DurableError::NoJournal)?;
                durable(ticket, self.wait()).await
            }

            /// Returns which delivery of the event this is: 1, or more if it was recovered from a
            /// journal.
            #[cfg(feature = "journal")]
            #[must_use]
            pub fn attempt(&self) -> u32 {
                self.record.head().attempt.max(1)
            }

            /// Dispatches a child on the bus this handle belongs to. Inside a handler, that is the
            /// bus processing the event.
            ///
            /// # Errors
            /// If the child is not accepted, the error hands it back.
            pub fn dispatch<C: Event>(&self, child: C) -> Result<EventHandle<C>, DispatchError<C>> {
                // No builder is used here, because it would have to be moved.
                match self.place() {
                    Some(bus) => bus.dispatch(child, self.as_parent()),
                    None => Err(DispatchError::Stopped { event: child }),
                }
            }

            /// Dispatches a child and waits for it. Inside a handler the child moves ahead of the
            /// queue.
            ///
            /// # Errors
            /// The child is not accepted, or the wait could never end.
            ///
            /// # Cancel safety
            /// Nothing is dispatched before the first poll. After that, same as
            /// [`wait`](Self::wait).
            pub async fn run<C: Event>(&self, child: C) -> Result<EventHandle<C>, RunError<C>> {
                let Some(bus) = self.place() else {
                    return Err(DispatchError::Stopped { event: child }.into());
                };
                Ok(bus.dispatch_and_help(child, self.as_parent())?.helped().await?)
            }

            /// Returns a builder for a child with options of its own.
            pub fn event<C: Event>(&self, child: C) -> EventBuilder<'_, C> {
                EventBuilder::with(self.place(), child, self.as_parent())
            }

            /// Returns a request to the consumer of an address, as a child of this event. It is
            /// sent when it is awaited.
            pub fn request<B, R>(&self, address: impl AsRef<str>, body: B) -> Request<B, R>
            where
                B: Send + Sync + 'static,
                R: Send + 'static,
            {
                Request::within(self.place(), self.as_parent(), address.as_ref(), body)
            }

            /// Returns a request to the consumer of a typed address, as a child of this event. It
            /// is sent when it is awaited.
            pub fn call<A: Address>(
                &self,
                _address: A,
                body: A::Request,
            ) -> Request<A::Request, A::Response> {
                self.request(A::NAME, body)
            }

            /// Publishes a value to a topic of the bus this handle belongs to, as a child of this
            /// event. See [`EventBus::publish`].
            ///
            /// # Errors
            /// Same as [`EventBus::publish`].
            ///
            /// # Cancel safety
            /// Same as [`EventBus::publish`].
            pub async fn publish<B: Send + Sync + 'static>(
                &self,
                topic: impl AsRef<str>,
                value: B,
            ) -> Result<Published, PublishError> {
                self.publish_with(topic, value, Headers::new()).await
            }

            /// Like [`publish`](Self::publish), with headers (R37).
            ///
            /// # Errors
            /// Same as [`publish`](Self::publish).
            ///
            /// # Cancel safety
            /// Same as [`publish`](Self::publish).
            pub async fn publish_with<B: Send + Sync + 'static>(
                &self,
                topic: impl AsRef<str>,
                value: B,
                headers: Headers,
            ) -> Result<Published, PublishError> {
                let message = (value, headers);
                publish_below(self.place(), self.as_parent(), topic.as_ref(), message).await
            }

            /// Makes this event the parent of what `future` dispatches, wherever it is polled.
            ///
            /// Use it for tasks that a handler spawns. A wait in such a task is the task's, not the
            /// handler's (R14): it raises nothing, and the handler lends nothing meanwhile. A
            /// handler that joins a task which awaits a child on the same serial bus waits until
            /// its limit, and the cycle is not detected. Run the child
            /// [`parallel`](EventBuilder::parallel), or await it in the handler.
            ///
            /// ```
            /// use busway::{Event, EventHandle};
            ///
            /// #[derive(Event)]
            /// struct Crawl;
            ///
            /// #[derive(Event)]
            /// struct Page(u32);
            ///
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
            /// # async fn main() -> Result<(), busway::BoxError> {
            /// let bus = busway::bus("main");
            /// bus.on(|crawl: EventHandle<Crawl>| async move {
            ///     let bus = crawl.bus().ok_or("the bus is gone")?;
            ///     let task = crawl.scope(async move { bus.dispatch(Page(1)).map(drop) });
            ///     tokio::spawn(task).await??;
            ///     busway::ok(())
            /// });
            /// let crawl = bus.run(Crawl).await?;
            /// assert_eq!(crawl.children().len(), 1);
            /// # Ok(()) }
            /// ```
            pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
                Scope::below(future, self.parent_ref(), self.hub().clone())
            }

            /// Makes waits on this handle the invocation's.
            pub(crate) fn claimed(mut self, claim: Claim) -> Self {
                self.claim = claim;
                self
            }

            #[inline]
            pub(crate) fn in_handler(
                record: $record,
                bus: &Arc<BusShared>,
                by: InvocationKey,
            ) -> Self {
                let seen = Vantage::inside(record.head(), bus, by);
                Self { record, seen, claim: Claim::of(Some(by)) }
            }

            /// The bus the handle belongs to; `None` once the bus is gone.
            pub(crate) fn place(&self) -> Option<BusRef<'_>> {
                self.seen.bus(self.record.head())
            }

            /// The hub of all buses that the event reaches.
            pub(crate) fn hub(&self) -> &Arc<HubShared> {
                &self.record.head().bus.hub
            }

            /// The options that make an event a child of this one.
            pub(crate) fn as_parent(&self) -> Options {
                Options::child_of(self.parent_ref(), self.claim)
            }

            pub(crate) fn parent_ref(&self) -> ParentRef {
                ParentRef::of(self.record.head(), self.seen)
            }
        }
    )*};
}

for_both_handles! {
    [E: Event] EventHandle<E>, Arc<Record<E>>, Wait<E>;
    [] AnyEvent, Arc<dyn Erased>, AnyWait;
}
