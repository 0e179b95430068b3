//! The folder of the locked files: only its owner may enter it.

use alloc::format;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::semaphore::SemaphoreError;

/// Where the default folder is. The environment does not decide: processes that share slots may have
/// different ones.
const TEMPORARY: &str = "/tmp";

/// Makes sure that the folder exists and is safe, and returns its canonical path. The default is
/// `/tmp/busway-UID`.
///
/// Anything in the way is refused, never repaired: it may be a trap.
pub(super) fn ensure(folder: Option<&Path>) -> Result<PathBuf, SemaphoreError> {
    let folder = match folder {
        Some(folder) => folder.to_path_buf(),
        None => {
            let temporary = Path::new(TEMPORARY);
            let user = user(temporary).map_err(|source| failed(temporary, source))?;
            temporary.join(format!("busway-{user}"))
        }
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    // A link or a file in its place is reported below.
    if let Err(source) = made
        && source.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(failed(&folder, source));
    }
    let found = fs::symlink_metadata(&folder).map_err(|source| failed(&folder, source))?;
    let refuse = |reason| Err(SemaphoreError::UnsafeFolder { folder: folder.clone(), reason });
    if !found.is_dir() {
        return refuse("it is not a folder");
    }
    if found.mode() & 0o077 != 0 {
        return refuse("others than its owner may enter it, its mode should be 0700");
    }
    let user = user(&folder).map_err(|source| failed(&folder, source))?;
    if found.uid() != user {
        return refuse("it belongs to another user");
    }
    fs::canonicalize(&folder).map_err(|source| failed(&folder, source))
}

/// Returns the user that this process creates files as, which is all that std tells about it. It is
/// determined once.
fn user(writable: &Path) -> io::Result<u32> {
    static USER: OnceLock<u32> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if let Some(user) = USER.get() {
        return Ok(*user);
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let probe = writable.join(format!(".busway-{}-{number}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe)?;
    let user = file.metadata().map(|file| file.uid());
    // A leftover would do no harm.
    let _ = fs::remove_file(&probe);
    let user = user?;
    Ok(*USER.get_or_init(|| user))
}

pub(super) fn failed(path: &Path, source: io::Error) -> SemaphoreError {
    SemaphoreError::Io { path: path.to_path_buf(), source }
}
