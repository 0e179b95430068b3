//! Who does what with the lines of a hub: several threads prepare them at once, and one at a time hands
//! them on, in order.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Lines on their way from those that add them to the one that hands them on. `P` is a prepared one.
pub(super) struct Order<L, P> {
    waiting: VecDeque<L>,
    /// What was taken to be prepared and is not handed on: `None` while it is being prepared.
    taken: VecDeque<Option<Vec<P>>>,
    /// The number of the first of these.
    first: u64,
    is_handing_on: bool,
    /// The threads that will ask for work.
    helpers: usize,
    /// One of them has done its share, and nobody has come to take its place.
    is_overworked: bool,
}

/// What a thread does next.
#[derive(Debug, PartialEq)]
pub(super) enum Work<L, P> {
    /// Prepare these, each to one `P`, and return them as [`Done::Prepared`] with the number.
    Prepare(u64, Vec<L>),
    /// Hand these on. Then it has [handed on](Done::HandedOn).
    HandOn(Vec<P>),
    /// Prepare these and hand them on, one after the other: nobody else does either.
    Both(Vec<L>),
}

/// What it has done.
pub(super) enum Done<P> {
    /// It has just come.
    Nothing,
    Prepared(u64, Vec<P>),
    HandedOn,
}

/// So many lines are prepared in one piece of work: few, so that others prepare too.
const PREPARED_AT_ONCE: usize = 16;

/// So many such pieces are handed on in one: many, for each is a wait for the lock.
const HANDED_ON_AT_ONCE: usize = 256;

/// With so many lines waiting, one thread does not keep up.
const MANY: usize = 64;

/// After so many pieces of work, a thread leaves the rest to another one that will ask.
const SHARE: usize = 8;

impl<L, P> Order<L, P> {
    pub(super) fn add(&mut self, line: L) {
        self.waiting.push_back(line);
    }

    /// Whether the calling thread is to ask for work. If so it must, until it gets none. One thread at
    /// work does it all, up to its share and as long as it keeps up: it takes the lock less often.
    pub(super) fn needs_help(&mut self) -> bool {
        let is_enough = self.helpers > 0 && !self.is_overworked && self.waiting.len() < MANY;
        let needs_help = !self.waiting.is_empty() && !is_enough;
        self.helpers += usize::from(needs_help);
        needs_help
    }

    /// Returns the next piece of work of a thread that has done so many. `None` lets it go.
    pub(super) fn next(&mut self, done: Done<P>, turns: usize) -> Option<Work<L, P>> {
        match done {
            Done::Nothing => {}
            Done::Prepared(number, prepared) => {
                self.taken[(number - self.first) as usize] = Some(prepared);
            }
            Done::HandedOn => self.is_handing_on = false,
        }
        let is_relieved = turns >= SHARE && self.helpers > 1;
        self.is_overworked = turns >= SHARE && !is_relieved;
        let work = match is_relieved {
            true => None,
            false => self.hand_on().or_else(|| self.both()).or_else(|| self.prepare()),
        };
        self.helpers -= usize::from(work.is_none());
        work
    }

    fn hand_on(&mut self) -> Option<Work<L, P>> {
        let is_ready = self.taken.front().is_some_and(Option::is_some);
        if self.is_handing_on || !is_ready {
            return None;
        }
        let mut ready = Vec::new();
        for _ in 0..HANDED_ON_AT_ONCE {
            let Some(prepared) = self.taken.front_mut().and_then(Option::take) else { break };
            self.taken.pop_front();
            self.first += 1;
            ready.extend(prepared);
        }
        self.is_handing_on = true;
        Some(Work::HandOn(ready))
    }

    fn both(&mut self) -> Option<Work<L, P>> {
        if self.is_handing_on || !self.taken.is_empty() {
            return None;
        }
        let lines = self.take()?;
        self.is_handing_on = true;
        Some(Work::Both(lines))
    }

    fn prepare(&mut self) -> Option<Work<L, P>> {
        let lines = self.take()?;
        let number = self.first + self.taken.len() as u64;
        self.taken.push_back(None);
        Some(Work::Prepare(number, lines))
    }

    fn take(&mut self) -> Option<Vec<L>> {
        let count = self.waiting.len().min(PREPARED_AT_ONCE);
        (count > 0).then(|| self.waiting.drain(..count).collect())
    }
}

// A derived impl would ask the same of `L` and `P`.
impl<L, P> Default for Order<L, P> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            taken: VecDeque::new(),
            first: 0,
            is_handing_on: false,
            helpers: 0,
            is_overworked: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Done, MANY, Order, SHARE, Work};
    use alloc::vec;
    use alloc::vec::Vec;

    /// A thread with a line of its own, which is needed: what it is to do first.
    fn comes(order: &mut Order<u64, u64>, line: u64) -> Option<Work<u64, u64>> {
        order.add(line);
        order.is_overworked = true;
        assert!(order.needs_help());
        order.next(Done::Nothing, 0)
    }

    fn does(work: Work<u64, u64>, handed_on: &mut Vec<u64>) -> Done<u64> {
        match work {
            Work::Prepare(number, lines) => Done::Prepared(number, lines),
            Work::HandOn(lines) | Work::Both(lines) => {
                handed_on.extend(lines);
                Done::HandedOn
            }
        }
    }

    #[test]
    fn what_is_prepared_in_any_order_is_handed_on_in_order() {
        let mut order = Order::default();
        assert_eq!(comes(&mut order, 0), Some(Work::Both(vec![0])));
        for line in 1..=3 {
            assert_eq!(comes(&mut order, line), Some(Work::Prepare(line - 1, vec![line])));
        }
        assert_eq!(order.next(Done::Prepared(0, vec![1]), 1), None, "one hands on at a time");
        assert_eq!(order.next(Done::HandedOn, 1), Some(Work::HandOn(vec![1])));
        assert_eq!(order.next(Done::Prepared(2, vec![3]), 1), None);
        assert_eq!(order.next(Done::HandedOn, 2), None, "the second one comes before the third");
        assert_eq!(order.next(Done::Prepared(1, vec![2]), 1), Some(Work::HandOn(vec![2, 3])));
        assert_eq!(order.next(Done::HandedOn, 2), None);
        assert_eq!(order.helpers, 0);
        assert_eq!(comes(&mut order, 4), Some(Work::Both(vec![4])));
    }

    #[test]
    fn nobody_works_for_all_others_without_end_and_nothing_is_left() {
        let mut order = Order::default();
        let mut work = comes(&mut order, 0);
        let (mut turns, mut handed_on) = (0, Vec::new());
        let mut line = 0;
        while let Some(now) = work {
            // Each time there is another line. Its thread is needed once the first has done its share.
            line += 1;
            order.add(line);
            assert_eq!(order.needs_help(), turns == SHARE);
            turns += 1;
            work = order.next(does(now, &mut handed_on), turns);
        }
        assert_eq!(turns, SHARE + 1);
        // The other one has to do the rest.
        let mut done = Done::Nothing;
        while let Some(work) = order.next(done, 0) {
            done = does(work, &mut handed_on);
        }
        assert_eq!(handed_on, (0..=line).collect::<Vec<_>>());
        assert_eq!(order.helpers, 0);
    }

    #[test]
    fn others_help_when_one_does_not_keep_up() {
        let mut order = Order::default();
        assert_eq!(comes(&mut order, 0), Some(Work::Both(vec![0])));
        for line in 1..=MANY as u64 {
            order.add(line);
            assert_eq!(order.needs_help(), line == MANY as u64);
        }
        let first: Vec<_> = (1..=16).collect();
        assert_eq!(order.next(Done::Nothing, 0), Some(Work::Prepare(0, first)));
    }
}
