//! Tasks and their wake-ups.

use std::thread;

use super::tools::{Gate, Rt, give_way, task};

pub(super) async fn a_task_is_run(rt: Rt) {
    assert_eq!(task(&rt, async { 7 }).await, 7);
    let inner = rt.clone();
    let nested = task(&rt, async move { task(&inner, async { 8 }).await });
    assert_eq!(nested.await, 8);
}

pub(super) async fn a_task_is_spawned_by_a_foreign_thread(rt: Rt) {
    let ended = Gate::default();
    let (runtime, ends) = (rt.clone(), ended.clone());
    let spawns = move || runtime.spawn(alloc::boxed::Box::pin(async move { ends.open() }));
    let thread = thread::spawn(spawns);
    ended.pass().await;
    thread.join().unwrap();
}

pub(super) async fn a_task_is_woken_by_a_foreign_thread(rt: Rt) {
    for _ in 0..20 {
        let (gate, began) = (Gate::default(), Gate::default());
        let (waits_at, begins) = (gate.clone(), began.clone());
        let waits = task(&rt, async move {
            begins.open();
            waits_at.pass().await;
        });
        began.pass().await;
        let thread = thread::spawn(move || gate.open());
        waits.await;
        thread.join().unwrap();
    }
}

pub(super) async fn a_task_that_is_always_ready_starves_no_other(rt: Rt) {
    let gate = Gate::default();
    let seen = gate.clone();
    let busy = task(&rt, async move {
        while !seen.is_open() {
            give_way().await;
        }
    });
    let opens = task(&rt, async move { gate.open() });
    opens.await;
    busy.await;
}
