//! "Retry and semaphores" across processes: real ones, some of which are killed, while the files they
//! lock are deleted. Each test starts this test binary again, as a [`worker`].
#![cfg(all(unix, feature = "tokio"))]
#![allow(missing_docs)]

mod log;
mod sabotage;
mod scenarios;
mod worker;
