//! Lifetimes and names, each with its bounds, all checked once.
//!
//! After [`Config::check`] nothing is checked again. Cookies and origins are checked in `web`. [`bounds`] has
//! the checks of ranges, and `role_scopes` the scopes of accounts.

mod bounds;
#[cfg(feature = "accounts")]
mod role_scopes;

#[cfg(feature = "accounts")]
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::bounds::{not_empty, number_within, within};
#[cfg(feature = "accounts")]
pub(crate) use self::role_scopes::RoleScopes;

use crate::compat::Compat;
use crate::error::ConfigError;
use crate::record::RotationPolicy;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) access_ttl: Duration,
    pub(crate) refresh_ttl: Duration,
    pub(crate) absolute_ttl: Duration,
    pub(crate) refresh_grace: Duration,
    pub(crate) max_sessions: usize,
    pub(crate) tokens: TokenRules,
    pub(crate) storage: StorageRules,
    /// What holds for API keys. `None` if there are none.
    pub(crate) api_keys: Option<ApiKeyRules>,
    /// The scopes of accounts, by their roles. `None` if there are no accounts.
    #[cfg(feature = "accounts")]
    pub(crate) role_scopes: Option<Arc<RoleScopes>>,
}

/// What few applications set of tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRules {
    /// The audience, unless it is set.
    pub(crate) client_id: Option<String>,
    pub(crate) leeway: Duration,
    /// Whether a refresh revokes the access token before it.
    pub(crate) revoke_on_refresh: bool,
    /// Whether an answer is repeated to the client only that got it first.
    pub(crate) refuse_repeats_elsewhere: bool,
    /// The other library whose tokens are shared, if any.
    pub(crate) compat: Option<Compat>,
}

/// What the store keeps beside sessions, and how it is used.
#[derive(Clone, Debug)]
pub(crate) struct StorageRules {
    /// How many events the audit trail keeps. `None` if there is none.
    pub(crate) keep_events: Option<u64>,
    pub(crate) token_registry: bool,
    pub(crate) sweep_interval: Duration,
    /// How long a change, or a hook, may take.
    pub(crate) timeout: Duration,
    /// Whether the program `jwtauth` may be used while the server runs.
    pub(crate) operator_socket: bool,
}

impl Default for StorageRules {
    fn default() -> Self {
        Self {
            keep_events: None,
            token_registry: false,
            sweep_interval: MINUTE,
            timeout: Duration::from_secs(10),
            operator_socket: true,
        }
    }
}

impl StorageRules {
    /// Some 4 GB on disk.
    const MAX_EVENTS: u64 = 10_000_000;

    fn check(&self) -> Result<(), ConfigError> {
        let second = Duration::from_secs(1);
        within("StorageConfig::sweep_interval", self.sweep_interval, second, DAY)?;
        within("StorageConfig::timeout", self.timeout, second / 10, MINUTE)?;
        let keep = self.keep_events.unwrap_or(1);
        number_within("StorageConfig::keep_events", keep, 1, Self::MAX_EVENTS)
    }
}

/// What holds for all API keys.
#[derive(Clone, Debug)]
pub(crate) struct ApiKeyRules {
    /// What a key begins with, before the first underscore of its own.
    pub(crate) prefix: String,
    /// How long a key may be valid.
    pub(crate) max_ttl: Duration,
    /// How many live keys one subject may have.
    pub(crate) max_keys: usize,
    /// How old the login may be that makes a key.
    pub(crate) login_age: Duration,
}

impl Default for ApiKeyRules {
    fn default() -> Self {
        Self { prefix: "jwtauth".into(), max_ttl: 366 * DAY, max_keys: 32, login_age: 15 * MINUTE }
    }
}

impl ApiKeyRules {
    fn check(&self) -> Result<(), ConfigError> {
        check_prefix(&self.prefix)?;
        within("ApiKeyConfig::max_ttl", self.max_ttl, MINUTE, 3_660 * DAY)?;
        within("ApiKeyConfig::login_age", self.login_age, MINUTE, DAY)?;
        number_within("ApiKeyConfig::max_keys", self.max_keys, 1, Config::MAX_SESSIONS)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "jwtauth".into(),
            audience: "jwtauth".into(),
            access_ttl: 5 * MINUTE,
            refresh_ttl: DAY,
            absolute_ttl: 30 * DAY,
            refresh_grace: MINUTE / 2,
            max_sessions: 32,
            tokens: TokenRules::default(),
            storage: StorageRules::default(),
            api_keys: None,
            #[cfg(feature = "accounts")]
            role_scopes: None,
        }
    }
}

impl Config {
    /// Browsers keep no cookie longer than 400 days (RFC 6265bis, section 5.5).
    pub(crate) const MAX_TTL: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    /// A leeway near the lifetime makes expired tokens acceptable, which causes refresh storms.
    pub(crate) const MAX_LEEWAY: Duration = MINUTE;

    /// A login looks at all sessions of its subject.
    const MAX_SESSIONS: usize = 1_000;

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let second = Duration::from_secs(1);
        within("access_ttl", self.access_ttl, second, DAY)?;
        within("refresh_ttl", self.refresh_ttl, self.access_ttl, Self::MAX_TTL)?;
        within("absolute_ttl", self.absolute_ttl, self.refresh_ttl, Self::MAX_TTL)?;
        within("refresh_grace", self.refresh_grace, Duration::ZERO, 5 * MINUTE)?;
        let most = Self::MAX_LEEWAY.min(self.access_ttl / 4);
        within("TokenConfig::leeway", self.tokens.leeway, Duration::ZERO, most)?;
        number_within("max_sessions", self.max_sessions, 1, Self::MAX_SESSIONS)?;
        not_empty("issuer", &self.issuer)?;
        not_empty("audience", &self.audience)?;
        not_empty("TokenConfig::client_id", self.client_id())?;
        self.storage.check()?;
        self.api_keys.as_ref().map_or(Ok(()), ApiKeyRules::check)?;
        self.tokens.compat.as_ref().map_or(Ok(()), Compat::check)
    }

    pub(crate) fn client_id(&self) -> &str {
        self.tokens.client_id.as_deref().unwrap_or(&self.audience)
    }

    pub(crate) fn register(&self) -> Option<Duration> {
        self.storage.token_registry.then_some(self.access_ttl)
    }

    pub(crate) fn rotation(&self) -> RotationPolicy {
        let mut policy = RotationPolicy::new(self.refresh_grace, self.refresh_ttl);
        // An access token that is handed out again can still be used for a while.
        policy.rewrite = Duration::from_secs(self.access_ttl.as_secs().div_ceil(2));
        policy.refuse_elsewhere = self.tokens.refuse_repeats_elsewhere;
        policy
    }
}

fn check_prefix(prefix: &str) -> Result<(), ConfigError> {
    let is_good = (2..=32).contains(&prefix.len())
        && prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && prefix.ends_with(|c: char| c.is_ascii_alphanumeric())
        && prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if is_good {
        return Ok(());
    }
    let problem = "it has 2 to 32 small letters, digits and underscores, begins with a letter and ends with no underscore";
    Err(ConfigError::setting("ApiKeyConfig::prefix", prefix, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Set = fn(&mut Config, Duration);

    #[test]
    fn each_bound_with_its_last_good_and_first_bad_value() {
        let secs = Duration::from_secs;
        let cases: [(&str, Set, Duration, bool); 12] = [
            ("access_ttl", |c, d| c.access_ttl = d, secs(1), true),
            ("access_ttl", |c, d| c.access_ttl = d, secs(0), false),
            ("access_ttl", |c, d| c.access_ttl = d, DAY, true),
            ("access_ttl", |c, d| c.access_ttl = d, DAY + secs(1), false),
            ("refresh_ttl", |c, d| c.refresh_ttl = d, 5 * MINUTE, true),
            ("refresh_ttl", |c, d| c.refresh_ttl = d, 5 * MINUTE - secs(1), false),
            ("absolute_ttl", |c, d| c.absolute_ttl = d, Config::MAX_TTL, true),
            ("absolute_ttl", |c, d| c.absolute_ttl = d, DAY - secs(1), false),
            ("refresh_grace", |c, d| c.refresh_grace = d, 5 * MINUTE, true),
            ("refresh_grace", |c, d| c.refresh_grace = d, 5 * MINUTE + secs(1), false),
            ("TokenConfig::leeway", |c, d| c.tokens.leeway = d, MINUTE, true),
            ("TokenConfig::leeway", |c, d| c.tokens.leeway = d, MINUTE + secs(1), false),
        ];
        for (setting, set, value, good) in cases {
            let mut config = Config::default();
            set(&mut config, value);
            match config.check() {
                Ok(()) => assert!(good, "{setting} = {value:?} passed"),
                Err(ConfigError::Setting { name, problem, .. }) => {
                    assert!(!good && name == setting, "{setting} = {value:?}");
                    assert!(problem.starts_with("it must be between "), "{problem}");
                }
                Err(other) => panic!("{setting} = {value:?}: {other}"),
            }
        }
    }

    /// J-16: a leeway may not come near the lifetime it extends.
    #[test]
    fn j_16_leeway_is_at_most_a_quarter_of_the_access_lifetime() {
        let mut config = Config { access_ttl: Duration::from_secs(40), ..Config::default() };
        config.tokens.leeway = Duration::from_secs(10);
        assert!(config.check().is_ok());
        config.tokens.leeway = Duration::from_secs(11);
        assert!(config.check().is_err());
    }

    #[test]
    fn an_empty_issuer_or_audience_is_refused() {
        for (setting, config) in [
            ("issuer", Config { issuer: String::new(), ..Config::default() }),
            ("audience", Config { audience: String::new(), ..Config::default() }),
        ] {
            let refused = config.check().unwrap_err();
            assert!(matches!(refused, ConfigError::Setting { name, .. } if name == setting));
            assert_eq!(refused.to_string(), format!(r#"{setting} "" is refused: it must not be empty"#));
        }
    }

    /// K-2: the last good and the first bad value of each bound.
    #[test]
    fn k_2_rules_of_api_keys_keep_to_their_bounds() {
        type Change = fn(&mut ApiKeyRules);
        let is_good = |set: Change| {
            let mut rules = ApiKeyRules::default();
            set(&mut rules);
            Config { api_keys: Some(rules), ..Config::default() }.check().is_ok()
        };
        assert!(is_good(|_| ()));
        let cases: [(Change, bool); 8] = [
            (|rules| rules.max_ttl = MINUTE, true),
            (|rules| rules.max_ttl = MINUTE - Duration::from_secs(1), false),
            (|rules| rules.max_ttl = 3_660 * DAY, true),
            (|rules| rules.max_ttl = 3_661 * DAY, false),
            (|rules| rules.max_keys = 1_000, true),
            (|rules| rules.max_keys = 1_001, false),
            (|rules| rules.login_age = DAY, true),
            (|rules| rules.login_age = 2 * DAY, false),
        ];
        for (at, (set, good)) in cases.into_iter().enumerate() {
            assert_eq!(is_good(set), good, "case {at}");
        }
        for good in ["ab", "jwtauth", "acme_billing_2", "a2345678901234567890123456789012"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "Acme",
            "acme_",
            "_acme",
            "2acme",
            "ac-me",
            "ac.me",
            "äcme",
            "a23456789012345678901234567890123",
        ] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
