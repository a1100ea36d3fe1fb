//! Why a key was refused. Texts never hold bytes of a key.

use std::io;
use std::path::PathBuf;

use super::{BoxError, RandomError};

/// A [`Key`](crate::Key), or an operation on the key ring, was refused. Read by the developer or operator.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The algorithm does not fit the key: one key is used with one algorithm (RFC 8725bis, section 3.1).
    #[error("algorithm {algorithm} does not fit the key: {problem}")]
    Algorithm {
        /// The algorithm.
        algorithm: &'static str,
        /// Why.
        problem: &'static str,
    },
    /// No HTTP client could be made to fetch a key set.
    #[error("key set {url:?} cannot be fetched: there is no HTTP client")]
    Client {
        /// The address of the set.
        url: String,
        /// Why.
        source: BoxError,
    },
    /// The file could not be read.
    #[error("key file {path:?} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Anybody can put another file in the place of a file with a private key or a secret.
    #[error(
        "key file {path:?} has a mode that lets others read it, and is in the directory {directory:?}, whose mode {mode:o} lets anybody put a file there: run `chmod 600` on the file and `chmod o-w` on the directory, or put the key elsewhere, and make a new one if others may have changed it"
    )]
    FileDirectory {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
        /// The permission bits of the directory.
        mode: u32,
    },
    /// Anybody can write a file with a private key or a secret.
    #[error(
        "key file {path:?} has mode {mode:o}, so anybody can change the private key: run `chmod 600` on it, and make a new key if others may have changed it. Where the system keeps no such modes, mount with `umask=077`, or give the key in the environment with Key::from_env(..)"
    )]
    FileMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key name (`kid`) is not allowed.
    #[error("key name is refused: a `kid` has 1 to 128 visible ASCII characters, and neither `\"` nor `\\`")]
    Kid,
    /// The old secret is the current one.
    #[error("the old secret is the secret that is in use: leave .old_secret(..) away, or change the secret")]
    SameSecret,
    /// A key of this name is in the ring already.
    #[error("key {kid:?} is in the ring already")]
    Known {
        /// The name.
        kid: String,
    },
    /// The bytes are not a key, or not a supported one.
    #[error("key cannot be used: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// The environment variable that should hold the key is not set, or not UTF-8.
    #[error("environment variable {name} is not set, or not UTF-8: put the key there, as PEM or JWK")]
    MissingVariable {
        /// The variable.
        name: String,
    },
    /// The key has no private part.
    #[error("key {kid:?} cannot sign: it is a public key")]
    NotPrivate {
        /// The name.
        kid: String,
    },
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The key signs new tokens.
    #[error("key {kid:?} is the one that signs: let another one sign first")]
    Signs {
        /// The name.
        kid: String,
    },
    /// The key is retired, so it cannot sign.
    #[error("key {kid:?} is retired: it verifies until its end, and signs no more")]
    Retired {
        /// The name.
        kid: String,
    },
    /// The ring is full.
    #[error("the key ring holds at most {max} keys: remove one first")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// No key of this name is in the ring.
    #[error("key {kid:?} is not in the ring")]
    Unknown {
        /// The name.
        kid: String,
    },
    /// The address of a key set is neither `https` nor on this machine.
    #[error(
        "key set {url:?} is refused: write https://host/path, or http:// with localhost, 127.0.0.1 or [::1]; for http:// inside a network where only you run programs, call .key_set_without_tls()"
    )]
    Url {
        /// The address.
        url: String,
    },
    /// The address of a key set has a user or a password in it, which is not sent. They are not shown here.
    #[error(
        "key set {url:?} is refused: it has a user or a password in front of its host. Write it without them: a key set is public"
    )]
    UserInUrl {
        /// The address without them.
        url: String,
    },
    /// The key could be guessed or computed.
    #[error("key is too weak: {problem}")]
    Weak {
        /// What is wrong with it; never any of its bytes.
        problem: &'static str,
    },
}

debug_with_causes!(KeyError);
