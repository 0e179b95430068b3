//! Replacements for parts of `std`: memory, output, panics.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

#[link(name = "c")]
unsafe extern "C" {
    fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
    fn exit(code: c_int) -> !;
}

/// Hands out memory from one block and takes none back. It counts the allocations in use.
struct Bump {
    block: UnsafeCell<[u8; Self::SIZE]>,
    next: AtomicUsize,
    live: AtomicUsize,
}

// SAFETY: `next` gives each byte of the block away once, and only `alloc` touches the block.
unsafe impl Sync for Bump {}

impl Bump {
    const SIZE: usize = 16 << 20;
}

// SAFETY: each allocation is aligned, large enough, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.block.get().cast::<u8>();
        let place = |next: usize| {
            let address = (start.addr() + next).next_multiple_of(layout.align());
            let from = address - start.addr();
            (from, from + layout.size())
        };
        let taken = self.next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |next| {
            let (_, end) = place(next);
            (end <= Self::SIZE).then_some(end)
        });
        let Ok(next) = taken else { return ptr::null_mut() };
        self.live.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the place ends inside the block.
        unsafe { start.add(place(next).0) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[global_allocator]
static MEMORY: Bump = Bump {
    block: UnsafeCell::new([0; Bump::SIZE]),
    next: AtomicUsize::new(0),
    live: AtomicUsize::new(0),
};

/// The number of allocations that have not been given back.
pub fn live_allocations() -> usize {
    MEMORY.live.load(Ordering::SeqCst)
}

pub fn print(text: fmt::Arguments<'_>) {
    let _ = Out(1).write_fmt(text);
}

struct Out(c_int);

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the pointer and the length are those of `text`.
        let written = unsafe { write(self.0, text.as_ptr().cast(), text.len()) };
        if written < 0 { Err(fmt::Error) } else { Ok(()) }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Out(2), "{info}");
    // SAFETY: it takes any code, and does not return.
    unsafe { exit(101) }
}

// The precompiled `alloc` and `core` can unwind, and refer to these two. Nothing unwinds here, so they
// are never called.

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: it takes any code, and does not return.
    unsafe { exit(102) }
}
