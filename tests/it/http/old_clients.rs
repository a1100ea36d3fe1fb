//! Cookies as clients send them that are no browsers: in quotes, in several headers, and with attributes among them.

use std::process::Command;

use super::*;
use tests::test_store::TestStore;

/// What JDK's `CookieManager` sends for a cookie of which it knows a `Max-Age` and no `Expires`.
#[test]
fn n_18_a_quoted_cookie_is_the_cookie() {
    bounded(async {
        let site = Site::new().await;
        let (bob, eve) = (site.login("bob").await, site.login("eve").await);
        let (a, r) = (&bob.access, &bob.refresh);
        for (cookie, expected) in [
            (format!(r#"$Version="1"; {ACCESS}="{a}";$Path="/""#), 200),
            (format!(r#"$Version="1"; {ACCESS}="{a}";$Path="/"; {REFRESH}="{r}";$Path="/""#), 200),
            (format!(r#"$Version=1; {ACCESS}={a}; $Path=/; $Domain=localhost; $Port"#), 200),
            (format!(r#"{ACCESS}="{a}"; {ACCESS}={a}"#), 200),
            (format!(r#"{ACCESS}="{a}"; {ACCESS}="{}""#, eve.access), 401),
            (format!(r#"{ACCESS}=""{a}"""#), 401),
            (format!(r#"{ACCESS}="{a}"#), 401),
            (format!(r#"{ACCESS}={a}""#), 401),
            (format!(r#"{ACCESS}='{a}'"#), 401),
            (format!(r#"$Version="1"; ${ACCESS}="{a}""#), 401),
        ] {
            assert_eq!(site.me_with_cookie_bytes(cookie.as_bytes()).await, expected, "{cookie}");
        }
        // A refresh and a logout read them too.
        let quoted = format!(r#"$Version="1"; {ACCESS}="{a}";$Path="/"; {REFRESH}="{r}";$Path="/""#);
        let renewed = site.ask(Method::POST, "/refresh", &[("cookie", &quoted)]).await;
        let bob = Tokens::of(renewed.headers());
        let quoted = format!(r#"$Version="1"; {ACCESS}="{}";$Path="/""#, bob.access);
        assert_eq!(site.ask(Method::POST, "/logout", &[("cookie", &quoted)]).await.status(), 200);
        assert_eq!(site.get("/me", &[("cookie", &bob.cookies())]).await.status(), 401);
    });
}

/// RFC 9113, section 8.2.3: a client of HTTP/2 may send each cookie in a header of its own.
#[test]
fn n_18_cookies_come_in_several_headers() {
    bounded(async {
        let site = Site::new().await;
        let (bob, eve) = (site.login("bob").await, site.login("eve").await);
        let (access, refresh, others) = (bob.only_access(), bob.only_refresh(), eve.only_access());
        let crumbs: [(Headers<'_>, u16); 4] = [
            (&[("cookie", "a=b"), ("cookie", &access), ("cookie", &refresh)], 200),
            (&[("cookie", &access), ("cookie", &access)], 200),
            (&[("cookie", &access), ("cookie", &others)], 401),
            (&[("cookie", "a=b"), ("cookie", "")], 401),
        ];
        for (headers, expected) in crumbs {
            assert_eq!(site.get("/me", headers).await.status(), expected, "{headers:?}");
        }
        for (headers, expected) in crumbs {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-m", "10", "--noproxy", "*", "--http2-prior-knowledge", "-o", "/dev/null"]);
            curl.args(["-w", "%{http_version} %{http_code}"]);
            for (name, value) in headers {
                curl.arg("-H").arg(if value.is_empty() {
                    format!("{name};")
                } else {
                    format!("{name}: {value}")
                });
            }
            curl.arg(site.served.at("/me"));
            let output = tokio::task::spawn_blocking(move || curl.output()).await.unwrap().unwrap();
            if output.status.code() == Some(2) || output.status.code() == Some(1) {
                println!("skipped: this curl has no HTTP/2");
                return;
            }
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(said, format!("2 {expected}"), "{headers:?} {output:?}");
        }
    });
}

/// The real one, over HTTP/1.1 and with its offer of HTTP/2.
#[test]
fn n_18_the_client_of_the_jdk_logs_in_and_out() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| builder.insecure_cookies());
        let site = Site::of(app).await;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/it/http/Client.java");
        let mut java = Command::new("timeout");
        java.args(["--kill-after=5", "50", "java", "-XX:TieredStopAtLevel=1", source, &site.served.url]);
        let Ok(output) = tokio::task::spawn_blocking(move || java.output()).await.unwrap() else {
            println!("skipped: no `timeout` here");
            return;
        };
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // Not there, or without its compiler.
        if output.status.code() == Some(127) || errors.contains("jdk.compiler") {
            println!("skipped: no `java` here that runs source files");
            return;
        }
        let steps = [
            ("GET/me", 401, 0),
            ("POST/login", 200, 2),
            ("GET/me", 200, 2),
            ("POST/refresh", 200, 2),
            ("GET/me", 200, 2),
            ("POST/logout", 200, 0),
            ("GET/me", 401, 0),
        ];
        let expected: String = ["HTTP_1_1", "HTTP_2"]
            .iter()
            .flat_map(|version| {
                steps.map(|(step, status, kept)| format!("{version} {step} {status} {kept}\n"))
            })
            .collect();
        assert_eq!(said, expected, "{errors}");
    });
}

#[test]
fn n_18_no_cookie_of_ours_has_the_name_of_an_attribute() {
    let refused = JwtAuth::builder()
        .secret(SECRET)
        .cookies(CookieConfig::default().names("$Version", "r"))
        .build(TestStore::new());
    assert!(refused.unwrap_err().to_string().contains("dollar"));
}
