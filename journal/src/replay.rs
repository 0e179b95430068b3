//! Reads a journal from its beginning.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use busway_core::{Event, EventId};
use serde::de::DeserializeOwned;

use crate::error::ReadError;
use crate::files;
use crate::line::{Kind, Line};
use crate::read::{SegmentReader, Torn};

/// The lines of a journal, in the order in which they were written. Made by
/// [`Journal::replay`](crate::Journal::replay).
///
/// It ends at the first error. A torn end of the file being written is not an error; see
/// [`torn`](Self::torn).
pub struct Replay {
    files: VecDeque<PathBuf>,
    /// The last of them, if it is still being written: it may be rotated away before it is reached.
    active: Option<File>,
    /// The last of them is not a rotated one.
    may_be_torn: bool,
    current: Option<SegmentReader>,
    torn: Option<Torn>,
    has_failed: bool,
}

impl Replay {
    /// Reads the files of the journal at `path`, rotated ones first. A missing journal has no lines.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let (files, active) = files::segments_now(path)
            .map_err(|source| ReadError::Io { path: path.into(), source })?;
        let may_be_torn = active.is_some();
        Ok(Self { active, may_be_torn, ..Self::of_files(files) })
    }

    /// Reads these files as one journal. The last may have a torn end, unless it has the name of a
    /// rotated file.
    pub fn of_files(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: VecDeque<_> = files.into_iter().collect();
        let may_be_torn = files.back().is_some_and(|last| !files::is_rotated(last));
        Self { files, active: None, may_be_torn, current: None, torn: None, has_failed: false }
    }

    /// Returns the torn end of the file being written, once it has been reached.
    #[must_use]
    pub const fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Returns the file being read, and where its next line begins, in bytes.
    #[must_use]
    pub fn place(&self) -> Option<(&Path, u64)> {
        self.current.as_ref().map(|current| (current.path(), current.offset()))
    }

    /// Returns the completed events of one type, without acceptances and other types. An event with a
    /// line from each of several buses is given once.
    #[must_use]
    pub fn of_type<E: Event + DeserializeOwned>(self) -> ReplayOf<E> {
        ReplayOf { lines: self, forwarded: HashSet::new(), of_type: PhantomData }
    }

    fn read(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            if self.current.is_none() {
                let Some(path) = self.files.pop_front() else { return Ok(None) };
                let is_last = self.files.is_empty();
                let file = match self.active.take_if(|_| is_last) {
                    Some(active) => active,
                    None => open(&path)?,
                };
                let may_be_torn = is_last && self.may_be_torn;
                self.current = Some(SegmentReader::new(path, Box::new(file), may_be_torn));
            }
            match self.current.as_mut().and_then(Iterator::next) {
                Some(line) => return line.map(Some),
                None => self.torn = self.current.take().and_then(|ended| ended.torn),
            }
        }
    }
}

fn open(path: &Path) -> Result<File, ReadError> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: path.into() },
        _ => ReadError::Io { path: path.into(), source },
    })
}

impl Iterator for Replay {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let item = self.read().transpose();
        self.has_failed = matches!(item, Some(Err(_)));
        item
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("place", &self.place()).finish_non_exhaustive()
    }
}

/// The completed events of one type in a journal. Made by [`Replay::of_type`].
#[derive(Debug)]
pub struct ReplayOf<E> {
    lines: Replay,
    /// Events on several buses that were already given.
    forwarded: HashSet<EventId>,
    of_type: PhantomData<fn() -> E>,
}

/// A line cannot be given as an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its fields are not those of the type. The iterator may be advanced to the next line.
    #[error("event {} is no {}", line.id, line.event_type)]
    Decode {
        /// The line.
        line: Box<Line>,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl<E: Event + DeserializeOwned> Iterator for ReplayOf<E> {
    type Item = Result<(Line, E), ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { lines, forwarded, .. } = self;
        let mut is_wanted = |line: &Line| {
            let is_completed = line.event_type == E::NAME && line.kind == Kind::Completed;
            is_completed && (line.path.len() < 2 || forwarded.insert(line.id))
        };
        let line = lines.find(|line| line.as_ref().map_or(true, &mut is_wanted))?;
        Some(line.map_err(ReplayError::Read).and_then(|line| match line.decode() {
            Ok(event) => Ok((line, event)),
            Err(source) => Err(ReplayError::Decode { line: Box::new(line), source }),
        }))
    }
}
