//! Requests that other sites caused.

use super::*;
use tests::test_store::TestStore;

/// Unsafe requests that ask for the caller or for [`Auth`], with a body each can read.
const UNSAFE: [(&str, &str); 8] = [
    ("/change", "\"text\""),
    ("/admin", ""),
    ("/hello", ""),
    ("/plain", ""),
    ("/who", ""),
    ("/logout", ""),
    ("/refresh", ""),
    ("/login", r#"{"username":"alice","password":"right"}"#),
];

/// Those that change something for a browser without cookies too.
const FOR_STRANGERS: [&str; 4] = ["/who", "/logout", "/refresh", "/login"];

async fn post_from(site: &Site, (path, body): (&str, &str), from: Headers<'_>, who: (&str, &str)) -> u16 {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend_from_slice(from);
    if !who.1.is_empty() {
        headers.push(who);
    }
    site.ask_with(Method::POST, path, &headers, body).await.status().as_u16()
}

#[test]
fn h_10_another_site_cannot_act_for_the_user() {
    bounded(async {
        let site = Site::new().await;
        let own = site.served.url.clone();
        let port: u16 = own.rsplit(':').next().unwrap().parse().unwrap();
        let other_port = format!("http://127.0.0.1:{}", port ^ 1);
        let other_name = format!("http://localhost:{port}");
        let foreign: [Headers<'_>; 8] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", &own)],
            &[("sec-fetch-site", "Same-Origin")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", &other_port)],
            &[("origin", &other_name)],
        ];
        for request in UNSAFE {
            let alice = site.login("alice").await;
            for from in foreign {
                let cookies = alice.cookies();
                let status = post_from(&site, request, from, ("cookie", &cookies)).await;
                assert_eq!(status, 403, "{request:?} {from:?}");
                let stranger = post_from(&site, request, from, ("cookie", "")).await;
                assert_eq!(stranger == 403, FOR_STRANGERS.contains(&request.0), "{request:?} {from:?}");
            }
            let sessions = site.app.jwtauth.sessions().list("alice").await.unwrap();
            assert_eq!(sessions.len(), 1, "{request:?}: nobody was logged in or out");
            site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
        }
    });
}

#[test]
fn h_10_the_own_site_and_old_browsers_may() {
    bounded(async {
        let site = Site::new().await;
        let own = site.served.url.clone();
        let same: [Headers<'_>; 5] = [
            &[],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
            &[("origin", &own)],
        ];
        for request in UNSAFE {
            for from in same {
                let alice = site.login("alice").await;
                let cookies = alice.cookies();
                let status = post_from(&site, request, from, ("cookie", &cookies)).await;
                assert_eq!(status, 200, "{request:?} {from:?}");
            }
        }
    });
}

/// The public vector own-48: a browser never sends a bearer token on its own.
#[test]
fn h_10_a_bearer_token_alone_is_not_checked() {
    bounded(async {
        let site = Site::new().await;
        for request in UNSAFE {
            let alice = site.login("alice").await;
            for from in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
                let status = post_from(&site, request, &[from], ("authorization", &alice.bearer())).await;
                // There is nothing to refresh without a cookie, and the logout has ended the session.
                let expected = if request.0 == "/refresh" { 401 } else { 200 };
                assert_eq!(status, expected, "{request:?} {from:?}");
            }
        }
    });
}

#[test]
fn h_10_a_foreign_request_rotates_nothing() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        site.app.clock.advance(std::time::Duration::from_secs(301));
        for request in UNSAFE {
            for cookies in [bob.cookies(), bob.only_refresh()] {
                let from = [("sec-fetch-site", "cross-site")];
                assert_eq!(post_from(&site, request, &from, ("cookie", &cookies)).await, 403, "{request:?}");
            }
        }
        assert_eq!(site.generation("bob").await, 0);
        // The same request from the own site does.
        let own = [("sec-fetch-site", "same-origin")];
        assert_eq!(post_from(&site, UNSAFE[0], &own, ("cookie", &bob.cookies())).await, 200);
        assert_eq!(site.generation("bob").await, 1);
    });
}

#[test]
fn h_10_trusted_origins_and_exempt_paths() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.trusted_origin("https://app.example").cross_origin_exempt("/change")
        });
        // Nested: the path that counts is the whole one.
        let nested = Route::new().nest("/in", app.endpoint()).nest("/", app.endpoint());
        let site = Site::serving(app, nested).await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        for (path, from, expected) in [
            ("/hello", "https://app.example", 200),
            ("/hello", "https://app.example:443", 200),
            ("/hello", "https://APP.example", 403),
            ("/hello", "http://app.example", 403),
            ("/hello", "https://app.example.evil.example", 403),
            ("/hello", "https://evil.example", 403),
            ("/change", "https://evil.example", 200),
            ("/in/change", "https://evil.example", 403),
            ("/change?/hello", "https://evil.example", 200),
            ("/hello?/change", "https://evil.example", 403),
        ] {
            for from in [&[("origin", from), ("sec-fetch-site", "cross-site")][..], &[("origin", from)]] {
                let status = post_from(&site, (path, "\"text\""), from, ("cookie", &cookies)).await;
                assert_eq!(status, expected, "{path} {from:?}");
            }
        }
    });
}

#[test]
fn h_12_an_upgrade_of_another_site_is_refused() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        let own = site.served.url.clone();
        for upgrade in ["websocket", "WebSocket", "h2c", "anything"] {
            for (from, expected) in [
                (("origin", "https://evil.example"), 403),
                (("sec-fetch-site", "cross-site"), 403),
                (("origin", &*own), 200),
                (("sec-fetch-site", "same-origin"), 200),
            ] {
                let headers = [("cookie", &*cookies), ("connection", "Upgrade"), ("upgrade", upgrade), from];
                let answer = site.get("/me", &headers).await;
                assert_eq!(answer.status(), expected, "{upgrade} {from:?}");
            }
        }
        // Without an upgrade a link from another site is fine.
        let link = site.get("/me", &[("cookie", &cookies), ("sec-fetch-site", "cross-site")]).await;
        assert_eq!(link.status(), 200);
    });
}
