//! What is too large for a cookie, and what no log line may hold.

use super::*;

#[handler]
async fn login_with_many_roles(auth: Auth) -> Result<()> {
    let roles = (0..600).map(|n| format!("role-{n}")).collect();
    auth.login(&User { name: "big".into(), roles }).await?;
    Ok(())
}

#[test]
fn h_1_a_cookie_that_browsers_would_drop_is_an_error() {
    logged(async |log| {
        let app = TestApp::new();
        let client = TestClient::new(post(login_with_many_roles).with(app.jwtauth.clone()));
        let answer = client.post("/").send().await.0;
        assert_eq!(answer.status(), 500);
        assert_eq!(set_cookies(answer.headers()), Vec::<String>::new());
        let body = answer.into_body().into_string().await.unwrap();
        assert!(body.contains("server_error") && !body.contains("bytes"), "{body}");
        assert_eq!(app.jwtauth.sessions().list("big").await.unwrap(), [], "no session is left behind");
        let text = log.text();
        let size = text.split("a token would have ").nth(1);
        let size = size.and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{text}"));
        assert!(size.parse::<usize>().unwrap() > 4096 - ACCESS.len(), "{size}");
    });
}

#[handler]
async fn shows_auth(auth: Auth) -> String {
    format!("{auth:?} {auth:#?}")
}

/// `Auth` ends up in logs where handlers are traced with their arguments.
#[test]
fn r_11_auth_shows_no_token() {
    bounded(async {
        let app = TestApp::new();
        let endpoint =
            Route::new().at("/shows", get(shows_auth).with(app.jwtauth.clone())).nest("/", app.endpoint());
        let site = Site::serving(app, endpoint).await;
        let bob = site.login("bob").await;
        let headers = [("cookie", &*bob.cookies()), ("authorization", &*bob.bearer())];
        let shown = site.get("/shows", &headers).await.text().await.unwrap();
        assert!(shown.contains("Auth"), "{shown}");
        for token in [&bob.access, &bob.refresh] {
            for part in token.split('.') {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    });
}

#[test]
fn r_11_no_log_line_has_a_secret() {
    logged(async |log| {
        let app = TestApp::new();
        let traced = app.endpoint().with(Tracing);
        let site = Site::serving(app, traced).await;
        let mut secrets = vec![String::from_utf8(SECRET.to_vec()).unwrap(), "xyzzy-horse-battery".into()];
        let keep = |secrets: &mut Vec<String>, tokens: &Tokens| {
            let tokens = [&tokens.access, &tokens.refresh];
            secrets.extend(tokens.iter().flat_map(|token| token.split('.').skip(1)).map(str::to_owned));
        };
        let headers = [("content-type", "application/json")];
        for (password, expected) in [("wrong", 401), ("xyzzy-horse-battery", 200)] {
            let body = json!({"username": "bob", "password": password}).to_string();
            let answer = site.ask_with(Method::POST, "/login", &headers, &body).await;
            assert_eq!(answer.status(), expected);
            if expected == 200 {
                keep(&mut secrets, &Tokens::of(answer.headers()));
            }
        }
        let bob = site.login("bob").await;
        keep(&mut secrets, &bob);
        let session = site.app.jwtauth.sessions().list("bob").await.unwrap().remove(0).id;
        secrets.push(session.to_string());
        site.get("/me", &[("authorization", &bob.bearer())]).await;
        site.get("/me", &[("cookie", &format!("{ACCESS}={}x", bob.access))]).await;
        site.get("/me", &[("authorization", &format!("{}x", bob.bearer()))]).await;
        site.get("/me", &[("cookie", &format!("{ACCESS}={}", bob.refresh))]).await;
        let foreign = [("cookie", &*bob.cookies()), ("sec-fetch-site", "cross-site")];
        site.ask(Method::POST, "/refresh", &foreign).await;
        let answer = site.ask(Method::POST, "/refresh", &[("cookie", &bob.cookies())]).await;
        let rotated = Tokens::of(answer.headers());
        keep(&mut secrets, &rotated);
        site.app.clock.advance(std::time::Duration::from_secs(400));
        let answer = site.get("/me", &[("cookie", &rotated.cookies())]).await;
        let rotated = Tokens::of(answer.headers());
        keep(&mut secrets, &rotated);
        let answer = site.ask(Method::POST, "/logout", &[("cookie", &rotated.cookies())]).await;
        assert!(is_deleted(answer.headers()));
        let again = site.login("bob").await;
        keep(&mut secrets, &again);
        // Long spent: reuse.
        site.app.clock.advance(std::time::Duration::from_secs(400));
        let answer = site.ask(Method::POST, "/refresh", &[("cookie", &again.only_refresh())]).await;
        let arrived = Tokens::of(answer.headers());
        keep(&mut secrets, &arrived);
        assert_eq!(site.get("/me", &[("cookie", &arrived.cookies())]).await.status(), 200);
        site.app.clock.advance(std::time::Duration::from_secs(400));
        let reused = site.ask(Method::POST, "/refresh", &[("cookie", &again.only_refresh())]).await;
        assert_eq!(reused.status(), 401);

        let text = log.text();
        for event in ["login", "refresh", "session_revoked", "reuse_detected", "cross_origin"] {
            assert!(text.contains(&format!("event=\"{event}\"")), "{event} was not logged: {text}");
        }
        assert!(text.contains("poem::") && text.contains("TRACE"), "poem's lines are missing: {text}");
        assert!(secrets.len() > 12 && secrets.iter().all(|secret| secret.len() > 15), "{}", secrets.len());
        for secret in secrets {
            assert!(!text.contains(&secret), "{secret} was logged: {text}");
        }
        assert!(!text.contains("wrong"), "the password of the failed login was logged: {text}");
    });
}
