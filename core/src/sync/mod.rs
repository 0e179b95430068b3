//! The lock seam: the one place that knows which locks and atomics this build uses.
//!
//! With `std` it is the operating system's lock, without it a spin lock. A build with `--cfg loom`
//! uses loom's instead, which tries the orders in which threads can reach them.

use core::fmt;

#[cfg(loom)]
mod modelled;
mod once;
mod one_waker;
#[cfg(feature = "std")]
mod os;
#[cfg(not(feature = "std"))]
mod spinning;

#[cfg(loom)]
pub(crate) use modelled::{Mutex, MutexGuard, OnceLock, atomic, thread_local};
pub(crate) use one_waker::OneWaker;
#[cfg(not(feature = "std"))]
pub(crate) use spinning::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use {core::sync::atomic, once::OnceLock};
#[cfg(all(feature = "std", not(loom)))]
pub(crate) use {
    os::{Mutex, MutexGuard},
    std::thread_local,
};

/// A lock that exists as long as the process, and belongs to no model.
#[cfg(not(loom))]
pub(crate) type StaticMutex<T> = Mutex<T>;
#[cfg(loom)]
pub(crate) type StaticMutex<T> = os::Mutex<T>;

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}
