//! Locked and unlocked files.

use alloc::format;
use alloc::string::String;
use core::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Identifies a file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// A locked file. Dropping it unlocks it.
pub(crate) struct Lock {
    pub(super) file: File,
    pub(super) id: FileId,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child process that is just being started has the file too, so closing would not unlock it.
        // The file is closed next, whatever this returns.
        let _ = self.file.unlock();
    }
}

/// A file that is not locked, or was not when that was tried.
#[derive(Debug)]
pub(super) struct Unlocked {
    pub(super) file: File,
    pub(super) id: FileId,
}

/// Opens the file of a name, and creates it if it is missing.
pub(super) fn open(path: &Path) -> io::Result<Unlocked> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    Unlocked::new(options.open(path)?)
}

impl Unlocked {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { file, id: FileId { device: found.dev(), inode: found.ino() } })
    }

    pub(super) fn stage(&self) -> io::Result<Stage> {
        stage_of(&self.file)
    }

    /// Locks it, unless another process has.
    pub(super) fn try_lock(self) -> io::Result<Result<Lock, Self>> {
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(Ok(Lock { file: self.file, id: self.id })),
                Err(TryLockError::WouldBlock) => return Ok(Err(self)),
                Err(TryLockError::Error(error)) if is_signal(&error) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Locks it, waiting if necessary.
    pub(super) fn lock(self) -> io::Result<Lock> {
        loop {
            match self.file.lock() {
                Ok(()) => return Ok(Lock { file: self.file, id: self.id }),
                Err(error) if is_signal(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Lock {
    /// Returns whether the locked file is still the one of this name.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|found| self.id == FileId { device: found.dev(), inode: found.ino() })
    }

    pub(super) fn stage(&self) -> io::Result<Stage> {
        stage_of(&self.file)
    }

    pub(super) fn set_stage(&self, stage: Stage) -> io::Result<()> {
        self.file.set_len(match stage {
            Stage::Nobodys => 0,
            Stage::Claimed => 1,
            Stage::Slot => 2,
        })
    }

    /// Marks a deleted file as free for good: a process that finds it need not wait for it.
    pub(super) fn retire_if_deleted(&self) -> io::Result<()> {
        if self.file.metadata()?.nlink() == 0 {
            self.set_stage(Stage::Nobodys)?;
        }
        Ok(())
    }
}

/// The state of a file, told by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// New, or deleted and free.
    Nobodys,
    /// A process is finding out whether it may be a slot.
    Claimed,
    /// It is a slot: when it became one, no deleted file was in its place.
    Slot,
}

fn stage_of(file: &File) -> io::Result<Stage> {
    Ok(match file.metadata()?.len() {
        0 => Stage::Nobodys,
        1 => Stage::Claimed,
        _ => Stage::Slot,
    })
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lock").field(&self.id).finish()
    }
}

/// Returns a name that a file can have and that no other semaphore has.
pub(super) fn safe_name(name: &str) -> String {
    // FNV-1a: the same in every build and process.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let plain: String = name.chars().take(60).map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{plain}-{hash:016x}")
}

fn is_signal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}
