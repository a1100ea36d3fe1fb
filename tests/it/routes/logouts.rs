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
        for way in 0..11 {
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
                6 => (vec![], json!({ "token": access })),
                7 => (vec![], json!({ "access": access })),
                // As clients of OAuth call them.
                8 => (vec![], json!({ "refresh_token": refresh })),
                9 => (vec![], json!({ "access_token": access })),
                _ => (header(format!("Token {refresh}")), Value::Null),
            };
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(live().await, 1, "{way}");
            let (status, _, said) = ask(&client, Method::POST, "/auth/logout", &headers, body).await;
            assert_eq!((status, live().await), (204, 0), "{way}: {said}");
        }
        // What names nobody ends nothing, and a token that we did not issue is no logout.
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

/// N-1: of several that a request names, none is left over. What is no token in a field for one ends nothing.
#[test]
fn n_1_a_logout_ends_all_that_its_body_names_or_is_an_error() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let live = || async { app.jwtauth.sessions().list("7").await.unwrap().len() };
        let logins = async || {
            let login = json!({"username": "7", "password": "right"});
            let (_, _, one) = ask(&client, Method::POST, "/auth/obtain", &[], login.clone()).await;
            let (_, _, two) = ask(&client, Method::POST, "/auth/obtain", &[], login).await;
            [one["refresh"].clone(), one["access"].clone(), two["refresh"].clone()]
        };
        for way in 0..3 {
            let [one, access, two] = logins().await;
            let bearer = format!("Bearer {}", access.as_str().unwrap());
            let headers = if way == 2 { vec![("authorization", &*bearer)] } else { Vec::new() };
            let body = match way {
                0 => json!({ "refresh": one, "token": two }),
                1 => json!({ "access": access, "refresh": two }),
                _ => json!({ "refresh": two }),
            };
            assert_eq!(live().await, 2, "{way}");
            let (status, _, said) = ask(&client, Method::POST, "/auth/logout", &headers, body).await;
            assert_eq!((status, live().await), (204, 0), "{way}: {said}");
        }
        let [one, _, two] = logins().await;
        for (body, expected) in [
            (json!({ "refresh": [one] }), 400),
            (json!({ "refresh": [one, two] }), 400),
            (json!({ "refresh": { "token": one } }), 400),
            (json!({ "refresh": true }), 400),
            (json!({ "token": "" }), 400),
            (json!({ "refresh_token": [one] }), 400),
            (json!({ "refresh": one, "access_token": "a.b.c" }), 401),
            (json!({ "refresh": one, "token": "a.b.c" }), 401),
        ] {
            let (status, _, said) = ask(&client, Method::POST, "/auth/logout", &[], body.clone()).await;
            assert_eq!((status, live().await), (expected, 2), "{body}: {said}");
        }
    });
}
