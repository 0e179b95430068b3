//! The lock of the operating system, which ignores poisoning: user code runs under no lock but that of a
//! bus's turn, where its panics are caught, so a panic leaves no half-made state behind. A thread looks a
//! few times before it sleeps.

pub(crate) use std::sync::MutexGuard;
use std::sync::{PoisonError, TryLockError};

/// How often a thread looks at a lock that another one has, before it sleeps. The pauses are 64,
/// 128, 256 and 256 times the processor's shortest: in all some microseconds to some tens of them,
/// which is what a handful of steps of a bus take. A thread that looks sooner takes the lock, and
/// what is behind it, from a thread that is about to come back for it, and loses it in turn.
const LOOKS: u32 = 4;
/// The first pause and the longest one, as powers of two.
const FIRST: u32 = 6;
const LONGEST: u32 = 8;

pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.try_lock().unwrap_or_else(|| self.lock_contended())
    }

    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Lets the other thread go on for a while, looks now and then, and sleeps if that takes long.
    /// Coming too early costs more than waiting: what is behind the lock moves from one core to the
    /// other each time.
    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, T> {
        for look in 0..LOOKS {
            for _ in 0..1 << (FIRST + look).min(LONGEST) {
                core::hint::spin_loop();
            }
            if let Some(guard) = self.try_lock() {
                return guard;
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Mutex;

    #[test]
    fn a_lock_is_one_threads_at_a_time_however_it_was_got() {
        let count = Mutex::new((0u64, 0u64));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let count = &count;
                scope.spawn(move || {
                    for turn in 0..1_000 {
                        let mut count = count.lock();
                        count.0 += 1;
                        if turn % 100 == 0 && thread == 0 {
                            // Longer than any thread looks: the others sleep.
                            std::thread::sleep(core::time::Duration::from_micros(500));
                        }
                        count.1 += 1;
                        assert_eq!(count.0, count.1);
                    }
                });
            }
        });
        assert_eq!(*count.lock(), (4_000, 4_000));
    }

    #[test]
    fn a_panic_under_a_lock_does_not_close_it() {
        let value = Mutex::new(1);
        let panics = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let _guard = value.lock();
                panic!("under the lock");
            });
            thread.join().is_err()
        });
        assert!(panics);
        assert_eq!(*value.lock(), 1);
    }
}
