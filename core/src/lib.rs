//! The core of the busway event bus: a pure [state machine](machine) that decides what happens when,
//! and the async shell around it that carries it out, on any runtime.
//!
//! Most users want the `busway` crate, which adds an adapter for their runtime and
//! `#[derive(Event)]`. Use this crate to embed the bus in a runtime of your own (implement
//! [`Runtime`]), to write an adapter, to run without `std`, or to drive the machine by hand.
//!
//! ```text
//!  user code ── typed API (EventBus, EventHandle, Handler, Address …)         this crate
//!                  │ inputs: on, dispatch, wait, finished, timed out, stop
//!                  ▼
//!             machine: registration, FIFO, children, results, deadlines       this crate, `machine`
//!                  │ outputs as data: Ready, Cancel, Completed, …
//!                  ▼
//!             driver + handler futures ── trait Runtime ── tokio, smol, async-std, yours
//! ```
//!
//! # Who polls
//!
//! Each bus has one [`Driver`], a future that the runtime is given at the first need. A bus's handlers
//! are polled by one task at a time, whoever has the bus's turn, which is never held across polls. A
//! task that awaits an event and finds the turn free runs what is ready itself instead of sleeping
//! until the driver is scheduled, so that a request costs no task switch. There is no polling in
//! intervals and no thread of ours.
//!
//! No lock is held while code of yours runs, and nothing of yours is cloned, called or dropped under
//! one. Panics of handlers, predicates and drops are caught (with `std`).
//!
//! What happens when is written down in numbered [rules], which these pages name, as in "(R13)".
//!
//! # What it is not for
//!
//! Handlers that block or compute for long hold up the other handlers of their bus: give them to the
//! runtime ([`EventBusBuilder::spawn_parallel`]) or to a thread pool. Cycles of waits are seen within
//! one hub, not across several. The kinds of events that came to a hub are kept for its life: whoever
//! drives the machine by hand is not to make them up by the million.
//!
//! # Features
//!
//! | feature | default | gives | costs |
//! |---|---|---|---|
//! | `std` | yes | the ambient parent, panic capture, the system's clock and id seed | – |
//! | `serde` | no | JSON views of events, merging of JSON results | `serde`, `serde_json` |
//! | `journal` | no | `busway_core::journal`: the seam for journals, `EventBusBuilder::journal` | `serde` |
//! | `tracing` | no | warnings and handlers that fail go to `tracing`, handlers run in a span of their bus | `tracing` |
//! | `clock` | no | `SystemClock`, for adapters of runtimes that keep the system's time | `std`, on Linux on x86-64 `safe_arch` |
//! | `test-util` | no | `testing`: a runtime with virtual time and a seeded order | `std` |
//! | `conformance` | no | `conformance`: the tests that every runtime has to pass | `std` |
//!
//! The span of a bus is opened as the bus is made, by the subscriber there is then: set the subscriber
//! first.
//!
//! # Without `std`
//!
//! The machine and the shell run on `alloc` alone (the crate `tests/no-std` of the repository links
//! and runs them so). What is different:
//!
//! - There are no threads to ask which handler is being polled. A handler's own [`EventHandle`] or
//!   [`AnyEvent`] tells: children are those dispatched through it (`event.dispatch(..)`,
//!   `event.run(..)`, `.parent(&event)`), and waits for them, or for the event itself, are the
//!   handler's. Any other event is awaited inside a handler with [`EventHandle::wait_within`];
//!   awaited plainly it is a root wait, which does not raise it: on a serial bus neither may end.
//! - So is `wait_until_idle` of the handler's own bus, a `dispatch_wait` into a full one, and a
//!   request or a publication made through the bus instead of the handle: they are not seen to be
//!   inside a handler.
//! - A wait through such a handle counts as the handler's while that handler is being polled
//!   anywhere: do not await one handle in the handler and in another task at once.
//! - A [`Retry`] around a function does not see which handler or call it is in, so it waits for a slot
//!   that those hold; one that is an option of a handler sees the handlers above. There are no
//!   semaphores over several processes.
//! - Panics are not caught. The wall time of the epoch and the id seed are yours to set
//!   ([`HubBuilder::wall_time_of_epoch`], [`HubBuilder::id_seed`]).
//! - Locks are spin locks: on a machine where an interrupt can dispatch while the lock is held,
//!   dispatch from a task instead. The target needs 64-bit atomics.
//!
//! # WebAssembly, and handlers that are not `Send`
//!
//! Nothing here starts a thread, blocks, or (without `std`) reads a clock, so with a [`Runtime`] for
//! the browser's event loop, or a [`Driver`] polled by hand, there is no known obstacle to wasm; it
//! was not built for such a target yet. With `std` on `wasm32-unknown-unknown`, set the wall time of
//! the epoch: the system's clock is not there.
//!
//! Handlers and their futures are `Send`: a bus may be dispatched on from any thread, its driver is
//! spawned from there, and whoever waits may poll its handlers. State that is not `Send` belongs in a
//! task of a `LocalSet` or `LocalExecutor` that the handler talks to over a channel. A bus for
//! handlers that are not `Send` would be a second shell around the same machine, which is generic
//! over the handler and has no such bound: `Rc` and `RefCell` for the records and the lock, handlers
//! without the bounds, and a runtime trait that spawns on its own thread.
#![no_std]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[doc(hidden)]
pub mod __private;
mod bus;
#[cfg(feature = "clock")]
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod event;
mod id;
pub mod machine;
mod retry;
#[doc = include_str!("../RULES.md")]
pub mod rules {}
mod runtime;
mod semaphore;
mod sync;
#[cfg(feature = "test-util")]
pub mod testing;
mod time;

pub use bus::*;
#[cfg(feature = "clock")]
pub use clock::SystemClock;
pub use event::Event;
pub use id::EventId;
pub use machine::{
    BusKey, BusMemory, Cause, Completion, Concurrency, EventStatus, HandlerKey, HandlerOrder,
    Limit, Overflow, ResultStatus, Warning,
};
pub use retry::{
    Always, Attempt, FindRuntime, NotGiven, OnlyIf, Retry, RetryError, RetryOn, RetryPolicy, Source,
};
pub use runtime::{NoRuntime, Runtime, Task, Timer};
pub use semaphore::{Class, Instance, SemaphoreError, SemaphoreScope};
pub use time::{Instant, Timestamp};
