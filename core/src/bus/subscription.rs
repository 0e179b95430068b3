//! Registrations as values (R2, R4).

use alloc::string::{String, ToString};
use alloc::sync::{Arc, Weak};
use core::fmt;

use super::EventBus;
use super::any::AnyEvent;
use super::error::{ForwardError, HandlerError};
use super::guard;
use super::handle::EventHandle;
use super::handler::{Callable, Handler, Typed, Untyped};
use super::handler_name::HandlerName;
use super::retried::HandlerRetry;
use super::shared::BusShared;
use super::watch::Wanted;
use crate::event::Event;
use crate::machine::{Action, HandlerInfo, HandlerKey, Limit};
use crate::retry::{RetryOn, RetryPolicy};

impl EventBus {
    /// Forwards events of a name, or `*` for all, to another bus of the hub (R17). One event then
    /// runs on both buses and completes when both are done. It is sent on when the forward's turn among
    /// its handlers comes (R1): that of `*` after all others, unless they run in parallel. An event that
    /// is done with its first value ([`first`](super::EventBuilder::first)), or is ended by a deadline or
    /// cancelled, before that is not sent on.
    ///
    /// The forward neither keeps the target alive nor ends with it. Once the last [`EventBus`] of
    /// the target is dropped, or the target is stopped, each event has a failure for it among its
    /// results. Keep the target and stop the source first, or both with
    /// [`Hub::stop`](super::Hub::stop), or end the forward with [`off`](Subscription::off).
    ///
    /// # Errors
    /// The buses belong to different hubs.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{AnyEvent, Event};
    ///
    /// #[derive(Event)]
    /// struct Login;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let hub = busway::hub();
    /// let (main, audit) = (hub.bus("main").build(), hub.bus("audit").build());
    /// audit.on_any(|event: AnyEvent| println!("{}", event.event_type()));
    /// main.forward("*", &audit)?;
    ///
    /// let login = main.run(Login).await?;
    /// assert_eq!(login.path(), ["main", "audit"]);
    /// # Ok(()) }
    /// ```
    pub fn forward(&self, name: &str, target: &Self) -> Result<Subscription, ForwardError> {
        forward(&self.shared, name, &target.shared)
    }
}

/// A registered handler. Dropping it keeps the registration; [`off`](Self::off) ends it.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// struct Ping;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// let subscription = bus.on(|_: EventHandle<Ping>| {});
/// assert_eq!(bus.run(Ping).await?.results().len(), 1);
///
/// subscription.off();
/// assert_eq!(bus.run(Ping).await?.results().len(), 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Subscription {
    bus: Weak<BusShared>,
    info: Arc<HandlerInfo>,
}

impl Subscription {
    /// The subscription of a registration; without `info`, one that has already ended.
    pub(crate) fn of(bus: &Arc<BusShared>, info: Option<Arc<HandlerInfo>>, name: &str) -> Self {
        let info = info.unwrap_or_else(|| Arc::new(HandlerInfo::of_nobody(name, bus.key)));
        Self { bus: Arc::downgrade(bus), info }
    }

    /// Ends the registration. Events that have started keep the handler. A second call does nothing.
    pub fn off(&self) {
        if let Some(bus) = self.bus.upgrade() {
            let handler = bus.hub.input(|hub| hub.books.off(self.info.key));
            // The handler is the user's: it is dropped here, outside the lock.
            guard::discard(handler);
        }
    }

    /// Turns the subscription into a guard that ends the registration when dropped.
    #[must_use = "dropping the guard ends the registration"]
    pub const fn guard(self) -> SubscriptionGuard {
        SubscriptionGuard(self)
    }

    /// Returns the id of the registration. Each registration has its own.
    #[must_use]
    pub fn id(&self) -> HandlerKey {
        self.info.key
    }

    /// Returns the handler's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id()).field("name", &self.name()).finish()
    }
}

/// Ends a handler's registration when dropped.
///
/// ```
/// use busway::{Event, EventHandle};
///
/// #[derive(Event)]
/// struct Ping;
///
/// let bus = busway::bus("main");
/// {
///     let _guard = bus.on(|_: EventHandle<Ping>| {}).guard();
///     assert_eq!(bus.handler_count(), 1);
/// }
/// assert_eq!(bus.handler_count(), 0);
/// ```
#[derive(Debug)]
pub struct SubscriptionGuard(Subscription);

impl SubscriptionGuard {
    /// Returns the registration.
    #[must_use]
    pub const fn subscription(&self) -> &Subscription {
        &self.0
    }
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        self.0.off();
    }
}

/// A handler with options, before it is registered. Made by
/// [`EventBus::handler`](super::EventBus::handler) and its siblings.
///
/// ```
/// use busway::{Event, EventHandle};
/// use std::time::Duration;
///
/// #[derive(Event)]
/// struct Fetch;
///
/// async fn fetch(_: EventHandle<Fetch>) {
///     tokio::time::sleep(Duration::from_secs(10)).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.handler(fetch).named("slow").limit(Duration::from_secs(2)).register();
/// let error = bus.run(Fetch).await?.check().unwrap_err();
/// assert_eq!(error.to_string(), "handler slow failed: timed out after 2s");
/// # Ok(()) }
/// ```
#[must_use = "the handler is not registered yet"]
pub struct HandlerBuilder<'a> {
    bus: &'a Arc<BusShared>,
    callable: Arc<dyn Callable>,
    wanted: Wanted,
    name: HandlerName,
    limit: Limit,
    retry: Option<HandlerRetry>,
    shares_name: bool,
}

impl<'a> HandlerBuilder<'a> {
    #[track_caller]
    pub(crate) fn typed<E: Event, M: 'static, F: Handler<EventHandle<E>, M>>(
        bus: &'a Arc<BusShared>,
        handler: F,
    ) -> Self {
        let callable = Arc::new(Typed::<E, M, F>::new(handler));
        let builder = Self::new(bus, callable, Wanted::typed::<E>(), HandlerName::of::<F>());
        Self { shares_name: E::SHARES_NAME, ..builder }
    }

    #[track_caller]
    pub(crate) fn named_pattern<M: 'static, F: Handler<AnyEvent, M>>(
        bus: &'a Arc<BusShared>,
        pattern: &str,
        handler: F,
    ) -> Self {
        let callable = Arc::new(Untyped::<M, F>::new(handler));
        Self::new(bus, callable, Wanted::named(pattern), HandlerName::of::<F>())
    }

    fn new(
        bus: &'a Arc<BusShared>,
        callable: Arc<dyn Callable>,
        wanted: Wanted,
        name: HandlerName,
    ) -> Self {
        let (limit, retry, shares_name) = (Limit::Inherit, None, false);
        Self { bus, callable, wanted, name, limit, retry, shares_name }
    }

    /// Sets the name used in results and logs. The default is the function's name, `Type::method` for a
    /// method. A closure is named after the function that contains it and the line that registers it, as
    /// in `main:42`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = HandlerName::given(name.into());
        self
    }

    /// Limits how long each invocation may take (R22), in place of the bus's limit. If the event has
    /// a limit of its own, the smaller one holds. Zero is no limit.
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.limit = limit.into();
        self
    }

    /// Retries the handler when it fails, and sets how many of it may run at a time (R45, R46).
    ///
    /// All tries are one invocation, which holds its place on the bus meanwhile. It lends that place
    /// while it waits for a slot, as it does while it awaits an event. Its [`limit`](Self::limit),
    /// 60 s unless set, covers the wait for a slot, the tries and the pauses together, and ends them
    /// all. The policy's own `timeout` applies to each try; the events that a try was awaiting when
    /// it passed are aborted with it (R23). Events that a try dispatched and did not await go on,
    /// and the next try dispatches anew. A handler that panics is not retried, nor is one that
    /// answers with a value of the wrong type.
    ///
    /// The last try's outcome is the handler's result; if the limit ended the tries, even in a pause,
    /// that is the outcome. [`EventResult::tries`](super::EventResult::tries) is the number of tries,
    /// which is 0 if there was no slot.
    ///
    /// ```
    /// use busway::{Event, EventHandle, Retry};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Fetch;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let policy = Retry::new().retries(2).wait(Duration::from_secs(1));
    /// bus.handler(|_: EventHandle<Fetch>| Err::<(), _>("down")).retry(policy).register();
    /// let results = bus.run(Fetch).await?.results();
    /// assert_eq!(results[0].tries(), 3);
    /// let error = results[0].error().expect("all tries failed");
    /// assert_eq!(error.to_string(), "gave up after 3 tries over 2s: down");
    /// # Ok(()) }
    /// ```
    ///
    /// The predicate is given a [`HandlerError`]. The handler's own error is in it, and
    /// [`HandlerError::downcast_ref`] finds it:
    ///
    /// ```
    /// # use busway_core::{Event, EventBus, EventHandle, HandlerError, Retry};
    /// # use std::io;
    /// # struct Fetch;
    /// # impl Event for Fetch { type Output = (); const NAME: &'static str = "Fetch"; }
    /// # async fn fetch(_: EventHandle<Fetch>) -> io::Result<()> { Ok(()) }
    /// # fn example(bus: EventBus) {
    /// let policy = Retry::new().retry_on(|error: &HandlerError| {
    ///     let error = error.downcast_ref::<io::Error>();
    ///     error.is_some_and(|error| error.kind() != io::ErrorKind::NotFound)
    /// });
    /// bus.handler(fetch).retry(policy).register();
    /// # }
    /// ```
    ///
    /// If a handler returns a [`BoxError`](crate::BoxError), the type within the box is matched.
    /// (`anyhow` hides it when it becomes such a box: return an error of your own.) A policy whose
    /// predicate takes `&io::Error` itself is one for functions.
    pub fn retry<On, R>(mut self, policy: RetryPolicy<On, R>) -> Self
    where
        On: RetryOn<HandlerError> + Send + Sync + 'static,
    {
        self.retry = Some(HandlerRetry::new(policy));
        self
    }

    /// Registers the handler. It sees the events that start from now on; a bus that has ended has none.
    pub fn register(self) -> Subscription {
        let Self { bus, callable, wanted, name, limit, retry, shares_name } = self;
        let shown = name.to_string();
        let callable = match retry {
            Some(retry) => retry.around(callable, &name.function),
            None => callable,
        };
        let (pattern, action) = (wanted.pattern(), Action::Call(callable));
        let registered = bus.hub.input(|hub| {
            let registered = hub.books.on(bus.key, pattern, &shown, limit, action);
            if let Some(info) = registered.as_ref().ok().filter(|_| shares_name) {
                hub.books.expect_other_types(info.key);
            }
            registered
        });
        // A refused handler is dropped here, outside the lock.
        let info =
            registered.unwrap_or_else(|_refused| Arc::new(HandlerInfo::of_nobody(&shown, bus.key)));
        Subscription { bus: Arc::downgrade(bus), info }
    }
}

impl fmt::Debug for HandlerBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBuilder")
            .field("name", &format_args!("{}", self.name))
            .finish_non_exhaustive()
    }
}

/// Only buses of one hub can forward to each other (R17).
pub(crate) fn check_hubs(bus: &BusShared, target: &BusShared) -> Result<(), ForwardError> {
    if bus.hub.address() == target.hub.address() {
        return Ok(());
    }
    Err(ForwardError::DifferentHubs { from: bus.name(), to: target.name() })
}

/// Registers a forward as a handler named after its target.
pub(crate) fn forward(
    bus: &Arc<BusShared>,
    name: &str,
    target: &BusShared,
) -> Result<Subscription, ForwardError> {
    check_hubs(bus, target)?;
    let wanted = Wanted::named(name);
    let registered = bus.hub.input(|hub| {
        let named = hub.books.bus_name(target.key).cloned().unwrap_or_default();
        hub.books.on(bus.key, wanted.pattern(), &named, Limit::Inherit, Action::Forward(target.key))
    });
    Ok(Subscription::of(bus, registered.ok(), ""))
}
