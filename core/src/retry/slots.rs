//! The semaphore settings of a policy.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::clock::{Clock, Elapsed};
use crate::bus::{Caller, Lender, lending};
use crate::semaphore::{Folder, Key, Pool, SemaphoreError, SemaphoreScope, Slot};

/// The semaphore of a policy.
#[derive(Clone, Debug)]
pub(crate) struct SlotRules {
    /// Without a limit there is no semaphore.
    pub(crate) limit: Option<usize>,
    pub(crate) scope: SemaphoreScope,
    pub(crate) patience: Patience,
    /// Whether to go on without a slot when none was free in time.
    pub(crate) lax: bool,
    pub(crate) on_lax: Option<OnLax>,
    pub(crate) name: Option<String>,
    pub(crate) folder: Option<Folder>,
}

/// The user's callback for calls that go on without a slot.
#[derive(Clone)]
pub(crate) struct OnLax(pub(crate) Arc<dyn Fn(&SemaphoreError) + Send + Sync>);

impl fmt::Debug for OnLax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnLax")
    }
}

/// How long to wait for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the others may take with one try each.
    AsTimeout,
    Forever,
    For(Duration),
}

impl SlotRules {
    pub(crate) const fn new() -> Self {
        Self {
            limit: None,
            scope: SemaphoreScope::Global,
            patience: Patience::AsTimeout,
            lax: true,
            on_lax: None,
            name: None,
            folder: None,
        }
    }

    /// Waits for a slot, if there is a semaphore, while `lender` lends. `name` is the default name.
    /// `None` means to go on without a slot; if the time ran out, `told` is called.
    pub(crate) async fn acquire(
        &self,
        (name, timeout): (&str, Option<Duration>),
        caller: impl FnOnce() -> Caller,
        lender: impl Fn() -> Option<Lender>,
        clock: &mut Clock,
        told: impl FnOnce(&SemaphoreError),
    ) -> Result<Option<Slot>, SemaphoreError> {
        let Some(limit) = self.limit else { return Ok(None) };
        let limit = limit.max(1);
        let name = self.name.as_deref().unwrap_or(name);
        let key = Key::here(&self.scope, name.to_owned(), self.folder.clone());
        let pool = Pool::of(key, &self.scope);
        let patience = self.patience.duration(timeout, limit);
        let caller = caller();
        let slot = lending(lender, pool.acquire(limit, &caller));
        match clock.within(patience, slot).await {
            Ok(slot) => slot.map(Some),
            Err(Elapsed) => {
                let waited = patience.unwrap_or_default();
                let error = SemaphoreError::TimedOut { name: name.to_owned(), limit, waited };
                if !self.lax {
                    return Err(error);
                }
                told(&error);
                if let Some(OnLax(tell)) = &self.on_lax {
                    tell(&error);
                }
                Ok(None)
            }
        }
    }
}

impl Patience {
    fn duration(self, timeout: Option<Duration>, limit: usize) -> Option<Duration> {
        let others = u32::try_from(limit - 1).unwrap_or(u32::MAX).max(1);
        match self {
            Self::AsTimeout => timeout.map(|timeout| timeout.saturating_mul(others)),
            Self::Forever => None,
            Self::For(duration) => Some(duration),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_waited_for_as_long_as_the_others_may_take() {
        let second = Duration::from_secs(1);
        let waits = |timeout, limit| Patience::AsTimeout.duration(timeout, limit);
        assert_eq!([1, 2, 3].map(|n| waits(Some(5 * second), n).unwrap().as_secs()), [5, 5, 10]);
        assert_eq!(waits(Some(second), usize::MAX), Some(second * u32::MAX));
        assert_eq!(waits(None, 3), None);
        assert_eq!(Patience::Forever.duration(Some(second), 3), None);
        assert_eq!(Patience::For(second).duration(None, 3), Some(second));
    }
}
