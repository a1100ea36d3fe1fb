//! `jwtauth completions` and `jwtauth man`: what shells and `man` ask for.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::arguments::Arguments;
use super::{Done, Failure};

/// Writes the completions of a shell to standard output.
pub(crate) fn completions(shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "jwtauth", &mut script);
    written(&script)
}

/// Writes the page of the program to standard output, or the pages of all commands into a directory.
pub(crate) fn man(directory: Option<&Path>) -> Done {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page).map_err(|error| not_written(&error))?;
        return written(&page);
    };
    let make = || {
        fs::create_dir_all(directory)?;
        clap_mangen::generate_to(Arguments::command(), directory)
    };
    make().map_err(|error| {
        Failure::refused(format!("the pages cannot be written into {}: {error}", directory.display()))
    })
}

fn written(text: &[u8]) -> Done {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        // As `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| not_written(&error)),
    }
}

fn not_written(error: &io::Error) -> Failure {
    Failure::refused(format!("it cannot be written: {error}"))
}
