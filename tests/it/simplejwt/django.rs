//! Both ways with the library itself: a Django service with djangorestframework-simplejwt from PyPI, and ours over
//! HTTP, with one key.
//!
//! Where there is no Python, no pip or no network, the test says so and is skipped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use jwtauth::clock::{Clock as _, ManualClock, SystemClock};
use jwtauth::keys::Algorithm;
use jwtauth::{Compat, JwtAuth, JwtAuthBuilder, Key, MemoryStore, TokenConfig, Verifier};
use poem::{EndpointExt, Route, get};
use reqwest::Client;
use serde_json::{Value, json};
use tests::app::SECRET;
use tests::serve::{Served, serve};
use tests::wire::claims;
use tests::{bounded, python};

use super::{authenticate, text, whoami};

const PACKAGES: [&str; 5] = [
    "djangorestframework-simplejwt==5.5.1",
    "djangorestframework==3.18.3",
    "Django==5.2.19",
    "PyJWT==2.15.1",
    "cryptography==50.0.2",
];

const RSA: &str = include_str!("../../keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../keys/rsa-public.pem");

/// The Django service, a process of its own. Its user `alice` has the id 7.
struct Django {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Django {
    fn start(home: &Path, settings: &Value) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/simplejwt/service.py");
        let mut process = python::command(60, home, &["python3", script, &settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asks, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, asks, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, asked: &Value) -> (u64, Value) {
        writeln!(self.asks, "{asked}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("an answer; what went wrong is on stderr");
        (answer["status"].as_u64().unwrap(), answer["body"].clone())
    }

    fn post(&mut self, path: &str, body: &Value) -> (u64, Value) {
        self.ask(&json!({"method": "post", "path": path, "body": body}))
    }

    /// Asks who is calling: from the database, and from what the token says alone.
    fn who(&mut self, token: &str) -> (u64, Value) {
        let (stateless, said) = self.ask(&json!({"method": "get", "path": "stateless", "bearer": token}));
        let (status, found) = self.ask(&json!({"method": "get", "path": "whoami", "bearer": token}));
        if status == 200 {
            assert_eq!((stateless, &said["id"]), (200, &json!("7")), "{said}");
        }
        (status, found)
    }

    /// Logs alice in, and returns both tokens.
    fn obtain(&mut self) -> (String, String) {
        let (status, pair) = self.post("token", &json!({"username": "alice", "password": "right"}));
        assert_eq!(status, 200, "{pair}");
        (text(&pair["access"]), text(&pair["refresh"]))
    }

    fn refresh(&mut self, token: &str) -> (u64, Value) {
        self.post("token/refresh", &json!({"refresh": token}))
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // It ends with its input too; an error says that it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Our service, over HTTP.
struct Ours {
    jwtauth: JwtAuth,
    clock: ManualClock,
    served: Served,
    client: Client,
}

impl Ours {
    async fn start(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        // Django's clock is that of the system.
        let clock = ManualClock::at(SystemClock.now());
        let builder = JwtAuth::builder()
            .secret(SECRET)
            .clock(clock.clone())
            .tokens(TokenConfig::default().leeway(Duration::from_secs(60)).compat(Compat::simplejwt()));
        let jwtauth = set(builder).build(MemoryStore::new()).unwrap();
        let app = Route::new()
            .nest("/auth", jwtauth.routes(authenticate).body_tokens())
            .at("/whoami", get(whoami))
            .with(jwtauth.clone());
        let client = Client::builder().no_proxy().build().unwrap();
        Self { jwtauth, clock, served: serve(app).await, client }
    }

    async fn who(&self, token: &str) -> (u16, String) {
        let answer = self.client.get(self.served.at("/whoami")).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.client.post(self.served.at(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), tests::browser::json(answer).await)
    }

    async fn refresh(&self, token: &str) -> (u16, Value) {
        self.post("/auth/refresh", json!({"refresh": token})).await
    }

    /// Logs in here with the id that alice has there, and returns both tokens.
    async fn obtain(&self) -> (String, String) {
        let (status, pair) = self.post("/auth/obtain", json!({"username": "7", "password": "right"})).await;
        assert_eq!(status, 200, "{pair}");
        (text(&pair["access"]), text(&pair["refresh"]))
    }
}

/// Returns where the library is, or says that the test is skipped.
fn simplejwt() -> Option<std::path::PathBuf> {
    match python::installed(env!("CARGO_TARGET_TMPDIR"), &PACKAGES) {
        Ok(home) => Some(home),
        Err(why) => {
            println!("skipped: {} cannot be installed: {}", PACKAGES[0], why.trim());
            None
        }
    }
}

fn secret() -> Value {
    json!({"ALGORITHM": "HS256", "SIGNING_KEY": std::str::from_utf8(SECRET).unwrap()})
}

fn alice() -> (u64, Value) {
    (200, json!({"id": 7, "name": "alice"}))
}

fn hmac() -> Key {
    Key::hmac(Algorithm::HS256, SECRET).unwrap()
}

/// A service that only verifies.
fn trusting(issuer: &str, audience: &str, key: Key) -> Verifier {
    let builder = Verifier::builder(issuer, audience).key(key).leeway(Duration::from_secs(60));
    builder.compat(Compat::simplejwt()).build().unwrap()
}

async fn accepts_ours(django: &mut Django, ours: &Ours) {
    let (access, refresh) = ours.obtain().await;
    assert_eq!(django.who(&access), alice(), "our access token");
    for token in [&access, &refresh] {
        assert_eq!(django.post("token/verify", &json!({"token": token})), (200, json!({})));
    }
    assert_eq!(django.who(&refresh).0, 401, "our refresh token is no access token there either");
    let (status, pair) = django.refresh(&refresh);
    assert_eq!(status, 200, "our refresh token: {pair}");
    let derived = text(&pair["access"]);
    assert_eq!(claims(&derived)["sid"], claims(&refresh)["sid"]);
    assert_eq!(django.who(&derived), alice());
    assert_eq!(ours.who(&derived).await, (200, "7".into()), "what Django made of it");
    assert_eq!(ours.jwtauth.sessions().list("7").await.unwrap().len(), 1, "of the same session");
    // A token that we have rotated to is as good there.
    let (status, next) = ours.refresh(&refresh).await;
    assert_eq!(status, 200, "{next}");
    assert_eq!(django.who(&text(&next["access"])), alice());
    assert_eq!(django.refresh(&text(&next["refresh"])).0, 200);
    let (stranger, _) = {
        let (status, pair) = ours.post("/auth/obtain", json!({"username": "8", "password": "right"})).await;
        assert_eq!(status, 200, "{pair}");
        (text(&pair["access"]), ())
    };
    assert_eq!(django.who(&stranger).1["code"], "user_not_found", "a user that Django does not have");
    // The end of our session ends what Django makes of it here; there it lives on until it expires.
    ours.jwtauth.sessions().revoke_all("7").await.unwrap();
    assert_eq!(ours.who(&derived).await.0, 401);
    assert_eq!(django.who(&derived), alice());
}

async fn is_accepted(django: &mut Django, ours: &Ours, verifier: &Verifier) {
    let (access, refresh) = django.obtain();
    assert_eq!(ours.who(&access).await, (200, "7".into()), "Django's access token");
    assert_eq!(ours.who(&refresh).await.0, 401, "its refresh token is no access token");
    let believed = verifier.verify(&access).await.unwrap();
    assert_eq!(believed.subject(), "7", "a service that only verifies");
    assert!(verifier.verify(&refresh).await.is_err());
    assert_eq!(ours.refresh(&access).await.0, 401, "nor the other way round");
    let (status, renewed) = django.refresh(&refresh);
    assert_eq!(status, 200, "{renewed}");
    assert_eq!(ours.who(&text(&renewed["access"])).await, (200, "7".into()), "one that Django has refreshed");
    let (status, pair) = ours.refresh(&refresh).await;
    assert_eq!(status, 200, "Django's refresh token: {pair}");
    let own = text(&pair["access"]);
    assert_eq!(ours.who(&own).await, (200, "7".into()));
    assert_eq!(django.who(&own), alice(), "Django takes what came of it");
    assert_eq!(ours.refresh(&refresh).await.1["refresh"], pair["refresh"], "inside the grace window");
    ours.clock.advance(Duration::from_secs(31));
    assert_eq!(ours.refresh(&refresh).await.0, 401, "spent");
    assert_eq!(ours.who(&own).await.0, 401, "which ends the session");
    assert_eq!(ours.refresh(&text(&pair["refresh"])).await.0, 401);
}

#[test]
fn simplejwt_accepts_our_tokens_and_we_accept_its_with_one_secret() {
    let Some(home) = simplejwt() else { return };
    bounded(async {
        let mut django = Django::start(&home, &secret());
        accepts_ours(&mut django, &Ours::start(|builder| builder).await).await;
        let verifier = trusting("jwtauth", "jwtauth", hmac());
        is_accepted(&mut django, &Ours::start(|builder| builder).await, &verifier).await;
    });
}

#[test]
fn simplejwt_accepts_our_tokens_and_we_accept_its_with_issuer_and_audience() {
    let Some(home) = simplejwt() else { return };
    bounded(async {
        let mut settings = secret();
        (settings["ISSUER"], settings["AUDIENCE"]) = (json!("https://login.example.com"), json!("shop"));
        let mut django = Django::start(&home, &settings);
        let ours = || Ours::start(|builder| builder.issuer("https://login.example.com").audience("shop"));
        accepts_ours(&mut django, &ours().await).await;
        let verifier = trusting("https://login.example.com", "shop", hmac());
        is_accepted(&mut django, &ours().await, &verifier).await;
        let others = Ours::start(|builder| builder.issuer("https://login.example.com")).await;
        assert_eq!(others.who(&django.obtain().0).await.0, 401, "meant for somebody else");
        assert_eq!(django.who(&others.obtain().await.0).0, 401);
    });
}

#[test]
fn simplejwt_accepts_our_tokens_and_we_accept_its_with_a_key_pair() {
    let Some(home) = simplejwt() else { return };
    bounded(async {
        let settings = json!({"ALGORITHM": "RS256", "SIGNING_KEY": RSA, "VERIFYING_KEY": RSA_PUBLIC});
        let mut django = Django::start(&home, &settings);
        let ours = || {
            Ours::start(|builder| {
                builder
                    .key(Key::from_pem(RSA).unwrap())
                    .keys(jwtauth::KeyConfig::default().algorithm(Algorithm::RS256))
            })
        };
        accepts_ours(&mut django, &ours().await).await;
        let public = Key::from_pem(RSA_PUBLIC).unwrap().with_algorithm(Algorithm::RS256).unwrap();
        let verifier = trusting("jwtauth", "jwtauth", public);
        is_accepted(&mut django, &ours().await, &verifier).await;
        let others = Ours::start(|builder| builder).await;
        assert_eq!(others.who(&django.obtain().0).await.0, 401, "another key");
        assert_eq!(django.who(&others.obtain().await.0).0, 401);
    });
}

/// Rotation and the blacklist are Django's own: what it rotates to is the same single token to us, and what it has on
/// its blacklist is unknown here.
#[test]
fn what_simplejwt_rotates_and_blacklists() {
    let Some(home) = simplejwt() else { return };
    bounded(async {
        let mut settings = secret();
        (settings["ROTATE_REFRESH_TOKENS"], settings["BLACKLIST_AFTER_ROTATION"]) =
            (json!(true), json!(true));
        let mut django = Django::start(&home, &settings);
        let ours = Ours::start(|builder| builder).await;
        let (_, refresh) = ours.obtain().await;
        let (status, rotated) = django.refresh(&refresh);
        assert_eq!(status, 200, "{rotated}");
        assert_eq!(django.refresh(&refresh).0, 401, "it is on the blacklist there");
        let successor = text(&rotated["refresh"]);
        let (status, pair) = ours.refresh(&successor).await;
        assert_eq!(status, 200, "{pair}");
        assert_eq!(ours.refresh(&refresh).await.1["refresh"], pair["refresh"], "the same token to us");
        assert_eq!(ours.who(&text(&pair["access"])).await.0, 200);
        ours.clock.advance(Duration::from_secs(31));
        assert_eq!(ours.refresh(&successor).await.0, 401, "and spent once");
        let (_, refresh) = django.obtain();
        assert_eq!(django.post("token/blacklist", &json!({"refresh": refresh})).0, 200);
        assert_eq!(django.refresh(&refresh).0, 401);
        assert_eq!(ours.refresh(&refresh).await.0, 200);
    });
}
