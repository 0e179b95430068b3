//! Reads a segment: lines with their places, and tells a torn end from damage.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use crate::error::{Damage, ReadError};
use crate::line::Line;

/// The end of the file being written, left half written by a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Torn {
    /// The file.
    pub path: PathBuf,
    /// Where the torn line begins, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u64,
}

/// The lines of one segment.
pub(crate) struct SegmentReader {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    /// Where the next line begins.
    offset: u64,
    /// It may end in the middle of a line: it is the active one.
    may_be_torn: bool,
    buffer: Vec<u8>,
    pub(crate) torn: Option<Torn>,
    /// The last line is whole except for its line feed.
    pub(crate) lacks_line_feed: bool,
    has_ended: bool,
}

impl SegmentReader {
    pub(crate) fn new(path: PathBuf, reader: Box<dyn Read + Send>, may_be_torn: bool) -> Self {
        Self {
            path,
            reader: BufReader::new(reader),
            offset: 0,
            may_be_torn,
            buffer: Vec::new(),
            torn: None,
            lacks_line_feed: false,
            has_ended: false,
        }
    }

    /// The length of what was read, in bytes.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn read(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            self.buffer.clear();
            let len = self.reader.read_until(b'\n', &mut self.buffer);
            let len = len.map_err(|source| self.io(source))? as u64;
            if len == 0 {
                return Ok(None);
            }
            let line = match self.buffer.strip_suffix(b"\n") {
                Some(line) if line.trim_ascii().is_empty() => None,
                Some(line) => Some(Line::parse(line).map_err(|damage| self.corrupt(damage))?),
                None => match self.last()? {
                    Some(line) => Some(line),
                    None => return Ok(None),
                },
            };
            self.offset += len;
            if line.is_some() {
                return Ok(line);
            }
        }
    }

    /// Reads a last line without a line feed: it is torn if it is the beginning of a line, and no more.
    fn last(&mut self) -> Result<Option<Line>, ReadError> {
        if !self.may_be_torn {
            return Err(self.corrupt(Damage::NotWhole));
        }
        // A file whose length reached the disk before its bytes ends in zeros.
        let zeros = self.buffer.iter().rev().take_while(|byte| **byte == 0).count();
        let written = &self.buffer[..self.buffer.len() - zeros];
        let damage = match Line::parse(written) {
            Ok(line) if zeros == 0 => {
                self.lacks_line_feed = true;
                return Ok(Some(line));
            }
            Ok(_) => return self.tear(),
            Err(damage) => damage,
        };
        match damage {
            _ if written.is_empty() => self.tear(),
            Damage::NotJson(error) if error.is_eof() => self.tear(),
            // It ends in what looks like a checksum within a payload.
            Damage::Checksum if ends_early(written) => self.tear(),
            damage => Err(self.corrupt(damage)),
        }
    }

    fn tear(&mut self) -> Result<Option<Line>, ReadError> {
        let len = self.buffer.len() as u64;
        self.torn = Some(Torn { path: self.path.clone(), offset: self.offset, len });
        Ok(None)
    }

    fn corrupt(&self, damage: Damage) -> ReadError {
        ReadError::Corrupt { path: self.path.clone(), offset: self.offset, damage }
    }

    fn io(&self, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.clone(), source }
    }
}

/// Whether something is missing at the end of JSON.
fn ends_early(json: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(json).is_err_and(|error| error.is_eof())
}

impl Iterator for SegmentReader {
    type Item = Result<Line, ReadError>;

    /// Ends at the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let item = self.read().transpose();
        self.has_ended = !matches!(item, Some(Ok(_)));
        item
    }
}
