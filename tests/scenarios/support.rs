//! Small helpers that many bodies need.

use std::sync::{Arc, Mutex};

use busway::{Event, EventBusBuilder, EventHandle, WaitError, Warning};
use futures_util::future::{BoxFuture, try_join_all};
use tokio::sync::Semaphore;

/// What happened, in order.
pub(crate) struct Log<T = String>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn push(&self, item: impl Into<T>) {
        self.0.lock().unwrap().push(item.into());
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl<T: Clone> Log<T> {
    pub(crate) fn items(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Holds its waiters back until it is opened.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.add_permits(1);
    }

    pub(crate) async fn pass(&self) {
        let _ = self.0.acquire().await;
    }

    /// A handler that only waits for the gate.
    pub(crate) fn holds<E: Event>(
        &self,
    ) -> impl Fn(EventHandle<E>) -> BoxFuture<'static, ()> + Send + Sync + 'static {
        let gate = self.clone();
        move |_| {
            let gate = gate.clone();
            Box::pin(async move { gate.pass().await })
        }
    }
}

/// Collects the warnings of a bus separately.
pub(crate) fn collecting(builder: EventBusBuilder) -> (EventBusBuilder, Log) {
    let warnings = Log::new();
    let heard = warnings.clone();
    (builder.on_warning(move |warning: &Warning| heard.push(warning.to_string())), warnings)
}

/// Counts live holders: each has a clone.
#[derive(Clone, Default)]
pub(crate) struct Alive(Arc<()>);

impl Alive {
    /// The number of other holders.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Waits for all of them.
pub(crate) async fn all<E: Event>(
    events: impl IntoIterator<Item = EventHandle<E>>,
) -> Result<Vec<EventHandle<E>>, WaitError> {
    // A handle is not a future itself, but can be turned into one.
    try_join_all(events.into_iter().map(IntoFuture::into_future)).await
}
