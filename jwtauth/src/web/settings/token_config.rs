//! The settings of tokens that other services read or write. `config` checks them.

use std::time::Duration;

use super::JwtAuthBuilder;
use crate::compat::Compat;
use crate::config::TokenRules;

/// Settings of tokens that few applications need. Give them to [`JwtAuthBuilder::tokens`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`client_id`](Self::client_id) | the [`audience`](JwtAuthBuilder::audience) | not empty |
/// | [`leeway`](Self::leeway) | 0 | 0 to 1 minute, at most a quarter of `access_ttl` |
/// | [`revoke_on_refresh`](Self::revoke_on_refresh) | off | |
/// | [`refuse_repeats_elsewhere`](Self::refuse_repeats_elsewhere) | off | |
/// | [`compat`](Self::compat) | off | |
///
/// ```
/// use std::time::Duration;
/// use jwtauth::{JwtAuth, TokenConfig};
///
/// let tokens = TokenConfig::default().leeway(Duration::from_secs(10)).revoke_on_refresh();
/// let builder = JwtAuth::builder().tokens(tokens);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TokenConfig {
    pub(super) rules: TokenRules,
}

impl TokenConfig {
    /// Sets the client that access tokens name (claim `client_id`; RFC 9068, section 2.2): the application in
    /// which users log in here. Default: the [`audience`](JwtAuthBuilder::audience), for an application that
    /// calls its own API. Nothing is read from it here. Tokens of [`Compat`] do not have it.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.rules.client_id = Some(client_id.into());
        self
    }

    /// Sets by how much clocks may differ when tokens come from elsewhere (RFC 7519, section 4.1.4).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self
    }

    /// Revokes an access token when its successor is issued. A request that still has the old one is refused,
    /// or refreshed by its refresh token.
    pub fn revoke_on_refresh(mut self) -> Self {
        self.rules.revoke_on_refresh = true;
        self
    }

    /// Refuses to repeat the answer to a refresh to another client than the one that spent the token: one
    /// with another `User-Agent` or another address. Default: it is repeated
    /// and reported.
    ///
    /// A spent refresh token is answered with its successor again for as long as nobody has used that, so
    /// that an answer that was lost throws nobody out. Anyone with a copy of the spent token gets that answer
    /// too. Each time it goes to another client, that is an
    /// [`Event::RepeatedElsewhere`](crate::Event::RepeatedElsewhere) and a warning in the log. With this
    /// setting it is refused with 401, and nothing is revoked. Then somebody who loses an answer while their
    /// phone changes its network must log in again.
    pub fn refuse_repeats_elsewhere(mut self) -> Self {
        self.rules.refuse_repeats_elsewhere = true;
        self
    }

    /// Writes and reads tokens as another library does. Its services and this one then accept each other's
    /// tokens. See [`Compat`] for what that changes and costs.
    pub fn compat(mut self, compat: Compat) -> Self {
        self.rules.compat = Some(compat);
        self
    }
}

impl JwtAuthBuilder {
    /// Sets what few applications need of tokens. A second call replaces the first.
    pub fn tokens(mut self, tokens: TokenConfig) -> Self {
        self.config.tokens = tokens.rules;
        self
    }
}
