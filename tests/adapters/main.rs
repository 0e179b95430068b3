//! Which runtime a bus gets, and the conformance suite on those that have no crate of their own.
//! The crates of the others run it themselves.

mod broken;
mod choosing;
mod custom;
mod test_runtime;
