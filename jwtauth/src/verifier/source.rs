//! The published keys of an issuer: when they are fetched, and how long they are trusted.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::error::{BoxError, KeyError, TokenError};
use crate::host::WebOrigin;
use crate::key::Key;
use crate::key::jwk::{self, ParsedKeySet};
use crate::token::stateless::ForeignTokens;

/// The least time between two fetches, in seconds, however many unknown `kid`s arrive.
const PAUSE: u64 = 30;

/// How long keys are trusted without a successful fetch, in seconds.
const TRUSTED: u64 = 24 * 60 * 60;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const MAX_LEN: usize = 256 * 1024;

pub(super) const TOO_LONG: &str = "the key set is longer than 256 KiB";

/// An HTTP client: takes an address and returns the body.
pub(crate) type Fetch =
    Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, BoxError>> + Send>> + Send + Sync>;

/// Where keys come from. Clones are one source.
#[derive(Clone)]
pub(crate) struct Source(Arc<SourceParts>);

struct SourceParts {
    url: String,
    fetch: Fetch,
    max_age: u64,
    limit: Duration,
    /// Held while fetching, so that one fetches and the others wait for it.
    fetching: Arc<Mutex<()>>,
    times: std::sync::Mutex<Times>,
    /// What the log has said of keys of the present set.
    skipped: std::sync::Mutex<Vec<String>>,
}

#[derive(Clone, Copy, Default)]
struct Times {
    /// When the last fetch began.
    tried: Option<u64>,
    /// When the last one that succeeded began: the set says what was published then, or later.
    fetched: Option<u64>,
}

/// A user in an address may have a password.
fn refused(url: String) -> KeyError {
    match url.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') && WebOrigin::of_url(&url).is_none() => {
            let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
            KeyError::UserInUrl { url: format!("{scheme}://{place}") }
        }
        _ => KeyError::Url { url },
    }
}

impl Source {
    /// With `without_tls` an address of http may be anywhere.
    pub(crate) fn new(
        url: String,
        fetch: Fetch,
        max_age: Duration,
        without_tls: bool,
    ) -> Result<Self, KeyError> {
        let origin = WebOrigin::of_url(&url);
        if !origin.as_ref().is_some_and(WebOrigin::is_safe) {
            if !(without_tls && origin.is_some_and(|origin| origin.is_http())) {
                return Err(refused(url));
            }
            tracing::warn!(target: "jwtauth", url, "a key set is fetched without TLS: anybody who can change what passes on the way to it can sign tokens for every user");
        }
        Ok(Self(Arc::new(SourceParts {
            url,
            fetch,
            max_age: max_age.as_secs(),
            limit: TIMEOUT,
            fetching: Arc::default(),
            times: std::sync::Mutex::default(),
            skipped: std::sync::Mutex::default(),
        })))
    }

    #[cfg(all(test, feature = "fetch"))]
    pub(super) fn within(mut self, limit: Duration) -> Self {
        Arc::get_mut(&mut self.0).expect("it has no clone yet").limit = limit;
        self
    }

    /// Fetches the keys if they are too old, or if one is `missing`, unless that was tried recently.
    ///
    /// Returns whether this call has fetched them. Then every key that had signed before it is in the set.
    pub(crate) async fn renew(
        &self,
        tokens: &Arc<ForeignTokens>,
        clock: &Arc<dyn Clock>,
        missing: bool,
    ) -> Result<bool, TokenError> {
        let usable =
            |times: Times, now: u64| times.fetched.is_some_and(|at| now.saturating_sub(at) < TRUSTED);
        // What is dated ahead happened before the clock was set back, nobody knows how long ago.
        let is_older = |at: u64, now: u64, age| now.checked_sub(at).is_none_or(|since| since >= age);
        let wanted = |times: Times, now: u64| {
            let old = times.fetched.is_none_or(|at| is_older(at, now, self.0.max_age));
            (old || missing) && times.tried.is_none_or(|at| is_older(at, now, PAUSE))
        };
        let (source, fetching) = (&*self.0, &self.0.fetching);
        let (times, now) = (source.times(), clock.now());
        let waits = missing || !usable(times, now);
        let mut has_fetched = false;
        if wanted(times, now) || waits && fetching.try_lock().is_err() {
            // A request for which the old keys suffice uses them while another one fetches.
            let fetching = Arc::clone(fetching);
            let guard =
                if waits { Some(fetching.lock_owned().await) } else { fetching.try_lock_owned().ok() };
            if let Some(guard) = guard
                && wanted(source.times(), clock.now())
            {
                source.set(|times| times.tried = Some(clock.now()));
                let (source, tokens, clock) = (Arc::clone(&self.0), Arc::clone(tokens), Arc::clone(clock));
                // In its own task: otherwise a client that disconnects in time would delay new keys for 30
                // seconds.
                let fetched = tokio::spawn(async move {
                    let fetched = source.fetch(&tokens, &*clock).await;
                    drop(guard);
                    fetched
                });
                has_fetched = fetched.await.unwrap_or_else(|_| {
                    tracing::error!(target: "jwtauth", "what fetches the key set has panicked");
                    false
                });
            }
        }
        if usable(source.times(), clock.now()) { Ok(has_fetched) } else { Err(TokenError::KeysUnavailable) }
    }

    /// Tells whether the keys were fetched after a time, in Unix seconds.
    pub(crate) fn is_newer_than(&self, time: u64, clock: &dyn Clock) -> bool {
        // One that is dated ahead was made before the clock was set back: nobody knows when.
        self.0.times().fetched.is_some_and(|at| time < at && at <= clock.now())
    }
}

impl SourceParts {
    /// Fetches the keys, and returns whether that succeeded.
    async fn fetch(&self, tokens: &ForeignTokens, clock: &dyn Clock) -> bool {
        let begun = clock.now();
        let body = match tokio::time::timeout(self.limit, (self.fetch)(self.url.clone())).await {
            Ok(body) => body,
            Err(_) => Err(format!("no answer within {:?}", self.limit).into()),
        };
        let replaced = body.and_then(read).and_then(|ParsedKeySet { keys, skipped }| {
            tokens.ring().replace(keys)?;
            Ok(skipped)
        });
        match replaced {
            Ok(skipped) => {
                self.tell_skipped(skipped);
                self.set(|times| times.fetched = Some(begun));
                tracing::debug!(target: "jwtauth", event = "key_set_fetched", url = self.url);
                true
            }
            Err(error) => {
                tracing::warn!(target: "jwtauth", event = "key_set_failed", url = self.url, error = &*error as &dyn std::error::Error);
                false
            }
        }
    }

    /// Logs which keys are passed over and why, unless the log has said just that before.
    fn tell_skipped(&self, skipped: Vec<String>) {
        let mut told = self.skipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for key in skipped.iter().filter(|key| !told.contains(key)) {
            tracing::warn!(target: "jwtauth", event = "key_skipped", url = self.url, "{key}");
        }
        *told = skipped;
    }

    fn times(&self) -> Times {
        *self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Times)) {
        change(&mut self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// Reads the public keys of a set; there must be one.
fn read(body: Vec<u8>) -> Result<ParsedKeySet, BoxError> {
    if body.len() > MAX_LEN {
        return Err(TOO_LONG.into());
    }
    let set = jwk::read_set(&String::from_utf8(body)?, |jwk| match Key::from_jwk(jwk)? {
        key if key.can_sign() => Err(KeyError::Malformed {
            problem: "it is private, so anyone who may read the set could sign with it",
        }),
        key => Ok(key),
    })?;
    match (set.keys.is_empty(), set.skipped.is_empty()) {
        (false, _) => Ok(set),
        (true, false) => Err(format!("no key of the set can be used: {}", set.skipped.join("; ")).into()),
        (true, true) => Err("the key set has no key for signatures: an issuer that signs with a secret publishes none, so give it a key pair with .key(..)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// J-8: keys come over https, or from this machine. M-18: or over http, if that was asked for by name.
    #[test]
    fn j_8_m_18_where_a_key_set_may_be() {
        let is_taken = |url: &str, without_tls| {
            let fetch: Fetch = Box::new(|_| Box::pin(async { Ok(Vec::new()) }));
            Source::new(url.into(), fetch, Duration::from_secs(300), without_tls).is_ok()
        };
        for (url, good) in [
            ("https://login.example.com/jwks.json", true),
            ("https://login.example.com:8443", true),
            ("http://localhost:3000/jwks.json", true),
            ("http://127.0.0.1/jwks.json", true),
            ("http://[::1]:3000/", true),
            ("http://login.example.com/jwks.json", false),
            ("http://localhost.example.com/", false),
            ("http://localhost@example.com/", false),
            ("https://user:word@example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("HTTPS://Login.Example.com/jwks.json", true),
            ("http://LOCALHOST:3000/jwks.json", true),
            ("https://", false),
            ("file:///etc/jwks.json", false),
            ("login.example.com/jwks.json", false),
        ] {
            assert_eq!(is_taken(url, false), good, "{url}");
        }
        for (url, good) in [
            ("http://login.internal:8080/jwks.json", true),
            ("HTTP://Login.Internal/jwks.json", true),
            ("http://10.1.2.3/jwks.json", true),
            ("https://login.example.com/jwks.json", true),
            ("http://user:word@login.internal/", false),
            ("ftp://login.internal/jwks.json", false),
            ("file:///etc/jwks.json", false),
            ("login.internal/jwks.json", false),
        ] {
            assert_eq!(is_taken(url, true), good, "{url}");
        }
    }
}
