//! The conformance suite on the runtime of the example.

#[path = "../../examples/custom_runtime.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod custom_runtime;

use custom_runtime::block_on;

pub(crate) fn runtime() -> custom_runtime::Threads {
    custom_runtime::Threads::default()
}

busway::conformance_tests!(|case| block_on(case.play(runtime())));

#[test]
fn the_whole_suite_in_one_call() {
    let cases = busway::conformance::run(|case| block_on(case.play(runtime())));
    assert_eq!(cases, busway::conformance::cases().count());
}
