//! Keeps segments as files in one folder, with a lock file beside them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::storage::{Segment, Storage};

/// The files of a journal.
///
/// `events.jsonl` is the active one. `events.jsonl.000001` and so on are the rotated ones, oldest
/// first. `events.jsonl.lock` is locked while a journal is open, so that there is one writer. The lock
/// ends with the process that holds it, however that ends. Another program's file with such a name, six
/// digits or more, is taken for a journal's. Numbers of removed files are reused.
///
/// A path that is a link stands for the file it leads to; the other files are in that file's folder
/// too. A relative path is resolved when it is opened. On Unix the active file is locked as well, so
/// that once there is a line, removing the lock file does not let a second writer in.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    active: Option<File>,
    /// The folder has a new name in it, and was not synced since.
    folder_changed: bool,
    /// Held for as long as this lives.
    lock: File,
}

impl Files {
    /// Locks the files of a journal for writing. Creates missing folders at once, and the journal's
    /// file when the first line is written.
    ///
    /// # Errors
    /// Another journal is open on the files, in this process or another, or there is no access.
    pub fn lock(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        match Self::lock_at(&path) {
            Ok(Some(files)) => Ok(files),
            Ok(None) => Err(OpenError::Locked { path }),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// `None` when another journal has locked it.
    fn lock_at(path: &Path) -> io::Result<Option<Self>> {
        let path = target_of(&std::path::absolute(path)?);
        make_folder(folder_of(&path))?;
        let lock_path = with_suffix(&path, "lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path)?;
        if !is_locked_now(&lock)? {
            return Ok(None);
        }
        // An existing file may be new: a crash may have come before its folder was synced.
        let mut files = Self { path, active: None, folder_changed: true, lock };
        if cfg!(unix) && files.path.exists() && !files.open_active()? {
            return Ok(None);
        }
        Ok(Some(files))
    }

    fn active(&mut self) -> io::Result<&mut File> {
        if self.active.is_none() {
            self.folder_changed |= !self.path.exists();
            if !self.open_active()? {
                return Err(io::Error::other("another journal writes it"));
            }
        }
        self.active.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Returns whether it is ours.
    fn open_active(&mut self) -> io::Result<bool> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        // Elsewhere a locked file cannot be read by others.
        let is_ours = !cfg!(unix) || is_locked_now(&file)?;
        if is_ours {
            self.active = Some(file);
        }
        Ok(is_ours)
    }
}

impl Drop for Files {
    /// A process that is just being started shares our files for a moment, so closing them would not
    /// unlock them.
    fn drop(&mut self) {
        for file in self.active.iter().chain([&self.lock]) {
            // It is closed next.
            let _ = file.unlock();
        }
    }
}

/// Locks a file, unless it is already locked.
fn is_locked_now(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(source),
    }
}

/// Follows links to their target, even if nothing is there yet.
fn target_of(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    // As many as systems follow. A circle of links fails when it is opened.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder_of(&path).join(target);
    }
    path
}

/// Creates a folder and those above it. Each is on disk once the one above it is.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(|made| sync_folder(folder_of(made)))
}

/// Lists the files that a journal at `path` consists of now, oldest first, without a lock.
///
/// # Errors
/// The folder cannot be read.
pub fn segments(path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let path = &target_of(path.as_ref());
    Ok(list(path)?.into_iter().map(|segment| path_of(path, segment)).collect())
}

/// Does the same, and opens the active file if there is one. Lines written after it was rotated away
/// are in none of these files.
pub(crate) fn segments_now(path: &Path) -> io::Result<(Vec<PathBuf>, Option<File>)> {
    loop {
        let before = segments(path)?;
        let active = target_of(path);
        let file = match File::open(&active) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let after = segments(path)?;
        // Otherwise it was rotated away, or created, while we looked.
        if before == after && after.contains(&active) == file.is_some() {
            return Ok((after, file));
        }
    }
}

impl Storage for Files {
    fn list(&mut self) -> io::Result<Vec<Segment>> {
        list(&self.path)
    }

    fn read(&mut self, segment: Segment) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.path(segment))?))
    }

    fn truncate(&mut self, segment: Segment, len: u64) -> io::Result<()> {
        let cut = |file: &File| file.set_len(len).and_then(|()| file.sync_data());
        match &self.active {
            Some(active) if segment == Segment::Active => cut(active),
            _ => cut(&OpenOptions::new().write(true).open(self.path(segment))?),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.active()?.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(active) = &self.active {
            active.sync_data()?;
        }
        if self.folder_changed {
            sync_folder(folder_of(&self.path))?;
            self.folder_changed = false;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let last = list(&self.path)?.into_iter().rev().find_map(|segment| match segment {
            Segment::Closed(number) => Some(number),
            Segment::Active => None,
        });
        // A smaller number would be out of order, and may be another file's.
        let next = last.unwrap_or(0).checked_add(1);
        let next =
            next.ok_or_else(|| io::Error::other("the numbers of rotated files are used up"))?;
        match fs::rename(&self.path, self.path(Segment::Closed(next))) {
            // It was moved away by something else.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        // The folder reaches the disk with the next line; until then nobody was told of anything in it.
        self.active = None;
        self.folder_changed = true;
        Ok(())
    }

    fn path(&self, segment: Segment) -> PathBuf {
        path_of(&self.path, segment)
    }
}

fn list(path: &Path) -> io::Result<Vec<Segment>> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.as_encoded_bytes();
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?.file_name();
        let Some(rest) = entry.as_encoded_bytes().strip_prefix(name) else { continue };
        match rest {
            [] => segments.push(Segment::Active),
            [b'.', digits @ ..] if digits.len() >= 6 => {
                let number = str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                let is_ours = |number: &u32| format!("{number:06}").as_bytes() == digits;
                segments.extend(number.filter(is_ours).map(Segment::Closed));
            }
            _ => {}
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

fn path_of(path: &Path, segment: Segment) -> PathBuf {
    match segment {
        Segment::Active => path.into(),
        Segment::Closed(number) => with_suffix(path, &format!("{number:06}")),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new name survives a crash of the machine once its folder is on disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems cannot open folders as files; names reach the disk with the files.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
