//! Where the ready-made routes stand: renamed, left out, and as clients of the Django packages know them.

use super::*;
use jwtauth::{Compat, TokenConfig};
use tests::test_store::TestStore;

#[test]
fn a_route_can_be_renamed() {
    bounded(async {
        let app = TestApp::new();
        let auth = app.jwtauth.routes(authenticate).body_tokens();
        let auth = auth.rename("/obtain", "/token").unwrap().rename("/sessions/:id", "/logins/:id").unwrap();
        let client = TestClient::new(Route::new().nest("/auth", auth));
        assert_eq!(post(&client, "/auth/obtain", credentials("bob")).await.0, 404);
        let (status, _, tokens) = post(&client, "/auth/token", credentials("bob")).await;
        assert_eq!(status, 200);
        let id = app.jwtauth.sessions().list("bob").await.unwrap()[0].id;
        let bearer = format!("Bearer {}", tokens["access"].as_str().unwrap());
        let bearer = [("authorization", bearer.as_str())];
        let path = format!("/auth/logins/{id}");
        assert_eq!(ask(&client, Method::DELETE, &path, &bearer, Value::Null).await.0, 204);
    });
}

#[test]
fn a_route_cannot_be_renamed_to_what_cannot_be_served() {
    let app = TestApp::new();
    for (path, to, problem) in [
        ("/optain", "/token", "no such route"),
        ("/oauth/revoke", "/token", ".service(..)"),
        ("/obtain", "token", "slash"),
        ("/obtain", "/refresh", "another route"),
        ("/obtain", "/tokens/:id", "parameters"),
        ("/sessions/:id", "/logins", "parameters"),
        ("/obtain", "/a/<", "parameters"),
    ] {
        let refused = app.jwtauth.routes(authenticate).rename(path, to).unwrap_err().to_string();
        assert!(refused.contains(problem), "{path} to {to}: {refused}");
    }
    // The last name is the one that counts, and the old one is free.
    let routes = app.jwtauth.routes(authenticate).rename("/obtain", "/token").unwrap();
    let routes = routes.rename("/refresh", "/obtain").unwrap().without("/token").unwrap();
    assert!(routes.without("/token").is_err());
    let routes = app.jwtauth.routes(authenticate).service("billing", "x".repeat(32)).unwrap();
    assert!(routes.rename("/oauth/revoke", "/revocation").is_ok());
}

/// Each of these panicked when it was mounted, or left the script out.
#[test]
fn routes_that_are_added_never_take_the_place_of_others() {
    let app = TestApp::new();
    let routes = |from, to| app.jwtauth.routes(authenticate).rename(from, to).unwrap();
    for refused in [
        routes("/obtain", "/oauth/introspect").service("billing", "x".repeat(32)),
        routes("/me", "/client.js").client_script(),
        routes("/me", "/client.d.ts").client_script(),
        routes("/me", "/my").client_script().unwrap().client_script(),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("another route"), "{refused}");
    }
    let routes = routes("/me", "/my").client_script().unwrap().rename("/client.js", "/auth.js").unwrap();
    assert!(routes.client_script().is_err(), "the types are there already");
}

/// simplejwt's `TokenBlacklistView`: `refresh` in, `{}` out, and the second time 401.
#[test]
fn s_81_s_82_compat_has_the_route_that_simplejwt_calls_blacklist() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.tokens(TokenConfig::default().compat(Compat::simplejwt()))
        });
        for sliding in [false, true] {
            let routes = app.jwtauth.routes(authenticate);
            let auth = if sliding { routes.sliding_tokens() } else { routes.body_tokens() };
            let client = TestClient::new(Route::new().nest("/auth", auth));
            let device = Device::default();
            let pair = app.jwtauth.sessions().login(&User::named("bob"), device).await.unwrap();
            let refresh = json!({"refresh": pair.refresh()});
            let (status, _, body) = post(&client, "/auth/blacklist", refresh.clone()).await;
            assert_eq!((status, body), (200, json!({})));
            let (status, _, body) = post(&client, "/auth/blacklist", refresh).await;
            assert_eq!((status, &body["code"]), (401, &json!("token_not_valid")));
            assert!(app.jwtauth.sessions().list("bob").await.unwrap().is_empty());
            let (status, _, body) = post(&client, "/auth/blacklist", json!({})).await;
            assert_eq!((status, &body["refresh"]), (400, &json!(["This field is required."])));
        }
        // Without it there is none.
        assert_eq!(post(&body_app(&TestApp::new()), "/auth/blacklist", json!({})).await.0, 404);
    });
}
