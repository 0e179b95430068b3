//! An in-process async event bus.
//!
// The README's links lead to files. These are found first, and lead to pages.
//! [rules]: rules
#![cfg_attr(feature = "journal", doc = "[the journal]: journal")]
//!
#![doc = include_str!("../README.md")]
//!
//! ## Rules
//!
//! What happens when is fixed in numbered [`rules`], which these pages cite, as in "(R13)".
//!
//! ## `use busway::*`
//!
//! The adapters are here under the names of their runtimes (`busway::tokio`). A glob import therefore
//! shadows the crates of these names: import what you use by name, or add `use ::tokio;`.
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "async-std")]
pub use busway_async_std as async_std;
pub use busway_core::*;
#[cfg(feature = "journal")]
pub use busway_journal as journal;
#[cfg(feature = "macros")]
pub use busway_macros::Event;
#[cfg(feature = "smol")]
pub use busway_smol as smol;
#[cfg(feature = "tokio")]
pub use busway_tokio as tokio;

/// Creates a bus of this name, with the default settings and a hub of its own. At its first dispatch it
/// takes the runtime that [`latch`] finds there: the tokio runtime it is used in, or that of another
/// adapter. Where there is none, it takes the tokio runtime it was made in, unless that was shut down.
///
/// For settings, see [`builder`].
#[must_use]
pub fn bus(name: impl Into<String>) -> EventBus {
    builder(name).build()
}

/// Returns settings for a new bus, which takes its runtime as [`bus`] says.
///
/// `builder(name).runtime(..)` takes another one.
pub fn builder(name: impl Into<String>) -> EventBusBuilder {
    EventBus::builder(name).runtime_source(latch_from_here())
}

/// Creates a hub, which takes its runtime as [`bus`] says.
///
/// For settings, see [`hub_builder`].
#[must_use]
pub fn hub() -> Hub {
    hub_builder().build()
}

/// Returns settings for a new hub, which takes its runtime as [`bus`] says.
pub fn hub_builder() -> HubBuilder {
    Hub::builder().runtime_source(latch_from_here())
}

/// A [`RetryPolicy`] that finds its runtime itself, each time it is run.
///
/// Inside a handler it takes the runtime of the handler's bus, elsewhere that of [`latch`].
///
/// ```
/// use busway::Retry;
/// use std::{io, time::Duration};
///
/// async fn fetch(url: &str) -> io::Result<String> {
/// #   let _ = url; return Err(io::Error::other("down"));
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let policy = Retry::new().retries(3).wait(Duration::from_millis(100)).backoff_factor(2.0);
/// let error = policy.run(|| fetch("http://localhost")).await.unwrap_err();
/// assert_eq!(error.tries(), 4);
/// assert_eq!(error.to_string(), "failed after 4 tries over 700ms: down");
/// # }
/// ```
pub type Retry<On = Always> = RetryPolicy<On, Latch>;

/// Finds the runtime of a [`Retry`]: that of the handler it is called in, else that of [`latch`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Latch;

impl FindRuntime for Latch {
    fn find_runtime(&self) -> Result<Arc<dyn Runtime>, NoRuntime> {
        handler_runtime().map_or_else(latch, Ok)
    }
}

/// Returns a future that completes after this time, by the clock of the bus whose handler calls it;
/// elsewhere by that of [`latch`]. Handlers that sleep with it run on every runtime, and in tests in
/// virtual time (feature `test-util`).
///
/// Call it while the handler is polled, and not in a task that the handler spawned: there it is the
/// current runtime's.
///
/// # Errors
/// There is no runtime.
///
/// # Examples
///
/// ```
/// use busway::{Event, EventHandle};
/// use std::time::Duration;
///
/// #[derive(Event)]
/// struct Remind;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), busway::BoxError> {
/// let bus = busway::bus("main");
/// bus.on(|_: EventHandle<Remind>| async {
///     busway::sleep(Duration::from_secs(30))?.await;
///     busway::ok(())
/// });
/// let remind = bus.run(Remind).await?;
/// assert_eq!(remind.duration(), Some(Duration::from_secs(30)));
/// # Ok(()) }
/// ```
pub fn sleep(duration: Duration) -> Result<Sleep, NoRuntime> {
    Ok(Latch.find_runtime()?.sleep(duration))
}

/// Returns the runtime that the enabled features give here and now: inside a tokio runtime that one,
/// else smol's global executor, else async-std's.
///
/// smol and async-std start their threads by themselves, so with either of them there always is a
/// runtime. With tokio alone, there is one only inside tokio.
///
/// # Errors
/// There is no runtime.
pub fn latch() -> Result<Arc<dyn Runtime>, NoRuntime> {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = busway_tokio::Tokio::latch() {
        return Ok(runtime);
    }
    anywhere()
}

/// The source of a hub that is made here: it is asked at each dispatch until it gives a runtime.
#[cfg(feature = "tokio")]
fn latch_from_here() -> impl Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync {
    let home = busway_tokio::Tokio::current();
    move || {
        latch().or_else(|nowhere| match &home {
            Ok(home) if !home.is_shut_down() => Ok(Arc::new(home.clone()) as _),
            _ => Err(nowhere),
        })
    }
}

#[cfg(not(feature = "tokio"))]
fn latch_from_here() -> impl Fn() -> Result<Arc<dyn Runtime>, NoRuntime> + Send + Sync {
    latch
}

/// Returns a runtime that does not have to be entered.
#[cfg(feature = "smol")]
fn anywhere() -> Result<Arc<dyn Runtime>, NoRuntime> {
    Ok(Arc::new(busway_smol::Smol::global()))
}

#[cfg(all(feature = "async-std", not(feature = "smol")))]
fn anywhere() -> Result<Arc<dyn Runtime>, NoRuntime> {
    Ok(Arc::new(busway_async_std::AsyncStd::new()))
}

#[cfg(all(feature = "tokio", not(any(feature = "async-std", feature = "smol"))))]
const fn anywhere() -> Result<Arc<dyn Runtime>, NoRuntime> {
    Err(NoRuntime::new())
}

#[cfg(not(any(feature = "async-std", feature = "smol", feature = "tokio")))]
const fn anywhere() -> Result<Arc<dyn Runtime>, NoRuntime> {
    Err(NoRuntime::advising(
        "enable busway's feature `tokio`, `smol` or `async-std`, or give one with `.runtime(..)`",
    ))
}
