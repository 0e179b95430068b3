//! A few processes, step by step.

use std::time::Duration;

use crate::worker::{Folder, Orders, Said, Worker};

/// Starts workers with these numbers, one after the other, and waits for each to report `what`.
fn start(orders: &Orders, numbers: std::ops::Range<usize>, said: &Said, what: &str) -> Vec<Worker> {
    let start = |number| {
        let worker = Worker::start(orders, number, said);
        assert_eq!(said.next(), (number, what.into()));
        worker
    };
    numbers.map(start).collect()
}

#[test]
fn s101_three_of_six_processes_are_in_the_first_three_first() {
    let (folder, said) = (Folder::new(), Said::new());
    let orders = Orders::new(&folder, 3);
    let mut workers = start(&orders, 0..3, &said, "in");
    // s104: the others come in only after one has left.
    workers.extend(start(&orders, 3..6, &said, "waits"));
    let mut inside = vec![0, 1, 2];
    for leaves in [1, 0, 2] {
        assert!(!said.has_more(), "three are in, and nobody else");
        workers[leaves].leave();
        inside.retain(|number| *number != leaves);
        let (next, what) = said.next();
        assert_eq!(what, "in");
        assert!(next >= 3 && !inside.contains(&next));
        inside.push(next);
        assert_eq!(inside.len(), 3);
    }
    workers.into_iter().for_each(Worker::join);
}

#[test]
fn s102_the_fourth_process_times_out_and_three_finish() {
    let (folder, said) = (Folder::new(), Said::new());
    let orders = Orders::new(&folder, 3);
    let mut workers = start(&orders, 0..3, &said, "in");
    let hurried = Orders { patience: Some(Duration::from_millis(500)), ..orders };
    workers.extend(start(&hurried, 3..4, &said, "waits"));
    assert_eq!(said.next(), (3, "timed out".into()));
    workers.into_iter().for_each(Worker::join);
}

#[test]
fn r46_the_slot_of_a_killed_process_is_free() {
    let (folder, said) = (Folder::new(), Said::new());
    let orders = Orders::new(&folder, 1);
    let holder = start(&orders, 0..1, &said, "in").remove(0);
    let waiting = start(&orders, 1..2, &said, "waits").remove(0);
    holder.kill();
    assert_eq!(said.next(), (1, "in".into()));
    // So is the slot of a process that was killed while none waited.
    waiting.kill();
    start(&orders, 2..3, &said, "in").remove(0).join();
}

#[test]
fn r46_a_process_that_is_killed_in_the_line_holds_nobody_up() {
    let (folder, said) = (Folder::new(), Said::new());
    let orders = Orders::new(&folder, 1);
    let mut holder = start(&orders, 0..1, &said, "in").remove(0);
    let first = start(&orders, 1..2, &said, "waits").remove(0);
    let second = start(&orders, 2..3, &said, "waits").remove(0);
    first.kill();
    holder.leave();
    assert_eq!(said.next(), (2, "in".into()));
    [holder, second].into_iter().for_each(Worker::join);
}

#[cfg(target_os = "linux")]
#[test]
fn r46_deleted_files_let_nobody_in() {
    for whole_folder in [false, true] {
        let (folder, said) = (Folder::new(), Said::new());
        let orders = Orders::new(&folder, 1);
        let mut holder = start(&orders, 0..1, &said, "in").remove(0);
        if whole_folder {
            std::fs::remove_dir_all(&folder).unwrap();
        } else {
            folder.delete_files();
        }
        let waiting = start(&orders, 1..2, &said, "waits").remove(0);
        folder.delete_files();
        let killed = start(&orders, 2..3, &said, "waits").remove(0);
        killed.kill();
        assert!(!said.has_more());
        holder.leave();
        assert_eq!(said.next(), (1, "in".into()));
        [holder, waiting].into_iter().for_each(Worker::join);
    }
}
