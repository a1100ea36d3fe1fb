//! What a session knows of its client: who it says to be, where it came from, and that neither can break a login.

mod total;

use std::net::IpAddr;

use jwtauth::{ClientConfig, JwtAuthBuilder, LoginAttempt, LoginError, ProxyHeader, Session, SessionId};
use poem::http::HeaderValue;
use poem::{EndpointExt, Route};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tests::app::{TestApp, User};
use tests::browser::json as body_of;
use tests::log::logged;
use tests::serve::{Served, serve};
use tests::test_store::TestStore;
use tests::{bounded, wire};

const LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/101.0.4951.64 Safari/537.36";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 12; SM-S906N Build/QP1A.190711.020; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/80.0.3987.119 Mobile Safari/537.36";
const IPHONE: &str = "Mozilla/5.0 (iPhone14,3; U; CPU iPhone OS 15_0 like Mac OS X) AppleWebKit/602.1.50 (KHTML, like Gecko) Version/10.0 Mobile/19A346 Safari/602.1";

type Headers<'h> = [(&'h str, &'h str)];

/// Who logs in is who they say; who they ask from is kept.
async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    if attempt.password() == "where" {
        return Ok(User::named(&attempt.client_address().map_or("nowhere".into(), |peer| peer.to_string())));
    }
    Ok(User::named(attempt.username()))
}

/// An app over real HTTP, whose clients all come from 127.0.0.1.
struct Site {
    app: TestApp,
    served: Served,
    http: Client,
}

impl Site {
    async fn new(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        let app = TestApp::with(TestStore::new(), set);
        let auth = app.jwtauth.routes(authenticate).body_tokens();
        let cookies = app.jwtauth.routes(authenticate);
        let routes = Route::new().nest("/auth", auth).nest("/cookies", cookies);
        let served = serve(routes.with(app.jwtauth.clone())).await;
        let http = Client::builder().no_proxy().build().unwrap();
        Self { app, served, http }
    }

    fn post(&self, path: &str, headers: &Headers<'_>, body: &Value) -> RequestBuilder {
        let request = self.http.post(self.served.at(path)).json(body);
        headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
    }

    /// Logs in with these headers, and returns the tokens.
    async fn tokens(&self, headers: &Headers<'_>) -> Value {
        let body = json!({"username": "bob", "password": "right"});
        let answer = self.post("/auth/obtain", headers, &body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers:?}");
        body_of(answer).await
    }

    async fn session_of(&self, tokens: &Value) -> Session {
        let id: SessionId =
            wire::claims(tokens["access"].as_str().unwrap())["sid"].as_str().unwrap().parse().unwrap();
        let sessions = self.app.jwtauth.sessions().list("bob").await.unwrap();
        sessions.into_iter().find(|session| session.id == id).expect("the session is alive")
    }

    /// Logs in with these headers, and returns the session.
    async fn login(&self, headers: &Headers<'_>) -> Session {
        let tokens = self.tokens(headers).await;
        self.session_of(&tokens).await
    }

    /// Refreshes with these headers, and returns the next tokens.
    async fn refresh(&self, tokens: &Value, headers: &Headers<'_>) -> Value {
        let body = json!({"refresh": tokens["refresh"]});
        let answer = self.post("/auth/refresh", headers, &body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers:?}");
        body_of(answer).await
    }
}

/// Returns what a session says of its client: app, system, model.
fn said(session: &Session) -> [String; 3] {
    let device = session.device.clone();
    let words = |name: Option<String>, version: Option<String>| {
        [name, version].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    [
        words(device.app, device.app_version),
        words(device.os, device.os_version),
        device.model.unwrap_or_default(),
    ]
}

#[test]
fn d_1_d_2_d_3_a_desktop_an_android_and_an_iphone_are_told_apart_by_their_agents() {
    bounded(async {
        let site = Site::new(|builder| builder).await;
        for (agent, want, shown) in [
            (LINUX, ["Chrome 101.0.4951", "Linux", ""], "Chrome 101 on Linux"),
            (
                ANDROID,
                ["Android WebView 80.0.3987", "Android 12", "SM-S906N"],
                "Android WebView 80 on SM-S906N",
            ),
            (IPHONE, ["Safari 10.0", "iOS 15.0", "iPhone14,3"], "Safari 10 on iPhone14,3"),
            ("curl/8.5.0", ["curl 8.5.0", "", ""], "curl 8"),
        ] {
            let session = site.login(&[("user-agent", agent)]).await;
            assert_eq!(said(&session), want, "{agent}");
            assert_eq!(session.device.to_string(), shown);
            assert_eq!(session.device.user_agent.as_deref(), Some(agent));
        }
        assert_eq!(site.login(&[]).await.device.to_string(), "unknown device");
    });
}

/// D4, without the figures of the screen and the memory, which are not kept: an id of the application's own.
#[test]
fn d_4_the_application_gives_its_device_an_id() {
    bounded(async {
        let site =
            Site::new(|builder| builder.clients(ClientConfig::default().device_id_header("Sec-CH-UA-ID")))
                .await;
        let id = async |headers: &Headers<'_>| site.login(headers).await.device.id;
        assert_eq!(id(&[("sec-ch-ua-id", "485"), ("device-memory", "0.25")]).await.as_deref(), Some("485"));
        assert_eq!(id(&[]).await, None);
        // In the body, with cookies and without.
        let attempt =
            |device_id: Value| json!({"username": "bob", "password": "right", "device_id": device_id});
        for (given, want) in [
            (json!("phone-1"), Some("phone-1")),
            (json!(485), Some("485")),
            (json!("\u{7}"), None),
            (json!(""), None),
            (json!(["x"]), None),
            (json!(null), None),
        ] {
            for path in ["/auth/obtain", "/cookies/obtain"] {
                site.app.jwtauth.sessions().revoke_all("bob").await.unwrap();
                let answer = site.post(path, &[], &attempt(given.clone())).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{path} {given}");
                let sessions = site.app.jwtauth.sessions().list("bob").await.unwrap();
                assert_eq!(sessions[0].device.id.as_deref(), want, "{path} {given}");
            }
        }
        // The body was meant for this login, the header for all.
        site.app.jwtauth.sessions().revoke_all("bob").await.unwrap();
        let both = site.post("/auth/obtain", &[("sec-ch-ua-id", "header")], &attempt(json!("body")));
        assert_eq!(both.send().await.unwrap().status(), 200);
        let sessions = site.app.jwtauth.sessions().list("bob").await.unwrap();
        assert_eq!(sessions[0].device.id.as_deref(), Some("body"));
    });
}

#[test]
fn d_5_d_6_hints_override_the_agent() {
    bounded(async {
        let site = Site::new(|builder| builder).await;
        let brands = r#""Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126""#;
        let session = site
            .login(&[
                ("user-agent", ANDROID),
                ("sec-ch-ua", brands),
                ("sec-ch-ua-full-version-list", r#""Google Chrome";v="126.0.6478.61""#),
                ("sec-ch-ua-platform", r#""Android""#),
                ("sec-ch-ua-platform-version", r#""14.0.0""#),
                ("sec-ch-ua-model", r#""Pixel 9""#),
                ("sec-ch-ua-mobile", "?1"),
            ])
            .await;
        assert_eq!(said(&session), ["Chrome 126.0.6478.61", "Android 14.0.0", "Pixel 9"]);
        assert_eq!(session.device.to_string(), "Chrome 126 on Pixel 9");
        let session = site.login(&[("sec-ch-ua", brands), ("sec-ch-ua-platform", r#""Linux""#)]).await;
        assert_eq!(session.device.to_string(), "Chrome 126 on Linux");
    });
}

/// D7, D9: a device that comes again is the same one, and two stay two.
#[test]
fn d_7_d_9_the_same_device_is_the_same_and_another_is_another() {
    bounded(async {
        let site = Site::new(|builder| builder).await;
        let (first, again) =
            (site.login(&[("user-agent", LINUX)]).await, site.login(&[("user-agent", LINUX)]).await);
        let other = site.login(&[("user-agent", IPHONE)]).await;
        assert_eq!(first.device, again.device);
        assert_ne!(first.id, again.id);
        assert_ne!(first.device, other.device);
        let kept = site.app.jwtauth.sessions().list("bob").await.unwrap();
        for session in [first, again, other] {
            assert!(kept.contains(&session));
        }
    });
}

/// D8, H-14, defect 22: the address is an address of either family, and a header is believed from a proxy only.
#[test]
fn d_8_h_14_defect_22_an_address_comes_from_the_socket_or_from_a_trusted_proxy() {
    bounded(async {
        let local = Site::new(|builder| builder).await;
        let behind =
            Site::new(|builder| builder.trusted_proxy("127.0.0.0/8").trusted_proxy("10.0.0.1")).await;
        let other = Site::new(|builder| {
            builder
                .trusted_proxy("127.0.0.1")
                .clients(ClientConfig::default().proxy_header(ProxyHeader::Forwarded))
        })
        .await;
        for (site, name, value, want) in [
            (&local, "x-forwarded-for", "203.0.113.7", "127.0.0.1"),
            (&local, "forwarded", "for=203.0.113.7", "127.0.0.1"),
            (&local, "x-real-ip", "203.0.113.7", "127.0.0.1"),
            (&behind, "x-forwarded-for", "203.0.113.7", "203.0.113.7"),
            (&behind, "x-forwarded-for", "2001:DB8::7", "2001:db8::7"),
            (&behind, "x-forwarded-for", "::ffff:203.0.113.7", "203.0.113.7"),
            (&behind, "x-forwarded-for", "1.1.1.1, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
            (&behind, "x-forwarded-for", "203.0.113.7, unknown", "127.0.0.1"),
            (&behind, "forwarded", "for=203.0.113.7", "127.0.0.1"),
            (&behind, "x-real-ip", "203.0.113.7", "127.0.0.1"),
            (&other, "forwarded", "for=1.1.1.1, for=\"[2001:db8::7]:443\";proto=https", "2001:db8::7"),
            (&other, "x-forwarded-for", "203.0.113.7", "127.0.0.1"),
        ] {
            let session = site.login(&[(name, value)]).await;
            assert_eq!(session.device.address, Some(want.parse::<IpAddr>().unwrap()), "{name}: {value}");
            assert_eq!(session.last_address, session.device.address);
            // A login has the same to go by.
            let body = json!({"username": "bob", "password": "where"});
            assert_eq!(
                site.post("/auth/obtain", &[(name, value)], &body).send().await.unwrap().status(),
                200
            );
            assert!(!site.app.jwtauth.sessions().list(want).await.unwrap().is_empty(), "{name}: {value}");
        }
        // A refresh from elsewhere: the device keeps the first address, the session has the latest.
        let tokens = behind.tokens(&[("x-forwarded-for", "203.0.113.7")]).await;
        let renewed = behind.refresh(&tokens, &[("x-forwarded-for", "2001:db8::7")]).await;
        let session = behind.session_of(&renewed).await;
        assert_eq!(session.device.address, Some([203, 0, 113, 7].into()));
        assert_eq!(session.last_seen_from(), Some("2001:db8::7".parse().unwrap()));
    });
}

/// W11: both tokens of a login, and all that follow, belong to one device: the first.
#[test]
fn w_11_the_tokens_of_a_session_have_one_device() {
    bounded(async {
        let site = Site::new(tests::app::with_registry).await;
        let tokens = site.tokens(&[("user-agent", LINUX)]).await;
        let first = site.session_of(&tokens).await;
        let issued = site.app.jwtauth.sessions().tokens(first.id).await.unwrap();
        assert_eq!(issued.iter().map(|token| token.session).collect::<Vec<_>>(), [first.id; 2]);
        let renewed = site.refresh(&tokens, &[("user-agent", IPHONE)]).await;
        let later = site.session_of(&renewed).await;
        assert_eq!((later.id, &later.device), (first.id, &first.device));
    });
}

/// Defect 21: what crashed the predecessor with the tokens already issued.
#[test]
fn defect_21_a_bad_number_in_a_hint_is_no_error() {
    bounded(async {
        let site = Site::new(|builder| builder).await;
        for (name, value) in [
            ("viewport-width", "abc"),
            ("device-memory", "abc"),
            ("dpr", "-1e999"),
            ("sec-ch-ua-platform-version", r#""1.2.3.4.5""#),
            ("sec-ch-ua-platform-version", r#""99999999999999999999.1""#),
            ("sec-ch-ua-platform-version", r#""""#),
            ("sec-ch-ua", r#""Chromium";v="99999999999999999999""#),
            ("sec-ch-ua", r#""Chromium";v=99999999999999999999"#),
            ("sec-ch-ua-bitness", "abc"),
        ] {
            let session = site.login(&[(name, value), ("sec-ch-ua-platform", r#""Windows""#)]).await;
            assert_eq!(session.device.os.as_deref(), Some("Windows"), "{name}: {value}");
        }
    });
}

/// Defect 22: neither `24` nor `"Linux"` in quotes.
#[test]
fn defect_22_grease_is_no_browser_and_quotes_are_no_part_of_a_name() {
    bounded(async {
        let site = Site::new(|builder| builder).await;
        let brands = r#""Not=A?Brand";v="24", "Chromium";v="110""#;
        let session = site.login(&[("sec-ch-ua", brands), ("sec-ch-ua-platform", r#""Linux""#)]).await;
        assert_eq!(said(&session), ["Chromium 110", "Linux", ""]);
    });
}

/// A line for people, and fields for programs.
#[test]
fn sessions_are_listed_with_device_address_and_time() {
    bounded(async {
        let site = Site::new(|builder| {
            builder
                .trusted_proxy("127.0.0.1")
                .clients(ClientConfig::default().device_id_header("x-device-id"))
        })
        .await;
        let agent = LINUX.replace("Chrome/101.0.4951.64", "Chrome/126.0.0.0");
        let tokens = site
            .tokens(&[("user-agent", &agent), ("x-forwarded-for", "203.0.113.7"), ("x-device-id", "laptop")])
            .await;
        site.app.clock.advance(std::time::Duration::from_secs(200));
        let bearer = tokens["access"].as_str().unwrap();
        let answer =
            site.http.get(site.served.at("/auth/sessions")).bearer_auth(bearer).send().await.unwrap();
        let list = body_of(answer).await;
        let mut shown = list[0].as_object().unwrap().clone();
        assert!(shown.remove("id").is_some_and(|id| id.is_string()));
        assert_eq!(
            Value::from(shown),
            json!({
                "summary": "Chrome 126 on Linux, 203.0.113.7, last seen 3 min ago",
                "device": "Chrome 126 on Linux",
                "app": "Chrome",
                "app_version": "126.0.0",
                "os": "Linux",
                "os_version": null,
                "model": null,
                "api_key": null,
                "device_id": "laptop",
                "address": "203.0.113.7",
                "created_at": tests::app::START,
                "last_used_at": tests::app::START,
                "expires_at": tests::app::START + 86_400,
                "current": true,
            })
        );
    });
}

/// The first device stays; another that goes on with its session is reported once. Another version is not.
#[test]
fn a_change_of_device_is_an_event_once_and_a_new_version_is_none() {
    logged(async |log| {
        let site = Site::new(|builder| builder).await;
        let events = || log.text().lines().filter(|line| line.contains("device_changed")).count();
        let mut tokens = site.tokens(&[("user-agent", LINUX)]).await;
        let newer = LINUX.replace("101.0.4951.64", "126.0.0.0");
        let hints = [("user-agent", newer.as_str()), ("sec-ch-ua", r#""Google Chrome";v="126""#)];
        for (headers, seen) in [
            (&[("user-agent", newer.as_str())][..], 0),
            (&hints, 0),
            (&[], 0),
            (&[("user-agent", IPHONE)], 1),
            (&[("user-agent", IPHONE)], 1),
            (&[("user-agent", ANDROID)], 2),
            (&[("user-agent", LINUX)], 2),
            (&[("user-agent", ANDROID)], 3),
        ] {
            tokens = site.refresh(&tokens, headers).await;
            assert_eq!(events(), seen, "{headers:?}: {}", log.text());
        }
        assert!(log.text().contains("from=Chrome 101 on Linux"), "{}", log.text());
        assert!(log.text().contains("to=Safari 10 on iPhone14,3"), "{}", log.text());
        assert_eq!(site.session_of(&tokens).await.device.to_string(), "Chrome 101 on Linux");
    });
}
