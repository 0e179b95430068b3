//! The place of a file or a folder, however deep.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

/// The longest path in bytes that the system takes at once, with room for the longest name.
const LONG: usize = 2_048;

/// A path to show, and a way to open it.
///
/// The system refuses paths of more than some 4 000 bytes, and trees can be deeper. So every 2 000
/// bytes or so the folder there is kept open, and everything below is reached from it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: PathBuf,
    anchor: Option<Arc<Anchor>>,
}

#[derive(Debug)]
struct Anchor {
    path: PathBuf,
    folder: File,
}

impl Place {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), anchor: None }
    }

    /// Returns the path from where the census began.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the last part of the path, or all of it when it ends in `..` or `/`.
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or(self.path.as_os_str())
    }

    /// Returns the place of this name in this folder.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> Self {
        Self { path: self.path.join(name), anchor: self.anchor.clone() }
    }

    /// Returns the path to open.
    pub(crate) fn way(&self) -> PathBuf {
        let below_anchor = || {
            let anchor = self.anchor.as_deref()?;
            Some(shortcut(&anchor.folder)?.join(self.path.strip_prefix(&anchor.path).ok()?))
        };
        below_anchor().unwrap_or_else(|| self.path.clone())
    }

    /// Returns the same folder, opened as a starting point if the way to it has become long.
    pub(crate) async fn anchored(&self) -> io::Result<Self> {
        let way = self.way();
        if way.as_os_str().len() < LONG {
            return Ok(self.clone());
        }
        let folder = spawn_blocking(|| File::open(way)).await??;
        let anchor = Anchor { path: self.path.clone(), folder };
        Ok(Self { path: self.path.clone(), anchor: Some(Arc::new(anchor)) })
    }
}

/// Returns a short name of an open folder, where the system has one.
#[cfg(target_os = "linux")]
fn shortcut(folder: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    Some(format!("/proc/self/fd/{}", folder.as_raw_fd()).into())
}

#[cfg(not(target_os = "linux"))]
fn shortcut(_folder: &File) -> Option<PathBuf> {
    None
}
