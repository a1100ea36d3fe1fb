//! Tells the author of the application what to change: a line at ERROR in the log.
//!
//! A program that is set up wrongly often has no subscriber of `tracing` yet. So that it is not silent, the
//! line goes to standard error if nobody listens: once per process and kind of mistake.
//!
//! And [`OnceAMinute`], for lines that attackers can cause.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The kinds of mistakes that were written to standard error.
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

/// Keeps a line that could be written very often from filling the log.
#[derive(Debug, Default)]
pub(crate) struct OnceAMinute(Option<Instant>);

impl OnceAMinute {
    /// Tells whether to write the line now: the first time, and then not before a minute has passed.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|last| last.elapsed() >= Duration::from_secs(60));
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
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
