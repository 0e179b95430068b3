//! Retries of calls that fail (R45).
//!
//! [`tries`] decides what happens when, and [`backoff`] how long the rests are: numbers from numbers.
//! [`run`] carries it out by a runtime's clock, around a function ([`wrapper`]) or a handler.

mod backoff;
mod clock;
mod error;
mod policy;
mod run;
mod slots;
mod tries;
mod when;
mod wrapper;

pub use self::error::RetryError;
pub use self::policy::{FindRuntime, NotGiven, Retry, RetryPolicy, Source};
pub use self::when::{Always, OnlyIf, RetryOn};
pub use self::wrapper::Attempt;

pub(crate) use self::backoff::delay;
pub(crate) use self::clock::{Clock, Elapsed};
pub(crate) use self::error::TriesText;
pub(crate) use self::policy::Numbers;
pub(crate) use self::run::{Call, GivenUp, run};
pub(crate) use self::slots::SlotRules;
