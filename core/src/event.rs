//! What an event is.

#[cfg(feature = "serde")]
use crate::__private::JsonView;
use crate::machine::Limit;

/// A value that can be dispatched on a bus.
///
/// `#[derive(Event)]` implements it as `#[event(output = …, name = …, timeout = …)]` says. Its page,
/// `Event` among the derive macros of the crate `busway`, lists all attributes. By hand it takes
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
/// An event whose handlers answer with a value needs a second impl, which `#[derive(Event)]` writes too:
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
///
/// Other values are not dispatched as they are:
///
/// ```compile_fail,E0277
/// # use busway_core::EventBus;
/// struct Plain;
///
/// let bus = EventBus::builder("main").build();
/// bus.dispatch(Plain);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "derive it: `#[derive(busway::Event)]`",
    note = "an event that was dispatched already is sent on to another bus by `event.forward_to(&bus)` or `bus.forward(name, &other)`"
)]
pub trait Event: Send + Sync + 'static {
    /// The type its handlers answer with; `()` for events without an answer.
    type Output: Clone + Send + Sync + 'static;

    /// The name that handlers can be registered by. Two types should not share one.
    const NAME: &'static str;

    /// Whether other types share the name on purpose, as all instances of a generic type do. A bus then
    /// does not warn of events that a handler skips because they are of another type.
    const SHARES_NAME: bool = false;

    /// The limit of each invocation for such an event (R22).
    const LIMIT: Limit = Limit::Inherit;

    /// Where the type is defined, as `module.Type@version`, for journals and logs.
    const SCHEMA: &'static str = "";

    /// Whether it carries a message to an address, and is not the user's own.
    #[doc(hidden)]
    const __IS_MESSAGE: bool = false;

    /// Returns the event's name in logs and trees.
    fn label(&self) -> &str {
        Self::NAME
    }

    /// Returns the bytes this event takes in memory, for [`Hub::memory`](crate::Hub::memory) and its
    /// warning. Unless this is overridden, or given with `#[event(bytes = …)]`, memory that its
    /// fields point to is not counted.
    fn bytes(&self) -> usize {
        size_of_val(self)
    }

    /// What `#[event(json)]` writes.
    #[cfg(feature = "serde")]
    #[doc(hidden)]
    fn __json_view(&self) -> Option<&dyn JsonView> {
        None
    }

    /// Returns the event as JSON, for events that opt in with `#[event(json)]`.
    ///
    /// # Errors
    /// The payload cannot be written as JSON. `None` if the event has no such view.
    #[cfg(feature = "serde")]
    fn to_json(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        self.__json_view().map(JsonView::value)
    }

    /// Returns the JSON as text, in the order of the fields: what a journal writes.
    ///
    /// # Errors
    /// The payload cannot be written as JSON. `None` if the event has no such view.
    #[cfg(feature = "serde")]
    fn to_json_text(&self) -> Option<Result<alloc::string::String, serde_json::Error>> {
        match self.__json_view() {
            Some(view) => Some(view.text()),
            None => Some(self.to_json()?.and_then(|value| serde_json::to_string(&value))),
        }
    }
}
