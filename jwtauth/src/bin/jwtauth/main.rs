//! The program `jwtauth`: what somebody needs who operates a store.
//!
//! `arguments` is its command line, `database` reads the name of a store, `store` finds who operates it,
//! `output` shows what is found, `meter` how far long work is, and `ask` asks before something is lost and
//! for passwords, which `hidden_typing` hides. `warnings` shows what a server would log. The other files have
//! the commands of their names.
//!
//! # Invariants
//!
//! 1. A password comes from a terminal or from standard input, and never from the command line, which others
//!    see. That of a database comes from the environment or a file; in a URL on the command line it is warned
//!    of. No password is ever shown.
//! 2. Nothing is lost without `--yes` or an answer to a question.
//! 3. What was asked for goes to standard output, everything else to standard error.

mod accounts;
mod accounts_import;
mod api_key_commands;
mod arguments;
mod ask;
mod backup;
mod compact;
mod damaged_rows;
mod database;
mod doctor;
mod events;
mod hidden_typing;
mod manual;
mod meter;
mod migrate;
mod output;
mod project;
mod records;
mod repair;
mod restore;
mod rights;
mod sessions;
mod spool;
mod status;
mod store;
mod warnings;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;
use jwtauth::operator::OperatorError;

use self::arguments::{Arguments, Command, KeysCommand, in_order};
use self::database::StoreName;
use self::output::Output;
use self::warnings::Warnings;

/// Why a command ended before it was done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Exit code 1.
    #[error("{0}")]
    Refused(String),
    /// Exit code of its own.
    #[error("{what}")]
    Found { code: u8, what: String },
    /// Exit code 3.
    #[error("{what}")]
    Store { what: String, source: Option<Box<dyn Error + Send + Sync>> },
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Refused(what) => Self::Refused(what),
            error => Self::Store { what: error.to_string(), source: None },
        }
    }
}

/// A server of another release may answer so.
fn unexpected() -> Failure {
    let what = "the answer is none to this question: use the program of the server's release".into();
    Failure::Store { what, source: None }
}

impl Failure {
    fn refused(what: impl Into<String>) -> Self {
        Self::Refused(what.into())
    }

    /// It is done, and what it has shown or written lacks records that cannot be read.
    fn incomplete(what: impl Into<String>) -> Self {
        Self::Found { code: 4, what: what.into() }
    }

    fn store(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Store { what: what.into(), source: Some(source.into()) }
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Found { code, .. } => *code,
            Self::Store { .. } => 3,
        }
    }
}

type Done = Result<(), Failure>;

fn main() -> ExitCode {
    leave_out_sled();
    jwtauth::__private::outlive_file_limits();
    Warnings::show();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(Arguments::parse_from(in_order(std::env::args_os())))),
        Err(error) => Err(Failure::store("the program cannot start", error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::say(&with_causes(&failure));
            failure.exit_code().into()
        }
    }
}

/// What sled says when it panics is for those who write it: the error of the store says what to do.
fn leave_out_sled() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Its own files, and those of the standard library that it calls.
        let file = panic.location().map_or("", |place| place.file());
        if !file.contains("sled-") && !file.contains("/rustc/") {
            others(panic);
        }
    }));
}

/// An error and what has caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn run(arguments: Arguments) -> Done {
    let Arguments { store, database, json, yes, command } = arguments;
    let output = Output { json };
    let store = StoreName::new(store.as_deref(), &database);
    let operator = async || store::operator(store).await;
    match command {
        Command::Status => status::show(&operator().await?, output).await,
        Command::Sessions(command) => sessions::run(&operator().await?, command, output, yes).await,
        Command::Accounts(command) => accounts::run(&operator().await?, command, output, yes).await,
        Command::ApiKeys(command) => api_key_commands::run(store, command, output).await,
        Command::Events(what) => events::run(&operator().await?, what, output).await,
        Command::Doctor(counter) => doctor::run(store, counter, output).await,
        Command::Repair(arguments) => repair::run(store, arguments, output, yes).await,
        Command::Backup(what) => backup::run(store, what, output, yes).await,
        Command::Restore(what) => restore::run(store, &what, output, yes).await,
        Command::Export(what) => records::export(store, what, output, yes).await,
        Command::Import(what) => records::import(store, what, output).await,
        Command::Compact => compact::run(store, output).await,
        Command::Migrate(what) => migrate::run(&what, &database, output).await,
        Command::New { path, name } => project::make(&path, name.as_deref(), output),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::man(directory.as_deref()),
        Command::Keys(KeysCommand::New) => new_secret(output),
    }
}

/// Prints a secret of 384 bits for `secret_from_env` and `secret_file`.
fn new_secret(output: Output) -> Done {
    let secret = jwtauth::keys::new_secret().map_err(|error| Failure::store("no secret was made", error))?;
    output.line(&secret, &serde_json::json!({ "secret": secret }));
    Ok(())
}
