//! What the books let go of: values of the user's, which are dropped, and buses, which end. Each at once,
//! even within each other, because the code that lets go may wait for it; but in a long chain, later
//! ones after the others, so that it takes no stack. And as in no handler: what drops and hooks dispatch
//! has no parent, whoever happens to let go.
//!
//! Without `std`, threads cannot be told apart: there, chains take stack, and a bus that has a driver ends
//! with it.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::context;
use super::guard;
use super::handler::Callable;
use super::record::Erased;
use super::shared::BusShared;
use super::value::Answer;
use crate::machine;

type Dropped = machine::Dropped<Arc<dyn Erased>, Answer, Arc<dyn Callable>>;

pub(crate) enum Leftover {
    /// Events that nothing remembers.
    Event(Arc<dyn Erased>),
    Events(VecDeque<Arc<dyn Erased>>),
    Value(Dropped),
    /// A bus that has nothing left to do.
    Bus(Arc<BusShared>),
}

/// Lets go of it, now or after what is let go of in the same chain.
pub(crate) fn let_go(left: Leftover) {
    imp::nested(left, |left| left, Leftover::end);
}

/// The same for an event, which most dispatches leave: it is not moved unless it has to wait. Leaving a
/// handler for the drop takes longer than to look whether that calls anybody.
#[inline]
pub(crate) fn forget(event: Arc<dyn Erased>) {
    match context::is_anywhere() && event.is_plain() {
        true => guard::discard(event),
        false => imp::nested(event, Leftover::Event, guard::discard),
    }
}

impl Leftover {
    /// Drops each value on its own: two panics in one drop would end the process.
    fn end(self) {
        match self {
            Self::Event(event) => guard::discard(event),
            Self::Events(events) => events.into_iter().for_each(forget),
            Self::Value(Dropped::Handlers(list)) => {
                Arc::into_inner(list).into_iter().flatten().for_each(guard::discard);
            }
            Self::Value(other) => guard::discard(other),
            Self::Bus(bus) => {
                // A panic in its handlers' drops concerns nobody else.
                let _ = guard::catch(|| imp::end(&bus));
                guard::discard(bus);
            }
        }
    }
}

#[cfg(feature = "std")]
mod imp {
    use super::{Arc, BusShared, Leftover, VecDeque, context};
    use crate::sync::thread_local;
    use core::cell::{Cell, RefCell};

    /// How many end within each other.
    const NESTED: u32 = 16;

    /// What is let go of on this thread, within each other.
    #[derive(Clone, Copy, Default)]
    struct Chain {
        depth: u32,
        /// Some waits for the end of the chain.
        goes_on: bool,
    }

    thread_local! {
        static CHAIN: Cell<Chain> = const { Cell::new(Chain { depth: 0, goes_on: false }) };
        static NEXT: RefCell<VecDeque<Leftover>> = const { RefCell::new(VecDeque::new()) };
    }

    impl Chain {
        // A thread that is itself ending keeps no count.
        #[inline]
        fn get() -> Self {
            CHAIN.try_with(Cell::get).unwrap_or_default()
        }

        #[inline]
        fn set(self) {
            let _ = CHAIN.try_with(|at| at.set(self));
        }
    }

    /// Lets go of a value with `now`. It is only made one of what is `left` if it has to wait.
    #[inline]
    pub(super) fn nested<T>(value: T, left: impl FnOnce(T) -> Leftover, now: impl FnOnce(T)) {
        let chain = Chain::get();
        if chain.depth >= NESTED {
            return wait(left(value));
        }
        Chain { depth: chain.depth + 1, ..chain }.set();
        context::outside(|| {
            let _leave = Leave;
            now(value);
        });
    }

    /// Leaves it to the outermost of the chain.
    #[cold]
    #[inline(never)]
    fn wait(left: Leftover) {
        let mut left = Some(left);
        let _ = NEXT.try_with(|next| next.borrow_mut().extend(left.take()));
        match left {
            // Nor does it keep a queue.
            Some(left) => left.end(),
            None => Chain { goes_on: true, ..Chain::get() }.set(),
        }
    }

    /// Goes on with what waits, if it is the outermost, even after a panic.
    struct Leave;

    impl Drop for Leave {
        #[inline]
        fn drop(&mut self) {
            let chain = Chain::get();
            if chain.depth == 1 && chain.goes_on {
                go_on();
            }
            Chain {
                depth: chain.depth.saturating_sub(1),
                goes_on: chain.goes_on && chain.depth > 1,
            }
            .set();
        }
    }

    #[cold]
    #[inline(never)]
    fn go_on() {
        while let Ok(Some(left)) = NEXT.try_with(|next| next.borrow_mut().pop_front()) {
            left.end();
        }
    }

    pub(super) fn end(bus: &Arc<BusShared>) {
        bus.end_here();
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use super::{Arc, BusShared, Leftover, context};

    pub(super) fn nested<T>(value: T, _left: impl FnOnce(T) -> Leftover, now: impl FnOnce(T)) {
        context::outside(|| now(value));
    }

    pub(super) fn end(bus: &Arc<BusShared>) {
        match bus.is_driven() && !bus.has_ended() {
            true => bus.wake_driver(),
            false => bus.end_here(),
        }
    }
}
