//! Doubly linked lists of entries in the books: O(1) at both ends and in the middle.

use core::ops::{Index, IndexMut};

use super::arena::Ix;

pub(super) struct Links<Tag> {
    prev: Option<Ix<Tag>>,
    next: Option<Ix<Tag>>,
}

/// Selects the links of an entry that a list runs through.
pub(super) type Through<C, Tag> = fn(&mut <C as Index<Ix<Tag>>>::Output) -> &mut Links<Tag>;

pub(super) struct List<Tag> {
    first: Option<Ix<Tag>>,
    last: Option<Ix<Tag>>,
}

impl<Tag> Links<Tag> {
    pub(super) const NONE: Self = Self { prev: None, next: None };

    #[inline]
    pub(super) fn next(&self) -> Option<Ix<Tag>> {
        self.next
    }

    pub(super) fn prev(&self) -> Option<Ix<Tag>> {
        self.prev
    }
}

impl<Tag> List<Tag> {
    #[inline]
    pub(super) fn first(self) -> Option<Ix<Tag>> {
        self.first
    }

    pub(super) fn last(self) -> Option<Ix<Tag>> {
        self.last
    }

    #[inline]
    pub(super) fn push_back<C: IndexMut<Ix<Tag>, Output: Sized>>(
        &mut self,
        entries: &mut C,
        ix: Ix<Tag>,
        through: Through<C, Tag>,
    ) {
        *through(&mut entries[ix]) = Links { prev: self.last, next: None };
        match self.last {
            Some(last) => through(&mut entries[last]).next = Some(ix),
            None => self.first = Some(ix),
        }
        self.last = Some(ix);
    }

    /// Puts an entry behind another one that is in the list.
    pub(super) fn insert_after<C: IndexMut<Ix<Tag>, Output: Sized>>(
        &mut self,
        entries: &mut C,
        (ix, before): (Ix<Tag>, Ix<Tag>),
        through: Through<C, Tag>,
    ) {
        let next = through(&mut entries[before]).next.replace(ix);
        *through(&mut entries[ix]) = Links { prev: Some(before), next };
        match next {
            Some(next) => through(&mut entries[next]).prev = Some(ix),
            None => self.last = Some(ix),
        }
    }

    pub(super) fn push_front<C: IndexMut<Ix<Tag>, Output: Sized>>(
        &mut self,
        entries: &mut C,
        ix: Ix<Tag>,
        through: Through<C, Tag>,
    ) {
        *through(&mut entries[ix]) = Links { prev: None, next: self.first };
        match self.first {
            Some(first) => through(&mut entries[first]).prev = Some(ix),
            None => self.last = Some(ix),
        }
        self.first = Some(ix);
    }

    #[inline]
    pub(super) fn remove<C: IndexMut<Ix<Tag>, Output: Sized>>(
        &mut self,
        entries: &mut C,
        ix: Ix<Tag>,
        through: Through<C, Tag>,
    ) {
        let links = core::mem::take(through(&mut entries[ix]));
        self.remove_linked(entries, links, through);
    }

    /// Unlinks an entry that is already out of the books.
    #[inline]
    pub(super) fn remove_linked<C: IndexMut<Ix<Tag>, Output: Sized>>(
        &mut self,
        entries: &mut C,
        Links { prev, next }: Links<Tag>,
        through: Through<C, Tag>,
    ) {
        match prev {
            Some(prev) => through(&mut entries[prev]).next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => through(&mut entries[next]).prev = prev,
            None => self.last = prev,
        }
    }
}

// Derived impls would ask `Tag` for the same traits.
impl<Tag> Default for Links<Tag> {
    fn default() -> Self {
        Self { prev: None, next: None }
    }
}
impl<Tag> Copy for Links<Tag> {}
impl<Tag> Clone for Links<Tag> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Tag> Default for List<Tag> {
    fn default() -> Self {
        Self { first: None, last: None }
    }
}
impl<Tag> Copy for List<Tag> {}
impl<Tag> Clone for List<Tag> {
    fn clone(&self) -> Self {
        *self
    }
}
