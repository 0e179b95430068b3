//! Consumers of addresses and listeners of topics (R35, R38, R39).

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::TypeId;
use core::marker::PhantomData;

use super::EventBus;
use super::guard;
use super::handle::EventHandle;
use super::handler::{Callable, FirstPoll, Started};
use super::handler_future::Answering;
use super::handler_name::HandlerName;
use super::message::{Envelope, Message, body_type};
use super::record::{Erased, downcast};
use super::request::ReplyCell;
use super::shared::BusShared;
use super::subscription::Subscription;
use super::value::{BoxError, Verdict};
use crate::machine::{Address as To, AddressRefused, InvocationKey};

/// An address with the types of its requests and responses. [`address!`](crate::address) declares
/// one in a line.
pub trait Address: 'static {
    /// The type of its requests.
    type Request: Send + Sync + 'static;
    /// The type of its consumer's answers.
    type Response: Send + 'static;
    /// The address as a string.
    const NAME: &'static str;
}

/// Declares one or more typed [`Address`]es.
///
/// ```
/// use busway_core::Address;
///
/// busway_core::address! {
///     /// Finds a user's name by its number.
///     pub FindUser: "user.find", u64 => Option<String>;
/// }
/// assert_eq!(FindUser::NAME, "user.find");
/// ```
#[macro_export]
macro_rules! address {
    ($($(#[$meta:meta])* $vis:vis $name:ident: $address:literal, $request:ty => $response:ty;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;

        impl $crate::Address for $name {
            type Request = $request;
            type Response = $response;
            const NAME: &'static str = $address;
        }
    )+};
}

/// What a consumer may return for a response of type `R`: the response, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a consumer that answers with `{R}` cannot return `{Self}`",
    note = "it may return `{R}` or `Result<{R}, E>`"
)]
pub trait IntoResponse<R> {
    /// Returns the response, or why there is none.
    ///
    /// # Errors
    /// The consumer's own error.
    fn into_response(self) -> Result<R, BoxError>;
}

impl<R> IntoResponse<R> for R {
    fn into_response(self) -> Result<R, BoxError> {
        Ok(self)
    }
}

impl<R, E: Into<BoxError>> IntoResponse<R> for Result<R, E> {
    fn into_response(self) -> Result<R, BoxError> {
        self.map_err(E::into)
    }
}

/// The address already has a consumer (R35).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// An address has one consumer at a time.
    #[error("the address {address} already has a consumer")]
    AlreadyRegistered {
        /// The address.
        address: String,
    },
}

impl EventBus {
    /// Registers the consumer of an address, an async function that returns a `Result`. (That of a typed
    /// address may return the bare value, see [`serve`](Self::serve).) It answers each
    /// [request](Self::request) to the address at once, whatever the bus is doing. Its subscription's
    /// `off` lets requests in flight finish.
    ///
    /// # Errors
    /// The address already has a consumer.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{ConsumerError, Message};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let count = |text: Message<String>| async move { busway::ok(text.len()) };
    /// bus.consumer("text.length", count)?;
    /// let length: usize = bus.request("text.length", String::from("four")).await?;
    /// assert_eq!(length, 4);
    ///
    /// let second = bus.consumer("text.length", count);
    /// assert!(matches!(second, Err(ConsumerError::AlreadyRegistered { .. })));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn consumer<B, R, E, Fut>(
        &self,
        address: impl AsRef<str>,
        handler: impl Fn(Message<B>) -> Fut + Send + Sync + 'static,
    ) -> Result<Subscription, ConsumerError>
    where
        B: Send + Sync + 'static,
        R: Send + 'static,
        E: Into<BoxError> + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        consume::<B, R, Result<R, E>, Fut>(&self.shared, address.as_ref(), handler)
    }

    /// Like [`consumer`](Self::consumer), for a typed address.
    ///
    /// # Errors
    /// The address already has a consumer.
    ///
    /// # Examples
    ///
    /// ```
    /// busway::address! {
    ///     /// Finds a user's name by its number.
    ///     FindUser: "user.find", u64 => Option<String>;
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.serve(FindUser, |id| async move { (*id == 7).then(|| String::from("Ann")) })?;
    /// assert_eq!(bus.call(FindUser, 7).await?.as_deref(), Some("Ann"));
    /// assert_eq!(bus.call(FindUser, 8).await?, None);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn serve<A, O, Fut>(
        &self,
        _address: A,
        handler: impl Fn(Message<A::Request>) -> Fut + Send + Sync + 'static,
    ) -> Result<Subscription, ConsumerError>
    where
        A: Address,
        O: IntoResponse<A::Response> + 'static,
        Fut: Future<Output = O> + Send + 'static,
    {
        consume::<A::Request, A::Response, O, Fut>(&self.shared, A::NAME, handler)
    }

    /// Registers a listener of a topic. It receives every value [published](Self::publish) there,
    /// and returns nothing, or a `Result` of that.
    ///
    /// ```
    /// use busway::Message;
    /// use std::sync::mpsc;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// let (tell, told) = mpsc::channel();
    /// bus.subscribe("prices", move |price: Message<u32>| {
    ///     let _ = tell.send(*price);
    ///     async {}
    /// });
    /// bus.publish("prices", 12u32).await?;
    /// assert_eq!(told.recv()?, 12);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn subscribe<B, O, Fut>(
        &self,
        topic: impl AsRef<str>,
        listener: impl Fn(Message<B>) -> Fut + Send + Sync + 'static,
    ) -> Subscription
    where
        B: Send + Sync + 'static,
        O: IntoResponse<()> + 'static,
        Fut: Future<Output = O> + Send + 'static,
    {
        let (topic, name) = (topic.as_ref(), name_of(&listener));
        let call = Call::<B, (), O, _>::new(listener);
        let registered = self.shared.hub.input(|hub| {
            hub.books.on_address(self.shared.key, To::Topic(topic), &name, Arc::new(call))
        });
        Subscription::of(&self.shared, registered.ok(), &name)
    }

    /// Returns the addresses that have a consumer, in order.
    #[must_use]
    pub fn consumers(&self) -> Vec<String> {
        let names = self.shared.hub.lock().books.consumers(self.shared.key);
        names.iter().map(|name| (**name).to_owned()).collect()
    }

    /// Returns the names of a topic's listeners, in order of registration.
    #[must_use]
    pub fn listeners(&self, topic: &str) -> Vec<String> {
        let hub = self.shared.hub.lock();
        let listeners = hub.books.at_address(self.shared.key, To::Topic(topic));
        listeners.iter().map(|listener| (*listener.info.name).to_owned()).collect()
    }

    /// Removes the consumer of an address; requests in flight finish. Returns `false` if there is none.
    pub fn unregister(&self, address: &str) -> bool {
        let removed = self.shared.hub.input(|hub| {
            let consumer = hub.books.at_address(self.shared.key, To::Consumer(address)).first();
            let key = consumer.map(|consumer| consumer.info.key);
            key.and_then(|key| hub.books.off(key))
        });
        let was_there = removed.is_some();
        guard::discard(removed);
        was_there
    }
}

#[track_caller]
fn consume<B, R, O, Fut>(
    bus: &Arc<BusShared>,
    address: &str,
    handler: impl Fn(Message<B>) -> Fut + Send + Sync + 'static,
) -> Result<Subscription, ConsumerError>
where
    B: Send + Sync + 'static,
    R: Send + 'static,
    O: IntoResponse<R> + 'static,
    Fut: Future<Output = O> + Send + 'static,
{
    let name = name_of(&handler);
    let call: Arc<dyn Callable> = Arc::new(Call::<B, R, O, _>::new(handler));
    let registered =
        bus.hub.input(|hub| hub.books.on_address(bus.key, To::Consumer(address), &name, call));
    match registered {
        Ok(info) => Ok(Subscription::of(bus, Some(info), &name)),
        Err(AddressRefused::AlreadyRegistered(_)) => {
            Err(ConsumerError::AlreadyRegistered { address: address.into() })
        }
        Err(AddressRefused::BusGone(_)) => Ok(Subscription::of(bus, None, &name)),
    }
}

#[track_caller]
fn name_of<F>(_: &F) -> String {
    HandlerName::of::<F>().to_string()
}

/// A consumer or listener with its types erased.
struct Call<B, R, O, F>(F, PhantomData<fn(B) -> (R, O)>);

impl<B, R, O, F> Call<B, R, O, F> {
    const fn new(handler: F) -> Self {
        Self(handler, PhantomData)
    }
}

/// The types a consumer takes and returns, for its callers.
#[derive(Clone, Copy)]
pub(crate) struct Speaks {
    pub(crate) body: (TypeId, &'static str),
    pub(crate) reply: (TypeId, &'static str),
}

impl Speaks {
    pub(crate) fn of<B: 'static, R: 'static>() -> Self {
        let body = (TypeId::of::<B>(), core::any::type_name::<B>());
        Self { body, reply: (TypeId::of::<R>(), core::any::type_name::<R>()) }
    }
}

impl<B, R, O, F, Fut> Callable for Call<B, R, O, F>
where
    B: Send + Sync + 'static,
    R: Send + 'static,
    O: IntoResponse<R> + 'static,
    F: Fn(Message<B>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
{
    fn call(
        &self,
        event: Arc<dyn Erased>,
        bus: &Arc<BusShared>,
        by: InvocationKey,
        first: FirstPoll<'_, '_>,
    ) -> Started {
        let envelope = event.type_name();
        let Some(record) = downcast::<Envelope<B>>(event) else {
            // A value of another type was published on a listener's topic.
            let (takes, got) = (core::any::type_name::<B>(), body_type(envelope));
            let error = alloc::format!("the listener takes values of type {takes}, not {got}");
            return first.ended(Verdict::failed(error));
        };
        let handle = EventHandle::in_handler(record, bus, by);
        let verdict = |answer: O| match answer.into_response() {
            Ok(reply) => Verdict::value(ReplyCell::new(reply)),
            Err(error) => Verdict::failed(error),
        };
        Started::new(|| Answering::new(self.0(Message { handle }), verdict), first)
    }

    fn speaks(&self) -> Option<Speaks> {
        Some(Speaks::of::<B, R>())
    }
}
