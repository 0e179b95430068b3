//! The top of the event tree: the children of the root, as they are handled.

use std::sync::{Mutex, PoisonError};

use busway::AnyEvent;

use crate::scan::{ScanDir, ScanFile};

/// How many children of a kind are kept; the others are only counted.
const WIDTH: usize = 15;

/// Collects the root's children. It keeps their handles, which know their times and results when the
/// census is over.
#[derive(Debug, Default)]
pub(crate) struct Outline(Mutex<Branches>);

/// The root's children.
#[derive(Debug, Default)]
pub(crate) struct Branches {
    pub(crate) folders: Few,
    pub(crate) files: Few,
}

/// The first few of many events.
#[derive(Debug, Default)]
pub(crate) struct Few {
    pub(crate) kept: Vec<AnyEvent>,
    pub(crate) others: u64,
}

impl Outline {
    /// Records an event.
    pub(crate) fn note(&self, event: &AnyEvent) {
        if event.depth() != 1 {
            return;
        }
        let mut branches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if event.downcast::<ScanDir>().is_some() {
            branches.folders.push(event);
        } else if event.downcast::<ScanFile>().is_some() {
            branches.files.push(event);
        }
    }

    /// Takes the collected handles out: a handle keeps its bus, and the bus keeps the handler that
    /// holds this.
    pub(crate) fn take(&self) -> Branches {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Few {
    fn push(&mut self, event: &AnyEvent) {
        match self.kept.len() < WIDTH {
            true => self.kept.push(event.clone()),
            false => self.others += 1,
        }
    }
}
