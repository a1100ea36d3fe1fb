//! The one handle a request has: who is calling, asked at most once, and the cookies to send back.
//!
//! The middleware puts it on the request; guard and extractors share it. Nothing is verified until
//! somebody asks. Who is let in is decided by an [`Authority`].

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poem::http::{HeaderValue, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use tokio::sync::OnceCell;

use super::authenticate::{Caller, Cookies};
use super::authority::Authority;
use super::client::Client;
use super::credentials::Credentials;
use super::default_guard::DefaultGuard;
use super::middleware::Shared;
use super::reject::{self, Rejection};
use crate::error::BoxError;
use crate::id::SessionId;
use crate::session::IssuedTokens;
use crate::user::{AuthUser, Identity, Unfit, Via};

/// Shared by all who ask about one request.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Inner>);

struct Inner {
    authority: Authority,
    caller: OnceCell<Result<Caller, Rejection>>,
    /// User values, one of a type, each loaded once. Held while loading, so that nobody loads twice.
    users: tokio::sync::Mutex<Vec<Box<dyn Any + Send + Sync>>>,
    answer: Mutex<Answer>,
}

/// Whose requests somebody is ready to take for the user's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sites {
    /// Those of this site's own pages, and of those that are trusted.
    Own,
    /// Those of any site: `csrf = false`.
    Any,
    /// What the guard has said; our own if there is none.
    AsGuarded,
}

/// How far it is known which site caused the request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Origin {
    #[default]
    Unchecked,
    /// A guard takes requests of any site.
    Waived,
    /// Not looked at, because no cookie says who is calling. A login sets cookies all the same.
    NothingAtStake,
    /// Our own, or a trusted one.
    AccessState,
}

/// What goes back with the response, and what those who ask have settled.
#[derive(Default)]
struct Answer {
    cookies: Cookies,
    /// Whether anybody asked who is calling, so that the answer may be private.
    asked: bool,
    origin: Origin,
    /// An outage that an `Option<..>` extractor would hide.
    outage: Option<Rejection>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(authority: Authority) -> Self {
        Self(Arc::new(Inner {
            authority,
            caller: OnceCell::new(),
            users: tokio::sync::Mutex::default(),
            answer: Mutex::default(),
        }))
    }

    /// Returns what a [`JwtAuth`](super::middleware::JwtAuth) has, if it is one that stands in front.
    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        match &self.0.authority {
            Authority::Sessions(shared) => Some(shared),
            Authority::Verifier(_) => None,
        }
    }

    /// Tells whether the handle was made by a clone of one middleware.
    pub(crate) fn is_of(&self, authority: &Authority) -> bool {
        self.0.authority.is(authority)
    }

    pub(crate) fn credentials<'r>(&self, request: &'r Request) -> Credentials<'r> {
        self.0.authority.credentials(request)
    }

    /// Returns how long ago the caller proved who they are, in seconds.
    pub(crate) fn age_of_login(&self, who: &Identity) -> u64 {
        self.0.authority.now().saturating_sub(who.auth_time())
    }

    /// Notes that the answer depends on who asks.
    pub(crate) fn touch(&self) {
        self.answer().asked = true;
    }

    pub(crate) fn set_cookies(&self, mut cookies: Cookies) {
        let mut answer = self.answer();
        if let (Cookies::Set(issued), Cookies::Set(before)) = (&mut cookies, &mut answer.cookies) {
            issued.take_over(before);
        }
        answer.cookies = cookies;
    }

    /// Returns the session whose tokens would go out with the answer as things stand.
    pub(crate) fn handed_out(&self) -> Option<SessionId> {
        match &self.answer().cookies {
            Cookies::Set(issued) => Some(issued.session.id),
            Cookies::Keep | Cookies::Clear => None,
        }
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
    pub(crate) async fn caller(&self, request: &Request, sites: Sites) -> Result<&Caller, Rejection> {
        let unchecked = self.ask(sites);
        if let Some(found) = self.0.caller.get()
            && !unchecked
        {
            return self.found(found);
        }
        let credentials = self.credentials(request);
        if unchecked {
            // With a bearer token the cookies are not looked at, and no browser sends one on its own.
            let at_stake = credentials.has_cookie() && !credentials.has_bearer();
            if at_stake {
                self.check_origin(request)?;
            }
            self.answer().origin = if at_stake { Origin::AccessState } else { Origin::NothingAtStake };
        }
        self.caller_by(&credentials, Client::Of(request)).await
    }

    /// Notes that the answer depends on who asks, and tells whether the request's origin must be checked first.
    fn ask(&self, sites: Sites) -> bool {
        let mut answer = self.answer();
        answer.asked = true;
        match (answer.origin, sites) {
            (Origin::AccessState | Origin::NothingAtStake, _)
            | (Origin::Waived, Sites::Any | Sites::AsGuarded) => false,
            (Origin::Unchecked, Sites::Any) => {
                answer.origin = Origin::Waived;
                false
            }
            (Origin::Waived, Sites::Own) | (Origin::Unchecked, Sites::Own | Sites::AsGuarded) => true,
        }
    }

    /// Like [`Self::caller`], for a request whose origin was checked before.
    pub(super) async fn caller_by(
        &self,
        credentials: &Credentials<'_>,
        client: Client<'_>,
    ) -> Result<&Caller, Rejection> {
        self.touch();
        let found = self.0.caller.get_or_init(|| async {
            let (caller, cookies) = self.0.authority.authenticate(credentials, client).await?;
            self.propose_cookies(cookies);
            Ok(caller)
        });
        self.found(found.await)
    }

    fn found<'s>(&self, found: &'s Result<Caller, Rejection>) -> Result<&'s Caller, Rejection> {
        found.as_ref().map_err(|rejection| self.note(*rejection))
    }

    /// Refuses a request that another site caused, unless its guard takes those: for who changes the cookies,
    /// whether the request has any or not (login CSRF).
    pub(crate) fn check_origin_as_guarded(&self, request: &Request) -> Result<(), Rejection> {
        let origin = self.answer().origin;
        match origin {
            Origin::AccessState | Origin::Waived => Ok(()),
            Origin::NothingAtStake | Origin::Unchecked => self.check_origin(request),
        }
    }

    fn check_origin(&self, request: &Request) -> Result<(), Rejection> {
        if !self.0.authority.refuses_origin(request) {
            return Ok(());
        }
        let said = |name| {
            let value = request.headers().get(name).map(|value| value.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(&value[..value.len().min(200)]).into_owned()
        };
        tracing::warn!(
            target: "jwtauth",
            event = "cross_origin",
            method = %request.method(),
            origin = ?said(header::ORIGIN),
            host = ?said(header::HOST),
            "a request of another site was refused; if pages of that origin are yours, call .trusted_origin(..) with it"
        );
        Err(Rejection::CrossOrigin)
    }

    /// Like [`Self::caller`], for those who have no use for a stranger.
    pub(crate) async fn identity(&self, request: &Request) -> Result<&Identity, Rejection> {
        match self.caller(request, Sites::AsGuarded).await? {
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
            Ok(Some(user)) if !user.is_active() => {
                tracing::info!(target: "jwtauth", event = "user_inactive", session = identity.session_id().log_id());
                self.forget_user(identity);
                Err(Rejection::UserInactive)
            }
            Ok(Some(user)) => {
                users.push(Box::new(user.clone()));
                Ok(user)
            }
            Ok(None) => {
                tracing::info!(target: "jwtauth", event = "user_not_found", session = identity.session_id().log_id());
                self.forget_user(identity);
                Err(Rejection::UserNotFound)
            }
            // Any client can send a token that has no session, so this is no mistake of the application's.
            Err(error) if error.is::<Unfit>() && self.shared().is_some() && identity.session().is_none() => {
                Err(Rejection::UserNotFound)
            }
            Err(error) => Err(self.note(user_outage::<U>(&error))),
        }
    }

    /// Deletes the cookies of somebody who is no user any more.
    fn forget_user(&self, identity: &Identity) {
        if identity.via() == Via::Cookie {
            self.set_cookies(Cookies::Clear);
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

    /// Lets a request go on behind this handle, if the default guard of its middleware lets it.
    pub(crate) async fn run<E: Endpoint>(
        &self,
        mut request: Request,
        guard: Option<&DefaultGuard>,
        inner: &E,
    ) -> poem::Result<Response> {
        request.extensions_mut().insert(self.clone());
        let admitted = match guard {
            Some(guard) => guard.admit(&request).await,
            None => Ok(()),
        };
        match admitted {
            Ok(()) => inner.call(request).await.map(IntoResponse::into_response),
            Err(refused) => Err(refused),
        }
    }

    /// Finishes the answer: cookies ride on it whatever it is, and nobody may keep a copy of it (H-7).
    pub(crate) async fn finish(&self, result: poem::Result<Response>) -> poem::Result<Response> {
        let Answer { cookies, asked, .. } = std::mem::take(&mut *self.answer());
        if !asked {
            return result;
        }
        // An `Err` that goes on as one would lose the cookies.
        let mut response = result.unwrap_or_else(poem::Error::into_response);
        let values = match (cookies, self.shared()) {
            (Cookies::Keep, _) | (_, None) => None,
            (Cookies::Clear, Some(shared)) => Some(shared.cookies.clear()),
            (Cookies::Set(issued), Some(shared)) => still_wanted(shared, &issued).await,
        };
        let headers = response.headers_mut();
        let no_store = HeaderValue::from_static("no-store");
        if values.is_some() {
            headers.insert(header::CACHE_CONTROL, no_store);
        } else {
            headers.entry(header::CACHE_CONTROL).or_insert(no_store);
        }
        headers.append(header::VARY, self.0.authority.vary());
        for value in values.into_iter().flatten() {
            headers.append(header::SET_COOKIE, value);
        }
        Ok(response)
    }
}

/// Returns the cookies if nothing happened to the session while the handler ran.
///
/// A logout that was answered meanwhile, or a later rotation, wins over this slower answer.
async fn still_wanted(shared: &Shared, issued: &IssuedTokens) -> Option<[HeaderValue; 2]> {
    let sessions = &shared.sessions;
    match sessions.is_current(issued).await {
        Ok(false) => return None,
        Ok(true) => {}
        // The server decides with each request anyway; the cookies alone open nothing.
        Err(error) => reject::log(&error),
    }
    Some(shared.cookies.set(issued, sessions.hand_out(issued)))
}

fn user_outage<U>(error: &BoxError) -> Rejection {
    if let Some(unfit) = error.downcast_ref::<Unfit>() {
        let user = std::any::type_name::<U>();
        tracing::error!(target: "jwtauth", "`{user}` cannot be had here: {unfit}");
        return Rejection::Misconfigured;
    }
    tracing::error!(target: "jwtauth", error = &**error as &dyn std::error::Error, "a user could not be loaded");
    Rejection::StoreUnavailable
}
