//! Sessions and ids as arguments of handlers.

use super::*;
use jwtauth::{SessionId, Sessions, TokenId};
use poem::web::Path;

#[require_auth(role = "admin")]
async fn revoke(sessions: &Sessions, Path(id): Path<SessionId>) -> Result<String> {
    Ok(sessions.revoke(id).await?.to_string())
}

#[require_auth(role = "admin")]
async fn revoke_token(sessions: &Sessions, Path(ids): Path<(SessionId, TokenId)>) -> Result<String> {
    Ok(sessions.revoke_token(ids.0, ids.1).await?.to_string())
}

#[handler]
fn signing_key(jwtauth: &JwtAuth) -> String {
    jwtauth.keys().signing().kid
}

fn routes() -> Route {
    Route::new()
        .at("/sessions/:id", poem::delete(revoke))
        .at("/sessions/:session/tokens/:token", poem::delete(revoke_token))
        .at("/key", get(signing_key))
}

#[test]
fn sessions_and_ids_are_arguments_of_handlers() {
    bounded(async {
        let app = TestApp::new();
        let endpoint = Route::new().nest("/", app.endpoint()).nest("/admin", routes());
        let site = Site::serving(TestApp::new(), endpoint.with(app.jwtauth.clone())).await;
        let (admin, bob) = (site.login("alice").await, site.login("bob").await);
        let cookies = admin.cookies();
        let delete = async |path: String| {
            let answer = site.ask(Method::DELETE, &path, &[("cookie", &cookies)]).await;
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let session = bob.session();
        let token = app.jwtauth.sessions().list("bob").await.unwrap()[0].access_id;
        let path = format!("/admin/sessions/{session}/tokens/{token}");
        assert_eq!(delete(path.clone()).await, (200, "true".into()));
        assert_eq!(delete(path).await, (200, "false".into()), "it was revoked before");
        assert_eq!(delete(format!("/admin/sessions/{session}")).await, (200, "true".into()));
        assert!(app.jwtauth.sessions().list("bob").await.unwrap().is_empty());
        // What is no id is refused before the handler runs.
        for wrong in ["x", "AAAAAAAAAAAAAAAAAAAAAB", "%FF"] {
            assert_eq!(delete(format!("/admin/sessions/{wrong}")).await.0, 400, "{wrong}");
        }
        // They refuse nobody: the guard does.
        assert_eq!(site.ask(Method::DELETE, "/admin/sessions/x", &[]).await.status(), 401);
        let key = site.get("/admin/key", &[]).await;
        assert_eq!(key.text().await.unwrap(), app.jwtauth.keys().signing().kid);
    });
}

#[test]
fn without_a_jwtauth_in_front_they_are_an_error_of_the_server_and_the_log_names_them() {
    logged(async |log| {
        let site = Site::serving(TestApp::new(), routes()).await;
        let answer = site.get("/key", &[]).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(log.text().contains("`&JwtAuth`: no `JwtAuth` and no `Verifier` in front"), "{}", log.text());
    });
}
