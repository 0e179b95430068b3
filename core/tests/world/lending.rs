//! Handlers that wait for something other than an event.

use super::{Checked, World};
use crate::model::InvocationId;

impl World {
    /// Mostly a running invocation; sometimes one that has ended, or has nothing to retake.
    pub(super) fn lend_or_retake(&mut self) -> Checked {
        let started = self.keys.invocations.len();
        let any = (started > 0).then(|| 1 + self.rng.below(started));
        let any = any.filter(|_| self.rng.chance(5));
        let (lends, lending) = (self.rng.chance(50), self.some_lending());
        // Or lend once more.
        let again = lending.filter(|_| !lends || self.rng.chance(30));
        let running = self.some_running().map(|(id, _)| id).filter(|_| lends);
        match any.or(again).or(running) {
            Some(id) if lends => self.lend(id),
            Some(id) => self.retake(id),
            None => Ok(()),
        }
    }

    /// Ends one at the end of a schedule. Returns whether there was one.
    pub(super) fn end_a_lending(&mut self) -> Result<bool, String> {
        let lending = self.some_lending();
        lending.map_or(Ok(()), |id| self.retake(id))?;
        Ok(lending.is_some())
    }

    fn some_lending(&mut self) -> Option<InvocationId> {
        let lending = self.model.running().filter(|running| running.lends > 0);
        let lending: Vec<_> = lending.map(|running| running.id).collect();
        self.rng.pick(&lending)
    }

    fn lend(&mut self, id: InvocationId) -> Checked {
        self.begin(|| format!("invocation {id} lends"));
        let key = self.keys.invocations[id - 1];
        self.input(|hub| hub.lend(key));
        self.model.lend(id);
        self.check()
    }

    fn retake(&mut self, id: InvocationId) -> Checked {
        self.begin(|| format!("invocation {id} retakes"));
        let key = self.keys.invocations[id - 1];
        self.input(|hub| hub.retake(key));
        self.model.retake(id);
        self.check()
    }
}
