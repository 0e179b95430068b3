//! [`#[derive(Event)]`](macro@Event) for the busway event bus, which re-exports it as `busway::Event`.

mod attributes;
mod duration;
mod expansion;
mod lifetimes;
mod output;
mod own_type;
#[cfg(test)]
mod testing;
mod tokens;
mod uncovered;

use syn::{DeriveInput, parse_macro_input};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Makes a type an event.
///
/// ```
/// use std::time::Duration;
///
/// use busway::{Event, Limit};
///
/// #[derive(Event)]
/// struct Started;
///
/// #[derive(Clone)]
/// struct Session(String);
///
/// #[derive(Event)]
/// #[event(output = Session, name = "user.login", timeout = "30s", version = "2")]
/// struct Login {
///     username: String,
/// }
///
/// assert_eq!((Started::NAME, Started::LIMIT), ("Started", Limit::Inherit));
/// assert_eq!((Login::NAME, Login::LIMIT), ("user.login", Limit::After(Duration::from_secs(30))));
///
/// let bus = busway::bus("main");
/// bus.on(|login: busway::EventHandle<Login>| Session(login.username.clone()));
/// ```
///
/// # Attributes
///
/// They go into `#[event(…)]` in front of the type, into one or several.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `output = Type` | what handlers answer with; they may also return an `Option` or a `Result` of it. `Self` is the event. A parameter `T` of a generic event is no output by itself, nor in a `Box`, a `Pin` or a reference: put it into a struct of your own, or `Vec<T>` or `Arc<T>`. A `serde_json::Value::Null` is a value: return `None` for none | `()`: no value |
/// | `name = "…"` | the name that handlers can be registered by | the type's name |
/// | `timeout = "…"` | the limit of each invocation: a number with `ns`, `us`, `ms`, `s`, `m` or `h`; `"off"` for none | the bus's |
/// | `version = "…"` | the version in the schema, `module.Type@version` | the crate's |
/// | `bytes = path` | a function of the event, such as `Self::heap`, that returns the bytes its fields point to, for `Hub::memory` and its warning | these are not counted |
/// | `json` | the event has a JSON view; its type must be `serde::Serialize`, and the feature `serde` or `journal` of `busway` on | none |
/// | `crate = "…"` | the path of the crate that has the trait, such as `"busway_core"` | `::busway` |
///
/// # Generic events
///
/// The type's own bounds have to make it an event: `struct Changed<T: Send + Sync + 'static>(T);`, and
/// `T: Serialize` for `json`.
///
/// All instances of a generic type share one name and one schema. A handler of `Changed<User>` gets
/// none of the others; a handler by name gets all. A journal cannot tell them apart when it gives
/// events back: write events of a struct for each.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expansion::expand(parse_macro_input!(input as DeriveInput)).into()
}
