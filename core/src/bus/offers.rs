//! Which of the events offered to an expectation is its answer (R26): the first in order that matches,
//! whatever the order in which they are looked at.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What was offered, in order: what has not been looked at, up to the first that is known to match.
/// `A` is the answer that a match gives.
pub(crate) struct Offers<K, A>(VecDeque<(K, Option<A>)>);

/// What follows once an offer was looked at.
#[must_use = "it holds values of the user's: drop it outside the lock"]
pub(crate) struct Decided<A> {
    /// The answer, if nothing before it is left to look at.
    pub(crate) answer: Option<A>,
    /// Answers that come too late.
    pub(crate) unused: Vec<A>,
}

impl<K: PartialEq, A> Offers<K, A> {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Adds what comes after all others, unless one of them is known to match.
    pub(crate) fn receive(&mut self, offer: K) {
        if !self.0.back().is_some_and(|(_, answer)| answer.is_some()) {
            self.0.push_back((offer, None));
        }
    }

    /// Whether an offer is still to be looked at.
    pub(crate) fn is_open(&self, offer: &K) -> bool {
        self.place(offer).is_some()
    }

    /// Notes that an offer was looked at, and the answer if it matches.
    pub(crate) fn decide(&mut self, offer: &K, answer: Option<A>) -> Decided<A> {
        let mut unused = Vec::new();
        match (self.place(offer), answer) {
            (Some(place), Some(answer)) => {
                unused.extend(self.0.drain(place + 1..).filter_map(|(_, answer)| answer));
                self.0[place].1 = Some(answer);
            }
            (Some(place), None) => drop(self.0.remove(place)),
            (None, late) => unused.extend(late),
        }
        let answer = self.0.front_mut().and_then(|(_, answer)| answer.take());
        Decided { answer, unused }
    }

    fn place(&self, offer: &K) -> Option<usize> {
        // Most are looked at in order.
        self.0.iter().position(|(other, answer)| answer.is_none() && other == offer)
    }
}

#[cfg(test)]
mod tests {
    use super::Offers;
    use alloc::vec::Vec;

    #[test]
    fn the_first_match_in_order_is_the_answer_however_they_are_looked_at() {
        // Three offers, looked at in every order, of which each may match.
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for matching in 0..8 {
                let mut offers = Offers::new();
                (0..3).for_each(|offer| offers.receive(offer));
                let matches = |offer: usize| (matching >> offer & 1 == 1).then_some(offer);
                let mut answers = Vec::new();
                for offer in order {
                    if offers.is_open(&offer) {
                        answers.extend(offers.decide(&offer, matches(offer)).answer);
                    }
                    // Nothing is the answer while one before it may be.
                    let looked_at = &order[..=order.iter().position(|o| *o == offer).unwrap()];
                    let first = (0..3).find(|offer| matches(*offer).is_some());
                    let is_sure =
                        first.is_some_and(|first| (0..=first).all(|o| looked_at.contains(&o)));
                    assert_eq!(
                        answers.first().copied(),
                        first.filter(|_| is_sure),
                        "{order:?} {matching}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_comes_after_a_match_is_not_looked_at() {
        let mut offers = Offers::new();
        [1, 2, 3].into_iter().for_each(|offer| offers.receive(offer));
        assert_eq!(offers.decide(&2, Some("two")).answer, None);
        offers.receive(4);
        assert_eq!([1, 2, 3, 4].map(|offer| offers.is_open(&offer)), [true, false, false, false]);
        let late = offers.decide(&3, Some("three"));
        assert_eq!((late.answer, late.unused), (None, ["three"].into()));
        let first = offers.decide(&1, Some("one"));
        assert_eq!((first.answer, first.unused), (Some("one"), ["two"].into()));
    }
}
