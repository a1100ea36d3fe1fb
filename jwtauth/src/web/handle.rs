//! The one handle a request has: who is calling, asked at most once, and the cookies to send back.
//!
//! The middleware puts it on the request; guard and extractors share it. Nothing is verified until
//! somebody asks. The rules of who is let in are the table of [`authenticate`].

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Request, Response};
use tokio::sync::OnceCell;

use super::credentials::{Credentials, Sent};
use super::middleware::Shared;
use super::reject::{self, Rejection};
use crate::error::{BoxError, SessionError, TokenError};
use crate::session::{Checked, Issued};
use crate::user::{AuthUser, Identity, Via};

/// Shared by all who ask about one request.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    caller: OnceCell<Result<Caller, Rejection>>,
    /// User values, one of a type, each loaded once. Held while loading, so that nobody loads twice.
    users: tokio::sync::Mutex<Vec<Box<dyn Any + Send + Sync>>>,
    answer: Mutex<Answer>,
}

/// Who is calling.
pub(crate) enum Caller {
    Known(Box<Identity>),
    Anonymous {
        why: Rejection,
        /// Whether a bearer token was refused: that stays an error where a login is optional.
        bearer: bool,
    },
}

/// What goes back with the response.
#[derive(Default)]
struct Answer {
    cookies: Cookies,
    /// Whether anybody asked who is calling, so that the answer may be private.
    asked: bool,
    /// An outage that an `Option<..>` extractor would hide.
    outage: Option<Rejection>,
}

#[derive(Default)]
pub(crate) enum Cookies {
    #[default]
    Keep,
    Set(Box<Issued>),
    Clear,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner {
            shared,
            caller: OnceCell::new(),
            users: tokio::sync::Mutex::default(),
            answer: Mutex::default(),
        }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Tells whether the handle was made by a clone of one [`JwtAuth`](super::middleware::JwtAuth).
    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.0.shared, shared)
    }

    pub(crate) fn credentials<'r>(&self, request: &'r Request) -> Credentials<'r> {
        Credentials::of(request.headers(), &self.0.shared.cookies.names)
    }

    /// Notes that the answer depends on who asks.
    pub(crate) fn touch(&self) {
        self.answer().asked = true;
    }

    pub(crate) fn set_cookies(&self, cookies: Cookies) {
        self.answer().cookies = cookies;
    }

    /// Like [`Self::set_cookies`], unless a login, refresh or logout of the handler's own has decided:
    /// what the request came with is older than that.
    fn propose_cookies(&self, cookies: Cookies) {
        let mut answer = self.answer();
        if matches!(answer.cookies, Cookies::Keep) {
            answer.cookies = cookies;
        }
    }

    fn answer(&self) -> MutexGuard<'_, Answer> {
        // OK because every change under the lock is one assignment.
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out who is calling; the answer is kept for the request.
    ///
    /// A request that another site caused is refused before any token is looked at, so that it
    /// cannot even rotate one (H-10).
    pub(crate) async fn caller(&self, request: &Request) -> Result<&Caller, Rejection> {
        self.touch();
        if let Some(found) = self.0.caller.get() {
            return self.found(found);
        }
        let credentials = self.credentials(request);
        if credentials.has_cookie() {
            self.check_origin(request, &credentials)?;
        }
        self.caller_by(&credentials).await
    }

    /// Like [`Self::caller`], for a request whose origin was checked before.
    pub(crate) async fn caller_by(&self, credentials: &Credentials<'_>) -> Result<&Caller, Rejection> {
        self.touch();
        let found = self.0.caller.get_or_init(|| async {
            let (caller, cookies) = authenticate(&self.0.shared, credentials).await?;
            self.propose_cookies(cookies);
            Ok(caller)
        });
        self.found(found.await)
    }

    fn found<'s>(&self, found: &'s Result<Caller, Rejection>) -> Result<&'s Caller, Rejection> {
        found.as_ref().map_err(|rejection| self.note(*rejection))
    }

    /// Refuses a request that another site caused. A bearer token is never sent by a browser on its own.
    pub(crate) fn check_origin(
        &self,
        request: &Request,
        credentials: &Credentials<'_>,
    ) -> Result<(), Rejection> {
        if credentials.has_bearer() || !self.0.shared.cross_origin.refuses(request) {
            return Ok(());
        }
        tracing::warn!(target: "jwtauth", event = "cross_origin", method = %request.method(), "a request of another site was refused");
        Err(Rejection::CrossOrigin)
    }

    /// Like [`Self::caller`], for those who have no use for a stranger.
    pub(crate) async fn identity(&self, request: &Request) -> Result<&Identity, Rejection> {
        match self.caller(request).await? {
            Caller::Known(identity) => Ok(identity),
            Caller::Anonymous { why, .. } => Err(*why),
        }
    }

    /// Loads the caller's user value, once a request for each type.
    pub(crate) async fn user<U: AuthUser>(&self, request: &Request) -> Result<U, Rejection> {
        let identity = self.identity(request).await?;
        let mut users = self.0.users.lock().await;
        if let Some(user) = users.iter().find_map(|user| user.downcast_ref::<U>()) {
            return Ok(user.clone());
        }
        // `()` asks for no store, so there is always one.
        let store = (&() as &dyn Any).downcast_ref::<U::Store>().or_else(|| request.data::<U::Store>());
        let Some(store) = store else {
            let (user, store) = (std::any::type_name::<U>(), std::any::type_name::<U::Store>());
            tracing::error!(target: "jwtauth", "`CurrentUser<{user}>` needs `{store}`: add `.data(..)` with one to the app");
            return Err(self.note(Rejection::Misconfigured));
        };
        match U::load(store, identity).await {
            Ok(Some(user)) => {
                users.push(Box::new(user.clone()));
                Ok(user)
            }
            Ok(None) => {
                tracing::info!(target: "jwtauth", event = "user_not_found", session = identity.session_id().log_id());
                if identity.via() == Via::Cookie {
                    self.set_cookies(Cookies::Clear);
                }
                Err(Rejection::UserNotFound)
            }
            Err(error) => Err(self.note(user_outage(&error))),
        }
    }

    /// Remembers an outage, which must not pass for "nobody is logged in".
    pub(crate) fn note(&self, rejection: Rejection) -> Rejection {
        if rejection.is_outage() {
            self.answer().outage = Some(rejection);
        }
        rejection
    }

    pub(crate) fn outage(&self) -> Option<Rejection> {
        self.answer().outage
    }

    /// Finishes the answer: cookies ride on it whatever it is, and nobody may keep a copy of it (H-7).
    pub(crate) async fn finish<T: IntoResponse>(&self, result: poem::Result<T>) -> poem::Result<Response> {
        let Answer { cookies, asked, .. } = std::mem::take(&mut *self.answer());
        if !asked {
            return result.map(IntoResponse::into_response);
        }
        // An `Err` that goes on as one would lose the cookies.
        let mut response = result.map_or_else(poem::Error::into_response, IntoResponse::into_response);
        let values = match cookies {
            Cookies::Keep => None,
            Cookies::Clear => Some(self.0.shared.cookies.clear()),
            Cookies::Set(issued) => self.still_wanted(&issued).await,
        };
        let headers = response.headers_mut();
        let no_store = HeaderValue::from_static("no-store");
        if values.is_some() {
            headers.insert(header::CACHE_CONTROL, no_store);
        } else {
            headers.entry(header::CACHE_CONTROL).or_insert(no_store);
        }
        headers.append(header::VARY, HeaderValue::from_static("Cookie, Authorization"));
        for value in values.into_iter().flatten() {
            headers.append(header::SET_COOKIE, value);
        }
        Ok(response)
    }

    /// Returns the cookies if nothing happened to the session while the handler ran.
    ///
    /// A logout that was answered meanwhile, or a later rotation, wins over this slower answer.
    async fn still_wanted(&self, issued: &Issued) -> Option<[HeaderValue; 2]> {
        let sessions = &self.0.shared.sessions;
        match sessions.is_current(issued).await {
            Ok(false) => return None,
            Ok(true) => {}
            // The server decides with each request anyway; the cookies alone open nothing.
            Err(error) => reject::log(&error),
        }
        let values = self.0.shared.cookies.set(issued, sessions.hand_out(issued));
        values.inspect_err(reject::log).ok()
    }
}

fn user_outage(error: &BoxError) -> Rejection {
    tracing::error!(target: "jwtauth", error = &**error as &dyn std::error::Error, "a user could not be loaded");
    Rejection::StoreUnavailable
}

/// Decides who is calling, and what happens to the cookies.
///
/// | access | refresh | caller | cookies |
/// |---|---|---|---|
/// | live | absent, refused, or of the same session | known | kept |
/// | expired, same session | valid | known | rotated |
/// | absent | valid | known | rotated |
/// | expired or absent | expired or absent | anonymous | kept |
/// | of session A | genuine, of session B | anonymous | kept |
/// | forged, malformed, empty, wrong kind | any | anonymous | kept |
/// | session ended | any | anonymous | deleted |
/// | two values under one name | | 401 | kept |
///
/// With an `Authorization: Bearer` header the cookies are not looked at (H-6).
async fn authenticate(
    shared: &Shared,
    credentials: &Credentials<'_>,
) -> Result<(Caller, Cookies), Rejection> {
    match &credentials.bearer {
        Sent::Absent => by_cookie(shared, &credentials.access, &credentials.refresh).await,
        Sent::One(token) => by_bearer(shared, token).await.map(|caller| (caller, Cookies::Keep)),
        Sent::Unreadable | Sent::Conflict => {
            Ok((Caller::Anonymous { why: Rejection::InvalidRequest, bearer: true }, Cookies::Keep))
        }
    }
}

async fn by_bearer(shared: &Shared, token: &str) -> Result<Caller, Rejection> {
    let refused = |why| Ok(Caller::Anonymous { why, bearer: true });
    match shared.sessions.check_access(token).await {
        Ok(Checked::Live(session)) => Ok(Caller::Known(Box::new(Identity::new(session, Via::Bearer)))),
        Ok(Checked::Expired(_)) => refused(Rejection::TokenExpired),
        Err(error) => refused(refusal(&error)?),
    }
}

async fn by_cookie(
    shared: &Shared,
    access: &Sent<'_>,
    refresh: &Sent<'_>,
) -> Result<(Caller, Cookies), Rejection> {
    let sessions = &shared.sessions;
    let genuine_refresh = || match refresh {
        Sent::One(token) => sessions.session_of_refresh(token).map(|session| (&**token, session)).ok(),
        _ => None,
    };
    let checked = match (access, refresh) {
        (Sent::Conflict, _) | (_, Sent::Conflict) => return Err(Rejection::TokenNotValid),
        (Sent::Unreadable, _) => return Ok(anonymous(Rejection::TokenNotValid)),
        (Sent::Absent, Sent::Absent) => return Ok(anonymous(Rejection::NotAuthenticated)),
        (Sent::Absent, Sent::Unreadable) => return Ok(anonymous(Rejection::TokenNotValid)),
        (Sent::Absent, Sent::One(token)) => return silent_refresh(shared, token).await,
        (Sent::One(token), _) => sessions.check_access(token).await,
    };
    match checked {
        Ok(Checked::Live(session)) => match genuine_refresh() {
            // Two sessions in one browser: someone has put one of the cookies there.
            Some((_, other)) if other != session.id => Ok(anonymous(Rejection::TokenNotValid)),
            _ => Ok((Caller::Known(Box::new(Identity::new(session, Via::Cookie))), Cookies::Keep)),
        },
        Ok(Checked::Expired(expired)) => match genuine_refresh() {
            Some((_, other)) if other != expired => Ok(anonymous(Rejection::TokenNotValid)),
            Some((token, _)) => silent_refresh(shared, token).await,
            None => Ok(anonymous(Rejection::TokenExpired)),
        },
        Err(error) => refused(&error),
    }
}

async fn silent_refresh(shared: &Shared, token: &str) -> Result<(Caller, Cookies), Rejection> {
    match shared.sessions.refresh(token).await {
        Ok(issued) => {
            let identity = Identity::new(issued.session.clone(), Via::Cookie);
            Ok((Caller::Known(Box::new(identity)), Cookies::Set(Box::new(issued))))
        }
        Err(error) => refused(&error),
    }
}

/// Deletes cookies only of a session that is proven to be over: a late refusal must not take away
/// what a newer answer has set.
fn refused(error: &SessionError) -> Result<(Caller, Cookies), Rejection> {
    let why = refusal(error)?;
    let cookies = if is_over(error) { Cookies::Clear } else { Cookies::Keep };
    Ok((Caller::Anonymous { why, bearer: false }, cookies))
}

pub(crate) const fn is_over(error: &SessionError) -> bool {
    matches!(error, SessionError::Ended | SessionError::Revoked | SessionError::Reused)
}

fn anonymous(why: Rejection) -> (Caller, Cookies) {
    (Caller::Anonymous { why, bearer: false }, Cookies::Keep)
}

/// Why a token is refused; `Err` if that could not be told.
fn refusal(error: &SessionError) -> Result<Rejection, Rejection> {
    if !matches!(error, SessionError::Token(TokenError::Expired)) {
        reject::log(error);
    }
    let why = Rejection::from(error);
    if why.is_outage() { Err(why) } else { Ok(why) }
}
