//! The boxes of futures that have ended, kept for later ones of the same type: most buses run the
//! same few handlers again and again.

use alloc::boxed::Box;
use core::any::Any;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::handler_future::HandlerFuture;
use super::value::Answer;
use crate::machine::Outcome;

/// Larger futures are not polled on top of the frames that made them, which hold copies of them, and
/// their boxes are not kept.
pub(crate) const SMALL: usize = 1024;

/// Boxes of two types: a handler's, and that of one it awaits.
#[derive(Debug, Default)]
pub(crate) struct SpareBoxes {
    /// Each is an `Option<Pin<Box<F>>>` of some type of future.
    places: [Option<Box<dyn Any + Send>>; 2],
    /// Futures of other types that have ended since one of these types did.
    others: u8,
}

/// After so many of other types the last place is theirs: changing it takes an allocation.
const PATIENCE: u8 = 64;

impl SpareBoxes {
    /// Makes a future and polls it, in a kept box if there is one of its type. Once it has ended,
    /// and owns nothing any more, its box is kept.
    ///
    /// # Errors
    /// The future, if it is pending.
    #[inline]
    pub(crate) fn poll<F: HandlerFuture + 'static>(
        &mut self,
        make: impl FnOnce() -> F,
        cx: &mut Context<'_>,
        outcome: &mut Option<Outcome<Answer>>,
    ) -> Result<(), Pin<Box<F>>> {
        let Some(place) = self.place() else {
            return self.poll_other(Box::pin(make()), cx, outcome);
        };
        let mut pinned = match Option::take(place) {
            None => Box::pin(make()),
            Some(mut kept) => {
                Pin::set(&mut kept, make());
                kept
            }
        };
        match pinned.as_mut().poll_into(cx, outcome) {
            Poll::Pending => Err(pinned),
            Poll::Ready(()) => {
                *place = Some(pinned);
                self.others = 0;
                Ok(())
            }
        }
    }

    /// Keeps the box of a future that has ended, and owns nothing any more.
    pub(crate) fn keep<F: HandlerFuture + 'static>(&mut self, ended: Pin<Box<F>>) {
        match self.place() {
            _ if size_of::<F>() > SMALL => {}
            Some(place) => *place = Some(ended),
            None => self.keep_other(ended),
        }
    }

    /// Where boxes of a type of future are kept.
    #[inline]
    fn place<F: 'static>(&mut self) -> Option<&mut Option<Pin<Box<F>>>> {
        self.places.iter_mut().flatten().find_map(|place| place.downcast_mut())
    }

    /// The same if the places belong to other types.
    #[inline(never)]
    fn poll_other<F: HandlerFuture + 'static>(
        &mut self,
        mut pinned: Pin<Box<F>>,
        cx: &mut Context<'_>,
        outcome: &mut Option<Outcome<Answer>>,
    ) -> Result<(), Pin<Box<F>>> {
        match pinned.as_mut().poll_into(cx, outcome) {
            Poll::Pending => Err(pinned),
            Poll::Ready(()) => {
                self.keep_other(pinned);
                Ok(())
            }
        }
    }

    fn keep_other<F: Send + 'static>(&mut self, ended: Pin<Box<F>>) {
        self.others += 1;
        let [first, last] = &mut self.places;
        let place = if first.is_none() { first } else { last };
        if place.is_none() || self.others >= PATIENCE {
            *place = Some(Box::new(Some(ended)));
            self.others = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::task::Waker;

    /// A future of some size; it is pending the first time if told so.
    struct Of<const WORDS: usize>(bool, [u64; WORDS]);

    impl<const WORDS: usize> HandlerFuture for Of<WORDS> {
        fn poll_into(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            outcome: &mut Option<Outcome<Answer>>,
        ) -> Poll<()> {
            if core::mem::take(&mut self.0) {
                return Poll::Pending;
            }
            *outcome = Some(Outcome::Empty);
            Poll::Ready(())
        }

        fn give_back(self: Pin<Box<Self>>, spare: &mut SpareBoxes) {
            spare.keep(self);
        }
    }

    fn start<const WORDS: usize>(
        spare: &mut SpareBoxes,
        waits: bool,
    ) -> Result<(), Pin<Box<Of<WORDS>>>> {
        let (mut cx, mut outcome) = (Context::from_waker(Waker::noop()), None);
        let polled = spare.poll(|| Of(waits, [7; WORDS]), &mut cx, &mut outcome);
        assert_eq!(outcome.is_some(), !waits);
        polled
    }

    /// Where a future that ends at once was placed, if its box is kept.
    fn run<const WORDS: usize>(spare: &mut SpareBoxes) -> Option<usize> {
        assert!(start::<WORDS>(spare, false).is_ok());
        kept::<WORDS>(spare)
    }

    /// A future that waits, and where it lies.
    fn wait<const WORDS: usize>(spare: &mut SpareBoxes) -> (usize, Pin<Box<dyn HandlerFuture>>) {
        let pending = start::<WORDS>(spare, true).expect_err("it waits");
        (core::ptr::from_ref(&*pending).addr(), pending)
    }

    fn kept<const WORDS: usize>(spare: &mut SpareBoxes) -> Option<usize> {
        let kept = spare.place::<Of<WORDS>>()?.as_ref()?;
        Some(core::ptr::from_ref(&**kept).addr())
    }

    #[test]
    fn a_box_is_used_again_for_a_future_of_its_type() {
        let mut spare = SpareBoxes::default();
        let (first, second) = (run::<1>(&mut spare), run::<4>(&mut spare));
        assert!(first.is_some() && second.is_some());
        assert_eq!((run::<1>(&mut spare), run::<4>(&mut spare)), (first, second));
        assert_eq!(run::<5>(&mut spare), None, "the places are other types'");
    }

    #[test]
    fn one_that_waits_has_its_box_until_it_has_ended() {
        let mut spare = SpareBoxes::default();
        let first = run::<1>(&mut spare);
        let (at, waiting) = wait::<1>(&mut spare);
        assert_eq!((Some(at), kept::<1>(&mut spare)), (first, None));
        let next = run::<1>(&mut spare);
        assert!(next.is_some() && next != first, "the next one brings its own");
        waiting.give_back(&mut spare);
        assert_eq!(run::<1>(&mut spare), first);

        let (at, waiting) = wait::<4>(&mut spare);
        assert_eq!(kept::<4>(&mut spare), None);
        waiting.give_back(&mut spare);
        assert_eq!(run::<4>(&mut spare), Some(at), "also the first of its type");
    }

    #[test]
    fn a_place_that_nobody_wants_goes_to_those_who_come() {
        let mut spare = SpareBoxes::default();
        run::<1>(&mut spare);
        run::<4>(&mut spare);
        for _ in 1..PATIENCE {
            assert_eq!(run::<5>(&mut spare), None);
        }
        assert!(run::<5>(&mut spare).is_some());
        assert_eq!(run::<4>(&mut spare), None);
        assert!(run::<1>(&mut spare).is_some());
    }

    #[test]
    fn a_large_box_is_not_kept() {
        let mut spare = SpareBoxes::default();
        let (_, waiting) = wait::<{ SMALL / 8 }>(&mut spare);
        waiting.give_back(&mut spare);
        assert_eq!(kept::<{ SMALL / 8 }>(&mut spare), None);
    }
}
