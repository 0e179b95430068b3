//! The rules on the bare machine: inputs and outputs, no runtime, no sleep, no thread.

mod addresses;
mod children;
mod desk;
mod dispatch;
mod flight;
mod forwarding;
mod held;
mod life;
mod memory;
mod order;
mod registration;
mod results;
mod time;
mod watching;
