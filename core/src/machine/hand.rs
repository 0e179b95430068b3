//! What a bus's worker has in hand: what it runs next, and the handler of what it ran last.

use alloc::sync::Arc;

use super::output::Run;
use super::registry::Handler;

/// The places that a step of the machine fills for a worker, and takes from.
pub(crate) struct Hand<P, H> {
    /// What to run next.
    pub(crate) run: Option<Run<P, H>>,
    /// The handler of what ran last. If it is the next one too, it is handed out again, which spares two
    /// changes of a count that threads share. A step leaves it here only if it is not registered any
    /// more: then dropping it may drop a user's function.
    pub(crate) spare: Option<Arc<Handler<H>>>,
}

impl<P, H> Hand<P, H> {
    pub(crate) const EMPTY: Self = Self { run: None, spare: None };

    /// Another reference to a handler that is about to run.
    #[inline(always)]
    pub(super) fn another(&mut self, handler: &Arc<Handler<H>>) -> Arc<Handler<H>> {
        let spare = self.spare.take_if(|spare| Arc::ptr_eq(spare, handler));
        spare.unwrap_or_else(|| handler.clone())
    }

    /// Drops the spare handler where that cannot drop a user's function: once the end of its event can
    /// be seen, nobody is to find it held here.
    #[inline(always)]
    pub(super) fn let_go(&mut self) {
        self.spare.take_if(|spare| spare.is_registered());
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{BusConfig, HubConfig, Limit};
    use super::super::dispatch::Dispatch;
    use super::super::registry::{Action, Pattern};
    use super::super::results::Outcome;
    use super::super::said::Said;
    use super::super::{BusKey, HandlerKey, InvocationKey, Machine};
    use super::*;
    use crate::time::Instant;

    const NOW: Instant = Instant::EPOCH;

    /// A bus with a handler, whose worker keeps its hand from step to step.
    struct Worker {
        machine: Machine<(), (), ()>,
        bus: BusKey,
        handler: HandlerKey,
        hand: Hand<(), ()>,
    }

    impl Worker {
        fn new() -> Self {
            let mut machine = Machine::new(HubConfig::default());
            let bus = machine.add_bus(BusConfig::new("main"), 0);
            let on = machine.on(bus, Pattern::Any, "h", Limit::Inherit, Action::Call(()));
            let handler = on.expect("the bus is there").key;
            Self { machine, bus, handler, hand: Hand::EMPTY }
        }

        fn dispatch(&mut self) {
            let kind = self.machine.kind("E", None);
            let sent = self.machine.dispatch(self.bus, (), Dispatch::new(kind), NOW);
            sent.expect("there is room");
        }

        fn step(&mut self, ended: Option<InvocationKey>) {
            let mut outcome = ended.map(|_| Outcome::Empty);
            let Self { machine, bus, hand, .. } = self;
            let _ = machine.step(*bus, ended, &mut outcome, hand, NOW, Said::completed);
        }

        /// Takes what is to run, and keeps its handler as the shell does.
        fn run(&mut self) -> InvocationKey {
            let run = self.hand.run.take().expect("an event is queued");
            self.hand.spare = Some(run.handler);
            run.invocation
        }
    }

    #[test]
    fn a_handler_that_is_next_again_is_handed_out_again() {
        let mut worker = Worker::new();
        worker.dispatch();
        worker.dispatch();
        worker.step(None);
        let first = worker.run();
        let kept = worker.hand.spare.clone().expect("it was kept");
        worker.step(Some(first));
        assert!(worker.hand.spare.is_none());
        let next = &worker.hand.run.as_ref().expect("the second event").handler;
        assert!(Arc::ptr_eq(next, &kept));
        // This test's reference, the registry's and the one handed out.
        assert_eq!(Arc::strong_count(&kept), 3);
    }

    #[test]
    fn nothing_is_held_when_the_end_can_be_seen() {
        let mut worker = Worker::new();
        worker.dispatch();
        worker.step(None);
        let only = worker.run();
        let kept = Arc::downgrade(worker.hand.spare.as_ref().expect("it was kept"));
        worker.step(Some(only));
        assert!(worker.hand.spare.is_none());
        assert_eq!(kept.strong_count(), 1);
    }

    #[test]
    fn what_is_not_registered_any_more_is_left_to_be_dropped_outside() {
        let mut worker = Worker::new();
        worker.dispatch();
        worker.step(None);
        let only = worker.run();
        drop(worker.machine.off(worker.handler));
        worker.step(Some(only));
        let left = worker.hand.spare.take().expect("its drop may be a user's");
        assert!(Arc::into_inner(left).is_some());
    }
}
