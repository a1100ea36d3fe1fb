//! The quickstart as a stranger meets it: a program, its environment, and HTTP.

use reqwest::StatusCode;
use tests::bounded;
use tests::browser::{Browser, json};

#[test]
fn login_me_logout() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = crate::quickstart().data(data.path()).start();
        let browser = Browser::new(&server.url);
        assert_eq!(browser.me().await, 401);
        let login = browser.login("alice", "wonderland").await;
        assert_eq!(login.status(), StatusCode::OK);
        let me = browser.get("/me").await;
        assert_eq!(me.status(), StatusCode::OK);
        assert_eq!(json(me).await, serde_json::json!({"id": 1, "name": "alice", "roles": ["admin"]}));
        assert_eq!(browser.post("/logout").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(browser.me().await, 401);
        let (status, _) = server.terminate();
        assert_eq!(status.code(), Some(0));
    });
}
