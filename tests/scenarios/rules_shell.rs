//! Rules of the design that the shell has a part in.

mod cancelling;
mod dispatch;
mod forwarding;
#[cfg(feature = "serde")]
mod json;
mod life;
mod memory;
mod results;
mod stopping;
mod time;
mod watching;
