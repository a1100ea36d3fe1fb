//! An API under lint levels that nothing can change. A routed method has one parameter more than the operation. That it
//! compiles is the test, with rustc and with clippy.

#![forbid(clippy::too_many_arguments, clippy::unused_async, non_camel_case_types, non_upper_case_globals)]

use super::*;

struct Wide;

#[require_auth]
#[OpenApi]
impl Wide {
    #[oai(path = "/:a/:b/:c/:d", method = "get")]
    async fn sum(
        &self,
        user: User,
        a: Path<u64>,
        b: Path<u64>,
        c: Path<u64>,
        d: Path<u64>,
    ) -> PlainText<String> {
        let name = std::future::ready(user.name).await;
        PlainText(format!("{name} {}", a.0 + b.0 + c.0 + d.0))
    }

    /// As many as clippy allows.
    #[oai(path = "/:a/:b/:c/:d/:e", method = "get")]
    async fn most(
        &self,
        user: User,
        a: Path<u64>,
        b: Path<u64>,
        c: Path<u64>,
        d: Path<u64>,
        e: Path<u64>,
    ) -> PlainText<String> {
        let name = std::future::ready(user.name).await;
        PlainText(format!("{name} {}", a.0 + b.0 + c.0 + d.0 + e.0))
    }
}

#[test]
fn n_16_a_routed_method_needs_no_lint_level() {
    bounded(async {
        let app = TestApp::new();
        let tokens = login(&app, "alice").await;
        let client = client(&app, Wide);
        assert_eq!(text(answer(client.get("/1/2/3/4"), Some(&tokens)).await).await, "alice 10");
        assert_eq!(text(answer(client.get("/1/2/3/4/5"), Some(&tokens)).await).await, "alice 15");
        assert_eq!(answer(client.get("/1/2/3/4"), None).await.status(), StatusCode::UNAUTHORIZED);
    });
}
