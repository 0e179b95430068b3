//! What consumers and listeners receive: a body with its address and headers (R37).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::handle::EventHandle;
use crate::event::Event;
use crate::id::EventId;

/// Headers of a message: names and values.
pub type Headers = BTreeMap<String, String>;

/// A request or a published value, as its consumer or listener receives it. Derefs to the body,
/// which is shared, not copied.
///
/// ```
/// use busway::Message;
///
/// async fn greet(name: Message<String>) -> Result<String, busway::BoxError> {
///     let hello = match name.headers().get("language").map(String::as_str) {
///         Some("fr") => "bonjour",
///         _ => "hello",
///     };
///     Ok(format!("{hello} {}", *name))
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.consumer("greet", greet)?;
/// let greeting = bus.request("greet", String::from("Ann")).header("language", "fr");
/// let greeting: String = greeting.await?;
/// assert_eq!(greeting, "bonjour Ann");
/// # Ok(()) }
/// ```
pub struct Message<B> {
    pub(crate) handle: EventHandle<Envelope<B>>,
}

/// The payload of an event that carries a message.
pub struct Envelope<B> {
    pub(crate) address: Arc<str>,
    pub(crate) headers: Headers,
    pub(crate) body: B,
}

impl<B: Send + Sync + 'static> Event for Envelope<B> {
    type Output = ();
    const NAME: &'static str = "busway.message";
    const __IS_MESSAGE: bool = true;

    fn label(&self) -> &str {
        &self.address
    }
}

impl<B: Send + Sync + 'static> Message<B> {
    /// Returns the message's id. Each message has its own.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.handle.id()
    }

    /// Returns the address or topic it was sent to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.handle.payload().address
    }

    /// Returns the headers it was sent with.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.handle.payload().headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &B {
        &self.handle.payload().body
    }

    /// Returns the event that carries the message, to dispatch children or ask for times or the bus.
    ///
    /// ```
    /// use busway::{Event, EventHandle, Message};
    ///
    /// #[derive(Event)]
    /// #[event(output = u32)]
    /// struct Price(String);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|price: EventHandle<Price>| price.0.len() as u32);
    /// bus.consumer("price", |item: Message<String>| async move {
    ///     let price = item.event().run(Price(item.body().clone())).await?;
    ///     busway::ok(price.result()?)
    /// })?;
    /// let price: u32 = bus.request("price", String::from("tea")).await?;
    /// assert_eq!(price, 3);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn event(&self) -> &EventHandle<Envelope<B>> {
        &self.handle
    }
}

impl<B: Send + Sync + 'static> Deref for Message<B> {
    type Target = B;

    fn deref(&self) -> &B {
        self.body()
    }
}

impl<B> Clone for Message<B> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl<B: Send + Sync + 'static> fmt::Debug for Message<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id())
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Envelope<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The type of the body, from the name of its envelope.
pub(crate) fn body_type(envelope: &str) -> &str {
    parameter(envelope, core::any::type_name::<Envelope<()>>()).unwrap_or(envelope)
}

/// The parameter of a type, from its name and that of the same with `()`.
pub(crate) fn parameter<'a>(name: &'a str, with_unit: &str) -> Option<&'a str> {
    name.strip_prefix(with_unit.strip_suffix("()>")?)?.strip_suffix('>')
}
