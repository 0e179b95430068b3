//! Deleted files that are still locked.

use alloc::vec::Vec;
use std::path::Path;

#[cfg(target_os = "linux")]
use super::files::Stage;
use super::files::Unlocked;

/// The deleted files of this name that a process of this user holds, or may come to hold.
#[cfg(target_os = "linux")]
pub(super) fn held(path: &Path) -> Vec<Unlocked> {
    use std::ffi::OsString;

    let mut deleted = OsString::from(path);
    deleted.push(" (deleted)");
    let mut found = Vec::<Unlocked>::new();
    for link in open_files().filter(|link| std::fs::read_link(link).is_ok_and(|to| to == *deleted))
    {
        // It may be gone by now, with its process.
        let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open(link) else {
            continue;
        };
        let Ok(file) = Unlocked::new(file) else { continue };
        if file.stage().is_ok_and(|stage| stage == Stage::Nobodys)
            || found.iter().any(|known| known.id == file.id)
        {
            continue;
        }
        match file.try_lock() {
            Ok(Err(taken)) => found.push(taken),
            // If that fails, the next process finds it again.
            Ok(Ok(free)) => drop(free.retire_if_deleted()),
            Err(_cannot_be_locked) => {}
        }
    }
    found
}

/// The files that processes have open, as far as this process may see them.
#[cfg(target_os = "linux")]
fn open_files() -> impl Iterator<Item = std::path::PathBuf> {
    let entries = |folder: &Path| {
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
    };
    let is_process = |path: &std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries(Path::new("/proc"))
        .filter(is_process)
        .flat_map(move |process| entries(&process.join("fd")))
}

/// This system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn held(_path: &Path) -> Vec<Unlocked> {
    Vec::new()
}
