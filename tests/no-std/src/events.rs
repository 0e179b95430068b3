//! The events of the scenarios.

use busway_core::{Event, Reply};

/// An event whose handlers answer with a number.
pub struct Outer(pub u32);

pub struct Inner(pub u32);

impl Event for Outer {
    type Output = u32;
    const NAME: &'static str = "Outer";
}

impl Event for Inner {
    type Output = u32;
    const NAME: &'static str = "Inner";
}

impl Reply<Outer> for u32 {}
impl Reply<Inner> for u32 {}

#[cfg(feature = "json-without-serde")]
#[derive(busway_macros::Event)]
#[event(crate = "busway_core", json)]
pub struct Seen;
