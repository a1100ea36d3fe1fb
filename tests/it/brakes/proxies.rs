//! M-4: limits and the log behind a proxy that nobody has configured.

use std::sync::{Arc, Mutex};

use jwtauth::{AccountsConfig, ClientConfig, JwtAuthBuilder, ProxyHeader};
use poem::{EndpointExt as _, Route};
use reqwest::Client;
use serde_json::json;
use tests::app::TestApp;
use tests::log::logged;
use tests::serve::{Served, serve_as};
use tests::test_store::TestStore;

async fn site(peer: &str, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> (TestApp, Served) {
    let app = TestApp::with(TestStore::new(), |builder| set(builder.accounts(AccountsConfig::default())));
    let routes = Route::new().nest("/auth", app.jwtauth.account_routes().unwrap());
    let peer = Arc::new(Mutex::new(peer.parse().unwrap()));
    let served = serve_as(peer, routes.with(app.jwtauth.clone())).await;
    (app, served)
}

async fn login(served: &Served, name: &str, password: &str, headers: &[(&str, &str)]) -> u16 {
    let client = Client::builder().no_proxy().build().unwrap();
    let request =
        client.post(served.at("/auth/obtain")).json(&json!({"username": name, "password": password}));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap().status().as_u16()
}

const HERE: &[(&str, &str)] = &[("x-forwarded-for", "203.0.113.7")];

#[test]
fn m_4_an_address_that_may_be_a_proxy_locks_nobody_out() {
    logged(async |log| {
        let (app, served) = site("172.17.0.1", |builder| builder).await;
        for name in ["alice", "bob"] {
            app.jwtauth.accounts().unwrap().register(name, "correct horse").await.unwrap();
        }
        for number in 0..60 {
            assert_eq!(login(&served, &format!("invented-{number}"), "wrong", HERE).await, 401);
        }
        assert_eq!(login(&served, "alice", "correct horse", HERE).await, 200);
        assert_eq!(login(&served, "bob", "mistyped", HERE).await, 401);
        assert_eq!(login(&served, "bob", "correct horse", HERE).await, 200);
        // One account is guessed as slowly as anywhere.
        let guesses = async |name: &str| {
            let mut answers = Vec::new();
            for _ in 0..8 {
                answers.push(login(&served, name, "wrong", HERE).await);
            }
            answers.iter().filter(|answer| **answer == 401).count()
        };
        assert_eq!(guesses("alice").await, 2, "where many have failed");
        assert_eq!(guesses("invented").await, 2, "S-16: nothing tells which of the two exists");

        let log = log.text();
        let lines = |part: &str| log.lines().filter(|line| line.contains(part)).collect::<Vec<_>>();
        let hints = lines("which nobody has configured");
        assert!(hints.len() == 1 && hints[0].contains("WARN"), "once: {hints:?}");
        assert!(hints[0].contains("`.trusted_proxy(\"172.17.0.1\")`"), "{hints:?}");
        for event in ["login_failed", "throttled"] {
            let lines = lines(&format!("event=\"{event}\""));
            assert!(!lines.is_empty(), "{event}: {log}");
            assert!(lines.iter().all(|line| line.contains("address=172.17.0.1")), "{lines:?}");
        }
        assert!(lines("event=\"throttled\"").iter().all(|line| line.contains("what=\"login\"")), "{log}");
        assert!(!log.contains("invented-1"), "no name is in the log");
    });
}

/// A stranger at a public address is slowed down, whatever the names.
#[test]
fn m_4_a_public_address_waits_for_all_its_failures() {
    logged(async |log| {
        let (app, served) = site("203.0.113.7", |builder| builder).await;
        app.jwtauth.accounts().unwrap().register("alice", "correct horse").await.unwrap();
        for number in 0..20 {
            // What it says of itself changes nothing.
            let other = format!("198.51.100.{number}");
            let headers = [("x-forwarded-for", other.as_str()), ("x-real-ip", "10.0.0.1")];
            assert_eq!(login(&served, &format!("invented-{number}"), "wrong", &headers).await, 401);
        }
        assert_eq!(login(&served, "alice", "correct horse", &[]).await, 429);
        assert!(!log.text().contains("nobody has configured"), "{}", log.text());
        assert!(log.text().contains("address=203.0.113.7"), "{}", log.text());
    });
}

/// Where a request comes from, its headers, the settings, and what the line in the log has, if there is one.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Set<'a>, &'a [&'a str]);
type Set<'a> = &'a dyn Fn(JwtAuthBuilder) -> JwtAuthBuilder;

/// The log names the line to write, for the header that the proxy writes.
#[test]
fn m_4_a_header_that_nobody_trusts_is_told_of_with_the_line_to_write() {
    let other = |builder: JwtAuthBuilder| {
        builder.clients(ClientConfig::default().proxy_header(ProxyHeader::Forwarded))
    };
    let none = |builder: JwtAuthBuilder| builder;
    let trusted = |builder: JwtAuthBuilder| builder.trusted_proxy("10.0.0.0/8");
    let forwarded = ("forwarded", "for=203.0.113.7");
    let cases: [Case<'_>; 10] = [
        ("127.0.0.1", HERE, &none, &[".trusted_proxy(\"127.0.0.1\")"]),
        ("::1", HERE, &none, &[".trusted_proxy(\"::1\")"]),
        ("::ffff:10.0.0.1", HERE, &none, &[".trusted_proxy(\"10.0.0.1\")"]),
        ("fd00::2", HERE, &none, &[".trusted_proxy(\"fd00::2\")"]),
        ("10.0.0.1", &[forwarded], &none, &[".trusted_proxy(\"10.0.0.1\")", "ProxyHeader::Forwarded"]),
        ("10.0.0.1", &[("x-real-ip", "203.0.113.7")], &none, &[".trusted_proxy(", "`X-Real-IP` is not read"]),
        ("10.0.0.1", HERE, &other, &[".trusted_proxy(\"10.0.0.1\")", "ProxyHeader::XForwardedFor"]),
        ("10.0.0.1", &[forwarded], &trusted, &["ProxyHeader::Forwarded"]),
        ("10.0.0.1", HERE, &trusted, &[]),
        ("203.0.113.1", HERE, &none, &[]),
    ];
    for (peer, headers, set, parts) in cases {
        logged(async |log| {
            let (_app, served) = site(peer, set).await;
            for _ in 0..2 {
                assert_eq!(login(&served, "nobody", "wrong", headers).await, 401);
            }
            let text = log.text();
            let hints: Vec<_> = text.lines().filter(|line| line.contains("nobody has configured")).collect();
            assert_eq!(hints.len(), usize::from(!parts.is_empty()), "{peer} {headers:?}: {hints:?}");
            for part in parts {
                assert!(hints[0].contains(part), "{part} for {peer} {headers:?}: {hints:?}");
            }
            let is_trusted = hints.is_empty() || !hints[0].contains(".trusted_proxy(");
            let knows = peer.starts_with("10.0.0.1") && is_trusted;
            assert!(!knows || parts.len() < 2, "what is trusted is not asked for again: {hints:?}");
        });
    }
}
