//! The `tracing` span that a bus's handlers run in, whoever polls them: the driver's task, a waiting
//! task that helps, or a task of their own.

use alloc::string::String;

use super::guard;

#[cfg(feature = "tracing")]
pub(crate) struct Span(crate::sync::OnceLock<tracing::Span>);

#[cfg(feature = "tracing")]
impl Span {
    pub(crate) fn new() -> Self {
        Self(crate::sync::OnceLock::new())
    }

    /// Opens the span. A subscriber is user code: not under the hub's lock.
    pub(crate) fn open(&self, bus: impl FnOnce() -> String) {
        // At the level that subscribers leave out last: without the span, a handler's logs would be
        // taken for the helper's.
        let span = tracing::error_span!(target: "busway", parent: None, "bus", name = %bus());
        let _ = self.0.set(span);
    }

    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        match self.0.get() {
            Some(span) => span.in_scope(run),
            None => run(),
        }
    }
}

/// Nothing without the feature.
#[cfg(not(feature = "tracing"))]
pub(crate) struct Span;

#[cfg(not(feature = "tracing"))]
impl Span {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn open(&self, _bus: impl FnOnce() -> String) {}

    #[inline]
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        run()
    }
}

impl Span {
    /// Drops a handler's value inside the span. A panic in that drop is ignored.
    pub(crate) fn discard<T>(&self, value: T) {
        let _ = guard::catch(|| self.enter(|| drop(value)));
    }
}
