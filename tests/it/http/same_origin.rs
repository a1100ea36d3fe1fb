//! Which spellings of a host are the host of an origin.

use super::*;

/// What proxies, load balancers and programs write as `Host`, and what browsers write as `Origin`.
#[test]
fn n_19_the_host_may_have_its_default_port() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        for (host, origin, expected) in [
            ("example.com:443", "https://example.com", 200),
            ("Example.COM:443", "https://example.com", 200),
            ("EXAMPLE.com", "https://example.com", 200),
            ("example.com", "https://example.com:443", 200),
            ("example.com:80", "http://example.com", 200),
            ("example.com:8443", "https://example.com:8443", 200),
            ("[::1]:3000", "http://[::1]:3000", 200),
            ("[2001:DB8:0::1]", "https://[2001:db8::1]", 200),
            ("example.com.:443", "https://example.com.", 200),
            ("example.com:443", "http://example.com", 403),
            ("example.com:80", "https://example.com", 403),
            ("example.com:443", "https://example.com:8443", 403),
            ("example.com:443", "https://sub.example.com", 403),
            ("example.com:443", "https://example.com.evil.example", 403),
            ("example.com:443", "https://example.com@evil.example", 403),
            ("example.com", "https://example.com.", 403),
            ("example.com:443", "null", 403),
            // No browser writes it like this.
            ("example.com", "https://EXAMPLE.com", 403),
            ("example.com:443", "https://", 403),
            ("example.com:443:443", "https://example.com", 403),
        ] {
            let headers = [("host", host), ("origin", origin), ("cookie", &cookies)];
            let answer = site.ask(Method::POST, "/hello", &headers).await;
            assert_eq!(answer.status(), expected, "{host} {origin}");
            // An upgrade is compared in the same way.
            let socket =
                [headers[0], headers[1], headers[2], ("connection", "upgrade"), ("upgrade", "websocket")];
            assert_eq!(site.get("/me", &socket).await.status(), expected, "{host} {origin}");
            // What the browser says itself counts more.
            let same = [headers[0], headers[1], headers[2], ("sec-fetch-site", "same-origin")];
            assert_eq!(site.ask(Method::POST, "/hello", &same).await.status(), 200, "{host} {origin}");
        }
    });
}

#[handler]
async fn callback(_auth: Auth) {}

/// Who reads the log after a login provider's form was refused opens one path, and not all to one site.
#[test]
fn n_19_the_log_says_the_narrowest_remedy_first() {
    logged(async |log| {
        let app = TestApp::new();
        let inner = Route::new().at("/callback/:state", post(callback)).with(app.jwtauth.clone());
        let site = Site::serving(app, Route::new().nest("/apple", inner)).await;
        let form = [("origin", "https://appleid.apple.com"), ("sec-fetch-site", "cross-site")];
        assert_eq!(site.ask(Method::POST, "/apple/callback/s3cr3t", &form).await.status(), 403);
        let text = log.text();
        let line = text.lines().find(|line| line.contains("cross_origin")).unwrap();
        let at = |what: &str| line.find(what).unwrap_or_else(|| panic!("{what}: {line}"));
        assert!(
            line.contains("WARN") && at(".cross_origin_exempt(..)") < at(".trusted_origin(..)"),
            "{line}"
        );
        assert!(at("csrf = false") < at(".trusted_origin(..)"), "{line}");
        assert!(line.contains(r#"route="/apple/callback/{state}""#) && !text.contains("s3cr3t"), "{text}");
        // What the line names is what the setting takes.
        let app = TestApp::with(jwtauth::MemoryStore::new(), |builder| {
            builder.cross_origin_exempt("/apple/callback/{state}")
        });
        let inner = Route::new().at("/callback/:state", post(callback)).with(app.jwtauth.clone());
        let site = Site::serving(app, Route::new().nest("/apple", inner)).await;
        assert_eq!(site.ask(Method::POST, "/apple/callback/s3cr3t", &form).await.status(), 200);
    });
}

/// H-10: who causes requests from another site does not fill the log.
#[test]
fn h_10_the_log_has_the_advice_once_for_a_route_and_then_a_count() {
    logged(async |log| {
        let app = TestApp::new();
        let inner = Route::new().at("/a", post(callback)).at("/b", post(callback)).with(app.jwtauth.clone());
        let site = Site::serving(app, inner).await;
        let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        for _ in 0..50 {
            for path in ["/a", "/b"] {
                assert_eq!(site.ask(Method::POST, path, &foreign).await.status(), 403);
            }
        }
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("cross_origin")).collect();
        assert!((2..=4).contains(&lines.len()), "{}: {text}", lines.len());
        for path in ["/a", "/b"] {
            let advice = lines.iter().filter(|line| {
                line.contains("trusted_origin") && line.contains(&format!("route=\"{path}\""))
            });
            assert_eq!(advice.count(), 1, "{path}: {text}");
        }
    });
}
