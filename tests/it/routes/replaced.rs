//! Routes and refusals of the application's own, in place of the ready-made ones.

use super::*;

#[handler]
fn ours() -> &'static str {
    "ours"
}

#[test]
fn each_route_can_be_replaced_or_left_out_and_they_bring_their_own_middleware() {
    bounded(async {
        let app = TestApp::new();
        let routes = || app.jwtauth.routes(authenticate);
        let auth = routes().replace("/verify", get(ours)).unwrap().without("/revoke").unwrap();
        // No `.with(jwtauth)` here.
        let client = TestClient::new(Route::new().nest("/auth", auth));
        let answer = client.get("/auth/verify").send().await;
        answer.assert_text("ours").await;
        assert_eq!(client.post("/auth/revoke").send().await.0.status(), StatusCode::NOT_FOUND);
        assert_eq!(post(&client, "/auth/obtain", credentials("bob")).await.0, 200);
        for misspelt in [routes().without("/verfy"), routes().replace("/verfy", get(ours))] {
            let refused = misspelt.unwrap_err().to_string();
            assert!(refused.contains("/verfy") && refused.contains("no such route"), "{refused}");
        }
    });
}

#[test]
fn a_refusal_of_the_applications_own_can_say_the_same() {
    let refused: Rejection = LoginError::RateLimited { retry_after: Duration::from_secs(7) }.into();
    assert_eq!((refused, refused.code()), (Rejection::RateLimited { retry_after: 7 }, "rate_limited"));
}
