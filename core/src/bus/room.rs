//! The room of tables after a burst.

use hashbrown::HashMap;

/// A table with room for so many is given back when nothing is left in it.
const MANY: usize = 1024;

/// Gives the room of a table back, if there is much of it and nothing in it.
pub(crate) fn give_back<K, V>(table: &mut HashMap<K, V>) {
    if table.is_empty() && table.capacity() >= MANY {
        *table = HashMap::new();
    }
}
