//! Semaphores: how many calls of a kind may run at a time (R46).
//!
//! [`queue`] decides who holds a slot and who is next. [`pool`] is the async shell around it for one
//! process. [`processes`] adds other processes, by locked files. A semaphore exists while it is in use:
//! the first use of a [`Key`](scope::Key) makes it.

mod error;
mod pool;
mod processes;
mod queue;
mod scope;

pub use self::error::SemaphoreError;
pub(crate) use self::pool::{Lease, Pool, Slot};
pub use self::scope::{Class, Instance, SemaphoreScope};
pub(crate) use self::scope::{Folder, Key};
