//! A binary heap of deadlines that can be moved and removed: every timer knows its place. The timer set
//! last is kept apart, as most timers are gone before the next one is set.

use alloc::vec::Vec;

use crate::time::Instant;

/// Deadlines of one bus, earliest first; equal ones in order of insertion.
pub(super) struct Timers<K> {
    last: Option<(Instant, u64, K)>,
    heap: Vec<(Instant, u64, K)>,
    count: u64,
}

/// "Not set".
pub(super) const NOWHERE: u32 = u32::MAX;
/// The place of the timer set last.
const APART: u32 = u32::MAX - 1;

impl<K: Copy> Timers<K> {
    pub(super) const fn new() -> Self {
        Self { last: None, heap: Vec::new(), count: 0 }
    }

    #[inline]
    pub(super) fn next(&self) -> Option<(Instant, K)> {
        // Of equal deadlines, the one in the heap was set first.
        let earlier = |at: Instant| self.heap.first().filter(|(first, ..)| *first <= at);
        let last = self.last.as_ref();
        let next = last.and_then(|(at, ..)| earlier(*at)).or(last).or_else(|| self.heap.first());
        next.map(|&(at, _, key)| (at, key))
    }

    /// The first timer, if its time has come.
    #[inline]
    pub(super) fn due(&self, now: Instant) -> Option<(Instant, K)> {
        self.next().filter(|(at, _)| *at <= now)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len() + usize::from(self.last.is_some())
    }

    /// `place` is told the new timer's place, and that of each timer that moves.
    #[inline(always)]
    pub(super) fn insert(&mut self, at: Instant, key: K, mut place: impl FnMut(K, u32)) {
        self.count += 1;
        if self.last.is_some() {
            self.put_last_into_heap(&mut place);
        }
        self.last = Some((at, self.count, key));
        place(key, APART);
    }

    /// The caller knows that the removed timer is nowhere; `place` is told of those that move.
    #[inline(always)]
    pub(super) fn remove(&mut self, position: u32, mut place: impl FnMut(K, u32)) {
        match position {
            APART => self.last = None,
            _ => self.remove_from_heap(position as usize, &mut place),
        }
    }

    #[inline(never)]
    fn put_last_into_heap(&mut self, place: &mut impl FnMut(K, u32)) {
        self.heap.extend(self.last.take());
        self.rise(self.heap.len() - 1, place);
    }

    #[inline(never)]
    fn remove_from_heap(&mut self, position: usize, place: &mut impl FnMut(K, u32)) {
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            let position = self.rise(position, place);
            self.sink(position, place);
        }
    }

    fn before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.heap[a], &self.heap[b]);
        (a.0, a.1) < (b.0, b.1)
    }

    fn rise(&mut self, mut at: usize, place: &mut impl FnMut(K, u32)) -> usize {
        while at > 0 && self.before(at, (at - 1) / 2) {
            self.swap(at, (at - 1) / 2, place);
            at = (at - 1) / 2;
        }
        place(self.heap[at].2, at as u32);
        at
    }

    fn sink(&mut self, mut at: usize, place: &mut impl FnMut(K, u32)) {
        loop {
            let children = [2 * at + 1, 2 * at + 2];
            let smallest = children
                .into_iter()
                .filter(|&child| child < self.heap.len())
                .fold(at, |best, child| if self.before(child, best) { child } else { best });
            if smallest == at {
                break;
            }
            self.swap(at, smallest, place);
            at = smallest;
        }
        place(self.heap[at].2, at as u32);
    }

    fn swap(&mut self, a: usize, b: usize, place: &mut impl FnMut(K, u32)) {
        self.heap.swap(a, b);
        place(self.heap[a].2, a as u32);
        place(self.heap[b].2, b as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn removes_from_anywhere_in_deadline_order() {
        let times = [7u64, 3, 9, 1, 4, 4, 8, 2, 6, 5];
        for removed in 0..times.len() {
            let mut heap = Timers::new();
            let mut places = vec![NOWHERE; times.len()];
            for (key, at) in times.iter().enumerate() {
                heap.insert(Instant::from_nanos(*at), key, |k, p| places[k] = p);
            }
            let mut remove = |heap: &mut Timers<usize>, key: usize| {
                let place = core::mem::replace(&mut places[key], NOWHERE);
                heap.remove(place, |k, p| places[k] = p);
            };
            remove(&mut heap, removed);
            let mut expected: Vec<_> =
                times.iter().enumerate().filter(|(key, _)| *key != removed).collect();
            expected.sort_by_key(|(key, at)| (**at, *key));
            let mut seen = Vec::new();
            while let Some((at, key)) = heap.next() {
                seen.push((key, at.as_nanos()));
                remove(&mut heap, key);
            }
            assert_eq!(heap.len(), 0);
            let expected: Vec<_> = expected.into_iter().map(|(key, at)| (key, *at)).collect();
            assert_eq!(seen, expected);
        }
    }
}
