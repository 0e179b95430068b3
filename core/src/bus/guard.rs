//! Panics of handlers stop at the bus (R20). Without `std` they cannot be caught.

use alloc::string::String;
use core::ops::Deref;

/// Runs user code; `Err` is the message of its panic.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    use core::panic::AssertUnwindSafe;
    use std::panic::catch_unwind;
    // What the closure leaves half done is the user's own. Our state is behind the hub's lock, under
    // which no user code runs.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| String::from(*text));
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        // The payload is a user's value, and may panic in its own drop.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            core::mem::forget(second);
        }
        text.unwrap_or_else(|| "a panic without a message".into())
    })
}

/// Drops a user's value. A panic in that drop is ignored.
#[inline]
pub(crate) fn discard<T>(value: T) {
    let _ = catch(|| drop(value));
}

/// A user's value that is discarded when dropped.
pub(crate) struct Discarded<T>(Option<T>);

impl<T> Discarded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> Deref for Discarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Discarded<T> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

#[cfg(not(feature = "std"))]
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    Ok(run())
}
