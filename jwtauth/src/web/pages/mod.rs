//! Ready-made pages for people: log in, register, change the password, see and end sessions, log out.
//!
//! `mod` mounts them, `login_pages`, `own_pages` and `api_keys_page` have the handlers, `own_visit` the guard
//! of pages for people who are logged in, `sent_forms` and `password_forms` know what is sent twice,
//! `page_shell` is what all pages have around them, `page_texts` what they say, and `style` how they look.
//! `refusal_page` is what they refuse with. `admin` has the pages for admins. The HTML is in
//! `jwtauth/templates`.
//!
//! # Invariants
//!
//! 1. Nothing changes state but POST, and a POST that another site caused is refused before it is read.
//! 2. Text goes into a page by a template only, which escapes it.
//! 3. A page loads nothing but its style sheet, runs no script, and can be framed by nobody. Nobody keeps it
//!    (`no-store`).
//! 4. Paths are relative, so pages work wherever they are nested. Only a path on this site is followed after
//!    a login (H-13).

mod admin;
mod api_keys_page;
mod device_row;
mod login_pages;
mod own_pages;
mod own_visit;
mod page_shell;
mod page_texts;
mod password_forms;
mod refusal_page;
mod sent_forms;
mod style;
mod text_fields;

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make};
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::Method;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response, Result, Route};

pub use self::admin::{AdminPages, AdminTexts};
use self::own_visit::OwnVisit;
use self::page_shell::{anew, to_login};
pub use self::page_texts::PageTexts;
use self::password_forms::PasswordForms;
use self::refusal_page::{AnsweredRequest, WaysOut};
use self::sent_forms::SentForms;
use self::style::Style;
use crate::error::ConfigError;
use crate::web::middleware::JwtAuthEndpoint;
use crate::web::state::JwtAuth;

/// The paths of all pages.
const PATHS: [&str; 6] = ["/login", "/register", "/password", "/devices", "/api-keys", "/logout"];

/// The path of what is no page, and of the index.
const ANY: &str = "/*path";

/// Tells whether a request asks for the folder of the pages.
fn is_index(request: &Request) -> bool {
    matches!(request.uri().path(), "" | "/")
}

type TextsFor = Box<dyn Fn(&str) -> Option<PageTexts> + Send + Sync>;

#[doc = include_str!("../../docs/pages.md")]
#[must_use = "pages do nothing until they are nested in an app"]
pub struct Pages {
    jwtauth: JwtAuth,
    look: PageSettings,
    replaced: Vec<(&'static str, Option<BoxEndpoint<'static, Response>>)>,
}

/// What the application chooses for all pages.
struct PageSettings {
    site: String,
    home: Option<String>,
    style: Style,
    texts: Arc<PageTexts>,
    others: Option<TextsFor>,
    /// Pages that were left out.
    without: Vec<&'static str>,
    sent_forms: SentForms,
    password_forms: PasswordForms,
}

impl PageSettings {
    /// The settings that nobody has changed.
    fn new(jwtauth: &JwtAuth, site: &str) -> Result<Self, ConfigError> {
        jwtauth.accounts().ok_or(ConfigError::NoAccounts)?;
        Ok(Self {
            site: site.into(),
            home: None,
            style: Style::default(),
            texts: Arc::default(),
            others: None,
            // Without keys there is no page of them, unless the application has one.
            without: if jwtauth.sessions().has_api_keys() { Vec::new() } else { vec!["/api-keys"] },
            sent_forms: SentForms::default(),
            password_forms: PasswordForms::default(),
        })
    }

    fn accent(&mut self, colour: &str) -> Result<(), ConfigError> {
        self.style = Style::with_accent(colour)?;
        Ok(())
    }

    /// Tells whether a page is there.
    fn has(&self, path: &str) -> bool {
        !self.without.contains(&path)
    }

    /// Returns what pages say to this client.
    fn texts(&self, request: &Request) -> Arc<PageTexts> {
        let languages = request.header(poem::http::header::ACCEPT_LANGUAGE).unwrap_or_default();
        let other = self.others.as_ref().and_then(|others| others(languages));
        other.map_or_else(|| Arc::clone(&self.texts), Arc::new)
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("site", &self.look.site).finish_non_exhaustive()
    }
}

impl JwtAuth {
    /// Returns ready-made pages for [`accounts`](crate::JwtAuthBuilder::accounts). Feature `pages`.
    ///
    /// Nest them anywhere: `.nest("/account", jwtauth.pages()?)`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoAccounts`] if [`accounts`](crate::JwtAuthBuilder::accounts) was not called on the
    /// builder.
    pub fn pages(&self) -> Result<Pages, ConfigError> {
        let look = PageSettings::new(self, "Account")?;
        Ok(Pages { jwtauth: self.clone(), look, replaced: Vec::new() })
    }
}

impl Pages {
    /// Sets the name of the site, which stands at the top of each page and in its title. Default: `Account`.
    pub fn site_name(mut self, name: impl Into<String>) -> Self {
        self.look.site = name.into();
        self
    }

    /// Sets the page that follows a login which no other page has asked for. People who are logged in find a
    /// link to it. Default: the devices, and no link.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is no [path on this site](crate::local_path).
    pub fn home(mut self, path: impl Into<String>) -> Result<Self, ConfigError> {
        self.look.home = Some(on_this_site("the home of the pages", path.into())?);
        Ok(self)
    }

    /// Sets the colour of buttons, as `#rrggbb`. Their text is black or white, whichever stands out more.
    /// Default: `#0b57d0`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is no such colour.
    pub fn accent(mut self, colour: &str) -> Result<Self, ConfigError> {
        self.look.accent(colour)?;
        Ok(self)
    }

    /// Sets what pages say, in place of the English texts.
    pub fn texts(mut self, texts: PageTexts) -> Self {
        self.look.texts = Arc::new(texts);
        self
    }

    /// Says it in other languages: `others` gets the header `Accept-Language` of the client, and returns
    /// `None` for the [usual texts](Self::texts).
    pub fn translate(mut self, others: impl Fn(&str) -> Option<PageTexts> + Send + Sync + 'static) -> Self {
        self.look.others = Some(Box::new(others));
        self
    }

    /// Puts a page of the application in the place of one, for all its methods: `/login`, `/register`,
    /// `/password`, `/devices`, `/api-keys` or `/logout`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no such page.
    pub fn replace(
        mut self,
        path: &str,
        page: impl IntoEndpoint<Endpoint: 'static>,
    ) -> Result<Self, ConfigError> {
        let path = known(path)?;
        self.look.without.retain(|known| *known != path);
        self.replaced.push((path, Some(page.map_to_response().boxed())));
        Ok(self)
    }

    /// Leaves a page out, with the links to it. Without `/devices` name a [`home`](Self::home). Without
    /// `/login` anonymous users are redirected to a page that does not exist: put one of yours in its place
    /// with [`replace`](Self::replace).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no such page.
    pub fn without(mut self, path: &str) -> Result<Self, ConfigError> {
        let path = known(path)?;
        self.look.without.push(path);
        self.replaced.push((path, None));
        Ok(self)
    }
}

fn known(path: &str) -> Result<&'static str, ConfigError> {
    PATHS.into_iter().find(|known| *known == path).ok_or_else(|| {
        let problem = "there is `/login`, `/register`, `/password`, `/devices`, `/api-keys` and `/logout`";
        ConfigError::setting("the path of a page", path, problem)
    })
}

/// Checks the path of a page that is elsewhere.
fn on_this_site(name: &'static str, path: String) -> Result<String, ConfigError> {
    match crate::local_path(&path) {
        Some(_) => Ok(path),
        None => Err(ConfigError::setting(name, path, "it is a path on this site, such as `/account/login`")),
    }
}

impl IntoEndpoint for Pages {
    type Endpoint = BoxEndpoint<'static, Response>;

    fn into_endpoint(self) -> Self::Endpoint {
        let Self { jwtauth, look, replaced } = self;
        let look = Arc::new(look);
        let mut all = Route::new();
        for path in ["/style.css", ANY] {
            all = all.at(path, page(path, &look));
        }
        for path in PATHS {
            // What was said last counts.
            all = match replaced.iter().rposition(|(known, _)| *known == path) {
                None if look.has(path) => all.at(path, page(path, &look)),
                _ => all,
            };
        }
        let mut mounted: Vec<&str> = Vec::new();
        for (path, endpoint) in replaced.into_iter().rev() {
            if mounted.contains(&path) {
                continue;
            }
            mounted.push(path);
            if let Some(endpoint) = endpoint {
                all = all.at(path, endpoint);
            }
        }
        // If the app has it in front already, this one does nothing.
        JwtAuthEndpoint::new(all, jwtauth).map_to_response().boxed()
    }
}

/// Returns the page at a path. A refusal of it is a page too.
fn page(path: &'static str, look: &Arc<PageSettings>) -> impl Endpoint + 'static {
    let look = Arc::clone(look);
    make(move |request: Request| {
        let look = Arc::clone(&look);
        async move {
            let of = AnsweredRequest::of(&look, &request);
            let path = if path == ANY && is_index(&request) { "/" } else { path };
            let result = answer(path, &look, request).await;
            let first = look.has("/devices").then_some(("devices", &*of.texts.devices));
            let methods = if matches!(path, "/" | "/style.css") { "GET, HEAD" } else { "GET, HEAD, POST" };
            of.answered(&look, WaysOut { first, login: "login" }, methods, result)
        }
    })
}

/// Answers any request: one that shows a page, or one with its form.
async fn answer(path: &str, look: &PageSettings, request: Request) -> Result<Response> {
    let is_form = match *request.method() {
        _ if path == ANY => return Err(NotFoundError.into()),
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        _ => return Err(MethodNotAllowedError.into()),
    };
    match (path, is_form) {
        ("/" | "/style.css", true) => Err(MethodNotAllowedError.into()),
        ("/", false) => own_pages::to_devices(&request),
        ("/style.css", false) => Ok(look.style.sheet()),
        ("/login", false) => login_pages::show_login(look, request).await,
        ("/login", true) => login_pages::log_in(look, request).await,
        ("/register", false) => login_pages::show_register(look, request).await,
        ("/register", true) => login_pages::register(look, request).await,
        ("/logout", true) => own_pages::log_out(look, request).await,
        _ => own_page(path, look, request, is_form).await,
    }
}

/// Answers a request for a page of somebody who is logged in. Anyone else goes to the login page first, and
/// not to come back to log out.
async fn own_page(path: &str, look: &PageSettings, request: Request, is_form: bool) -> Result<Response> {
    let (request, mut body) = request.split();
    let texts = look.texts(&request);
    let answer = async {
        let mut visit = OwnVisit::of(look, &texts, &request, &mut body).await?;
        if !is_form {
            return show_own(path, &visit).await;
        }
        let Some(form) = visit.form(&mut body).await? else { return anew(show_own(path, &visit).await) };
        match path {
            "/api-keys" => api_keys_page::change(&visit, form).await,
            "/devices" => own_pages::end_sessions(&visit, form).await,
            _ => own_pages::change_password(&visit, form).await,
        }
    };
    let answer: Result<Response> = answer.await;
    match answer {
        Err(refusal) if path == "/logout" && own_pages::is_logged_out(&refusal) => {
            own_pages::show_logout_of_nobody(look, &texts, &request).await
        }
        Err(refusal) => to_login("login", &request, refusal),
        shown => shown,
    }
}

async fn show_own(path: &str, visit: &OwnVisit<'_>) -> Result<Response> {
    match path {
        "/api-keys" => api_keys_page::show(visit).await,
        "/devices" => own_pages::show_devices(visit).await,
        "/logout" => own_pages::show_logout(visit),
        _ => own_pages::show_password(visit).await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Each form of somebody who is logged in says for whom it was made: see `OwnVisit::form`.
    #[test]
    fn every_form_of_an_account_says_whose_it_is() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut forms = 0;
        for folder in [folder.clone(), folder.join("admin")] {
            for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
                let is_of_nobody = ["login.html", "register.html"].iter().any(|name| file.ends_with(name));
                let Some(text) = fs::read_to_string(&file).ok().filter(|_| !is_of_nobody) else { continue };
                for form in text.split("<form method=\"post\"").skip(1) {
                    let form = form.split("</form>").next().unwrap();
                    assert!(form.contains("{% include \"for.html\" %}"), "{}: {form}", file.display());
                    forms += 1;
                }
            }
        }
        assert!(forms >= 13, "{forms}");
    }
}
