//! Doubly linked lists through the entries of an arena: O(1) at both ends and in the middle.

use super::arena::{Arena, Ix};

pub(super) struct Links<Tag> {
    prev: Option<Ix<Tag>>,
    next: Option<Ix<Tag>>,
}

/// Which links of an entry a list runs through.
pub(super) type Through<T, Tag> = fn(&mut T) -> &mut Links<Tag>;

pub(super) struct List<Tag> {
    first: Option<Ix<Tag>>,
    last: Option<Ix<Tag>>,
}

impl<Tag> Links<Tag> {
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
    pub(super) fn push_back<T>(
        &mut self,
        arena: &mut Arena<T, Tag>,
        ix: Ix<Tag>,
        through: Through<T, Tag>,
    ) {
        *through(&mut arena[ix]) = Links { prev: self.last, next: None };
        match self.last {
            Some(last) => through(&mut arena[last]).next = Some(ix),
            None => self.first = Some(ix),
        }
        self.last = Some(ix);
    }

    pub(super) fn push_front<T>(
        &mut self,
        arena: &mut Arena<T, Tag>,
        ix: Ix<Tag>,
        through: Through<T, Tag>,
    ) {
        *through(&mut arena[ix]) = Links { prev: None, next: self.first };
        match self.first {
            Some(first) => through(&mut arena[first]).prev = Some(ix),
            None => self.last = Some(ix),
        }
        self.first = Some(ix);
    }

    #[inline]
    pub(super) fn remove<T>(
        &mut self,
        arena: &mut Arena<T, Tag>,
        ix: Ix<Tag>,
        through: Through<T, Tag>,
    ) {
        let links = core::mem::take(through(&mut arena[ix]));
        self.remove_linked(arena, links, through);
    }

    /// Closes the gap of an entry that is out of the arena already.
    #[inline]
    pub(super) fn remove_linked<T>(
        &mut self,
        arena: &mut Arena<T, Tag>,
        Links { prev, next }: Links<Tag>,
        through: Through<T, Tag>,
    ) {
        match prev {
            Some(prev) => through(&mut arena[prev]).next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => through(&mut arena[next]).prev = prev,
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
