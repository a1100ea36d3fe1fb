//! M-3: registrations are charged to an address, and starve no logins.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jwtauth::AccountsConfig;
use jwtauth::error::AccountError;
use poem::{EndpointExt as _, Route};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::bounded;
use tests::serve::{Served, serve_as};
use tests::test_store::TestStore;

/// A server, and where its clients are.
struct Site {
    app: TestApp,
    served: Served,
    peer: Arc<Mutex<IpAddr>>,
}

impl Site {
    async fn new(config: AccountsConfig) -> Self {
        let app = TestApp::with(TestStore::new(), |builder| builder.accounts(config));
        let routes = Route::new().nest("/auth", app.jwtauth.account_routes().unwrap());
        let peer = Arc::new(Mutex::new([203, 0, 113, 7].into()));
        let served = serve_as(Arc::clone(&peer), routes.with(app.jwtauth.clone())).await;
        Self { app, served, peer }
    }

    /// Returns a new client, at an address.
    fn from(&self, address: &str) -> Client {
        *self.peer.lock().unwrap() = address.parse().unwrap();
        Client::builder().no_proxy().build().unwrap()
    }

    async fn send(&self, client: &Client, path: &str, name: &str, password: &str) -> Response {
        let form = json!({"username": name, "password": password});
        client.post(self.served.at(path)).json(&form).send().await.unwrap()
    }
}

async fn parts(answer: Response) -> (u16, Option<String>, Value) {
    let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry, answer.json().await.unwrap())
}

#[test]
fn m_3_registrations_are_charged_to_their_address() {
    bounded(async {
        let site = Site::new(AccountsConfig::default()).await;
        let stranger = site.from("203.0.113.7");
        let register = async |client: &Client, name: &str| {
            parts(site.send(client, "/auth/register", name, "correct horse").await).await
        };
        // What cannot be a name or a password costs nothing, and tells nothing.
        for _ in 0..40 {
            assert_eq!(register(&stranger, "a b").await.0, 400);
        }
        for number in 0..10 {
            assert_eq!(register(&stranger, &format!("name-{number}")).await.0, 201);
        }
        for _ in 10..30 {
            assert_eq!(register(&stranger, "name-1").await.0, 409);
        }
        let hashes = site.app.jwtauth.accounts().unwrap().hashes_computed();
        for name in ["name-1", "name-10", "NAME-1"] {
            let (status, retry, body) = register(&stranger, name).await;
            assert_eq!((status, retry.as_deref()), (429, Some("60")), "{name}");
            assert_eq!(body["code"], json!("rate_limited"));
        }
        assert_eq!(site.app.jwtauth.accounts().unwrap().hashes_computed(), hashes, "nothing was hashed");
        // Somebody else, and this one later.
        let other = site.from("2001:db8::1");
        assert_eq!(register(&other, "name-10").await.0, 201);
        site.app.clock.advance(Duration::from_secs(60));
        assert_eq!(register(&stranger, "name-11").await.0, 201);
        assert_eq!(register(&stranger, "name-12").await.0, 429);
        // What may be a proxy has a limit too, and ten times the rate.
        let proxy = site.from("127.0.0.1");
        for _ in 0..30 {
            assert_eq!(register(&proxy, "name-1").await.0, 409);
        }
        assert_eq!(register(&proxy, "name-1").await.1.as_deref(), Some("6"));
        // Logins are not counted with them.
        let login = site.send(&stranger, "/auth/obtain", "name-1", "correct horse").await;
        assert_eq!(login.status(), 200);
    });
}

/// Many connections register without a limit; each login is let in, within a bound.
#[test]
fn m_3_logins_go_through_while_registrations_flood() {
    bounded(async {
        let config = AccountsConfig::default().registrations(1_000_000, Duration::from_millis(1));
        let site = Site::new(config.hashers(2).waiting(32)).await;
        let client = site.from("203.0.113.7");
        assert_eq!(site.send(&client, "/auth/register", "owner", "correct horse").await.status(), 201);
        let (served, stop) = (site.served.at("/auth/register"), Arc::new(Mutex::new(false)));
        let flood: Vec<_> = (0..80)
            .map(|connection| {
                let (url, client, stop) = (served.clone(), site.from("203.0.113.8"), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut busy = 0;
                    for number in 0.. {
                        if *stop.lock().unwrap() {
                            break;
                        }
                        let name = format!("name-{connection}-{number}");
                        let form = json!({"username": name, "password": "correct horse"});
                        let answer = client.post(&url).json(&form).send().await.unwrap();
                        busy += usize::from(answer.status() == 503);
                    }
                    busy
                })
            })
            .collect();
        let mut longest = Duration::ZERO;
        for number in 0..24 {
            // Each from another address: nobody is known yet.
            let client = site.from(&format!("198.51.100.{number}"));
            let start = Instant::now();
            let login = site.send(&client, "/auth/obtain", "owner", "correct horse").await;
            assert_eq!(login.status(), 200, "login {number}");
            longest = longest.max(start.elapsed());
        }
        *stop.lock().unwrap() = true;
        let busy: usize =
            futures_util::future::join_all(flood).await.into_iter().map(|busy| busy.unwrap()).sum();
        println!("24 of 24 logins, the longest in {longest:?}; {busy} registrations were told to come again");
        assert!(busy > 0, "it was a flood");
        assert!(longest < Duration::from_secs(15), "{longest:?}");
    });
}

/// M-3: peers without an address, which come by a Unix socket, share one line.
#[test]
fn m_3_peers_without_an_address_share_one_line() {
    bounded(async {
        let config = AccountsConfig::default().hashers(1).registrations(3, Duration::from_secs(600));
        let app = TestApp::with(TestStore::new(), |builder| builder.accounts(config));
        let accounts = app.jwtauth.accounts().unwrap();
        accounts.register("ann", "correct horse battery").await.unwrap();
        let ask = async || accounts.register_from("ann", "correct horse battery", None).await.unwrap_err();
        for _ in 0..3 {
            assert!(matches!(ask().await, AccountError::NameTaken));
        }
        // They came through a proxy, so there may be many: a tenth of the time.
        let refused = ask().await;
        let AccountError::RateLimited { retry_after } = refused else { panic!("{refused:?}") };
        assert_eq!(retry_after, Duration::from_secs(60));
        let elsewhere = Some("203.0.113.7".parse().unwrap());
        let answer = accounts.register_from("ann", "correct horse battery", elsewhere).await.unwrap_err();
        assert!(matches!(answer, AccountError::NameTaken), "an address of its own has a line of its own");
        // Operators have no limit.
        for _ in 0..5 {
            let refused = accounts.register("ann", "correct horse battery").await.unwrap_err();
            assert!(matches!(refused, AccountError::NameTaken));
        }
    });
}
