//! An in-process async event bus.
#![doc = include_str!("../README.md")]

use std::sync::Arc;

pub use busway_core::*;
#[cfg(feature = "macros")]
pub use busway_macros::Event;
#[cfg(feature = "tokio")]
pub use busway_tokio as tokio;

/// A new bus of this name, with the default settings and a hub of its own, on the runtime that is
/// there at the first dispatch.
///
/// For settings, see [`builder`].
#[must_use]
pub fn bus(name: impl Into<String>) -> EventBus {
    builder(name).build()
}

/// Settings for a new bus, on the runtime that is there at the first dispatch.
pub fn builder(name: impl Into<String>) -> EventBusBuilder {
    EventBus::builder(name).runtime_source(latch)
}

/// A new hub, on the runtime that is there at the first dispatch.
#[must_use]
pub fn hub() -> Hub {
    Hub::builder().runtime_source(latch).build()
}

/// The runtime that the enabled features give here and now.
///
/// # Errors
/// There is none.
pub fn latch() -> Result<Arc<dyn Runtime>, NoRuntime> {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = busway_tokio::Tokio::latch() {
        return Ok(runtime);
    }
    Err(NoRuntime::new())
}
