//! The box of a future that has ended, kept for the next one of its type: most buses run the same few
//! handlers again and again.

use alloc::boxed::Box;
use core::any::Any;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::handler_future::HandlerFuture;
use super::value::Answer;
use crate::machine::Outcome;

/// A box, or none.
#[derive(Debug, Default)]
pub(crate) struct SpareBox {
    /// An `Option<Pin<Box<F>>>` of some type of future.
    place: Option<Box<dyn Any + Send>>,
    /// Futures of other types that have ended since one of this type has.
    others: u8,
}

/// So many of other types, and the place is theirs: it takes an allocation to make it so.
const PATIENCE: u8 = 64;

impl SpareBox {
    /// Makes a future and polls it, in a box that was kept if there is one of its type. That of a
    /// future that has ended, and owns nothing any more, is kept.
    ///
    /// # Errors
    /// The future, when it is pending.
    #[inline]
    pub(crate) fn poll<F: HandlerFuture + 'static>(
        &mut self,
        make: impl FnOnce() -> F,
        cx: &mut Context<'_>,
        outcome: &mut Option<Outcome<Answer>>,
    ) -> Result<(), Pin<Box<F>>> {
        let Self { place, others } = self;
        let Some(place) = place.as_mut().and_then(|place| place.downcast_mut()) else {
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
                *others = 0;
                Ok(())
            }
        }
    }

    /// The same where the place is another type's.
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
        if self.place.is_none() || self.others >= PATIENCE {
            *self = Self { place: Some(Box::new(Some(ended))), others: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::task::Waker;

    /// A future of some size; it waits the first time if it is told to.
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
    }

    /// Where one that waits, or does not, has come to lie: of the latter, the box that is kept.
    fn poll<const WORDS: usize>(spare: &mut SpareBox, waits: bool) -> Option<usize> {
        let (mut cx, mut outcome) = (Context::from_waker(Waker::noop()), None);
        let polled = spare.poll(|| Of::<WORDS>(waits, [7; WORDS]), &mut cx, &mut outcome);
        assert_eq!(outcome.is_some(), !waits);
        match polled {
            Err(pending) => Some(core::ptr::from_ref(&*pending).addr()),
            Ok(()) => kept::<WORDS>(spare),
        }
    }

    fn kept<const WORDS: usize>(spare: &SpareBox) -> Option<usize> {
        let place: &Option<Pin<Box<Of<WORDS>>>> = spare.place.as_ref()?.downcast_ref()?;
        Some(core::ptr::from_ref(&**place.as_ref()?).addr())
    }

    #[test]
    fn a_box_is_used_again_for_a_future_of_its_type() {
        let mut spare = SpareBox::default();
        let first = poll::<1>(&mut spare, false);
        assert!(first.is_some());
        assert_eq!(poll::<4>(&mut spare, false), None, "the place is another type's");
        assert_eq!(poll::<1>(&mut spare, false), first);
        assert_eq!(poll::<1>(&mut spare, true), first, "one that waits goes with its box");
        assert_eq!(kept::<1>(&spare), None);
        assert!(poll::<1>(&mut spare, false).is_some(), "the next one brings its own");
    }

    #[test]
    fn a_place_that_nobody_wants_goes_to_those_who_come() {
        let mut spare = SpareBox::default();
        poll::<1>(&mut spare, false);
        for _ in 1..PATIENCE {
            assert_eq!(poll::<4>(&mut spare, false), None);
        }
        assert!(poll::<4>(&mut spare, false).is_some());
        assert_eq!(poll::<1>(&mut spare, false), None);
    }
}
