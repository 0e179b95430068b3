//! The conformance suite on smol.

mod global {
    use busway_smol::Smol;

    busway_core::conformance_tests!(|case| smol::block_on(case.play(Smol::global())));
}

mod own_executor {
    use std::sync::Arc;

    use busway_smol::Smol;
    use smol::Executor;

    busway_core::conformance_tests!(|case| {
        let executor = Arc::new(Executor::new());
        smol::block_on(executor.run(case.play(Smol::on(&executor))));
    });
}

mod own_executor_helped_from_anywhere {
    use std::sync::Arc;

    use busway_smol::Smol;
    use smol::Executor;

    busway_core::conformance_tests!(|case| {
        let executor = Arc::new(Executor::new());
        smol::block_on(executor.run(case.play(Smol::on(&executor).from_anywhere())));
    });
}
