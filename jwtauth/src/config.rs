//! Lifetimes and names, each with its bounds, all checked once.
//!
//! What has passed [`Config::check`] is not checked again above. Cookies and origins, which only
//! the web knows, are checked in `web`.

use std::time::Duration;

use crate::compat::Compat;
use crate::error::ConfigError;
use crate::record::RotationPolicy;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Settings of tokens and sessions.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) access_ttl: Duration,
    pub(crate) refresh_ttl: Duration,
    pub(crate) absolute_ttl: Duration,
    pub(crate) refresh_grace: Duration,
    pub(crate) leeway: Duration,
    pub(crate) sweep_interval: Duration,
    pub(crate) store_timeout: Duration,
    /// How many live sessions a subject may have.
    pub(crate) max_sessions: usize,
    /// Whether each token that is issued is recorded.
    pub(crate) token_registry: bool,
    /// Whether a refresh ends the access token before it.
    pub(crate) revoke_on_refresh: bool,
    /// Which other library's tokens ours are to be like, if any.
    pub(crate) compat: Option<Compat>,
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
            leeway: Duration::ZERO,
            sweep_interval: MINUTE,
            store_timeout: Duration::from_secs(10),
            max_sessions: 32,
            token_registry: false,
            revoke_on_refresh: false,
            compat: None,
        }
    }
}

impl Config {
    /// Browsers keep no cookie longer than 400 days (RFC 6265bis, section 5.5).
    pub(crate) const MAX_TTL: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    /// A leeway near the lifetime makes tokens that are expired and accepted at once: refresh storms.
    pub(crate) const MAX_LEEWAY: Duration = MINUTE;

    /// A login looks at all sessions of its subject.
    const MAX_SESSIONS: usize = 1_000;

    /// Checks every setting.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let second = Duration::from_secs(1);
        within("access_ttl", self.access_ttl, second, DAY)?;
        within("refresh_ttl", self.refresh_ttl, self.access_ttl, Self::MAX_TTL)?;
        within("absolute_ttl", self.absolute_ttl, self.refresh_ttl, Self::MAX_TTL)?;
        within("refresh_grace", self.refresh_grace, Duration::ZERO, 5 * MINUTE)?;
        within("leeway", self.leeway, Duration::ZERO, Self::MAX_LEEWAY.min(self.access_ttl / 4))?;
        within("sweep_interval", self.sweep_interval, second, DAY)?;
        within("store_timeout", self.store_timeout, second / 10, MINUTE)?;
        if !(1..=Self::MAX_SESSIONS).contains(&self.max_sessions) {
            return Err(ConfigError::MaxSessions { max: Self::MAX_SESSIONS, got: self.max_sessions });
        }
        for (name, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                return Err(ConfigError::Empty { name });
            }
        }
        self.compat.as_ref().map_or(Ok(()), Compat::check)
    }

    /// The lifetime of access tokens, if each token is recorded.
    pub(crate) fn register(&self) -> Option<Duration> {
        self.token_registry.then_some(self.access_ttl)
    }

    pub(crate) const fn rotation(&self) -> RotationPolicy {
        RotationPolicy { grace: self.refresh_grace, refresh_ttl: self.refresh_ttl }
    }
}

pub(crate) fn within(
    name: &'static str,
    got: Duration,
    min: Duration,
    max: Duration,
) -> Result<(), ConfigError> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(ConfigError::OutOfRange { name, min, max, got }) }
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
            ("leeway", |c, d| c.leeway = d, MINUTE, true),
            ("leeway", |c, d| c.leeway = d, MINUTE + secs(1), false),
        ];
        for (setting, set, value, good) in cases {
            let mut config = Config::default();
            set(&mut config, value);
            match config.check() {
                Ok(()) => assert!(good, "{setting} = {value:?} passed"),
                Err(ConfigError::OutOfRange { name, .. }) => {
                    assert!(!good && name == setting, "{setting} = {value:?}")
                }
                Err(other) => panic!("{setting} = {value:?}: {other}"),
            }
        }
    }

    /// J-16: a leeway may not come near the lifetime it extends.
    #[test]
    fn j_16_leeway_is_at_most_a_quarter_of_the_access_lifetime() {
        let mut config = Config {
            access_ttl: Duration::from_secs(40),
            leeway: Duration::from_secs(10),
            ..Config::default()
        };
        assert!(config.check().is_ok());
        config.leeway = Duration::from_secs(11);
        assert!(config.check().is_err());
    }

    #[test]
    fn an_empty_issuer_or_audience_is_refused() {
        for config in [
            Config { issuer: String::new(), ..Config::default() },
            Config { audience: String::new(), ..Config::default() },
        ] {
            assert!(matches!(config.check(), Err(ConfigError::Empty { .. })));
        }
    }
}
