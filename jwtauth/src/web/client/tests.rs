//! Tests of what is taken from a request: bounds, and how the sources come together.

use poem::http::HeaderValue;

use super::*;
use crate::error::ConfigError;

fn clients(set: impl FnOnce(crate::JwtAuthBuilder) -> crate::JwtAuthBuilder) -> Result<Clients, ConfigError> {
    let builder = set(crate::JwtAuth::builder());
    builder.clients.check(&builder.trusted_proxies).map(|(clients, _)| clients)
}

fn device_of(request: &Request) -> Device {
    clients(|builder| builder).unwrap().device(Client::Of(request))
}

/// S-12: nothing of any length, and no control character, gets into a record.
#[test]
fn s_12_a_user_agent_is_cut_and_cleaned() {
    let agent = |value: &[u8]| {
        let value = HeaderValue::from_bytes(value).unwrap();
        device_of(&Request::builder().header(header::USER_AGENT, value).finish()).user_agent
    };
    assert_eq!(agent(b"curl/8").as_deref(), Some("curl/8"));
    assert_eq!(agent(b"a\tb").as_deref(), Some("ab"));
    assert_eq!(agent(b" ").as_deref(), None);
    assert_eq!(agent(&[b'x'; 512]).map(|agent| agent.len()), Some(512));
    assert_eq!(agent(&[b'x'; 513]).map(|agent| agent.len()), Some(512));
    let wide = agent("\u{e9}".repeat(400).as_bytes()).unwrap();
    assert_eq!((wide.len(), wide.chars().count()), (512, 256));
    assert_eq!(agent(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
    // Text that would turn the line around it.
    assert_eq!(agent("a\u{202e}b\u{200b}c".as_bytes()).as_deref(), Some("abc"));
    assert_eq!(device_of(&Request::default()), Device::default());
}

/// S-12: the same for everything that is read out of it, and for an id.
#[test]
fn s_12_names_versions_and_ids_are_bounded() {
    let long = |length: usize| "1".repeat(length);
    for (agent, app, version) in [
        (format!("a{}/8", long(63)), true, Some("8")),
        (format!("a{}/8", long(64)), false, None),
        (format!("curl/{}", long(32)), true, Some(&*long(32))),
        (format!("curl/{}", long(33)), true, None),
    ] {
        let device = device_of(&Request::builder().header(header::USER_AGENT, &agent).finish());
        assert_eq!((device.app.is_some(), device.app_version.as_deref()), (app, version), "{agent}");
    }
    let seen = clients(|builder| builder).unwrap().see(&Request::default());
    for (id, want) in [
        ("485", Some("485".to_owned())),
        (" a\u{7}b ", Some("ab".into())),
        ("", None),
        ("\u{7}", None),
        (&long(128), Some(long(128))),
        (&long(129), Some(long(128))),
        (&"\u{e9}".repeat(65), Some("\u{e9}".repeat(64))),
    ] {
        assert_eq!(seen.clone().named(id).device().id, want, "{id}");
    }
    assert_eq!(seen.named("a").named("").device().id.as_deref(), Some("a"), "an empty one changes nothing");
}

#[test]
fn an_id_comes_from_the_header_that_was_named_and_from_no_other() {
    let request = Request::builder().header("X-Device-Id", "485").header("Sec-CH-UA-ID", "7").finish();
    let id = |name: &str| {
        let clients =
            clients(|builder| builder.clients(crate::ClientConfig::default().device_id_header(name)));
        clients.map(|clients| clients.device(Client::Of(&request)).id)
    };
    assert_eq!(id("x-device-id").unwrap().as_deref(), Some("485"));
    assert_eq!(id("Sec-CH-UA-ID").unwrap().as_deref(), Some("7"));
    assert_eq!(id("x-other").unwrap(), None);
    assert_eq!(device_of(&request).id, None);
    for name in ["", "a b", "\u{e9}", "Cookie", "authorization", "Proxy-Authorization"] {
        let refused = id(name).unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!("ClientConfig::device_id_header {name:?} is refused: it ")),
            "{refused}"
        );
    }
}

#[test]
fn a_proxy_that_is_none_is_refused_at_start() {
    let refused = clients(|builder| builder.trusted_proxy("::1").trusted_proxy("localhost")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "trusted_proxy \"localhost\" is refused: it is no IP address and no network: names, ports and spaces are not understood"
    );
}
