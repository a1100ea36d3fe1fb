//! Tells the author of the application what to change: a line at ERROR in the log.
//!
//! A program that is set up wrongly often has no subscriber of `tracing` yet. So that it is not silent, the
//! line goes to standard error if nobody listens: once per process and kind of mistake.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

/// The kinds of mistakes that standard error has been told of.
static TOLD: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Logs that the application is set up wrongly. `line` says what to write; `kind` is the same for all lines
/// that one change to the program would mend.
pub(crate) fn misconfigured(kind: &'static str, line: fmt::Arguments<'_>) {
    tracing::error!(target: "jwtauth", "{line}");
    if !tracing::enabled!(target: "jwtauth", tracing::Level::ERROR) && is_news(kind) {
        // Without a standard error there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "jwtauth: {line}");
    }
}

fn is_news(kind: &'static str) -> bool {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let is_news = !told.contains(&kind);
    if is_news {
        told.push(kind);
    }
    is_news
}
