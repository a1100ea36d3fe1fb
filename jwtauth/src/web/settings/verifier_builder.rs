//! The settings of a [`Verifier`], and what is refused at start.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::compat::Compat;
use crate::config::{not_empty, within};
use crate::error::{BoxError, ConfigError, KeyError};
use crate::issuer_profile::IssuerProfile;
use crate::key::Key;
use crate::token::stateless::{ForeignTokens, TokenForm};
use crate::verifier::Verification;
use crate::verifier::source::{Fetch, Source};
use crate::web::guard::default_guard::DefaultGuard;
use crate::web::guard::require_auth::{RequireAuth, TreeGuard};
use crate::web::headers::token_header::TokenHeader;
use crate::web::state::{FrontGate, Verifier, VerifierState};

#[doc = include_str!("../../docs/verifier_builder.md")]
#[must_use]
pub struct VerifierBuilder {
    issuer: String,
    audience: String,
    keys: Vec<Key>,
    key_set: Option<KeySet>,
    without_tls: bool,
    max_age: Duration,
    leeway: Duration,
    max_ttl: Duration,
    form: TokenForm,
    default_guard: Option<TreeGuard>,
    public: Vec<String>,
    clock: Arc<dyn Clock>,
}

/// Where the published keys are, and who fetches them.
enum KeySet {
    /// This library.
    #[cfg(feature = "fetch")]
    Url(String),
    /// The application.
    With(String, Fetch),
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Starts to configure one, for tokens of this issuer (`iss`) and this audience (`aud`).
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into(), audience.into())
    }
}

impl VerifierBuilder {
    fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            keys: Vec::new(),
            key_set: None,
            without_tls: false,
            max_age: Duration::from_secs(5 * 60),
            leeway: Duration::from_secs(5),
            max_ttl: Duration::from_secs(24 * 60 * 60),
            form: TokenForm::Own,
            default_guard: None,
            public: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Accepts tokens that this key signed. May be called again. The keys of a key set replace these.
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Fetches the keys from the issuer's published set when first needed. Feature `fetch`.
    ///
    /// The client follows no redirects, uses no proxies of the environment and keeps no cookies. It accepts
    /// only a 200 with a key set of up to 256 KiB within 5 seconds. Certificates are checked against those
    /// that the system trusts. If there are none, an https address is refused ([`KeyError::Client`]). The
    /// rest is as with [`key_set_with`](Self::key_set_with).
    ///
    /// ```
    /// # fn run() -> Result<jwtauth::Verifier, jwtauth::error::ConfigError> {
    /// use jwtauth::Verifier;
    ///
    /// // A `JwtAuth` publishes its keys there with `.at("/.well-known/jwks.json", jwtauth.jwks())`.
    /// Verifier::builder("https://login.example.com", "shop")
    ///     .key_set_url("https://login.example.com/.well-known/jwks.json")
    ///     .build()
    /// # }
    /// ```
    #[cfg(feature = "fetch")]
    pub fn key_set_url(mut self, url: impl Into<String>) -> Self {
        self.key_set = Some(KeySet::Url(url.into()));
        self
    }

    /// Fetches the keys from the issuer's published set with the application's own HTTP client.
    ///
    /// `fetch` gets the address and returns the body. Let it follow no redirects, and treat every status
    /// except 200 as an error. It has 5 seconds, and a body above 256 KiB is refused. One fetch runs at a
    /// time. After each, failed or not, there is none for 30 seconds, even for an unknown key.
    ///
    /// While fetching fails, the present keys stay in use for up to a day. Secrets and private keys in the
    /// set are never used.
    ///
    /// ```
    /// # use jwtauth::error::ConfigError;
    /// # use jwtauth::Verifier;
    /// # async fn get(_: String) -> Result<Vec<u8>, std::io::Error> { Ok(Vec::new()) }
    /// # fn run() -> Result<Verifier, ConfigError> {
    /// Verifier::builder("https://login.example.com", "shop")
    ///     .key_set_with("https://login.example.com/.well-known/jwks.json", |url| async {
    ///         Ok(get(url).await?)
    ///     })
    ///     .build()
    /// # }
    /// ```
    pub fn key_set_with<F, R>(mut self, url: impl Into<String>, fetch: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<u8>, BoxError>> + Send + 'static,
    {
        let fetch: Fetch = Box::new(move |url| Box::pin(fetch(url)));
        self.key_set = Some(KeySet::With(url.into(), fetch));
        self
    }

    /// Also fetches the key set over plain http, from any host. Default: only from this machine.
    ///
    /// Without TLS nothing proves who answers. Anybody who can change what passes on the way to the issuer
    /// can put keys of their own into the set, and then sign tokens for every user with every role. So this
    /// is for a network where only you run programs, such as one inside a cluster. Better ways: https with a
    /// certificate of your own that the system trusts, a sidecar that speaks TLS, or the public key itself in
    /// a file, with [`key`](Self::key). The log warns of it at start.
    ///
    /// ```
    /// # #[cfg(feature = "fetch")]
    /// # fn run() -> Result<jwtauth::Verifier, jwtauth::error::ConfigError> {
    /// use jwtauth::Verifier;
    ///
    /// Verifier::builder("login", "shop")
    ///     .key_set_url("http://login.internal:8080/auth/.well-known/jwks.json")
    ///     .key_set_without_tls()
    ///     .build()
    /// # }
    /// ```
    pub fn key_set_without_tls(mut self) -> Self {
        self.without_tls = true;
        self
    }

    /// Sets the age at which the key set is fetched again.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets by how much the issuer's clock may differ.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets the longest lifetime that a token may have, from its `iat` to its `exp`. Entra ID issues tokens
    /// of up to 28 hours to clients that support continuous access evaluation: set a longer time than the
    /// default of one day for them.
    pub fn max_ttl(mut self, ttl: Duration) -> Self {
        self.max_ttl = ttl;
        self
    }

    /// Also accepts access tokens of djangorestframework-simplejwt: see [`Compat`], for the rules.
    ///
    /// Nothing is written. A token is accepted until it expires, and only its claims count. The subject is
    /// its claim `user_id`. Roles and scopes are its claims `roles` (an array) and `scope` (text), if Django
    /// writes them. Without `auth_time`, no login counts as fresh. Django names no key in its tokens, so the
    /// verifier must have exactly one.
    ///
    /// ```
    /// # fn run() -> Result<jwtauth::Verifier, jwtauth::error::ConfigError> {
    /// use jwtauth::keys::Algorithm;
    /// use jwtauth::{Compat, Key, Verifier};
    ///
    /// // SIMPLE_JWT["SIGNING_KEY"], and ISSUER and AUDIENCE, if Django has any.
    /// # let signing_key = [7; 32];
    /// Verifier::builder("https://django.example.com", "shop")
    ///     .key(Key::hmac(Algorithm::HS256, signing_key)?)
    ///     .compat(Compat::simplejwt())
    ///     .build()
    /// # }
    /// ```
    pub fn compat(mut self, compat: Compat) -> Self {
        self.form = TokenForm::Compat(compat);
        self
    }

    /// Accepts the access tokens of somebody else's issuer, such as Keycloak, Auth0 or Entra ID, in place of
    /// those of jwtauth: see [`IssuerProfile`]. The last call of this and [`compat`](Self::compat) counts.
    ///
    /// ```
    /// # use jwtauth::error::ConfigError;
    /// use jwtauth::{IssuerProfile, Verifier};
    ///
    /// # async fn get(_: String) -> Result<Vec<u8>, std::io::Error> { Ok(Vec::new()) }
    /// # fn run() -> Result<Verifier, ConfigError> {
    /// let realm = "https://login.example.com/realms/shop";
    /// Verifier::builder(realm, "shop-api")
    ///     .issuer_profile(IssuerProfile::keycloak())
    ///     .key_set_with(format!("{realm}/protocol/openid-connect/certs"), |url| async { Ok(get(url).await?) })
    ///     .build()
    /// # }
    /// ```
    pub fn issuer_profile(mut self, profile: IssuerProfile) -> Self {
        self.form = TokenForm::Profile(profile);
        self
    }

    /// Sets the clock. For tests: see [`ManualClock`](crate::clock::ManualClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Guards every route that is not [`public`](Self::public), like
    /// [`JwtAuthBuilder::deny_by_default`](crate::JwtAuthBuilder::deny_by_default).
    pub fn deny_by_default(mut self, guard: RequireAuth) -> Self {
        self.default_guard = Some(guard.into_guard());
        self
    }

    /// Also allows anonymous users on a route: `"/health"`, `"GET /stock"`, `"/assets/"`. May be called
    /// again. See [`JwtAuthBuilder::public`](crate::JwtAuthBuilder::public) for the forms of a route.
    pub fn public(mut self, route: impl Into<String>) -> Self {
        self.public.push(route.into());
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] for the first setting that is refused. It is [`KeyError::Malformed`] if there is
    /// neither a key nor the address of a set.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let day = Duration::from_secs(24 * 60 * 60);
        let minute = Duration::from_secs(60);
        not_empty("issuer", &self.issuer)?;
        not_empty("audience", &self.audience)?;
        within("max_age", self.max_age, minute, day)?;
        within("leeway", self.leeway, Duration::ZERO, minute)?;
        within("max_ttl", self.max_ttl, Duration::from_secs(1), 2 * day)?;
        let mut max_ttl = self.max_ttl;
        match &self.form {
            TokenForm::Own => {}
            TokenForm::Compat(compat) => compat.check()?,
            TokenForm::Profile(profile) => {
                profile.check()?;
                max_ttl += profile.dated_back;
            }
        }
        if self.keys.is_empty() && self.key_set.is_none() {
            return Err(
                KeyError::Malformed { problem: "a verifier needs a key, or the address of a set" }.into()
            );
        }
        let verification = Verification {
            tokens: Arc::new(ForeignTokens::new(self.keys, self.form)?),
            source: self.key_set.map(|set| set.source(self.max_age, self.without_tls)).transpose()?,
            issuer: self.issuer,
            audience: self.audience,
            leeway: self.leeway,
            max_ttl,
            clock: self.clock,
            explained: Mutex::default(),
        };
        let default_guard = DefaultGuard::new(self.default_guard, self.public)?;
        let gate = FrontGate::new(default_guard, "Verifier");
        let token_header = TokenHeader::default();
        Ok(Verifier::from_state(VerifierState { verification, token_header, gate }))
    }
}

impl KeySet {
    fn source(self, max_age: Duration, without_tls: bool) -> Result<Source, KeyError> {
        match self {
            #[cfg(feature = "fetch")]
            Self::Url(url) => crate::verifier::fetch::source(url, max_age, without_tls),
            Self::With(url, fetch) => Source::new(url, fetch, max_age, without_tls),
        }
    }
}
