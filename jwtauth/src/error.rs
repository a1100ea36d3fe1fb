//! Every public error but [`Rejection`](crate::Rejection), which speaks HTTP and lives in `web`.
//!
//! A function returns the error of its own floor; `From` lifts it to the next. Texts are lower case,
//! without a full stop, say what was wrong and what to do, and never hold a secret or a token.

#[cfg(feature = "accounts")]
mod accounts;
mod key;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "accounts")]
pub use self::accounts::AccountError;
pub use self::key::KeyError;

/// An error of the application's own code.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The operating system's random number generator failed. There is no fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct RandomError;

/// A text is no id: an id has 22 characters of unpadded base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 22 characters of base64url")]
pub struct ParseIdError;

/// A setting was refused. Raised at start, read by the developer.
///
/// `Debug` shows the message and its causes, because that is what a `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A cookie cannot be for this domain.
    #[error("cookie domain {domain:?} is refused: write the name of a host, such as \"example.com\"")]
    CookieDomain {
        /// The domain.
        domain: String,
    },
    /// A cookie cannot be for this path.
    #[error(
        "cookie path {path:?} is refused: start it with a slash, and leave out white space and semicolons"
    )]
    CookiePath {
        /// The path.
        path: String,
    },
    /// A cookie name is not a token of RFC 9110, or breaks the rules of its `__Host-` or `__Secure-` prefix.
    #[error("cookie name {name:?} is refused: {problem}")]
    CookieName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The header that should hold the id of a device cannot.
    #[error("device id header {name:?} is refused: {problem}")]
    DeviceIdHeader {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// [`JwtAuth::dev`](crate::JwtAuth::dev) was called where real users might be.
    #[error("development mode is refused: {problem}")]
    DevMode {
        /// Why.
        problem: &'static str,
    },
    /// The issuer or the audience is empty.
    #[error("{name} must not be empty")]
    Empty {
        /// The setting.
        name: &'static str,
    },
    /// A path that is exempt from the cross-origin check does not start with `/`.
    #[error("exempt path {pattern:?} is refused: start it with a slash")]
    ExemptPath {
        /// The pattern.
        pattern: String,
    },
    /// A key was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What is denied by default redirects to a login page that is denied as well.
    #[error("strangers are sent to the login page {page:?} and refused there: add .public(\"GET {page}\")")]
    LoginPage {
        /// The path of the page.
        page: String,
    },
    /// No secret was given.
    #[error(
        "no signing secret was given: call .secret_from_env(\"JWTAUTH_SECRET\") or .secret_file(\"data/secret\")"
    )]
    MissingSecret,
    /// The environment variable that should hold the secret is not set, or not UTF-8.
    #[error(
        "environment variable {name} is not set: make a secret with `openssl rand -base64 48` and put it there"
    )]
    MissingSecretVariable {
        /// The variable.
        name: String,
    },
    /// The number of sessions that a subject may have is outside its bounds.
    #[error("max_sessions must be between 1 and {max}, got {got}")]
    MaxSessions {
        /// The greatest value.
        max: usize,
        /// The value given.
        got: usize,
    },
    /// Accounts were asked for, and the store keeps none.
    #[error(
        "this store keeps no accounts: use SledStore or MemoryStore, or implement SessionStore::account_store"
    )]
    NoAccountStore,
    /// A number is outside its bounds.
    #[error("{name} must be between {min} and {max}, got {got}")]
    NumberOutOfRange {
        /// The setting.
        name: &'static str,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
        /// The value given.
        got: u64,
    },
    /// A duration is outside its bounds.
    #[error("{name} must be between {min:?} and {max:?}, got {got:?}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// The least value.
        min: Duration,
        /// The greatest value.
        max: Duration,
        /// The value given.
        got: Duration,
    },
    /// A public route would cover nothing, or too much, or there is nothing else.
    #[error("public route {route:?} is refused: {problem}")]
    PublicRoute {
        /// The route.
        route: String,
        /// What is wrong with it, and what to write.
        problem: &'static str,
    },
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The file that should hold the secret could not be read or made.
    #[error("secret file {path:?} cannot be used")]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The secret file may be read by group or others.
    #[error(
        "secret file {path:?} has mode {mode:o}, so others can read it: run `chmod 600` on it, and make a new secret if others may have read it"
    )]
    SecretFileMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The header that should hold access tokens cannot.
    #[error("token header {name:?} is refused: {problem}")]
    TokenHeader {
        /// The name.
        name: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// A scheme that should stand before access tokens cannot.
    #[error("token scheme {scheme:?} is refused: {problem}")]
    TokenScheme {
        /// The scheme.
        scheme: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// A trusted origin is not of the form `scheme://host[:port]`.
    #[error(
        "trusted origin {origin:?} is refused: write scheme://host or scheme://host:port, without path, query or trailing slash"
    )]
    TrustedOrigin {
        /// The origin.
        origin: String,
    },
    /// A trusted proxy is neither an address nor a network, or it would be everybody.
    #[error("trusted proxy {proxy:?} is refused: {problem}")]
    TrustedProxy {
        /// The proxy.
        proxy: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Password hashes would be too cheap to guess against.
    #[error(
        "argon2 with {memory_kib} KiB and {passes} passes is too weak: take 19456 KiB and 2 passes, or another of OWASP's choices"
    )]
    WeakHashing {
        /// The memory, in KiB.
        memory_kib: u32,
        /// The passes over it.
        passes: u32,
    },
    /// The claim that should hold the user's id has another meaning, or no name.
    #[error(
        "claim {name:?} cannot hold the user's id: take the USER_ID_CLAIM of the other service, or `sub`"
    )]
    UserIdClaim {
        /// The name.
        name: String,
    },
    /// The signing secret could be guessed.
    #[error("the signing secret is too weak: {problem}; make a good one with `openssl rand -base64 48`")]
    WeakSecret {
        /// What is wrong with it; never any of its bytes.
        problem: &'static str,
    },
}

/// Why a token was refused. For the log; a client gets one of a few fixed sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The signature does not belong to the text.
    #[error("signature does not match")]
    BadSignature,
    /// A claim is missing, of the wrong type or out of range.
    #[error("claim {0} is missing or malformed")]
    Claim(&'static str),
    /// The claims do not fit the type that the application reads them into.
    #[error("claims do not fit `{expected}`")]
    Claims {
        /// The type.
        expected: &'static str,
    },
    /// The token is past its `exp`. Its signature is good.
    #[error("token is expired")]
    Expired,
    /// A header member that must not be there, or is malformed.
    #[error("header member {0} is missing, malformed or not supported")]
    Header(&'static str),
    /// The issuer's keys could not be had, so nothing can be said of the token.
    #[error("the keys of the issuer are not available")]
    KeysUnavailable,
    /// Not a compact JWS of three strict base64url parts that hold JSON objects.
    #[error("token is malformed")]
    Malformed,
    /// `nbf` or `iat` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// Longer than 8 KiB.
    #[error("token is too long")]
    TooLong,
    /// `kid` names no key of ours, or one that has ended.
    #[error("token names an unknown key")]
    UnknownKey,
    /// `alg` is not the algorithm of the key.
    #[error("token was made with another algorithm")]
    WrongAlgorithm,
    /// `aud` does not name us.
    #[error("token is meant for another audience")]
    WrongAudience,
    /// `iss` is not the configured issuer.
    #[error("token has another issuer")]
    WrongIssuer,
    /// A token where one of another kind belongs: a refresh token for an access token, say.
    #[error("token is of another kind")]
    WrongKind,
}

/// The session store failed; what it was asked may or may not have happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An error of a store that is not part of this crate.
    #[error("session store failed")]
    Backend(#[source] BoxError),
    /// The store was closed.
    #[error("session store is closed")]
    Closed,
    /// The files are damaged. No session in them was changed.
    #[error(
        "session store {path:?} is damaged ({problem}): restore it from a backup, or move it away to start empty (everybody logs in again)"
    )]
    Corrupt {
        /// The directory of the store.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The operating system refused a read or a write.
    #[error("session store {path:?}: cannot {action}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process, or another handle of this one, has the store open.
    #[error(
        "session store {path:?} is in use by another process: stop it first, or give this one a directory of its own"
    )]
    Locked {
        /// The directory of the store.
        path: PathBuf,
    },
    /// The directory holds files that are not ours, so it was left alone.
    #[error(
        "directory {path:?} holds {found:?}, which is no part of a session store: give the store a directory of its own"
    )]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// The first foreign entry.
        found: String,
    },
    /// The directory may not be written.
    #[error("session store {path:?} (mode {mode:o}) cannot be written by this user")]
    Permission {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store holds less than was once acknowledged: an old backup, or a file cut short.
    #[error(
        "session store {path:?} has lost its last {lost} changes (an old backup, or a file cut short), so ended sessions might be alive in it: restore the newest copy, or move it away to start empty (everybody logs in again)"
    )]
    RolledBack {
        /// The directory of the store.
        path: PathBuf,
        /// How many acknowledged changes are missing.
        lost: u64,
    },
    /// The store did not answer in time; the change may still be made.
    #[error("session store did not answer within {after:?}")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// A record is larger than the store takes.
    #[error("record has {got} bytes, at most {max} are kept: store less in the user value or session")]
    TooLarge {
        /// The size, in bytes.
        got: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The store was written by another version of this crate, in a layout that this one does not read.
    #[error(
        "session store {path:?} is of layout {found}, and this version reads layout {supported}: open it with the version that wrote it, or move it away to start empty (everybody logs in again)"
    )]
    Version {
        /// The directory of the store.
        path: PathBuf,
        /// The layout of its records.
        found: u8,
        /// The layout that is read and written.
        supported: u8,
    },
    /// The store failed before and is not usable until it could be opened anew.
    #[error(
        "session store {path:?} is not usable after an earlier failure; it is opened anew when the disk allows it"
    )]
    Unavailable {
        /// The directory of the store.
        path: PathBuf,
    },
}

/// [`JwtAuthBuilder::open`](crate::JwtAuthBuilder::open) failed.
///
/// `Debug` shows the message and its causes, because that is what a `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session was not opened, resumed or refreshed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A claim of the application's own cannot be in a token; see [`JwtAuthBuilder::access_claims`](crate::JwtAuthBuilder::access_claims).
    #[error("claims of the application's own are refused: {problem}")]
    ClaimRefused {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The application could not say which claims of its own an access token is to have.
    #[error("claims of the application's own could not be had")]
    Claims(#[source] BoxError),
    /// The session is past its idle or absolute limit, or its record is gone.
    #[error("session has ended")]
    Ended,
    /// A hook that is asked before a login has not answered, so nobody was logged in.
    #[error("a hook has not answered within {after:?} whether somebody may log in")]
    HookTimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The user is not active ([`AuthUser::is_active`](crate::AuthUser::is_active)).
    #[error("user is not active")]
    Inactive,
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A spent refresh token came back outside the grace window; its session is now revoked.
    #[error("refresh token was used before; its session is revoked")]
    Reused,
    /// The session was revoked.
    #[error("session is revoked")]
    Revoked,
    /// The store failed; the session's state is unknown.
    #[error("session store failed")]
    Store(#[from] StoreError),
    /// The subject is empty or longer than 255 bytes.
    #[error("a subject has 1 to 255 bytes, got {got}")]
    Subject {
        /// Its length, in bytes.
        got: usize,
    },
    /// A token would not fit into a cookie: browsers keep 4096 bytes with the name (RFC 6265bis, section 5.7).
    #[error(
        "a token would have {got} bytes and {max} fit into a cookie: give the user fewer roles and scopes"
    )]
    TokenTooLarge {
        /// The length of the token, in bytes.
        got: usize,
        /// The greatest length, in bytes.
        max: usize,
    },
    /// The token failed before the store was asked.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A hook of the application refused the login.
    #[error("a hook refused the login")]
    Vetoed,
    /// The user value could not be written into the session.
    #[error("user value cannot be kept in the session")]
    User(#[source] BoxError),
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(self, f)
    }
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(self, f)
    }
}

/// Writes an error and, each on a line of its own, what caused it.
fn with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, "\n  caused by: {error}")?;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_that_returns_one_prints_what_to_do_and_why() {
        let refused = OpenError::Config(ConfigError::WeakSecret { problem: "it repeats itself" });
        assert!(format!("{refused:?}").contains("openssl rand -base64 48"), "{refused:?}");
        let source = io::Error::other("no space left");
        let failed = OpenError::Store(StoreError::Io { path: "data".into(), action: "open", source });
        assert_eq!(format!("{failed:?}"), "session store \"data\": cannot open\n  caused by: no space left");
    }
}
