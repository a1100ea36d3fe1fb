//! Who is calling: the [`Identity`] that a request is made under, and [`AuthUser`], the one trait
//! that turns it into the application's own user value.
//!
//! Nothing here knows HTTP; the extractors that hand these out are in `web`. What a token says by itself, where there
//! is no session to ask, is a [`TokenUser`].

mod token_user;

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

pub use self::token_user::TokenUser;
pub(crate) use self::token_user::VerifiedClaims;

use crate::error::BoxError;
use crate::id::SessionId;
use crate::record::Session;

/// Where a request had the token that says who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// In an `Authorization: Bearer` header (RFC 6750, section 2.1).
    Bearer,
    /// In a cookie.
    Cookie,
}

/// Who is calling, checked: a genuine token of a session that is alive.
///
/// As an extractor argument (`who: &Identity`) it needs no user type and loads nothing. Behind a
/// [`Verifier`](crate::Verifier) it is what the token says, and nobody was asked whether its session is still alive. Likewise
/// for a token of another service behind a `JwtAuth` ([`Compat`](crate::Compat)), which was not revoked here.
#[derive(Clone, Debug)]
pub struct Identity {
    known: Known,
    source: TokenSource,
}

/// What an identity is known by.
#[derive(Clone, Debug)]
enum Known {
    /// A session of this service.
    Session(Arc<Session>),
    /// A token of another service.
    Token(Arc<VerifiedClaims>),
}

impl Identity {
    pub(crate) const fn new(session: Arc<Session>, source: TokenSource) -> Self {
        Self { known: Known::Session(session), source }
    }

    pub(crate) fn of_token(user: TokenUser, source: TokenSource) -> Self {
        Self::of_claims(user.into_claims(), source)
    }

    const fn of_claims(claims: Arc<VerifiedClaims>, source: TokenSource) -> Self {
        Self { known: Known::Token(claims), source }
    }

    /// Returns whom the session is about (claim `sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        match &self.known {
            Known::Session(session) => &session.subject,
            Known::Token(claims) => &claims.subject,
        }
    }

    /// Returns the subject as the application's own type of id.
    ///
    /// ```
    /// # fn of(who: &jwtauth::Identity) -> Result<(), std::num::ParseIntError> {
    /// let id: u64 = who.parse_subject()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the type's own `FromStr` reports: the subject was no such id at login.
    pub fn parse_subject<T: FromStr>(&self) -> Result<T, T::Err> {
        self.subject().parse()
    }

    /// Returns the id of the session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        match &self.known {
            Known::Session(session) => session.id,
            Known::Token(claims) => claims.session,
        }
    }

    /// Returns the roles, as they are in the session now, or in the token.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        match &self.known {
            Known::Session(session) => &session.roles,
            Known::Token(claims) => &claims.roles,
        }
    }

    /// Returns the scopes, as they are in the session now, or in the token.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        match &self.known {
            Known::Session(session) => &session.scopes,
            Known::Token(claims) => &claims.scopes,
        }
    }

    /// Tells whether the caller has this role. Roles are compared byte by byte.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|has| has == role)
    }

    /// Tells whether the caller has this scope. Scopes are compared byte by byte.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().iter().any(|has| has == scope)
    }

    /// Returns when the user last proved who they are, in Unix seconds (claim `auth_time`).
    #[must_use]
    pub fn auth_time(&self) -> u64 {
        match &self.known {
            Known::Session(session) => session.auth_time,
            Known::Token(claims) => claims.auth_time,
        }
    }

    /// Returns where the request had the token that says who is calling.
    #[must_use]
    pub const fn token_source(&self) -> TokenSource {
        self.source
    }

    /// Returns the whole session; `None` behind a [`Verifier`](crate::Verifier), which knows no sessions, and for a token
    /// of another service ([`Compat`](crate::Compat)).
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.known {
            Known::Session(session) => Some(session),
            Known::Token(_) => None,
        }
    }

    /// Returns the caller with the claims of their token, where there is no [session](Self::session). `None` where there is.
    #[must_use]
    pub fn token(&self) -> Option<TokenUser> {
        match &self.known {
            Known::Session(_) => None,
            Known::Token(claims) => Some(TokenUser::of(Arc::clone(claims), self.source)),
        }
    }
}

/// Why a user type cannot be had from an identity at all, whoever is calling: the application is wired wrongly.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(pub(crate) &'static str);

impl Unfit {
    /// The user value is in a session, and there is none.
    pub(crate) const NO_SESSION: Self = Self(
        "it is kept in a session, and a `Verifier` knows no sessions: take `TokenUser` or `&Identity` there, \
         or write `AuthUser` by hand and load by `who.subject()`",
    );
    /// What the token says is asked of a session.
    pub(crate) const NO_TOKEN: Self = Self(
        "it is what a `Verifier` has read from a token, and here a `JwtAuth` stands in front: take a user type of \
         your own, or `&Identity`",
    );
}

#[doc = include_str!("../docs/auth_user_trait.md")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a user type: it does not implement `jwtauth::AuthUser`",
    label = "not a user type",
    note = "put `#[derive(Clone, Serialize, Deserialize, AuthUser)]` on `{Self}`, or implement `AuthUser` for it by hand"
)]
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// Where users are looked up: a type the application gave to `.data(..)`, or `()` for none.
    type Store: Send + Sync + 'static;

    /// Returns what names this user for good: 1 to 255 bytes, never given to another user.
    fn subject(&self) -> String;

    /// Returns the roles that go into the session at login. Default: none.
    fn roles(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the scopes that go into the session at login. Default: none.
    fn scopes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Tells whether the user may be logged in. Default: always.
    ///
    /// One who may not is refused at [`Auth::login`](crate::Auth::login), and wherever a handler takes the user
    /// as an argument; `update_user` ends all their sessions.
    fn is_active(&self) -> bool {
        true
    }

    /// Returns the JSON copy of the user that goes into the session at login. Default: none is kept.
    ///
    /// # Errors
    ///
    /// Any error of the application's own; the login fails with [`SessionError::User`](crate::error::SessionError::User).
    fn session_copy(&self) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(None)
    }

    /// Returns which revision of an account this is; a session is opened for the newest only.
    #[doc(hidden)]
    fn account_revision(&self) -> Option<u64> {
        None
    }

    /// Loads the user that `who` names. `Ok(None)` says gone or blocked, which ends in 401.
    ///
    /// # Errors
    ///
    /// Any error of the application's own: 503, and the cause goes to the log, never to the client.
    fn load(
        store: &Self::Store,
        who: &Identity,
    ) -> impl Future<Output = Result<Option<Self>, BoxError>> + Send;
}
