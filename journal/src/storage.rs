//! Where segments are kept: the seam for tests with disks that tear, lose and fail.

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::PathBuf;

/// One file of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A rotated file, by its number. It is not written any more.
    Closed(u32),
    /// The file being appended to. It may not exist yet.
    Active,
}

/// Keeps the segments of one journal. [`Files`](crate::Files) keeps them on disk; one of a test may
/// tear what was not synced.
///
/// All calls come from one thread at a time: first from the one that opens the journal, then from the
/// journal's own.
pub trait Storage: Debug + Send + 'static {
    /// Lists the segments, in order.
    ///
    /// # Errors
    /// They cannot be listed.
    fn list(&mut self) -> io::Result<Vec<Segment>>;

    /// Opens a segment for reading.
    ///
    /// # Errors
    /// It cannot be opened.
    fn read(&mut self, segment: Segment) -> io::Result<Box<dyn Read + Send>>;

    /// Cuts a segment off after `len` bytes, if it is longer.
    ///
    /// # Errors
    /// It cannot be cut, and may be unchanged. [`NotFound`](io::ErrorKind::NotFound) says that the
    /// segment does not exist, or not any more; the next append to the active one creates it.
    fn truncate(&mut self, segment: Segment, len: u64) -> io::Result<()>;

    /// Appends to the active segment, and creates it if it is missing.
    ///
    /// # Errors
    /// Not all of the bytes were written, but some may be.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Brings the appended bytes to disk, so that they survive a crash of the machine.
    ///
    /// # Errors
    /// Any part of the bytes may or may not be on disk, or nobody who looks for the segment will find
    /// it.
    fn sync(&mut self) -> io::Result<()>;

    /// Closes the active segment under the next number. The next append creates a new one.
    ///
    /// # Errors
    /// The active segment is unchanged.
    fn rotate(&mut self) -> io::Result<()>;

    /// Returns where a segment is, for errors and reports.
    fn path(&self, segment: Segment) -> PathBuf;
}

/// Returns the closed segments that are missing between others: the first of each gap.
pub(crate) fn gaps(segments: &[Segment]) -> impl Iterator<Item = Segment> {
    segments.windows(2).filter_map(|pair| match pair {
        [Segment::Closed(before), Segment::Closed(after)] if after - before > 1 => {
            Some(Segment::Closed(before + 1))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::Segment::{Active, Closed};
    use super::gaps;

    #[test]
    fn numbers_follow_each_other_from_the_oldest_that_is_left() {
        let whole = [Closed(3), Closed(4), Closed(5), Active];
        assert!((0..whole.len()).all(|first| gaps(&whole[first..]).count() == 0));
        let gapped = [Closed(3), Closed(4), Closed(6), Closed(u32::MAX)];
        assert_eq!(gaps(&gapped).collect::<Vec<_>>(), [Closed(5), Closed(7)]);
    }
}
