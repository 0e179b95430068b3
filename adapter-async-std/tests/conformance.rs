//! The conformance suite on async-std.

use busway_async_std::AsyncStd;

busway_core::conformance_tests!(|case| async_std::task::block_on(case.play(AsyncStd::new())));
