//! Several [`Processes`] in one process: each has its own files open, as processes do. The tests with
//! real processes are in `tests/processes` of the facade.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread::{self, Thread};

use super::contest::{Processes, take_opened};
use super::files::{self, Lock, safe_name};
use super::folder;
use crate::semaphore::{Key, Pool, SemaphoreError, SemaphoreScope};

/// A folder that exists for one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("busway-test-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(&self.0).into_iter().flatten().map(|entry| entry.unwrap().path())
    }

    fn delete_files(&self) {
        self.files().for_each(|file| fs::remove_file(file).unwrap());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One process, as the others see it.
struct Process {
    processes: Arc<Processes>,
    /// Keeps the semaphore of its threads alive.
    pool: Arc<Pool>,
}

impl Process {
    fn new(folder: &Folder) -> Self {
        let path = Some(folder.0.clone());
        let scope = SemaphoreScope::Multiprocess;
        let pool = Pool::of(Key::here(&scope, "test".into(), path.clone()), &scope);
        Self { processes: Arc::new(Processes::new(&path, "test")), pool }
    }

    fn compete(&self, limit: usize) -> impl Future<Output = Result<Lock, SemaphoreError>> {
        self.processes.compete(limit, &self.pool)
    }

    fn take(&self, limit: usize) -> Lock {
        block_on(self.compete(limit)).unwrap()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Polls once.
async fn is_pending<F: Future>(mut future: core::pin::Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Processes of one user meet in this folder, whatever their `TMPDIR`.
#[test]
fn r46_the_folder_is_not_where_the_environment_says() {
    let folder = folder::ensure(None).expect("a folder of our own");
    assert_eq!(folder.parent(), fs::canonicalize("/tmp").ok().as_deref());
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("busway-"), "{name}");
}

#[test]
fn r46_as_many_as_the_limit_are_in() {
    let folder = Folder::new();
    let [a, b, c] = [(); 3].map(|()| Process::new(&folder));
    let first = a.take(2);
    let _second = b.take(2);
    block_on(async {
        let mut third = pin!(c.compete(2));
        assert!(is_pending(third.as_mut()).await);
        drop(first);
        third.await.unwrap();
    });
}

#[test]
fn r46_whichever_slot_is_free_first_is_taken() {
    for freed in 0..3 {
        let folder = Folder::new();
        let [a, b] = [(); 2].map(|()| Process::new(&folder));
        let mut slots: Vec<_> = (0..3).map(|_| a.take(3)).collect();
        block_on(async {
            let mut next = pin!(b.compete(3));
            assert!(is_pending(next.as_mut()).await);
            drop(slots.remove(freed));
            next.await.unwrap();
        });
    }
}

#[test]
fn r46_who_came_first_to_the_turnstile_is_in_first() {
    let folder = Folder::new();
    let [a, b, c] = [(); 3].map(|()| Process::new(&folder));
    let first = a.take(1);
    block_on(async {
        let (mut second, mut third) = (pin!(b.compete(1)), pin!(c.compete(1)));
        assert!(is_pending(second.as_mut()).await);
        assert!(is_pending(third.as_mut()).await);
        drop(first);
        let slot = second.await.unwrap();
        assert!(is_pending(third.as_mut()).await, "there is one slot");
        drop(slot);
        third.await.unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn r46_deleted_files_let_nobody_in_and_take_no_slot_away() {
    for whole_folder in [false, true] {
        let folder = Folder::new();
        let delete = || match whole_folder {
            true => fs::remove_dir_all(&folder.0).unwrap(),
            false => folder.delete_files(),
        };
        let [a, b, c, d] = [(); 4].map(|()| Process::new(&folder));
        let (first, other) = (a.take(2), a.take(2));
        block_on(async {
            let mut before = pin!(b.compete(2));
            assert!(is_pending(before.as_mut()).await);
            delete();
            let mut after = pin!(c.compete(2));
            assert!(is_pending(after.as_mut()).await, "whoever makes the files anew is not in");
            delete();
            let mut again = pin!(d.compete(2));
            assert!(is_pending(again.as_mut()).await);
            assert!(is_pending(before.as_mut()).await);
            drop(first);
            // One of them gets it. Which one is not specified, as the turnstile was deleted too.
            let slot = either([before.as_mut(), after.as_mut(), again.as_mut()]).await;
            delete();
            drop((slot, other));
        });
        // All slots are given back.
        let _slots = [a.take(2), b.take(2)];
        block_on(async { assert!(is_pending(pin!(c.compete(2))).await) });
    }
}

/// Returns the lock of the first that is in; asserts that no other one is.
async fn either<F>(mut waiting: [core::pin::Pin<&mut F>; 3]) -> Lock
where
    F: Future<Output = Result<Lock, SemaphoreError>>,
{
    let (place, slot) = poll_fn(|cx| {
        for (place, future) in waiting.iter_mut().enumerate() {
            if let Poll::Ready(slot) = future.as_mut().poll(cx) {
                return Poll::Ready((place, slot.unwrap()));
            }
        }
        Poll::Pending
    })
    .await;
    for (other, future) in waiting.into_iter().enumerate() {
        assert!(other == place || is_pending(future).await, "one slot, two holders");
    }
    slot
}

#[test]
fn r46_a_file_that_is_deleted_before_it_is_locked_is_no_slot() {
    let folder = Folder::new();
    let [a, b] = [(); 2].map(|()| Process::new(&folder));
    drop(a.take(1));
    let path = folder.0.join(format!("{}.0", safe_name("test")));
    let opened = files::open(&path).unwrap();
    folder.delete_files();
    let _slot = b.take(1);
    assert!(take_opened(&path, opened, &mut Vec::new()).unwrap().is_none(), "it is b's now");
    let again = files::open(&path).unwrap();
    assert!(take_opened(&path, again, &mut Vec::new()).unwrap().unwrap().is_err(), "it is taken");
}

#[test]
fn r46_who_goes_away_leaves_the_turnstile_and_no_thread() {
    let folder = Folder::new();
    let [a, b, c] = [(); 3].map(|()| Process::new(&folder));
    let first = a.take(1);
    block_on(async {
        let mut third = pin!(c.compete(1));
        {
            let mut second = pin!(b.compete(1));
            assert!(is_pending(second.as_mut()).await);
            assert!(is_pending(third.as_mut()).await);
        }
        drop(first);
        third.await.unwrap();
    });
    // Its thread had waited for the slot, and gave it back.
    while b.processes.watched() > 0 {
        thread::yield_now();
    }
    drop(a.take(1));
}

#[test]
fn r46_one_thread_waits_for_a_file_however_often_it_is_asked_for() {
    let folder = Folder::new();
    let [a, b] = [(); 2].map(|()| Process::new(&folder));
    let slot = a.take(1);
    for _ in 0..100 {
        block_on(async { assert!(is_pending(pin!(b.compete(1))).await) });
        assert_eq!(b.processes.watched(), 1);
    }
    drop(slot);
    drop(b.take(1));
}

#[test]
fn r46_a_folder_that_others_may_enter_is_refused() {
    let refusal = |folder: &Folder| match block_on(Process::new(folder).compete(1)).unwrap_err() {
        SemaphoreError::UnsafeFolder { reason, .. } => String::from(reason),
        other => panic!("{other}"),
    };
    let folder = Folder::new();
    fs::create_dir(&folder.0).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(refusal(&folder).contains("0700"));
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    drop(Process::new(&folder).take(1));

    let link = Folder::new();
    symlink(&folder.0, &link.0).unwrap();
    assert!(refusal(&link).contains("not a folder"));
    fs::remove_file(&link.0).unwrap();
}

#[test]
fn r46_the_folder_is_made_for_its_owner_alone() {
    let folder = Folder::new();
    drop(Process::new(&folder).take(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    assert!(folder.files().count() > 0 && folder.files().all(|file| mode(&file) == 0o600));
}

#[test]
fn r46_names_become_files_and_stay_different() {
    let names = ["a/b", "a_b", "../a", "", "ä", &"long".repeat(100), &"long".repeat(101)];
    let files: Vec<_> = names.iter().map(|name| safe_name(name)).collect();
    for (at, file) in files.iter().enumerate() {
        assert!(file.len() < 100 && !file.contains(['/', '.']), "{file}");
        assert!(!files[..at].contains(file), "{file} twice");
    }
}
