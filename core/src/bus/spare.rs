//! The box of a future that has ended, kept for the next one of its type: most buses run the same few
//! handlers again and again.

use alloc::boxed::Box;
use core::any::Any;
use core::pin::Pin;
use core::task::{Context, Poll};

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
    /// Pins a future and polls it, in a box that was kept if there is one of its type. That of a
    /// future that has ended, and owns nothing any more, is kept.
    ///
    /// # Errors
    /// The future, when it is pending.
    #[inline]
    pub(crate) fn poll<F>(
        &mut self,
        future: F,
        cx: &mut Context<'_>,
    ) -> Result<F::Output, Pin<Box<F>>>
    where
        F: Future + Send + 'static,
    {
        let Self { place, others } = self;
        let Some(place) = place.as_mut().and_then(|place| place.downcast_mut()) else {
            return self.poll_other(future, cx);
        };
        let mut pinned = match Option::take(place) {
            None => Box::pin(future),
            Some(mut kept) => {
                Pin::set(&mut kept, future);
                kept
            }
        };
        match pinned.as_mut().poll(cx) {
            Poll::Pending => Err(pinned),
            Poll::Ready(output) => {
                *place = Some(pinned);
                *others = 0;
                Ok(output)
            }
        }
    }

    /// The same where the place is another type's.
    #[inline(never)]
    fn poll_other<F>(&mut self, future: F, cx: &mut Context<'_>) -> Result<F::Output, Pin<Box<F>>>
    where
        F: Future + Send + 'static,
    {
        let mut pinned = Box::pin(future);
        match pinned.as_mut().poll(cx) {
            Poll::Pending => Err(pinned),
            Poll::Ready(output) => {
                self.keep_other(pinned);
                Ok(output)
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
    use core::future::{Ready, ready};
    use core::task::Waker;

    /// Where a future lies while it is polled; it waits the first time if it is told to.
    struct Where<const WORDS: usize>(bool, [u64; WORDS]);

    impl<const WORDS: usize> Future for Where<WORDS> {
        type Output = usize;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<usize> {
            match core::mem::take(&mut self.0) {
                true => Poll::Pending,
                false => Poll::Ready(core::ptr::from_ref(&*self).addr()),
            }
        }
    }

    fn poll<F: Future + Send + 'static>(
        spare: &mut SpareBox,
        future: F,
    ) -> Result<F::Output, Pin<Box<F>>> {
        spare.poll(future, &mut Context::from_waker(Waker::noop()))
    }

    fn place<const WORDS: usize>(spare: &mut SpareBox) -> Option<usize> {
        poll(spare, Where::<WORDS>(false, [7; WORDS])).ok()
    }

    #[test]
    fn a_box_is_used_again_for_a_future_of_its_type() {
        let mut spare = SpareBox::default();
        let first = place::<1>(&mut spare);
        assert!(first.is_some());
        assert_ne!(place::<4>(&mut spare), first);
        assert_eq!(place::<1>(&mut spare), first);
        let pending = poll(&mut spare, Where::<1>(true, [0])).err();
        let pending = pending.expect("it waits");
        assert_eq!(Some(core::ptr::from_ref(&*pending).addr()), first, "it goes with its box");
        assert_ne!(place::<1>(&mut spare), first, "which is kept no more");
    }

    #[test]
    fn a_place_that_nobody_wants_goes_to_those_who_come() {
        let mut spare = SpareBox::default();
        let is_of_a_word = |spare: &SpareBox| {
            let place = spare.place.as_ref();
            place.is_some_and(|place| place.is::<Option<Pin<Box<Ready<u64>>>>>())
        };
        let _ = poll(&mut spare, ready(1u64));
        for _ in 1..PATIENCE {
            let _ = poll(&mut spare, ready([2u64; 4]));
            assert!(is_of_a_word(&spare));
        }
        let _ = poll(&mut spare, ready([2u64; 4]));
        assert!(spare.place.is_some() && !is_of_a_word(&spare));
    }
}
