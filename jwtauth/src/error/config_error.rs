//! Why a setting was refused: reported at start, with what to write instead.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use super::{KeyError, RandomError};

/// A setting was refused. Raised at start, read by the developer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// [`JwtAuth::dev`](crate::JwtAuth::dev) was called where real users might be.
    #[error("development mode is refused: {problem}")]
    DevMode {
        /// Why.
        problem: &'static str,
    },
    /// A key was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No secret was given.
    #[error(
        "no signing secret was given: call .secret_from_env(\"JWTAUTH_SECRET\") or .secret_file(\"data/secret\")"
    )]
    MissingSecret,
    /// The environment variable that should hold the secret is not set.
    #[error(
        "environment variable {name} is not set: make a secret with `openssl rand -base64 48` and put it there"
    )]
    MissingSecretVariable {
        /// The variable.
        name: String,
    },
    /// The environment variable that holds the secret has something around it, or is not UTF-8.
    #[error("the signing secret in the environment variable {name}: {problem}")]
    SecretVariable {
        /// The variable.
        name: String,
        /// What it is, and what to do. The secret is not shown.
        problem: &'static str,
    },
    /// Routes or pages for accounts were asked for, and the builder has no accounts.
    #[error("there are no accounts: call .accounts(AccountsConfig::default()) on the builder")]
    NoAccounts,
    /// The store does not keep what a setting needs.
    #[error(
        "this store keeps no {what}, which {needed_by} needs: use SledStore, PostgresStore or MemoryStore, or implement SessionStore::{method}"
    )]
    NotKept {
        /// What it does not keep, in words.
        what: &'static str,
        /// The setting.
        needed_by: &'static str,
        /// The method with which a store says that it keeps it.
        method: &'static str,
    },
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The secret file could not be read or made.
    #[error("secret file {path:?} cannot be used")]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Anybody can put another file in the place of the secret file.
    #[error(
        "secret file {path:?} has a mode that lets others read it, and is in the directory {directory:?}, whose mode {mode:o} lets anybody put a file there: run `chmod 600` on the file and `chmod o-w` on the directory, or put the secret elsewhere, and make a new one if others may have changed it"
    )]
    SecretFileDirectory {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
        /// The permission bits of the directory.
        mode: u32,
    },
    /// Anybody can write the secret file.
    #[error(
        "secret file {path:?} has mode {mode:o}, so anybody can change it: run `chmod 600` on it, and make a new secret if others may have changed it. Where the system keeps no such modes, mount with `umask=077`, or give the secret in the environment with .secret_from_env(..)"
    )]
    SecretFileMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The value of a setting was refused.
    #[error("{name} {got:?} is refused: {problem}")]
    Setting {
        /// The method that sets it: `access_ttl` of a builder, `CookieConfig::domain` of a group.
        name: &'static str,
        /// The value given. Never a secret: for those see [`WeakSecret`](Self::WeakSecret).
        got: String,
        /// What is wrong with the value, and what to write instead.
        problem: Cow<'static, str>,
    },
    /// The signing secret could be guessed.
    #[error("{which} is too weak: {problem}; make a good one with `openssl rand -base64 48`")]
    WeakSecret {
        /// Which secret it is, and where it came from.
        which: String,
        /// What is wrong with it; never any of its bytes.
        problem: &'static str,
    },
    /// The secret of a service is too short.
    #[error(
        "the secret of the service {name:?} has less than 32 bytes: make one with `openssl rand -hex 32`, which every client sends as it is"
    )]
    WeakServiceSecret {
        /// The service.
        name: String,
    },
}

impl ConfigError {
    pub(crate) fn setting(
        name: &'static str,
        got: impl Into<String>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Setting { name, got: got.into(), problem: problem.into() }
    }
}

debug_with_causes!(ConfigError);
