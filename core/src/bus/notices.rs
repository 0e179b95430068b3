//! The machine's outputs, taken under the lock and carried out after it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;

use super::handler::Callable;
use super::record::Erased;
use super::shared::{BusShared, HubShared, HubState};
use super::value::Answer;
use super::watch::Watcher;
use crate::machine::{BusKey, Dropped, InvocationKey, Output, Warning};

/// What is to be done once the hub's lock is released. Nothing of the user's is called, cloned or
/// dropped before.
#[derive(Default)]
pub(crate) struct Notices {
    /// The bus of whoever collects has something to do.
    pub(crate) own_ready: bool,
    ready: Vec<Arc<BusShared>>,
    cancelled: Vec<(Arc<BusShared>, InvocationKey)>,
    completed: Vec<Arc<dyn Erased>>,
    granted: Vec<Waker>,
    arrived: Vec<(Arc<dyn Watcher>, Arc<dyn Erased>)>,
    ended: Vec<Arc<dyn Watcher>>,
    replaced: Vec<Arc<dyn Erased>>,
    idle: Vec<Arc<BusShared>>,
    closed: Vec<Arc<BusShared>>,
    warnings: Vec<Warning>,
    dropped: Vec<Dropped<Arc<dyn Erased>, Answer, Arc<dyn Callable>>>,
}

impl Notices {
    /// Takes the outputs; `own` is the bus that the caller looks after itself.
    pub(crate) fn collect(&mut self, hub: &mut HubState, own: Option<BusKey>) {
        let mut outputs = core::mem::take(&mut hub.outputs);
        hub.books.outputs_into(&mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Ready { bus } if Some(bus) == own => self.own_ready = true,
                Output::Ready { bus } => self.ready.extend(hub.shell(bus)),
                Output::Cancel { bus, invocation } => {
                    self.cancelled.extend(hub.shell(bus).map(|bus| (bus, invocation)));
                }
                Output::Completed(completed) => {
                    let record = completed.payload.clone();
                    let payload = record.head().freeze(*completed);
                    drop(payload);
                    self.completed.push(record);
                }
                Output::Granted { reservation } => {
                    let shells = hub.reserved.remove(&reservation);
                    self.granted.extend(shells);
                }
                Output::Arrived { watch, payload, instead_of_oldest, .. } => {
                    if let Some(watcher) = hub.watchers.get(&watch) {
                        self.replaced.extend(watcher.receive(&payload, instead_of_oldest));
                        self.arrived.push((watcher.clone(), payload));
                    }
                }
                Output::WatchEnded { watch } => self.ended.extend(hub.watchers.remove(&watch)),
                Output::Idle { bus } => self.idle.extend(hub.shell(bus)),
                Output::Closed { bus } => self.closed.extend(hub.shell(bus)),
                Output::Warning(warning) => self.warnings.push(warning),
                Output::Dropped(dropped) => self.dropped.push(dropped),
            }
        }
        hub.outputs = outputs;
    }

    /// Does what was collected; nothing is left of it afterwards.
    pub(crate) fn carry_out(&mut self, hub: &HubShared) {
        for record in self.completed.drain(..) {
            record.head().wake_waiters();
        }
        for (bus, invocation) in self.cancelled.drain(..) {
            bus.mail(|inbox| inbox.cancelled.push(invocation));
        }
        self.ready.drain(..).for_each(|bus| bus.notify());
        self.granted.drain(..).for_each(Waker::wake);
        for bus in self.idle.drain(..) {
            bus.idle.notify(usize::MAX);
        }
        self.closed.drain(..).for_each(|bus| bus.closed());
        self.warnings.drain(..).for_each(|warning| hub.warnings.tell(&warning));
        self.arrived.drain(..).for_each(|(watcher, record)| watcher.arrived(record));
        self.ended.drain(..).for_each(|watcher| watcher.ended());
        self.replaced.clear();
        self.dropped.clear();
    }
}

impl HubShared {
    /// Makes an input to the machine and carries out what follows from it.
    pub(crate) fn input<T>(&self, input: impl FnOnce(&mut HubState) -> T) -> T {
        let mut notices = Notices::default();
        let answer = {
            let mut hub = self.lock();
            let answer = input(&mut hub);
            notices.collect(&mut hub, None);
            answer
        };
        notices.carry_out(self);
        answer
    }
}
