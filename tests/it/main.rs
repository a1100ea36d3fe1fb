//! Integration tests, in one binary: a module for each subject.

mod concurrency;
mod quickstart;
mod readme;
mod sessions;
mod sweep;
mod table;
mod tidy;

use tests::program::Program;

/// The quickstart example, as a program to start.
fn quickstart() -> Program {
    Program::new(env!("CARGO_BIN_EXE_quickstart"))
}
