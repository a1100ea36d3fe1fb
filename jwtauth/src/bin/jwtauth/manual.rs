//! `jwtauth completions` and `jwtauth man`: what shells and `man` ask for.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::{Done, Failure, store};

/// Writes the completions of a shell to standard output.
pub(crate) fn completions(shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "jwtauth", &mut script);
    written(&script)
}

/// Writes the page of the program to standard output, or the pages of all commands into a directory.
pub(crate) fn man(directory: Option<&Path>) -> Done {
    let Some(directory) = directory.filter(|directory| *directory != Path::new("-")) else {
        let mut page = Vec::new();
        clap_mangen::Man::new(plain(Arguments::command()))
            .render(&mut page)
            .map_err(|error| not_written(&error))?;
        return written(&page);
    };
    // The directory may be that of a store itself.
    store::outside_of_stores(&directory.join("jwtauth.1"))?;
    let make = || {
        fs::create_dir_all(directory)?;
        clap_mangen::generate_to(plain(Arguments::command()), directory)
    };
    make().map_err(|error| {
        Failure::refused(format!("the pages cannot be written into {}: {error}", directory.display()))
    })
}

/// Takes the marks of Markdown out: a page shows them as they are.
fn plain(mut command: Command) -> Command {
    let text = |styled: &StyledStr| styled.to_string().replace('`', "");
    if let Some(about) = command.get_about().map(text) {
        command = command.about(about);
    }
    if let Some(about) = command.get_long_about().map(text) {
        command = command.long_about(about);
    }
    let of_argument = |mut argument: Arg| {
        if let Some(help) = argument.get_help().map(text) {
            argument = argument.help(help);
        }
        if let Some(help) = argument.get_long_help().map(text) {
            argument = argument.long_help(help);
        }
        argument
    };
    command.mut_args(of_argument).mut_subcommands(plain)
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
