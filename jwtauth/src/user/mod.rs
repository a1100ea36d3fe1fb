//! Who is calling: the [`Identity`] of a request, and [`AuthUser`], the one trait that turns it into the
//! application's own user value.
//!
//! Nothing here knows HTTP: the extractors are in `web`. A [`TokenUser`] has a token and no session. `copy`
//! writes and reads the copy of a user in its session, and `json_path` names a place in it. `kind_names`
//! notices two types of user that have one kind by accident, and one that has none.

mod copy;
mod json_path;
mod kind_names;
mod token_user;

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use self::copy::UserCopy;
pub use self::copy::{CopyFields, copy_of, load_copy};
pub(crate) use self::copy::{OtherKind, check_kind, kind_of};
pub use self::kind_names::KindNote;
pub(crate) use self::kind_names::note_copies_of;
pub use self::token_user::TokenUser;
pub(crate) use self::token_user::VerifiedClaims;

use crate::error::BoxError;
use crate::id::SessionId;
use crate::record::{ApiKey, Session};

/// Where a request had the token that says who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// In an `Authorization: Bearer` header (RFC 6750, section 2.1).
    Bearer,
    /// In a cookie.
    Cookie,
    /// In a refresh token or a sliding token that is about to be exchanged for the next one, wherever it came
    /// from: see [`before_refresh`](crate::JwtAuthBuilder::before_refresh).
    Refresh,
}

/// Who is calling: a request with a genuine token of a live session.
///
/// As an extractor (`who: &Identity`) it needs no user type and loads nothing.
///
/// Behind a [`Verifier`](crate::Verifier) it is what the token says: the session may have been revoked. The
/// same is true behind a `JwtAuth` for a token of another service ([`Compat`](crate::Compat)) that was not
/// revoked here.
#[derive(Clone, Debug)]
pub struct Identity {
    known: Known,
    source: TokenSource,
    /// Whether its tokens were replaced, and it is let in because a browser sends requests late.
    is_late: bool,
}

/// Where an identity comes from.
#[derive(Clone, Debug)]
enum Known {
    /// A session of this service.
    Session(Arc<Session>),
    /// One whose record is used for many requests.
    Shared(Arc<SharedSession>),
    /// A token of another service.
    Token(Arc<VerifiedClaims>),
}

/// A session whose record serves all requests until it changes.
#[derive(Debug)]
pub(crate) struct SharedSession {
    pub(crate) session: Arc<Session>,
    user: UserCopy,
}

impl SharedSession {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session, user: UserCopy::default() }
    }
}

impl Identity {
    pub(crate) const fn of_shared(session: Arc<SharedSession>, source: TokenSource) -> Self {
        Self { known: Known::Shared(session), source, is_late: false }
    }

    /// Returns the user value that was read from the copy in the session before, if it was one of this type.
    pub(crate) fn user_read_before<U: AuthUser>(&self) -> Option<&U> {
        match &self.known {
            Known::Shared(shared) => shared.user.get(),
            Known::Session(_) | Known::Token(_) => None,
        }
    }

    pub(crate) const fn new(session: Arc<Session>, source: TokenSource) -> Self {
        Self { known: Known::Session(session), source, is_late: false }
    }

    /// The caller of a late request (N-22).
    pub(crate) const fn of_late(session: Arc<Session>) -> Self {
        Self { known: Known::Session(session), source: TokenSource::Cookie, is_late: true }
    }

    pub(crate) const fn is_late(&self) -> bool {
        self.is_late
    }

    pub(crate) fn of_token(user: TokenUser, source: TokenSource) -> Self {
        Self::of_claims(user.into_claims(), source)
    }

    const fn of_claims(claims: Arc<VerifiedClaims>, source: TokenSource) -> Self {
        Self { known: Known::Token(claims), source, is_late: false }
    }

    /// Returns the subject of the session (claim `sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        match &self.known {
            Known::Session(session) => &session.subject,
            Known::Shared(shared) => &shared.session.subject,
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
    /// The error of the type's own `FromStr`, if the subject is not such an id.
    pub fn parse_subject<T: FromStr>(&self) -> Result<T, T::Err> {
        self.subject().parse()
    }

    /// Returns the id of the session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        match &self.known {
            Known::Session(session) => session.id,
            Known::Shared(shared) => shared.session.id,
            Known::Token(claims) => claims.session,
        }
    }

    /// Returns the roles that the session has now, or those of the token.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        match &self.known {
            Known::Session(session) => &session.roles,
            Known::Shared(shared) => &shared.session.roles,
            Known::Token(claims) => &claims.roles,
        }
    }

    /// Returns the scopes that the session has now, or those of the token.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        match &self.known {
            Known::Session(session) => &session.scopes,
            Known::Shared(shared) => &shared.session.scopes,
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

    /// Returns when the user last proved who they are, in Unix seconds (claim `auth_time`). With an API key
    /// nobody did: it is 0.
    #[must_use]
    pub fn auth_time(&self) -> u64 {
        match &self.known {
            Known::Session(session) => session.auth_time,
            Known::Shared(shared) => shared.session.auth_time,
            Known::Token(claims) => claims.auth_time,
        }
    }

    /// Returns where the request had the token that says who is calling.
    #[must_use]
    pub const fn token_source(&self) -> TokenSource {
        self.source
    }

    /// Returns the API key that the caller has shown, or `None` for anyone who is logged in.
    ///
    /// Its id is that of the [session](Self::session_id).
    #[must_use]
    pub fn api_key(&self) -> Option<&ApiKey> {
        self.session()?.api_key.as_ref()
    }

    /// Returns the whole session. It is `None` behind a [`Verifier`](crate::Verifier), which has no sessions,
    /// and for a token of another service ([`Compat`](crate::Compat)).
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.known {
            Known::Session(session) => Some(session),
            Known::Shared(shared) => Some(&shared.session),
            Known::Token(_) => None,
        }
    }

    /// Returns the caller with the claims of the token, or `None` if there is a [session](Self::session).
    #[must_use]
    pub fn token(&self) -> Option<TokenUser> {
        match &self.known {
            Known::Session(_) | Known::Shared(_) => None,
            Known::Token(claims) => Some(TokenUser::of(Arc::clone(claims), self.source)),
        }
    }
}

/// Why a user type does not fit here, whoever is calling: a mistake in the application's setup.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(pub(crate) &'static str);

impl Unfit {
    /// The user value is kept in a session, and there is none.
    pub(crate) const NO_SESSION: Self = Self(
        "it is kept in a session, and a `Verifier` has no sessions: take `TokenUser` or `&Identity` there, \
         or write `AuthUser` by hand and load by `who.subject()`",
    );
    /// The caller has a session, and the user type is about a token.
    pub(crate) const NO_TOKEN: Self = Self(
        "it is what a `Verifier` reads from a token, and this route is behind a `JwtAuth`: take your own user type, \
         or `&Identity`",
    );
}

#[doc = include_str!("../docs/auth_user_trait.md")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a user type: it does not implement `jwtauth::AuthUser`",
    label = "not a user type",
    note = "put `#[derive(Clone, Serialize, Deserialize, AuthUser)]` on `{Self}`, or implement `AuthUser` for it by hand"
)]
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// Where users are looked up: a type that the application gave to `.data(..)`, or `()` for none.
    type Store: Send + Sync + 'static;

    /// The name of this type of user in sessions. Default: none.
    ///
    /// A handler that takes a type with a kind admits only sessions that were opened for a user of that kind.
    /// Every other session is refused with 403, and the log names both. A type without a kind admits every
    /// session, and its [`load`](Self::load) decides. Give each type a kind if there are several that you
    /// load yourself, and one that keeps a [copy](Self::session_copy): without it, nothing but its fields
    /// tells whose a copy is, and the log says so once (`kind_missing`).
    ///
    /// The derive takes the name of the struct, or `#[auth(kind = "..")]`. It stands in sessions: if it
    /// changes, they are refused until their users log in again.
    const KIND: Option<&'static str> = None;

    /// Returns the permanent name of this user: 1 to 255 bytes, never given to another user.
    fn subject(&self) -> String;

    /// Returns the roles that the session gets at login. Default: none.
    ///
    /// Each is one name: no control characters, no white space around it, and none of `,` `;` `|` `&&`,
    /// except in a name with `=`. Others are [`SessionError::User`](crate::error::SessionError::User) at a
    /// login or update. Empty ones are left out.
    fn roles(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the scopes that the session gets at login. Default: none.
    ///
    /// Each is one name of visible ASCII without `"` and `\` (RFC 6749, section 3.3), and otherwise like a
    /// role.
    fn scopes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Tells whether the user may log in. Default: always.
    ///
    /// A user who is not active is refused at [`Auth::login`](crate::Auth::login), and wherever a handler
    /// takes the user as an argument. `update_user` revokes all their sessions, and
    /// [`before_refresh`](crate::JwtAuthBuilder::before_refresh) asks again at each refresh.
    fn is_active(&self) -> bool {
        true
    }

    /// Returns the JSON copy of the user that the session keeps. Default: none.
    ///
    /// # Errors
    ///
    /// Any error of the application. The login fails with
    /// [`SessionError::User`](crate::error::SessionError::User).
    fn session_copy(&self) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(None)
    }

    /// Returns the revision of an account. A session is opened for the newest revision only.
    #[doc(hidden)]
    fn account_revision(&self) -> Option<u64> {
        None
    }

    /// Loads the user that `who` names. `Ok(None)` means gone or blocked, and is answered with 401.
    ///
    /// # Errors
    ///
    /// Any error of the application: the answer is 503. The cause goes to the log, never to the client.
    fn load(
        store: &Self::Store,
        who: &Identity,
    ) -> impl Future<Output = Result<Option<Self>, BoxError>> + Send;
}

/// `CurrentUser` without a type is the identity itself. Nothing is loaded.
impl AuthUser for Identity {
    type Store = ();

    fn subject(&self) -> String {
        Self::subject(self).to_owned()
    }

    fn roles(&self) -> Vec<String> {
        Self::roles(self).to_vec()
    }

    fn scopes(&self) -> Vec<String> {
        Self::scopes(self).to_vec()
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(who.clone()))
    }
}
