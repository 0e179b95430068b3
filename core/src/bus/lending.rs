//! A handler that waits for a slot of a semaphore lends its bus meanwhile (R14, R46).

use alloc::sync::Arc;
use core::future::poll_fn;
use core::pin::pin;

use super::context::{self, Polled};
use super::lineage;
use super::shared::HubShared;
use crate::machine::InvocationKey;

/// An invocation that lends.
pub(crate) struct Lender {
    hub: Arc<HubShared>,
    by: InvocationKey,
}

impl Lender {
    pub(crate) fn new(hub: &Arc<HubShared>, by: InvocationKey) -> Self {
        Self { hub: hub.clone(), by }
    }

    /// The invocation that is being polled on this thread. Without `std` it is unknown.
    pub(crate) fn here() -> Option<Self> {
        let Polled { hub, invocation: by, .. } = context::polling()?;
        Some(Self { hub: lineage::hub(hub)?, by })
    }
}

impl PartialEq for Lender {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.hub, &other.hub) && self.by == other.by
    }
}

/// Waits. From the first poll that is pending until the wait ends or is dropped, the `lender` of the
/// last poll lends.
pub(crate) async fn lending<F: Future>(lender: impl Fn() -> Option<Lender>, wait: F) -> F::Output {
    let mut wait = pin!(wait);
    let mut lent = Lent(None);
    poll_fn(|cx| {
        let polled = wait.as_mut().poll(cx);
        if polled.is_pending() {
            lent.pass_to(lender());
        }
        polled
    })
    .await
}

/// The invocation that lends, until this is dropped.
struct Lent(Option<Lender>);

impl Lent {
    /// A wait belongs to what polls it: it may have left the handler that polled it before.
    fn pass_to(&mut self, lender: Option<Lender>) {
        if self.0 == lender {
            return;
        }
        self.end();
        if let Some(Lender { hub, by }) = &lender {
            hub.input(|hub| hub.books.lend(*by));
        }
        self.0 = lender;
    }

    fn end(&mut self) {
        if let Some(Lender { hub, by }) = self.0.take() {
            hub.input(|hub| hub.books.retake(by));
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.end();
    }
}
