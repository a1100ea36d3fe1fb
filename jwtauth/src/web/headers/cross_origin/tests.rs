//! The public vectors: 34 of Go's own tests and 14 derived from the algorithm. A table here has each step
//! of it too, where no file of vectors is at hand.

use std::fs;
use std::path::Path;

use poem::http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;

/// H-10: all rows but the last, which is about bearer tokens and is proven over HTTP.
#[test]
fn h_10_public_csrf_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/csrf_vectors.jsonl");
    let Ok(vectors) = fs::read_to_string(path) else {
        println!("skipped: no vectors/csrf_vectors.jsonl beside the project");
        return;
    };
    let mut agreed = 0;
    for row in vectors.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()) {
        let mut trusted = CrossOrigin::default();
        if row["config_error"] == true {
            let origin = row["trusted_origin"].as_str().unwrap();
            assert!(trusted.trust(origin).is_err(), "{row}");
            agreed += 1;
            continue;
        }
        let origins = row.get("trusted").and_then(Value::as_array).cloned().unwrap_or_default();
        for origin in origins.iter().chain(row.get("trusted_origin")) {
            trusted.trust(origin.as_str().unwrap()).unwrap_or_else(|error| panic!("{row}: {error}"));
        }
        for pattern in row.get("bypass").and_then(Value::as_array).into_iter().flatten() {
            trusted.exempt(pattern.as_str().unwrap()).unwrap();
        }
        let path = row.get("path").and_then(Value::as_str).unwrap_or("/");
        let Some(method) = row["method"].as_str() else {
            agreed += 1;
            continue;
        };
        let mut headers = HeaderMap::new();
        for (name, value) in row["headers"].as_object().unwrap() {
            let name = HeaderName::from_bytes(name.to_lowercase().as_bytes()).unwrap();
            headers.append(
                name,
                HeaderValue::from_str(value.as_str().unwrap())
                    .unwrap_or(HeaderValue::from_static("Bearer t")),
            );
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let refused = trusted.refuses_parts(&method, path, row["host"].as_str().map(str::as_bytes), &headers);
        if row["expect"] == "not-403" {
            continue;
        }
        assert_eq!(refused, row["expect"] == 403, "{row}");
        agreed += 1;
    }
    assert_eq!(agreed, 47);
}

/// H-10: each step of the check, in the order of the module's header.
#[test]
fn h_10_another_site_is_known_by_what_the_browser_says() {
    let (own, other, host) =
        (Some("https://example.com"), Some("https://other.example"), Some("example.com"));
    for (method, site, origin, host, refused) in [
        ("GET", Some("cross-site"), other, host, false),
        ("HEAD", Some("cross-site"), other, host, false),
        ("OPTIONS", Some("cross-site"), other, host, false),
        ("POST", Some("cross-site"), other, host, true),
        ("PUT", Some("cross-site"), None, host, true),
        ("DELETE", Some("same-site"), other, host, true),
        ("PATCH", Some("a word of later"), own, host, true),
        ("QUERY", Some("cross-site"), own, host, true),
        ("POST", Some("same-origin"), other, host, false),
        ("POST", Some("none"), None, host, false),
        ("POST", None, own, host, false),
        ("POST", None, other, host, true),
        ("POST", None, Some("https://example.com:8443"), host, true),
        ("POST", None, Some("null"), host, true),
        ("POST", None, Some("example.com"), host, true),
        ("POST", None, own, None, true),
        ("POST", None, None, host, false),
        ("POST", None, None, None, false),
        ("POST", None, Some(""), host, false),
        ("POST", Some(""), None, host, false),
        ("POST", Some(""), other, host, true),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let found = CrossOrigin::default().refuses_parts(&method, "/", host.map(str::as_bytes), &headers);
        assert_eq!(found, refused, "{method} {site:?} {origin:?} {host:?}");
    }
}

/// H-12: an upgrade is never a safe request.
#[test]
fn h_12_an_upgrade_is_checked_whatever_its_method() {
    let trusted = CrossOrigin::default();
    let mut headers = HeaderMap::new();
    headers.insert(header::ORIGIN, HeaderValue::from_static("https://attacker.example"));
    assert!(!trusted.refuses_parts(&Method::GET, "/", Some(b"example.com"), &headers));
    headers.insert(header::UPGRADE, HeaderValue::from_static("h2c"));
    assert!(trusted.refuses_parts(&Method::GET, "/", Some(b"example.com"), &headers));
    headers.insert(header::ORIGIN, HeaderValue::from_static("https://example.com"));
    assert!(!trusted.refuses_parts(&Method::GET, "/", Some(b"example.com"), &headers));
}

#[test]
fn a_trusted_origin_is_compared_as_a_whole() {
    let mut trusted = CrossOrigin::default();
    trusted.trust("https://app.example.com:8443").unwrap();
    let refused = |origin: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        trusted.refuses_parts(&Method::POST, "/", Some(b"example.com"), &headers)
    };
    assert!(!refused("https://app.example.com:8443"));
    for other in [
        "https://app.example.com",
        "http://app.example.com:8443",
        "https://APP.example.com:8443",
        "https://app.example.com:8443/",
        "null",
        "",
    ] {
        assert!(refused(other), "{other}");
    }
}

/// N-19: the default port may be written, on either side.
#[test]
fn n_19_a_trusted_origin_has_many_spellings() {
    for written in ["https://example.org", "HTTPS://Example.ORG:443", "https://example.org:"] {
        let mut trusted = CrossOrigin::default();
        trusted.trust(written).unwrap();
        for (origin, expected) in [
            ("https://example.org", false),
            ("https://example.org:443", false),
            ("http://example.org", true),
            ("https://example.org:80", true),
            ("https://example.org.", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            let refused = trusted.refuses_parts(&Method::POST, "/", Some(b"example.com"), &headers);
            assert_eq!(refused, expected, "{written} {origin}");
        }
    }
}

/// N-15: what would never match is refused at the start, with the sentences of `.public(..)`.
#[test]
fn n_15_an_exempt_path_that_would_match_nothing_or_too_much_is_refused() {
    for (pattern, says) in [
        ("", "starts with a slash"),
        ("hook", "starts with a slash"),
        ("POST /hook", "without a method"),
        ("post /hook", "without a method"),
        ("/callback/:provider", "{name}"),
        ("/callback/*", "a slash at the end"),
        ("/callback/<a>", "{name}"),
        ("/a b", "white space"),
        ("/hook?x=1", "without a query"),
        ("/hook#x", "without a query"),
        ("//", "plain path"),
        ("/..", "plain path"),
        ("/{", "whole segment"),
        ("/{any}/", "nearly everything"),
    ] {
        let refused = CrossOrigin::default().exempt(pattern).unwrap_err().to_string();
        assert!(
            refused.contains(says)
                && refused.contains(&format!("{pattern:?}"))
                && !refused.contains("public"),
            "{pattern:?}: {refused}"
        );
    }
    for good in ["/", "/hook", "/hook/", "/callback/{provider}"] {
        assert!(CrossOrigin::default().exempt(good).is_ok(), "{good}");
    }
}

/// H-10: the root page alone, and no path that something behind may read as another one.
#[test]
fn h_10_an_exempt_path_opens_no_other() {
    let mut exempt = CrossOrigin::default();
    exempt.exempt("/").unwrap();
    exempt.exempt("/hook/").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    for (path, refused) in [
        ("/", false),
        ("/hook/a", false),
        ("/change", true),
        ("/hook", true),
        ("/hook/../change", true),
        ("/hook/%2e%2e/change", true),
        ("/hook/..%2fchange", true),
        ("/hook/..;/change", true),
    ] {
        assert_eq!(
            exempt.refuses_parts(&Method::POST, path, Some(b"example.com"), &headers),
            refused,
            "{path}"
        );
    }
}

/// H-10: no browser sends two, and something in front may have looked at the other one.
#[test]
fn h_10_two_values_are_of_another_site() {
    let mut settings = CrossOrigin::default();
    settings.trust("https://spa.example").unwrap();
    settings.exempt("/hook").unwrap();
    for (name, values) in [
        ("sec-fetch-site", ["same-origin", "cross-site"]),
        ("sec-fetch-site", ["none", "none"]),
        ("origin", ["https://example.com", "https://evil.example"]),
        ("origin", ["https://spa.example", "https://evil.example"]),
        ("origin", ["", "https://evil.example"]),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        let refuses = |path| settings.refuses_parts(&Method::POST, path, Some(b"example.com"), &headers);
        assert!(refuses("/change"), "{name} {values:?}");
        assert!(!refuses("/hook"), "{name} {values:?}");
    }
}
