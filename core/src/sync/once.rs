//! A value that is written once.

/// A value that is written once and then read without a lock. The second writer loses, and there is
/// nothing to wait for but a move.
pub(crate) struct OnceLock<T>(spin::Once<T>);

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self(spin::Once::new())
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Makes the value where it stays; does nothing if there is one.
    #[inline]
    pub(crate) fn init(&self, make: impl FnOnce() -> T) {
        self.0.call_once(make);
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.0.call_once(|| value.take().expect("taken once"));
        value.map_or(Ok(()), Err)
    }
}
