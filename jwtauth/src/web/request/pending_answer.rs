//! What leaves with the answer of a request: cookies, and headers that keep it private.

use std::net::IpAddr;

use poem::Response;
use poem::http::{HeaderName, HeaderValue, header};

use super::authority::Authority;
use super::origin::OriginCheck;
use super::outcome::Cookies;
use crate::session::IssuedTokens;
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

    /// Likewise with cookies: the answer always has them.
    pub(super) async fn finish_with_cookies(
        self,
        authority: &Authority,
        result: poem::Result<Response>,
    ) -> poem::Result<Response> {
        let mut response = self.finish(authority, result);
        let Some(state) = authority.sessions().map(JwtAuth::state) else { return Ok(response) };
        let clears_cache = matches!(self.cookies, Cookies::Clear) && state.cookies.clear_cache;
        let values = match self.cookies {
            Cookies::Keep => None,
            Cookies::Clear => Some(state.cookies.clear().into()),
            Cookies::Set(issued) => still_current(state, &issued).await,
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
    Some(state.cookies.set(issued, sessions.now(), sessions.left(&issued.session).1).into())
}
