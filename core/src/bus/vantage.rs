//! Where a handle sees its event from: the bus and the invocation it belongs to, in one word.
//!
//! This makes a handle two words, its record and this, which are returned and moved in registers.
//! Three would be copied by way of the stack, not in the pieces they were written in, and a
//! processor has to wait for that.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use hashbrown::HashMap;

use super::record::Head;
use super::shared::BusShared;
use crate::machine::{InvocationKey, Key};

/// 0 is the bus the event was dispatched on, outside of handlers. The key of an invocation is that
/// handler, on that bus. A mark makes it the key of another bus, which the event was forwarded to,
/// or a place in the record's list of handlers there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vantage(u64);

/// The highest bits of a key's slot: there are hardly ever so many buses, or running handlers.
const MARKS: u64 = 0b11 << 30;
const ABROAD: u64 = 0b01 << 30;
const INSIDE_ABROAD: u64 = 0b10 << 30;

/// The handlers of an event on buses it was forwarded to, as their handles name them.
#[derive(Default)]
// A box, so that other events have no space for it.
pub(crate) struct Abroad(Option<Box<Noted>>);

/// Where a handler runs, and which run that is. Its handles belong to that bus for good.
type There = (Arc<BusShared>, InvocationKey);

struct Noted {
    first: There,
    others: Vec<There>,
    /// The places of the others: a handler that is tried again is there already.
    places: HashMap<InvocationKey, usize>,
}

/// A bus: the one of the record, or one that was looked up.
pub(crate) enum BusRef<'a> {
    Home(&'a Arc<BusShared>),
    Abroad(Arc<BusShared>),
}

impl Vantage {
    /// That of the code that dispatched the event.
    pub(crate) const HOME: Self = Self(0);

    /// That of code on `bus`, outside of handlers.
    pub(crate) fn outside(head: &Head, bus: &Arc<BusShared>) -> Self {
        let bits = bus.key.to_bits();
        match Arc::ptr_eq(&head.bus, bus) || bits & MARKS != 0 {
            true => Self::HOME,
            false => Self(bits | ABROAD),
        }
    }

    /// That of a handler of `bus`.
    #[inline]
    pub(crate) fn inside(head: &Head, bus: &Arc<BusShared>, by: InvocationKey) -> Self {
        match Arc::ptr_eq(&head.bus, bus) && by.to_bits() & MARKS == 0 {
            true => Self(by.to_bits()),
            false => Self::noted(head, bus, by),
        }
    }

    #[cold]
    fn noted(head: &Head, bus: &Arc<BusShared>, by: InvocationKey) -> Self {
        let mut abroad = head.abroad.lock();
        let first = (bus.clone(), by);
        let new = || Box::new(Noted { first, others: Vec::new(), places: HashMap::new() });
        let Noted { first, others, places } = &mut **abroad.0.get_or_insert_with(new);
        let place = match first.1 == by {
            true => 0,
            false => *places.entry(by).or_insert_with(|| {
                others.push((bus.clone(), by));
                others.len()
            }),
        };
        Self(place as u64 | INSIDE_ABROAD)
    }

    /// Whether it belongs to a handler.
    pub(crate) const fn is_inside(self) -> bool {
        self.0 != 0 && self.0 & MARKS != ABROAD
    }

    /// The run of the handler that it belongs to.
    pub(crate) fn by(self, head: &Head) -> Option<InvocationKey> {
        match self.0 & MARKS {
            0 => Key::from_bits(self.0),
            ABROAD => None,
            _ => self.of_noted(head, |there| there.1),
        }
    }

    /// The bus; `None` if it is another one, seen from outside of handlers, and gone.
    pub(crate) fn bus(self, head: &Head) -> Option<BusRef<'_>> {
        let key = match self.0 & MARKS {
            0 => return Some(BusRef::Home(&head.bus)),
            ABROAD => Key::from_bits(self.0 & !MARKS)?,
            _ => return self.of_noted(head, |there| BusRef::Abroad(there.0.clone())),
        };
        head.bus.hub.lock().shell(key).map(BusRef::Abroad)
    }

    fn of_noted<T>(self, head: &Head, what: impl FnOnce(&There) -> T) -> Option<T> {
        let abroad = head.abroad.lock();
        let Noted { first, others, .. } = &**abroad.0.as_ref()?;
        match (self.0 & !MARKS) as usize {
            0 => Some(what(first)),
            place => others.get(place - 1).map(what),
        }
    }
}

impl Deref for BusRef<'_> {
    type Target = Arc<BusShared>;

    fn deref(&self) -> &Arc<BusShared> {
        match self {
            Self::Home(bus) => bus,
            Self::Abroad(bus) => bus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::EventBus;
    use crate::time::Instant;

    fn key(slot: u64, generation: u64) -> InvocationKey {
        Key::from_bits(generation << 32 | slot).expect("a key")
    }

    #[test]
    fn a_word_tells_the_bus_and_the_handler() {
        let home = EventBus::builder("home").build();
        let other = home.hub().bus("other").build();
        let head = Head::new(home.shared.clone(), Instant::EPOCH, 0, None);
        let is_of = |seen: Vantage, bus: &EventBus| {
            seen.bus(&head).is_some_and(|seen| Arc::ptr_eq(&seen, &bus.shared))
        };

        let outside = [&home, &other].map(|bus| Vantage::outside(&head, &bus.shared));
        assert!(
            outside[0] == Vantage::HOME && is_of(outside[0], &home) && is_of(outside[1], &other)
        );
        assert!(outside.iter().all(|seen| !seen.is_inside() && seen.by(&head).is_none()));

        for by in [key(1, 1), key(1, u64::from(u32::MAX)), key((1 << 30) - 1, 7)] {
            let inside = [&home, &other].map(|bus| Vantage::inside(&head, &bus.shared, by));
            assert!(is_of(inside[0], &home) && is_of(inside[1], &other));
            assert!(inside.iter().all(|seen| seen.is_inside()));
            assert!(inside.iter().all(|seen| seen.by(&head) == Some(by)));
        }
        for by in [key(1 << 30, 1), key(1 << 31, 1), key(u64::from(u32::MAX), 1)] {
            let beyond = Vantage::inside(&head, &home.shared, by);
            assert!(is_of(beyond, &home) && beyond.is_inside() && beyond.by(&head) == Some(by));
        }

        let again =
            [key(1, 1), key(2, 1), key(2, 1)].map(|by| Vantage::inside(&head, &other.shared, by));
        assert_eq!(again.map(|seen| seen.by(&head)), [key(1, 1), key(2, 1), key(2, 1)].map(Some));
        assert!(again[1] == again[2] && again.iter().all(|seen| is_of(*seen, &other)));

        // Handlers that are tried by turns are noted once each.
        let by_turns =
            [1, 2, 1, 2, 1].map(|slot| Vantage::inside(&head, &other.shared, key(slot, 9)));
        assert_eq!([by_turns[0]; 2], [by_turns[2], by_turns[4]]);
        assert_eq!(by_turns[1], by_turns[3]);

        let kept = other.shared.clone();
        drop(other);
        assert!(outside[1].bus(&head).is_none(), "it is gone");
        assert!(again[0].bus(&head).is_some_and(|seen| Arc::ptr_eq(&seen, &kept)), "it is kept");
    }
}
