//! Closing, stopping and abandoning buses, and waiting until they are idle (R31–R33).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::Ordering;
use core::task::Poll;
use core::time::Duration;

use super::EventBus;
use super::context;
use super::error::WaitError;
use super::share;
use super::shared::{BusShared, HubShared, HubState};
use super::sleep::{Elapsed, with_timeout};
use super::wakers::Place;
use crate::machine::{BusKey, InvocationKey};

impl EventBus {
    /// Waits until nothing on the bus is queued, running or incomplete, children included (R31).
    /// Returns `false` if `timeout` passes first.
    ///
    /// Inside a handler of another bus, this raises nothing and lends nothing, and cycles of such
    /// waits are not detected. Give it a timeout there.
    ///
    /// # Errors
    /// Inside a handler that has to end before the bus can be idle (R15).
    ///
    /// # Cancel safety
    /// Dropping it ends the wait only.
    ///
    /// # Examples
    ///
    /// ```
    /// use busway::{Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Upload;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Upload>| tokio::time::sleep(Duration::from_secs(10)));
    /// bus.dispatch(Upload)?;
    /// assert!(!bus.wait_until_idle(Duration::from_secs(1)).await?);
    /// assert!(bus.wait_until_idle(None).await?);
    /// # Ok(()) }
    /// ```
    pub async fn wait_until_idle(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<bool, WaitError> {
        let buses = core::slice::from_ref(&self.shared);
        self.shared.hub.wait_until_idle(buses, timeout.into()).await
    }

    /// Stops the bus (R32).
    ///
    /// With a timeout, the bus accepts no new events except those that handlers of incomplete ones
    /// dispatch, children or not, and has until then to finish its work. What is left then, or
    /// everything if there is no timeout (`None`), is ended as in [`stop_now`](Self::stop_now), which
    /// says when its futures are dropped. `clear` also drops the bus's handlers and history and frees
    /// its name.
    ///
    /// Inside a handler, the stop does not wait for events that cannot complete before that handler:
    /// its own, those that depend on it, and those queued behind it. They are ended too, and the
    /// handler with them.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready leaves a bus that accepts no new events and goes on with those
    /// it has, unless it was stopped by then.
    ///
    /// # Examples
    ///
    /// A graceful shutdown finishes what was accepted, and refuses the rest:
    ///
    /// ```
    /// use busway::{DispatchError, Event, EventHandle};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// struct Upload;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), busway::BoxError> {
    /// let bus = busway::bus("main");
    /// bus.on(|_: EventHandle<Upload>| tokio::time::sleep(Duration::from_secs(2)));
    /// let upload = bus.dispatch(Upload)?;
    ///
    /// bus.stop(Duration::from_secs(10), true).await;
    /// assert!(upload.check().is_ok());
    /// assert!(matches!(bus.dispatch(Upload), Err(DispatchError::Stopped { .. })));
    /// # Ok(()) }
    /// ```
    pub async fn stop(&self, timeout: impl Into<Option<Duration>>, clear: bool) {
        self.shared.drain_and_stop(timeout.into(), clear).await;
    }

    /// Stops the bus now (R32): aborts what runs, cancels what is queued and wakes every waiter.
    /// Does nothing if the bus is stopped already.
    ///
    /// An aborted handler's future is dropped by the next task that works for the bus, mostly its
    /// driver. If the handler runs as a task of its own, the runtime drops its future. The future
    /// may still exist when this returns.
    pub fn stop_now(&self) {
        self.shared.stop_now(false);
    }

    /// Returns whether the bus accepts no more events from outside of handlers: from the begin of a `stop`,
    /// while incomplete events are still finished.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.hub.lock().books.is_stopped(self.shared.key)
    }
}

impl BusShared {
    /// Counts another handle to the bus; false if the bus is gone. Reopens a bus that was closed and
    /// is not gone yet.
    pub(crate) fn own(&self) -> bool {
        self.own_if_owned()
            || self.hub.input(|hub| {
                let is_there = hub.books.reopen(self.key).is_ok();
                self.owners.fetch_add(usize::from(is_there), Ordering::AcqRel);
                is_there
            })
    }

    /// The same if there is a handle already; false if there is none.
    pub(crate) fn own_if_owned(&self) -> bool {
        let more = |owners| (owners > 0).then(|| owners + 1);
        self.owners.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Counts one handle less. After the last one, the bus ends when everything dispatched has
    /// completed.
    pub(crate) fn disown(self: &Arc<Self>) {
        if self.owners.fetch_sub(1, Ordering::AcqRel) == 1 {
            let goes_on = self.hub.input(|hub| {
                let is_last = self.owners.load(Ordering::Acquire) == 0;
                if is_last {
                    hub.books.close(self.key);
                }
                is_last && hub.books.incomplete(self.key) > 0
            });
            // All its events may have come from other buses. From now on its driver brings them to
            // an end, or they end with the runtime.
            if goes_on && !self.is_driven() {
                self.wake_driver();
            }
        }
    }

    /// Ends a closed bus that is through, nested in whatever else ends here. It does not wait for its
    /// driver to be polled, and only then is the driver told. If the driver was polled in between
    /// and found the bus open again, the call that ends the bus tells it.
    pub(super) fn end_here(&self) {
        // What its handlers and events dispatch as they are dropped has no parent.
        if context::outside(|| self.end_if_closed()) {
            self.driver.wake();
        }
    }

    /// Removes a closed bus that is through from the books.
    pub(crate) fn end_if_closed(&self) -> bool {
        let now = self.hub.now();
        let (ends, shell) = self.hub.input(|hub| {
            let ends = hub.books.is_through(self.key);
            if ends {
                hub.books.remove_bus(self.key, now);
            }
            (ends, ends.then(|| hub.take_shell(self.key)).flatten())
        });
        drop(shell);
        if ends {
            self.driver_ended();
            self.drop_tasks();
        }
        ends
    }

    /// The driver was dropped: nobody will poll this bus's handlers again.
    pub(crate) fn abandon(&self) {
        self.driver_ended();
        let now = self.hub.now();
        self.hub.input(|hub| hub.books.stop(self.key, now));
        self.drop_tasks();
        self.end_if_closed();
    }

    /// Stops the bus now.
    pub(crate) fn stop_now(&self, clear: bool) {
        self.hub.stop_now(&[self.key], clear);
    }

    /// Stops the bus after it has finished its work, or after `limit` at the latest.
    ///
    /// Inside a handler, this does not wait for events that cannot complete before that handler.
    pub(crate) async fn drain_and_stop(self: &Arc<Self>, limit: Option<Duration>, clear: bool) {
        if limit.is_some() {
            self.hub.input(|hub| hub.books.drain(self.key));
        }
        self.hub.stop_when_idle(core::slice::from_ref(self), limit, clear).await;
    }
}

impl HubShared {
    /// Waits until these buses have nothing left to do.
    pub(crate) async fn wait_until_idle(
        &self,
        buses: &[Arc<BusShared>],
        limit: Option<Duration>,
    ) -> Result<bool, WaitError> {
        share::give_way().await;
        if let Some(invocation) = context::invocation_of(self) {
            self.input(|hub| {
                buses.iter().try_for_each(|bus| {
                    let checked = hub.books.check_idle_wait(invocation, bus.key);
                    checked.map_err(|deadlock| WaitError::deadlock(&hub.books, &deadlock))
                })
            })?;
        }
        let idle = with_timeout(self, limit, self.idle(buses));
        Ok(idle.await.is_ok())
    }

    /// Stops all buses that there are now after they have finished their work, or after `limit` at the
    /// latest.
    ///
    /// Inside a handler, this does not wait for events that cannot complete before that handler.
    pub(crate) async fn drain_and_stop(&self, limit: Option<Duration>, clear: bool) {
        let buses: Vec<_> = self.input(|hub| {
            let drained = hub.books.drain_hub().into_iter();
            drained.filter_map(|bus| hub.shell(bus)).collect()
        });
        self.stop_when_idle(&buses, limit, clear).await;
    }

    /// Stops buses that are draining, when they are idle or `limit` has passed; without one, now.
    async fn stop_when_idle(&self, buses: &[Arc<BusShared>], limit: Option<Duration>, clear: bool) {
        if limit.is_some() {
            let idle = self.idle_but(buses, context::invocation_of(self));
            let _: Result<(), Elapsed> = with_timeout(self, limit, idle).await;
        }
        let keys: Vec<_> = buses.iter().map(|bus| bus.key).collect();
        self.stop_now(&keys, clear);
        // The buses' tasks end. Not in a handler, which may have been ended with them.
        poll_fn(|cx| share::yield_for_tasks(cx)).await;
    }

    fn stop_now(&self, buses: &[BusKey], clear: bool) {
        let now = self.now();
        self.input(|hub| {
            // First all: what one of them clears does not reach another.
            buses.iter().for_each(|bus| hub.books.stop(*bus, now));
            buses.iter().filter(|_| clear).for_each(|bus| hub.books.clear(*bus));
        });
    }

    /// Waits until these buses have nothing left to do, apart from what depends on this invocation.
    async fn idle_but(&self, buses: &[Arc<BusShared>], by: Option<InvocationKey>) {
        let Some(by) = by else { return self.idle(buses).await };
        let keys: Vec<_> = buses.iter().map(|bus| bus.key).collect();
        let _asks = Asks { hub: self, by };
        // Any of them may change what depends on the invocation.
        self.wait_at(buses, || self.input(|hub| hub.books.is_idle_but(&keys, by))).await;
    }

    /// Waits until these buses have nothing left to do: for one after the other, until all of them have
    /// nothing at the same time.
    async fn idle(&self, buses: &[Arc<BusShared>]) {
        let or_tell = |hub: &mut HubState, bus: &BusShared| {
            let is_idle = hub.books.is_idle(bus.key);
            if !is_idle {
                hub.books.tell_idle(bus.key, 0);
            }
            is_idle
        };
        let is_idle = |bus: &BusShared| self.input(|hub| or_tell(hub, bus));
        if let [bus] = buses {
            return self.wait_at(buses, || is_idle(bus)).await;
        }
        let mut first = 0;
        let busy_from = |first: usize| {
            self.input(|hub| {
                let mut order = (first..buses.len()).chain(0..first);
                order.find(|at| !or_tell(hub, &buses[*at]))
            })
        };
        while let Some(busy) = busy_from(first) {
            let bus = &buses[busy];
            self.wait_at(core::slice::from_ref(bus), || is_idle(bus)).await;
            first = busy;
        }
    }

    /// Waits until something is so, which the idle wakers of these buses tell of.
    async fn wait_at(&self, buses: &[Arc<BusShared>], is_so: impl Fn() -> bool) {
        let mut places: Vec<_> = buses.iter().map(|bus| Place::new(&bus.idle)).collect();
        poll_fn(|cx| {
            let is_so = is_so() || {
                places.iter_mut().for_each(|place| place.register(cx.waker()));
                is_so()
            };
            if is_so { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A handler that waits until buses are idle.
struct Asks<'a> {
    hub: &'a HubShared,
    by: InvocationKey,
}

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        self.hub.input(|hub| hub.books.asks_no_more(self.by));
    }
}
