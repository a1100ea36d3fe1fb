//! The one handle of a request: the caller, determined at most once, and the cookies to send back.
//!
//! The middleware puts it on the request. Guard and extractors share it. Nothing is verified before the first
//! question. An [`Authority`] decides.

use std::any::{Any, TypeId};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poem::http::header;
use poem::{Request, Response};
use tokio::sync::OnceCell;

use super::authority::Authority;
use super::dropped_cookies::who_drops_cookies;
use super::origin::{self, OriginCheck, Sites};
use super::outcome::{Caller, Cookies};
use super::pending_answer::{self, PendingAnswer};
use crate::clock::seconds_since;
use crate::error::BoxError;
use crate::id::SessionId;
use crate::notice::misconfigured;
use crate::session::PendingLogin;
#[cfg(feature = "pages")]
use crate::session::SameForm;
use crate::user::{AuthUser, Identity, OtherKind, TokenSource, TokenUser, Unfit, check_kind, kind_of};
use crate::web::answer::cookie_forms::is_sent_to;
use crate::web::answer::rejection::Rejection;
use crate::web::client::Client;
use crate::web::headers::credential::Credential;
use crate::web::headers::credentials::{Credentials, PlainTokens};
use crate::web::headers::pattern::asked_uri;
use crate::web::state::{DroppedBy, JwtAuth};

/// Shared by everything that asks about one request.
#[derive(Clone)]
pub(crate) struct Handle(Arc<HandleParts>);

struct HandleParts {
    authority: Authority,
    caller: OnceCell<Result<Caller, Rejection>>,
    /// User values, one for each type, each loaded once. Locked while loading, so that nobody loads twice.
    users: tokio::sync::Mutex<Vec<Box<dyn Any + Send + Sync>>>,
    /// Whether one of the types has found the user.
    has_found_user: AtomicBool,
    answer: Mutex<PendingAnswer>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Puts a new handle on a request, where guard and extractors find it.
    pub(crate) fn put_on(request: &mut Request, authority: Authority) -> Self {
        let handle = Self(Arc::new(HandleParts {
            authority,
            caller: OnceCell::new(),
            users: tokio::sync::Mutex::default(),
            has_found_user: AtomicBool::new(false),
            answer: Mutex::default(),
        }));
        request.extensions_mut().insert(handle.clone());
        handle
    }

    /// Returns the [`JwtAuth`] that stands in front, if it is one.
    pub(crate) fn jwtauth(&self) -> Option<&JwtAuth> {
        self.0.authority.sessions()
    }

    /// Tells whether a clone of one middleware made the handle.
    pub(crate) fn is_of(&self, authority: &Authority) -> bool {
        self.0.authority.is(authority)
    }

    pub(crate) fn credentials<'r>(&self, request: &'r Request) -> Credentials<'r> {
        let mut credentials = self.0.authority.credentials(request);
        let Some(jwtauth) = self.jwtauth() else { return credentials };
        let (cookies, path) = (&jwtauth.state().cookies, asked_uri(request).path());
        credentials.is_refresh_misplaced = credentials.refresh != Credential::Absent
            && cookies.refresh_path != cookies.path
            && !is_sent_to(&cookies.refresh_path, path);
        if !credentials.has_other_forms() && credentials.former.is_empty() {
            return credentials;
        }
        let sent = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = sent.or(request.original_uri().authority().map(|authority| authority.as_str()));
        let is_refresh_kept = credentials.is_refresh_misplaced && !credentials.is_refresh_former;
        let names = (credentials.access.is_several(), credentials.refresh.is_several() || is_refresh_kept);
        let mut former: Vec<_> = credentials.former.iter().map(|cookie| cookie.name).collect();
        former.sort_unstable();
        former.dedup();
        let former = former.into_iter();
        let former_forms =
            former.map(|name| (name, cookies.delete_former(&cookies.names.former[name].name, host, path)));
        let former_forms = former_forms.collect();
        let present = cookies.delete_other_forms(names, host, path);
        let mut answer = self.answer();
        let forms = answer.forms.get_or_insert_default();
        (forms.present, forms.former) = (present, former_forms);
        drop(answer);
        credentials
    }

    /// Notes that a cookie under a former name has a token of this service, so that the answer deletes it.
    /// Others are not ours to delete.
    pub(crate) fn note_former_cookie(&self, name: usize) {
        self.answer().forms.get_or_insert_default().of_ours.push(name);
    }

    /// Returns how long ago the caller proved who they are, in seconds. For ever, if nobody knows.
    pub(crate) fn age_of_login(&self, who: &Identity) -> u64 {
        seconds_since(who.auth_time(), self.0.authority.now()).unwrap_or(u64::MAX)
    }

    /// Notes that the answer depends on the caller.
    pub(crate) fn touch(&self) {
        self.answer().asked = true;
    }

    /// Notes who will drop the cookies of the answer, if it sets any, and returns that. Asked before it is
    /// known whether it does, because later there is no request.
    pub(crate) fn note_who_drops_cookies(&self, request: &Request) -> Option<DroppedBy> {
        let is_secure = self.jwtauth().is_some_and(|jwtauth| jwtauth.state().cookies.secure);
        let dropped_by = is_secure.then(|| who_drops_cookies(request)).flatten();
        self.answer().dropped_by = dropped_by;
        dropped_by
    }

    /// Notes the address of the client, for what the log says about the answer.
    pub(crate) fn note_address(&self, address: Option<IpAddr>) {
        self.answer().client_address = address;
    }

    /// Decides what the answer does to the cookies. Returns a login that has come too late for it.
    #[must_use]
    pub(crate) fn set_cookies(&self, cookies: Cookies) -> Option<Box<PendingLogin>> {
        self.answer().set_cookies(cookies)
    }

    /// Notes by which form the login came whose tokens would leave with the answer now.
    #[cfg(feature = "pages")]
    pub(crate) fn logged_in_by(&self, form: Arc<SameForm>) {
        self.answer().logged_in_by(form);
    }

    /// Notes a login whose tokens leave in the body of the answer. Returns it if the answer has left.
    pub(crate) fn leaves_with_body(&self, login: Box<PendingLogin>) -> Option<Box<PendingLogin>> {
        self.answer().leaves_with_body(login)
    }

    /// Returns the session whose tokens would leave with the answer now.
    pub(crate) fn handed_out(&self) -> Option<SessionId> {
        self.access_to_hand_out().map(|(id, _)| id)
    }

    /// Returns that session, and its access token as it would leave.
    pub(crate) fn access_to_hand_out(&self) -> Option<(SessionId, String)> {
        match &self.answer().cookies {
            Cookies::Set(issued) => Some((issued.session.id, issued.access.expose().to_owned())),
            Cookies::Keep | Cookies::SetAgain(_) | Cookies::Clear => None,
        }
    }

    /// Like [`Self::set_cookies`], but a login, refresh or logout of the handler is newer and wins.
    fn propose_cookies(&self, cookies: Cookies) {
        let mut answer = self.answer();
        if matches!(answer.cookies, Cookies::Keep) {
            answer.cookies = cookies;
        }
    }

    fn answer(&self) -> MutexGuard<'_, PendingAnswer> {
        // A panic leaves nothing half done: every change under the lock is one assignment.
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out who is calling, once for the request.
    ///
    /// A request that another site caused is refused before any token is read, so it cannot rotate one
    /// (H-10).
    pub(crate) async fn caller(&self, request: &Request, sites: Sites) -> Result<&Caller, Rejection> {
        let mut must_check = {
            let mut answer = self.answer();
            answer.asked = true;
            answer.origin.is_needed_for(sites)
        };
        if let Some(found) = self.0.caller.get()
            && !must_check
        {
            return self.found(found);
        }
        if let Some(tokens) = self.0.authority.plain_tokens(request) {
            if must_check && matches!(tokens, PlainTokens::Cookies { .. }) {
                origin::check_always(&self.0.authority, request)?;
                self.answer().origin = OriginCheck::Passed;
                must_check = false;
            }
            if let Some(known) = self.0.authority.known_before(tokens) {
                if must_check {
                    self.answer().origin = OriginCheck::NothingAtStake;
                    must_check = false;
                }
                // If somebody else is finding out, their result counts.
                let _ = self.0.caller.set(Ok(known));
                if let Some(found) = self.0.caller.get() {
                    return self.found(found);
                }
            }
        }
        // Boxed, or the future of each handler would be as large as that of a refresh.
        Box::pin(async move {
            // Who sends no cookie gets none, whatever comes of the request.
            if request.headers().contains_key(header::COOKIE) {
                self.note_who_drops_cookies(request);
            }
            let credentials = self.credentials(request);
            if must_check {
                let checked = origin::check(&self.0.authority, request, &credentials)?;
                self.answer().origin = checked;
            }
            self.caller_by(&credentials, Client::Of(request)).await
        })
        .await
    }

    /// Like [`Self::caller`], if the origin of the request was checked before.
    pub(crate) async fn caller_by(
        &self,
        credentials: &Credentials<'_>,
        client: Client<'_>,
    ) -> Result<&Caller, Rejection> {
        self.touch();
        let found = self.0.caller.get_or_init(|| async {
            let (caller, cookies) = self.0.authority.authenticate(credentials, client).await?;
            // Nothing is set or deleted because of a token that is not ours.
            if !matches!(cookies, Cookies::Keep) {
                credentials.counted_former().for_each(|name| self.note_former_cookie(name));
            }
            self.propose_cookies(cookies);
            Ok(caller)
        });
        self.found(found.await)
    }

    fn found<'s>(&self, found: &'s Result<Caller, Rejection>) -> Result<&'s Caller, Rejection> {
        found.as_ref().map_err(|rejection| self.note(*rejection))
    }

    /// Refuses a request that another site caused, unless its guard allows it. It is for everything that
    /// changes cookies, even if the request has none (login CSRF).
    pub(crate) fn check_origin_as_guarded(&self, request: &Request) -> Result<(), Rejection> {
        let is_checked = self.answer().origin.allows_a_login();
        if is_checked { Ok(()) } else { origin::check_always(&self.0.authority, request) }
    }

    /// Like [`Self::caller`], but an anonymous caller is refused.
    pub(crate) async fn identity(&self, request: &Request) -> Result<&Identity, Rejection> {
        match self.caller(request, Sites::AsGuarded).await? {
            Caller::Known(identity) => Ok(identity),
            Caller::Anonymous { why, .. } => Err(*why),
        }
    }

    /// Loads the caller's user value, once for each type.
    pub(crate) async fn user<U: AuthUser>(&self, request: &Request) -> Result<U, Rejection> {
        let identity = self.identity(request).await?;
        if let Some(user) = identity.user_read_before::<U>()
            && user.is_active()
        {
            self.found_user::<U>();
            return Ok(user.clone());
        }
        let mut users = self.0.users.lock().await;
        if let Some(user) = users.iter().find_map(|user| user.downcast_ref::<U>()) {
            return Ok(user.clone());
        }
        if let Some(Err(other)) = identity.session().map(check_kind::<U>) {
            return Err(self.refuse_kind(&other));
        }
        // `()` needs no store, so it is always found.
        let store = (&() as &dyn Any).downcast_ref::<U::Store>().or_else(|| request.data::<U::Store>());
        let Some(store) = store else {
            let (user, store) = (std::any::type_name::<U>(), std::any::type_name::<U::Store>());
            misconfigured(
                "data of a user",
                format_args!("`CurrentUser<{user}>` needs `{store}`: add `.data(..)` with one to the app"),
            );
            return Err(self.note(Rejection::Misconfigured));
        };
        match U::load(store, identity).await {
            Ok(Some(user)) if !user.is_active() => {
                tracing::info!(target: "jwtauth", event = "user_inactive", session = identity.session_id().log_id());
                self.forget_user::<U>(identity);
                Err(Rejection::UserInactive)
            }
            Ok(Some(user)) => {
                users.push(Box::new(user.clone()));
                self.found_user::<U>();
                Ok(user)
            }
            Ok(None) => {
                let (asked, held) =
                    (kind_of::<U>(), identity.session().and_then(|it| it.user_kind.as_deref()));
                tracing::info!(target: "jwtauth", event = "user_not_found", session = identity.session_id().log_id(), asked, held);
                self.forget_user::<U>(identity);
                Err(Rejection::UserNotFound)
            }
            // Any client can send a token that has no session, so the application has made no mistake.
            Err(error) if error.is::<Unfit>() && self.jwtauth().is_some() && identity.session().is_none() => {
                Err(Rejection::UserNotFound)
            }
            Err(error) => Err(match error.downcast_ref() {
                Some(other) => self.refuse_kind(other),
                None => self.note(user_outage::<U>(&error)),
            }),
        }
    }

    /// Refuses a handler that asks for another type of user than the session has. The session is good.
    fn refuse_kind(&self, other: &OtherKind) -> Rejection {
        if let Some(jwtauth) = self.jwtauth() {
            jwtauth.state().tell_of_kind(other);
        }
        Rejection::PermissionDenied
    }

    /// Notes that a type has found the user. An identity is there without a look.
    fn found_user<U: AuthUser>(&self) {
        if ![TypeId::of::<Identity>(), TypeId::of::<TokenUser>()].contains(&TypeId::of::<U>()) {
            self.0.has_found_user.store(true, Ordering::Relaxed);
        }
    }

    /// Deletes the cookies of a user who is gone or not active, unless another type finds the user.
    ///
    /// That a type finds nobody proves something of its own kind of users. If the session keeps a user of
    /// another kind, it proves nothing.
    fn forget_user<U: AuthUser>(&self, identity: &Identity) {
        let is_of_another_kind = identity.session().is_some_and(|session| {
            session.user.is_some() && session.user_kind.as_deref() != Some(kind_of::<U>())
        });
        if identity.token_source() == TokenSource::Cookie && !is_of_another_kind {
            let mut answer = self.answer();
            let before = std::mem::replace(&mut answer.cookies, Cookies::Clear);
            answer.before_user_was_gone.get_or_insert(before);
        }
    }

    /// Remembers an outage: it must not look like "nobody is logged in".
    pub(crate) fn note(&self, rejection: Rejection) -> Rejection {
        if rejection.is_outage() {
            self.answer().outage = Some(rejection);
        }
        rejection
    }

    pub(crate) fn outage(&self) -> Option<Rejection> {
        self.answer().outage
    }

    /// Finishes the answer of the request. `Err` is one that has to wait: it sets cookies, or is a login.
    pub(crate) fn finish(
        &self,
        result: poem::Result<Response>,
    ) -> Result<poem::Result<Response>, impl Future<Output = poem::Result<Response>> + Send + use<'_>> {
        let mut kept = self.answer();
        kept.has_left = true;
        if !kept.asked && kept.logins.is_empty() {
            let address = kept.client_address;
            drop(kept);
            pending_answer::tell_of_failed_login(&result, address);
            return Ok(result);
        }
        let mut answer =
            std::mem::replace(&mut *kept, PendingAnswer { has_left: true, ..Default::default() });
        drop(kept);
        if let Some(before) = answer.before_user_was_gone.take()
            && self.0.has_found_user.load(Ordering::Relaxed)
        {
            answer.cookies = before;
        }
        if answer.sets_cookies() || !answer.logins.is_empty() {
            // Boxed, because few answers do.
            return Err(Box::pin(answer.finish_with_cookies(&self.0.authority, result)));
        }
        Ok(Ok(answer.finish(&self.0.authority, result)))
    }
}

fn user_outage<U>(error: &BoxError) -> Rejection {
    if let Some(unfit) = error.downcast_ref::<Unfit>() {
        let user = std::any::type_name::<U>();
        misconfigured("user that does not fit", format_args!("`{user}` does not work here: {unfit}"));
        return Rejection::Misconfigured;
    }
    tracing::error!(target: "jwtauth", error = &**error as &dyn std::error::Error, "a user could not be loaded");
    Rejection::StoreUnavailable
}
