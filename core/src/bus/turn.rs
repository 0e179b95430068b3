//! The turn: polls what is ready, asks the machine what is next, and does it, all inside one poll.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use hashbrown::HashMap;

use super::context;
use super::gate::Marked;
use super::guard;
use super::notices::Notices;
use super::pass::Pass;
use super::polling::discard_handler;
use super::record::Head;
use super::share;
use super::shared::{BookHand, BusShared, HubState, Latched};
use super::spare::SpareBoxes;
use super::spawned::Leash;
use super::task::Readiness;
use super::tasks::Tasks;
use super::value::Answer;
use crate::machine::{Asked, InvocationKey, Outcome};
use crate::sync::MutexGuard;
use crate::time::Instant;

/// The state that the holder of the turn works on.
pub(crate) struct Turn {
    pub(super) tasks: Tasks,
    /// Of invocations that run as tasks of the runtime.
    pub(super) leashes: HashMap<InvocationKey, Arc<Leash>>,
    woken: VecDeque<InvocationKey>,
    /// Invocations that waited for an event that is done.
    resumed: Vec<InvocationKey>,
    cancelled: Vec<InvocationKey>,
    /// With what the machine has started, and is not run yet.
    pub(super) hand: BookHand,
    /// The machine has not said yet that it is idle.
    asks: bool,
    /// Whether a woken task was polled last, or a new one. They alternate.
    woken_was_last: bool,
    /// As of when the machine was last idle; `goes_on` says that events had not completed.
    deadline: Instant,
    goes_on: bool,
    /// Of the handler to be called next: most end at their first poll and leave it here.
    pub(super) next_waker: Option<Readiness>,
    pub(super) spare_wakers: Vec<Readiness>,
    pub(super) spare_boxes: SpareBoxes,
    /// An invocation that has ended without the machine knowing yet, and its outcome.
    ended: Option<InvocationKey>,
    pub(super) outcome: Option<Outcome<Answer>>,
    notices: Notices,
}

/// Where the holder of the turn reads the time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// The runtime is current on this thread.
    Here,
    Elsewhere,
}

/// How a turn ended.
// Two words, which are returned in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TurnEnd {
    /// Nothing is left to do before this deadline, a wake-up or an input. If `None`, something may
    /// be left, and somebody looks: the holder of the turn; or, if the turn was long enough, the
    /// driver, which was told; or the next one to come.
    pub(crate) idle_until: Option<Instant>,
    /// Some events have not completed.
    pub(crate) goes_on: bool,
}

impl TurnEnd {
    const SOMEBODY_LOOKS: Self = Self { idle_until: None, goes_on: true };
}

/// The most steps in one turn. Each polls one handler. A model reaches this soon.
const STEPS: u32 = if cfg!(loom) { 2 } else { 64 };
/// Steps after it was enough for the task that took the turn: most often the next event is awaited
/// too, and taking the turn costs as much as a step.
const STEPS_ON_TOP: u32 = if cfg!(loom) { 1 } else { 8 };

impl BusShared {
    /// Takes the turn and works until nothing is left or its share is used up. Stops soon after
    /// `is_enough`.
    pub(crate) fn take_turn(
        self: &Arc<Self>,
        latched: &Latched,
        clock: Clock,
        is_enough: impl Fn() -> bool,
    ) -> TurnEnd {
        match Holder::new(self, latched, clock) {
            Some(mut holder) => holder.work(is_enough),
            None => TurnEnd::SOMEBODY_LOOKS,
        }
    }

    /// Drops the futures of what was cancelled, if this task may work for the bus and nobody does. The
    /// driver is told of the rest.
    pub(crate) fn drop_cancelled(self: &Arc<Self>) {
        let holder = self.helper().and_then(|latched| Holder::new(self, latched, Clock::Here));
        if let Some(mut holder) = holder {
            context::outside(|| holder.look());
        }
    }

    /// Drops what a bus without a driver still holds. If the turn is held, its holder finds in the mail
    /// what is to be dropped.
    pub(crate) fn drop_tasks(&self) {
        context::outside(|| self.drop_what_is_left());
    }

    fn drop_what_is_left(&self) {
        loop {
            if self.gate.enter() {
                self.drop_all();
                self.gate.take_more();
                if self.gate.leave() {
                    return;
                }
                self.gate.leave_with_more();
            } else if self.gate.mark() == Marked::SomebodyLooks {
                // Whoever has the turn looks, unless it was given back just now.
                return;
            }
        }
    }

    /// Drops what the turn holds, which must be taken.
    fn drop_all(&self) {
        let (tasks, leashes, BookHand { run, spare }) = {
            let mut turn = self.turn.lock();
            turn.woken.clear();
            let tasks = turn.tasks.take();
            let hand = core::mem::replace(&mut turn.hand, BookHand::EMPTY);
            (tasks, core::mem::take(&mut turn.leashes), hand)
        };
        leashes.into_values().for_each(|leash| leash.cut());
        tasks.for_each(|task| self.span.discard(task));
        guard::discard(run);
        guard::discard(spare);
    }
}

impl Turn {
    pub(crate) fn new() -> Self {
        Self {
            tasks: Tasks::default(),
            leashes: HashMap::new(),
            woken: VecDeque::new(),
            resumed: Vec::new(),
            cancelled: Vec::new(),
            hand: BookHand::EMPTY,
            asks: false,
            woken_was_last: false,
            deadline: Instant::FAR,
            goes_on: false,
            next_waker: None,
            spare_wakers: Vec::new(),
            spare_boxes: SpareBoxes::default(),
            ended: None,
            outcome: None,
            notices: Notices::default(),
        }
    }
}

/// The holder of the turn.
pub(crate) struct Holder<'a> {
    pub(super) bus: &'a Arc<BusShared>,
    pub(super) latched: &'a Latched,
    clock: Clock,
    pub(super) turn: MutexGuard<'a, Turn>,
    /// Given back after the lock, because fields are dropped in order.
    pass: Pass<'a>,
}

impl<'a> Holder<'a> {
    /// Takes the turn, unless it is held.
    // Inlined, so that it is made where it stays.
    #[inline(always)]
    fn new(bus: &'a Arc<BusShared>, latched: &'a Latched, clock: Clock) -> Option<Self> {
        let pass = Pass::get(bus)?;
        Some(Holder { bus, latched, clock, turn: bus.turn.lock(), pass })
    }

    /// The same, on this runtime's thread and under the hub's lock, for the input that follows. The turn
    /// is not waited for: once a task has left the gate, it needs no lock to let go of the turn.
    #[inline(always)]
    pub(crate) fn attending(
        bus: &'a Arc<BusShared>,
        latched: &'a Latched,
        hub: &mut HubState,
    ) -> Option<Self> {
        let mut holder = Self::new(bus, latched, Clock::Here)?;
        holder.turn.asks = true;
        hub.books.attend(bus.key);
        Some(holder)
    }

    /// Works until an event is done, or not for long if there is none; then drop the turn.
    #[inline(never)]
    pub(crate) fn work_until(&mut self, head: Option<&Head>) -> TurnEnd {
        self.work(|| head.is_none_or(Head::is_complete))
    }

    /// Works until nothing is left or its share is used up. Stops soon after `is_enough`.
    fn work(&mut self, is_enough: impl Fn() -> bool) -> TurnEnd {
        // The task that helps is not the parent of what drops and hooks dispatch here.
        context::outside(|| self.work_through(is_enough))
    }

    #[inline]
    fn work_through(&mut self, is_enough: impl Fn() -> bool) -> TurnEnd {
        // Taking the turn counts as a step: an event nobody handles is done with that alone.
        let (mut made, mut left) = (1, STEPS);
        while left > 0 {
            self.look();
            while !self.has_work() {
                // The next holder waits for this lock, so all that is left to do then is to drop it.
                let Turn { deadline, goes_on, .. } = *self.turn;
                share::count(core::mem::take(&mut made));
                if self.pass.give_back() {
                    return TurnEnd { idle_until: Some(deadline), goes_on };
                }
                self.look();
            }
            if is_enough() {
                left = left.min(STEPS_ON_TOP);
            }
            self.step();
            (made, left) = (made + 1, left - 1);
        }
        share::count(made);
        TurnEnd::SOMEBODY_LOOKS
    }

    /// Looks at what was left since the last look.
    #[inline]
    fn look(&mut self) {
        if self.bus.gate.has_more() {
            self.look_closely();
        }
    }

    #[inline(never)]
    fn look_closely(&mut self) {
        self.bus.gate.take_more();
        self.turn.asks = true;
        // Still set if a clock has panicked.
        if self.turn.ended.is_some() {
            self.ask();
        }
        // Drops of what was cancelled may cancel more.
        while self.bus.has_mail.load(Ordering::Acquire) {
            self.read_mail();
        }
    }

    #[inline]
    fn has_work(&self) -> bool {
        let Turn { hand, woken, asks, .. } = &*self.turn;
        *asks || hand.run.is_some() || !woken.is_empty()
    }

    fn read_mail(&mut self) {
        {
            let mut inbox = self.bus.inbox.lock();
            // Tasks of their own find this in the mail until now, and user code may run below.
            for invocation in &inbox.cancelled {
                if let Some(leash) = self.turn.leashes.get(invocation) {
                    leash.mark();
                }
            }
            self.bus.has_mail.store(false, Ordering::Release);
            self.turn.woken.extend(inbox.woken.drain(..));
            self.turn.resumed.append(&mut inbox.resumed);
            inbox.take_cancelled(&mut self.turn.cancelled);
            self.turn.cancelled.append(&mut inbox.spawned_ended);
        }
        while let Some(invocation) = self.turn.cancelled.pop() {
            if let Some(leash) = self.turn.leashes.remove(&invocation) {
                leash.cut();
            }
            if let Some(mut task) = self.turn.tasks.remove(invocation) {
                task.running.discard(&self.bus.span);
                self.keep(task.ready);
            }
            // Started in the books but not called: now it never will be.
            let run = self.turn.hand.run.take_if(|run| run.invocation == invocation);
            guard::discard(run);
        }
        self.resume();
    }

    /// Polls again, once, what waited for an event that is done. What is no longer kept has ended.
    #[inline(never)]
    fn resume(&mut self) {
        let Turn { resumed, tasks, woken, .. } = &mut *self.turn;
        for invocation in resumed.drain(..) {
            if tasks.get_mut(invocation).is_some_and(|task| task.ready.mark()) {
                woken.push_back(invocation);
            }
        }
    }

    /// Polls one handler and tells the machine the outcome.
    fn step(&mut self) {
        if self.turn.hand.run.is_none() && self.turn.woken.is_empty() && self.turn.asks {
            self.ask();
            // The notices may have ended what is to run.
            self.look();
        }
        let takes_woken = self.turn.hand.run.is_none() || !self.turn.woken_was_last;
        let woken = if takes_woken { self.turn.woken.pop_front() } else { None };
        self.turn.woken_was_last = woken.is_some();
        let ended = match woken {
            Some(invocation) => self.poll_again(invocation),
            None => self.turn.hand.run.take().and_then(|run| self.begin(run)),
        };
        self.turn.ended = ended;
        if ended.is_some() || (self.turn.asks && self.turn.hand.run.is_none()) {
            self.ask();
        }
    }

    /// Takes one lock for the end of one invocation and the start of the next.
    fn ask(&mut self) {
        let now = self.now();
        {
            let mut hub = self.bus.hub.lock();
            self.ask_books(&mut hub, now);
            let Turn { notices, resumed, .. } = &mut *self.turn;
            notices.collect(&mut hub, Some(self.bus), Some(resumed));
        }
        if let Some(handler) = self.turn.hand.spare.take() {
            discard_handler(handler);
        }
        if !self.turn.resumed.is_empty() {
            self.resume();
        }
        if self.turn.notices.are_there() {
            self.turn.notices.carry_out(&self.bus.hub);
        }
        // An invocation that was ended meanwhile already has its result.
        if let Some(refused) = self.turn.outcome.take() {
            guard::discard(refused);
        }
    }

    /// Asks the machine what is next, right after an event was handed to it.
    // A call, because otherwise all of it would be compiled for each type of event that is run.
    #[inline(never)]
    pub(crate) fn ask_first(&mut self, hub: &mut HubState, now: Instant) {
        self.ask_books(hub, now);
    }

    /// Tells the machine what has ended, and asks it what is next, unless there is something to run
    /// already.
    #[inline(always)]
    fn ask_books(&mut self, hub: &mut HubState, now: Instant) {
        let Turn { ended, outcome, hand, notices, .. } = &mut *self.turn;
        let asked = hub.step(self.bus.key, ended.take(), outcome, hand, notices, now);
        // The machine says `Ready` once: ask until it says that it is idle.
        self.turn.asks = asked == Asked::Again;
        if asked == Asked::Idle {
            let deadline = hub.books.next_deadline(self.bus.key);
            self.turn.deadline = deadline.unwrap_or(Instant::FAR);
            self.turn.goes_on = hub.books.incomplete(self.bus.key) > 0;
        }
    }

    #[inline]
    fn now(&self) -> Instant {
        match self.clock {
            Clock::Here => self.latched.runtime.now_here(),
            Clock::Elsewhere => self.latched.runtime.now(),
        }
    }
}
