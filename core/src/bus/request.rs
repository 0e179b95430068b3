//! Requests that wait for a reply (R36).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::time::Duration;

use super::EventBus;
use super::address::{Address, Speaks};
use super::context::Claim;
use super::error::{HandlerError, WaitError};
use super::message::{self, Envelope, Headers};
use super::record::Head;
use super::results::error_of;
use super::send::{NotSent, Options, Parentage};
use super::share;
use super::shared::BusShared;
use super::value::Answer;
use super::vantage::BusRef;
use crate::machine::{Action, Address as To, Cause, Limit, Outcome, Overrides, Refusal, Retries};
use crate::runtime::NoRuntime;
use crate::sync::Mutex;

/// How a request is delivered (R36).
///
/// ```
/// use busway::{DeliveryOptions, Message, RequestError};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.consumer("echo", |text: Message<&'static str>| async move {
///     tokio::time::sleep(Duration::from_secs(10)).await;
///     busway::ok(*text.body())
/// })?;
/// let mut options = DeliveryOptions::default();
/// options.timeout = Some(Duration::from_secs(2));
/// options.retries = 1;
/// let echo = bus.request::<_, &'static str>("echo", "hello").options(options).await;
/// assert!(matches!(echo, Err(RequestError::TimedOut { .. }))); // after 2 tries of 2 s
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeliveryOptions {
    /// How long each try may take. The default is 30 s; `None` allows any time, zero only an answer
    /// given at once.
    pub timeout: Option<Duration>,
    /// How often the consumer is retried when it fails, panics or exceeds its time. The default is none:
    /// then the caller learns of it at once.
    pub retries: u32,
    /// The pause between two tries.
    pub wait: Duration,
    /// Headers of the message.
    pub headers: Headers,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        let timeout = Some(Duration::from_secs(30));
        Self { timeout, retries: 0, wait: Duration::ZERO, headers: Headers::new() }
    }
}

/// A request that has not been sent: await it for the reply. Made by [`EventBus::request`] and
/// [`EventBus::call`].
///
/// ```
/// use busway::{Message, RequestError};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// let echo = bus.request::<_, &'static str>("echo", "hello").await;
/// assert!(matches!(echo, Err(RequestError::NotFound { .. })));
///
/// bus.consumer("echo", |text: Message<&'static str>| async move { busway::ok(*text.body()) })?;
/// let echo = bus.request("echo", "hello").timeout(Duration::from_secs(2));
/// let text: &str = echo.await?;
/// assert_eq!(text, "hello");
/// # Ok(()) }
/// ```
#[must_use = "a request is sent when it is awaited"]
pub struct Request<B, R> {
    /// `None` once the bus is gone.
    bus: Option<Arc<BusShared>>,
    parentage: Parentage,
    claim: Claim,
    address: Arc<str>,
    body: B,
    options: DeliveryOptions,
    reply: PhantomData<fn() -> R>,
}

/// A request got no reply.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The address has no consumer.
    NotFound {
        /// The address.
        address: String,
    },
    /// The consumer did not answer in time in its last, or only, try, and was dropped.
    TimedOut {
        /// The address.
        address: String,
        /// How long each try had.
        limit: Duration,
    },
    /// The consumer failed or panicked. The source is its own error, if it returned one.
    Failed {
        /// The address.
        address: String,
        /// How the last try failed.
        source: HandlerError,
    },
    /// The consumer takes or gives other types.
    TypeMismatch {
        /// The address.
        address: String,
        /// What the consumer takes and gives.
        consumer: (&'static str, &'static str),
        /// What the request sends and expects.
        request: (&'static str, &'static str),
    },
    /// The consumer was ended before it answered.
    Ended {
        /// The address.
        address: String,
        /// Why.
        cause: Cause,
    },
    /// The reply can never come: the consumer depends on the handler that sent the request (R15).
    Deadlock {
        /// The address.
        address: String,
        /// The cycle.
        source: WaitError,
    },
    /// The bus is stopped.
    Stopped {
        /// The address.
        address: String,
    },
    /// Requests within requests would be too deep (R18).
    TooDeep {
        /// The address.
        address: String,
        /// The deepest level allowed.
        limit: u32,
    },
    /// There is no async runtime yet to drive the bus.
    NoRuntime(NoRuntime),
}

impl EventBus {
    /// Returns a request to the consumer of an address. It is sent when it is awaited, and resolves to the
    /// reply.
    ///
    /// Requests run at once, alongside the events of the bus and each other. Inside a handler, a
    /// request is a child of that handler's event. It does not keep the bus alive: after the last
    /// `EventBus` is dropped, it fails with [`RequestError::Stopped`].
    ///
    /// ```
    /// # use busway_core::{EventBus, Message, RequestError};
    /// # async fn example(bus: EventBus) -> Result<(), RequestError> {
    /// let length: usize = bus.request("text.length", String::from("four")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request<B, R>(&self, address: impl AsRef<str>, body: B) -> Request<B, R>
    where
        B: Send + Sync + 'static,
        R: Send + 'static,
    {
        Request::new(Some(self.shared.clone()), Parentage::Ambient, address.as_ref(), body)
    }

    /// Returns a request to the consumer of a typed address. It is sent when it is awaited.
    ///
    /// ```
    /// use busway::RequestError;
    ///
    /// busway::address! {
    ///     Divide: "divide", (u32, u32) => u32;
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.serve(Divide, |of| async move { of.0.checked_div(of.1).ok_or("division by zero") })?;
    /// assert_eq!(bus.call(Divide, (6, 3)).await?, 2);
    ///
    /// let error = bus.call(Divide, (6, 0)).await.unwrap_err();
    /// assert_eq!(error.to_string(), "request to divide failed: division by zero");
    /// assert!(matches!(error, RequestError::Failed { .. }));
    /// # Ok(()) }
    /// ```
    pub fn call<A: Address>(
        &self,
        _address: A,
        body: A::Request,
    ) -> Request<A::Request, A::Response> {
        self.request(A::NAME, body)
    }
}

impl<B: Send + Sync + 'static, R: Send + 'static> Request<B, R> {
    fn new(bus: Option<Arc<BusShared>>, parentage: Parentage, address: &str, body: B) -> Self {
        let (options, claim) = (DeliveryOptions::default(), Claim::default());
        Self { bus, parentage, claim, address: address.into(), body, options, reply: PhantomData }
    }

    /// A request that is a child of an event.
    pub(crate) fn within(bus: Option<BusRef<'_>>, parent: Options, address: &str, body: B) -> Self {
        let bus = bus.map(|bus| bus.clone());
        Self { claim: parent.claim, ..Self::new(bus, parent.parentage, address, body) }
    }

    /// Sets how the request is delivered.
    pub fn options(mut self, options: DeliveryOptions) -> Self {
        self.options = options;
        self
    }

    /// Limits how long each try of the consumer may take. The reply comes only when what the
    /// consumer dispatched is done too (R16): detach what need not be waited for.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.timeout = limit.into();
        self
    }

    /// Sets how often the consumer is retried when it fails or exceeds its time, and the pause
    /// before each retry.
    pub fn retries(mut self, retries: u32, wait: Duration) -> Self {
        (self.options.retries, self.options.wait) = (retries, wait);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.headers.insert(name.into(), value.into());
        self
    }

    /// Sends the request and waits for the reply; awaiting the request does the same.
    ///
    /// # Errors
    /// See [`RequestError`].
    ///
    /// # Cancel safety
    /// Nothing is sent before the first poll. After that, dropping it ends the wait; the consumer
    /// goes on.
    pub async fn send(self) -> Result<R, RequestError> {
        let Self { bus, parentage, claim, address, body, options, .. } = self;
        let Some(bus) = bus else {
            return Err(RequestError::Stopped { address: String::from(&*address) });
        };
        let DeliveryOptions { timeout, retries, wait, headers } = options;
        // A timeout of zero is a timeout, but a limit of zero is none (R22).
        let limit = timeout.map(|timeout| timeout.max(Duration::from_nanos(1)));
        let overrides = Overrides {
            limit: limit.map_or(Limit::Off, Limit::After),
            retries: (retries > 0).then(|| Retries::new(retries, wait)),
            ..Overrides::default()
        };
        let envelope = Envelope { address: address.clone(), headers, body };
        let options = Options {
            parentage,
            claim,
            overrides: Some(Box::new(overrides)),
            ..Options::default()
        };
        let mut other = None;
        let sent = bus.send_and_help(envelope, options, |hub, offer, now| {
            let to = To::Consumer(&address);
            let speaks = hub.books.at_address(bus.key, to).first().and_then(|consumer| {
                let Action::Call(call) = &consumer.action else { return None };
                call.speaks()
            });
            let wanted = Speaks::of::<B, R>();
            other = speaks.filter(|it| it.body.0 != wanted.body.0 || it.reply.0 != wanted.reply.0);
            match other {
                Some(_) => Err(Refusal::NotFound),
                None => hub.books.offer_to(bus.key, to, offer, now),
            }
        });
        let handle = match sent {
            Ok(handle) => handle,
            Err((_, reason)) => {
                // The consumer may come later, and the caller try again at once.
                share::give_way().await;
                return Err(not_sent::<B, R>(&address, reason, other));
            }
        };
        let handle = handle.helped().await.map_err(|source| {
            let address = String::from(&*address);
            RequestError::Deadlock { address, source }
        })?;
        reply(&address, timeout, &handle.record.head)
    }
}

fn not_sent<B: 'static, R: 'static>(
    address: &str,
    reason: NotSent,
    other: Option<Speaks>,
) -> RequestError {
    let address = String::from(address);
    match (reason, other) {
        (_, Some(consumer)) => {
            let request = Speaks::of::<B, R>();
            let consumer = (consumer.body.1, consumer.reply.1);
            let request = (request.body.1, request.reply.1);
            RequestError::TypeMismatch { address, consumer, request }
        }
        (NotSent::NoRuntime(source), _) => RequestError::NoRuntime(source),
        (NotSent::Refused(Refusal::NotFound), _) => RequestError::NotFound { address },
        (NotSent::Refused(Refusal::TooDeep { limit, .. }), _) => {
            RequestError::TooDeep { address, limit }
        }
        (_, _) => RequestError::Stopped { address },
    }
}

/// Takes the reply out of the results: it belongs to the caller alone.
fn reply<R: Send + 'static>(
    address: &str,
    timeout: Option<Duration>,
    head: &Head,
) -> Result<R, RequestError> {
    let address = String::from(address);
    let row = head.frozen().and_then(|frozen| frozen.rows.iter().next());
    let outcome = row.and_then(|row| row.outcome.as_ref());
    if let Some(Outcome::Value(Answer::Value(value))) = outcome {
        let cell = value.get::<ReplyCell<R>>();
        if let Some(reply) = cell.and_then(ReplyCell::take) {
            return Ok(reply);
        }
    }
    let failed = row.and_then(error_of);
    let cause = head.cause().unwrap_or(Cause::Stopped);
    let Some(source) = failed else { return Err(RequestError::Ended { address, cause }) };
    Err(match *source.last() {
        HandlerError::TimedOut { limit } => {
            RequestError::TimedOut { address, limit: timeout.unwrap_or(limit) }
        }
        HandlerError::Aborted { cause } | HandlerError::Cancelled { cause } => {
            RequestError::Ended { address, cause }
        }
        _ => RequestError::Failed { address, source },
    })
}

/// A reply in transit. It is taken once, so it need not be `Clone`.
pub(crate) struct ReplyCell<R>(Mutex<Option<R>>);

/// The name of the reply's type, from the name of such a cell.
pub(crate) fn reply_type(cell: &str) -> Option<&str> {
    message::parameter(cell, core::any::type_name::<ReplyCell<()>>())
}

impl<R> ReplyCell<R> {
    pub(crate) fn new(reply: R) -> Self {
        Self(Mutex::new(Some(reply)))
    }

    fn take(&self) -> Option<R> {
        self.0.lock().take()
    }
}

impl<B: Send + Sync + 'static, R: Send + 'static> IntoFuture for Request<B, R> {
    type Output = Result<R, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { address } => write!(f, "no consumer for address {address}"),
            Self::TimedOut { address, limit } => {
                write!(f, "request to {address} timed out after {limit:?}")
            }
            Self::Failed { address, source } => write!(f, "request to {address} failed: {source}"),
            Self::TypeMismatch { address, consumer: (takes, gives), request: (sends, expects) } => {
                write!(
                    f,
                    "the consumer of {address} takes {takes} and gives {gives}, \
                     the request sends {sends} and expects {expects}"
                )
            }
            Self::Ended { address, cause } => {
                write!(f, "request to {address} was ended: {cause}")
            }
            Self::Deadlock { address, source } => {
                write!(f, "request to {address} can never be answered: {source}")
            }
            Self::Stopped { address } => write!(f, "request to {address}: the bus is stopped"),
            Self::TooDeep { address, limit } => {
                write!(f, "request to {address} is too deep: at most level {limit} is allowed")
            }
            Self::NoRuntime(source) => source.fmt(f),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { source, .. } => source.source(),
            Self::Deadlock { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl<B, R> fmt::Debug for Request<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("address", &self.address).finish_non_exhaustive()
    }
}
