//! Ready-made pages for admins: people, their sessions and roles, events, keys, the health of the store.
//!
//! `mod` mounts them and says which page is which. `admin_visit` is their one guard. Each other file is one
//! page. The shell, the style and the wording are those of the pages for everybody. The HTML is in
//! `jwtauth/templates/admin`.
//!
//! # Invariants
//!
//! 1. Each page and each form is behind the guard: a role, and a recent login. Nothing is mounted elsewhere
//!    but the style sheet (M-23).
//! 2. Each change is made in the name of the admin, whom the audit trail then names (O-11).
//! 3. A page reads a bounded number of records, however many there are. How many a store keeps is counted
//!    beside the pages (M-24).
//! 4. Admins take neither their own role nor their own account away: so the last one stays. What takes
//!    from others is done one after the other, and only by those who are admins still (M-25).
//! 5. What holds for the pages for everybody holds here.

mod admin_texts;
mod admin_visit;
mod chart;
mod events_page;
mod keys_page;
mod overview_page;
mod people_page;
mod person_page;
mod session_page;

use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::{BoxEndpoint, make};
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::Method;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response, Result, Route};

pub use self::admin_texts::AdminTexts;
use self::admin_visit::AdminVisit;
use super::page_shell::{anew, from_index, to_login};
use super::refusal_page::{AnsweredRequest, WaysOut};
use super::{ANY, PageSettings, PageTexts, is_index, on_this_site};
use crate::error::ConfigError;
use crate::session::LiveCounter;
use crate::web::middleware::JwtAuthEndpoint;
use crate::web::state::JwtAuth;

/// The paths of all pages. The first is shown to those who name none.
const PATHS: [&str; 6] = ["/overview", "/people", "/person", "/session", "/events", "/keys"];

/// How long ago the login may be, unless something else is set.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// The shortest time that is of use: a login takes a moment, and so does a form.
const SHORTEST: Duration = Duration::from_secs(60);

#[doc = include_str!("../../../docs/admin_pages.md")]
#[must_use = "pages do nothing until they are nested in an app"]
pub struct AdminPages {
    jwtauth: JwtAuth,
    look: PageSettings,
    gate: AdminGate,
}

/// Whom the pages let in.
struct AdminGate {
    role: String,
    max_age: Duration,
    /// The login page.
    login: String,
    /// The page to log out on.
    logout: String,
}

impl std::fmt::Debug for AdminPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminPages").field("role", &self.gate.role).finish_non_exhaustive()
    }
}

impl JwtAuth {
    /// Returns ready-made pages for admins, over [`accounts`](crate::JwtAuthBuilder::accounts). Feature
    /// `pages`.
    ///
    /// Nest them anywhere: `.nest("/admin", jwtauth.admin_pages()?)`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoAccounts`] if [`accounts`](crate::JwtAuthBuilder::accounts) was not called on the
    /// builder.
    pub fn admin_pages(&self) -> Result<AdminPages, ConfigError> {
        let look = PageSettings::new(self, "Admin")?;
        let (login, logout) = ("/account/login".into(), "/account/logout".into());
        let gate = AdminGate { role: "admin".into(), max_age: MAX_AGE, login, logout };
        Ok(AdminPages { jwtauth: self.clone(), look, gate })
    }
}

impl AdminPages {
    /// Sets the role that lets people in. Default: `admin`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.gate.role = role.into();
        self
    }

    /// Sets how long ago the login may be: 1 minute at least. Whoever logged in earlier is asked to log in
    /// again. Default: 30 minutes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is shorter.
    pub fn max_age(mut self, age: Duration) -> Result<Self, ConfigError> {
        if age < SHORTEST {
            let (name, problem) =
                ("the age of a login for the admin pages", format!("it is {SHORTEST:?} at least"));
            return Err(ConfigError::setting(name, format!("{age:?}"), problem));
        }
        self.gate.max_age = age;
        Ok(self)
    }

    /// Sets the page where people log in. Default: `/account/login`, that of [`pages`](JwtAuth::pages) where
    /// they are usually nested.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is no [path on this site](crate::local_path).
    pub fn login(mut self, path: impl Into<String>) -> Result<Self, ConfigError> {
        self.gate.login = on_this_site("the login page of the admin pages", path.into())?;
        Ok(self)
    }

    /// Sets the page where people log out, which each page has a link to. Default: `/account/logout`, that of
    /// [`pages`](JwtAuth::pages) where they are usually nested.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is no [path on this site](crate::local_path).
    pub fn logout(mut self, path: impl Into<String>) -> Result<Self, ConfigError> {
        self.gate.logout = on_this_site("the logout page of the admin pages", path.into())?;
        Ok(self)
    }

    /// Sets the name of the site, which stands at the top of each page and in its title. Default: `Admin`.
    pub fn site_name(mut self, name: impl Into<String>) -> Self {
        self.look.site = name.into();
        self
    }

    /// Sets the colour of buttons: see [`Pages::accent`](super::Pages::accent).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is no such colour.
    pub fn accent(mut self, colour: &str) -> Result<Self, ConfigError> {
        self.look.accent(colour)?;
        Ok(self)
    }

    /// Sets what pages say, in place of the English texts: [`PageTexts`] with its field
    /// [`admin`](PageTexts::admin).
    pub fn texts(mut self, texts: PageTexts) -> Self {
        self.look.texts = Arc::new(texts);
        self
    }

    /// Says it in other languages: see [`Pages::translate`](super::Pages::translate).
    pub fn translate(mut self, others: impl Fn(&str) -> Option<PageTexts> + Send + Sync + 'static) -> Self {
        self.look.others = Some(Box::new(others));
        self
    }
}

impl IntoEndpoint for AdminPages {
    type Endpoint = BoxEndpoint<'static, Response>;

    fn into_endpoint(self) -> Self::Endpoint {
        let Self { jwtauth, look, gate } = self;
        let mut all = Route::new();
        // It goes with the pages.
        let counter = LiveCounter::start(&jwtauth.state().sessions);
        let shared = Arc::new((look, gate, counter));
        for path in PATHS.into_iter().chain(["/style.css", ANY]) {
            let shared = Arc::clone(&shared);
            all = all.at(path, page(path, shared));
        }
        // If the app has it in front already, this one does nothing.
        JwtAuthEndpoint::new(all, jwtauth).map_to_response().boxed()
    }
}

/// Which methods the page at a path has.
fn methods(path: &str) -> &'static str {
    if matches!(path, "/person" | "/session") { "GET, HEAD, POST" } else { "GET, HEAD" }
}

/// Returns the page at a path. A refusal of it is a page too.
fn page(
    path: &'static str,
    shared: Arc<(PageSettings, AdminGate, Option<LiveCounter>)>,
) -> impl Endpoint + 'static {
    make(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move {
            let (look, gate, _) = &*shared;
            let path = if path == ANY && is_index(&request) { "/" } else { path };
            let of = AnsweredRequest::of(look, &request);
            let result = answer(path, look, gate, &of.texts, request).await;
            let first = Some((PATHS[0].trim_start_matches('/'), &*of.texts.admin.overview));
            of.answered(look, WaysOut { first, login: &gate.login }, methods(path), result)
        }
    })
}

/// Answers any request: first the guard, then the page.
async fn answer(
    path: &str,
    look: &PageSettings,
    gate: &AdminGate,
    texts: &PageTexts,
    request: Request,
) -> Result<Response> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/" | "/style.css" if !is_read => return Err(MethodNotAllowedError.into()),
        "/" => return Ok(from_index(&request, PATHS[0].trim_start_matches('/'))),
        "/style.css" => return Ok(look.style.sheet()),
        _ if PATHS.contains(&path) => {}
        _ => return Err(NotFoundError.into()),
    }
    let (request, mut body) = request.split();
    let mut visit = match AdminVisit::of(look, gate, texts, &request, &mut body).await {
        Ok(visit) => visit,
        Err(refusal) => return to_login(&gate.login, &request, refusal),
    };
    match *request.method() {
        Method::GET | Method::HEAD => show(path, &visit).await,
        Method::POST => {
            let Some(form) = visit.own.form(&mut body).await? else { return anew(show(path, &visit).await) };
            match path {
                "/person" => person_page::change(&visit, form).await,
                "/session" => session_page::change(&visit, form).await,
                _ => Err(MethodNotAllowedError.into()),
            }
        }
        _ => Err(MethodNotAllowedError.into()),
    }
}

async fn show(path: &str, visit: &AdminVisit<'_>) -> Result<Response> {
    match path {
        "/events" => events_page::show(visit).await,
        "/keys" => keys_page::show(visit),
        "/overview" => overview_page::show(visit).await,
        "/people" => people_page::show(visit).await,
        "/person" => person_page::show(visit).await,
        "/session" => session_page::show(visit).await,
        _ => Err(NotFoundError.into()),
    }
}
