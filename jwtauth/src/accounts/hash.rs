//! Passwords and their hashes. The only file that names Argon2.
//!
//! A hash takes tens of milliseconds and megabytes by design. So it runs beside the async workers, a few at a
//! time, and the number of waiting hashes is limited: a flood of logins gets "try again" and cannot use all
//! memory.
//!
//! # Invariants
//!
//! 1. A password is overwritten after use, and a hash leaves this module only for the store.
//! 2. Each check costs one hash, even if no account has the name (S-16).
//! 3. An abandoned attempt still holds its place until its hash is done, because the hash continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use argon2::{PasswordHash as Phc, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::AccountsConfig;
use super::name::Name;
use crate::error::{AccountError, RandomError};
use crate::secret;
use crate::store::PasswordHash;

/// The longest password, in bytes as it was typed.
const MAX_PASSWORD: usize = 1024;

/// What lenient decoders, such as poem's `Form`, put in the place of bytes that are no UTF-8. With it two
/// passwords would be one (N-20).
const REPLACED: char = char::REPLACEMENT_CHARACTER;

const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;

/// A password, normalised: NFC, every space a plain space (RFC 8265, section 4.2), so that all keyboards type
/// the same.
#[derive(Clone)]
pub(super) struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password to check. `None` if no account has it: it is too long, or parts of it were replaced.
    pub(super) fn typed(text: &str) -> Option<Self> {
        if text.len() > MAX_PASSWORD || text.contains(REPLACED) {
            return None;
        }
        // Room enough for the longest form, so that no part of it is left behind by growing.
        let mut password = Zeroizing::new(String::with_capacity(text.len() * 3));
        let spaces = |c: char| if c != ' ' && is_space(c) { ' ' } else { c };
        password.extend(text.nfc().map(spaces));
        Some(Self(password))
    }

    /// Takes a newly chosen password. The error says what to do.
    pub(super) fn chosen(text: &str, name: &str, min: usize) -> Result<Self, String> {
        if text.contains(REPLACED) {
            return Err("it came in another charset, and parts of it were replaced: send UTF-8".into());
        }
        let password = Self::typed(text).ok_or_else(|| format!("it has more than {MAX_PASSWORD} bytes"))?;
        if password.0.chars().count() < min {
            return Err(format!("it has fewer than {min} characters: a few words make a good one"));
        }
        if Name::parse(&password.0).is_ok_and(|as_name| as_name.key == name) {
            return Err("it is the name: choose another one".into());
        }
        Ok(password)
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() && !c.is_control()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) matches: bool,
    /// The hash was made with other parameters than are used now.
    pub(super) stale: bool,
}

/// Hashes passwords, a few at a time.
#[derive(Debug)]
pub(super) struct Hasher {
    params: Params,
    /// Those that hash now.
    turns: Arc<Semaphore>,
    /// Those and the ones that wait.
    places: Arc<Semaphore>,
    /// The hash that is checked for unknown names.
    nobody: PasswordHash,
    computed: Arc<AtomicU64>,
}

impl Hasher {
    pub(super) fn new(config: &AccountsConfig) -> Result<Self, RandomError> {
        let params = Params::new(config.memory, config.passes, config.lanes, Some(HASH_LEN))
            .expect("the bounds of the settings are within those of Argon2");
        // A hash that belongs to no password costs as much to compare with as any other.
        let (salt, hash) = (base64(&secret::random::<SALT_LEN>()?), base64(&secret::random::<HASH_LEN>()?));
        let (memory, passes, lanes) = (config.memory, config.passes, config.lanes);
        let nobody = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}");
        Ok(Self {
            params,
            turns: Arc::new(Semaphore::new(config.hashers)),
            places: Arc::new(Semaphore::new(config.hashers + config.waiting)),
            nobody: PasswordHash::from_phc(nobody),
            computed: Arc::default(),
        })
    }

    pub(super) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    pub(super) async fn hash(&self, password: Password) -> Result<PasswordHash, AccountError> {
        let argon2 = self.argon2();
        let salt = secret::random::<SALT_LEN>()?;
        self.run(move || {
            let hash: Phc = argon2
                .hash_password_with_salt(password.0.as_bytes(), &salt)
                .map_err(|error| AccountError::Hashing { problem: error.to_string() })?;
            Ok(PasswordHash::from_phc(hash.to_string()))
        })
        .await
    }

    /// Checks a password against a hash, or against that of nobody, which takes as long.
    pub(super) async fn check(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Checked, AccountError> {
        let (argon2, nobody) = (self.argon2(), self.nobody.clone());
        self.run(move || {
            let found = hash.as_ref().and_then(|hash| Phc::new(hash.as_phc()).ok());
            if hash.is_some() && found.is_none() {
                tracing::error!(target: "jwtauth", "the hash of an account is malformed: set its password again");
            }
            let is_somebody = found.is_some();
            let Some(hash) = found.or_else(|| Phc::new(nobody.as_phc()).ok()) else {
                return Err(AccountError::Hashing { problem: "the hash of nobody is malformed".into() });
            };
            // In constant time, with the parameters in the hash, not the current ones.
            let matches = argon2.verify_password(password.0.as_bytes(), &hash).is_ok();
            Ok(Checked { matches: matches && is_somebody, stale: is_stale(&hash, argon2.params()) })
        })
        .await
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| AccountError::Busy)?;
        // OK because nobody closes it.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| AccountError::Busy)?;
        let computed = Arc::clone(&self.computed);
        let working = tokio::task::spawn_blocking(move || {
            let _until_done = (place, turn);
            computed.fetch_add(1, Ordering::Relaxed);
            work()
        });
        // It panicked, or the runtime is going down.
        working.await.unwrap_or_else(|_| Err(AccountError::Hashing { problem: "it was given up".into() }))
    }
}

fn is_stale(hash: &Phc, params: &Params) -> bool {
    let is_like = |found: Params| {
        found.m_cost() == params.m_cost()
            && found.t_cost() == params.t_cost()
            && found.p_cost() == params.p_cost()
    };
    hash.algorithm != ARGON2ID_IDENT
        || hash.version != Some(Version::V0x13.into())
        || hash.hash.is_none_or(|hash| hash.len() != HASH_LEN)
        || !Params::try_from(hash).is_ok_and(is_like)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(config: AccountsConfig) -> Hasher {
        Hasher::new(&config).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    /// S-16: Argon2id with OWASP's parameters, and every check costs one hash.
    #[tokio::test]
    async fn s_16_a_hash_is_checked_and_nobody_costs_the_same() {
        let hasher = hasher(AccountsConfig::default());
        let hash = hasher.hash(password("correct horse")).await.unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_phc());
        assert_eq!(hash.as_phc().len(), hasher.nobody.as_phc().len());
        let other = hasher.hash(password("correct horse")).await.unwrap();
        assert_ne!(hash, other, "a salt each");
        for (typed, hash, matches) in [
            ("correct horse", Some(&hash), true),
            ("correct\u{a0}horse", Some(&hash), true),
            ("correct hors", Some(&hash), false),
            ("", Some(&hash), false),
            ("correct horse", None, false),
        ] {
            let before = hasher.computed();
            let checked = hasher.check(password(typed), hash.cloned()).await.unwrap();
            assert_eq!(checked, Checked { matches, stale: false }, "{typed:?}");
            assert_eq!(hasher.computed() - before, 1, "{typed:?}");
        }
        let broken =
            hasher.check(password("x"), Some(PasswordHash::from_phc("broken".into()))).await.unwrap();
        assert!(!broken.matches);
    }

    /// Accounts outlive releases: this hash was made by argon2 0.5.
    #[tokio::test]
    async fn a_hash_of_an_earlier_release_matches_and_is_not_stale() {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$L6UCGWcIXlErHlTzjWCLWQ$ed5iOkQpuDM0QUMq55Wgghz8Ik1UrMcusaC2uyTeUGc";
        let hasher = hasher(AccountsConfig::default());
        for (typed, matches) in [("builder", true), ("Builder", false)] {
            let hash = Some(PasswordHash::from_phc(hash.into()));
            let checked = hasher.check(password(typed), hash).await.unwrap();
            assert_eq!(checked, Checked { matches, stale: false }, "{typed:?}");
        }
    }

    #[tokio::test]
    async fn other_parameters_are_noticed() {
        let hash = hasher(AccountsConfig::default()).hash(password("correct horse")).await.unwrap();
        for (memory, passes, lanes) in [(19_457, 2, 1), (19_456, 3, 1), (19_456, 2, 2)] {
            let hasher = hasher(AccountsConfig::default().argon2(memory, passes, lanes));
            let checked = hasher.check(password("correct horse"), Some(hash.clone())).await.unwrap();
            assert_eq!(checked, Checked { matches: true, stale: true }, "{memory} {passes} {lanes}");
        }
        // Of other kinds, as another program may have made them.
        let short = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Ng";
        let dependent = hash.as_phc().replace("argon2id", "argon2i");
        let old = hash.as_phc().replace("v=19", "v=16");
        for other in [short, &dependent, &old] {
            assert!(
                is_stale(&Phc::new(other).unwrap(), &Params::new(19_456, 2, 1, Some(32)).unwrap()),
                "{other}"
            );
        }
    }

    /// Bounded: with one at work and one waiting, the third is told to come again.
    #[tokio::test]
    async fn nobody_waits_beyond_the_bound() {
        let hasher = Arc::new(hasher(AccountsConfig::default().hashers(1).waiting(1)));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let hasher = Arc::clone(&hasher);
            async move { hasher.run(move || Ok(wait.recv().is_ok())).await }
        });
        while hasher.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let hasher = Arc::clone(&hasher);
            async move { hasher.hash(password("correct horse")).await }
        });
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            assert!(matches!(hasher.hash(password("x")).await, Err(AccountError::Busy)));
        }
        // An abandoned attempt frees nothing while its hash runs.
        first.abort();
        assert!(first.await.is_err());
        assert!(matches!(hasher.hash(password("x")).await, Err(AccountError::Busy)));
        go.send(()).unwrap();
        second.await.unwrap().unwrap();
        hasher.hash(password("x")).await.unwrap();
    }

    #[test]
    fn passwords_have_a_length_and_are_not_the_name() {
        let chosen = |text: &str| Password::chosen(text, "alice@example.com", 8);
        let (longest, too_long) = ("x".repeat(1024), "x".repeat(1025));
        for good in ["12345678", "\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}", "two words", &longest] {
            assert!(chosen(good).is_ok(), "{good:?}");
        }
        for bad in ["", "1234567", "😀😀😀😀😀😀😀", &too_long, "Alice@Example.com", " alice@example.com"]
        {
            assert!(chosen(bad).is_err(), "{bad:?}");
        }
        // Seven characters, whichever way they were typed.
        assert!(chosen("e\u{301}".repeat(7).as_str()).is_err());
        let same = [("e\u{301}", "\u{e9}"), ("\u{3000}", " "), ("\u{2003}", " ")];
        for (one, other) in same {
            assert_eq!(*password(one).0, *password(other).0, "{one:?} and {other:?}");
        }
        assert_ne!(*password("\u{ff21}").0, *password("A").0, "no more is folded than how it was typed");
        let growing = password(&"\u{1d160}".repeat(256));
        assert!(growing.0.len() <= 3 * 1024);
    }
}
