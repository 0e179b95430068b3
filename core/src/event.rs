//! What an event is.

use crate::machine::Limit;

/// A value that can be dispatched on a bus.
///
/// `#[derive(Event)]` writes this, with what `#[event(output = …, name = …, timeout = …)]` says: its
/// page, `Event` among the derive macros of the crate `busway`, lists all attributes. By hand it is
/// three lines:
///
/// ```
/// use busway_core::Event;
///
/// struct Tick;
///
/// impl Event for Tick {
///     type Output = ();
///     const NAME: &'static str = "Tick";
/// }
/// ```
///
/// An event whose handlers answer with a value says so with a second line, which
/// `#[derive(Event)]` writes too:
///
/// ```
/// use busway_core::{Event, Reply};
///
/// struct Add(u32, u32);
///
/// impl Event for Add {
///     type Output = u32;
///     const NAME: &'static str = "Add";
/// }
/// impl Reply<Add> for u32 {}
/// ```
pub trait Event: Send + Sync + 'static {
    /// What its handlers answer with; `()` for events that are only told.
    type Output: Clone + Send + Sync + 'static;

    /// The name that handlers can be registered by. Two types should not share one.
    const NAME: &'static str;

    /// How long each invocation for such an event may take (R22).
    const LIMIT: Limit = Limit::Inherit;

    /// Where the type is defined; `module.Type@version` for journals and logs.
    const SCHEMA: &'static str = "";

    /// What it is called in logs and trees.
    fn label(&self) -> &str {
        Self::NAME
    }

    /// The bytes this event takes in memory, for [`Hub::memory`](crate::Hub::memory) and its
    /// warning. Unless overridden, or given with `#[event(bytes = …)]`, what its fields point to is not
    /// counted.
    fn bytes(&self) -> usize {
        size_of_val(self)
    }

    /// The event as JSON, for those that opt in with `#[event(json)]`.
    ///
    /// # Errors
    /// The payload cannot be written as JSON. `None` when it has no such view.
    #[cfg(feature = "serde")]
    fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        None
    }

    /// The same as text, in the order of the fields: what a journal writes.
    ///
    /// # Errors
    /// The payload cannot be written as JSON. `None` when it has no such view.
    #[cfg(feature = "serde")]
    fn to_json_text(&self) -> Option<Result<alloc::string::String, serde_json::Error>> {
        Some(self.to_json()?.and_then(|value| serde_json::to_string(&value)))
    }
}
