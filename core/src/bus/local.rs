//! Wake-ups of a bus's invocations by whoever holds its turn, while he works: mostly an invocation that
//! waited for an event of the same bus. They need no lock, and nobody has to be told of them.

#[cfg(feature = "std")]
mod imp {
    use core::cell::Cell;

    use crate::machine::InvocationKey;

    #[derive(Clone, Copy)]
    struct Work {
        /// The address of the bus whose turn is held on this thread; 0 is nobody's.
        bus: usize,
        /// One is enough: the holder looks after each step, and others go the long way.
        woken: Option<InvocationKey>,
    }

    const NONE: Work = Work { bus: 0, woken: None };

    std::thread_local! {
        static WORK: Cell<Work> = const { Cell::new(NONE) };
    }

    /// The turn of a bus is held on this thread, as long as this lives.
    pub(crate) struct Here {
        /// A waker that runs tasks at once may have one turn taken within another.
        outer: Work,
    }

    impl Here {
        #[inline]
        pub(crate) fn new(bus: usize) -> Self {
            Self { outer: WORK.replace(Work { bus, woken: None }) }
        }

        /// The invocation that was woken since this was asked last.
        #[inline]
        pub(crate) fn take_woken(&self) -> Option<InvocationKey> {
            let work = WORK.get();
            if work.woken.is_some() {
                WORK.set(Work { woken: None, ..work });
            }
            work.woken
        }
    }

    impl Drop for Here {
        fn drop(&mut self) {
            WORK.set(self.outer);
        }
    }

    /// Leaves a wake-up with the holder of the turn, if that is this thread and he has no other one.
    #[inline]
    pub(crate) fn wake(bus: usize, invocation: InvocationKey) -> bool {
        // A thread that is ending holds no turn.
        let work = WORK.try_with(Cell::get).unwrap_or(NONE);
        let is_taken = work.bus == bus && work.woken.is_none();
        if is_taken {
            WORK.set(Work { woken: Some(invocation), ..work });
        }
        is_taken
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use crate::machine::InvocationKey;

    /// Without threads to ask, all wake-ups go the long way.
    pub(crate) struct Here(());

    impl Here {
        pub(crate) const fn new(_bus: usize) -> Self {
            Self(())
        }

        pub(crate) const fn take_woken(&self) -> Option<InvocationKey> {
            None
        }
    }

    pub(crate) const fn wake(_bus: usize, _invocation: InvocationKey) -> bool {
        false
    }
}

pub(crate) use imp::*;
