//! Deleted files that somebody still has locked.

use alloc::vec::Vec;
use std::path::Path;

use super::files::Unlocked;

/// The deleted files of this name that some process of this user has open and locked.
#[cfg(target_os = "linux")]
pub(super) fn locked(path: &Path) -> Vec<Unlocked> {
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
        if found.iter().all(|known| known.id != file.id)
            && let Ok(Err(taken)) = file.try_lock()
        {
            found.push(taken);
        }
    }
    found
}

/// The files that processes have open, as far as this one may see them.
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

/// There is no telling here.
#[cfg(not(target_os = "linux"))]
pub(super) fn locked(_path: &Path) -> Vec<Unlocked> {
    Vec::new()
}
