//! A semaphore of this process: its slots under a lock, and the futures of its waiters.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use hashbrown::HashMap;
use slab::Slab;

use super::error::SemaphoreError;
use super::processes::{Lock, Processes};
use super::queue::{Entry, Slots, Ticket};
use super::scope::{Key, SemaphoreScope};
use crate::bus::{Caller, InvocationId, guard};
use crate::sync::{Mutex, StaticMutex};

/// The semaphores in use now. They are the only thing here shared by the whole process, as their names
/// are.
static POOLS: StaticMutex<BTreeMap<Key, Weak<Pool>>> = StaticMutex::new(BTreeMap::new());

/// One semaphore. It lives as long as a slot is held or waited for.
pub(crate) struct Pool {
    key: Key,
    state: Mutex<State>,
    /// The other processes, if they take part: then a slot here is the only right to compete with them.
    processes: Option<Arc<Processes>>,
    /// Keeps the key from becoming that of another value.
    _scope: SemaphoreScope,
}

#[derive(Default)]
struct State {
    slots: Slots,
    /// The waker of each ticket.
    wakers: BTreeMap<Ticket, Waker>,
    /// The invocations that hold slots, with these slots.
    holders: HashMap<InvocationId, Slab<Weak<Lease>>>,
}

impl Pool {
    /// Returns the semaphore of a key: the one in use, or a new one.
    pub(crate) fn of(key: Key, scope: &SemaphoreScope) -> Arc<Self> {
        let mut pools = POOLS.lock();
        if let Some(pool) = pools.get(&key).and_then(Weak::upgrade) {
            return pool;
        }
        let processes = match &key {
            Key::Multiprocess(folder, name) => Some(Arc::new(Processes::new(folder, name))),
            _ => None,
        };
        let (state, _scope) = (Mutex::new(State::default()), scope.clone());
        let pool = Arc::new(Self { key: key.clone(), state, processes, _scope });
        pools.insert(key, Arc::downgrade(&pool));
        pool
    }

    /// Waits for a slot, first come first served. A caller inside a call that holds one shares that
    /// one.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the line, or the slot if it was already granted.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        limit: usize,
        caller: &Caller,
    ) -> Result<Slot, SemaphoreError> {
        let lease = match self.lease_of(caller) {
            Some(lease) => lease,
            None => Arc::new(Lease { pool: self.clone(), _held: self.wait(limit).await? }),
        };
        let invocation = caller.own.clone().map(|invocation| {
            let mut state = self.state.lock();
            let held = state.holders.entry(invocation.clone()).or_default();
            (invocation, held.insert(Arc::downgrade(&lease)))
        });
        Ok(Slot { lease, invocation })
    }

    async fn wait(self: &Arc<Self>, limit: usize) -> Result<Held, SemaphoreError> {
        let Some(processes) = &self.processes else {
            return Ok(Held::Place(Enter::new(self, limit).await));
        };
        let _turn = Enter::new(self, 1).await;
        Ok(Held::Locked(processes.compete(limit, self).await?))
    }

    /// Returns the lease of a call that the caller is inside of.
    fn lease_of(self: &Arc<Self>, caller: &Caller) -> Option<Arc<Lease>> {
        if let Some(lease) = caller.inside.iter().find(|lease| Arc::ptr_eq(&lease.pool, self)) {
            return Some(lease.clone());
        }
        let state = self.state.lock();
        let held = caller.above.iter().filter_map(|above| state.holders.get(above));
        held.flatten().find_map(|(_, lease)| lease.upgrade())
    }

    /// Changes the slots, and wakes the waiters that now have one.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let told: Vec<Waker> = {
            let mut state = self.state.lock();
            change(&mut state);
            let granted = state.slots.grants();
            granted.iter().filter_map(|ticket| state.wakers.remove(ticket)).collect()
        };
        for waker in told {
            // A waker that panics keeps no other from being woken.
            let _ = guard::catch(|| waker.wake());
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut pools = POOLS.lock();
        // Another pool may have been made for the same key meanwhile.
        if pools.get(&self.key).is_some_and(|pool| pool.strong_count() == 0) {
            pools.remove(&self.key);
        }
    }
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A slot in the hands of its user. Dropping it gives it back to the first in line, unless a call
/// inside the user's call shares it.
#[derive(Debug)]
pub(crate) struct Slot {
    lease: Arc<Lease>,
    /// Who holds it, and its place among the slots that one holds.
    invocation: Option<(InvocationId, usize)>,
}

/// A slot, for as long as it is in use.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    _held: Held,
}

// They are held, not read.
#[allow(dead_code)]
#[derive(Debug)]
enum Held {
    Place(Place),
    Locked(Lock),
}

impl Slot {
    /// Returns the lease that calls made while the slot is held share.
    pub(crate) const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Before the slot itself goes: the next holder must not take us for the holder.
        let Some((invocation, own)) = &self.invocation else { return };
        let mut state = self.lease.pool.state.lock();
        if let Some(held) = state.holders.get_mut(invocation) {
            held.remove(*own);
            if held.is_empty() {
                state.holders.remove(invocation);
            }
        }
    }
}

/// One of the taken places.
#[derive(Debug)]
struct Place(Arc<Pool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.change(|state| state.slots.leave());
    }
}

/// Waits in line.
struct Enter<'a> {
    pool: &'a Arc<Pool>,
    limit: usize,
    ticket: Option<Ticket>,
}

impl<'a> Enter<'a> {
    const fn new(pool: &'a Arc<Pool>, limit: usize) -> Self {
        Self { pool, limit, ticket: None }
    }
}

impl Future for Enter<'_> {
    type Output = Place;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place> {
        // Wakers are user code: they are cloned and dropped outside the lock.
        let waker = cx.waker().clone();
        let _replaced;
        {
            let mut state = self.pool.state.lock();
            let is_in = match self.ticket {
                Some(ticket) => state.slots.collect(ticket),
                None => match state.slots.enter(self.limit) {
                    Entry::Taken => true,
                    Entry::Queued(ticket) => {
                        self.ticket = Some(ticket);
                        false
                    }
                },
            };
            if let (false, Some(ticket)) = (is_in, self.ticket) {
                _replaced = state.wakers.insert(ticket, waker);
                return Poll::Pending;
            }
            self.ticket = None;
        }
        Poll::Ready(Place(self.pool.clone()))
    }
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut waker = None;
            self.pool.change(|state| {
                waker = state.wakers.remove(&ticket);
                state.slots.withdraw(ticket);
            });
        }
    }
}
