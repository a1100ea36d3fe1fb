//! The command line. What stands in the comments here is what `--help` shows.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use jwtauth::SessionId;
use jwtauth::store::TrailMark;

/// Operates a store of jwtauth: its sessions and accounts.
///
/// `status`, `sessions`, `accounts`, `api-keys`, `events`, `backup`, `export` and `compact` work while the
/// server runs, too: the server does what is asked for. For `restore`, `import`, `doctor`, `repair` and
/// `migrate` it must be stopped. A database is used beside its servers, except for `restore` and `migrate`.
///
/// Exit codes: 0 done, 1 refused or not found, 2 wrong arguments, 3 the store cannot be opened or failed, the
/// server does not answer, or it was stopped, 4 done, but records that cannot be read are missing in what was
/// shown or written, 130 ended by Ctrl-C at once. `doctor`: 0 whole, 1 damaged or moved, 2 not looked at.
#[derive(Debug, Parser)]
#[command(name = "jwtauth", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The store: a directory, or the URL of a database. What the server passes to `open`
    #[arg(long, global = true, env = "JWTAUTH_STORE", hide_env_values = true, value_name = "PATH|URL")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: DatabaseArguments,
    /// Write JSON: one document, or one line for each row of a list
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not ask before something is lost
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
pub(crate) struct DatabaseArguments {
    /// The schema of a database, if it is another one than `jwtauth`
    #[arg(long, global = true, env = "JWTAUTH_SCHEMA", value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// Trust the certificates in this file, and no others, when connecting to a database
    #[arg(long, global = true, env = "PGSSLROOTCERT", value_name = "PATH")]
    pub(crate) root_certificates: Option<PathBuf>,
    /// Take a database that runs with `fsync = off`, also as a new store: for a service whose storage is
    /// elsewhere, such as Neon. Others lose everything in a power cut
    #[arg(long, global = true)]
    pub(crate) allow_fsync_off: bool,
}

/// Puts ids of sessions that begin with a hyphen behind `--`, so that nothing takes them for options, and
/// options may stand behind ids.
pub(crate) fn in_order(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let words: Vec<OsString> = words.collect();
    if words.iter().any(|word| word == "--") {
        return words;
    }
    let is_id = |word: &OsString| {
        word.to_str().is_some_and(|word| word.starts_with('-') && word.parse::<SessionId>().is_ok())
    };
    let (mut others, mut ids) = (Vec::new(), Vec::new());
    for word in words {
        // The value of an option stays there.
        let is_value = others.last().is_some_and(|before| before == "--of" || before == "--all-of");
        if is_id(&word) && !is_value { &mut ids } else { &mut others }.push(word);
    }
    if !ids.is_empty() {
        others.push("--".into());
    }
    others.extend(ids);
    others
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is in the store, in numbers
    Status,
    /// List sessions, and end them
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// List accounts, and change them
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// List, make and end API keys, with which programs call in place of a user
    #[command(subcommand)]
    ApiKeys(ApiKeysCommand),
    /// Show the audit trail, which the server keeps if its setting `keep_events` is on
    ///
    /// The newest events stand last. Exit code 1 if a check finds that an event was changed or is missing.
    Events(EventsArguments),
    /// Look at a store that is damaged or does not open: what is damaged, whose it is, what to do
    ///
    /// Writes nothing into the store. Whether it would open is tried with a copy in the directory for
    /// temporary files (TMPDIR). Exit codes: 0 whole, 1 damaged, 2 it could not be looked at (or wrong
    /// arguments).
    Doctor(CounterArgument),
    /// Make a whole store of a damaged one: of all in it that can be read
    ///
    /// The old files stay in its directory `aside`. If anything is missing, all users are logged out, and all
    /// accounts are disabled until you enable them. The disk needs room for a second copy.
    Repair(RepairArguments),
    /// Make the files of the store as small as what is in it
    ///
    /// The disk needs room for a second copy of what is in the store. A server goes on meanwhile, except for
    /// a moment at the end.
    Compact,
    /// Move all that a store keeps into another one: a directory, or the URL of a database
    ///
    /// Stop all servers first. Users stay logged in, if the server on the new store has the same secret. The
    /// new store is read back and compared. Then the old one does not open any more. If it was stopped, write
    /// the same command again.
    Migrate(MigrateArguments),
    /// Make a project to begin with: an API with accounts, tests and a Dockerfile
    New {
        /// A directory that is not there yet, or an empty one: `.` is this one
        path: PathBuf,
        /// The name of the package, if it is not that of the directory
        #[arg(long)]
        name: Option<String>,
    },
    /// Write all that is in the store into one file
    Backup(BackupArguments),
    /// Make a store of a backup
    Restore(RestoreArguments),
    /// Write all that is in the store as lines of JSON
    Export(ExportArguments),
    /// Take in the lines of an export. What is here stays as it is
    Import(ImportArguments),
    /// Make secrets that sign tokens. For keys of programs see `api-keys`
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print what a shell needs to complete commands, such as
    /// `jwtauth completions bash > /etc/bash_completion.d/jwtauth`
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands into a directory
    Man {
        /// Such as /usr/local/share/man/man1; `-` for standard output
        directory: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct EventsArguments {
    /// Show the last events only: this many
    #[arg(long, value_name = "COUNT", default_value_t = 100, conflicts_with = "all")]
    pub(crate) last: usize,
    /// Show all events
    #[arg(long)]
    pub(crate) all: bool,
    /// Show events about this user: an id or the name of an account
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    pub(crate) of: Option<String>,
    /// Show events of this name, such as `login_failed`
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// Show no events, but say whether one was changed or is missing
    #[arg(long, conflicts_with_all = ["all", "of", "event"])]
    pub(crate) check: bool,
    /// With --check: compare the trail with this mark too, which an earlier check has printed
    #[arg(long, value_name = "NUMBER:HASH", requires = "check")]
    pub(crate) mark: Option<TrailMark>,
}

#[derive(Args, Debug)]
pub(crate) struct BackupArguments {
    /// The file to write, or `-` for standard output
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// The file to write; standard output without it
    pub(crate) file: Option<PathBuf>,
    /// Leave out the hashes of passwords and API keys
    #[arg(long)]
    pub(crate) no_hashes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    /// The export, or `-` for standard input
    pub(crate) file: PathBuf,
    /// Take in accounts as they are. Without it, those are disabled that come into a store which has accounts
    /// already: they may have been removed there
    #[arg(long)]
    pub(crate) keep_accounts: bool,
    /// Take in sessions as they are, and not as revoked ones. Whoever has logged out since is logged in again
    #[arg(long)]
    pub(crate) keep_sessions: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArguments {
    /// The backup, or `-` for standard input
    pub(crate) file: PathBuf,
    /// Keep sessions as they were then. Whoever has logged out since is logged in again
    #[arg(long)]
    pub(crate) keep_sessions: bool,
    /// The rollback counter of the server, if it has one: it is renewed
    #[arg(long, value_name = "PATH")]
    pub(crate) rollback_counter: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct MigrateArguments {
    /// The store that there is: a directory or a URL
    pub(crate) from: PathBuf,
    /// The store to make: a directory or a URL. It holds nothing yet
    pub(crate) to: PathBuf,
    /// The schema of the new store, if that is a database with another one than --schema names
    #[arg(long, value_name = "NAME")]
    pub(crate) to_schema: Option<String>,
    /// Leave the old store as it is, so that it can be served: for a trial. Whoever logs out of one of the
    /// two stays logged in with the other
    #[arg(long)]
    pub(crate) keep_source: bool,
    /// All servers are stopped, though a database has connections that look like theirs: those of a pooler
    #[arg(long)]
    pub(crate) stopped: bool,
    /// The rollback counter of the server on the new store, if that is a directory: it is renewed
    #[arg(long, value_name = "PATH")]
    pub(crate) rollback_counter: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RepairArguments {
    /// Keep accounts as they can be read. Whoever was disabled or removed lately may log in again, and so
    /// may old passwords
    #[arg(long)]
    pub(crate) keep_accounts: bool,
    /// Of a database: the new file that damaged rows are written into before they are taken out
    #[arg(long, value_name = "FILE")]
    pub(crate) aside: Option<PathBuf>,
    /// Make the store of older files, by their name in its directory `aside`: newer ones are gone. What has
    /// changed since is not in them, so everybody is logged out and all accounts are disabled
    #[arg(long, value_name = "NAME")]
    pub(crate) from_aside: Option<String>,
    #[command(flatten)]
    pub(crate) counter: CounterArgument,
}

#[derive(Args, Debug)]
pub(crate) struct CounterArgument {
    /// The rollback counter, if the server has one: what it passes to `rollback_counter`
    #[arg(long, value_name = "PATH")]
    pub(crate) rollback_counter: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List live sessions
    List {
        /// Those of this user only: the name or id of an account, or the subject of the application's own
        /// users
        #[arg(long, value_name = "USER", allow_hyphen_values = true)]
        of: Option<String>,
        /// Those that are over too, until they are swept
        #[arg(long)]
        over: bool,
    },
    /// Show one session
    Show {
        /// Its id
        id: SessionId,
    },
    /// End sessions. Their users are logged out with their next request
    Revoke(Revoked),
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Revoked {
    /// The ids of sessions
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<SessionId>,
    /// All sessions of this user: as with `list --of`
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    pub(crate) all_of: Option<String>,
    /// All sessions of everybody
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// List accounts in the order of their names
    List,
    /// Add an account. Its password is asked for, or read from the first line of standard input
    Add {
        /// Its name
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// A role of it; may stand several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Add accounts of another program, with the hashes of their passwords
    ///
    /// Each line is a JSON object with the members `name`, `hash`, `roles`, `active`, `created_at` and
    /// `last_login`. Only the name is needed. Times are Unix seconds. Names that are there already are left
    /// alone.
    Import {
        /// The file, or `-` for standard input
        file: PathBuf,
    },
    /// Set another password, and revoke all sessions of the account
    Password {
        /// Its name
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Set the roles of an account, in place of those that it has
    Roles {
        /// Its name
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// The roles; none takes all of them away
        roles: Vec<String>,
    },
    /// Disable an account, and revoke all its sessions
    Disable {
        /// Its name
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
    /// Enable disabled accounts
    Enable {
        /// Their names. Write `--` before one that begins with a hyphen
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Remove an account for good, and revoke all its sessions
    Remove {
        /// Its name
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeysCommand {
    /// List live API keys
    List {
        /// Those of this user only: the name or id of an account, or the subject of the application's own
        /// users
        #[arg(long, value_name = "USER", allow_hyphen_values = true)]
        of: Option<String>,
        /// Those that are over too, until they are swept
        #[arg(long)]
        over: bool,
    },
    /// Make an API key, and print it. It cannot be had again
    ///
    /// Only the key goes to standard output. The settings of the server count, also while it is stopped: its
    /// prefix, how long a key may be valid, and how many a user may have.
    Create(NewApiKey),
    /// End API keys. Their programs are refused with their next request
    Revoke {
        /// The ids of keys, as in the list
        #[arg(value_name = "ID", required = true)]
        ids: Vec<SessionId>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NewApiKey {
    /// What the key is called
    pub(crate) name: String,
    /// Its owner: as with `list --of`. The key has no more than its owner
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    pub(crate) of: String,
    /// A scope of it; may stand several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// A role of it; may stand several times
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// For how many days it is valid; without it, for as long as a key may be
    #[arg(long, value_name = "COUNT")]
    pub(crate) days: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print a new signing secret of 384 bits, for `secret_file` or `secret_from_env`
    New,
}
