//! The errors, one enum for each operation.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another journal is open on the file, in this process or another.
    #[error("{} is being written by another journal", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be created, opened, read or cut.
    #[error("{} cannot be opened", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The contents of the files cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A journal cannot be read any further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line is damaged, and was not merely torn by a crash at the end of the file being written. All
    /// lines before it have been read.
    #[error("{} is damaged at byte {offset}: {damage}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the damaged line begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A rotated file was removed and older ones were not, or a file was removed before it was read.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It is not a JSON object.
    #[error("no JSON object: {0}")]
    NotJson(#[source] serde_json::Error),
    /// A key that every event has is missing, or its value has the wrong type.
    #[error("`{key}` is missing or wrong")]
    Key {
        /// The key.
        key: &'static str,
    },
    /// Its checksum does not match, or is itself damaged.
    #[error("the checksum does not agree")]
    Checksum,
    /// It ends without a line feed, in a rotated file.
    #[error("the line is not whole")]
    NotWhole,
}

/// A line could not be written, or may not have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The line was not written, or only in part.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The line was written, but may not be on disk.
    #[error("{} cannot be synced", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is full or old, and a new one could not be started.
    #[error("{} cannot be rotated", path.display())]
    Rotate {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Events complete faster than their lines are written, and too many lines wait.
    #[error("the journal is behind: {limit} bytes wait to be written")]
    Behind {
        /// How many bytes may wait.
        limit: usize,
    },
    /// The thread that writes cannot be started.
    #[error("the thread of the journal cannot be started")]
    Thread(#[source] io::Error),
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
    /// A flush or close on the thread that writes, where `on_warning` may be called. It would wait for
    /// itself.
    #[error("the thread of the journal cannot wait for itself")]
    OwnThread,
}

/// An event could not be given up, or may not have been: it may be given back again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscardError {
    /// A journal of completed events gives nothing back.
    #[error("a journal of completed events gives none back")]
    NotWriteAhead,
    /// Its line is not on disk, or nobody knows.
    #[error("that the event is given up could not be noted")]
    Journal(#[source] Arc<JournalError>),
}

/// A file of a journal is not where the journal left it: something else has moved, removed or replaced it.
/// The journal touches nothing then that may be another's. [`Files`](crate::Files) reports it as the
/// inner error of an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Displaced {
    /// The file being written was removed, or moved away alone or with its folder.
    #[error("the file is not there any more")]
    Gone,
    /// Another file has the name of the one being written.
    #[error("another file is in its place")]
    Replaced,
    /// Another journal was opened on the file, since the lock file was moved or removed.
    #[error("another journal was opened on it")]
    Claimed,
    /// A file with the next number is there already.
    #[error("the next number is another file's")]
    Occupied,
}

impl From<Displaced> for io::Error {
    fn from(displaced: Displaced) -> Self {
        Self::other(displaced)
    }
}

/// A payload cannot be written, because it could not be read again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadablePayload {
    /// It contains a line feed, which would end the line.
    #[error("the payload has a line feed")]
    LineFeed,
    /// It is not readable JSON, for one because it is nested too deep.
    #[error("the payload cannot be read again: {0}")]
    NotReadable(#[source] serde_json::Error),
}

/// A payload cannot be written, because of the name of a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload has a field named `{key}`, which means something else in a journal")]
#[non_exhaustive]
pub struct ReservedKey {
    /// The name of the field.
    pub key: String,
}
