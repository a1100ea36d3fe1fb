//! The ready-made routes for keys.

use super::*;

/// K-7: list, create, revoke; the secret is in one answer, which nobody may cache.
#[test]
fn k_7_the_routes_of_keys() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let wanted =
            json!({ "name": "ci", "scopes": ["read", "write"], "roles": ["editor"], "expires_in": 86_400 });
        let answer = app
            .client
            .post("/auth/api-keys")
            .header("authorization", format!("Bearer {login}"))
            .body_json(&wanted)
            .send()
            .await;
        answer.assert_status(poem::http::StatusCode::CREATED);
        answer.assert_header("cache-control", "no-store");
        let made: Value = answer.0.into_body().into_json().await.unwrap();
        let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        assert_eq!(app.get("/who", secret).await, (200, "olga by ci".into()));
        assert_eq!(app.status("/write", secret).await, 200);
        // Nobody waits until its use is noted.
        app.jwtauth.sessions().flush().await.unwrap();

        let (status, body) = app.get("/auth/api-keys", &login).await;
        let shown: Value = serde_json::from_str(&body).unwrap();
        let expected = json!([{
            "id": id, "name": "ci", "roles": ["editor"], "scopes": ["read", "write"],
            "created_at": START, "expires_at": START + 86_400, "last_used_at": START,
        }]);
        assert_eq!((status, shown), (200, expected));
        let (_, sessions) = app.get("/auth/sessions", &login).await;
        assert!(sessions.contains(r#""api_key":"ci""#) && !sessions.contains(secret), "{sessions}");

        for by_key in [
            (Method::GET, "/auth/api-keys".to_owned()),
            (Method::POST, "/auth/api-keys".to_owned()),
            (Method::DELETE, format!("/auth/api-keys/{id}")),
        ] {
            let (status, body) = app.send(by_key.0.clone(), &by_key.1, secret, Some(wanted.clone())).await;
            assert_eq!((status, &*code(&body)), (403, "api_key_refused"), "{by_key:?}");
            assert_eq!(app.send(by_key.0, &by_key.1, "", None).await.0, 401);
        }
        let path = format!("/auth/api-keys/{id}");
        assert_eq!(app.send(Method::DELETE, &path, &login, None).await.0, 204);
        assert_eq!(app.status("/who", secret).await, 401);
        for gone in [&*path, "/auth/api-keys/x", "/auth/api-keys/AAAAAAAAAAAAAAAAAAAAAA"] {
            let (status, body) = app.send(Method::DELETE, gone, &login, None).await;
            assert_eq!((status, &*code(&body)), (404, "session_not_found"), "{gone}");
        }
    });
}

/// K-7: a login is no key, and no key of another user.
#[test]
fn k_7_the_routes_revoke_own_keys_only() {
    bounded(async {
        let app = Keyed::new();
        let (login, other) = (app.login().await, app.login().await);
        let sessions = app.jwtauth.sessions();
        let bob = Owner { name: "bob".into(), ..Owner::default() };
        let of_bob = sessions.create_api_key(&bob, ApiKeyRequest::new("bob's")).await.unwrap();
        let logins = sessions.list("olga").await.unwrap();
        for id in logins.iter().map(|session| session.id).chain([of_bob.session().id]) {
            let path = format!("/auth/api-keys/{id}");
            assert_eq!(app.send(Method::DELETE, &path, &login, None).await.0, 404);
        }
        for token in [&*login, &*other, of_bob.secret()] {
            assert_eq!(app.status("/who", token).await, 200);
        }
    });
}

/// K-7: forms and texts, what is missing, and what is no list.
#[test]
fn k_7_the_body_of_a_new_key() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let header = format!("Bearer {login}");
        let form = "name=ci&scopes=read+write&roles=editor&roles=admin&expires_in=60";
        let request = app.client.post("/auth/api-keys").header("authorization", &header);
        let answer = request.content_type("application/x-www-form-urlencoded").body(form).send().await;
        answer.assert_status(poem::http::StatusCode::CREATED);
        let made: Value = answer.0.into_body().into_json().await.unwrap();
        assert_eq!(made["scopes"], json!(["read", "write"]));
        assert_eq!(made["roles"], json!(["editor", "admin"]));
        assert_eq!(made["expires_at"], json!(START + 60));
        for (body, field) in [
            (json!({}), "name"),
            (json!({ "name": "" }), "name"),
            (json!({ "name": "ci", "scopes": [1] }), "scopes"),
            (json!({ "name": "ci", "roles": { "a": 1 } }), "roles"),
            (json!({ "name": "ci", "expires_in": -1 }), "expires_in"),
            (json!({ "name": "ci", "expires_in": "soon" }), "expires_in"),
        ] {
            let (status, answer) = app.send(Method::POST, "/auth/api-keys", &login, Some(body.clone())).await;
            assert_eq!(status, 400, "{body}: {answer}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert!(answer[field].is_array(), "{body}: {answer}");
        }
        let without = Keyed::with(TestStore::new(), |builder| builder);
        assert_eq!(without.status("/auth/api-keys", &without.login().await).await, 404, "there are none");
    });
}
