//! The handlers of a bus that wait to be polled again. Mostly there is one, which needs no table.

use hashbrown::HashMap;

use super::room;
use super::task::Task;
use crate::machine::InvocationKey;

#[derive(Default)]
pub(crate) struct Tasks {
    /// The latest one, if any.
    last: Option<(InvocationKey, Task)>,
    others: HashMap<InvocationKey, Task>,
}

impl Tasks {
    #[inline]
    pub(crate) fn insert(&mut self, invocation: InvocationKey, task: Task) {
        if self.last.is_some() {
            self.make_place();
        }
        self.last = Some((invocation, task));
    }

    #[inline(never)]
    fn make_place(&mut self) {
        self.others.extend(self.last.take());
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, invocation: InvocationKey) -> Option<&mut Task> {
        match &mut self.last {
            Some((last, task)) if *last == invocation => Some(task),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(&invocation),
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, invocation: InvocationKey) -> Option<Task> {
        match self.last.take_if(|(last, _)| *last == invocation) {
            Some((_, task)) => Some(task),
            None if self.others.is_empty() => None,
            None => self.remove_other(invocation),
        }
    }

    #[inline(never)]
    fn remove_other(&mut self, invocation: InvocationKey) -> Option<Task> {
        let task = self.others.remove(&invocation);
        room::give_back(&mut self.others);
        task
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Task> + use<> {
        let Self { last, others } = core::mem::take(self);
        last.into_iter().chain(others).map(|(_, task)| task)
    }
}
