//! Many processes at once, some of which are killed, while the files are deleted all the time. A failing
//! test names its seed; `BUSWAY_SEED=n cargo test --test processes sabotage` repeats it, as far as
//! processes allow it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::log::{Log, Replay};
use crate::worker::{Folder, Orders, Said, Worker};

const PROCESSES: usize = 6;
const ROUNDS: u32 = 30;
const TASKS: u32 = 2;

/// Runs the workers to their end, and calls `meanwhile` again and again until then.
fn run(mut workers: Vec<Worker>, mut meanwhile: impl FnMut(&mut Vec<Worker>)) {
    let start = Instant::now();
    while !workers.iter_mut().all(Worker::has_ended) {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "a slot is lost: somebody waits forever"
        );
        meanwhile(&mut workers);
        thread::sleep(Duration::from_millis(1));
    }
    workers.into_iter().for_each(Worker::join);
}

fn start(folder: &Folder, said: &Said) -> (Orders, Vec<Worker>) {
    let orders = Orders { rounds: ROUNDS, tasks: TASKS, ..Orders::new(folder, 2) };
    let workers = (0..PROCESSES).map(|number| Worker::start(&orders, number, said)).collect();
    (orders, workers)
}

const VISITS: usize = PROCESSES * ROUNDS as usize * TASKS as usize;

#[test]
fn r46_the_limit_holds_among_many_processes() {
    let (folder, said) = (Folder::new(), Said::new());
    let (_, workers) = start(&folder, &said);
    run(workers, |_| {});
    let replay = Replay::of(folder.as_ref());
    assert_eq!((replay.most, replay.visits), (2, VISITS));
}

#[cfg(target_os = "linux")]
#[test]
fn r46_the_limit_holds_while_files_are_deleted_and_processes_killed() {
    let seed = std::env::var("BUSWAY_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("this is seed {seed}");
    let mut random = Random(seed);
    let (folder, said) = (Folder::new(), Said::new());
    let (orders, workers) = start(&folder, &said);
    let log = Log::of(folder.as_ref());
    let (ends, mut kills) = (AtomicBool::new(false), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut deletes = Random(seed + 1);
            // In the end the workers are left alone: on a busy machine they would come to nothing.
            let start = Instant::now();
            while !ends.load(Ordering::SeqCst) && start.elapsed() < Duration::from_secs(10) {
                match deletes.below(8) {
                    0 => drop(std::fs::remove_dir_all(&folder)),
                    _ => folder.delete_files(),
                }
                thread::sleep(Duration::from_millis(2 + deletes.below(20)));
            }
        });
        let _ends = End(&ends);
        run(workers, |workers| {
            if kills == 10 || random.below(15) > 0 {
                return;
            }
            let victim = random.below(PROCESSES as u64) as usize;
            if workers[victim].has_ended() {
                return;
            }
            kills += 1;
            log.write(&format!("kill {}", workers[victim].id()));
            workers.remove(victim).kill();
            workers.insert(victim, Worker::start(&orders, victim, &said));
        });
    });
    let replay = Replay::of(folder.as_ref());
    assert!(kills > 0 && replay.visits >= VISITS, "{kills} were killed, {replay:?}");
    assert_eq!(replay.most, 2, "the limit, reached and not passed");
}

/// Ends the deleting, even when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}
