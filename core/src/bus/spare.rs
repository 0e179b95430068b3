//! The box of a future that has ended, kept for the next one of its type: most buses run the same few
//! handlers again and again.

use alloc::boxed::Box;
use core::any::Any;
use core::pin::Pin;

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
    /// Pins a future, in a box that was kept if there is one of its type.
    #[inline]
    pub(crate) fn pin<F: Send + 'static>(&mut self, future: F) -> Pin<Box<F>> {
        match self.place_of::<F>().and_then(Option::take) {
            Some(mut kept) => {
                kept.set(future);
                kept
            }
            None => Box::pin(future),
        }
    }

    /// Keeps the box of a future that has ended and owns nothing any more.
    #[inline]
    pub(crate) fn keep<F: Send + 'static>(&mut self, ended: Pin<Box<F>>) {
        match self.place_of::<F>() {
            Some(place) => {
                *place = Some(ended);
                self.others = 0;
            }
            None => self.keep_other(ended),
        }
    }

    #[inline]
    fn place_of<F: 'static>(&mut self) -> Option<&mut Option<Pin<Box<F>>>> {
        self.place.as_mut()?.downcast_mut()
    }

    #[cold]
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

    fn address<F>(pinned: &Pin<Box<F>>) -> usize {
        core::ptr::from_ref(&**pinned).addr()
    }

    #[test]
    fn a_box_is_used_again_for_a_future_of_its_type() {
        let mut spare = SpareBox::default();
        let first = spare.pin(1u64);
        let place = address(&first);
        spare.keep(first);
        let other = spare.pin([2u64; 4]);
        assert_ne!(address(&other), place);
        spare.keep(other);
        let second = spare.pin(3u64);
        assert_eq!((address(&second), *second), (place, 3));
        assert_ne!(address(&spare.pin(4u64)), place, "the second one is still there");
    }

    #[test]
    fn a_place_that_nobody_wants_goes_to_those_who_come() {
        let mut spare = SpareBox::default();
        spare.keep(Box::pin(1u64));
        for _ in 1..PATIENCE {
            spare.keep(Box::pin([2u64; 4]));
            assert!(spare.place_of::<u64>().is_some());
        }
        spare.keep(Box::pin([2u64; 4]));
        assert!(spare.place_of::<u64>().is_none());
        assert!(spare.place_of::<[u64; 4]>().is_some_and(|kept| kept.is_some()));
    }
}
