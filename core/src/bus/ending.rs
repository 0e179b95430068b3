//! Buses end one after the other, and not within each other: what one held may have held the next one,
//! and a chain of them is to take no stack. Without `std` threads cannot be told apart: there a bus that
//! has a driver ends with it, and others where they are let go of.

use alloc::sync::Arc;

use super::shared::BusShared;

#[cfg(feature = "std")]
mod imp {
    use super::{Arc, BusShared};
    use crate::bus::guard;
    use crate::sync::thread_local;
    use alloc::collections::VecDeque;
    use core::cell::RefCell;

    thread_local! {
        /// Those that are to end next, while this thread is ending one.
        static NEXT: RefCell<Option<VecDeque<Arc<BusShared>>>> = const { RefCell::new(None) };
    }

    /// Ends a bus, now or after the one that is being ended.
    pub(crate) fn end(bus: &Arc<BusShared>) {
        if !is_queued(bus) {
            let _rest = Rest;
            bus.end_here();
        }
    }

    /// False when this thread is ending none yet, or is ending itself; then it is as if it were by now.
    fn is_queued(bus: &Arc<BusShared>) -> bool {
        let queue = |next: &RefCell<Option<VecDeque<_>>>| match &mut *next.borrow_mut() {
            Some(next) => {
                next.push_back(bus.clone());
                true
            }
            none => {
                *none = Some(VecDeque::new());
                false
            }
        };
        NEXT.try_with(queue).unwrap_or(false)
    }

    /// Ends those that were queued meanwhile, also past a panic of the first one.
    struct Rest;

    impl Drop for Rest {
        fn drop(&mut self) {
            let next = |next: &RefCell<Option<VecDeque<_>>>| {
                let mut next = next.borrow_mut();
                let first = next.as_mut().and_then(VecDeque::pop_front);
                if first.is_none() {
                    *next = None;
                }
                first
            };
            while let Ok(Some(bus)) = NEXT.try_with(next) {
                // As in the drop of what held it: a panic is nobody's else.
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
