//! The actions of handlers and their surroundings: dispatch, run, wait, finish, let time pass.

use core::iter;

use busway_core::machine::{Dispatch, Next, Outcome, Refusal, Waiting};

use super::{Accepted, Checked, World};
use crate::model::{EventId, Invocation, InvocationId, Order};

type Action = fn(&mut World) -> Checked;

/// Actions, and how often each is taken relative to the others.
const ACTIONS: [(usize, Action); 15] = [
    (8, World::dispatch_root),
    (4, World::dispatch_then_next),
    (18, World::dispatch_child),
    (12, World::finish_one),
    (18, World::wait_for_one),
    (6, World::drop_a_wait),
    (5, World::let_time_pass),
    (4, World::abort_one),
    (2, World::send_one_on),
    (3, World::reserve_or_release),
    (2, World::spurious),
    (10, World::write_one),
    (2, World::register_or_end),
    (2, World::try_by_itself),
    (6, World::lend_or_retake),
];

impl World {
    /// Takes one random action.
    pub(super) fn act(&mut self) -> Checked {
        if self.rng.chance(self.mood.life) {
            return self.live();
        }
        if self.rng.chance(self.mood.watched) {
            return self.watch_or_read();
        }
        if self.rng.chance(self.mood.addressed) {
            return self.send_to_address();
        }
        if self.rng.chance(self.mood.eager) {
            return self.ask_for_next();
        }
        let mut left = self.rng.below(ACTIONS.iter().map(|(weight, _)| weight).sum());
        for (weight, action) in ACTIONS {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return action(self),
            }
        }
        Ok(())
    }

    /// Sometimes by a running handler.
    fn dispatch_root(&mut self) -> Checked {
        let by = self.some_running().map(|(_, event)| event).filter(|_| self.rng.chance(30));
        self.dispatch(None, by)
    }

    /// The parent is mostly the event of a running handler, sometimes any event.
    fn dispatch_child(&mut self) -> Checked {
        let running = self.some_running();
        let any = self.some_event().filter(|_| self.rng.chance(20));
        match any.or(running.map(|(_, event)| event)) {
            Some(parent) => self.dispatch(Some(parent), None),
            None => self.dispatch_root(),
        }
    }

    fn dispatch(&mut self, parent: Option<EventId>, by: Option<EventId>) -> Checked {
        let (bus, order) = self.order(parent, by, "");
        let (now, key, id) = (self.now(), self.keys.buses[bus], self.keys.events.len() as u32);
        let spec = self.spec(&order);
        let answer = self.dispatch_input(|hub| hub.dispatch(key, id, spec, now));
        self.model.advance(now);
        if self.is_accepted(answer, &self.model.refusals(bus, &order), id)? {
            self.model.accept(bus, order);
        }
        self.check()
    }

    /// As a shell does whose caller waits for the event: all of it before any output is taken.
    fn dispatch_then_next(&mut self) -> Checked {
        let parent = self.some_running().map(|(_, event)| event).filter(|_| self.rng.chance(50));
        let (bus, order) = self.order(parent, None, ", and what is next?");
        let (now, key, id) = (self.now(), self.keys.buses[bus], self.keys.events.len() as u32);
        let spec = self.spec(&order);
        let mut next = Next::Idle;
        let answer = self.dispatch_input(|hub| {
            hub.attend(key);
            let answer = hub.dispatch(key, id, spec, now);
            hub.timed_out(key, now);
            let mut answers = iter::repeat_with(|| hub.next(key, now));
            next = answers.find(|next| !matches!(next, Next::Again)).unwrap_or(Next::Idle);
            answer
        });
        self.model.advance(now);
        if self.is_accepted(answer, &self.model.refusals(bus, &order), id)? {
            self.model.accept(bus, order);
        }
        self.model.timed_out(bus);
        self.check_started(bus, next)?;
        self.check()
    }

    /// A bus, and an event to dispatch on it.
    fn order(
        &mut self,
        parent: Option<EventId>,
        by: Option<EventId>,
        then: &str,
    ) -> (usize, Order) {
        let bus = self.rng.below(self.keys.buses.len());
        let reservations: Vec<_> = (0..self.keys.reservations.len()).collect();
        let permit = self.rng.pick(&reservations).filter(|_| self.rng.chance(50));
        let (kind, overrides) = (self.kind(), self.overrides());
        let event = self.keys.events.len();
        self.begin(|| {
            let links = format!("parent {parent:?} by {by:?} permit {permit:?}");
            format!("dispatch {event} on {bus}: {kind:?} {links} {overrides:?}{then}")
        });
        (bus, Order { kind, parent, by, permit, overrides })
    }

    /// Turns an order into the machine's input.
    pub(super) fn spec(&mut self, order: &Order) -> Dispatch {
        let Order { kind, parent, by, permit, overrides } = order;
        let mut spec = Dispatch::new(self.hub.kind(kind.0, kind.1));
        if let Some(parent) = *parent {
            spec = spec.child_of(self.keys.events[parent], self.model.events[parent].depth);
        }
        spec.by = by.map(|by| self.keys.events[by]);
        spec.permit = permit.map(|permit| self.keys.reservations[permit]);
        spec.overrides =
            Some(Box::new(overrides.clone())).filter(|own| **own != Default::default());
        spec
    }

    /// Whether an order was accepted. Then there must be no reason to refuse it; else it must come back
    /// with one of the reasons.
    pub(super) fn is_accepted(
        &self,
        answer: Accepted,
        refusals: &[Refusal],
        payload: u32,
    ) -> Result<bool, String> {
        match answer {
            Ok(_) => {
                self.agree("refusals of what was accepted", &refusals, &[].as_slice())?;
                Ok(true)
            }
            Err(refused) => {
                let allowed = refusals.contains(&refused.reason) && refused.payload == payload;
                self.ensure(allowed, || format!("refused: {:?} of {refusals:?}", refused.reason))?;
                Ok(false)
            }
        }
    }

    /// Mostly of a ready bus, sometimes of any.
    fn ask_for_next(&mut self) -> Checked {
        let ready: Vec<_> = (0..self.ready.len()).filter(|bus| self.ready[*bus]).collect();
        let any = self.rng.below(self.keys.buses.len());
        let bus = self.rng.pick(&ready).filter(|_| self.rng.chance(95)).unwrap_or(any);
        self.next(bus)
    }

    pub(super) fn next(&mut self, bus: usize) -> Checked {
        self.begin(|| format!("next on {bus}"));
        let (now, key) = (self.now(), self.keys.buses[bus]);
        let answer = self.input(|hub| {
            let mut answers = iter::repeat_with(|| hub.next(key, now));
            answers.find(|next| !matches!(next, Next::Again))
        });
        self.model.advance(now);
        self.check_started(bus, answer.unwrap_or(Next::Idle))?;
        self.check()
    }

    /// Whether the machine has started on a bus what the model starts now.
    fn check_started(&mut self, bus: usize, answer: Next<u32, u32>) -> Checked {
        let key = self.keys.buses[bus];
        let left: Vec<_> = self.hub.queued(key).map(|event| self.keys.event(event)).collect();
        let expected = self.model.next(bus, &left);
        let expected = expected.map(|run| (run.invocation, run.event, run.handler as u32));
        let started = match answer {
            Next::Run(run) => {
                // A caller that has asked once keeps asking until the bus is idle.
                self.ready[bus] = true;
                self.keys.invocations.push(run.invocation);
                let id = self.keys.invocations.len();
                let event = self.keys.event(run.event);
                self.agree("payload", &(run.payload as usize), &event)?;
                Some((id, event, run.handler.info.key.get() as u32 - 1))
            }
            _ => {
                self.ready[bus] = false;
                None
            }
        };
        self.agree("what was started (invocation, event, handler)", &started, &expected)?;
        self.check_nobody_waits_for(bus)
    }

    fn finish_one(&mut self) -> Checked {
        match self.some_running() {
            Some((id, _)) if self.rng.chance(40) => self.finish_then_next(id),
            Some((id, _)) => self.finish(id),
            None => self.ask_for_next(),
        }
    }

    pub(super) fn finish(&mut self, id: InvocationId) -> Checked {
        let outcome = self.some_outcome(id);
        self.begin(|| format!("invocation {id} ends with {outcome:?}"));
        let (now, key) = (self.now(), self.keys.invocations[id - 1]);
        let theirs = outcome.clone();
        let back = self.input(|hub| hub.finished(key, theirs, now));
        self.model.advance(now);
        self.check_finished(id, outcome, back)?;
        self.check()
    }

    /// Mostly on the invocation's own bus.
    fn finish_then_next(&mut self, id: InvocationId) -> Checked {
        let outcome = self.some_outcome(id);
        let own = self.model.invocation(id).map(|running| running.bus);
        let any = self.rng.below(self.keys.buses.len());
        let bus = own.filter(|_| self.rng.chance(90)).unwrap_or(any);
        self.begin(|| format!("invocation {id} ends with {outcome:?}, and what is next on {bus}?"));
        let (now, key, on) = (self.now(), self.keys.invocations[id - 1], self.keys.buses[bus]);
        let theirs = outcome.clone();
        let (back, next) = self.input(|hub| hub.finished_then_next(on, key, theirs, now));
        self.model.advance(now);
        self.check_finished(id, outcome, back)?;
        self.model.timed_out(bus);
        // What goes on comes first, also if it is ended by the same input.
        if matches!(next, Next::Again) {
            self.agree("that nothing goes on", &self.seen.resumed.is_empty(), &false)?;
        } else {
            let nothing = self.model.said.resumed.is_empty() || self.model.buses[bus].gone;
            self.agree("that nothing goes on", &nothing, &true)?;
            self.check_started(bus, next)?;
        }
        self.check()
    }

    fn some_outcome(&mut self, id: InvocationId) -> Outcome<u32> {
        let value = id as u32;
        let outcomes = [Outcome::Value(value), Outcome::Empty, Outcome::Failed(value)];
        outcomes[self.rng.below(3)].clone()
    }

    fn check_finished(
        &mut self,
        id: InvocationId,
        outcome: Outcome<u32>,
        back: Option<Outcome<u32>>,
    ) -> Checked {
        let expected = self.model.invocation(id).is_none().then(|| outcome.clone());
        self.agree("outcome handed back", &back, &expected)?;
        self.model.finished(id, outcome);
        Ok(())
    }

    /// An invocation reports the tries that it makes itself.
    fn try_by_itself(&mut self) -> Checked {
        let Some((id, _)) = self.some_running() else { return Ok(()) };
        let key = self.keys.invocations[id - 1];
        if self.rng.chance(50) {
            let tries = self.rng.below(4) as u32;
            self.begin(|| format!("invocation {id} begins its try {tries}"));
            self.input(|hub| hub.tried(key, tries));
            self.model.tried(id, tries);
        } else {
            self.begin(|| format!("a try of invocation {id} is over its time"));
            let now = self.now();
            self.input(|hub| hub.try_timed_out(key, now));
            self.model.advance(now);
            self.model.try_timed_out(id);
        }
        self.check()
    }

    /// A running invocation waits, mostly for a child of its event.
    fn wait_for_one(&mut self) -> Checked {
        let Some((by, event)) = self.some_running() else { return self.ask_for_next() };
        let open = |id: &EventId| !self.model.events[*id].completed;
        let children = |id: &EventId| self.model.events[*id].parent == Some(event);
        let all = 0..self.model.events.len();
        let children: Vec<_> = all.clone().filter(open).filter(children).collect();
        let open: Vec<_> = all.filter(open).collect();
        let child = self.rng.pick(&children).filter(|_| self.rng.chance(70));
        let other = self.rng.pick(&open).filter(|_| self.rng.chance(95));
        match child.or(other).or_else(|| self.some_event()) {
            Some(event) => self.wait(by, event),
            None => Ok(()),
        }
    }

    pub(super) fn wait(&mut self, by: InvocationId, event: EventId) -> Checked {
        let resumes = self.rng.chance(70);
        self.begin(|| format!("invocation {by} waits for event {event}, to resume {resumes}"));
        let (invocation, key) = (self.keys.invocations[by - 1], self.keys.events[event]);
        let answer = self.input(|hub| match resumes {
            true => hub.wait_to_resume(invocation, key),
            false => hub.wait(invocation, key),
        });
        let runs = self.model.invocation(by).map(|running| running.event);
        let over = self.model.events[event].completed;
        match answer {
            Ok(Waiting::Nobodys) => self.agree("nobody's wait", &None, &runs)?,
            Ok(Waiting::Over) => self.agree("a wait that is over", &true, &over)?,
            Ok(Waiting::Begun(wait)) => {
                self.agree("a wait may begin", &(runs.is_some(), over), &(true, false))?;
                let deadlock = self.model.depends_on(event, by);
                self.agree("a wait that can never end", &false, &deadlock)?;
                self.keys.waits.push(wait);
                self.model.wait(by, event, resumes);
            }
            Err(deadlock) => {
                self.agree("deadlock", &true, &self.model.depends_on(event, by))?;
                let cycle: Vec<_> =
                    deadlock.cycle.iter().map(|key| self.keys.event(*key)).collect();
                let ends = (cycle.first().copied(), cycle.last().copied());
                self.agree("ends of the cycle", &ends, &(runs, Some(event)))?;
                let linked = cycle.windows(2).all(|pair| self.model.needs(pair[1], pair[0]));
                self.ensure(linked, || format!("no cycle: {cycle:?}"))?;
            }
        }
        self.check()
    }

    fn drop_a_wait(&mut self) -> Checked {
        let lasting: Vec<_> = self.model.waits.iter().map(|wait| wait.id).collect();
        match self.rng.pick(&lasting) {
            Some(wait) => self.end_wait(wait),
            None => self.wait_for_one(),
        }
    }

    pub(super) fn end_wait(&mut self, wait: usize) -> Checked {
        self.begin(|| format!("wait {wait} is dropped"));
        let key = self.keys.waits[wait - 1];
        self.input(|hub| hub.end_wait(key));
        self.model.end_wait(wait);
        self.check()
    }

    /// Time passes, and some of the buses notice.
    fn let_time_pass(&mut self) -> Checked {
        self.ticks += 1 + self.rng.below(3) as u64;
        for bus in 0..self.keys.buses.len() {
            if self.rng.chance(70) {
                self.time_out(bus)?;
            }
        }
        Ok(())
    }

    pub(super) fn time_out(&mut self, bus: usize) -> Checked {
        let (now, key) = (self.now(), self.keys.buses[bus]);
        self.begin(|| format!("bus {bus} notices that it is {now:?}"));
        self.input(|hub| hub.timed_out(key, now));
        self.model.advance(now);
        self.model.timed_out(bus);
        self.check()
    }

    /// A running invocation and its event; mostly one that does not wait.
    pub(super) fn some_running(&mut self) -> Option<(InvocationId, EventId)> {
        let awake = |running: &&Invocation| !self.model.is_waiting(running.id);
        let running: Vec<_> = self.model.running().copied().collect();
        let pair = |running: &Invocation| (running.id, running.event);
        let awake: Vec<_> = running.iter().filter(awake).map(pair).collect();
        let any: Vec<_> = running.iter().map(pair).collect();
        let awake = self.rng.pick(&awake).filter(|_| self.rng.chance(85));
        awake.or_else(|| self.rng.pick(&any))
    }

    pub(super) fn some_event(&mut self) -> Option<EventId> {
        let events = self.model.events.len();
        (events > 0).then(|| self.rng.below(events))
    }
}
