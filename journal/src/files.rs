//! Keeps segments as files in one folder, with a lock file beside them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Displaced, OpenError};
use crate::place;
use crate::storage::{Segment, Storage, gaps};

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
///
/// Each sync and each rotation checks that the active file is still at its path, and fails with
/// [`Displaced`] if it is not. What is at the path then may be another journal's, and is not touched.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    /// Ours, wherever it is now. While there is none, what is at the path is not ours.
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
        let Some(lock) = lock_beside(&path)? else { return Ok(None) };
        let active = open_existing(&path)?;
        // An existing file may be new: a crash may have come before its folder was synced.
        let files = Self { path, active, folder_changed: true, lock };
        Ok(if files.active.as_ref().map_or(Ok(true), is_ours)? { Some(files) } else { None })
    }

    /// Creates the active file.
    fn create(&mut self) -> io::Result<()> {
        // Not kept if the active file is another's: that journal can be opened.
        let lock = self.new_lock()?;
        let file = match OpenOptions::new().append(true).create_new(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Displaced::Replaced.into());
            }
            created => created?,
        };
        if !is_ours(&file)? {
            return Err(Displaced::Claimed.into());
        }
        if let Some(lock) = lock {
            self.lock = lock;
        }
        self.active = Some(file);
        self.folder_changed = true;
        Ok(())
    }

    /// Makes the lock file again if it was removed, or locks the one in its place. If that is locked,
    /// the files are another journal's. `None` if ours is there.
    fn new_lock(&self) -> io::Result<Option<File>> {
        if self.check_lock().is_ok() {
            return Ok(None);
        }
        Ok(Some(lock_beside(&self.path)?.ok_or(Displaced::Claimed)?))
    }

    fn check_lock(&self) -> io::Result<()> {
        place::check(&self.lock, &with_suffix(&self.path, "lock"))
    }

    /// Cuts the active file, if it is where it was.
    fn cut_active(&mut self, len: u64) -> io::Result<()> {
        let active = self.active.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if let Err(displaced) = place::check(active, &self.path) {
            // With its folder, it may be moved back. Alone, it is no part of this journal any more.
            if !place::is_removed(active)? && self.check_lock().is_err() {
                return Err(displaced);
            }
            self.active = None;
            return Err(not_found(displaced));
        }
        // What appends on Windows cannot cut.
        if cfg!(windows) {
            cut(&self.open_for_cutting(Segment::Active)?, len)
        } else {
            cut(active, len)
        }
    }

    fn open_for_cutting(&self, segment: Segment) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path(segment))
    }

    /// A smaller number than the last would be out of order, and may be another file's.
    fn next_number(&self) -> io::Result<u32> {
        let last = list(&self.path)?.into_iter().rev().find_map(|segment| match segment {
            Segment::Closed(number) => Some(number),
            Segment::Active => None,
        });
        let next = last.unwrap_or(0).checked_add(1);
        next.ok_or_else(|| io::Error::other("the numbers of rotated files are used up"))
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

/// Says of an error that the file does not exist, and keeps its cause.
fn not_found(error: io::Error) -> io::Error {
    let kind = io::ErrorKind::NotFound;
    error.into_inner().map_or_else(|| kind.into(), |cause| io::Error::new(kind, cause))
}

/// Makes the lock file of a journal, if there is none, and locks it. `None` if it is already locked.
fn lock_beside(path: &Path) -> io::Result<Option<File>> {
    let path = with_suffix(path, "lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    Ok(is_locked_now(&lock)?.then_some(lock))
}

/// Locks a file, unless it is already locked.
fn is_locked_now(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(source),
    }
}

/// Locks a file that is written. Elsewhere a locked file cannot be read by others.
fn is_ours(active: &File) -> io::Result<bool> {
    if cfg!(unix) { is_locked_now(active) } else { Ok(true) }
}

fn open_existing(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Never makes the file longer.
fn cut(file: &File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() <= len {
        return Ok(());
    }
    file.set_len(len)?;
    file.sync_data()
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
/// are in none of these files. A file that is missing between others is listed: it cannot be opened.
pub(crate) fn segments_now(path: &Path) -> io::Result<(Vec<PathBuf>, Option<File>)> {
    let path = &target_of(path);
    loop {
        let before = list(path)?;
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut after = list(path)?;
        // Otherwise it was rotated away, or created, while we looked.
        if before == after && after.contains(&Segment::Active) == file.is_some() {
            after.extend(gaps(&before));
            after.sort_unstable();
            return Ok((after.into_iter().map(|segment| path_of(path, segment)).collect(), file));
        }
    }
}

/// Whether a file has the name of a rotated one.
pub(crate) fn is_rotated(path: &Path) -> bool {
    let number = path.extension().map(|end| end.as_encoded_bytes()).unwrap_or_default();
    number.len() >= 6 && number.iter().all(u8::is_ascii_digit)
}

impl Storage for Files {
    fn list(&mut self) -> io::Result<Vec<Segment>> {
        list(&self.path)
    }

    fn read(&mut self, segment: Segment) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.path(segment))?))
    }

    fn truncate(&mut self, segment: Segment, len: u64) -> io::Result<()> {
        match segment {
            Segment::Active => self.cut_active(len),
            Segment::Closed(_) => cut(&self.open_for_cutting(segment)?, len),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.active.is_none() {
            self.create()?;
        }
        self.active.as_mut().ok_or(io::ErrorKind::NotFound)?.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(active) = &self.active {
            active.sync_data()?;
            place::check(active, &self.path)?;
        }
        if self.folder_changed {
            sync_folder(folder_of(&self.path))?;
            self.folder_changed = false;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let next = self.path(Segment::Closed(self.next_number()?));
        let active = self.active.as_ref().ok_or(io::ErrorKind::NotFound)?;
        place::check(active, &self.path)?;
        place::rename_new(&self.path, &next)?;
        place::give_back_unless(active, &self.path, &next)?;
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
