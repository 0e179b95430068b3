//! Buses end where what held them is dropped, even within each other, because the dropping code may
//! wait for that. In a long chain, later ones end after the others, so that it takes no stack.
//! Without `std`, threads cannot be told apart: a bus that has a driver ends with it, and others
//! where they are let go of.

use alloc::sync::Arc;

use super::shared::BusShared;

#[cfg(feature = "std")]
mod imp {
    use super::{Arc, BusShared};
    use crate::bus::guard;
    use crate::sync::thread_local;
    use alloc::collections::VecDeque;
    use core::cell::RefCell;

    /// How many end within each other.
    const NESTED: u32 = 16;

    struct Ends {
        /// How many are being ended.
        depth: u32,
        /// Those that end next.
        next: VecDeque<Arc<BusShared>>,
    }

    thread_local! {
        static ENDS: RefCell<Ends> = const { RefCell::new(Ends { depth: 0, next: VecDeque::new() }) };
    }

    /// Ends a bus, now or after those that are being ended.
    pub(crate) fn end(bus: &Arc<BusShared>) {
        let enter = |ends: &RefCell<Ends>| {
            let mut ends = ends.borrow_mut();
            let is_deep = ends.depth >= NESTED;
            match is_deep {
                true => ends.next.push_back(bus.clone()),
                false => ends.depth += 1,
            }
            is_deep
        };
        // A thread that is itself ending keeps no count.
        let is_queued = ENDS.try_with(enter).unwrap_or(false);
        if !is_queued {
            let _leave = Leave;
            bus.end_here();
        }
    }

    /// Ends the buses that were queued meanwhile, if it is the outermost, even after a panic.
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            let next = |ends: &RefCell<Ends>| {
                let mut ends = ends.borrow_mut();
                let next = if ends.depth == 1 { ends.next.pop_front() } else { None };
                ends.depth -= u32::from(next.is_none());
                next
            };
            while let Ok(Some(bus)) = ENDS.try_with(next) {
                // As in the drop of what held it: a panic concerns nobody else.
                let _ = guard::catch(|| bus.end_here());
                guard::discard(bus);
            }
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use super::{Arc, BusShared};

    pub(crate) fn end(bus: &Arc<BusShared>) {
        match bus.is_driven() && !bus.has_ended() {
            true => bus.wake_driver(),
            false => bus.end_here(),
        }
    }
}

pub(crate) use imp::end;
