//! What consumers and listeners get: a body with its address and headers (R37).

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

/// A request, or a published value, as its consumer or listener gets it. Derefs to the body, which
/// is shared, not copied.
pub struct Message<B> {
    pub(crate) handle: EventHandle<Envelope<B>>,
}

/// The name of all events that messages travel in.
pub(crate) const MESSAGE: &str = "busway.message";

/// The payload of the event that a message travels in.
pub struct Envelope<B> {
    pub(crate) address: Arc<str>,
    pub(crate) headers: Headers,
    pub(crate) body: B,
}

impl<B: Send + Sync + 'static> Event for Envelope<B> {
    type Output = ();
    const NAME: &'static str = MESSAGE;

    fn label(&self) -> &str {
        &self.address
    }
}

impl<B: Send + Sync + 'static> Message<B> {
    /// The message's id: every one has its own.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.handle.id()
    }

    /// The address or topic it was sent to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.handle.payload().address
    }

    /// The headers it was sent with.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.handle.payload().headers
    }

    /// What was sent.
    #[must_use]
    pub fn body(&self) -> &B {
        &self.handle.payload().body
    }

    /// The event the message travels in: to dispatch children, to ask for times or the bus.
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
