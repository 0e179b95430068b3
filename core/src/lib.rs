//! The core of the busway event bus: a pure [state machine](machine) that decides what happens when,
//! and the async shell around it that carries it out, on any runtime.
//!
//! Most users want the `busway` crate, which adds an adapter for their runtime and
//! `#[derive(Event)]`. Use this crate to embed the bus in a runtime of your own (implement
//! [`Runtime`]), to write an adapter, to run without `std`, or to drive the machine by hand.
//! Most examples of the bus on these pages are written for `busway`, on tokio.
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
//! Each bus has one [`Driver`], a future that is spawned on the runtime when it is first needed. A
//! bus's handlers are polled by one task at a time: the one that has the bus's turn, which is never
//! held across polls. A task that awaits an event and finds the turn free runs what is ready itself
//! instead of sleeping until the driver is scheduled, so a request costs no task switch. Nothing is
//! polled at intervals, and a bus has no thread of its own.
//!
//! The hub's lock, which dispatching and waiting need, is not held while your code runs, and none of your
//! values is cloned, called or dropped under it. Panics in handlers and predicates, and in
//! the drops of what a bus was given, are caught (with `std`).
//!
//! Numbered [rules] define what happens when. These pages refer to them as in "(R13)".
//!
//! # What it is not for
//!
//! Handlers that block or compute for long hold up the other handlers of their bus. Move such work
//! to the runtime ([`EventBusBuilder::spawn_parallel`]) or to a thread pool. Cycles of waits are
//! detected within one hub, not across several. A hub keeps every kind of event it has seen for its
//! lifetime, so do not invent kinds by the million when you drive the machine by hand.
//!
//! # Features
//!
//! | feature | default | gives | costs |
//! |---|---|---|---|
//! | `std` | yes | the ambient parent, panic capture, the system's clock and id seed | – |
//! | `serde` | no | JSON views of events, merging of JSON results | `serde`, `serde_json` |
//! | `journal` | no | `busway_core::journal`: the seam for journals, `EventBusBuilder::journal` | `serde` |
//! | `tracing` | no | warnings and handler failures go to `tracing`, handlers run in their bus's span | `tracing` |
//! | `clock` | no | `SystemClock`, for adapters of runtimes that keep system time | `std`, on Linux on x86-64 `safe_arch` |
//! | `test-util` | no | `testing`: a runtime with virtual time and a seeded order | `std` |
//! | `conformance` | no | `conformance`: the tests that every runtime has to pass | `std` |
//!
//! A bus's span is opened when the bus is made, by the subscriber that is current then. Set the
//! subscriber first.
//!
//! # Without `std`
//!
//! The machine and the shell need only `alloc` (the crate `tests/no-std` in the repository links and
//! runs them that way). The differences:
//!
//! - There are no threads to ask which handler is being polled. The handler's own [`EventHandle`] or
//!   [`AnyEvent`] tells instead. Children are the events dispatched through it (`event.dispatch(..)`,
//!   `event.run(..)`, `.parent(&event)`), and waits for them, or for the event itself, are the
//!   handler's. To await any other event inside a handler, use [`EventHandle::wait_within`]. A plain
//!   await of it counts as a wait from outside and does not raise the event: on a serial bus, the handler
//!   and the event may then wait for each other for ever.
//! - The same goes for `wait_until_idle` on the handler's own bus, a `dispatch_wait` into a full
//!   one, and a request or a publication made through the bus instead of the handle. They are not
//!   recognised as being inside a handler.
//! - A wait through such a handle counts as the handler's while that handler is being polled
//!   anywhere. Do not await one handle in the handler and in another task at the same time.
//! - A [`Retry`] around a function does not know which handler or call it runs in, so it waits for a
//!   slot that those hold. A `Retry` that is an option of a handler knows the handlers above it.
//!   There are no semaphores across processes.
//! - Panics are not caught. If a handler panics and the panic is caught further up, its event never
//!   completes, and on a serial bus those behind it do not start: abort on panic.
//! - `#[derive(Event)]` comes from `busway-macros`, with `#[event(crate = "busway_core")]`. The wall
//!   time of the epoch and the id seed are yours to set ([`HubBuilder::wall_time_of_epoch`],
//!   [`HubBuilder::id_seed`]).
//! - Locks are spin locks. If an interrupt can dispatch while the lock is held, dispatch from a task
//!   instead. The target needs 64-bit atomics.
//!
//! # WebAssembly, and handlers that are not `Send`
//!
//! Apart from semaphores shared between processes, nothing here starts a thread or blocks, and without
//! `std` nothing reads a clock. The crate builds for `wasm32-unknown-unknown`, with and without `std`, and
//! runs there with a [`Driver`] polled by hand, or with a [`Runtime`] for the browser's event loop. With
//! `std`, set the wall time of the epoch: there is no system clock, and asking for it traps.
//!
//! Handlers and their futures are `Send`: any thread may dispatch on a bus, its driver is spawned
//! from there, and any waiter may poll its handlers. Keep state that is not `Send` in a task of a
//! `LocalSet` or `LocalExecutor` that the handler talks to over a channel. A bus for handlers that
//! are not `Send` would be a second shell around the same machine, which is generic over the handler
//! and has no such bound: `Rc` and `RefCell` for the records and the lock, handlers without the
//! bounds, and a runtime trait that spawns on its own thread.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("busway-core needs 64-bit atomics, which this target does not have");

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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
    Limit, NotSentOn, Overflow, ResultStatus, Warning,
};
pub use retry::{
    Always, Attempt, FindRuntime, NotGiven, OnlyIf, Retry, RetryError, RetryOn, RetryPolicy, Source,
};
pub use runtime::{NoRuntime, Runtime, Sleep, Task, Timer};
pub use semaphore::{Class, Instance, SemaphoreError, SemaphoreScope};
pub use time::{Instant, Timestamp};
