//! The names in a list of handlers: whether one is taken.

use alloc::sync::Arc;

use hashbrown::HashMap;

use super::registry::Handler;

/// Few names are compared, many are counted.
#[derive(Default)]
pub(super) struct Names(HashMap<Arc<str>, u32>);

/// The longest list whose names are compared.
const FEW: usize = 16;

impl Names {
    /// Whether a handler in this list has this name.
    pub(super) fn are_taken<H>(&self, name: &str, list: &[Arc<Handler<H>>]) -> bool {
        match list.len() {
            ..=FEW => list.iter().any(|other| *other.info.name == *name),
            _ => self.0.contains_key(name),
        }
    }

    /// Notes what was appended to the list.
    pub(super) fn note_added<H>(&mut self, list: &[Arc<Handler<H>>]) {
        let uncounted = match list.len() {
            ..=FEW => return,
            len if len == FEW + 1 => list,
            len => &list[len - 1..],
        };
        for handler in uncounted {
            *self.0.entry(handler.info.name.clone()).or_default() += 1;
        }
    }

    /// Notes that a handler of this name was removed and this many are left.
    pub(super) fn note_removed(&mut self, name: &str, left: usize) {
        if left <= FEW {
            self.0 = HashMap::new();
        } else if let Some(count) = self.0.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Limit;
    use super::super::registry::Action;
    use super::super::results::HandlerInfo;
    use super::super::{BusKey, Key};
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    fn handler(name: &str) -> Arc<Handler<()>> {
        let bus: BusKey = Key::from_bits(1 << 32 | 1).expect("a key");
        let info = Arc::new(HandlerInfo::of_nobody(name, bus));
        Arc::new(Handler::new(info, Action::Call(()), Limit::Inherit, None))
    }

    #[test]
    fn names_are_known_however_many_there_are() {
        let (mut names, mut list) = (Names::default(), Vec::new());
        let name = |number: usize| format!("{}", number / 2);
        for number in 0..3 * FEW {
            assert_eq!(names.are_taken(&name(number), &list), number % 2 == 1);
            list.push(handler(&name(number)));
            names.note_added(&list);
        }
        // Two have each name: it is free when both are gone.
        for number in 0..3 * FEW {
            list.remove(0);
            names.note_removed(&name(number), list.len());
            assert_eq!(names.are_taken(&name(number), &list), number % 2 == 0);
        }
    }
}
