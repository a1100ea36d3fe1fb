//! What a key may not do: it is no login.

use super::*;

#[require_auth(no_api_keys)]
async fn people(who: &Identity) -> String {
    who.subject().to_owned()
}

#[require_auth(no_api_keys, optional)]
async fn visitors() {}

#[handler]
async fn logout_others(auth: Auth) -> Result<String> {
    Ok(auth.logout_others().await?.to_string())
}

#[handler]
async fn impersonate(auth: Auth) -> Result<()> {
    auth.login(&tests::app::User::named("bob")).await?;
    Ok(())
}

#[handler]
async fn issue(auth: Auth) -> Result<String> {
    Ok(auth.issue_tokens(&tests::app::User::named("bob")).await?.access().to_owned())
}

/// K-3: a handler that logs somebody in without a password, as those for support do, makes no login of a key.
#[test]
fn k_3_no_key_becomes_a_login() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci" })).await;
        let routes = Route::new().at("/impersonate", post(impersonate)).at("/issue", post(issue));
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        for path in ["/impersonate", "/issue"] {
            for (token, status) in [(&login, 200), (&key.secret, 403)] {
                let request = client.post(path).header("authorization", format!("Bearer {token}"));
                let answer = request.send().await.0;
                assert_eq!(answer.status().as_u16(), status, "{path}");
                assert_eq!(
                    answer.headers().contains_key("set-cookie"),
                    status == 200 && path == "/impersonate"
                );
            }
        }
        assert_eq!(app.jwtauth.sessions().list("bob").await.unwrap().len(), 2);
    });
}

/// K-3: a key cannot make keys, end sessions, log in or refresh.
#[test]
fn k_3_a_key_is_refused_where_a_person_acts() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci", "scopes": ["read", "write"] })).await;
        let own = format!("/auth/sessions/{}", key.id);
        let keys = format!("/keys/{}", key.id);
        for (method, path) in [
            (Method::POST, "/auth/logout"),
            (Method::POST, "/auth/logout_all"),
            (Method::GET, "/auth/sessions"),
            (Method::DELETE, "/auth/sessions"),
            (Method::DELETE, &*own),
            (Method::POST, "/keys/simple"),
            (Method::GET, "/keys"),
            (Method::DELETE, &*keys),
            (Method::GET, "/fresh"),
        ] {
            let (status, body) = app.send(method.clone(), path, &key.secret, None).await;
            assert_eq!((status, &*code(&body)), (403, "api_key_refused"), "{method} {path}");
        }
        // As a token of another kind it is nothing.
        for (path, field) in [
            ("/auth/refresh", "refresh"),
            ("/auth/revoke", "refresh"),
            ("/auth/verify", "token"),
            ("/auth/expire", "token"),
        ] {
            let (status, body) =
                app.send(Method::POST, path, &key.secret, Some(json!({ field: key.secret }))).await;
            assert_eq!((status, &*code(&body)), (401, "token_not_valid"), "{path}");
        }
        assert_eq!(app.status("/who", &login).await, 200, "nothing has ended");
        assert_eq!(app.status("/who", &key.secret).await, 200);
        assert_eq!(app.status("/auth/me", &key.secret).await, 200);
    });
}

/// K-3: `no_api_keys` in the attribute and on a tree of routes.
#[test]
fn k_3_a_guard_can_refuse_keys() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci" })).await;
        let tree = Route::new().at("/", get(whose)).with(jwtauth::RequireAuth::new().no_api_keys());
        let routes = Route::new()
            .at("/people", get(people))
            .at("/visitors", get(visitors))
            .at("/others", post(logout_others))
            .nest("/tree", tree)
            .with(app.jwtauth.clone())
            .boxed();
        let client = TestClient::new(routes);
        let status = async |path: &str, token: &str| {
            let request = client.get(path);
            let request = match token {
                "" => request,
                token => request.header("authorization", format!("Bearer {token}")),
            };
            request.send().await.0.status().as_u16()
        };
        for (path, person, anonymous) in [("/people", 200, 401), ("/visitors", 200, 200), ("/tree", 200, 401)]
        {
            assert_eq!(status(path, &login).await, person, "{path}");
            assert_eq!(status(path, "").await, anonymous, "{path}");
            assert_eq!(status(path, &key.secret).await, 403, "{path}");
        }
        let others =
            client.post("/others").header("authorization", format!("Bearer {}", key.secret)).send().await;
        others.assert_status(poem::http::StatusCode::FORBIDDEN);
    });
}

/// K-3: a key is made by somebody who has logged in lately.
#[test]
fn k_3_a_key_needs_a_recent_login() {
    bounded(async {
        let set = |builder: JwtAuthBuilder| {
            builder
                .access_ttl(DAY)
                .refresh_ttl(DAY)
                .api_keys(ApiKeyConfig::default().login_age(Duration::from_secs(60)))
        };
        let app = Keyed::with(TestStore::new(), set);
        let login = app.login().await;
        app.clock.set(START + 60);
        app.make(&login, json!({ "name": "ci" })).await;
        app.clock.set(START + 61);
        let (status, body) = app.ask(&login, json!({ "name": "ci" })).await;
        assert_eq!((status, &body["code"]), (401, &json!("fresh_login_required")));
        assert_eq!(app.get("/keys", &login).await, (200, r#"["ci"]"#.into()), "to look needs none");
    });
}

/// K-3: what is asked for is checked, and the answer says what is wrong.
#[test]
fn k_3_a_key_that_is_not_allowed_is_refused_with_the_reason() {
    bounded(async {
        let app = Keyed::with(TestStore::new(), |builder| {
            builder.api_keys(ApiKeyConfig::default().max_ttl(90 * DAY))
        });
        let login = app.login().await;
        for (wanted, code, says) in [
            (json!({ "name": " " }), "invalid_name", "0 characters"),
            (json!({ "name": "ü".repeat(65) }), "invalid_name", "65 characters"),
            (json!({ "name": "a\u{202e}b" }), "invalid_name", "control character"),
            (json!({ "name": "a\nb" }), "invalid_name", "control character"),
            (json!({ "name": "ci", "scopes": ["read", "all"] }), "invalid_scope", "\"all\""),
            (json!({ "name": "ci", "scopes": ["Read"] }), "invalid_scope", "\"Read\""),
            (json!({ "name": "ci", "roles": ["root"] }), "invalid_role", "\"root\""),
            (json!({ "name": "ci", "days": 91 }), "invalid_ttl", "7776000 seconds"),
            (json!({ "name": "ci", "days": 0 }), "invalid_ttl", "1 second"),
        ] {
            let (status, body) = app.ask(&login, wanted.clone()).await;
            assert_eq!((status, &body["code"]), (400, &json!(code)), "{wanted}: {body}");
            assert!(body["detail"].as_str().unwrap().contains(says), "{body}");
        }
        assert_eq!(app.get("/keys", &login).await, (200, "[]".into()));
        app.make(&login, json!({ "name": format!(" {} ", "ü".repeat(64)), "days": 90 })).await;
    });
}
