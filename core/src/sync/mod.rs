//! The lock seam: the one place that knows which locks and atomics this build uses.
//!
//! With `std` the lock of the operating system, without it a spin lock. A build with `--cfg loom` has
//! loom's in their places, which tries the orders in which threads can come to them.

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

/// A lock that is there as long as the process is: no model's.
#[cfg(not(loom))]
pub(crate) type StaticMutex<T> = Mutex<T>;
#[cfg(loom)]
pub(crate) type StaticMutex<T> = os::Mutex<T>;

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}
