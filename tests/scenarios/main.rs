//! The checks of the upstream suites of this family of buses, as a user of the facade sees them, and the
//! rules that the shell has a part in. Everything with time or tasks runs on every runtime of
//! [`runtimes`].
#![cfg(all(feature = "macros", feature = "tokio"))]
#![allow(missing_docs)]

#[macro_use]
mod runtimes;
mod support;

mod beyond;
mod derive;
mod handlers_bus;
#[cfg(feature = "journal")]
mod journal;
mod names;
mod nested;
mod parents;
mod peers;
mod retry;
mod rules_shell;
mod surface;
mod the_bus;
mod timestamps;
mod tree;
mod typed;
