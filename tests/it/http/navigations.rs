//! What a browser is shown that opens a page and is refused.

use super::refusals::is_refusal;
use super::*;
use jwtauth::{ClientConfig, Compat, JwtAuthBuilder, Key, RequireAuth, TokenConfig, Verifier};
use tests::test_store::TestStore;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const OPENS: Headers<'static> = &[("accept", BROWSER), ("sec-fetch-mode", "navigate")];

#[require_auth]
async fn guarded() {}

#[handler]
async fn own_register(accounts: &jwtauth::Accounts) -> Result<()> {
    accounts.register("", "a long password").await?;
    Ok(())
}

/// Checks that an answer is a page which says this, and returns it.
async fn is_page(answer: Response, status: u16, said: &str) -> String {
    let headers = answer.headers().clone();
    assert_eq!(answer.status(), status, "{said}");
    for (name, expected) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
        ),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), Some(expected), "{said} {name}");
    }
    let vary: Vec<_> = headers.get_all(header::VARY).iter().map(|line| line.to_str().unwrap()).collect();
    assert!(vary.join(", ").contains("Accept, Sec-Fetch-Mode"), "{vary:?}");
    assert!(status != 401 || headers.contains_key(header::WWW_AUTHENTICATE), "{said}");
    let text = answer.text().await.unwrap();
    assert!(text.starts_with("<!doctype html>") && text.contains(said), "{text}");
    assert!(!text.contains("<script"), "{text}");
    text
}

/// README's reader opens `/me` in a browser.
#[test]
fn n_24_a_browser_that_opens_a_page_is_shown_one() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        let said = "<h1>401 Unauthorized</h1><p>Authentication credentials were not provided</p>";
        for headers in
            [OPENS, &[("accept", BROWSER)], &[("sec-fetch-mode", "navigate")], &[("accept", "text/html")]]
        {
            let page = is_page(site.get("/me", headers).await, 401, said).await;
            assert!(page.contains("<code>not_authenticated</code>"), "{page}");
            is_page(site.get("/plain", headers).await, 401, said).await;
        }
        let with = |other: (&'static str, &'static str)| [OPENS, &[other]].concat();
        let mut own = OPENS.to_vec();
        own.push(("cookie", &cookies));
        is_page(site.get("/admin", &own).await, 403, "You do not have permission").await;
        assert_eq!(site.get("/me", &own).await.headers()["content-type"], "application/json; charset=utf-8");
        // A form that is sent is a navigation too.
        own.push(("sec-fetch-site", "cross-site"));
        is_page(site.ask(Method::POST, "/hello", &own).await, 403, "made by another site").await;
        let json = with(("content-type", "application/json"));
        let body = r#"{"username":"bob","password":"wrong"}"#;
        is_page(site.ask_with(Method::POST, "/login", &json, body).await, 401, "No active account").await;
        let ended = with(("cookie", "__Host-access_token=x.y.z"));
        is_page(site.get("/me", &ended).await, 401, "its session has ended").await;
        let head = site.ask(Method::HEAD, "/me", OPENS).await;
        assert_eq!(head.headers()["content-type"], "text/html; charset=utf-8");
        // What is not ours stays as it is.
        assert_eq!(site.get("/no-such-route", OPENS).await.text().await.unwrap(), "not found");
    });
}

/// Programs get what they got: a script of a page, `curl`, clients that name JSON first.
#[test]
fn n_24_programs_get_a_problem() {
    bounded(async {
        let site = Site::new().await;
        let programs: [Headers<'_>; 8] = [
            &[],
            &[("accept", "*/*")],
            &[("accept", "application/json")],
            &[("accept", "application/json, text/plain, */*")],
            &[("accept", "application/json, text/html")],
            &[("accept", "text/html;q=0.1, application/json")],
            &[("accept", BROWSER), ("sec-fetch-mode", "cors")],
            &[("accept", BROWSER), ("sec-fetch-mode", "same-origin")],
        ];
        for headers in programs {
            let answer = site.get("/me", headers).await;
            assert_eq!(answer.headers()[header::VARY], "Cookie, Authorization", "{headers:?}");
            is_refusal(answer, Rejection::NotAuthenticated, &format!("{headers:?}")).await;
        }
    });
}

/// A translation is text: it becomes no markup.
#[test]
fn n_24_a_page_is_translated_and_escaped() {
    bounded(async {
        for set in [
            (|builder| builder) as fn(JwtAuthBuilder) -> JwtAuthBuilder,
            |builder| builder.tokens(TokenConfig::default().compat(Compat::simplejwt())),
            |builder| builder.clients(ClientConfig::default().token_scheme("JWT")),
        ] {
            let translate = |_, languages: &str| {
                languages.starts_with("de").then(|| "Bitte <b onload=\"x\">'anmelden'</b> & weiter".into())
            };
            let app = TestApp::with(TestStore::new(), |builder| set(builder.translate(translate)));
            let site = Site::of(app).await;
            let headers =
                [("accept", BROWSER), ("accept-language", "de"), ("cookie", "__Host-access_token=x")];
            let said = "Bitte &lt;b onload=&quot;x&quot;&gt;&#39;anmelden&#39;&lt;/b&gt; &amp; weiter";
            let page = is_page(site.get("/me", &headers).await, 401, said).await;
            assert!(page.contains("<code>token_not_valid</code>"), "{page}");
        }
    });
}

/// Wherever a refusal comes from.
#[test]
fn n_24_each_refusal_is_shown() {
    bounded(async {
        let accounts = |builder: JwtAuthBuilder| builder.accounts(jwtauth::AccountsConfig::default());
        let app = TestApp::with(TestStore::new(), accounts);
        let endpoint =
            Route::new().nest("/auth", app.jwtauth.account_routes().unwrap()).at("/own", post(own_register));
        let endpoint = endpoint.with(app.jwtauth.clone());
        let site = Site::serving(app, endpoint).await;
        let form = [OPENS, &[("content-type", "application/x-www-form-urlencoded")]].concat();
        for (path, body, said) in [
            ("/auth/obtain", "username=a", "some fields are missing or wrong"),
            ("/auth/verify", "", "some fields are missing or wrong"),
            ("/auth/register", "username=a&password=short", "the password is refused"),
            ("/own", "", "the name is refused"),
        ] {
            is_page(site.ask_with(Method::POST, path, &form, body).await, 400, said).await;
        }

        let guard = |builder: JwtAuthBuilder| builder.deny_by_default(RequireAuth::new());
        let app = TestApp::with(TestStore::new(), guard);
        let endpoint = app.endpoint();
        let site = Site::serving(app, endpoint).await;
        is_page(site.get("/open", OPENS).await, 401, "were not provided").await;

        let key = Key::from_pem(include_str!("../../keys/p256.pem")).unwrap().to_public().unwrap();
        let verifier = Verifier::builder("jwtauth", "jwtauth").key(key).build().unwrap();
        let behind = Route::new().at("/", get(guarded)).with(verifier);
        let site = Site::serving(TestApp::new(), behind).await;
        is_page(site.get("/", OPENS).await, 401, "were not provided").await;

        let forgotten = Site::serving(TestApp::new(), Route::new().at("/", get(guarded))).await;
        is_page(forgotten.get("/", OPENS).await, 500, "could not handle the request").await;

        let app = TestApp { jwtauth: JwtAuth::dev().unwrap(), ..TestApp::new() };
        let site = Site::of(app).await;
        let elsewhere = [OPENS, &[("host", "evil.example")]].concat();
        is_page(site.get("/me", &elsewhere).await, 403, "localhost only").await;
    });
}
