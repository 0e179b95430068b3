//! The relations of events: parents, children, and waits for an event (R12–R16). Most events are roots
//! that no handler waits for, and take no room for kin.

use alloc::vec::Vec;

use super::list::{Links, List};
use super::state::EventIx;
use super::{EventKey, KinTag, Machine, WaitTag};

pub(super) type KinIx = super::arena::Ix<KinTag>;

/// The relations of one event.
#[derive(Default)]
pub(super) struct Kin {
    pub(super) event: EventIx,
    pub(super) parent: Option<EventKey>,
    /// Its level: 0 for a root.
    pub(super) depth: u32,
    pub(super) siblings: Links<KinTag>,
    /// Children in memory. Those whose completion is waited for come last.
    pub(super) children: List<KinTag>,
    /// In order of their invocations' groups: the newest comes last.
    pub(super) waits: List<WaitTag>,
    /// The newest wait that covers it; 0 for none.
    pub(super) raise: u64,
}

impl Kin {
    fn siblings(&mut self) -> &mut Links<KinTag> {
        &mut self.siblings
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Returns the event whose handler dispatched this one.
    #[must_use]
    pub fn parent(&self, event: EventKey) -> Option<EventKey> {
        self.kin(self.entries.find(event)?)?.parent
    }

    /// Returns the children of an event that are still in memory, in order of dispatch.
    #[must_use]
    pub fn children(&self, event: EventKey) -> Vec<EventKey> {
        let kin = self.entries.find(event).and_then(|event| self.kin(event));
        let first = kin.and_then(|kin| kin.children.first());
        let children = core::iter::successors(first, |kin| self.kins[*kin].siblings.next());
        let events = children.map(|kin| self.kins[kin].event);
        let mut children: Vec<_> = events.collect();
        children.sort_by_key(|event| self.entries[event.home()].seq);
        children.into_iter().map(|event| self.entries.key(event)).collect()
    }

    /// Returns whether an event is a descendant of another, as far as the links are still in memory
    /// (R29).
    #[must_use]
    pub fn is_below(&self, event: EventKey, ancestor: EventKey) -> bool {
        let parent = |event: &EventKey| self.parent(*event);
        core::iter::successors(parent(&event), parent).any(|above| above == ancestor)
    }

    #[inline]
    pub(super) fn kin(&self, event: EventIx) -> Option<&Kin> {
        self.entries[event].kin.map(|kin| &self.kins[kin])
    }

    pub(super) fn depth_of(&self, event: EventIx) -> u32 {
        self.kin(event).map_or(0, |kin| kin.depth)
    }

    /// Returns the newest wait that covers an event; 0 for none.
    #[inline]
    pub(super) fn raise_of(&self, event: EventIx) -> u64 {
        self.kin(event).map_or(0, |kin| kin.raise)
    }

    /// Makes a new event a child of `parent`, which may no longer be in memory.
    #[inline(never)]
    pub(super) fn adopt(&mut self, parent: EventKey, child: EventIx, depth: u32) {
        let kin = self.kin_ix(child);
        (self.kins[kin].parent, self.kins[kin].depth) = (Some(parent), depth);
        let Some(parent) = self.entries.find(parent) else { return };
        let parent_kin = self.kin_ix(parent);
        let Kin { mut children, raise, .. } = self.kins[parent_kin];
        if self.entries[child].attached {
            self.entries[parent].open += 1;
            self.kins[kin].raise = raise;
            children.push_back(&mut self.kins, kin, Kin::siblings);
        } else {
            children.push_front(&mut self.kins, kin, Kin::siblings);
        }
        self.kins[parent_kin].children = children;
    }

    /// Moves a completed child to the front of its parent's list. Returns the parent, if it waited for
    /// the child.
    #[inline]
    pub(super) fn leave_parent(&mut self, event: EventIx, child: KinIx) -> Option<EventIx> {
        if !core::mem::take(&mut self.entries[event].attached) {
            return None;
        }
        let parent = self.entries.find(self.kins[child].parent?)?;
        let kin = self.entries[parent].kin?;
        let mut children = self.kins[kin].children;
        if children.first() != Some(child) {
            children.remove(&mut self.kins, child, Kin::siblings);
            children.push_front(&mut self.kins, child, Kin::siblings);
            self.kins[kin].children = children;
        }
        Some(parent)
    }

    /// Returns the parent that waits for an event's completion.
    pub(super) fn attached_parent(&self, event: EventIx) -> Option<EventIx> {
        let parent = self.kin(event).filter(|_| self.entries[event].attached)?.parent?;
        self.entries.find(parent)
    }

    /// Follows only links that hold their parent open: the others last only as long as the history.
    pub(super) fn is_descendant(&self, event: EventIx, ancestor: EventIx) -> bool {
        let depth = self.depth_of(ancestor);
        let mut next = Some(event);
        while let Some(event) = next.filter(|event| self.depth_of(*event) > depth) {
            next = self.attached_parent(event);
            if next == Some(ancestor) {
                return true;
            }
        }
        false
    }

    pub(super) fn push_incomplete_children(&self, event: EventIx, to: &mut Vec<EventIx>) {
        let mut next = self.kin(event).and_then(|kin| kin.children.last());
        while let Some(Kin { event, siblings, .. }) = next.map(|child| &self.kins[child]) {
            if !self.entries[*event].attached {
                return;
            }
            to.push(*event);
            next = siblings.prev();
        }
    }

    /// Removes an event that leaves the books from its parent's children.
    #[inline(never)]
    pub(super) fn remove_kin(&mut self, kin: KinIx) {
        let Kin { parent, siblings, .. } = *self.kins.remove(kin);
        let parent = parent.and_then(|parent| self.entries.get(parent));
        if let Some(parent) = parent.and_then(|parent| parent.kin) {
            let mut children = self.kins[parent].children;
            children.remove_linked(&mut self.kins, siblings, Kin::siblings);
            self.kins[parent].children = children;
        }
    }

    /// Returns the kin of an event, creating it if there is none.
    #[inline]
    pub(super) fn kin_ix(&mut self, event: EventIx) -> KinIx {
        self.entries[event].kin.unwrap_or_else(|| self.add_kin(event))
    }

    #[inline(never)]
    fn add_kin(&mut self, event: EventIx) -> KinIx {
        let (key, kin) = self.kins.renew();
        *kin = Kin { event, ..Kin::default() };
        self.entries[event].kin = Some(key.ix());
        key.ix()
    }
}
