//! Roles, methods, and handlers where a login is optional.

use super::shapes::sync_fn;
use super::*;

#[require_auth(role = "admin")]
async fn admins() -> &'static str {
    "control room"
}

#[require_auth(role = roles::NIGHT)]
fn night_watch() -> &'static str {
    "lantern"
}

mod roles {
    pub(super) const NIGHT: &str = "night";
}

#[test]
fn roles_are_asked_for() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new().at("/admins", get(admins)).at("/night", get(night_watch));
        let client = client(&app, routes);
        let (alice, bob) = (login(&app, "alice").await, login(&app, "bob").await);
        for (path, tokens, expected) in [
            ("/admins", None, 401),
            ("/admins", Some(&bob), 403),
            ("/admins", Some(&alice), 200),
            ("/night", Some(&alice), 403),
        ] {
            let cookies = tokens.map(Tokens::cookies);
            let answered = answer(client.get(path), cookies.as_deref()).await;
            assert_eq!(answered.status(), expected, "{path} {tokens:?}");
            let private = text(answered).await;
            assert_eq!(private.contains("control room"), expected == 200, "{private}");
        }
        // A bearer token says the same as a cookie.
        let as_bearer = client.get("/admins").header(header::AUTHORIZATION, alice.bearer());
        assert_eq!(answer(as_bearer, None).await.status(), 200);
        // A role given and taken in the session counts at once.
        let user = |roles: &[&str]| User {
            name: "bob".into(),
            roles: roles.iter().map(ToString::to_string).collect(),
        };
        for (roles, expected) in [(&["admin", "night"][..], 200), (&["Night"][..], 403), (&[""][..], 403)] {
            app.jwtauth.sessions().update_user(&user(roles)).await.unwrap();
            let answered = answer(client.get("/night"), Some(&bob.cookies())).await;
            assert_eq!(answered.status(), expected, "{roles:?}");
        }
    });
}

#[test]
fn h_11_every_method_of_a_guarded_route_is_guarded() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        // `/any` is the endpoint itself, which answers to every method.
        let routes = Route::new().at("/any", sync_fn).at("/get", get(sync_fn).options(sync_fn));
        let client = client(&app, routes);
        let any = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"];
        let cases = any.map(|method| ("/any", method)).into_iter().chain([
            ("/get", "GET"),
            ("/get", "HEAD"),
            ("/get", "OPTIONS"),
        ]);
        for (path, method) in cases {
            let method: Method = method.parse().unwrap();
            let stranger = answer(client.request(method.clone(), path), None).await;
            assert_eq!(stranger.status(), 401, "{method} {path}");
            let user = answer(client.request(method.clone(), path), Some(&bob.cookies())).await;
            assert_eq!(user.status(), 200, "{method} {path}");
        }
    });
}

#[require_auth(optional)]
pub(super) async fn greet(who: Option<CurrentUser>) -> String {
    who.map_or("nobody".into(), |who| who.subject().to_owned())
}

/// Without one of our arguments it is still the guard that refuses.
#[require_auth(optional)]
async fn optional_without_user() -> &'static str {
    "welcome"
}

#[test]
fn h_6_optional_lets_strangers_and_stale_cookies_in_but_no_bad_bearer() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new().at("/greet", get(greet)).at("/open", get(optional_without_user));
        let client = client(&app, routes);
        let ended = login(&app, "carl").await;
        app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        let bob = login(&app, "bob").await;
        let forged = Tokens { access: format!("{}x", bob.access), refresh: "x.y.z".into() };
        let cases: [(Option<String>, Option<String>, u16, &str); 9] = [
            (None, None, 200, "nobody"),
            (Some(bob.cookies()), None, 200, "bob"),
            (Some(ended.cookies()), None, 200, "nobody"),
            (Some(forged.cookies()), None, 200, "nobody"),
            (None, Some(bob.bearer()), 200, "bob"),
            (None, Some(forged.bearer()), 401, ""),
            (None, Some(ended.bearer()), 401, ""),
            (None, Some("Bearer a b".into()), 401, ""),
            (Some(bob.cookies()), Some(forged.bearer()), 401, ""),
        ];
        for (cookies, bearer, expected, name) in cases {
            for path in ["/greet", "/open"] {
                let mut request = client.get(path);
                if let Some(bearer) = &bearer {
                    request = request.header(header::AUTHORIZATION, bearer);
                }
                let answered = answer(request, cookies.as_deref()).await;
                assert_eq!(answered.status(), expected, "{path} {cookies:?} {bearer:?}");
                if expected == 200 && path == "/greet" {
                    assert_eq!(text(answered).await, name, "{cookies:?} {bearer:?}");
                }
            }
        }
    });
}
