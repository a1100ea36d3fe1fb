//! What our answers carry: cookies with their attributes, on errors too, and no permission to keep a copy.

use super::*;
use tests::test_store::TestStore;
use tests::wire::set_cookies;

#[test]
fn h_1_h_2_cookies_have_their_attributes_and_deletions_repeat_them() {
    bounded(async {
        let site = Site::new().await;
        let tokens = site.login("bob").await;
        let answer = site.ask(Method::POST, "/refresh", &[("cookie", &tokens.cookies())]).await;
        let rotated = Tokens::of(answer.headers());
        let attributes =
            "; Path=/; Max-Age=86400; Expires=Sat, 16 Jan 2027 08:00:00 GMT; HttpOnly; Secure; SameSite=Lax";
        let expected = [
            format!("{ACCESS}={}{attributes}", rotated.access),
            format!("{REFRESH}={}{attributes}", rotated.refresh),
        ];
        assert_eq!(set_cookies(answer.headers()), expected);
        let answer = site.ask(Method::POST, "/logout", &[("cookie", &rotated.cookies())]).await;
        let attributes =
            "; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax";
        let expected = [format!("{ACCESS}={attributes}"), format!("{REFRESH}={attributes}")];
        assert_eq!(set_cookies(answer.headers()), expected);
    });
}

#[test]
fn h_1_settings_reach_the_cookies() {
    bounded(async {
        let set = |same_site, insecure| {
            TestApp::with(TestStore::new(), move |builder| {
                let builder = builder.cookies(CookieConfig::default().same_site(same_site));
                if insecure { builder.insecure_cookies() } else { builder }
            })
        };
        for (same_site, insecure, expected) in [
            (SameSite::Strict, false, "; HttpOnly; Secure; SameSite=Strict"),
            (SameSite::None, false, "; HttpOnly; Secure; SameSite=None"),
            (SameSite::Lax, true, "; HttpOnly; SameSite=Lax"),
        ] {
            let client = TestClient::new(set(same_site, insecure).endpoint());
            let body = json!({"username": "bob", "password": "right"});
            let lines = set_cookies(client.post("/login").body_json(&body).send().await.0.headers());
            assert_eq!(lines.len(), 2);
            for line in lines {
                assert!(line.ends_with(expected), "{line}");
                assert_eq!(line.starts_with("__Host-"), !insecure, "{line}");
            }
        }
    });
}

#[require_auth]
async fn lost() -> Result<()> {
    Err(NotFoundError.into())
}

#[handler]
async fn login_then_404(auth: Auth) -> Result<()> {
    auth.login(&User::named("bob")).await?;
    Err(NotFoundError.into())
}

#[test]
fn n_32_new_tokens_ride_on_answers_that_are_errors_and_a_login_does_not() {
    bounded(async {
        let app = TestApp::new();
        let sessions = app.jwtauth.clone();
        let routes = Route::new().at("/lost", get(lost)).at("/login-then-404", post(login_then_404));
        let endpoint = Route::new()
            .nest("/more", routes.with(app.jwtauth.clone()))
            .nest("/", app.endpoint().map_to_response());
        let site = Site::serving(app, endpoint).await;
        let body = json!({"username": "bob", "password": "right"}).to_string();
        let headers = [("content-type", "application/json")];
        let failed = site.ask_with(Method::POST, "/login-then-fail", &headers, &body).await;
        assert_eq!(failed.status(), 418);
        assert!(set_cookies(failed.headers()).is_empty());
        let failed = site.ask(Method::POST, "/more/login-then-404", &[]).await;
        assert_eq!(failed.status(), 404);
        assert!(set_cookies(failed.headers()).is_empty());
        assert!(sessions.sessions().list("bob").await.unwrap().is_empty(), "nobody is logged in");

        // A rotation that a guard has done on the way is another thing: it has spent a token.
        let login = site.ask_with(Method::POST, "/login", &headers, &body).await;
        let tokens = Tokens::of(login.headers());
        let failed = site.get("/more/lost", &[("cookie", &tokens.only_refresh())]).await;
        assert_eq!(failed.status(), 404);
        let rotated = Tokens::of(failed.headers());
        assert_ne!(rotated.refresh, tokens.refresh);
        assert_eq!(site.get("/me", &[("cookie", &rotated.cookies())]).await.status(), 200);
    });
}

#[handler]
async fn login_then_ask(auth: Auth) -> Result<()> {
    auth.login(&User::named("alice")).await?;
    auth.session().await.map(drop)
}

#[handler]
async fn refresh_then_ask(auth: Auth) -> Result<()> {
    auth.refresh().await?;
    auth.session().await.map(drop)
}

#[handler]
async fn logout_then_ask(auth: Auth) -> Result<()> {
    auth.logout().await?;
    auth.session().await.map(drop)
}

#[handler]
async fn ask_then_logout(auth: Auth) -> Result<()> {
    auth.session().await?;
    Ok(auth.logout().await?)
}

#[handler]
async fn ask_then_login(auth: Auth) -> Result<()> {
    auth.session().await?;
    auth.login(&User::named("alice")).await?;
    Ok(())
}

/// A handler may ask who is calling before or after it logs in or out: what it did decides about the cookies.
#[test]
fn what_a_handler_did_decides_about_the_cookies() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new()
            .at("/login-then-ask", post(login_then_ask))
            .at("/refresh-then-ask", post(refresh_then_ask))
            .at("/logout-then-ask", post(logout_then_ask))
            .at("/ask-then-logout", post(ask_then_logout))
            .at("/ask-then-login", post(ask_then_login))
            .with(app.jwtauth.clone());
        let endpoint = Route::new().nest("/more", routes).nest("/", app.endpoint());
        let site = Site::serving(app, endpoint).await;
        for only_refresh in [false, true] {
            for (path, who) in [
                ("/more/login-then-ask", Some("alice")),
                ("/more/refresh-then-ask", Some("bob")),
                ("/more/ask-then-login", Some("alice")),
                ("/more/logout-then-ask", None),
                ("/more/ask-then-logout", None),
            ] {
                let bob = site.login("bob").await;
                let cookies = if only_refresh { bob.only_refresh() } else { bob.cookies() };
                let answer = site.ask(Method::POST, path, &[("cookie", &cookies)]).await;
                assert_eq!(answer.status(), 200, "{path}");
                let Some(who) = who else {
                    assert!(is_deleted(answer.headers()), "{path}: {:?}", answer.headers());
                    continue;
                };
                let tokens = Tokens::of(answer.headers());
                let me = site.get("/me", &[("cookie", &tokens.cookies())]).await;
                assert_eq!(me.json::<User>().await.unwrap().name, who, "{path} {only_refresh}");
                site.app.jwtauth.sessions().revoke_all(who).await.unwrap();
            }
        }
    });
}

#[test]
fn h_7_answers_that_depend_on_the_caller_are_kept_by_nobody() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let (cookies, bearer) = (bob.cookies(), bob.bearer());
        let cookies: Headers<'_> = &[("cookie", &cookies)];
        let bearer: Headers<'_> = &[("authorization", &bearer)];
        let cases: [(Method, &str, Headers<'_>, u16); 11] = [
            (Method::GET, "/me", &[], 401),
            (Method::GET, "/me", cookies, 200),
            (Method::GET, "/me", bearer, 200),
            (Method::HEAD, "/me", cookies, 200),
            (Method::GET, "/admin", cookies, 403),
            (Method::GET, "/hello", &[], 200),
            (Method::GET, "/hello", cookies, 200),
            (Method::GET, "/plain", &[], 401),
            (Method::GET, "/who", &[], 200),
            (Method::POST, "/login", &[], 415),
            (Method::POST, "/logout", cookies, 200),
        ];
        for (method, path, headers, expected) in cases {
            let answer = site.ask(method.clone(), path, headers).await;
            assert_eq!(answer.status(), expected, "{method} {path} {headers:?}");
            let headers = answer.headers();
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{method} {path}");
            assert_eq!(headers[header::VARY], "Cookie, Authorization", "{method} {path}");
        }
    });
}

#[test]
fn h_7_routes_where_nobody_asks_are_left_alone() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        for (path, expected) in [("/open", 200), ("/no-such-route", 404), ("/login", 405)] {
            for cookies in [bob.cookies(), bob.only_refresh(), format!("{ACCESS}=x; {ACCESS}=y")] {
                let answer = site.get(path, &[("cookie", &cookies)]).await;
                assert_eq!(answer.status(), expected);
                for name in [header::CACHE_CONTROL, header::VARY, header::SET_COOKIE] {
                    assert!(!answer.headers().contains_key(&name), "{path} {name}");
                }
            }
        }
        assert_eq!(site.generation("bob").await, 0, "nothing was rotated");
    });
}

#[require_auth]
async fn cacheable() -> poem::Response {
    poem::Response::builder()
        .header(header::CACHE_CONTROL, "private, max-age=60")
        .header(header::VARY, "Accept")
        .finish()
}

/// A handler may let its own answer be kept, but never one that carries cookies.
#[test]
fn h_7_a_handler_decides_unless_cookies_are_set() {
    bounded(async {
        let app = TestApp::new();
        let endpoint =
            Route::new().at("/cacheable", get(cacheable).with(app.jwtauth.clone())).nest("/", app.endpoint());
        let site = Site::serving(app, endpoint).await;
        let bob = site.login("bob").await;
        let kept = site.get("/cacheable", &[("cookie", &bob.cookies())]).await;
        assert_eq!(kept.headers()[header::CACHE_CONTROL], "private, max-age=60");
        let vary: Vec<_> = kept.headers().get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Accept", "Cookie, Authorization"]);
        let rotated = site.get("/cacheable", &[("cookie", &bob.only_refresh())]).await;
        let cache: Vec<_> = rotated.headers().get_all(header::CACHE_CONTROL).iter().collect();
        assert_eq!(cache, ["no-store"]);
        assert_eq!(set_cookies(rotated.headers()).len(), 2);
    });
}
