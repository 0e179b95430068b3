//! Runs a bus without `std`. This program has its own allocator and panic handler, which clash with
//! those of `std` if that is linked by any path.

#![no_std]
#![no_main]

extern crate alloc;

mod events;
mod hand;
mod platform;
mod scenarios;

use core::ffi::c_int;

use crate::platform::{live_allocations, print};

/// Called by the C runtime.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _arguments: *const *const u8) -> c_int {
    // The first round leaves permanent allocations behind; the second must not add to them.
    let mut left = 0;
    for round in 0..2 {
        for (name, scenario) in scenarios::ALL {
            for helps in [true, false] {
                scenario(helps);
            }
            if round == 0 {
                print(format_args!("ok {name}\n"));
            }
        }
        let before = core::mem::replace(&mut left, live_allocations());
        assert!(round == 0 || left == before, "{} allocations leak", left - before);
    }
    print(format_args!("ok nothing leaks ({left} allocations are kept)\n"));
    0
}
