//! The top of the event tree: the children of the root, as they are handled.

use std::sync::{Mutex, PoisonError};

use busway::AnyEvent;

use crate::scan::{ScanDir, ScanFile};

/// Children of a kind that are kept; of the others, their number.
const WIDTH: usize = 15;

/// Collects the root's children. It keeps their handles: when the census is over, they know their
/// times and results.
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
    /// Takes note of an event.
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

    /// What was collected. The handles are taken out: a handle keeps its bus, and the bus keeps the
    /// handler that holds this.
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
