//! `Clear-Site-Data`: what a browser drops with the cookies.

use super::*;
use jwtauth::{Auth, LoginAttempt, LoginError};
use tests::test_store::TestStore;

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    Ok(User::named(attempt.username()))
}

/// Adds a header of its own to the answer.
#[handler]
async fn logout_and_more(auth: Auth) -> Result<poem::Response> {
    auth.logout().await?;
    Ok(poem::Response::builder().header("clear-site-data", "\"storage\"").finish())
}

fn cleared(answer: &Response) -> Vec<&str> {
    let lines = answer.headers().get_all("clear-site-data").iter();
    lines.map(|line| line.to_str().unwrap()).collect()
}

async fn site(set: impl FnOnce(jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder) -> Site {
    let app = TestApp::with(TestStore::new(), set);
    let more = Route::new()
        .nest("/auth", app.jwtauth.routes(authenticate))
        .at("/more", post(logout_and_more))
        .nest("/", app.endpoint())
        .with(app.jwtauth.clone());
    Site::serving(app, more).await
}

/// Each answer that deletes the cookies, and no other.
#[test]
fn n_23_an_answer_that_deletes_the_cookies_clears_the_cache() {
    bounded(async {
        let site = site(|builder| builder).await;
        for (method, path) in [
            (Method::POST, "/logout".to_owned()),
            (Method::POST, "/logout/all".into()),
            (Method::POST, "/auth/logout".into()),
            (Method::POST, "/auth/logout_all".into()),
            (Method::DELETE, "/auth/sessions/{own}".into()),
            (Method::POST, "/more".into()),
        ] {
            let bob = site.login("bob").await;
            let path = path.replace("{own}", &bob.session().to_string());
            let others = site.ask(Method::POST, "/logout/others", &[("cookie", &bob.cookies())]).await;
            assert_eq!(cleared(&others), Vec::<&str>::new());
            let answer = site.ask(method, &path, &[("cookie", &bob.cookies())]).await;
            assert!(answer.status().is_success() && is_deleted(answer.headers()), "{path}");
            let own: &[&str] = if path == "/more" { &["\"storage\""] } else { &[] };
            assert_eq!(cleared(&answer), [own, &["\"cache\""]].concat(), "{path}");
        }
        // The session was ended elsewhere: the pages are still in this browser.
        let carl = site.login("carl").await;
        site.app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        for path in ["/me", "/hello", "/who"] {
            let over = site.get(path, &[("cookie", &carl.cookies())]).await;
            assert!(is_deleted(over.headers()) && cleared(&over) == ["\"cache\""], "{path}");
        }
    });
}

#[test]
fn n_23_no_other_answer_clears_anything() {
    bounded(async {
        let site = site(|builder| builder).await;
        let bob = site.login("bob").await;
        let (cookies, bearer) = (bob.cookies(), bob.bearer());
        let cases: [(Method, &str, Headers<'_>, u16); 7] = [
            (Method::GET, "/me", &[("cookie", &cookies)], 200),
            (Method::GET, "/me", &[], 401),
            (Method::GET, "/me", &[("cookie", "__Host-access_token=x.y.z")], 401),
            (Method::GET, "/open", &[("cookie", &cookies)], 200),
            (Method::POST, "/logout", &[("cookie", &cookies), ("origin", "https://evil.example")], 403),
            (Method::POST, "/refresh", &[("cookie", &cookies)], 200),
            (Method::POST, "/logout", &[("authorization", &bearer)], 200),
        ];
        for (method, path, headers, expected) in cases {
            let answer = site.ask(method, path, headers).await;
            assert_eq!(
                (answer.status().as_u16(), cleared(&answer)),
                (expected, vec![]),
                "{path} {headers:?}"
            );
        }
        let headers = [("content-type", "application/json"), ("cookie", &*cookies)];
        let body = r#"{"username":"bob","password":"right"}"#;
        let login = site.ask_with(Method::POST, "/login", &headers, body).await;
        assert_eq!((login.status().as_u16(), cleared(&login)), (200, vec![]));
    });
}

#[test]
fn n_23_over_plain_http_it_is_off_and_anybody_may_choose() {
    bounded(async {
        for (insecure, chosen, expected) in [
            (false, None, 1),
            (false, Some(true), 1),
            (false, Some(false), 0),
            (true, None, 0),
            (true, Some(true), 1),
            (true, Some(false), 0),
        ] {
            let site = site(|builder| {
                let cookies = CookieConfig::default();
                let cookies = chosen.into_iter().fold(cookies, CookieConfig::clear_cache);
                let builder = builder.cookies(cookies);
                if insecure { builder.insecure_cookies() } else { builder }
            })
            .await;
            let logout = site.ask(Method::POST, "/logout", &[]).await;
            assert_eq!(cleared(&logout).len(), expected, "{insecure} {chosen:?}");
        }
    });
}
