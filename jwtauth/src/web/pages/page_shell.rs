//! What all pages have around them, and their headers.

use askama::Template;
use poem::error::ResponseError as _;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{IntoResponse as _, Request, Response, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{PageSettings, PageTexts};
use crate::accounts::Account;
use crate::error::AccountError;
use crate::web::answer::rejection::Rejection;
use crate::web::guard::local_path::login_url_with;
use crate::web::headers::pattern::asked_uri;

/// A page may load its style sheet and send its forms, to this site. Nobody may show it in a frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::VARY, "Accept-Language"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Tells whether a page of this site has led here, as far as browsers tell. A link from elsewhere can say
/// anything.
pub(super) fn is_from_here(request: &Request) -> bool {
    request.headers().get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

/// Tells whether a page of this site has led here and says in the query what it did.
pub(super) fn is_told(request: &Request, what: &str) -> bool {
    request.uri().query() == Some(what) && is_from_here(request)
}

/// What the query of a page says after a login, if the form came when the login had ended.
const AGAIN: &str = "again";

/// Tells whether a login has led here in place of a form that came too late.
pub(super) fn is_again(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|part| part == AGAIN) && is_from_here(request)
}

/// What all pages say.
pub(super) struct Shell<'p> {
    pub(super) texts: &'p PageTexts,
    pub(super) site: &'p str,
    /// Where somebody who is logged in goes from here, if the application has said so.
    pub(super) home: Option<&'p str>,
    pub(super) title: &'p str,
    /// The way up to the folder of the pages: empty there.
    pub(super) up: &'p str,
    /// The name of the account, if somebody is logged in.
    pub(super) name: Option<&'p str>,
    /// The id of the account. Each form says for whom it was made.
    pub(super) made_for: String,
    /// Which page it is.
    pub(super) here: &'static str,
    /// Which pages there are to go to.
    pub(super) has_devices: bool,
    pub(super) has_api_keys: bool,
    pub(super) has_password: bool,
    pub(super) has_logout: bool,
    /// Where the page to log out on is.
    pub(super) logout: &'p str,
    pub(super) notice: Option<&'p str>,
    pub(super) problem: Option<&'p str>,
    /// Whether something is wrong in a field.
    pub(super) is_wrong: bool,
}

impl<'p> Shell<'p> {
    pub(super) fn new(look: &'p PageSettings, texts: &'p PageTexts, title: &'p str) -> Self {
        Self {
            texts,
            site: &look.site,
            home: None,
            title,
            up: "",
            name: None,
            made_for: String::new(),
            here: "",
            has_devices: look.has("/devices"),
            has_api_keys: look.has("/api-keys"),
            has_password: look.has("/password"),
            has_logout: look.has("/logout"),
            logout: "logout",
            notice: None,
            problem: None,
            is_wrong: false,
        }
    }

    /// Says whose page it is, and which one.
    pub(super) fn belongs_to(&mut self, account: &'p Account, here: &'static str) {
        (self.name, self.made_for, self.here) = (Some(&*account.name), account.id.to_string(), here);
    }
}

/// Answers a form that changed nothing with the page as it is now.
pub(super) fn anew(page: Result<Response>) -> Result<Response> {
    page.map(|page| page.with_status(StatusCode::CONFLICT).into_response())
}

/// Answers with a page.
pub(super) fn shown(status: StatusCode, page: &impl Template) -> Result<Response> {
    let text = page.render().map_err(|error| {
        tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "a page could not be written");
        Rejection::Misconfigured
    })?;
    let mut response = Response::builder().status(status).content_type("text/html; charset=utf-8").body(text);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Gives a page that refuses something what its refusal tells programs: when to come again, and how to log in
/// (RFC 9110, sections 10.2.3 and 11.6.1). A page with another status says something else.
pub(super) fn with_headers_of(refusal: &Response, mut page: Response) -> Response {
    if refusal.status() != page.status() {
        return page;
    }
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        for value in refusal.headers().get_all(&name) {
            page.headers_mut().append(&name, value.clone());
        }
    }
    page
}

/// Sends the browser from the index to a page beside it. `page` has no `/`.
///
/// The index may be asked for without a `/` at the end, where a relative path would begin one level higher.
pub(super) fn from_index(request: &Request, page: &str) -> Response {
    see_other(&format!("{}{page}", into_folder(request)))
}

/// The way from the index to the pages beside it. It is empty, unless there is no `/` at its end.
pub(super) fn into_folder(request: &Request) -> String {
    let index = asked_uri(request).path();
    let last = index.rsplit('/').next().unwrap_or_default();
    if last.is_empty() { String::new() } else { format!("./{last}/") }
}

/// Sends the browser to another page, which it asks for with GET.
pub(super) fn see_other(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .header(header::CACHE_CONTROL, "no-store")
        .finish()
}

/// The page that says that somebody is logged out.
pub(super) const LOGGED_OUT: &str = "login?out";

/// Says that somebody is logged out. The browser drops the pages that it keeps to go back to, also where its
/// cookies are not `Secure` (N-23).
pub(super) fn logged_out() -> Response {
    let mut response = see_other(LOGGED_OUT);
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    response
}

/// Sends somebody who is not logged in to the page at `login`, and from there back to this one. Every other
/// refusal stays as it is.
pub(super) fn to_login(login: &str, request: &Request, refusal: poem::Error) -> Result<Response> {
    let mends =
        refusal.downcast_ref::<Rejection>().is_some_and(|why| why.status() == StatusCode::UNAUTHORIZED);
    // A form is not sent again: whoever comes back is told that nothing was changed.
    let mark = if *request.method() == Method::POST { AGAIN } else { "" };
    match login_url_with(login, request, mark).filter(|_| mends) {
        Some(login) => Ok(see_other(&login)),
        None => Err(refusal),
    }
}

/// Says what is wrong with an account, as a sentence.
pub(super) fn sentence(error: &AccountError) -> String {
    as_sentence(&error.to_string())
}

/// Begins a text with a capital letter, and ends it with a full stop.
pub(super) fn as_sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A time of Unix seconds for programs, and for people: in UTC, to the minute.
pub(super) fn times(seconds: u64) -> (String, String) {
    let time = i64::try_from(seconds).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let exact = time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default();
    let minute = exact.get(..16).map(|minute| format!("{} UTC", minute.replace('T', " ")));
    (exact, minute.unwrap_or_default())
}
