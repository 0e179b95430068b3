//! The raised visits of a bus, in the order in which they start. There usually is only one, which needs
//! no tree.

use alloc::collections::BTreeMap;
use core::cmp::Reverse;

use super::state::VisitIx;

/// Newest wait first, then in order of arrival (R13, R14).
pub(super) type RaiseOrder = (Reverse<u64>, u64);

#[derive(Default)]
pub(super) struct Raised {
    first: Option<(RaiseOrder, VisitIx)>,
    rest: BTreeMap<RaiseOrder, VisitIx>,
}

impl Raised {
    #[inline]
    pub(super) fn first(&self) -> Option<VisitIx> {
        self.first.map(|(_, visit)| visit)
    }

    #[inline(never)]
    pub(super) fn insert(&mut self, order: RaiseOrder, visit: VisitIx) {
        debug_assert!(self.first.is_none_or(|(first, _)| first != order), "raised once");
        let (later, visit) = match &mut self.first {
            None => return self.first = Some((order, visit)),
            Some(first) if order < first.0 => core::mem::replace(first, (order, visit)),
            Some(_) => (order, visit),
        };
        self.rest.insert(later, visit);
    }

    #[inline(never)]
    pub(super) fn remove(&mut self, order: &RaiseOrder) {
        if self.first.is_some_and(|(first, _)| first == *order) {
            // Most often it was the only one: not worth a call.
            self.first = None;
            if !self.rest.is_empty() {
                self.first = self.rest.pop_first();
            }
        } else {
            self.rest.remove(order);
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::arena::Arena;
    use alloc::vec::Vec;

    #[test]
    fn the_first_is_the_least_whoever_came_and_went() {
        let mut arena: Arena<(), _> = Arena::new();
        let visits: Vec<VisitIx> = (0..4).map(|_| arena.insert(()).ix()).collect();
        let order = |place: usize| (Reverse(0), place as u64);
        // Every order of arrivals, and every order of departures.
        for came in 0..256usize {
            let places: Vec<_> = (0..4).map(|turn| (came >> (2 * turn)) & 3).collect();
            if (0..4).any(|place| !places.contains(&place)) {
                continue;
            }
            for went in 0..4 {
                let mut raised = Raised::default();
                places.iter().for_each(|place| raised.insert(order(*place), visits[*place]));
                let mut left: Vec<_> = (0..4).collect();
                while !left.is_empty() {
                    assert!(raised.first() == Some(visits[left[0]]) && raised.len() == left.len());
                    raised.remove(&order(left.remove(went % left.len())));
                }
                assert!(raised.first().is_none() && raised.len() == 0);
            }
        }
    }
}
