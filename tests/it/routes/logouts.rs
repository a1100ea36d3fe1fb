//! Logouts of clients that send their tokens in one way or another.

use super::*;

/// N-1: whatever names a session of this service when somebody logs out, that session ends.
#[test]
fn n_1_a_logout_ends_the_session_that_a_request_names_in_any_way() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let live = || async { app.jwtauth.sessions().list("7").await.unwrap().len() };
        let login = json!({"username": "7", "password": "right"});
        for way in 0..7 {
            let (_, _, tokens) = ask(&client, Method::POST, "/auth/obtain", &[], login.clone()).await;
            let [access, refresh] =
                ["access", "refresh"].map(|name| tokens[name].as_str().unwrap().to_owned());
            let header = |text: String| vec![("authorization", text)];
            let (headers, body) = match way {
                0 => (header(format!("Token {access}")), Value::Null),
                1 => (header(format!("JWT  {access}")), Value::Null),
                2 => (header(format!("Bearer: {access}")), Value::Null),
                3 => (header(access), Value::Null),
                4 => (vec![], json!({ "refresh": refresh })),
                // As a proxy with a password of its own adds it.
                5 => (header("Basic dXNlcjpwYXNz".into()), json!({ "refresh": refresh })),
                _ => (vec![], json!({ "token": access })),
            };
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(live().await, 1, "{way}");
            let (status, _, said) = ask(&client, Method::POST, "/auth/logout", &headers, body).await;
            assert_eq!((status, live().await), (204, 0), "{way}: {said}");
        }
        // What names nobody ends nothing, and a token that is none of ours is no logout.
        ask(&client, Method::POST, "/auth/obtain", &[], login).await;
        for (headers, body, expected) in [
            (vec![("authorization", "Basic dXNlcjpwYXNz")], Value::Null, 204),
            (vec![], json!({"other": 1}), 204),
            (vec![], json!({"refresh": "a.b.c"}), 401),
        ] {
            let (status, _, said) = ask(&client, Method::POST, "/auth/logout", &headers, body).await;
            assert_eq!((status, live().await), (expected, 1), "{said}");
        }
    });
}
