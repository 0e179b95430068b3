//! Finds out whether clocks can be paused: whether this tokio was built with `test-util`, which any
//! crate of the build may enable.

use std::any::Any;
use std::sync::OnceLock;

use tokio::runtime::Builder;

/// Asks tokio's builder for a method that `test-util` adds. An inherent method takes precedence over a
/// trait's.
pub(crate) fn is_built_in() -> bool {
    // There is one tokio for the whole process.
    static IS_BUILT_IN: OnceLock<bool> = OnceLock::new();
    *IS_BUILT_IN.get_or_init(|| {
        let mut builder = Builder::new_current_thread();
        let answer: &dyn Any = builder.start_paused(true);
        answer.is::<Builder>()
    })
}

#[allow(dead_code, reason = "nobody calls it where the builder has the method")]
trait StandIn {
    fn start_paused(&mut self, _: bool) -> &() {
        &()
    }
}

impl StandIn for Builder {}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_are_built_with_it() {
        assert!(super::is_built_in());
    }
}
