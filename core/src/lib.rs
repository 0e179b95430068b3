//! Busway core.
#![no_std]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod machine;
mod time;

pub use time::Instant;
