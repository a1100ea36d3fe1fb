//! A `JwtAuth` and a `Verifier` around the same route: the innermost decides who is calling.

use super::*;

#[require_auth]
async fn whoami(who: &Identity) -> String {
    format!("{} by {}", who.subject(), if who.token().is_some() { "token" } else { "session" })
}

/// Logs in at one `JwtAuth` behind a `Verifier` of another one.
fn authenticate(
    attempt: jwtauth::LoginAttempt,
) -> impl Future<Output = Result<User, jwtauth::LoginError>> + Send {
    std::future::ready(Ok(User::named(attempt.username())))
}

#[test]
fn the_innermost_decides_who_is_calling() {
    bounded(async {
        // Two services, each with keys and users of its own.
        let (issuer, shop) = (issuer(), TestApp::new());
        let of_issuer = bearer(&issuer, 1, &[], &[]).await;
        let of_shop = testing::login(&shop.jwtauth, &User::named("bob")).await;
        let route = || Route::new().at("/", get(whoami));
        let outside = Service::new(route().with(verifier(&issuer)).with(shop.jwtauth.clone()).boxed());
        let inside = Service::new(route().with(shop.jwtauth.clone()).with(verifier(&issuer)).boxed());

        assert_eq!(outside.get("/", &of_issuer).await.body, "1 by token");
        assert_eq!(outside.get("/", of_shop.bearer()).await.status, 401);
        let answer = outside.send(Method::GET, "/", &[("cookie", of_shop.cookies())]).await;
        assert_eq!((answer.status, answer.header("vary")), (401, Some("Authorization")));

        assert_eq!(inside.get("/", of_shop.bearer()).await.body, "bob by session");
        assert_eq!(inside.get("/", &of_issuer).await.status, 401);
        let answer = inside.send(Method::GET, "/", &[("cookie", of_shop.cookies())]).await;
        assert_eq!((&*answer.body, answer.header("vary")), ("bob by session", Some("Cookie, Authorization")));
    });
}

/// A branch of an app that takes another service's tokens, in an app that logs in its own users.
#[test]
fn a_branch_of_an_app_may_have_the_other_one() {
    bounded(async {
        let (issuer, shop) = (issuer(), TestApp::new());
        let of_issuer = bearer(&issuer, 1, &[], &[]).await;
        let of_shop = testing::login(&shop.jwtauth, &User::named("bob")).await;
        let partners = Route::new().at("/", get(whoami)).with(verifier(&issuer));
        let app = Route::new().at("/", get(whoami)).nest("/partners", partners);
        let service = Service::new(app.with(shop.jwtauth.clone()).boxed());
        assert_eq!(service.get("/", of_shop.bearer()).await.body, "bob by session");
        assert_eq!(service.get("/partners", &of_issuer).await.body, "1 by token");
        assert_eq!(service.get("/partners", of_shop.bearer()).await.status, 401);
        assert_eq!(service.get("/", &of_issuer).await.status, 401);
    });
}

/// A guard between the two asks the outer one, and both must be content.
#[test]
fn a_guard_in_between_asks_the_outer_one() {
    bounded(async {
        let (issuer, shop) = (issuer(), TestApp::new());
        let of_issuer = bearer(&issuer, 1, &[], &[]).await;
        let of_shop = testing::login(&shop.jwtauth, &User::named("bob")).await;
        let app = Route::new().at("/", get(whoami)).with(verifier(&issuer)).with(RequireAuth::new());
        let service = Service::new(app.with(shop.jwtauth.clone()).boxed());
        assert_eq!(service.get("/", &of_issuer).await.status, 401);
        assert_eq!(service.get("/", of_shop.bearer()).await.status, 401);
        let headers = [("cookie", of_shop.cookies())];
        assert_eq!(
            service.send(Method::GET, "/", &headers).await.status,
            401,
            "the inner one sees no bearer"
        );
    });
}

/// The ready-made routes bring their own `JwtAuth`, so they work in an app that only verifies otherwise.
#[test]
fn the_ready_made_routes_work_behind_a_verifier() {
    bounded(async {
        let issuer = issuer();
        let auth = issuer.jwtauth.routes(authenticate).body_tokens();
        let app = Route::new().nest("/auth", auth).at("/me", get(whoami)).with(verifier(&issuer));
        let service = TestClient::new(app);
        let form = serde_json::json!({"username": "alice", "password": "right"});
        let answer = service.post("/auth/obtain").body_json(&form).send().await;
        answer.assert_status_is_ok();
        let tokens: Value = answer.0.into_body().into_json().await.unwrap();
        let bearer = format!("Bearer {}", tokens["access"].as_str().unwrap());
        let answer = service.get("/me").header(header::AUTHORIZATION, &bearer).send().await;
        answer.assert_text("alice by token").await;
        let answer = service.post("/auth/logout").header(header::AUTHORIZATION, &bearer).send().await;
        answer.assert_status(StatusCode::NO_CONTENT);
        // What a verifier cannot know.
        let answer = service.get("/me").header(header::AUTHORIZATION, &bearer).send().await;
        answer.assert_status_is_ok();
    });
}

/// Around a part that a clone of it is around already, it does nothing.
#[test]
fn a_clone_around_a_part_changes_nothing() {
    bounded(async {
        let issuer = issuer();
        let (alice, verifier) = (bearer(&issuer, 1, &[], &[]).await, verifier(&issuer));
        let part = Route::new().at("/", get(whoami)).with(verifier.clone());
        // The guard in between asks, so that a second handle would be seen.
        let app = Route::new().nest("/part", part).with(RequireAuth::new()).with(verifier);
        let service = Service::new(app.boxed());
        let answer = service.get("/part", &alice).await;
        assert_eq!((answer.status, &*answer.body), (200, "1 by token"));
        assert_eq!(answer.headers.get_all("vary").iter().count(), 1);
    });
}
