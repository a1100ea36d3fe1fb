//! Why a setting was refused: told at start, with what to write instead.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{KeyError, RandomError, with_causes};

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
    /// Tokens of another service are to be taken ([`Compat`](crate::Compat)), and the store keeps no values, so none of
    /// them could be revoked.
    #[error(
        "this store keeps no values, which .compat(..) needs: use SledStore or MemoryStore, or implement SessionStore::value_store"
    )]
    NoValueStore,
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
    #[error("{name} must be between {} and {}{}, got {}", told(min), told(max), bound_to(name), told(got))]
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
    /// A ready-made route, or a service that may ask one, cannot be as it was asked for.
    #[error("{name} {got:?} is refused: {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value given.
        got: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The signing secret could be guessed.
    #[error("{which} is too weak: {problem}; make a good one with `openssl rand -base64 48`")]
    WeakSecret {
        /// Which one it is, and where it came from.
        which: String,
        /// What is wrong with it; never any of its bytes.
        problem: &'static str,
    },
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(self, f)
    }
}

/// Says a length of time in its largest whole unit.
fn told(time: &Duration) -> String {
    let seconds = time.as_secs();
    if *time != Duration::from_secs(seconds) {
        return format!("{time:?}");
    }
    let units = [(24 * 60 * 60, "day"), (60 * 60, "hour"), (60, "minute"), (1, "second")];
    let (length, unit) = units
        .into_iter()
        .find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length))
        .unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Says which other setting bounds one, for somebody who has never touched it.
fn bound_to(name: &str) -> &'static str {
    match name {
        "absolute_ttl" => " (no shorter than refresh_ttl)",
        "leeway" => " (at most a quarter of access_ttl)",
        "refresh_ttl" => " (no shorter than access_ttl)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_told_in_units_that_people_use_and_with_what_it_depends_on() {
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        let said = |name, min, max, got| ConfigError::OutOfRange { name, min, max, got }.to_string();
        assert_eq!(
            said("absolute_ttl", days(60), days(400), days(30)),
            "absolute_ttl must be between 60 days and 400 days (no shorter than refresh_ttl), got 30 days"
        );
        assert_eq!(
            said("store_timeout", Duration::from_millis(100), Duration::from_secs(60), Duration::ZERO),
            "store_timeout must be between 100ms and 1 minute, got 0 seconds"
        );
        let odd = Duration::from_secs(3_660);
        assert_eq!(
            said("grace", Duration::ZERO, Duration::from_secs(300), odd),
            "grace must be between 0 seconds and 5 minutes, got 61 minutes"
        );
    }
}
