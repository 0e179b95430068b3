//! The lock seam: the one place that knows which lock this build uses.
//!
//! With `std` the operating system's mutex, which ignores poisoning: nothing of the user's runs
//! under a lock, so a panic leaves no half-made state behind. Without it a spin lock.

#[cfg(feature = "std")]
mod imp {
    use core::fmt;
    pub(crate) use std::sync::{MutexGuard, OnceLock};

    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    impl<T> fmt::Debug for Mutex<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Mutex")
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use core::fmt;
    pub(crate) use spin::MutexGuard;

    pub(crate) struct Mutex<T>(spin::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(spin::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }
    }

    impl<T> fmt::Debug for Mutex<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Mutex")
        }
    }

    pub(crate) struct OnceLock<T>(spin::Once<T>);

    impl<T> OnceLock<T> {
        pub(crate) const fn new() -> Self {
            Self(spin::Once::new())
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.0.get()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let mut value = Some(value);
            self.0.call_once(|| value.take().expect("taken once"));
            value.map_or(Ok(()), Err)
        }
    }
}

pub(crate) use imp::*;
