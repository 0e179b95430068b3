//! Merging: findings into the record of a file, records into the totals of a folder.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::language;
use crate::scan::Finding;

/// One file, as its handlers found it.
#[derive(Clone, Debug)]
pub(crate) struct FileRecord {
    bytes: u64,
    lines: u64,
    sha256: [u8; 32],
    language: &'static str,
}

impl FileRecord {
    /// A file that exists, of which nothing more is known.
    pub(crate) const fn unreadable() -> Self {
        Self { bytes: 0, lines: 0, sha256: [0; 32], language: language::UNREADABLE }
    }
}

impl FromIterator<Finding> for FileRecord {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Self {
        let mut record = Self { language: language::OTHER, ..Self::unreadable() };
        for finding in findings {
            match finding {
                Finding::Bytes(bytes) => record.bytes = bytes,
                Finding::Lines(lines) => record.lines = lines,
                Finding::Sha256(sha256) => record.sha256 = sha256,
                Finding::Language(language) => record.language = language,
            }
        }
        record
    }
}

/// The totals of a folder and everything below it, in the order of `--json`, which shows the first
/// four.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Totals {
    files: u64,
    pub(crate) dirs: u64,
    bytes: u64,
    lines: u64,
    #[serde(skip)]
    pub(crate) unreadable: u64,
    #[serde(skip)]
    pub(crate) fingerprint: Fingerprint,
    #[serde(skip)]
    pub(crate) languages: BTreeMap<&'static str, Share>,
}

/// The share of one language.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    pub(crate) files: u64,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

impl Totals {
    /// A folder without its contents.
    pub(crate) fn of_folder() -> Self {
        Self { dirs: 1, ..Self::default() }
    }

    /// A file on its own.
    pub(crate) fn of_file(record: &FileRecord) -> Self {
        let mut totals = Self::default();
        totals.add(record);
        totals
    }

    /// All files together.
    pub(crate) const fn whole(&self) -> Share {
        Share { files: self.files, lines: self.lines, bytes: self.bytes }
    }

    pub(crate) fn add(&mut self, record: &FileRecord) {
        let FileRecord { bytes, lines, sha256, language } = *record;
        self.files += 1;
        self.bytes += bytes;
        self.lines += lines;
        self.fingerprint.merge(&Fingerprint::of(&sha256));
        let share = Share { files: 1, lines, bytes };
        self.languages.entry(language).or_default().merge(&share);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.files += other.files;
        self.dirs += other.dirs;
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.unreadable += other.unreadable;
        self.fingerprint.merge(&other.fingerprint);
        for (language, share) in &other.languages {
            self.languages.entry(language).or_default().merge(share);
        }
    }
}

impl Share {
    const fn merge(&mut self, other: &Self) {
        self.files += other.files;
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// The SHA-256 of many files, added up: the same contents give the same sum, in whatever order and
/// under whatever names folders list them. For one file it is that file's SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint([u64; 4]);

impl Fingerprint {
    fn of(sha256: &[u8; 32]) -> Self {
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(sha256.chunks_exact(8)) {
            *lane = bytes.iter().fold(0, |lane, byte| lane << 8 | u64::from(*byte));
        }
        Self(lanes)
    }

    fn merge(&mut self, other: &Self) {
        for (lane, more) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(more);
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|lane| write!(f, "{lane:016x}"))
    }
}
