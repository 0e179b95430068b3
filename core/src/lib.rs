//! Busway core.
#![no_std]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bus;
mod event;
mod id;
pub mod machine;
mod runtime;
mod sync;
#[cfg(feature = "test-util")]
pub mod testing;
mod time;

pub use bus::*;
pub use event::Event;
pub use id::EventId;
pub use machine::{
    BusMemory, Cause, Completion, Concurrency, EventStatus, HandlerKey, HandlerOrder, Limit,
    Overflow, ResultStatus, Warning,
};
pub use runtime::{NoRuntime, Runtime, Task, Timer};
pub use time::{Instant, Timestamp};

/// For code that `#[derive(Event)]` writes.
#[doc(hidden)]
#[cfg(feature = "serde")]
pub mod __private {
    /// What the JSON view of an event gives.
    pub type JsonResult = Result<serde_json::Value, serde_json::Error>;

    /// The JSON view of a value.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn to_json<T: serde::Serialize>(value: &T) -> JsonResult {
        serde_json::to_value(value)
    }
}
