//! The wakers of everything that waits for one thing.

use alloc::boxed::Box;
use core::num::NonZeroU64;
use core::task::Waker;

use slab::Slab;

use super::guard;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering};

/// Wakers are user code: none is cloned, woken or dropped under the lock.
pub(crate) struct Wakers {
    /// How often all were woken. Written under the lock.
    number: AtomicU32,
    round: Mutex<Round>,
}

/// The place of a waker until all are woken.
// One word, because each wait has an `Option` of it and is moved often: the round, and the place from 1.
#[derive(Clone, Copy)]
pub(crate) struct Seat(NonZeroU64);

impl Seat {
    /// `None` beyond 2³² places.
    fn new(round: u32, place: usize) -> Option<Self> {
        let number = u32::try_from(place + 1).ok()?;
        NonZeroU64::new(u64::from(round) << 32 | u64::from(number)).map(Self)
    }

    const fn round(self) -> u32 {
        (self.0.get() >> 32) as u32
    }

    const fn place(self) -> usize {
        self.0.get() as u32 as usize - 1
    }
}

/// A seat among the waiters, given up when dropped.
pub(crate) struct Place<'a> {
    wakers: &'a Wakers,
    seat: Option<Seat>,
}

impl<'a> Place<'a> {
    pub(crate) const fn new(wakers: &'a Wakers) -> Self {
        Self { wakers, seat: None }
    }

    /// Registers `waker` to be woken with the others. The caller looks again afterwards: what
    /// happens before it is registered wakes nobody.
    pub(crate) fn register(&mut self, waker: &Waker) {
        self.wakers.register(waker, &mut self.seat, || false);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            self.wakers.unregister(seat);
        }
    }
}

/// The waiters to wake next: nearly always none or one.
struct Round {
    first: Option<Waker>,
    others: Option<Box<Slab<Waker>>>,
}

impl Wakers {
    pub(crate) fn new() -> Self {
        let round = Mutex::new(Round { first: None, others: None });
        Self { number: AtomicU32::new(0), round }
    }

    /// Wakes all waiters. Their seats then belong to nobody.
    pub(crate) fn wake_all(&self) {
        let (first, others) = {
            let mut round = self.round.lock();
            self.number.fetch_add(1, Ordering::Relaxed);
            (round.first.take(), round.others.take())
        };
        let others = others.into_iter().flat_map(|others| *others).map(|(_, waker)| waker);
        for waker in first.into_iter().chain(others) {
            // A waker that panics does not keep the others from being woken.
            let _ = guard::catch(|| waker.wake());
        }
    }

    /// Registers `waker` to be woken with the others, replacing what `seat` registered before,
    /// unless it is too late for that.
    pub(crate) fn register(
        &self,
        waker: &Waker,
        seat: &mut Option<Seat>,
        is_late: impl FnOnce() -> bool,
    ) {
        let mut waiter = Some(waker.clone());
        let mut replaced = None;
        {
            let mut round = self.round.lock();
            let number = self.number.load(Ordering::Relaxed);
            let own = seat.filter(|seat| seat.round() == number);
            if !is_late() {
                match own.and_then(|seat| round.get_mut(seat.place())) {
                    Some(old) if old.will_wake(waker) => {}
                    Some(old) => {
                        replaced = waiter.take().map(|waker| core::mem::replace(old, waker));
                    }
                    None => {
                        let place = waiter.take().map(|waker| round.insert(waker));
                        *seat = place.and_then(|place| Seat::new(number, place));
                    }
                }
            }
        }
        drop((waiter, replaced));
    }

    /// Removes a registration.
    pub(crate) fn unregister(&self, seat: Seat) {
        let waker = {
            let mut round = self.round.lock();
            let is_there = seat.round() == self.number.load(Ordering::Relaxed);
            is_there.then(|| round.remove(seat.place()))
        };
        drop(waker);
    }
}

impl Round {
    /// Returns the place it is in now.
    fn insert(&mut self, waker: Waker) -> usize {
        match self.first {
            None => {
                self.first = Some(waker);
                0
            }
            Some(_) => self.others.get_or_insert_default().insert(waker) + 1,
        }
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut Waker> {
        match place.checked_sub(1) {
            None => self.first.as_mut(),
            Some(place) => self.others.as_mut()?.get_mut(place),
        }
    }

    fn remove(&mut self, place: usize) -> Option<Waker> {
        match place.checked_sub(1) {
            None => self.first.take(),
            Some(place) => self.others.as_mut()?.try_remove(place),
        }
    }
}
