//! Verification without sessions, for services that take the access tokens of another one.
//!
//! # Invariants
//!
//! 1. Issuer and audience are always checked; there is no way to build one without them.
//! 2. Nothing here signs, and nothing here can read a refresh token: those have other keys.
//! 3. Nobody who sends tokens can make it fetch keys more than once in 30 seconds (J-8).

mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::source::Source;
use crate::clock::{Clock, SystemClock};
use crate::error::{BoxError, ConfigError, KeyError, TokenError};
use crate::key::Key;
use crate::token::Expected;
use crate::token::stateless::{ForeignTokens, TokenUser};

/// Verifies access tokens of another service that uses jwtauth, by its public keys alone.
///
/// Put it around an app with `.with(verifier)`, and [`TokenUser`] is an extractor there; or ask
/// [`verify`](Self::verify). Only the `Authorization: Bearer` header is read, so no other site can send a
/// user's token. Cheap to clone; clones share keys and memory.
///
/// It cannot know that a session was ended before its token expires. Where that matters, ask the issuer.
///
/// | setting | default | range |
/// |---|---|---|
/// | issuer, audience | none: both are required | not empty |
/// | [`key`](VerifierBuilder::key) | none | 32 keys in all |
/// | [`key_set_url`](VerifierBuilder::key_set_url) | none | https, or this machine |
/// | [`max_age`](VerifierBuilder::max_age) | 5 minutes | 1 minute to 1 day |
/// | [`leeway`](VerifierBuilder::leeway) | 5 seconds | 0 to 1 minute |
/// | [`max_ttl`](VerifierBuilder::max_ttl) | 1 day | 1 second to 1 day |
///
/// ```no_run
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use jwtauth::{Key, TokenUser, Verifier};
/// use poem::{EndpointExt, Route, get, handler};
///
/// #[handler]
/// fn stock(user: TokenUser) -> String { // 401 without a good token
///     user.subject().to_owned()
/// }
///
/// let verifier = Verifier::builder("https://login.example.com", "shop")
///     .key(Key::from_file("login-public.pem")?)
///     .build()?;
/// let app = Route::new().at("/stock", get(stock)).with(verifier);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    tokens: ForeignTokens,
    source: Option<Source>,
    issuer: String,
    audience: String,
    leeway: Duration,
    max_ttl: Duration,
    clock: Arc<dyn Clock>,
}

/// Settings of a [`Verifier`].
#[must_use]
pub struct VerifierBuilder {
    issuer: String,
    audience: String,
    keys: Vec<Key>,
    url: Option<(String, source::Fetch)>,
    max_age: Duration,
    leeway: Duration,
    max_ttl: Duration,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// Starts to configure one, for tokens of this issuer (`iss`) that are meant for this audience (`aud`).
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder {
            issuer: issuer.into(),
            audience: audience.into(),
            keys: Vec::new(),
            url: None,
            max_age: Duration::from_secs(5 * 60),
            leeway: Duration::from_secs(5),
            max_ttl: Duration::from_secs(24 * 60 * 60),
            clock: Arc::new(SystemClock),
        }
    }

    /// Verifies an access token: form, signature and every claim.
    ///
    /// Waits for the network only when the keys are too old or the token names one that is not known.
    ///
    /// # Errors
    ///
    /// [`TokenError::KeysUnavailable`] if there are no keys to verify with: answer 503, not 401. All others
    /// say why the token is refused.
    pub async fn verify(&self, token: &str) -> Result<TokenUser, TokenError> {
        let Inner { tokens, source, clock, .. } = &*self.0;
        let Some(source) = source else { return tokens.verify(token, &self.expected(clock.now())) };
        source.renew(tokens.ring(), &**clock, false).await?;
        match tokens.verify(token, &self.expected(clock.now())) {
            Err(TokenError::UnknownKey) => {
                source.renew(tokens.ring(), &**clock, true).await?;
                tokens.verify(token, &self.expected(clock.now()))
            }
            verified => verified,
        }
    }

    fn expected(&self, now: u64) -> Expected<'_> {
        let Inner { issuer, audience, leeway, max_ttl, .. } = &*self.0;
        Expected { issuer, audience, now, leeway: leeway.as_secs(), max_ttl: max_ttl.as_secs() }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { issuer, audience, .. } = &*self.0;
        f.debug_struct("Verifier").field("issuer", issuer).field("audience", audience).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl VerifierBuilder {
    /// Takes a key. May be called again; with [`key_set_url`](Self::key_set_url) the set takes their place.
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Takes the keys from the issuer's published set, fetched when first needed.
    ///
    /// `fetch` gets the address and returns the body, with whatever HTTP client the application has. Let it
    /// follow no redirects, and treat anything but 200 as an error. It gets 5 seconds; a body above 256 KiB
    /// is refused. One fetch runs at a time, and after each, failed or not, there is none for 30 seconds.
    ///
    /// While fetching fails, the keys that are there stay in use for up to a day. Secrets and private keys in
    /// the set are never used.
    ///
    /// ```
    /// # use jwtauth::{ConfigError, Verifier};
    /// # async fn get(_: String) -> Result<Vec<u8>, std::io::Error> { Ok(Vec::new()) }
    /// # fn run() -> Result<Verifier, ConfigError> {
    /// Verifier::builder("https://login.example.com", "shop")
    ///     .key_set_url("https://login.example.com/.well-known/jwks.json", |url| async {
    ///         Ok(get(url).await?)
    ///     })
    ///     .build()
    /// # }
    /// ```
    pub fn key_set_url<F, R>(mut self, url: impl Into<String>, fetch: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<u8>, BoxError>> + Send + 'static,
    {
        self.url = Some((url.into(), Box::new(move |url| Box::pin(fetch(url)))));
        self
    }

    /// Sets after how long the key set is fetched anew.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets by how much the issuer's clock may differ.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets the longest lifetime that a token may have.
    pub fn max_ttl(mut self, ttl: Duration) -> Self {
        self.max_ttl = ttl;
        self
    }

    /// Sets the clock that everything is decided by. For tests: see [`ManualClock`](crate::ManualClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] for the first setting that is refused; [`KeyError::Malformed`] in it if there is neither
    /// a key nor the address of a set.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let day = Duration::from_secs(24 * 60 * 60);
        let minute = Duration::from_secs(60);
        for (name, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                return Err(ConfigError::Empty { name });
            }
        }
        crate::config::within("max_age", self.max_age, minute, day)?;
        crate::config::within("leeway", self.leeway, Duration::ZERO, minute)?;
        crate::config::within("max_ttl", self.max_ttl, Duration::from_secs(1), day)?;
        if self.keys.is_empty() && self.url.is_none() {
            return Err(
                KeyError::Malformed { problem: "a verifier needs a key, or the address of a set" }.into()
            );
        }
        let source = match self.url {
            Some((url, fetch)) => Some(Source::new(url, fetch, self.max_age)?),
            None => None,
        };
        Ok(Verifier(Arc::new(Inner {
            tokens: ForeignTokens::new(self.keys)?,
            source,
            issuer: self.issuer,
            audience: self.audience,
            leeway: self.leeway,
            max_ttl: self.max_ttl,
            clock: self.clock,
        })))
    }
}
