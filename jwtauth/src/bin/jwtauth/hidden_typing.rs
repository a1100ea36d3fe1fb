//! The terminal while a password is typed, which it does not show.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
use nix::sys::termios::{self, SetArg, Termios};

/// How the terminal was before a password was asked for. Whoever ends the process meanwhile restores it.
#[cfg(unix)]
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// As long as it is there, a signal that ends the process leaves a terminal that shows what is typed.
pub(crate) struct HiddenTyping;

impl HiddenTyping {
    pub(crate) fn begin() -> Self {
        #[cfg(unix)]
        {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = termios::tcgetattr(io::stdin()).ok();
        }
        Self
    }
}

impl Drop for HiddenTyping {
    fn drop(&mut self) {
        #[cfg(unix)]
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Lets the terminal show again what is typed, if a password is being asked for.
pub(crate) fn show_typing() {
    #[cfg(unix)]
    if let Some(before) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, before);
    }
}
