//! Entries whose keys go stale with them.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::num::{NonZeroU32, NonZeroU64};
use core::ops::{Index, IndexMut};

/// Names one entry of the machine while it lives, and nothing afterwards.
///
/// A key holds a 32-bit generation, so a key that is kept for longer than 2³² insertions into the same
/// machine could in theory name a later entry.
// One word: a key is moved more often than it is looked up.
pub struct Key<Tag>(NonZeroU64, PhantomData<fn() -> Tag>);

/// The place of a live entry. Keys become this once they have been checked.
pub(super) struct Ix<Tag>(NonZeroU32, PhantomData<fn() -> Tag>);

impl<Tag> Key<Tag> {
    #[inline]
    fn new(ix: Ix<Tag>, generation: u32) -> Self {
        Self(NonZeroU64::from(ix.0) | u64::from(generation) << 32, PhantomData)
    }

    /// Returns the key as one number, for maps and atomics of a shell.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// Converts back from [`Key::to_bits`]; `None` for a number that is not a key.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        let index = NonZeroU32::new(bits as u32)?;
        let generation = NonZeroU32::new((bits >> 32) as u32)?;
        Some(Self::new(Ix(index, PhantomData), generation.get()))
    }

    /// Returns the slot of the entry: a small number, reused after the entry is gone.
    #[must_use]
    #[inline]
    pub fn slot(self) -> usize {
        self.ix().slot()
    }

    /// Returns the key of another kind of entry in the same place.
    #[inline]
    pub(super) const fn cast<Other>(self) -> Key<Other> {
        Key(self.0, PhantomData)
    }

    pub(super) fn ix(self) -> Ix<Tag> {
        // Every key has an index.
        Ix(NonZeroU32::new(self.0.get() as u32).unwrap_or(NonZeroU32::MIN), PhantomData)
    }

    const fn generation(self) -> u32 {
        (self.0.get() >> 32) as u32
    }
}

impl<Tag> Ix<Tag> {
    /// A place without an entry, for entries that have not been used yet.
    pub(super) const NOWHERE: Self = Self(NonZeroU32::MAX, PhantomData);

    /// Returns another kind of entry in the same place.
    #[inline]
    pub(super) const fn cast<Other>(self) -> Ix<Other> {
        Ix(self.0, PhantomData)
    }

    fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The room made first, in bytes: eight events, or one bus.
const FIRST: usize = 1024;
/// From here on room is made by an eighth, and is worth giving back.
const MANY: usize = 1024;

pub(super) struct Arena<T, Tag> {
    slots: Vec<Slot<T>>,
    free: Vec<Ix<Tag>>,
    generation: u32,
    tag: PhantomData<fn() -> Tag>,
}

struct Slot<T> {
    /// 0 while the slot is free. The value stays then, so that accesses need no check.
    generation: u32,
    value: T,
}

impl<T, Tag> Arena<T, Tag> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), generation: 0, tag: PhantomData }
    }

    pub(super) fn insert(&mut self, value: T) -> Key<Tag> {
        let (ix, generation) = self.vacant();
        self.generation = generation;
        if self.free.pop().is_none() {
            self.make_room();
            self.slots.push(Slot { generation, value });
        } else {
            self.slots[ix.slot()] = Slot { generation, value };
        }
        Key::new(ix, generation)
    }

    /// Does the same, by overwriting what a removed entry has left, so that nothing is moved.
    #[inline(always)]
    pub(super) fn renew(&mut self) -> (Key<Tag>, &mut T)
    where
        T: Default,
    {
        let key = self.foretell();
        (key, self.renew_as(key))
    }

    /// Returns the key of the next entry, which no other entry will have. It names nothing until
    /// [`renew_as`](Self::renew_as), or ever if that is not called.
    #[inline(always)]
    pub(super) fn foretell(&mut self) -> Key<Tag> {
        let (ix, generation) = self.vacant();
        self.generation = generation;
        Key::new(ix, generation)
    }

    /// Makes the entry whose key was foretold. No other entry may have come or gone since.
    #[inline(always)]
    pub(super) fn renew_as(&mut self, key: Key<Tag>) -> &mut T
    where
        T: Default,
    {
        let (ix, generation) = (key.ix(), key.generation());
        debug_assert!(self.vacant().0 == ix);
        if self.free.pop().is_none() {
            self.append();
        }
        let slot = &mut self.slots[ix.slot()];
        slot.generation = generation;
        &mut slot.value
    }

    /// The place of the next entry, and its generation.
    #[inline]
    fn vacant(&self) -> (Ix<Tag>, u32) {
        let ix = self.free.last().copied().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len() + 1).ok().and_then(NonZeroU32::new);
            Ix(index.expect("fewer than 2^32 live entries"), PhantomData)
        });
        (ix, self.generation.wrapping_add(1).max(1))
    }

    /// Removes an entry. The caller takes what it owns out of it.
    #[inline]
    pub(super) fn remove(&mut self, ix: Ix<Tag>) -> &mut T {
        if self.free.len() == self.free.capacity() {
            self.grow_free();
        }
        self.free.push(ix);
        let slot = &mut self.slots[ix.slot()];
        slot.generation = 0;
        &mut slot.value
    }

    /// As many entries can be free as there are.
    #[cold]
    fn grow_free(&mut self) {
        self.free.reserve(self.slots.len() - self.free.len());
    }

    /// Borrows two entries at once.
    pub(super) fn both(&mut self, one: Ix<Tag>, other: Ix<Tag>) -> [&mut T; 2] {
        let both = self.slots.get_disjoint_mut([one.slot(), other.slot()]);
        both.expect("two entries").map(|slot| &mut slot.value)
    }

    /// Returns the place of a key's entry, if the entry is still there.
    #[inline]
    pub(super) fn find(&self, key: Key<Tag>) -> Option<Ix<Tag>> {
        let ix = key.ix();
        let slot = self.slots.get(ix.slot())?;
        (slot.generation == key.generation()).then_some(ix)
    }

    #[inline]
    pub(super) fn get(&self, key: Key<Tag>) -> Option<&T> {
        self.find(key).map(|ix| &self[ix])
    }

    #[inline]
    pub(super) fn key(&self, ix: Ix<Tag>) -> Key<Tag> {
        Key::new(ix, self.slots[ix.slot()].generation)
    }

    /// Frees the room of removed entries, if all are removed. Their keys stay stale for good.
    pub(super) fn let_go(&mut self) {
        if self.len() == 0 {
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
    }

    /// Returns whether there are no entries, but room for more than most bursts need.
    #[inline]
    pub(super) const fn is_only_room(&self) -> bool {
        self.free.len() >= MANY && self.len() == 0
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.slots.capacity()
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ix<Tag>, &T)> {
        let taken = self.slots.iter().enumerate().filter(|(_, entry)| entry.generation > 0);
        taken.filter_map(|(slot, entry)| {
            let index = NonZeroU32::new(slot as u32 + 1)?;
            Some((Ix(index, PhantomData), &entry.value))
        })
    }

    /// Appends a blank entry, made in place. A push would build it on the stack and copy it from there in
    /// pieces other than those it was written in, which defeats the processor's store forwarding.
    #[cold]
    #[inline(never)]
    fn append(&mut self)
    where
        T: Default,
    {
        self.make_room();
        let blank = || Slot { generation: 0, value: T::default() };
        self.slots.resize_with(self.slots.len() + 1, blank);
    }

    #[inline]
    fn make_room(&mut self) {
        if self.slots.len() == self.slots.capacity() {
            self.grow();
        }
    }

    /// Grows by an eighth where a vector would double, since most of a long queue is entries. It grows
    /// faster at first, as most arenas come to some hundred.
    #[cold]
    fn grow(&mut self) {
        self.slots.reserve_exact(match self.slots.len() {
            0 => (FIRST / size_of::<Slot<T>>()).max(1),
            few if few < 64 => 3 * few,
            some if some < MANY => some,
            many => many / 8,
        });
    }
}

impl<T, Tag> Index<Ix<Tag>> for Arena<T, Tag> {
    type Output = T;

    #[inline]
    fn index(&self, ix: Ix<Tag>) -> &T {
        &self.slots[ix.slot()].value
    }
}

impl<T, Tag> IndexMut<Ix<Tag>> for Arena<T, Tag> {
    #[inline]
    fn index_mut(&mut self, ix: Ix<Tag>) -> &mut T {
        &mut self.slots[ix.slot()].value
    }
}

// Derived impls would ask `Tag` for the same traits.
impl<Tag> Copy for Key<Tag> {}
impl<Tag> Clone for Key<Tag> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Tag> PartialEq for Key<Tag> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<Tag> Eq for Key<Tag> {}
impl<Tag> Hash for Key<Tag> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.to_bits().hash(state);
    }
}
impl<Tag> fmt::Debug for Key<Tag> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = core::any::type_name::<Tag>();
        let tag = tag.rsplit("::").next().unwrap_or(tag);
        write!(f, "{tag}#{}.{}", self.slot(), self.generation())
    }
}
impl<Tag> Default for Ix<Tag> {
    fn default() -> Self {
        Self::NOWHERE
    }
}
impl<Tag> Copy for Ix<Tag> {}
impl<Tag> Clone for Ix<Tag> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Tag> PartialEq for Ix<Tag> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<Tag> Eq for Ix<Tag> {}
impl<Tag> Hash for Ix<Tag> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    enum Tag {}

    #[test]
    fn a_key_names_its_entry_and_no_later_one_in_its_place() {
        let mut arena: Arena<u32, Tag> = Arena::new();
        let first = arena.insert(1);
        let second = arena.insert(2);
        assert_eq!((arena.get(first), arena.get(second)), (Some(&1), Some(&2)));
        assert_eq!(*arena.remove(first.ix()), 1);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.vacant().0.slot(), first.slot(), "its place is used again");
        let third = arena.insert(3);
        assert_eq!((third.slot(), arena.get(first)), (first.slot(), None));
        assert_eq!(arena[third.ix()], 3);
        let entries: Vec<_> = arena.iter().map(|(ix, value)| (arena.key(ix), *value)).collect();
        assert_eq!(entries, vec![(third, 3), (second, 2)]);
        assert_eq!(arena.len(), 2);
    }

    #[test]
    fn an_entry_is_made_of_what_one_before_it_has_left() {
        let mut arena: Arena<Vec<u32>, Tag> = Arena::new();
        let (first, entry) = arena.renew();
        entry.push(1);
        let left = arena.remove(first.ix());
        left.clear();
        let capacity = left.capacity();
        let (second, entry) = arena.renew();
        entry.push(2);
        assert_eq!((arena.get(first), arena.get(second)), (None, Some(&vec![2])));
        assert_eq!(arena[second.ix()].capacity(), capacity);
        let (third, entry) = arena.renew();
        entry.push(3);
        let [second, third] = arena.both(second.ix(), third.ix());
        core::mem::swap(second, third);
        assert_eq!((&second[..], &third[..]), (&[3][..], &[2][..]));
    }

    #[test]
    fn a_number_that_is_no_key_names_nothing() {
        let mut arena: Arena<u32, Tag> = Arena::new();
        let key = arena.insert(7);
        assert_eq!(Key::<Tag>::from_bits(key.to_bits()), Some(key));
        arena.remove(key.ix());
        // A removed entry has the generation 0.
        for bits in [0, 1, 1 << 32] {
            assert_eq!(Key::<Tag>::from_bits(bits), None);
        }
    }

    #[test]
    fn a_key_that_was_foretold_is_nobody_elses() {
        let mut arena: Arena<u32, Tag> = Arena::new();
        for came_before in [false, true] {
            let foretold = arena.foretell();
            assert_eq!(arena.get(foretold), None);
            if came_before {
                *arena.renew_as(foretold) = 7;
                assert_eq!(arena.get(foretold), Some(&7));
                arena.remove(foretold.ix());
            }
            let (next, _) = arena.renew();
            assert_eq!((next.slot(), arena.get(foretold)), (foretold.slot(), None));
            arena.remove(next.ix());
        }
    }

    #[test]
    fn room_that_was_given_back_is_no_earlier_entrys() {
        let mut arena: Arena<u32, Tag> = Arena::new();
        let first = arena.insert(1);
        arena.let_go();
        assert_eq!(arena.get(first), Some(&1), "it is in use");
        arena.remove(first.ix());
        arena.let_go();
        assert_eq!((arena.slots.capacity(), arena.get(first)), (0, None));
        let second = arena.insert(2);
        assert_eq!((arena.get(first), arena.get(second)), (None, Some(&2)));
    }

    #[test]
    fn a_long_arena_grows_by_an_eighth() {
        let mut arena: Arena<u32, Tag> = Arena::new();
        let keys: Vec<_> = (0..10_000).map(|n| arena.insert(n)).collect();
        assert!(arena.slots.capacity() <= 10_000 * 9 / 8);
        assert!(keys.iter().zip(0..).all(|(key, n)| arena.get(*key) == Some(&n)));
    }
}
