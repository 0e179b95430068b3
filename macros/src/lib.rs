//! [`#[derive(Event)]`](macro@Event) for the busway event bus, which has it as `busway::Event`.

mod attributes;
mod duration;
mod expansion;
mod output;

use syn::{DeriveInput, parse_macro_input};

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
/// They stand in `#[event(…)]` in front of the type, in one or in several.
///
/// | attribute | meaning | unless given |
/// |---|---|---|
/// | `output = Type` | what handlers answer with; they may return an `Option` or a `Result` of it, too; no bare parameter of a generic event | `()`: no value |
/// | `name = "…"` | the name that handlers can be registered by | the type's name |
/// | `timeout = "…"` | the limit of each invocation: a number with `ns`, `us`, `ms`, `s`, `m` or `h`; `"off"` for none | the bus's |
/// | `version = "…"` | the version in the schema, `module.Type@version` | the crate's |
/// | `bytes = path` | a function of the event, as `Self::heap`, that gives the bytes its fields point to, for `Hub::memory` and its warning | these are not counted |
/// | `json` | the event has a JSON view; its type is `serde::Serialize`, and the feature `serde` of `busway` is on | none |
/// | `crate = "…"` | the path of the crate that has the trait, as `"busway_core"` | `::busway` |
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expansion::expand(&input).into()
}
