//! Outputs that can be merged over the handlers of an event: maps and lists (R21).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

/// A map that results can be merged into.
pub trait FlatDict: Sized {
    /// Returns the map without entries.
    fn empty() -> Self;

    /// Adds the entries of `other`. For a key in both maps, the value of `other` wins.
    fn merge(&mut self, other: Self);

    /// Returns a key that is in both maps, as text.
    fn common_key(&self, other: &Self) -> Option<String>;
}

/// A list that results can be appended to.
pub trait FlatList: Sized {
    /// Returns the list without items.
    fn empty() -> Self;

    /// Appends the items of `other`.
    fn append(&mut self, other: Self);
}

impl<K: Ord + Debug, V> FlatDict for BTreeMap<K, V> {
    fn empty() -> Self {
        Self::default()
    }

    fn merge(&mut self, other: Self) {
        self.extend(other);
    }

    fn common_key(&self, other: &Self) -> Option<String> {
        other.keys().find(|key| self.contains_key(key)).map(|key| alloc::format!("{key:?}"))
    }
}

#[cfg(feature = "std")]
impl<K, V, S> FlatDict for std::collections::HashMap<K, V, S>
where
    K: Eq + core::hash::Hash + Debug,
    S: core::hash::BuildHasher + Default,
{
    fn empty() -> Self {
        Self::default()
    }

    fn merge(&mut self, other: Self) {
        self.extend(other);
    }

    fn common_key(&self, other: &Self) -> Option<String> {
        other.keys().find(|key| self.contains_key(key)).map(|key| alloc::format!("{key:?}"))
    }
}

impl<T> FlatList for Vec<T> {
    fn empty() -> Self {
        Self::default()
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

impl<T> FlatList for VecDeque<T> {
    fn empty() -> Self {
        Self::default()
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

#[cfg(feature = "serde")]
impl FlatDict for serde_json::Map<String, serde_json::Value> {
    fn empty() -> Self {
        Self::new()
    }

    fn merge(&mut self, other: Self) {
        self.extend(other);
    }

    fn common_key(&self, other: &Self) -> Option<String> {
        other.keys().find(|key| self.contains_key(*key)).cloned()
    }
}

/// Merges objects at their first level, and skips values that are not objects.
#[cfg(feature = "serde")]
impl FlatDict for serde_json::Value {
    fn empty() -> Self {
        Self::Object(serde_json::Map::new())
    }

    fn merge(&mut self, other: Self) {
        if let (Self::Object(all), Self::Object(part)) = (self, other) {
            all.merge(part);
        }
    }

    fn common_key(&self, other: &Self) -> Option<String> {
        self.as_object()?.common_key(other.as_object()?)
    }
}

/// Concatenates arrays, and skips values that are not arrays.
#[cfg(feature = "serde")]
impl FlatList for serde_json::Value {
    fn empty() -> Self {
        Self::Array(Vec::new())
    }

    fn append(&mut self, other: Self) {
        if let (Self::Array(all), Self::Array(part)) = (self, other) {
            all.extend(part);
        }
    }
}
