//! Tells whether a file is still at its path, and renames it without overwriting another.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::Displaced;

/// Fails unless the file at `path` is this one.
pub(crate) fn check(file: &File, path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if is_same(&file.metadata()?, &there) => Ok(()),
        Ok(_) => Err(Displaced::Replaced.into()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Displaced::Gone.into())
        }
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Elsewhere a file has no number that the standard library knows.
#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    let look = |file: &Metadata| (file.file_type(), file.len(), file.created().ok());
    look(a) == look(b)
}

/// Whether the file has no name left, so that nobody will ever see what is in it.
#[cfg(unix)]
pub(crate) fn is_removed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() == 0)
}

/// Elsewhere an open file keeps its name until it is closed.
#[cfg(not(unix))]
pub(crate) fn is_removed(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Renames a file, unless the new name is another file's.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_at_once(from, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Displaced::Occupied.into()),
        Err(error) if is_unsupported(&error) => rename_if_free(from, to),
        renamed => renamed,
    }
}

/// After a rename: if another file had come to the old name just before it, that goes back.
pub(crate) fn give_back_unless(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    check(file, to).inspect_err(|_| {
        // Whoever put it there may have put another one there since.
        let _ = rename_new(to, from);
    })
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_at_once(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_at_once(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Old systems and some file systems cannot; they answer that the request is not valid.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(Displaced::Occupied.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Displaced, Path, check, fs, give_back_unless, io, is_removed, rename_if_free, rename_new,
    };

    fn displaced(outcome: io::Result<()>) -> Option<Displaced> {
        outcome.err()?.downcast().ok()
    }

    #[test]
    fn a_file_is_where_it_was_until_it_is_moved_removed_or_replaced() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let [path, other] = ["a", "b"].map(|name| folder.path().join(name));
        let file = fs::File::create(&path)?;
        check(&file, &path)?;
        fs::rename(&path, &other)?;
        assert_eq!(displaced(check(&file, &path)), Some(Displaced::Gone));
        assert_eq!(displaced(check(&file, &path.join("below"))), Some(Displaced::Gone));
        check(&file, &other)?;
        fs::write(&path, "of another length")?;
        assert_eq!(displaced(check(&file, &path)), Some(Displaced::Replaced));
        assert_eq!(displaced(check(&file, &other.join("below"))), Some(Displaced::Gone));
        assert!(!is_removed(&file)?);
        fs::remove_file(&other)?;
        assert_eq!(is_removed(&file)?, cfg!(unix));
        Ok(())
    }

    #[test]
    fn a_file_that_was_renamed_in_place_of_ours_goes_back() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let [ours, from, to] = ["ours", "a", "b"].map(|name| folder.path().join(name));
        let file = fs::File::create(&ours)?;
        fs::write(&to, "of somebody else")?;
        let replaced = displaced(give_back_unless(&file, &from, &to));
        assert_eq!(replaced, Some(Displaced::Replaced));
        assert_eq!(fs::read_to_string(&from)?, "of somebody else");
        fs::rename(&ours, &to)?;
        give_back_unless(&file, &from, &to)?;
        assert!(to.exists());
        Ok(())
    }

    #[test]
    fn no_file_is_renamed_over_another() -> io::Result<()> {
        let ways: [fn(&Path, &Path) -> io::Result<()>; 2] = [rename_new, rename_if_free];
        for rename in ways {
            let folder = tempfile::tempdir()?;
            let [from, to] = ["a", "b"].map(|name| folder.path().join(name));
            fs::write(&from, "a")?;
            fs::write(&to, "b")?;
            assert_eq!(displaced(rename(&from, &to)), Some(Displaced::Occupied));
            assert_eq!(
                (fs::read_to_string(&from)?, fs::read_to_string(&to)?),
                ("a".into(), "b".into())
            );
            fs::remove_file(&to)?;
            rename(&from, &to)?;
            assert_eq!(fs::read_to_string(&to)?, "a");
            let gone = rename(&from, &folder.path().join("c"));
            assert!(gone.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        }
        Ok(())
    }
}
