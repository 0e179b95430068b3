//! The log that all processes write, line by line: which task came in, which went out.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file to which each line is appended at once, so that their order is the order of writing.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// The path lies beside the folder, as files in the folder get deleted.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.with_extension("log")
    }

    pub(crate) fn of(folder: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(Self::path(folder));
        Self(file.unwrap())
    }

    pub(crate) fn write(&self, line: &str) {
        (&self.0).write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// The result of reading a log.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// The most tasks that were in at a time.
    pub(crate) most: usize,
    /// How often a task came in.
    pub(crate) visits: usize,
}

impl Replay {
    /// A process that is about to be killed no longer counts: whether it still writes that its tasks
    /// leave is not known.
    pub(crate) fn of(folder: &Path) -> Self {
        let text = std::fs::read_to_string(Log::path(folder)).unwrap();
        let (mut inside, mut killed) = (BTreeSet::new(), BTreeSet::new());
        let mut replay = Self::default();
        for line in text.lines() {
            let (what, who) = line.split_once(' ').unwrap();
            let process = who.split('.').next().unwrap();
            match what {
                "in" if !killed.contains(process) => {
                    assert!(inside.insert(who), "{who} is in twice");
                    replay.visits += 1;
                }
                "out" if !killed.contains(process) => {
                    assert!(inside.remove(who), "{who} was not in");
                }
                "kill" => {
                    killed.insert(process);
                    inside.retain(|who: &&str| who.split('.').next() != Some(process));
                }
                _ => {}
            }
            replay.most = replay.most.max(inside.len());
        }
        assert!(inside.is_empty(), "{inside:?} are still in");
        replay
    }
}
