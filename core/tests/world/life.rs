//! Buses, handlers and reservations come and go; spurious inputs; the end of a schedule.

use busway_core::machine::{Cause, Held};

use super::{Checked, World};

impl World {
    /// Changes a bus as a whole.
    pub(super) fn live(&mut self) -> Checked {
        let bus = self.rng.below(self.keys.buses.len());
        match self.rng.below(8) {
            0 if self.rng.chance(20) => self.drain_hub(),
            0 => self.drain(bus),
            1 => self.stop(bus),
            2 => self.clear(bus),
            3 | 4 => self.close_or_reopen(bus),
            5 => self.remove_bus(bus),
            _ if self.keys.buses.len() < 6 => {
                self.add_bus()?;
                self.on(self.keys.buses.len() - 1)
            }
            _ => Ok(()),
        }
    }

    fn drain(&mut self, bus: usize) -> Checked {
        self.begin(|| format!("drain {bus}"));
        let key = self.keys.buses[bus];
        self.input(|hub| hub.drain(key));
        self.model.drain(bus);
        self.check()
    }

    fn drain_hub(&mut self) -> Checked {
        self.begin(|| "drain hub".into());
        let drained = self.input(|hub| hub.drain_hub());
        self.model.drain_hub();
        let live = self.model.buses.iter().filter(|bus| !bus.gone).count();
        self.agree("drained", &drained.len(), &live)?;
        self.check()
    }

    fn stop(&mut self, bus: usize) -> Checked {
        self.begin(|| format!("stop {bus}"));
        let (now, key) = (self.now(), self.keys.buses[bus]);
        self.input(|hub| hub.stop(key, now));
        self.model.advance(now);
        self.model.stop(bus);
        self.check()
    }

    fn clear(&mut self, bus: usize) -> Checked {
        self.begin(|| format!("clear {bus}"));
        let key = self.keys.buses[bus];
        self.input(|hub| hub.clear(key));
        self.model.clear(bus);
        self.check()
    }

    fn close_or_reopen(&mut self, bus: usize) -> Checked {
        let closes = self.rng.chance(50);
        self.begin(|| format!("close {bus}: {closes}"));
        let key = self.keys.buses[bus];
        if closes {
            self.input(|hub| hub.close(key));
            self.model.close(bus);
        } else {
            let there = self.input(|hub| hub.reopen(key)).is_ok();
            let expected = self.model.reopen(bus);
            self.agree("reopened", &there, &expected)?;
        }
        self.check()
    }

    fn remove_bus(&mut self, bus: usize) -> Checked {
        self.begin(|| format!("remove bus {bus}"));
        let (now, key) = (self.now(), self.keys.buses[bus]);
        self.input(|hub| hub.remove_bus(key, now));
        self.model.advance(now);
        self.model.remove_bus(bus);
        self.check()
    }

    pub(super) fn register_or_end(&mut self) -> Checked {
        let handlers = self.keys.handlers.len();
        if handlers == 0 || self.rng.chance(50) {
            let bus = self.rng.below(self.keys.buses.len());
            return match self.rng.chance(6 * self.mood.addressed) {
                true => self.on_address(bus),
                false => self.on(bus),
            };
        }
        let handler = self.rng.below(handlers);
        self.begin(|| format!("off {handler}"));
        let key = self.keys.handlers[handler];
        let was_there = self.input(|hub| hub.off(key)).is_some();
        let expected = self.model.off(handler);
        self.agree("the handler was there", &was_there, &expected)?;
        self.check()
    }

    pub(super) fn abort_one(&mut self) -> Checked {
        let events = 0..self.model.events.len();
        let open: Vec<_> = events.filter(|id| !self.model.events[*id].completed).collect();
        let open = self.rng.pick(&open).filter(|_| self.rng.chance(90));
        let Some(event) = open.or_else(|| self.some_event()) else { return Ok(()) };
        let cause = self.rng.one_of([Cause::Cancelled, Cause::Deadline]);
        self.begin(|| format!("abort event {event}: {cause:?}"));
        let (now, key) = (self.now(), self.keys.events[event]);
        let _ = self.input(|hub| hub.abort(key, cause, now));
        self.model.advance(now);
        self.model.abort(event, cause);
        self.check()
    }

    pub(super) fn send_one_on(&mut self) -> Checked {
        let events = 0..self.model.events.len();
        let open: Vec<_> = events.filter(|id| !self.model.events[*id].completed).collect();
        let open = self.rng.pick(&open).filter(|_| self.rng.chance(90));
        let Some(event) = open.or_else(|| self.some_event()) else { return Ok(()) };
        let target = self.rng.below(self.keys.buses.len());
        self.begin(|| format!("send event {event} on to {target}"));
        let (now, key, bus) = (self.now(), self.keys.events[event], self.keys.buses[target]);
        let answer = self.input(|hub| hub.send_on(key, bus, now));
        self.model.advance(now);
        let expected = self.model.send_on(event, target);
        self.agree("what became of it", &answer, &expected)?;
        self.check()
    }

    pub(super) fn reserve_or_release(&mut self) -> Checked {
        let reservations = self.keys.reservations.len();
        if reservations > 0 && self.rng.chance(40) {
            let reservation = self.rng.below(reservations);
            return self.release(reservation);
        }
        let bus = self.rng.below(self.keys.buses.len());
        self.begin(|| format!("reserve a place on {bus}"));
        let key = self.keys.buses[bus];
        let answer = self.input(|hub| hub.reserve(key));
        // The outputs may name its key.
        self.keys.reservations.extend(answer.as_ref().ok());
        let expected = self.model.reserve(bus).map(drop);
        self.agree("reserve", &answer.map(drop), &expected)?;
        self.check()
    }

    fn release(&mut self, reservation: usize) -> Checked {
        self.begin(|| format!("release {reservation}"));
        let key = self.keys.reservations[reservation];
        self.input(|hub| hub.release(key));
        self.model.release(reservation);
        self.check()
    }

    /// Inputs that come late, twice or at the wrong time, and queries.
    pub(super) fn spurious(&mut self) -> Checked {
        match self.rng.below(5) {
            0 if !self.keys.invocations.is_empty() => {
                let id = 1 + self.rng.below(self.keys.invocations.len());
                if self.model.invocation(id).is_some() { Ok(()) } else { self.finish(id) }
            }
            1 if !self.keys.waits.is_empty() => {
                let wait = 1 + self.rng.below(self.keys.waits.len());
                self.end_wait(wait)
            }
            2 if !self.keys.invocations.is_empty() => {
                let id = 1 + self.rng.below(self.keys.invocations.len());
                self.some_event().map_or(Ok(()), |event| self.wait(id, event))
            }
            3 => self.attend(),
            _ => self.ask_whether_idle_can_be_awaited(),
        }
    }

    /// A bus that will be asked anyway gives no output.
    fn attend(&mut self) -> Checked {
        let bus = self.rng.below(self.keys.buses.len());
        self.begin(|| format!("attend {bus}"));
        let key = self.keys.buses[bus];
        self.input(|hub| hub.attend(key));
        self.ready[bus] = true;
        self.check()
    }

    fn ask_whether_idle_can_be_awaited(&mut self) -> Checked {
        let bus = self.rng.below(self.keys.buses.len());
        let running: Vec<_> = self.model.running().map(|running| running.id).collect();
        let Some(by) = self.rng.pick(&running) else { return Ok(()) };
        self.begin(|| format!("may invocation {by} wait until {bus} is idle"));
        let answer = self.hub.check_idle_wait(self.keys.invocations[by - 1], self.keys.buses[bus]);
        self.agree("idle deadlock", &answer.is_err(), &self.model.idle_depends_on(bus, by))
    }

    /// Ends every handler that can end, until nothing is left to do: then everything has completed.
    pub(super) fn run_to_the_end(&mut self) -> Checked {
        loop {
            let ready = self.ready.iter().position(|ready| *ready);
            let running = self.model.running().map(|running| running.id);
            let awake: Vec<_> = running.filter(|id| !self.model.is_waiting(*id)).collect();
            match (ready, self.rng.pick(&awake)) {
                (Some(bus), _) => self.next(bus)?,
                (None, Some(id)) => self.finish(id)?,
                (None, None) if self.write_all()? || self.catch_up()? => {}
                (None, None) if self.end_a_lending()? => {}
                (None, None) if self.let_rests_pass()? => {}
                (None, None) => break,
            }
        }
        let stuck = (0..self.model.events.len()).find(|event| !self.model.events[*event].completed);
        self.agree("an event that never completes", &None, &stuck)?;
        let idle = self.keys.buses.iter().all(|bus| self.hub.is_idle(*bus));
        self.agree("all buses are idle", &idle, &true)
    }

    /// Lets time pass for resting invocations. Returns whether there was one.
    fn let_rests_pass(&mut self) -> Result<bool, String> {
        let resting = self.model.invocations.iter().filter(|resting| resting.rest.is_some());
        let buses: Vec<_> = resting.map(|resting| resting.bus).collect();
        self.ticks += u64::from(!buses.is_empty());
        for bus in &buses {
            self.time_out(*bus)?;
        }
        Ok(!buses.is_empty())
    }

    /// Checks that the machine holds nothing once everything is given back.
    pub(super) fn take_down(&mut self) -> Checked {
        for reservation in 0..self.keys.reservations.len() {
            self.release(reservation)?;
        }
        for bus in 0..self.keys.buses.len() {
            self.clear(bus)?;
            self.remove_bus(bus)?;
        }
        self.agree("what is held at the end", &self.hub.held(), &Held::default())
    }
}
