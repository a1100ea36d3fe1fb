//! What leaves with the answer of a request: cookies, and headers that keep it private.

use std::net::IpAddr;
#[cfg(feature = "pages")]
use std::sync::Arc;

use poem::Response;
use poem::http::{HeaderName, HeaderValue, header};

use super::authority::Authority;
use super::origin::OriginCheck;
use super::outcome::Cookies;
#[cfg(feature = "pages")]
use crate::session::SameForm;
use crate::session::{IssuedTokens, PendingLogin};
use crate::web::answer::rejection::{self, FailedLogin, Rejection};
use crate::web::answer::wording;
use crate::web::state::{DroppedBy, JwtAuth, JwtAuthState};

/// Lets a browser drop what it keeps of this site (Clear Site Data, section 3.1).
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Deletes what a browser keeps in other forms. Only with an answer that sets or deletes cookies.
#[derive(Default)]
pub(super) struct OtherForms {
    /// Of the present names.
    pub(super) present: Vec<HeaderValue>,
    /// Of former names: which name it is, and how.
    pub(super) former: Vec<(usize, Vec<HeaderValue>)>,
    /// Under which of these a token of this service came.
    pub(super) of_ours: Vec<usize>,
}

impl OtherForms {
    fn into_headers(self) -> impl Iterator<Item = HeaderValue> {
        let Self { present, former, of_ours } = self;
        let former = former.into_iter().filter(move |(name, _)| of_ours.contains(name));
        present.into_iter().chain(former.flat_map(|(_, forms)| forms))
    }
}

/// What was decided about one request so far.
#[derive(Default)]
pub(super) struct PendingAnswer {
    pub(super) cookies: Cookies,
    /// Logins whose tokens are in the body.
    #[expect(clippy::vec_box, reason = "each comes in a box, and goes on in it")]
    pub(super) logins: Vec<Box<PendingLogin>>,
    /// Whether it has left: what is decided from then on comes too late.
    pub(super) has_left: bool,
    /// What they were when a user type said that the user is gone. They count if another type finds the user.
    pub(super) before_user_was_gone: Option<Cookies>,
    /// Whether anything asked who is calling: then the answer may be private.
    pub(super) asked: bool,
    pub(super) origin: OriginCheck,
    /// What the browser keeps in other forms, if it does: most do not.
    pub(super) forms: Option<Box<OtherForms>>,
    /// Who will not keep the cookies, if anybody.
    pub(super) dropped_by: Option<DroppedBy>,
    /// The address of the client, if anything asked for it.
    pub(super) client_address: Option<IpAddr>,
    /// An outage that an `Option<..>` extractor would hide.
    pub(super) outage: Option<Rejection>,
}

impl PendingAnswer {
    /// Tells whether the answer may set or delete cookies.
    pub(super) const fn sets_cookies(&self) -> bool {
        !matches!(self.cookies, Cookies::Keep)
    }

    /// Decides what happens to the cookies. Returns a login that has come too late for the answer.
    pub(super) fn set_cookies(&mut self, mut cookies: Cookies) -> Option<Box<PendingLogin>> {
        let before = std::mem::take(&mut self.cookies);
        let mut late = None;
        if let Cookies::Set(issued) = &mut cookies {
            // Tokens that are written again are those of the same login.
            if let Cookies::Set(before) = before
                && before.session.id == issued.session.id
                && issued.pending.is_none()
            {
                issued.pending = before.pending;
            }
            if self.has_left {
                late = issued.pending.take();
            }
        }
        self.cookies = cookies;
        // It is decided anew.
        self.before_user_was_gone = None;
        late
    }

    /// Notes by which form the login came whose cookies would leave now.
    #[cfg(feature = "pages")]
    pub(super) fn logged_in_by(&mut self, form: Arc<SameForm>) {
        if let Cookies::Set(issued) = &mut self.cookies
            && let Some(login) = &mut issued.pending
        {
            login.came_by(form);
        }
    }

    /// Notes a login whose tokens are in the body. Returns it if the answer has left.
    pub(super) fn leaves_with_body(&mut self, login: Box<PendingLogin>) -> Option<Box<PendingLogin>> {
        if self.has_left {
            return Some(login);
        }
        self.logins.push(login);
        None
    }

    /// Finishes an answer that depends on the caller and changes no cookies: nobody may cache it (H-7).
    pub(super) fn finish(&self, authority: &Authority, result: poem::Result<Response>) -> Response {
        tell_of_failed_login(&result, self.client_address);
        // An `Err` that is passed on would lose the headers.
        let mut response = result.unwrap_or_else(poem::Error::into_response);
        let headers = response.headers_mut();
        headers.append(header::VARY, authority.vary());
        headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
        response
    }

    /// Likewise with cookies: the answer always has them, unless they are those of a login that has failed.
    pub(super) async fn finish_with_cookies(
        mut self,
        authority: &Authority,
        mut result: poem::Result<Response>,
    ) -> poem::Result<Response> {
        let state = authority.sessions().map(JwtAuth::state);
        let mut current = None;
        if let Some(state) = state {
            (result, current) = self.hand_out(state, result).await;
        }
        if !self.asked {
            tell_of_failed_login(&result, self.client_address);
            return result;
        }
        let mut response = self.finish(authority, result);
        let Some(state) = state else { return Ok(response) };
        let clears_cache = matches!(self.cookies, Cookies::Clear) && state.cookies.clear_cache;
        let values = match self.cookies {
            Cookies::Keep => None,
            Cookies::Clear => Some(state.cookies.clear().into()),
            Cookies::Set(issued) => match current {
                Some(false) => None,
                Some(true) => Some(cookies_of(state, &issued)),
                None => still_current(state, &issued).await,
            },
            Cookies::SetAgain(resent) => resent.cookies(state).await,
        };
        let Some(values) = values else { return Ok(response) };
        if let Some(who) = self.dropped_by {
            state.warn_of_dropped_cookies(who);
        }
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        if clears_cache {
            // Pages that the browser kept to go back to. The cookies are deleted one by one, below.
            headers.append(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
        }
        // Deletions come first: a browser that does not know `Partitioned` takes both forms for one cookie.
        let forms = self.forms.map(|forms| forms.into_headers());
        for value in forms.into_iter().flatten().chain(values) {
            headers.append(header::SET_COOKIE, value);
        }
        Ok(response)
    }

    /// Lets logins do what they do to other sessions, because their answer leaves now. If it is an error,
    /// nobody has logged in: their sessions are revoked, and nothing else happens.
    ///
    /// Returns the answer, which is another one if the store has failed, and whether the cookies of a login
    /// are good, if there is one.
    async fn hand_out(
        &mut self,
        state: &JwtAuthState,
        mut result: poem::Result<Response>,
    ) -> (poem::Result<Response>, Option<bool>) {
        let by_cookies = match &mut self.cookies {
            Cookies::Set(issued) => issued.pending.take().map(|login| (login, issued.session.generation)),
            Cookies::Keep | Cookies::SetAgain(_) | Cookies::Clear => None,
        };
        let sessions = &state.sessions;
        let mut logins = std::mem::take(&mut self.logins).into_iter();
        while !is_error(&result)
            && let Some(login) = logins.next()
        {
            if let Err(error) = sessions.hand_out(*login).await {
                result = Err(error.into());
            }
        }
        for login in logins {
            sessions.abandon(*login).await;
        }
        let Some((login, generation)) = by_cookies else { return (result, None) };
        if is_error(&result) {
            sessions.abandon(*login).await;
            return (result, Some(false));
        }
        match sessions.hand_out(*login).await {
            Ok(found) => {
                let now = sessions.now();
                let is_current = found.is_some_and(|it| it.is_live_at(now) && it.generation == generation);
                (result, Some(is_current))
            }
            Err(error) => (Err(error.into()), Some(false)),
        }
    }
}

fn is_error(result: &poem::Result<Response>) -> bool {
    let status = result.as_ref().map_or_else(poem::Error::status, Response::status);
    status.is_client_error() || status.is_server_error()
}

/// Logs that a login was refused for its name or password.
pub(super) fn tell_of_failed_login(result: &poem::Result<Response>, address: Option<IpAddr>) {
    if is_failed_login(result) {
        let address = address.map(tracing::field::display);
        tracing::info!(target: "jwtauth", event = "login_failed", address);
    }
}

/// Tells whether a login was refused for its name or password.
fn is_failed_login(result: &poem::Result<Response>) -> bool {
    match result {
        Ok(response) => response.extensions().get::<FailedLogin>().is_some(),
        Err(error) => wording::why(error) == Some(Rejection::InvalidCredentials),
    }
}

/// Returns the cookies, unless something happened to the session while the handler ran. A logout that was
/// answered meanwhile, or a later rotation, wins over this slower answer.
async fn still_current(state: &JwtAuthState, issued: &IssuedTokens) -> Option<Vec<HeaderValue>> {
    let sessions = &state.sessions;
    match sessions.is_current(issued).await {
        Ok(false) => return None,
        Ok(true) => {}
        // The server checks each request anyway: the cookies alone give no access.
        Err(error) => rejection::log(&error),
    }
    Some(cookies_of(state, issued))
}

fn cookies_of(state: &JwtAuthState, issued: &IssuedTokens) -> Vec<HeaderValue> {
    let sessions = &state.sessions;
    state.cookies.set(issued, sessions.now(), sessions.left(&issued.session).1).into()
}
