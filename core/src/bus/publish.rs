//! Values published to the listeners of a topic (R38).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::EventBus;
use super::error::{HandlerError, WaitError};
use super::message::{Envelope, Headers};
use super::results::EventResult;
use super::send::{NotSent, Options};
use super::shared::BusShared;
use super::vantage::BusRef;
use crate::machine::{Address as To, Refusal};
use crate::runtime::NoRuntime;

impl EventBus {
    /// Publishes a value to every listener of a topic and waits until all are done.
    ///
    /// The listeners run at once, started in order of registration. A topic without listeners is
    /// fine. Listeners that fail, or that take values of another type than `B`, are not an error of
    /// this call: they are in [`Published::failures`].
    ///
    /// # Errors
    /// The bus is stopped, has no runtime yet, or the publication would be too deep; or the wait could
    /// never end, because a listener depends on the handler that publishes ([`PublishError::Deadlock`]).
    ///
    /// # Cancel safety
    /// Nothing is published before the first poll. After that, dropping it only ends the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::Message;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.subscribe("prices", |price: Message<u32>| async move { println!("{}", *price) });
    /// bus.subscribe("prices", |_: Message<u32>| async { Err::<(), _>("not now") });
    /// let published = bus.publish("prices", 12u32).await?;
    /// assert_eq!(published.listeners, 2);
    /// assert_eq!(published.failures[0].1.to_string(), "not now");
    /// # Ok(()) }
    /// ```
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
        let envelope = Envelope { address: topic.as_ref().into(), headers, body: value };
        publish(&self.shared, Options::default(), envelope).await
    }
}

/// Publishes to a topic of this bus, unless it is gone, as a child of an event.
pub(super) async fn publish_below<B: Send + Sync + 'static>(
    bus: Option<BusRef<'_>>,
    parent: Options,
    topic: &str,
    (body, headers): (B, Headers),
) -> Result<Published, PublishError> {
    let bus = bus.ok_or(PublishError::Stopped)?;
    publish(&bus, parent, Envelope { address: topic.into(), headers, body }).await
}

async fn publish<B: Send + Sync + 'static>(
    bus: &Arc<BusShared>,
    options: Options,
    envelope: Envelope<B>,
) -> Result<Published, PublishError> {
    let address = envelope.address.clone();
    // What the machine fills in is allocated outside its lock.
    let options = Options { overrides: Some(Box::default()), ..options };
    let sent = bus.send_and_help(envelope, options, |hub, offer, now| {
        hub.books.offer_to(bus.key, To::Topic(&address), offer, now)
    });
    let handle = sent.map_err(|(_, reason)| match reason {
        NotSent::NoRuntime(source) => PublishError::NoRuntime(source),
        NotSent::Refused(Refusal::TooDeep { limit, .. }) => PublishError::TooDeep { limit },
        _ => PublishError::Stopped,
    })?;
    let handle = handle.helped().await.map_err(PublishError::Deadlock)?;
    Ok(Published::new(&handle.results()))
}

/// What became of a published value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The number of listeners that it was sent to, with those that failed or take another type.
    pub listeners: usize,
    /// The listeners that failed, by name, in order of registration.
    pub failures: Vec<(String, HandlerError)>,
}

impl Published {
    fn new(results: &[EventResult]) -> Self {
        let failure = |row: &EventResult| Some((row.handler_name().into(), row.error()?));
        Self { listeners: results.len(), failures: results.iter().filter_map(failure).collect() }
    }
}

/// A value was not published, or cannot be waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The bus is stopped.
    #[error("the bus is stopped")]
    Stopped,
    /// The publication would be too deep (R18): a listener seems to keep publishing to its own topic.
    #[error("too deep: at most level {limit} is allowed")]
    TooDeep {
        /// The deepest level allowed.
        limit: u32,
    },
    /// The value is published, but the wait could never end.
    #[error(transparent)]
    Deadlock(WaitError),
    /// There is no async runtime yet to drive the bus.
    #[error(transparent)]
    NoRuntime(NoRuntime),
}
