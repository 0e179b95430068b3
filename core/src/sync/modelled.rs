//! The lock and the atomics of loom.

use core::sync::atomic::Ordering;
pub(crate) use loom::sync::MutexGuard;
pub(crate) use loom::sync::atomic;
use std::sync::PoisonError;

pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Like [`super::once::OnceLock`], but seen by the model.
pub(crate) struct OnceLock<T> {
    is_set: atomic::AtomicBool,
    value: super::once::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: atomic::AtomicBool::new(false), value: super::once::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let is_set = self.is_set.load(Ordering::Acquire);
        self.value.get().filter(|_| is_set)
    }

    pub(crate) fn init(&self, make: impl FnOnce() -> T) {
        self.value.init(make);
        self.is_set.store(true, Ordering::Release);
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let set = self.value.set(value);
        self.is_set.store(true, Ordering::Release);
        set
    }
}

/// Values for each thread of the model, written like `std`'s.
macro_rules! of_thread {
    ($($(#[$attr:meta])* static $name:ident: $type:ty = const $init:block;)*) => {
        loom::thread_local! { $($(#[$attr])* static $name: $type = $init;)* }
    };
}

pub(crate) use of_thread as thread_local;
