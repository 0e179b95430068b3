//! Event ids: version 7 UUIDs, built from a time, a count and a seed that are passed in.

use core::fmt;
use core::str::FromStr;

use uuid::Uuid;

/// The id of an event: a version 7 UUID (RFC 9562), so that ids sort by time of dispatch. Those of one
/// hub are in the order in which it accepted the events, whichever threads dispatched them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// Stands for an id that is absent.
    pub(crate) const NIL: Self = Self(Uuid::nil());

    #[inline]
    pub(crate) const fn from_halves(high: u64, low: u64) -> Self {
        Self(Uuid::from_u64_pair(high, low))
    }

    #[inline]
    pub(crate) fn halves(self) -> (u64, u64) {
        self.0.as_u64_pair()
    }

    /// Returns the id as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for EventId {
    /// Accepts any UUID: ids of other systems need not be of version 7.
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    /// Parses what [`Display`](fmt::Display) writes, and UUIDs in their other forms.
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// As [`Display`](fmt::Display) writes it.
#[cfg(feature = "serde")]
impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Makes the ids of one hub.
#[derive(Debug)]
pub(crate) struct IdSource {
    seed: u64,
    count: u64,
    /// The latest time of an id. Threads read the time before they come to the queue.
    unix_millis: u64,
}

impl IdSource {
    pub(crate) fn new(seed: u64) -> Self {
        // The count starts anywhere in the lower half of its 42 bits, so that it does not wrap.
        Self { seed, count: mix(seed) >> 23, unix_millis: 0 }
    }

    #[inline]
    pub(crate) fn next(&mut self, unix_millis: u64) -> EventId {
        self.unix_millis = unix_millis.max(self.unix_millis);
        let count = self.count;
        self.count = count.wrapping_add(1);
        let random = mix(self.seed.wrapping_add(count)) >> 32;
        // 48 bits of time, the version, 12 bits of count, the variant, 30 bits of count, then 32
        // that nobody can guess (RFC 9562, 5.7).
        let high = (self.unix_millis << 16) | 0x7000 | ((count >> 30) & 0x0fff);
        let low = (0b10 << 62) | ((count & 0x3fff_ffff) << 32) | random;
        EventId::from_halves(high, low)
    }
}

/// A seed that differs from call to call; without `std`, there is no randomness to make one of.
#[cfg(feature = "std")]
pub(crate) fn random_seed() -> u64 {
    use core::hash::{BuildHasher, Hasher};
    // The keys of a new `RandomState` are the only randomness that std exposes.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(not(feature = "std"))]
pub(crate) const fn random_seed() -> u64 {
    0
}

/// The finaliser of splitmix64: turns a count into bits that look random.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn ids_of_one_millisecond_are_in_order_and_of_version_7() {
        for seed in 0..200 {
            let mut source = IdSource::new(seed);
            let ids: Vec<_> = (0..1_000).map(|_| source.next(1_700_000_000_000)).collect();
            assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(ids[0].as_uuid().get_version_num(), 7);
            assert_eq!(ids[0].as_uuid().get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn an_event_that_comes_late_to_the_queue_has_an_id_after_those_before_it() {
        let mut source = IdSource::new(7);
        let ids = [5, 6, 5, 7].map(|millis| source.next(millis));
        assert!(ids.is_sorted_by(|earlier, later| earlier < later));
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = IdSource::new(7).next(1_700_000_000_000);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("an id".parse::<EventId>().is_err());
        #[cfg(feature = "serde")]
        {
            let json = serde_json::to_string(&id).expect("it is a string");
            assert_eq!(json, alloc::format!("\"{id}\""));
            assert_eq!(serde_json::from_str::<EventId>(&json).expect("it is an id"), id);
            assert!(serde_json::from_str::<EventId>("\"an id\"").is_err());
        }
    }

    #[test]
    fn a_count_that_carries_keeps_the_order() {
        let mut source = IdSource { count: (1 << 30) - 2, ..IdSource::new(1) };
        let ids: Vec<_> = (0..4).map(|_| source.next(1)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
