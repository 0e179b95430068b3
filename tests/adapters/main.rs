//! Which runtime a bus gets, and the conformance suite on runtimes without a crate of their own. The
//! adapter crates run it themselves.

mod broken;
mod choosing;
mod custom;
mod test_runtime;
