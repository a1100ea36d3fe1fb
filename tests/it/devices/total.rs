//! Whatever the headers hold, a login and a refresh succeed, and what is kept is bounded.

use jwtauth::{ClientConfig, ProxyHeader};
use poem::http::HeaderValue;
use reqwest::RequestBuilder;
use serde_json::json;
use tests::bounded;
use tests::browser::json as body_of;
use tests::numbers::Numbers;

use super::Site;

/// No header makes a login fail: bytes that look like what is parsed, and bytes that look like nothing.
#[test]
fn s_12_h_14_no_header_fails_a_login_or_a_refresh() {
    const NAMES: [&str; 12] = [
        "user-agent",
        "sec-ch-ua",
        "sec-ch-ua-full-version-list",
        "sec-ch-ua-platform",
        "sec-ch-ua-platform-version",
        "sec-ch-ua-model",
        "sec-ch-ua-mobile",
        "x-forwarded-for",
        "forwarded",
        "x-device-id",
        "viewport-width",
        "device-memory",
    ];
    const PIECES: [&str; 32] = [
        "\"",
        "\\",
        ";",
        ",",
        "=",
        "(",
        ")",
        "[",
        "]",
        ":",
        "/",
        ".",
        " ",
        "?1",
        ";v=\"126\"",
        "\"Chromium\"",
        "Not=A?Brand",
        "Mozilla/5.0",
        "Chrome/126.0.0.0",
        "Android 14;",
        "iPhone14,3",
        "Build/",
        "for=",
        "unknown",
        "_hidden",
        "127.0.0.1",
        "203.0.113.7",
        "[2001:db8::7]:443",
        "::ffff:10.0.0.1",
        "99999999999999999999",
        "%00",
        "\u{202e}",
    ];
    bounded(async {
        for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
            let site = Site::new(|builder| {
                builder
                    .trusted_proxy("127.0.0.1")
                    .clients(ClientConfig::default().proxy_header(header).device_id_header("x-device-id"))
            })
            .await;
            for seed in 0..150 {
                let mut numbers = Numbers::seeded(seed);
                let mut make = |request: RequestBuilder| {
                    (0..=numbers.below(8)).fold(request, |request, _| {
                        let mut value = Vec::new();
                        let most = if numbers.below(20) == 0 { 400 } else { 30 };
                        for _ in 0..numbers.below(most) {
                            match numbers.below(3) {
                                0 => value.push(u8::try_from(0x20 + numbers.below(0x5f)).unwrap()),
                                1 => value.push(u8::try_from(0x80 + numbers.below(0x80)).unwrap()),
                                _ => value.extend_from_slice(numbers.pick(&PIECES).as_bytes()),
                            }
                        }
                        request.header(*numbers.pick(&NAMES), HeaderValue::from_bytes(&value).unwrap())
                    })
                };
                let body = json!({"username": "bob", "password": "right"});
                let login = make(site.post("/auth/obtain", &[], &body)).send().await.unwrap();
                assert_eq!(login.status(), 200, "seed {seed}");
                let tokens = body_of(login).await;
                let body = json!({"refresh": tokens["refresh"]});
                let refresh = make(site.post("/auth/refresh", &[], &body)).send().await.unwrap();
                assert_eq!(refresh.status(), 200, "seed {seed}");
                let device = site.session_of(&body_of(refresh).await).await.device;
                let longest = [&device.app, &device.os, &device.model, &device.id, &device.app_version];
                assert!(
                    longest.into_iter().flatten().all(|text| text.len() <= 128),
                    "seed {seed}: {device:?}"
                );
                assert!(!format!("{device}").chars().any(char::is_control), "seed {seed}: {device:?}");
                assert!(device.user_agent.is_none_or(|agent| agent.len() <= 512), "seed {seed}");
            }
        }
    });
}
