//! `JwtAuth::dev()`: for this machine only.

use super::*;

#[test]
fn development_works_over_http_and_for_this_machine_only() {
    bounded(async {
        let app = TestApp { jwtauth: JwtAuth::dev().unwrap(), ..TestApp::new() };
        let site = Site::of(app).await;
        let browser = Browser::new(&site.served.url);
        let login = browser.login("bob", "right").await;
        for line in set_cookies(login.headers()) {
            assert!(line.ends_with("; HttpOnly; SameSite=Lax") && !line.contains("__Host-"), "{line}");
        }
        assert_eq!(browser.me().await, 200);
        assert_eq!(browser.post("/refresh").await.status(), 200);
        assert_eq!(browser.post("/logout").await.status(), 200);
        assert_eq!(browser.me().await, 401);

        for (host, expected) in [
            ("Host: localhost\r\n", 200),
            ("Host: localhost:3000\r\n", 200),
            ("Host: 127.0.0.1:80\r\n", 200),
            ("Host: [::1]\r\n", 200),
            ("Host: [::1]:3000\r\n", 200),
            ("Host: LocalHost:3000\r\n", 200),
            ("Host: [0:0:0:0:0:0:0:1]\r\n", 200),
            ("Host: evil.example\r\n", 403),
            ("Host: evil.example:3000\r\n", 403),
            ("Host: localhost.evil.example\r\n", 403),
            ("Host: 127.0.0.1.evil.example\r\n", 403),
            ("Host: evil.example:localhost\r\n", 403),
            ("Host: user@localhost\r\n", 403),
            ("Host: \r\n", 403),
            ("", 403),
        ] {
            for path in ["/open", "/hello"] {
                let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{host}\r\n");
                let answer = send(&site.served.url, request.as_bytes(), false).await.unwrap();
                assert_eq!(status(&answer), expected, "{path} {host:?}");
            }
        }
    });
}
