//! The guide of reverse proxies: nginx's settings are big enough for what the library sends, and nginx takes them.

use std::fs;
use std::process::Command;

use jwtauth::{Auth, AuthUser, JwtAuth, MemoryStore};
use poem::http::{StatusCode, header};
use poem::test::TestClient;
use poem::web::Json;
use poem::{EndpointExt, Result, Route, handler, post};
use serde::{Deserialize, Serialize};
use tests::app::SECRET;
use tests::{bounded, certificate, nginx};

use super::{block, guide, is_installed};

/// Returns the values of a setting of nginx.
fn values<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(|value| value.trim().trim_end_matches(';')).collect()
}

/// Reads a size such as `32k`.
fn size(text: &str) -> usize {
    let kib: usize = text.strip_suffix('k').unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    kib * 1024
}

/// A user with many roles, which are in the access token.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Broad {
    id: u64,
    roles: Vec<String>,
}

#[handler]
async fn login(auth: Auth, Json(roles): Json<usize>) -> Result<()> {
    let roles = (0..roles).map(|number| format!("a-role-with-a-long-name-{number:03}")).collect();
    auth.login(&Broad { id: 1, roles }).await?;
    Ok(())
}

/// M-19: the longest cookies pass through nginx, in both directions.
#[test]
fn m_19_the_longest_cookies_fit_into_the_buffers_of_the_guide() {
    bounded(async {
        let builder = JwtAuth::builder().secret(SECRET);
        let client = TestClient::new(
            Route::new().at("/", post(login)).with(builder.build(MemoryStore::new()).unwrap()),
        );
        let (mut answer, mut request) = (0, 0);
        for roles in 0..200 {
            let response = client.post("/").body_json(&roles).send().await;
            if response.0.status() != StatusCode::OK {
                break;
            }
            answer =
                response.0.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
            let cookies = response.0.headers().get_all(header::SET_COOKIE).iter();
            request =
                cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().len() + 2).sum();
        }
        // More than what nginx has by itself for an answer: the guide is needed.
        assert!(answer > 4096 && request > 4096, "{answer} {request}");
        let text = block("reverse_proxy", "nginx");
        // And twice that: the refresh token may be as long, and forms of an old setting may be deleted.
        assert!(size(values(&text, "proxy_buffer_size")[0]) > 3 * answer, "{answer}");
        let (count, line) = values(&text, "large_client_header_buffers")[0].split_once(' ').unwrap();
        assert!(size(line) > 2 * request && count.parse::<u32>().unwrap() >= 4, "{request}");
    });
}

/// M-19: what a program must know of its client comes through.
#[test]
fn m_19_nginx_passes_on_what_the_library_reads() {
    let text = block("reverse_proxy", "nginx");
    let headers = values(&text, "proxy_set_header");
    let of = |name: &str| -> Vec<String> {
        let found = headers.iter().filter_map(|line| line.split_once(' ').filter(|(own, _)| *own == name));
        found.map(|(_, value)| value.trim().to_owned()).collect()
    };
    let places = values(&text, "location").len();
    assert_eq!(places, 2);
    for (name, value) in [
        ("Host", "$http_host"),
        ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
        ("X-Forwarded-Proto", "$scheme"),
    ] {
        assert_eq!(of(name), vec![value; places], "in each location: {name}");
    }
    assert_eq!(values(&text, "proxy_http_version"), vec!["1.1"; places]);
    assert!(of("Upgrade") == ["$http_upgrade"] && of("Connection")[0] == "$connection_upgrade");
    assert!(guide("reverse_proxy").contains(r#".trusted_proxy("127.0.0.1")"#));
}

/// M-19: nginx takes the file.
#[test]
fn m_19_nginx_verifies_its_file() {
    if !nginx::is_there() || !certificate::is_there() {
        println!("skipped: needs nginx and openssl");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    certificate::self_signed(directory.path(), "shop.example.com");
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let text = block("reverse_proxy", "nginx");
    let [own_certificate, own_key] =
        ["ssl_certificate", "ssl_certificate_key"].map(|name| values(&text, name)[0].to_owned());
    let text = text.replace(&own_certificate, &path("certificate.pem")).replace(&own_key, &path("key.pem"));
    // Ports that anybody may have.
    let text = text.replace("listen 443 ssl;", &format!("listen unix:{} ssl;", path("https")));
    let text = text.replace("listen 80;", &format!("listen unix:{};", path("http")));
    nginx::verify(directory.path(), &text).unwrap_or_else(|said| panic!("{said}"));
}

/// M-19: Caddy takes its file.
#[test]
fn m_19_caddy_verifies_its_file() {
    let text = block("reverse_proxy", "caddyfile");
    assert!(text.contains("reverse_proxy 127.0.0.1:3000"), "{text}");
    if !is_installed("caddy") {
        println!("skipped: needs caddy");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Caddyfile");
    fs::write(&path, text).unwrap();
    let tested = Command::new("caddy")
        .args(["validate", "--adapter", "caddyfile", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}
