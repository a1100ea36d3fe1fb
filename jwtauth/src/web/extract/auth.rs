//! [`Auth`], the argument of handlers that log in and out. Whatever a handler does with it, in any order, one
//! answer leaves: with the cookies of the session that was opened or refreshed last, or with their deletion.
//! Tokens in bodies are in `body_tokens`.

use std::net::IpAddr;
use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result};

use super::user::session_of;
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::event::Event;
use crate::record::{RevocationReason, Session};
use crate::session::IssuedTokens;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::user::AuthUser;
use crate::web::answer::rejection::{self, Rejection};
use crate::web::client::{Client, ClientHeaders};
use crate::web::headers::credential::Credential;
use crate::web::headers::credentials::Credentials;
use crate::web::request::handle::Handle;
use crate::web::request::outcome::{Caller, Cookies, is_over};
use crate::web::request::wiring;
use crate::web::state::JwtAuthState;

#[doc = include_str!("../../docs/auth.md")]
#[derive(Debug)]
pub struct Auth {
    handle: Handle,
    pub(super) shared: Arc<JwtAuthState>,
    credentials: Credentials<'static>,
    client: ClientHeaders,
}

impl<'a> FromRequest<'a> for Auth {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let auth = Self::for_bodies(request)?;
        auth.handle.touch();
        // A login reads cookies, and sets them, whatever else the request has.
        if auth.credentials.has_cookie() || !auth.credentials.has_bearer() {
            auth.handle.check_origin_as_guarded(request)?;
        }
        Ok(auth)
    }
}

impl Auth {
    /// Returns one for a route that neither reads nor sets cookies: any site may cause the request.
    pub(crate) fn for_bodies(request: &Request) -> Result<Self> {
        let (handle, shared) = (wiring::handle(request, "`Auth`")?, wiring::state(request, "`Auth`")?);
        let (client, shared) = (shared.clients.see(request), Arc::clone(shared));
        let credentials = handle.credentials(request).into_owned();
        Ok(Self { handle: handle.clone(), shared, credentials, client })
    }

    /// Opens a session for `user` and sends both cookies with the response.
    ///
    /// The session is new in every respect. The session that this browser had before is revoked (OWASP ASVS
    /// 5.0, 7.2.4). The new one is on disk when this returns.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Inactive`] if the user may not log in ([`AuthUser::is_active`]).
    ///   [`SessionError::Vetoed`] if a hook refused.
    /// - [`SessionError::Subject`] if [`AuthUser::subject`] is empty or longer than 255 bytes.
    /// - [`SessionError::User`] if the user value cannot be kept. [`SessionError::TokenTooLarge`] if its
    ///   roles and scopes do not fit into a cookie.
    /// - [`SessionError::Store`] if the store failed: nobody is logged in.
    pub async fn login<U: AuthUser>(&self, user: &U) -> std::result::Result<Session, SessionError> {
        let (access, refresh) = self.genuine_cookies();
        let mut replaces = Vec::new();
        replaces.extend(access.as_ref().and_then(|access| access.said().names()));
        replaces.extend(refresh.as_ref().and_then(Refresh::names));
        // Cookies of a session that this request has opened would never reach the client.
        replaces.extend(self.handle.handed_out());
        let issued = self.shared.sessions.open(user, self.device(), replaces).await?;
        // Only after the login: a token that names no session is in no record to be replaced.
        let access = access.filter(|access| access.said().names().is_none());
        let refresh = refresh.filter(|refresh| refresh.names().is_none());
        let unclaimed = self.shared.sessions.unclaimed(issued.session.id);
        self.revoke_cookies(access, refresh, RevocationReason::Replaced).await?;
        unclaimed.claim();
        let session = issued.session.clone();
        self.handle.set_cookies(Cookies::Set(Box::new(issued)));
        Ok(session)
    }

    /// Describes the client of this request, as a login keeps it.
    /// [`Sessions::login_sliding`](crate::Sessions::login_sliding) takes it, for example.
    #[must_use]
    pub fn device(&self) -> Device {
        self.client.device()
    }

    /// Gives the device of a login or refresh the application's own id, of which up to 128 bytes are kept. An
    /// empty id changes nothing.
    ///
    /// The client chooses it: use it to recognise a device, never to give access. If clients send one with
    /// each request, see [`device_id_header`](crate::ClientConfig::device_id_header).
    #[must_use]
    pub fn with_device_id(mut self, id: &str) -> Self {
        self.client = self.client.named(id);
        self
    }

    /// Returns the address of the client, or `None` if the request came by no network. It is that of the
    /// connection, or the one that a [`trusted_proxy`](crate::JwtAuthBuilder::trusted_proxy) names.
    ///
    /// Use it to limit attempts, as `Accounts::verify` does. poem's `RealIp` believes the client.
    #[must_use]
    pub const fn client_address(&self) -> Option<IpAddr> {
        self.client.address
    }

    /// Reports to the log, the metrics and the hooks that a login as `username` was refused.
    ///
    /// It is for your own login handler; the ready-made route does it itself. Then answer with
    /// [`Rejection::InvalidCredentials`].
    pub async fn report_failed_login(&self, username: &str) {
        let event = Event::LoginFailed { username: username.into(), client_address: self.client.address };
        self.shared.sessions.emit(event).await;
    }

    /// Revokes the session of the request on disk, and deletes both cookies.
    ///
    /// - It works with either cookie alone, and with an expired access token.
    /// - Without cookies, or with cookies that are not tokens of this service, it succeeds and does nothing.
    /// - With a bearer token it revokes that token's session, and the cookies stay.
    /// - A session that this handler has opened with [`login`](Self::login) is revoked too.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Store`] if the store failed: the session may be live, and the cookies stay.
    /// - [`SessionError::Token`] if it is unclear which session is meant, and none was revoked: the bearer
    ///   token is not one of this service, or two different cookies have one name.
    pub async fn logout(&self) -> std::result::Result<(), SessionError> {
        let sessions = &self.shared.sessions;
        let Credentials { bearer, access, refresh } = &self.credentials;
        let handed_out = self.handle.handed_out();
        let is_unclear = *access == Credential::Conflict || *refresh == Credential::Conflict;
        match bearer {
            Credential::Absent if is_unclear && handed_out.is_none() => {
                // Both are deleted, but a success would say that the right session was revoked.
                self.forget();
                return Err(TokenError::Malformed.into());
            }
            Credential::Absent => {
                let (access, refresh) = self.genuine_cookies();
                self.revoke_cookies(access, refresh, RevocationReason::Logout).await?;
            }
            Credential::One(token) => {
                sessions.revoke_bearer(&sessions.read_bearer(token)?, RevocationReason::Logout).await?;
            }
            Credential::Unreadable | Credential::Conflict => return Err(TokenError::Malformed.into()),
        }
        if let Some(session) = handed_out {
            sessions.revoke_for(session, RevocationReason::Logout).await?;
        }
        self.forget();
        Ok(())
    }

    /// Revokes all sessions of the calling user, on every device. Returns how many there were.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the store failed: then all are revoked, or none.
    pub async fn logout_all(&self) -> Result<usize> {
        // By its session if there is one: it may have been revoked since the request came in.
        let ended = match self.sessionless().await? {
            Some(subject) => self.shared.sessions.revoke_all(&subject).await?,
            None => self.shared.sessions.revoke_all(&self.own_session().await?.subject).await?,
        };
        self.forget();
        Ok(ended)
    }

    /// Revokes all sessions of the calling user except this one. Returns how many there were.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the store failed: then all are revoked, or none.
    pub async fn logout_others(&self) -> Result<usize> {
        let session = self.own_session().await?;
        Ok(self.shared.sessions.revoke_others(&session.subject, session.id).await?)
    }

    /// Spends the refresh cookie and sends a new pair with the response.
    ///
    /// It is seldom needed: a guarded handler refreshes by itself when the access token has expired. After
    /// that, or after a [`login`](Self::login), in the same request, this only writes new tokens of that
    /// session, with the user as they are now, and spends nothing.
    ///
    /// # Errors
    ///
    /// A [`Rejection`]: 401 if there is no refresh cookie, if it is refused, or if the access cookie is of
    /// another session. 503 if the store failed.
    pub async fn refresh(&self) -> Result<Session> {
        let shared = &self.shared;
        if let Some(id) = self.handle.handed_out() {
            return self.refreshed(shared.sessions.issue_again(id).await);
        }
        let token = match (&self.credentials.bearer, &self.credentials.refresh) {
            (Credential::Absent, Credential::One(token)) => token,
            (Credential::Absent, Credential::Unreadable | Credential::Conflict) => {
                return Err(Rejection::TokenNotValid.into());
            }
            _ => return Err(Rejection::NotAuthenticated.into()),
        };
        if self.credentials.access == Credential::Conflict {
            return Err(Rejection::TokenNotValid.into());
        }
        let refresh = match shared.sessions.read_refresh(token) {
            Ok(refresh) => refresh,
            Err(error) => return self.refreshed(Err(error.into())),
        };
        // Cookies of two different sessions.
        if self.genuine_access().is_some_and(|access| !access.said().goes_with(&refresh)) {
            return Err(Rejection::TokenNotValid.into());
        }
        self.refreshed(shared.sessions.refresh_pair(refresh, &self.device()).await)
    }

    /// Sends new tokens with the response, or deletes the cookies of a session that is over.
    fn refreshed(&self, issued: std::result::Result<IssuedTokens, SessionError>) -> Result<Session> {
        match issued {
            Ok(issued) => {
                let session = issued.session.clone();
                self.handle.set_cookies(Cookies::Set(Box::new(issued)));
                Ok(session)
            }
            Err(error) => {
                if is_over(&error) {
                    self.forget();
                }
                Err(error.into())
            }
        }
    }

    /// Returns the session of the calling user, as it is now, or `None` for an anonymous user.
    ///
    /// After a [`login`](Self::login) in the same request it is the new one. After a logout there is none.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if the answer is unknown: 503 if the store failed, 401 for two different cookies of
    /// one name. 403 for a caller with only a token of another service ([`Compat`](crate::Compat)): not
    /// anonymous, but without a session.
    pub async fn session(&self) -> Result<Option<Session>> {
        Ok(self.current().await?.ok())
    }

    /// Returns the session, or why there is none.
    async fn own_session(&self) -> std::result::Result<Session, Rejection> {
        self.current().await?
    }

    /// Returns the session of this request by now, or why there is none. The outer error: unknown.
    async fn current(&self) -> std::result::Result<std::result::Result<Session, Rejection>, Rejection> {
        let id = match self.handle.handed_out() {
            Some(id) => id,
            None => match self.handle.caller_by(&self.credentials, Client::Noted(&self.client)).await? {
                Caller::Known(identity) => session_of(identity)?.id,
                Caller::Anonymous { why, .. } => return Ok(Err(*why)),
            },
        };
        match self.shared.sessions.find(id).await {
            Ok(Some(session)) => Ok(Ok(Session::clone(&session))),
            Ok(None) => Ok(Err(Rejection::TokenNotValid)),
            Err(error) => {
                rejection::log(&error);
                Err(self.handle.note(Rejection::from(&error)))
            }
        }
    }

    /// Returns the subject of a caller who has only a token of another service, and no session here.
    async fn sessionless(&self) -> std::result::Result<Option<String>, Rejection> {
        if self.handle.handed_out().is_some() {
            return Ok(None);
        }
        match self.handle.caller_by(&self.credentials, Client::Noted(&self.client)).await? {
            Caller::Known(who) if who.session().is_none() => Ok(Some(who.subject().to_owned())),
            Caller::Known(_) | Caller::Anonymous { .. } => Ok(None),
        }
    }

    /// Reads this request's cookies, if they are genuine. Any other revokes nothing.
    fn genuine_cookies(&self) -> (Option<Verified<Access>>, Option<Refresh>) {
        let refresh = match &self.credentials.refresh {
            Credential::One(token) => self.shared.sessions.read_refresh(token).ok(),
            _ => None,
        };
        (self.genuine_access(), refresh)
    }

    fn genuine_access(&self) -> Option<Verified<Access>> {
        match &self.credentials.access {
            Credential::One(token) => self.shared.sessions.read_access(token).ok(),
            _ => None,
        }
    }

    /// Revokes the session of genuine cookies. They may name two sessions if somebody planted one, or none if
    /// they are of another service.
    async fn revoke_cookies(
        &self,
        access: Option<Verified<Access>>,
        refresh: Option<Refresh>,
        reason: RevocationReason,
    ) -> std::result::Result<(), SessionError> {
        let sessions = &self.shared.sessions;
        let named = access.as_ref().and_then(|access| access.said().names());
        if let Some(access) = &access {
            sessions.revoke_access(access, reason).await?;
        }
        if let Some(refresh) = refresh.filter(|refresh| named.is_none() || refresh.names() != named) {
            sessions.revoke_refresh(&refresh, reason).await?;
        }
        Ok(())
    }

    /// Deletes the cookies. With a bearer token: only those that were to be set.
    fn forget(&self) {
        let cookies = if self.credentials.has_bearer() { Cookies::Keep } else { Cookies::Clear };
        self.handle.set_cookies(cookies);
    }
}
