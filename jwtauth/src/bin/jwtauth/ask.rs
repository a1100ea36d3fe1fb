//! Questions to whoever is at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use jwtauth::__private::{printable, without_mark};
use jwtauth::operator::WipedPassword;

use super::hidden_typing::HiddenTyping;
use super::{Done, Failure, meter};

/// How many bytes of a password are read: more than one may have, so that a longer one is refused.
const MAX_LINE: u64 = 16 * 1024;

/// Asks whether to go on, unless `yes` says so.
pub(crate) fn before(what: &str, yes: bool) -> Done {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::refused(format!("this would {what}: add --yes if you mean it")));
    }
    let _ = write!(io::stderr(), "This will {}. Go on? [y/N] ", printable(what));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::refused("nothing was changed")),
    }
}

/// Reads a new password: twice from a terminal, or the first line of standard input.
pub(crate) fn new_password() -> Result<WipedPassword, Failure> {
    let failed = |error: io::Error| Failure::refused(format!("the password cannot be read: {error}"));
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        if io::stdin().lock().take(MAX_LINE).read_line(&mut line).map_err(failed)? == 0 {
            return Err(Failure::refused("standard input is empty: its first line is the password"));
        }
        let end = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(end);
        // In its place: a copy would stay behind.
        let mark = line.len() - without_mark(&line).len();
        line.drain(..mark);
        return Ok(WipedPassword::new(line));
    }
    meter::listen();
    let hidden = HiddenTyping::begin();
    let password = WipedPassword::new(rpassword::prompt_password("New password: ").map_err(failed)?);
    let again = WipedPassword::new(rpassword::prompt_password("Once more: ").map_err(failed)?);
    drop(hidden);
    if again != password {
        return Err(Failure::refused("the two are not the same: nothing was changed"));
    }
    Ok(password)
}
