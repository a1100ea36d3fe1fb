//! Sliding tokens beside access and refresh tokens: none passes for another.

use poem::http::{Method, StatusCode};
use poem::test::TestClient;
use poem::{EndpointExt, Route};
use serde_json::json;
use tests::app::TestApp;
use tests::bounded;
use tests::tab::Tab;
use tests::wire::{ACCESS, REFRESH};

use super::{Client, authenticate, client, good, refused};

/// J-10: three kinds, and each is refused where another is asked for.
#[test]
fn j_10_sliding_tokens_and_others_do_not_pass_for_each_other() {
    bounded(async {
        let app = TestApp::new();
        let (client, tab) = (client(&app), Tab::new(&app));
        let token = client.obtain("alice").await;
        let pair = tab.login("alice").await;
        // In cookies, in each place, alone and beside a genuine one.
        for cookies in [
            format!("{ACCESS}={token}"),
            format!("{REFRESH}={token}"),
            format!("{ACCESS}={token}; {REFRESH}={token}"),
            format!("{ACCESS}={token}; {REFRESH}={}", pair.refresh),
        ] {
            let answer = tab.get("/me", &cookies).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "token_not_valid")
            );
        }
        assert_eq!(tab.post("/refresh", &format!("{REFRESH}={token}")).await.status, 401);
        // In the routes of tokens in bodies.
        let auth = app.jwtauth.routes(authenticate).body_tokens();
        let bodies = Client(TestClient::new(Route::new().nest("/auth", auth).with(app.jwtauth.clone())));
        for path in ["refresh", "revoke"] {
            assert_eq!(bodies.post(path, "refresh", &token).await, refused("token_not_valid"), "{path}");
        }
        // And the others in the routes of sliding tokens.
        for path in ["refresh", "revoke"] {
            for other in [&pair.access, &pair.refresh, "x", "a.b.c", "é"] {
                assert_eq!(client.post(path, "token", other).await, refused("token_not_valid"), "{path}");
            }
            let (status, _, body) = client
                .send(Method::POST, &format!("/auth/{path}"), &[], json!({ "refresh": pair.refresh }))
                .await;
            assert_eq!((status, &body["token"]), (400, &json!(["This field is required."])), "{path}");
        }
        // Nothing was ended by all this.
        assert_eq!(client.me(&token).await, good());
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        // What takes any kind takes all three.
        for any in [&token, &pair.access, &pair.refresh] {
            assert_eq!(client.post("verify", "token", any).await, good());
        }
        // J-5: each character of the signature counts, whether the token was seen before or not.
        let (message, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{message}.{}", "A".repeat(signature.len()));
        for forged in [forged, token[..token.len() - 4].to_owned()] {
            assert_eq!(client.me(&forged).await, refused("token_not_valid"));
            assert_eq!(client.post("refresh", "token", &forged).await, refused("token_not_valid"));
        }
    });
}
