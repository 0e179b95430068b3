//! An event with its own options, before it is dispatched.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::any::AnyEvent;
use super::error::{DispatchError, RunError};
use super::handle::EventHandle;
use super::send::{Options, Parentage};
use super::shared::BusShared;
use super::vantage::BusRef;
use crate::event::Event;
use crate::id::EventId;
use crate::machine::{Completion, Concurrency, HandlerOrder, Limit, Overrides};

/// An event with its own options, before it is dispatched. Made by
/// [`EventBus::event`](super::EventBus::event) and [`EventHandle::event`].
///
/// ```
/// use busway::{Event, EventHandle};
/// use std::time::Duration;
///
/// #[derive(Event)]
/// #[event(output = u32)]
/// struct Add(u32, u32);
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.on(|add: EventHandle<Add>| add.0 + add.1);
/// let sum = bus.event(Add(2, 3)).parallel().deadline(Duration::from_secs(5)).run().await?;
/// assert_eq!(sum.result()?, 5);
/// # Ok(()) }
/// ```
#[must_use = "the event is not dispatched yet"]
pub struct EventBuilder<'a, E> {
    /// `None` once the bus is gone.
    bus: Option<BusRef<'a>>,
    event: E,
    options: Options,
}

impl<'a, E: Event> EventBuilder<'a, E> {
    pub(crate) fn new(bus: &'a Arc<BusShared>, event: E, parentage: Parentage) -> Self {
        Self::with(Some(BusRef::Home(bus)), event, Options { parentage, ..Options::default() })
    }

    /// A builder that starts with these options.
    pub(crate) const fn with(bus: Option<BusRef<'a>>, event: E, options: Options) -> Self {
        Self { bus, event, options }
    }

    /// Makes the event a child of `parent`, wherever it is dispatched. A parent in another hub gives
    /// its id and depth, but does not wait.
    pub fn parent(mut self, parent: impl Into<AnyEvent>) -> Self {
        let parent = parent.into();
        let of = parent.parent_ref();
        let is_here = self.bus.as_ref().is_some_and(|bus| Arc::ptr_eq(&bus.hub, parent.hub()));
        self.options.parentage = Parentage::Of(if is_here { of } else { of.elsewhere() });
        self.options.claim = self.options.claim.or(parent.claim);
        self
    }

    /// Makes it a root event, even inside a handler: no parent waits for it. As one, it needs a place
    /// (`max_pending`), which children do not: a full bus refuses it. Inside a handler
    /// [`dispatch_wait`](Self::dispatch_wait) does not wait for a place either. A bus that is being
    /// stopped with a timeout still accepts it from the handlers of events that have not completed.
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    ///
    /// #[derive(Event)]
    /// struct Order;
    ///
    /// #[derive(Event)]
    /// struct SendMail;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|order: EventHandle<Order>| order.event(SendMail).detached().dispatch().map(drop));
    /// bus.on(|_: EventHandle<SendMail>| tokio::time::sleep(std::time::Duration::from_secs(5)));
    /// let order = bus.run(Order).await?;
    /// assert!(order.check().is_ok() && order.children().is_empty());
    /// assert_eq!(bus.pending(), 1); // the mail
    /// # Ok(()) }
    /// ```
    pub fn detached(mut self) -> Self {
        self.options.parentage = Parentage::Detached(match self.options.parentage {
            Parentage::Ambient => None,
            Parentage::Of(parent) => parent.event,
            Parentage::Detached(by) => by,
        });
        self
    }

    /// Sets the id of an event that already has one, from a journal or another system.
    pub const fn id(mut self, id: EventId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Sets which delivery of the event this is, from 1; a journal records it.
    #[cfg(feature = "journal")]
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.options.attempt = attempt;
        self
    }

    /// Limits how long each invocation for the event may take (R22), in place of the bus's limit. If
    /// the handler has a limit of its own, the smaller one holds. Zero is no limit: what is left of a
    /// budget is a [`deadline`](Self::deadline).
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Fetch;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Fetch>| tokio::time::sleep(Duration::from_secs(10)));
    /// bus.on(|_: EventHandle<Fetch>| {});
    /// let fetch = bus.event(Fetch).limit(Duration::from_secs(2)).run().await?;
    /// let results = fetch.results();
    /// assert_eq!(results[0].error().unwrap().to_string(), "timed out after 2s");
    /// assert!(results[1].error().is_none());
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.overrides().limit = limit.into();
        self
    }

    /// Limits how long the event's own handlers may take together, from now, with the children they
    /// await (R22). After that, what runs of it is aborted, and what has not started is cancelled.
    /// Children that no handler awaits go on, and the event completes after them.
    ///
    /// ```
    /// use busway::{Cause, Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Fetch;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Fetch>| tokio::time::sleep(Duration::from_secs(10)));
    /// bus.on(|_: EventHandle<Fetch>| {});
    /// let fetch = bus.event(Fetch).deadline(Duration::from_secs(2)).run().await?;
    /// assert_eq!(fetch.cause(), Some(Cause::Deadline));
    /// let results = fetch.results();
    /// assert!(results.iter().all(|result| result.error().is_some()));
    /// # Ok(()) }
    /// ```
    pub fn deadline(mut self, after: Duration) -> Self {
        self.options.deadline = Some(after);
        self
    }

    /// Takes no slot of the bus: the event starts as soon as it is at the head of the queue (R10).
    ///
    /// ```
    /// use busway::{Event, EventHandle, EventStatus};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Export;
    ///
    /// #[derive(Event)]
    /// struct Ping;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Export>| tokio::time::sleep(Duration::from_secs(30)));
    /// bus.on(|_: EventHandle<Ping>| {});
    /// let export = bus.dispatch(Export)?;
    /// bus.event(Ping).parallel().run().await?;
    /// assert_eq!(export.status(), EventStatus::Started); // it is still running
    /// # Ok(()) }
    /// ```
    pub fn parallel(self) -> Self {
        self.concurrency(Concurrency::Parallel)
    }

    /// Sets how the event excludes other events.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.overrides().concurrency = Some(concurrency);
        self
    }

    /// Sets how the event's handlers follow each other.
    pub fn handler_order(mut self, order: HandlerOrder) -> Self {
        self.overrides().handler_order = Some(order);
        self
    }

    /// Makes the event done on each bus at the first value that is not none and not an error (R11).
    /// Earlier errors stay in the results, and [`EventHandle::result`] reports them. Handlers whose turn
    /// has not come are cancelled, and forwards are left out.
    ///
    /// ```
    /// use busway::{Cause, Event, EventHandle, HandlerError};
    ///
    /// #[derive(Event)]
    /// #[event(output = &'static str)]
    /// struct Lookup;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Lookup>| async { None::<&'static str> });
    /// bus.on(|_: EventHandle<Lookup>| async { "nearby" });
    /// bus.on(|_: EventHandle<Lookup>| async { "far away" });
    /// let found = bus.event(Lookup).first().run().await?;
    /// assert_eq!(found.result()?, "nearby");
    /// let last = found.results()[2].error();
    /// assert!(matches!(last, Some(HandlerError::Cancelled { cause: Cause::First })));
    /// # Ok(()) }
    /// ```
    pub fn first(self) -> Self {
        self.completion(Completion::First)
    }

    /// Sets when the event is done on each bus: after all its handlers, or at the first value (R11).
    pub fn completion(mut self, completion: Completion) -> Self {
        self.overrides().completion = Some(completion);
        self
    }

    /// Dispatches the event.
    ///
    /// # Errors
    /// If the event is not accepted, the error hands it back.
    pub fn dispatch(self) -> Result<EventHandle<E>, DispatchError<E>> {
        let Self { bus, event, options } = self;
        match bus {
            Some(bus) => bus.dispatch(event, options),
            None => Err(DispatchError::Stopped { event }),
        }
    }

    /// Waits for a place and dispatches the event. Inside a handler of the hub it returns at once,
    /// like [`dispatch`](Self::dispatch).
    ///
    /// # Errors
    /// Those of [`dispatch`](Self::dispatch). A full bus is waited for, unless its capacity is 0, or the
    /// event is a child, which is refused at once beyond `max_pending_children`.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready drops the event without dispatching it.
    pub async fn dispatch_wait(self) -> Result<EventHandle<E>, DispatchError<E>> {
        let Self { bus, event, options } = self;
        match bus {
            Some(bus) => super::permit::dispatch_wait(&bus, event, options).await,
            None => Err(DispatchError::Stopped { event }),
        }
    }

    /// Dispatches the event and waits for its completion.
    ///
    /// # Errors
    /// The event is not accepted, or the wait could never end.
    ///
    /// # Cancel safety
    /// Nothing is dispatched before the first poll. Once it is, dropping the future ends the wait,
    /// not the event.
    pub async fn run(self) -> Result<EventHandle<E>, RunError<E>> {
        let Self { bus, event, options } = self;
        match bus {
            Some(bus) => Ok(bus.dispatch_and_help(event, options)?.helped().await?),
            None => Err(DispatchError::Stopped { event }.into()),
        }
    }

    pub(super) fn overrides(&mut self) -> &mut Overrides {
        self.options.overrides.get_or_insert_default()
    }
}

impl<E> fmt::Debug for EventBuilder<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuilder").finish_non_exhaustive()
    }
}
