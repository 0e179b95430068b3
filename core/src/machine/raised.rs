//! The raised visits of a bus, in the order in which they start. There usually is only one, which needs
//! no tree.

use alloc::collections::BTreeMap;
use core::cmp::Reverse;
use core::ops::{Bound, RangeBounds};

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

    /// Returns the visits after this place and before that one, if there is one.
    pub(super) fn between(
        &self,
        after: RaiseOrder,
        before: Option<RaiseOrder>,
    ) -> impl Iterator<Item = VisitIx> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Excluded(after), end);
        let first = self.first.filter(|(first, _)| range.contains(first));
        let is_empty = before.is_some_and(|before| before <= after);
        let rest = (!is_empty).then(|| self.rest.range(range)).into_iter().flatten();
        first.map(|(_, visit)| visit).into_iter().chain(rest.map(|(_, visit)| *visit))
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
                for (after, before) in (0..4).flat_map(|after| (0..5).map(move |b| (after, b))) {
                    let end = (before < 4).then(|| order(before));
                    let between = raised.between(order(after), end).collect::<Vec<_>>();
                    let expected = visits.get(after + 1..before.min(4)).unwrap_or_default();
                    assert!(between == expected);
                }
                while !left.is_empty() {
                    assert!(raised.first() == Some(visits[left[0]]) && raised.len() == left.len());
                    raised.remove(&order(left.remove(went % left.len())));
                }
                assert!(raised.first().is_none() && raised.len() == 0);
            }
        }
    }
}
