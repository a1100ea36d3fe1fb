//! Tokens that were issued, on their way to their client. How they are made is in `token`.

use super::PendingLogin;
use super::moment::Moment;
use crate::record::Session;

#[derive(Debug)]
pub(crate) struct IssuedTokens {
    pub(crate) session: Session,
    pub(crate) access: Token,
    pub(crate) refresh: Token,
    /// If they are the first of their session, and what it does to others waits for their answer.
    pub(crate) pending: Option<Box<PendingLogin>>,
    /// When the store has acknowledged the rotation that has brought them.
    pub(crate) rotated_in: Option<Moment>,
}

/// A token in its text form. Redacted in `Debug`.
pub(crate) struct Token(String);

impl Token {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// The tokens of a login or refresh, for a client that stores them itself. `Debug` redacts them.
///
/// Either an access token and a refresh token, or one sliding token, which is both. Send them in a body over
/// https. The client must store the refresh token where nobody else can read it. It can be used once, within
/// [`refresh_expires_in`](Self::refresh_expires_in) seconds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tokens {
    pub(super) access: Token,
    /// `None` for a sliding token.
    pub(super) refresh: Option<Token>,
    /// How long the access token, or sliding token, is accepted, in seconds.
    pub expires_in: u64,
    /// How long these can be exchanged for new tokens, in seconds.
    pub refresh_expires_in: u64,
    /// The session that they belong to.
    pub session: Session,
}

impl Tokens {
    /// Returns the access token, or the sliding token, for an `Authorization: Bearer` header.
    #[must_use]
    pub fn access(&self) -> &str {
        self.access.expose()
    }

    /// Returns the refresh token; `None` for a sliding token, which is itself exchanged for the next one.
    #[must_use]
    pub fn refresh(&self) -> Option<&str> {
        self.refresh.as_ref().map(Token::expose)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([redacted])")
    }
}
