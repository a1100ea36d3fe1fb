//! To which hosts and paths browsers send the cookies.

use super::*;
use std::time::Duration;
use tests::test_store::TestStore;

/// A refresh token that travels to one path: nothing is renewed silently, and everything else goes on.
#[test]
fn h_1_h_2_a_refresh_cookie_of_one_path() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.insecure_cookies().cookies(CookieConfig::default().refresh_path("/refresh"))
        });
        let site = Site::of(app).await;
        let browser = Browser::new(&site.served.url);
        let login = browser.login("bob", "right").await;
        let lines = set_cookies(login.headers());
        assert!(lines[0].starts_with("access_token=") && lines[0].contains("; Path=/; "), "{lines:?}");
        assert!(
            lines[1].starts_with("refresh_token=") && lines[1].contains("; Path=/refresh; "),
            "{lines:?}"
        );
        assert!(browser.cookie("access_token").is_some());
        assert_eq!(browser.cookie("refresh_token"), None, "it goes nowhere else");
        assert_eq!(browser.me().await, 200);

        site.app.clock.advance(Duration::from_secs(301));
        let expired = browser.get("/me").await;
        assert_eq!(set_cookies(expired.headers()), Vec::<String>::new());
        let problem: Value = expired.json().await.unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("token_expired")));
        assert_eq!(site.generation("bob").await, 0);
        let renewed = browser.post("/refresh").await;
        assert_eq!((renewed.status().as_u16(), set_cookies(renewed.headers()).len()), (200, 2));
        assert_eq!((browser.me().await, site.generation("bob").await), (200, 1));

        // A logout elsewhere has the expired access token only; the session ends, and both cookies go.
        site.app.clock.advance(Duration::from_secs(301));
        let logout = browser.post("/logout").await;
        assert_eq!(logout.status(), 200);
        assert!(is_deleted(logout.headers()));
        let lines = set_cookies(logout.headers());
        assert!(lines[1].contains("; Path=/refresh; "), "{lines:?}");
        assert_eq!(site.app.jwtauth.sessions().list("bob").await.unwrap().len(), 0);
        assert_eq!(browser.post("/refresh").await.status(), 401, "there is no refresh cookie any more");
    });
}

/// The names follow from what is promised: a browser drops what breaks the rules of its prefix.
#[test]
fn h_1_prefixes_follow_domain_and_path() {
    bounded(async {
        type Set = fn(CookieConfig) -> CookieConfig;
        let cases: [(Set, bool, &str, &str); 6] = [
            (|c| c, false, "__Host-access_token=", "; Path=/; "),
            (|c| c.domain("Example.com"), false, "__Secure-access_token=", "; Domain=example.com; Path=/; "),
            (|c| c.path("/shop"), false, "__Secure-access_token=", "; Path=/shop; "),
            (|c| c.refresh_path("/refresh"), false, "__Host-access_token=", "; Path=/; "),
            (|c| c.domain("example.com"), true, "access_token=", "; Domain=example.com; Path=/; "),
            (
                |c| c.partitioned().same_site(SameSite::None),
                false,
                "__Host-access_token=",
                "SameSite=None; Partitioned",
            ),
        ];
        for (set, insecure, name, contains) in cases {
            let app = TestApp::with(TestStore::new(), |builder| {
                let builder = builder.cookies(set(CookieConfig::default()));
                if insecure { builder.insecure_cookies() } else { builder }
            });
            let site = Site::of(app).await;
            let body = json!({"username": "bob", "password": "right"}).to_string();
            let headers = [("content-type", "application/json")];
            let login = site.ask_with(Method::POST, "/login", &headers, &body).await;
            let lines = set_cookies(login.headers());
            assert!(lines[0].starts_with(name) && lines[0].contains(contains), "{lines:?}");
            // What was set is what is read, and what is deleted.
            let is_sent = |line: &&String| !line.contains("; Path=/refresh;");
            let cookies: Vec<_> =
                lines.iter().filter(is_sent).map(|line| line.split(';').next().unwrap()).collect();
            let cookies = [("cookie", &*cookies.join("; "))];
            assert_eq!(site.get("/me", &cookies).await.status(), 200, "{lines:?}");
            let logout = site.ask(Method::POST, "/logout", &cookies).await;
            // All but how long it lives.
            let attributes = |line: &String| -> String {
                let all = line.split("; ").skip(1);
                all.filter(|one| !one.starts_with("Max-Age=") && !one.starts_with("Expires=")).collect()
            };
            let (set, deleted): (Vec<_>, Vec<_>) = (
                lines.iter().map(attributes).collect(),
                set_cookies(logout.headers()).iter().map(attributes).collect(),
            );
            assert_eq!(set, deleted);
        }
    });
}
