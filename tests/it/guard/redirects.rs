//! `redirect = ..`: who is sent to the login page, where to, and who is told 401 (H-13).

use std::time::Duration;

use jwtauth::{RequireAuth, local_path};
use poem::FromRequest as _;
use reqwest::redirect::Policy;

use super::users::{Finds, Member, Members, login_member};
use super::*;

type Headers = &'static [(&'static str, &'static str)];

const NAVIGATION: Headers = &[("sec-fetch-mode", "navigate")];
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[require_auth(redirect = "/login")]
async fn page(body: String) -> String {
    body
}

#[require_auth(redirect = LOGIN)]
#[handler]
fn above_handler() -> &'static str {
    ""
}

const LOGIN: &str = "/login?theme=dark";

struct Block;

#[require_auth(redirect = "/login", check = is_member)]
impl Endpoint for Block {
    type Output = &'static str;

    async fn call(&self, _: Request) -> Result<&'static str> {
        Ok("")
    }
}

#[require_auth(redirect = "/login", role = "admin")]
async fn admins() {}

#[require_auth(redirect = "/login", fresh = "1m")]
async fn fresh() {}

#[require_auth(redirect = "/login")]
async fn member(_: CurrentUser<Member>) {}

#[require_auth(redirect = "/login")]
#[handler]
async fn member_above_handler(_: CurrentUser<Member>) {}

fn is_member(_: CurrentUser<Member>) -> bool {
    true
}

#[require_auth(redirect = "/login", check = is_member)]
async fn checked() {}

#[require_auth(redirect = "/login", check = no)]
async fn refused() {}

fn no() -> bool {
    false
}

/// Guarded by mistake.
#[require_auth(redirect = "/login")]
async fn login_page() {}

#[handler]
fn unguarded() -> &'static str {
    ""
}

fn routes() -> Route {
    let tree = || Route::new().at("/page", unguarded).at("/login", unguarded);
    Route::new()
        .at("/page", page)
        .at("/above", above_handler)
        .at("/block", Block)
        .at("/admins", admins)
        .at("/fresh", fresh)
        .at("/member", member)
        .at("/member/above", member_above_handler)
        .at("/checked", checked)
        .at("/refused", refused)
        .at("/login", login_page)
        .nest("/tree", tree().with(RequireAuth::new().redirect("/login")))
        .nest("/nested", Route::new().at("/page", page).nest("/deeper", Route::new().at("/page", page)))
}

fn location(answer: &Response) -> Option<&str> {
    answer.headers().get(header::LOCATION).map(|location| location.to_str().unwrap())
}

#[test]
fn h_13_only_somebody_who_looks_at_pages_is_sent_to_the_login() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app, routes());
        let html: Headers = &[("accept", BROWSER)];
        let cases: [(&str, Headers, bool); 18] = [
            ("GET", NAVIGATION, true),
            ("HEAD", NAVIGATION, true),
            ("GET", html, true),
            ("HEAD", html, true),
            ("GET", &[("accept", "application/json, text/html")], true),
            ("GET", &[], false),
            ("GET", &[("accept", "*/*")], false),
            ("GET", &[("accept", "application/json")], false),
            // What the browser says of the request counts, not what it would take.
            ("GET", &[("accept", BROWSER), ("sec-fetch-mode", "cors")], false),
            ("GET", &[("accept", BROWSER), ("sec-fetch-mode", "same-origin")], false),
            ("GET", &[("accept", BROWSER), ("sec-fetch-mode", "")], false),
            ("POST", NAVIGATION, false),
            ("PUT", html, false),
            ("GET", &[("accept", BROWSER), ("authorization", "Bearer x.y.z")], false),
            ("GET", &[("sec-fetch-mode", "navigate"), ("authorization", "Bearer x.y.z")], false),
            ("GET", &[("sec-fetch-mode", "navigate"), ("authorization", "Bearer ?")], false),
            // Of a proxy that has its own login: no token of this service, and nothing that a program would send here.
            ("GET", &[("sec-fetch-mode", "navigate"), ("authorization", "Basic eDp5")], true),
            ("GET", &[("accept", BROWSER), ("authorization", "Negotiate YIIJ")], true),
        ];
        for (method, headers, redirected) in cases {
            for path in ["/page", "/above", "/block", "/tree/page"] {
                let request = client.request(method.parse().unwrap(), path);
                let request =
                    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                let answered = answer(request, None).await;
                let case = format!("{method} {path} {headers:?}");
                assert_eq!(answered.status(), if redirected { 303 } else { 401 }, "{case}");
                assert_eq!(location(&answered).is_some(), redirected, "{case}");
                assert_eq!(answered.headers().contains_key(header::WWW_AUTHENTICATE), !redirected, "{case}");
                assert_eq!(answered.headers()[header::CACHE_CONTROL], "no-store", "{case}");
            }
        }
    });
}

/// A way to ask for a page without a server.
async fn navigate<E: Endpoint>(client: &TestClient<E>, path: &str, cookies: Option<&str>) -> Response {
    answer(client.get(path).header("sec-fetch-mode", "navigate"), cookies).await
}

#[test]
fn h_13_what_a_login_mends_is_redirected_and_nothing_else() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await.cookies();
        let looked_up = login_member(&app).await.cookies();
        let with = |finds| client(&app, Route::new().nest("/", routes().data(Members::new(finds))));
        let (found, gone, outage) = (with(Finds::Member), with(Finds::Nobody), with(Finds::Outage));
        for path in ["/page", "/member", "/member/above", "/checked", "/block", "/fresh"] {
            assert_eq!(navigate(&found, path, Some(&bob)).await.status(), 200, "{path}");
        }
        // Who is known and may not stays where they are.
        for path in ["/admins", "/refused"] {
            assert_eq!(navigate(&found, path, Some(&bob)).await.status(), 403, "{path}");
        }
        for path in ["/member", "/member/above", "/checked", "/block"] {
            // A user who is gone is a stranger, who loses the cookies on the way.
            let answered = navigate(&gone, path, Some(&looked_up)).await;
            assert_eq!(answered.status(), 303, "{path}");
            assert_eq!(set_cookies(answered.headers()).len(), 2, "{path}");
            assert_eq!(answer(gone.get(path), Some(&bob)).await.status(), 401, "{path}, no page");
            let answered = navigate(&outage, path, Some(&bob)).await;
            assert_eq!(answered.status(), 503, "{path}");
            assert!(answered.headers().contains_key(header::RETRY_AFTER), "{path}");
        }
        app.clock.advance(Duration::from_secs(61));
        let answered = navigate(&found, "/fresh", Some(&bob)).await;
        assert_eq!((answered.status().as_u16(), location(&answered)), (303, Some("/login?next=/fresh")));
        assert_eq!(set_cookies(answered.headers()), Vec::<String>::new(), "the session is alive");
        store.set(Fault::Error, Fault::Error);
        assert_eq!(navigate(&found, "/page", Some(&bob)).await.status(), 503);
    });
}

#[test]
fn h_13_the_login_page_is_told_where_to_go_back_to() {
    bounded(async {
        let app = TestApp::new();
        let served = serve(routes().with(app.jwtauth.clone())).await;
        let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let client = client(&app, routes());
        let long = format!("/page?{}", "a".repeat(2048));
        for (path, want, without_server) in [
            ("/page", Some("/login?next=/page"), true),
            ("/page?a=b&c=d", Some("/login?next=/page%3Fa%3Db%26c%3Dd"), true),
            ("/page?next=//evil.example", Some("/login?next=/page%3Fnext%3D//evil.example"), true),
            ("/page?a=%0d%0aSet-Cookie:x", Some("/login?next=/page%3Fa%3D%250d%250aSet-Cookie%3Ax"), true),
            ("/page?a=%26b#c", Some("/login?next=/page%3Fa%3D%2526b"), true),
            ("/above", Some("/login?theme=dark&next=/above"), true),
            ("/block", Some("/login?next=/block"), true),
            (&long, Some("/login"), true),
            ("/tree/page", Some("/login?next=/tree/page"), false),
            ("/tree/login", Some("/login?next=/tree/login"), false),
            ("/tree/nowhere?a", Some("/login?next=/tree/nowhere%3Fa"), false),
            ("/nested/page", Some("/login?next=/nested/page"), false),
            ("/nested/deeper/page?q=1", Some("/login?next=/nested/deeper/page%3Fq%3D1"), false),
            // Sent to itself, a login page that is guarded would send on for ever.
            ("/login", None, true),
            ("/login?next=/page", None, true),
        ] {
            let request = browser.get(served.at(path)).header("sec-fetch-mode", "navigate");
            let answered = request.send().await.unwrap();
            assert_eq!(answered.status(), if want.is_some() { 303 } else { 401 }, "{path}");
            let sent = answered.headers().get(header::LOCATION).map(|to| to.to_str().unwrap());
            assert_eq!(sent, want, "{path}");
            if let Some(next) = want.and_then(|want| want.split_once("next=")).map(|(_, next)| next) {
                let next =
                    poem::web::Query::<std::collections::HashMap<String, String>>::from_request_without_body(
                        &Request::builder().uri_str(format!("/?next={next}")).finish(),
                    )
                    .await
                    .unwrap();
                let asked = path.split('#').next();
                assert_eq!(local_path(&next.0["next"]), asked, "{path}: the way back is the page itself");
            }
            if without_server {
                let path = path.split('#').next().unwrap();
                assert_eq!(location(&navigate(&client, path, None).await), want, "{path} without a server");
            }
        }
        // A request line may hold what no browser puts there.
        for (line, status, location) in [
            ("//evil.example/page", 404, None),
            ("/page?\\evil", 303, Some("location: /login\r\n")),
            ("http://evil.example/page", 303, Some("location: /login?next=/page\r\n")),
        ] {
            let request =
                format!("GET {line} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Mode: navigate\r\n\r\n");
            let answered = send(&served.url, request.as_bytes(), true).await.unwrap();
            let text = String::from_utf8_lossy(&answered).to_lowercase();
            if tests::wire::status(&answered) != 400 {
                assert_eq!(tests::wire::status(&answered), status, "{line}: {text}");
                assert!(location.is_none_or(|location| text.contains(location)), "{line}: {text}");
            }
        }
    });
}
