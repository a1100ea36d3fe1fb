//! The ready-made pages: what people do there, what is told to whom, and what gets into the HTML.

mod admin_views;
mod admins;
mod charts;
mod chromium;
mod facts;
mod forms;
mod hostile;
mod languages;
mod missing;
mod newcomer;
mod refusals;

use std::sync::Arc;

use jwtauth::pages::{PageTexts, Pages};
use jwtauth::{AccountsConfig, ApiKeyConfig, JwtAuth, MemoryStore};
use poem::endpoint::make_sync;
use poem::{EndpointExt as _, Route, get};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use tests::app::SECRET;
use tests::bounded;
use tests::serve::{Served, serve};

use self::admins::between;
use crate::examples::encoded;

const PASSWORD: &str = "through the looking glass";
const SCRIPT: &str = "\"'><script>alert(1)</script><b onmouseover=x>&{{7*7}}";

async fn site(set: impl FnOnce(Pages) -> Pages) -> Served {
    let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
    let jwtauth = builder.insecure_cookies().build(MemoryStore::new()).unwrap();
    serve(Route::new().nest("/account", set(jwtauth.pages().unwrap())).with(jwtauth)).await
}

/// The pages of somebody who is logged in, where there are API keys.
const OWN_PAGES: [&str; 4] = ["devices", "password", "api-keys", "logout"];

async fn keyed_site() -> Served {
    let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
    let jwtauth = builder.api_keys(ApiKeyConfig::default()).insecure_cookies();
    let jwtauth = jwtauth.build(MemoryStore::new()).unwrap();
    serve(Route::new().nest("/account", jwtauth.pages().unwrap()).with(jwtauth)).await
}

/// A browser that shows where it is sent.
struct Person<'s> {
    site: &'s Served,
    client: Client,
}

impl<'s> Person<'s> {
    fn new(site: &'s Served, agent: &str) -> Self {
        let client = Client::builder().no_proxy().cookie_store(true).redirect(Policy::none());
        Self { site, client: client.user_agent(agent).build().unwrap() }
    }

    async fn open(&self, page: &str) -> Response {
        let request = self.client.request(Method::GET, self.site.at(&format!("/account/{page}")));
        request.header("sec-fetch-mode", "navigate").header("accept", "text/html").send().await.unwrap()
    }

    /// Follows a link there. The browser says where it stands.
    async fn open_from(&self, page: &str, from: &str) -> Response {
        let request = self.client.request(Method::GET, self.site.at(&format!("/account/{page}")));
        let request = request.header("sec-fetch-mode", "navigate").header("accept", "text/html");
        request.header("sec-fetch-site", from).send().await.unwrap()
    }

    async fn send(&self, page: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.request(Method::POST, self.site.at(&format!("/account/{page}")));
        let request = request.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "navigate");
        filled_in(request.header("accept", "text/html"), fields).send().await.unwrap()
    }

    async fn register(&self, name: &str) {
        let answer = self.send("register", &[("username", name), ("password", PASSWORD)]).await;
        assert_eq!(sent_to(&answer), (303, "devices".into()));
    }

    async fn log_in(&self, name: &str) {
        let answer = self.send("login", &[("username", name), ("password", PASSWORD)]).await;
        assert_eq!(sent_to(&answer), (303, "devices".into()));
    }
}

/// Gives a request the fields of a form.
fn filled_in(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"))
}

fn sent_to(answer: &Response) -> (u16, String) {
    let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location.unwrap_or_default())
}

async fn text(answer: Response) -> String {
    answer.text().await.unwrap()
}

/// The values of the hidden fields `end` of a page.
fn ends(page: &str) -> Vec<String> {
    let parts = page.split("name=\"end\" value=\"").skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

#[test]
fn a_person_registers_finds_their_devices_and_logs_another_one_out() {
    bounded(async {
        let site = site(|pages| pages).await;
        let (laptop, phone) = (Person::new(&site, FIREFOX), Person::new(&site, SAFARI));
        laptop.register("ann").await;
        phone.log_in("ann").await;
        let page = text(laptop.open("devices").await).await;
        let listed = ends(&page);
        assert_eq!(listed.len(), 4, "two devices, the others, all: {page}");
        assert_eq!(page.matches("class=\"this\"").count(), 1, "{page}");
        let (this, other) = (page.find("Firefox").unwrap(), page.find("Safari").unwrap());
        assert!(this < other && page[this..other].contains("this one"), "this one stands first: {page}");
        assert!(page.contains("127.0.0.1"), "{page}");

        assert_eq!(
            sent_to(&laptop.send("devices", &[("end", &listed[1])]).await),
            (303, "devices?ended".into())
        );
        let page = text(laptop.open("devices?ended").await).await;
        assert!(page.contains("That device is logged out.") && !page.contains("Safari"), "{page}");
        // What has not happened is not told, whatever a link from elsewhere says.
        assert_eq!(sent_to(&laptop.send("devices", &[("end", &listed[1])]).await).1, "devices");
        for from in ["none", "cross-site", "same-site"] {
            for page in ["devices?ended", "password?changed"] {
                let page = text(laptop.open_from(page, from).await).await;
                assert!(!page.contains("That device is logged out."), "{from}");
                assert!(!page.contains("The password is changed."), "{from}");
            }
        }
        let thrown_out = phone.open("devices").await;
        assert_eq!(sent_to(&thrown_out), (303, "login?next=/account/devices".into()));

        // All others, then everywhere.
        phone.log_in("ann").await;
        assert_eq!(sent_to(&phone.send("devices", &[("end", "others")]).await).1, "devices");
        assert_eq!(laptop.open("devices").await.status(), 303);
        assert_eq!(phone.open("devices").await.status(), 200);
        laptop.log_in("ann").await;
        assert_eq!(sent_to(&laptop.send("devices", &[("end", "all")]).await).1, "login?out");
        for person in [&laptop, &phone] {
            assert_eq!(person.open("devices").await.status(), 303);
        }
        assert!(text(laptop.open("login?out").await).await.contains("You are logged out."));
    });
}

#[test]
fn nobody_ends_a_session_of_somebody_else() {
    bounded(async {
        let site = site(|pages| pages).await;
        let (ann, eve) = (Person::new(&site, FIREFOX), Person::new(&site, FIREFOX));
        ann.register("ann").await;
        eve.register("eve").await;
        let of_ann = ends(&text(ann.open("devices").await).await);
        assert_eq!(eve.send("devices", &[("end", &of_ann[0])]).await.status(), 303);
        assert_eq!(ann.open("devices").await.status(), 200, "Ann is logged in");
        for odd in ["", "nobody", SCRIPT] {
            assert_eq!(sent_to(&eve.send("devices", &[("end", odd)]).await), (303, "devices".into()));
        }
        assert_eq!(eve.open("devices").await.status(), 200);
    });
}

#[test]
fn a_password_is_changed_and_the_other_devices_are_logged_out() {
    bounded(async {
        let site = site(|pages| pages).await;
        let (laptop, phone) = (Person::new(&site, FIREFOX), Person::new(&site, SAFARI));
        laptop.register("ann").await;
        phone.log_in("ann").await;
        let send =
            async |old, new| laptop.send("password", &[("old_password", old), ("new_password", new)]).await;
        for (old, new, status, field, said) in [
            (
                "wrong password",
                "a new long password",
                422,
                "old_password",
                "This is not the password of now.",
            ),
            (PASSWORD, "short", 422, "new_password", "fewer than 8"),
            ("", "a new long password", 422, "old_password", "Fill this in."),
        ] {
            let answer = send(old, new).await;
            assert_eq!(answer.status(), status);
            let page = text(answer).await;
            let at = page.find(&format!("id=\"{field}-note\" class=\"problem\"")).expect(&page);
            assert!(page[at..].contains(said), "{page}");
            assert!(
                !page.contains("value=\"wrong") && !page.contains(PASSWORD),
                "no password comes back: {page}"
            );
        }
        assert_eq!(phone.open("devices").await.status(), 200);
        assert_eq!(sent_to(&send(PASSWORD, "a new long password").await), (303, "password?changed".into()));
        assert!(text(laptop.open("password?changed").await).await.contains("The password is changed."));
        assert_eq!(phone.open("devices").await.status(), 303);
    });
}

#[test]
fn what_is_wrong_stands_at_its_field() {
    bounded(async {
        let site = site(|pages| pages).await;
        let person = Person::new(&site, FIREFOX);
        Person::new(&site, FIREFOX).register("ann").await;
        for (page, name, password, status, said) in [
            ("register", "ANN", "another password", 409, "Somebody has this name already."),
            ("register", "eve", "short", 422, "fewer than 8"),
            ("register", "", PASSWORD, 422, "Fill this in."),
            ("login", "ann", "wrong password", 401, "Name or password is wrong."),
            ("login", "nobody", "wrong password", 401, "Name or password is wrong."),
            ("login", "ann", "", 422, "Name or password is wrong."),
        ] {
            let answer = person.send(page, &[("username", name), ("password", password)]).await;
            assert_eq!(
                (answer.status().as_u16(), answer.headers().get("set-cookie")),
                (status, None),
                "{page} {name}"
            );
            let shown = text(answer).await;
            assert!(shown.contains(said), "{said}: {shown}");
            assert!(shown.contains(&format!("value=\"{name}\"")), "the name is still there: {shown}");
            assert!(password.is_empty() || !shown.contains(password), "{shown}");
        }
        // Too many attempts are told as such.
        let mut status = 401;
        for _ in 0..40 {
            let answer = person.send("login", &[("username", "ann"), ("password", "wrong password")]).await;
            status = answer.status().as_u16();
            if status == 429 {
                assert!(text(answer).await.contains("That was too often."));
                break;
            }
        }
        assert_eq!(status, 429);
    });
}

#[test]
fn no_text_of_a_client_becomes_html() {
    bounded(async {
        let site = site(|pages| pages.site_name(SCRIPT)).await;
        let agent = "<script>alert(1)</script>\"'";
        let person = Person::new(&site, agent);
        let name = "<b>eve</b>\"'&{{1}}";
        let mut shown = Vec::new();
        shown.push(text(person.open(&format!("login?next=/{}", "%22%3E%3Cscript%3E")).await).await);
        shown.push(text(person.open("register?next=/%22%3E%3Cscript%3E").await).await);
        for page in ["login", "register"] {
            let fields = [("username", SCRIPT), ("password", "short"), ("next", SCRIPT)];
            shown.push(text(person.send(page, &fields).await).await);
        }
        person.register(name).await;
        for page in ["devices", "password", "logout"] {
            shown.push(text(person.open(page).await).await);
        }
        for page in &shown {
            for html in ["<script", "<b>", "<b ", "onmouseover=x>"] {
                assert!(!page.contains(html), "{html}: {page}");
            }
        }
        assert!(shown[4].contains("&#60;script&#62;"), "the device is shown: {}", shown[4]);
    });
}

#[test]
fn every_page_has_the_headers_and_loads_its_style_sheet_only() {
    bounded(async {
        let site = keyed_site().await;
        let person = Person::new(&site, FIREFOX);
        person.register("ann").await;
        for page in ["login", "register"].into_iter().chain(OWN_PAGES) {
            let answer = person.open(page).await;
            assert_eq!(answer.status(), 200, "{page}");
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            let policy = header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self';"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(
                (header("cache-control"), header("x-frame-options")),
                ("no-store".into(), "DENY".into())
            );
            let shown = text(answer).await;
            assert!(shown.starts_with("<!doctype html>\n<html lang=\"en\" dir=\"ltr\">"), "{shown}");
            for forbidden in ["<script", "style=", "<style", "javascript:", " on", "http://", "https://"] {
                let found = shown.lines().any(|line| line.contains('<') && line.contains(forbidden));
                assert!(!found || forbidden == " on", "{page}: {forbidden}: {shown}");
            }
            for id in shown.split("<label for=\"").skip(1).map(|part| part.split('"').next().unwrap()) {
                assert!(shown.contains(&format!("<input id=\"{id}\"")), "{page}: the label of {id}");
            }
            assert_eq!(shown.matches("<h1>").count(), 1, "{page}");
        }
        let style = person.open("style.css").await;
        let password = text(person.open("password").await).await;
        // A password manager takes no other kind of field for the name.
        let field = between(&password, "<input type=\"text\" name=\"username\"", ">");
        assert!(field[0].contains(" value=\"ann\" readonly hidden"), "{password}");
        assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
        assert!(text(style).await.contains("--accent: #0b57d0"));
        let index = person.open("").await;
        assert_eq!(sent_to(&index).0, 303);
    });
}

#[test]
fn no_page_of_ones_own_works_without_a_login() {
    bounded(async {
        let site = keyed_site().await;
        for page in OWN_PAGES {
            let stranger = Person::new(&site, FIREFOX);
            let opened = stranger.open(page).await;
            // Nobody logs in to log out.
            let leads_to =
                if page == "logout" { "login?out".into() } else { format!("login?next=/account/{page}") };
            assert_eq!(sent_to(&opened), (303, leads_to), "{page}");
        }
        let stranger = Person::new(&site, FIREFOX);
        let fields = [("end", "all"), ("old_password", PASSWORD), ("new_password", "a new long password")];
        for page in OWN_PAGES.into_iter().filter(|page| *page != "logout") {
            assert_eq!(
                sent_to(&stranger.send(page, &fields).await),
                (303, format!("login?next=/account/{page}%3Fagain"))
            );
        }
    });
}

#[test]
fn pages_speak_other_languages_and_are_replaced_and_left_out() {
    bounded(async {
        let german = || {
            let mut german = PageTexts::default();
            (german.lang, german.log_in) = ("de".into(), "Anmelden".into());
            german.wrong_credentials = "Name oder Passwort ist falsch.".into();
            german
        };
        let site = site(|pages| {
            let own = get(make_sync(|_| "my own devices"));
            let pages = pages.translate(move |languages| languages.starts_with("de").then(german));
            let pages = pages.accent("#ffd700").unwrap().home("/start").unwrap();
            pages.replace("/devices", own).unwrap().without("/register").unwrap()
        })
        .await;
        let client = Client::builder().no_proxy().build().unwrap();
        let send = |languages: &'static str| {
            let form = client.post(site.at("/account/login")).header("accept-language", languages);
            filled_in(form, &[("username", "ann"), ("password", "wrong password")]).send()
        };
        let page = text(send("de-AT,de;q=0.9").await.unwrap()).await;
        assert!(
            page.contains("<html lang=\"de\" dir=\"ltr\">") && page.contains("<button>Anmelden"),
            "{page}"
        );
        assert!(page.contains("Name oder Passwort ist falsch."), "{page}");
        let page = text(send("fr").await.unwrap()).await;
        assert!(
            page.contains("<html lang=\"en\" dir=\"ltr\">") && page.contains("Name or password is wrong."),
            "{page}"
        );
        assert!(!page.contains("register"), "nothing speaks of registration: {page}");
        let person = Person::new(&site, FIREFOX);
        assert_eq!(person.open("register").await.status(), 404);
        assert_eq!(text(person.open("devices").await).await, "my own devices");
        assert!(text(person.open("style.css").await).await.contains("--accent: #ffd700; --on-accent: #000"));
    });
}

#[test]
fn settings_of_pages_are_checked() {
    let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
    let jwtauth = Arc::new(builder.build(MemoryStore::new()).unwrap());
    let pages = || jwtauth.pages().unwrap();
    for (refused, said) in [
        (pages().home("https://elsewhere.example").unwrap_err(), "a path on this site"),
        (pages().accent("red").unwrap_err(), "#rrggbb"),
        (pages().without("/nothing").unwrap_err(), "there is `/login`"),
        (pages().replace("devices", get(make_sync(|_| ""))).unwrap_err(), "there is `/login`"),
    ] {
        assert!(refused.to_string().contains(said), "{refused}");
    }
}
