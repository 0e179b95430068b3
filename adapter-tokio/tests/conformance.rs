//! The conformance suite on tokio.

use busway_core::conformance::Case;
use busway_tokio::Tokio;
use tokio::runtime::Builder;

fn play(case: Case, builder: &mut Builder) {
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async { case.play(Tokio::current().expect("in a runtime")).await });
}

mod current_thread {
    busway_core::conformance_tests!(|case| {
        super::play(case, &mut super::Builder::new_current_thread());
    });
}

mod multi_thread {
    busway_core::conformance_tests!(|case| {
        super::play(case, super::Builder::new_multi_thread().worker_threads(2));
    });
}

mod paused {
    busway_core::conformance_tests!(|case| {
        super::play(case, super::Builder::new_current_thread().start_paused(true));
    });
}
