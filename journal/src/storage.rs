//! Where segments are kept: the seam under which disks tear, lose and fail.

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::PathBuf;

/// One file of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// One that was rotated away, by its number: nothing is written to it any more.
    Closed(u32),
    /// The one that is appended to. It may not be there yet.
    Active,
}

/// Keeps the segments of one journal. [`Files`](crate::Files) keeps them on disk; a test's own may tear
/// what was not synced.
///
/// All calls come from one thread at a time: from the one that opens the journal, and then from the
/// journal's own.
pub trait Storage: Debug + Send + 'static {
    /// The segments there are, in order.
    ///
    /// # Errors
    /// They cannot be listed.
    fn list(&mut self) -> io::Result<Vec<Segment>>;

    /// The bytes of a segment.
    ///
    /// # Errors
    /// It cannot be opened.
    fn read(&mut self, segment: Segment) -> io::Result<Box<dyn Read>>;

    /// Cuts a segment off after `len` bytes.
    ///
    /// # Errors
    /// It cannot be cut, and may be as it was.
    fn truncate(&mut self, segment: Segment, len: u64) -> io::Result<()>;

    /// Writes at the end of the active segment, which is made when it is not there.
    ///
    /// # Errors
    /// Not all of it was written, but some may be.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Brings what was appended to disk, so that it survives the end of the machine.
    ///
    /// # Errors
    /// Nobody knows what of it is there.
    fn sync(&mut self) -> io::Result<()>;

    /// Closes the active segment, under the next number. The next append makes a new one.
    ///
    /// # Errors
    /// The active segment is as it was.
    fn rotate(&mut self) -> io::Result<()>;

    /// Where a segment is, for errors and reports.
    fn path(&self, segment: Segment) -> PathBuf;
}
