//! The machine's outputs, taken under the lock and carried out after it is released.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;

use super::context;
use super::guard;
use super::leftovers::{self, Leftover};
use super::record::{Erased, freeze};
use super::report;
use super::shared::{BookHand, BookOutput, BusShared, HubShared, HubState, Lines};
use super::value::Answer;
use super::watch::Watcher;
use crate::machine::{
    Asked, BusKey, Cause, Done, EventKey, InvocationKey, Outcome, Output, Warning,
};
use crate::time::Instant;

/// What to do once the hub's lock is released, in order. Before that, no user code is called, and
/// nothing of the user's is cloned or dropped.
#[derive(Default)]
pub(crate) struct Notices {
    /// The collector's own bus has something to do.
    own_ready: bool,
    todo: Vec<Todo>,
    /// What is left to drop.
    left: Vec<Leftover>,
    /// An event that nothing remembers: most inputs leave one, once a history is full.
    forgotten: Option<Arc<dyn Erased>>,
    /// Lines are waiting for journals.
    #[cfg(feature = "journal")]
    lines: bool,
}

enum Todo {
    Complete(Arc<dyn Erased>),
    Notify(Arc<BusShared>),
    Cancel(Arc<BusShared>, InvocationKey),
    Resume(Arc<BusShared>, InvocationKey),
    Wake(Waker),
    /// The last field is the event it replaces.
    Arrive(Arc<dyn Watcher>, Arc<dyn Erased>, Option<Arc<dyn Erased>>),
    EndWatch(Arc<dyn Watcher>, u64),
    Idle(Arc<BusShared>),
    Closed(Arc<BusShared>),
    Warn(Box<Warning>),
    LetGo(Leftover),
}

impl Notices {
    /// Collects the outputs; the caller looks after the bus `own` itself.
    #[inline(never)]
    pub(crate) fn of(hub: &mut HubState, own: Option<&Arc<BusShared>>) -> Self {
        let mut notices = Self::default();
        notices.collect(hub, own, None);
        notices
    }

    /// Whether the collector's own bus has something to do.
    #[inline]
    pub(crate) const fn is_own_ready(&self) -> bool {
        self.own_ready
    }

    /// Collects the outputs. The caller looks after the bus `own` itself; if it has the turn, it
    /// polls what is in `resumed` again.
    #[inline]
    pub(crate) fn collect(
        &mut self,
        hub: &mut HubState,
        own: Option<&Arc<BusShared>>,
        mut resumed: Option<&mut Vec<InvocationKey>>,
    ) {
        while hub.books.has_said() {
            // Most outputs are of these kinds.
            if let Some(awaited) = hub.next_completed() {
                self.completed(awaited);
                continue;
            }
            if let Some((own, resumed)) = own.zip(resumed.as_mut())
                && let Some(invocation) = hub.books.next_resumed(own.key)
            {
                resumed.push(invocation);
                continue;
            }
            match hub.next_said() {
                Some(Output::Ready { bus }) if own.is_some_and(|own| own.key == bus) => {
                    self.own_ready = true;
                }
                Some(output) => self.todo.extend(hub.todo(output)),
                None => break,
            }
        }
        if self.forgotten.is_none() {
            self.forgotten = hub.books.next_forgotten();
        }
        if let Some(more) = hub.books.more_forgotten() {
            self.todo.push(Todo::LetGo(Leftover::Events(more)));
        }
        #[cfg(feature = "journal")]
        if !self.lines {
            self.lines = hub.lines.need_help();
        }
    }

    /// Notes a completed event with waiters to wake.
    #[inline]
    pub(crate) fn completed(&mut self, awaited: Option<Arc<dyn Erased>>) {
        // Mostly there are none, and extending by nothing takes longer.
        if let Some(awaited) = awaited {
            self.todo.push(Todo::Complete(awaited));
        }
    }

    /// Whether there is something to do.
    #[inline]
    pub(crate) fn are_there(&self) -> bool {
        #[cfg(feature = "journal")]
        if self.lines {
            return true;
        }
        self.forgotten.is_some() || !self.todo.is_empty()
    }

    /// The buses that have to drop what was cancelled.
    fn cancels(&self) -> Vec<Arc<BusShared>> {
        let mut buses: Vec<Arc<BusShared>> = Vec::new();
        for todo in &self.todo {
            if let Todo::Cancel(bus, _) = todo
                && !buses.iter().any(|other| Arc::ptr_eq(other, bus))
            {
                buses.push(bus.clone());
            }
        }
        buses
    }

    /// Carries out what was collected; nothing is left of it afterwards. The collector's own bus should
    /// be notified before, as others are here.
    #[inline(never)]
    pub(crate) fn carry_out(&mut self, hub: &HubShared) {
        self.tell(hub);
        self.let_go();
    }

    /// The first part: tells all who are to know. Wakers, predicates and hooks are the user's: if one
    /// panics, the others still have their turn, and so has the bus.
    pub(crate) fn tell(&mut self, hub: &HubShared) {
        #[cfg(feature = "journal")]
        if core::mem::take(&mut self.lines) {
            hub.write_lines();
        }
        if !self.todo.is_empty() {
            context::outside(|| self.tell_all(hub));
        }
    }

    /// The last part: drops what nothing remembers. Others rely on the rest, and a drop may wait for
    /// them.
    pub(crate) fn let_go(&mut self) {
        self.left.drain(..).for_each(leftovers::let_go);
        if let Some(forgotten) = self.forgotten.take() {
            leftovers::forget(forgotten);
        }
    }

    /// What buses have to do comes first: predicates and other code of the user's may take long, or wait
    /// for it.
    fn tell_all(&mut self, hub: &HubShared) {
        for todo in &self.todo {
            let _ = guard::catch(|| todo.tell_bus());
        }
        let Self { todo, left, .. } = self;
        todo.drain(..).for_each(|todo| drop(guard::catch(|| todo.carry_out(hub, left))));
    }
}

impl Todo {
    /// Tells a bus of its work, if this is some.
    fn tell_bus(&self) {
        match self {
            Self::Notify(bus) => bus.notify(),
            Self::Cancel(bus, invocation) => bus.mail(|inbox| inbox.cancel(*invocation)),
            Self::Resume(bus, invocation) => bus.mail(|inbox| inbox.resumed.push(*invocation)),
            _ => {}
        }
    }

    /// Does the rest.
    fn carry_out(self, hub: &HubShared, left: &mut Vec<Leftover>) {
        match self {
            Self::Complete(record) => {
                record.head().wake_waiters();
                report::report(&record);
            }
            Self::Notify(_) | Self::Cancel(..) | Self::Resume(..) => {}
            Self::Wake(waker) => waker.wake(),
            Self::Arrive(watcher, record, replaced) => {
                left.extend(replaced.map(Leftover::Event));
                watcher.arrived(record);
            }
            Self::EndWatch(watcher, dropped) => watcher.ended(dropped),
            Self::Idle(bus) => bus.idle.wake_all(),
            Self::Closed(bus) => leftovers::let_go(Leftover::Bus(bus)),
            Self::Warn(warning) => hub.warnings.tell(&warning),
            Self::LetGo(leftover) => left.push(leftover),
        }
    }
}

impl HubState {
    /// Takes the machine's next output. If it is the end of an event, notes it and returns whom to wake.
    #[inline(never)]
    fn next_said(&mut self) -> Option<BookOutput> {
        let Self { books, lines, .. } = self;
        books.next_said(|done| lines.end(done))
    }

    /// The same, if it is the end of an event.
    #[inline]
    fn next_completed(&mut self) -> Option<Option<Arc<dyn Erased>>> {
        let Self { books, lines, .. } = self;
        books.next_completed(|done| lines.end(done))
    }

    /// Ends an invocation, if one has ended, and puts what is next on the bus in `hand`. If an event ends
    /// with the invocation, notes it, and whom to wake in `notices`.
    #[inline(always)]
    pub(crate) fn step(
        &mut self,
        bus: BusKey,
        ended: Option<InvocationKey>,
        outcome: &mut Option<Outcome<Answer>>,
        hand: &mut BookHand,
        notices: &mut Notices,
        now: Instant,
    ) -> Asked {
        let Self { books, lines, .. } = self;
        books.step(bus, ended, outcome, hand, now, |_, done| notices.completed(lines.end(done)))
    }

    /// What an output asks for. What needs no user code is noted here.
    #[inline(never)]
    fn todo(&mut self, output: BookOutput) -> Option<Todo> {
        Some(match output {
            Output::Ready { bus } => Todo::Notify(self.shell(bus)?),
            Output::Cancel { bus, invocation } => Todo::Cancel(self.shell(bus)?, invocation),
            Output::Resumed { bus, invocation } => Todo::Resume(self.shell(bus)?, invocation),
            // Without a registered waker there is nothing to do.
            Output::Completed(awaited) => Todo::Complete(awaited?),
            #[cfg(feature = "journal")]
            Output::Accepted { bus, payload, .. } => {
                let bus = self.shell(bus)?;
                self.lines.accepted(bus, payload);
                return None;
            }
            // Only a bus with a journal is write-ahead.
            #[cfg(not(feature = "journal"))]
            Output::Accepted { payload, .. } => Todo::LetGo(Leftover::Event(payload)),
            Output::Granted { reservation } => Todo::Wake(self.reserved.remove(&reservation)?),
            Output::Arrived { watch, payload, instead_of_oldest, .. } => {
                let watcher = self.watchers.get(&watch)?.clone();
                let replaced = watcher.receive(&payload, instead_of_oldest);
                Todo::Arrive(watcher, payload, replaced)
            }
            Output::WatchEnded { watch, dropped } => {
                Todo::EndWatch(self.watchers.remove(&watch)?, dropped)
            }
            Output::Idle { bus } => Todo::Idle(self.shell(bus)?),
            Output::Closed { bus } => Todo::Closed(self.shell(bus)?),
            Output::Warning(warning) => Todo::Warn(warning),
            Output::Dropped(dropped) => Todo::LetGo(Leftover::Value(dropped)),
        })
    }
}

impl Lines {
    /// Notes the end of an event, also for journals, and returns whom to wake.
    #[inline]
    fn end(&mut self, done: Done<'_, Arc<dyn Erased>, Answer>) -> Option<Arc<dyn Erased>> {
        let record = done.payload;
        let awaited = freeze(done);
        self.completed(record);
        awaited
    }
}

impl HubShared {
    /// Ends an event for a caller, who drops its handlers' futures where nobody else has the turn.
    /// Returns whether there was anything to end.
    pub(crate) fn cancel(&self, event: EventKey) -> bool {
        let now = self.now();
        let (was_open, mut notices) = {
            let mut hub = self.lock();
            let was_open = hub.books.abort(event, Cause::Cancelled, now);
            (was_open, Notices::of(&mut hub, None))
        };
        let cancels = notices.cancels();
        notices.carry_out(self);
        cancels.iter().for_each(BusShared::drop_cancelled);
        was_open
    }

    /// Makes an input to the machine and carries out what follows from it.
    #[inline]
    pub(crate) fn input<T>(&self, input: impl FnOnce(&mut HubState) -> T) -> T {
        let mut notices = None;
        let answer = {
            let mut hub = self.lock();
            let answer = input(&mut hub);
            if hub.books.has_outputs() {
                notices = Some(Notices::of(&mut hub, None));
            }
            answer
        };
        if let Some(notices) = &mut notices {
            notices.carry_out(self);
        }
        answer
    }
}
