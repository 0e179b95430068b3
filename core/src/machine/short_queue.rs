//! A queue that rarely holds more than one item.

use alloc::collections::VecDeque;

/// First in, first out. The first item is kept apart, so that it needs no ring buffer.
pub(super) struct ShortQueue<T> {
    /// `None` when the queue is empty.
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> ShortQueue<T> {
    pub(super) const fn new() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(super) const fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    #[inline]
    pub(super) fn push(&mut self, last: T) {
        match self.first {
            None => self.first = Some(last),
            Some(_) => self.rest.push_back(last),
        }
    }

    /// Reserves room for this many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.rest.reserve(more);
    }

    /// Takes all items.
    pub(super) fn take(&mut self) -> VecDeque<T> {
        let mut all = core::mem::take(&mut self.rest);
        self.first.take().into_iter().for_each(|first| all.push_front(first));
        all
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        let first = self.first.take();
        if !self.rest.is_empty() {
            self.first = self.rest.pop_front();
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue_whoever_comes_and_goes() {
        // Every order of eight arrivals and departures.
        for order in 0..1u32 << 8 {
            let (mut queue, mut model, mut count) = (ShortQueue::new(), VecDeque::new(), 0);
            for turn in 0..8 {
                if order >> turn & 1 == 0 {
                    count += 1;
                    queue.push(count);
                    model.push_back(count);
                } else {
                    assert_eq!(queue.pop(), model.pop_front());
                }
                assert_eq!(queue.first(), model.front());
                assert_eq!(queue.is_empty(), model.is_empty());
            }
            assert_eq!(queue.take(), model);
            assert!(queue.is_empty() && queue.take().is_empty());
        }
    }
}
