//! Rules of the design whose part lives in the shell.

mod dispatch;
mod forwarding;
#[cfg(feature = "serde")]
mod json;
mod life;
mod memory;
mod results;
mod time;
mod watching;
