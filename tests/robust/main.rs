//! Attempts to break the async shell: futures dropped at every poll, user code that calls back or panics
//! at the worst moment, threads, wake-ups in every order.

mod drops;
mod forwarded;
mod hubs;
mod hunted;
mod hygiene;
mod ledger;
mod lost;
mod manual;
mod panics;
mod random;
mod runtimes;
mod seeds;
mod slots;
mod stack;
mod teardown;
mod threads;
