//! The journal on a disk that tears, loses and fails, and on a real one.
#![allow(missing_docs)]

mod closing;
mod completed;
mod crash;
mod disk;
mod displaced;
mod events;
mod failing;
mod files;
mod given_back;
mod locking;
mod numbers;
mod readable;
mod recover;
mod rotation;
mod seam;
mod write_ahead;
