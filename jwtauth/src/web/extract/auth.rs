//! [`Auth`], the argument of handlers that log in and out. Whatever a handler does with it, in any order, one
//! answer leaves: with the cookies of the session that was opened or refreshed last, or with their deletion.
//! Tokens in bodies are in `body_tokens`, and what the credentials of a request name is in `named_sessions`.

use std::net::IpAddr;
use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result};

use super::user::session_of;
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::events::Event;
use crate::record::{RevocationReason, Session};
#[cfg(feature = "pages")]
use crate::session::SameForm;
use crate::session::{Eviction, IssuedTokens};
use crate::user::AuthUser;
use crate::web::answer::rejection::{self, Rejection};
use crate::web::client::{Client, ClientHeaders};
use crate::web::headers::credential::Credential;
use crate::web::headers::credentials::Credentials;
use crate::web::request::handle::Handle;
use crate::web::request::outcome::{Caller, Cookies};
use crate::web::request::twins::{self, Choice};
use crate::web::request::wiring;
#[cfg(feature = "pages")]
use crate::web::state::DroppedBy;
use crate::web::state::JwtAuthState;

#[doc = include_str!("../../docs/auth.md")]
#[derive(Debug)]
pub struct Auth {
    pub(super) handle: Handle,
    pub(super) shared: Arc<JwtAuthState>,
    pub(super) credentials: Credentials<'static>,
    client: ClientHeaders,
    /// What the header of tokens ends with, if it has no bearer token.
    pub(super) other_token: Option<String>,
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
        handle.note_address(client.address);
        handle.note_who_drops_cookies(request);
        let credentials = handle.credentials(request).into_owned();
        let other_token = shared.token_header.last_word(request.headers());
        let other_token = other_token.filter(|_| !credentials.has_bearer()).map(str::to_owned);
        Ok(Self { handle: handle.clone(), shared, credentials, client, other_token })
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
    /// - [`SessionError::ApiKeyRefused`] for a request with an API key: no key becomes a login.
    /// - [`SessionError::Store`] if the store failed: nobody is logged in.
    pub async fn login<U: AuthUser>(&self, user: &U) -> std::result::Result<Session, SessionError> {
        self.refuse_api_key()?;
        let sessions = &self.shared.sessions;
        let (old, _) = self.named_cookies();
        // Cookies of a session that this request has opened would never reach the client.
        let mut replaces = Vec::from_iter(self.handle.handed_out());
        for token in &old {
            match sessions.record_of(token).await {
                Ok(record) => replaces.extend(record.map(|session| session.id)),
                // It names a session of somebody else, and is no token of that one.
                Err(SessionError::Token(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut issued = sessions.open(user, self.device(), replaces, Eviction::WithAnswer).await?;
        if let Some(pending) = &mut issued.pending {
            // A token that names no session is in no record to be replaced.
            pending.replaced_tokens = old.into_iter().filter(|token| token.foreign.is_some()).collect();
        }
        let session = issued.session.clone();
        if let Some(late) = self.handle.set_cookies(Cookies::Set(Box::new(issued))) {
            sessions.hand_out(*late).await?;
        }
        Ok(session)
    }

    /// Notes by which form the login of this request came.
    #[cfg(feature = "pages")]
    pub(crate) fn logged_in_by(&self, form: Arc<SameForm>) {
        self.handle.logged_in_by(form);
    }

    /// Tells whether no browser keeps the cookies of the answer: it goes over plain http, as far as one sees.
    #[cfg(feature = "pages")]
    pub(crate) fn loses_cookies(&self, request: &Request) -> bool {
        matches!(self.handle.note_who_drops_cookies(request), Some(DroppedBy::Everybody))
    }

    /// Refuses a request with an API key.
    pub(crate) fn refuse_api_key(&self) -> std::result::Result<(), SessionError> {
        match &self.credentials.bearer {
            Credential::One(token) if self.shared.sessions.read_api_key(token).is_some() => {
                Err(SessionError::ApiKeyRefused)
            }
            _ => Ok(()),
        }
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
    /// - It works with either cookie alone. The token need not be good now: an expired one, or one of other
    ///   settings, names its session too.
    /// - Of several cookies of one name, it revokes all sessions that they name, and deletes them in each
    ///   form.
    /// - Without cookies, or with cookies that are not tokens of this service, it succeeds and does nothing.
    /// - With a bearer token it revokes that token's session, and the cookies stay. A token of this service
    ///   behind another scheme than `Bearer`, or behind none, names its session too.
    /// - A session that this handler has opened with [`login`](Self::login) is revoked too.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Store`] if the store failed: the session may be live, and the cookies stay.
    /// - [`SessionError::Token`] if it is unclear which session is meant, and it may be live: the bearer
    ///   token is not one of this service, no cookie is signed by a key that is still here, or there are more
    ///   than four different cookies of one name: four are looked at.
    /// - [`SessionError::ApiKeyRefused`] for an API key, which a person has to revoke.
    pub async fn logout(&self) -> std::result::Result<(), SessionError> {
        self.refuse_api_key()?;
        let sessions = &self.shared.sessions;
        let handed_out = self.handle.handed_out();
        let (mut ended, mut failed) = (handed_out.is_some(), None);
        let (named, mut doubt) = match &self.credentials.bearer {
            Credential::Absent => self.named_without_bearer(),
            Credential::One(token) => (vec![sessions.name_bearer(token)?], None),
            Credential::Unreadable | Credential::Several { .. } | Credential::Conflict => {
                return Err(TokenError::Malformed.into());
            }
        };
        for token in &named {
            match sessions.revoke_named(token, RevocationReason::Logout).await {
                Ok(_) => ended = true,
                Err(SessionError::Token(error)) => doubt = doubt.or(Some(error)),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(session) = handed_out {
            sessions.revoke_for(session, RevocationReason::Logout).await?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // Both are deleted, but a success would say that the right session was revoked.
        self.forget();
        if self.credentials.has_more() {
            return Err(TokenError::Malformed.into());
        }
        doubt.filter(|_| !ended).map_or(Ok(()), |error| Err(error.into()))
    }

    /// Revokes all sessions of the calling user, on every device. Returns how many there were.
    ///
    /// API keys of the user end too. Like [`logout`](Self::logout), it takes tokens that are not good now, if
    /// their session is live and is that of one user.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the store failed: then all are revoked, or none.
    pub async fn logout_all(&self) -> Result<usize> {
        // By its session if there is one: it may have been revoked since the request came in.
        let subject = match self.sessionless().await {
            Ok(Some(subject)) => Ok(subject),
            Ok(None) => self.own_login().await.map(|session| session.subject),
            Err(why) => Err(why),
        };
        let subject = match subject {
            Err(why) if !why.is_outage() => self.named_subject().await?.ok_or(why)?,
            subject => subject?,
        };
        let ended = self.shared.sessions.revoke_all(&subject).await?;
        self.forget();
        Ok(ended)
    }

    /// Revokes all sessions of the calling user except this one and API keys. Returns how many there were.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the store failed: then all are revoked, or none.
    pub async fn logout_others(&self) -> Result<usize> {
        let session = self.own_login().await?;
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
        if let Some((id, first)) = self.handle.access_to_hand_out() {
            return self.refreshed(shared.sessions.issue_again(id, &first, &self.device()).await);
        }
        if self.credentials.has_bearer() {
            return Err(Rejection::NotAuthenticated.into());
        }
        let (access, refresh) = match self.credentials.has_other_forms() {
            false => (self.credentials.access.borrowed(), self.credentials.refresh.borrowed()),
            true => match twins::choose(&shared.sessions, &self.credentials, false).await {
                Ok(Choice::Pair { access, refresh, .. }) => {
                    self.credentials.counted_former().for_each(|name| self.handle.note_former_cookie(name));
                    (access, refresh)
                }
                Ok(Choice::Conflict | Choice::Nobody { .. }) => return Err(Rejection::TokenNotValid.into()),
                Err(error) => return self.refreshed(Err(error)),
            },
        };
        let token = match &refresh {
            Credential::One(token) => token,
            Credential::Absent => return Err(Rejection::NotAuthenticated.into()),
            _ => return Err(Rejection::TokenNotValid.into()),
        };
        let refresh = match shared.sessions.read_refresh(token) {
            Ok(refresh) => refresh,
            Err(error) => return self.refreshed(Err(error.into())),
        };
        // Cookies of two different sessions.
        let access = match &access {
            Credential::One(token) => shared.sessions.read_access(token).ok(),
            _ => None,
        };
        if access.is_some_and(|access| !access.said().goes_with(&refresh)) {
            return Err(Rejection::TokenNotValid.into());
        }
        self.refreshed(shared.sessions.refresh_pair(refresh, &self.device()).await)
    }

    /// Sends new tokens with the response, or deletes the cookies of a session that is over, unless its
    /// client may have newer ones.
    fn refreshed(&self, issued: std::result::Result<IssuedTokens, SessionError>) -> Result<Session> {
        match issued {
            Ok(issued) => {
                let session = issued.session.clone();
                // A login after the answer has left was carried out.
                let _ = self.handle.set_cookies(Cookies::Set(Box::new(issued)));
                Ok(session)
            }
            Err(error) => {
                if rejection::is_over(&error) {
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

    /// Returns the session, or why there is none. That of an API key is refused.
    pub(super) async fn own_login(&self) -> std::result::Result<Session, Rejection> {
        let session = self.current().await??;
        if session.api_key.is_some() { Err(Rejection::ApiKeyRefused) } else { Ok(session) }
    }

    /// Tells whether the tokens of the request were replaced, and it is let in because it is late (N-22).
    pub(super) async fn is_late(&self) -> std::result::Result<bool, Rejection> {
        let caller = self.handle.caller_by(&self.credentials, Client::Noted(&self.client)).await?;
        Ok(matches!(caller, Caller::Known(identity) if identity.is_late()))
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
            Err(error) => Err(self.unknown(&error)),
        }
    }

    /// The answer if the store does not say who is calling.
    pub(super) fn unknown(&self, error: &SessionError) -> Rejection {
        rejection::log(error);
        self.handle.note(Rejection::from(error))
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

    /// Deletes the cookies. With a bearer token: only those that were to be set.
    fn forget(&self) {
        let cookies = if self.credentials.has_bearer() { Cookies::Keep } else { Cookies::Clear };
        let _ = self.handle.set_cookies(cookies);
    }
}
