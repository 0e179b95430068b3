//! "The bus": S1 to S49. The journal (S22–S24) has tests of its own.

mod expect;
mod forwarding;
mod life;
mod results;
