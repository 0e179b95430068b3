//! Reads a folder, a batch of entries at a time.

use std::ffi::OsString;
use std::fs::{DirEntry, ReadDir};
use std::io;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

/// The entries that are read and the files that are counted before the next ones.
const BATCH: usize = 64;

/// A folder that is being read.
pub(crate) struct Listing(ReadDir);

/// Some entries of a folder. Entries that are neither regular files nor folders (links, pipes, sockets,
/// devices) are left out.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) files: Vec<OsString>,
    pub(crate) folders: Vec<OsString>,
    /// Entries whose kind cannot be read; an empty name is the folder itself.
    pub(crate) failures: Vec<(OsString, io::Error)>,
}

impl Listing {
    /// Opens a folder.
    pub(crate) async fn open(path: PathBuf) -> io::Result<Self> {
        spawn_blocking(|| std::fs::read_dir(path).map(Self)).await?
    }

    /// Returns the next entries, and the rest of the folder unless this was its end.
    pub(crate) async fn next_batch(self) -> io::Result<(Batch, Option<Self>)> {
        Ok(spawn_blocking(|| self.read_batch()).await?)
    }

    fn read_batch(mut self) -> (Batch, Option<Self>) {
        let mut batch = Batch::default();
        for _ in 0..BATCH {
            match self.0.next() {
                Some(Ok(entry)) => batch.add(&entry),
                // Entries read so far count; a folder that fails is not read on.
                Some(Err(error)) => {
                    batch.failures.push((OsString::new(), error));
                    return (batch, None);
                }
                None => return (batch, None),
            }
        }
        (batch, Some(self))
    }
}

impl Batch {
    fn add(&mut self, entry: &DirEntry) {
        match entry.file_type() {
            Ok(kind) if kind.is_file() => self.files.push(entry.file_name()),
            Ok(kind) if kind.is_dir() => self.folders.push(entry.file_name()),
            Ok(_) => {}
            Err(error) => self.failures.push((entry.file_name(), error)),
        }
    }
}
