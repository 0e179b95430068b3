//! Names and types of events, registered once and then known by number (R1).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::TypeId;
use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::Machine;
use super::registry::Pattern;

/// An event's type as the machine knows it: a name, and the Rust type if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(u32);

impl Kind {
    /// Not a kind of the machine's: a placeholder, to be replaced before use.
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);
}

pub(super) type NameIx = u32;

/// Names and types, registered once and then known by number. A kind is permanent, as its events may be
/// anywhere. A name used by patterns alone goes with the last of them.
#[derive(Default)]
pub(super) struct Kinds {
    names: Vec<Name>,
    unused: Vec<NameIx>,
    by_name: HashMap<Arc<str>, NameIx>,
    kinds: Vec<(NameIx, Option<TypeId>)>,
    by_kind: HashMap<(NameIx, Option<TypeId>), Kind>,
    by_type: HashMap<TypeId, Kind, BuildHasherDefault<AsItIs>>,
    /// The last lookup: most often the next one is the same.
    last: Option<(TypeId, Kind)>,
}

struct Name {
    text: Arc<str>,
    /// By patterns and kinds.
    uses: usize,
}

/// A hasher for type ids, which already are hashes.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

impl<P: Clone, R, H> Machine<P, R, H> {
    /// Returns the kind of events of this name and, for typed events, this type.
    pub fn kind(&mut self, name: &str, of_type: Option<TypeId>) -> Kind {
        self.kinds.find_kind(name, of_type)
    }

    /// Does the same for callers that give each type only one name; the name is then not compared.
    #[inline]
    pub(crate) fn kind_of(&mut self, name: &'static str, of_type: TypeId) -> Kind {
        match self.kinds.last {
            Some((last, kind)) if last == of_type => kind,
            _ => self.kinds.find_kind(name, Some(of_type)),
        }
    }
}

impl Kinds {
    pub(super) fn name_of(&self, kind: Kind) -> &Arc<str> {
        self.text(self.name_ix(kind))
    }

    pub(super) fn text(&self, name: NameIx) -> &Arc<str> {
        &self.names[name as usize].text
    }

    #[inline]
    pub(super) fn name_ix(&self, kind: Kind) -> NameIx {
        self.kinds[kind.0 as usize].0
    }

    /// Returns a pattern's name, to be [released](Self::release), and its kind, if it wants only one. A
    /// pattern with neither wants every event.
    pub(super) fn pattern(&mut self, pattern: Pattern<'_>) -> (Option<NameIx>, Option<Kind>) {
        let (name, kind) = match pattern {
            Pattern::Type(name, of_type) => {
                let kind = self.find_kind(name, Some(of_type));
                (self.name_ix(kind), Some(kind))
            }
            Pattern::Name(name) => (self.name(name), None),
            Pattern::Any => return (None, None),
        };
        self.names[name as usize].uses += 1;
        (Some(name), kind)
    }

    /// Gives up a pattern's use of this name.
    pub(super) fn release(&mut self, name: NameIx) {
        let Name { text, uses } = &mut self.names[name as usize];
        *uses -= 1;
        if *uses == 0 {
            self.by_name.remove(text);
            *text = Arc::default();
            self.unused.push(name);
        }
    }

    /// Returns how many uses names have.
    pub(super) fn uses(&self) -> usize {
        self.names.iter().map(|name| name.uses).sum()
    }

    /// Returns how many kinds there are. Each uses its name.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    #[cold]
    #[inline(never)]
    fn find_kind(&mut self, name: &str, of_type: Option<TypeId>) -> Kind {
        let known = of_type.and_then(|of_type| Some((of_type, *self.by_type.get(&of_type)?)));
        if let Some((_, kind)) = known.filter(|(_, kind)| self.is_named(*kind, name)) {
            self.last = known;
            return kind;
        }
        let ix = self.name(name);
        let Self { names, kinds, by_kind, by_type, .. } = self;
        let kind = *by_kind.entry((ix, of_type)).or_insert_with(|| {
            names[ix as usize].uses += 1;
            kinds.push((ix, of_type));
            Kind(kinds.len() as u32 - 1)
        });
        if let Some(of_type) = of_type {
            by_type.insert(of_type, kind);
        }
        kind
    }

    fn is_named(&self, kind: Kind, name: &str) -> bool {
        **self.name_of(kind) == *name
    }

    fn name(&mut self, name: &str) -> NameIx {
        if let Some(ix) = self.by_name.get(name) {
            return *ix;
        }
        let text = Arc::<str>::from(name);
        let name = Name { text: text.clone(), uses: 0 };
        let ix = match self.unused.pop() {
            Some(ix) => {
                self.names[ix as usize] = name;
                ix
            }
            None => {
                self.names.push(name);
                self.names.len() as NameIx - 1
            }
        };
        self.by_name.insert(text, ix);
        ix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_name_goes_with_the_last_pattern_that_asks_for_it() {
        let mut kinds = Kinds::default();
        let [first, second] = [(); 2].map(|()| kinds.pattern(Pattern::Name("a")).0);
        assert_eq!(first, second);
        let name = first.expect("a name");
        kinds.release(name);
        assert_eq!(**kinds.text(name), *"a");
        kinds.release(name);
        let next = kinds.pattern(Pattern::Name("b")).0.expect("a name");
        assert_eq!((next, &**kinds.text(next)), (name, "b"), "in the same place");
        assert_ne!(kinds.pattern(Pattern::Name("a")).0, Some(next));
    }

    #[test]
    fn a_name_that_events_have_stays() {
        let mut kinds = Kinds::default();
        let name = kinds.pattern(Pattern::Name("a")).0.expect("a name");
        let kind = kinds.find_kind("a", None);
        kinds.release(name);
        assert_eq!((kinds.name_ix(kind), &**kinds.name_of(kind)), (name, "a"));
        assert_eq!(kinds.pattern(Pattern::Name("a")).0, Some(name));
    }

    #[test]
    fn a_million_names_that_are_given_up_take_no_room() {
        let mut kinds = Kinds::default();
        for number in 0..10_000 {
            let name = kinds.pattern(Pattern::Name(&format!("name {number}"))).0;
            kinds.release(name.expect("a name"));
        }
        assert_eq!((kinds.names.len(), kinds.by_name.len(), kinds.uses()), (1, 0, 0));
    }
}
