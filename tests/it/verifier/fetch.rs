//! The built-in client, over real connections: when it asks, what it takes, and what it does when it gets nothing good.

use std::sync::Mutex;

use futures_util::stream;
use jwtauth::error::{ConfigError, KeyError};
use jwtauth::keys::KeyRing;
use poem::http::HeaderValue;
use poem::web::Data;
use poem::{Body, Request};
use tests::serve::{Served, serve, serve_at};

use super::*;

const ED25519: &str = include_str!("../../keys/ed25519.pem");

/// What the server of the key set does.
#[derive(Clone)]
enum Does {
    Publish(KeyRing),
    Answer(StatusCode, Vec<u8>),
    Redirect(String),
    /// Sends without end.
    Stream,
}

/// A server of key sets; how often it was asked; how many bytes it has sent without end.
#[derive(Clone)]
struct Publisher(Arc<(Mutex<Does>, AtomicUsize, AtomicUsize)>);

impl Publisher {
    fn new(does: Does) -> Self {
        Self(Arc::new((Mutex::new(does), AtomicUsize::new(0), AtomicUsize::new(0))))
    }

    fn does(&self, does: Does) {
        *self.0.0.lock().unwrap() = does;
    }

    /// How often it was asked.
    fn asked(&self) -> usize {
        self.0.1.load(SeqCst)
    }

    async fn serve(&self) -> Served {
        serve(Route::new().at("/jwks.json", get(publish)).data(self.clone())).await
    }
}

#[handler]
fn publish(publisher: Data<&Publisher>, request: &Request) -> Response {
    let (does, asked, _) = &*publisher.0.0;
    asked.fetch_add(1, SeqCst);
    assert_eq!(request.header("cookie"), None);
    assert!(request.header("accept").is_some_and(|accept| accept.contains("application/jwk-set+json")));
    match &*does.lock().unwrap() {
        Does::Publish(keys) => keys.jwks().to_string().into(),
        Does::Answer(status, body) => Response::builder()
            .status(*status)
            .header("set-cookie", HeaderValue::from_static("tracked=1"))
            .body(body.clone()),
        Does::Redirect(to) => {
            Response::builder().status(StatusCode::FOUND).header("location", to.as_str()).finish()
        }
        Does::Stream => {
            let publisher = Publisher::clone(&publisher);
            Response::builder().body(Body::from_bytes_stream(stream::repeat_with(move || {
                publisher.0.2.fetch_add(1024, SeqCst);
                Ok::<_, std::io::Error>(vec![b' '; 1024])
            })))
        }
    }
}

/// A service that knows the issuer by the address of its keys.
fn at(issuer: &TestApp, url: String) -> Verifier {
    builder(issuer).key_set_url(url).build().unwrap()
}

async fn token(issuer: &TestApp) -> String {
    let bearer = bearer(issuer, 1, &[], &[]).await;
    bearer.strip_prefix("Bearer ").unwrap().to_owned()
}

/// J-8: fetched once, kept, asked anew for an unknown key at most every 30 seconds, and after 5 minutes.
#[test]
fn j_8_s_36_s_37_a_published_set_is_fetched_seldom_and_follows_the_issuers_keys() {
    bounded(async {
        let issuer = issuer();
        let publisher = Publisher::new(Does::Publish(issuer.jwtauth.keys().clone()));
        let server = publisher.serve().await;
        let verifier = at(&issuer, server.at("/jwks.json"));
        let is_good = async |token: &str| verifier.verify(token).await.map(drop);
        let later = |seconds| issuer.clock.advance(Duration::from_secs(seconds));

        assert_eq!(publisher.asked(), 0, "not before somebody asks");
        let first = token(&issuer).await;
        let all = futures_util::future::join_all((0..20).map(|_| is_good(&first))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(publisher.asked(), 1, "one for all, and kept");

        // The issuer signs with a new key.
        let keys = issuer.jwtauth.keys();
        let old = keys.signing().kid;
        keys.add(Key::from_pem(ED25519).unwrap()).unwrap();
        keys.sign_with(Key::from_pem(ED25519).unwrap().kid()).unwrap();
        let second = token(&issuer).await;
        assert_eq!(is_good(&second).await, Err(TokenError::KeysUnavailable), "asked a moment ago");
        later(30);
        assert_eq!((is_good(&second).await, is_good(&first).await), (Ok(()), Ok(())));
        assert_eq!(publisher.asked(), 2);

        // Strangers cannot make it ask more often.
        let strange = token(&TestApp::new()).await;
        let foreign = TestApp::with(MemoryStore::new(), |builder| {
            builder.key(Key::from_pem(include_str!("../../keys/p384.pem")).unwrap())
        });
        let unknown = token(&foreign).await;
        for _ in 0..5 {
            assert!(is_good(&strange).await.is_err());
            assert_eq!(is_good(&unknown).await, Err(TokenError::UnknownKey));
        }
        assert_eq!(publisher.asked(), 2);
        later(29);
        assert_eq!(is_good(&unknown).await, Err(TokenError::UnknownKey));
        assert_eq!(publisher.asked(), 2);
        later(1);
        assert_eq!(is_good(&unknown).await, Err(TokenError::UnknownKey));
        assert_eq!(is_good(&unknown).await, Err(TokenError::UnknownKey));
        assert_eq!(publisher.asked(), 3, "once per 30 seconds");

        // A key that the issuer has removed is believed no longer than the set.
        let verifier = builder(&issuer)
            .key_set_url(server.at("/jwks.json"))
            .max_age(Duration::from_secs(60))
            .build()
            .unwrap();
        let is_good = async |token: &str| verifier.verify(token).await.map(drop);
        assert_eq!(is_good(&first).await, Ok(()));
        keys.remove(&old).unwrap();
        later(59);
        assert_eq!((is_good(&first).await, publisher.asked()), (Ok(()), 4));
        later(1);
        assert_eq!((is_good(&first).await, publisher.asked()), (Err(TokenError::UnknownKey), 5));
        assert_eq!(is_good(&second).await, Ok(()));
    });
}

/// N-8: keys that were fetched while the clock was ahead are fetched anew when that is asked for.
#[test]
fn n_8_a_clock_that_was_set_back_delays_no_key() {
    bounded(async {
        let issuer = issuer();
        let publisher = Publisher::new(Does::Publish(issuer.jwtauth.keys().clone()));
        let server = publisher.serve().await;
        let verifier = at(&issuer, server.at("/jwks.json"));
        issuer.clock.advance(Duration::from_secs(7_200));
        verifier.verify(&token(&issuer).await).await.unwrap();
        issuer.clock.set(tests::app::START);
        let keys = issuer.jwtauth.keys();
        keys.add(Key::from_pem(ED25519).unwrap()).unwrap();
        keys.sign_with(Key::from_pem(ED25519).unwrap().kid()).unwrap();
        verifier.verify(&token(&issuer).await).await.unwrap();
        assert_eq!(publisher.asked(), 2);
    });
}

/// J-8: a server that is down, or answers with anything but a set, takes no keys away; and it is found again.
#[test]
fn j_8_what_is_no_good_answer_leaves_the_keys_alone() {
    bounded(async {
        let issuer = issuer();
        let keys = || Does::Publish(issuer.jwtauth.keys().clone());
        let publisher = Publisher::new(keys());
        let elsewhere = Publisher::new(keys());
        let (server, other) = (publisher.serve().await, elsewhere.serve().await);
        let verifier = at(&issuer, server.at("/jwks.json"));
        let is_good = async || verifier.verify(&token(&issuer).await).await.map(drop);
        let later = |seconds| issuer.clock.advance(Duration::from_secs(seconds));
        assert_eq!(is_good().await, Ok(()));

        let set = issuer.jwtauth.keys().jwks().to_string().into_bytes();
        let padded = |length: usize| [&set[..], &vec![b' '; length - set.len()]].concat();
        let bad = [
            Does::Redirect(other.at("/jwks.json")),
            Does::Answer(StatusCode::NOT_FOUND, set.clone()),
            Does::Answer(StatusCode::CREATED, set.clone()),
            Does::Answer(StatusCode::INTERNAL_SERVER_ERROR, set.clone()),
            Does::Answer(StatusCode::OK, b"<html>maintenance</html>".to_vec()),
            Does::Answer(StatusCode::OK, b"{\"keys\":[]}".to_vec()),
            Does::Answer(StatusCode::OK, padded(256 * 1024 + 1)),
            Does::Stream,
        ];
        for (number, does) in bad.into_iter().enumerate() {
            publisher.does(does.clone());
            later(300);
            assert_eq!(is_good().await, Ok(()), "{number}: the keys that are there");
            assert_eq!(publisher.asked(), number + 2, "{number}: it was asked");
            // Who has no keys yet has none then.
            let other_service = at(&issuer, server.at("/jwks.json"));
            let token = token(&issuer).await;
            assert_eq!(
                other_service.verify(&token).await.unwrap_err(),
                TokenError::KeysUnavailable,
                "{number}"
            );
            publisher.0.1.fetch_sub(1, SeqCst);
        }
        assert_eq!(elsewhere.asked(), 0, "no redirect was followed");
        let sent = publisher.0.2.load(SeqCst);
        assert!((256 * 1024..64 * 1024 * 1024).contains(&sent), "given up on early: {sent} bytes");

        // The longest that is taken.
        publisher.does(Does::Answer(StatusCode::OK, padded(256 * 1024)));
        later(300);
        let other_service = at(&issuer, server.at("/jwks.json"));
        assert!(other_service.verify(&token(&issuer).await).await.is_ok());

        // Down altogether, then back at the same address.
        let url = server.at("/jwks.json");
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        drop(server);
        later(300);
        assert_eq!(is_good().await, Ok(()), "old keys stay");
        let down = at(&issuer, url.clone());
        assert_eq!(down.verify(&token(&issuer).await).await.unwrap_err(), TokenError::KeysUnavailable);
        let again = Publisher::new(keys());
        let back = Route::new().at("/jwks.json", get(publish)).data(again.clone());
        let _back = serve_at(&address, back).await;
        assert_eq!(
            down.verify(&token(&issuer).await).await.unwrap_err(),
            TokenError::KeysUnavailable,
            "tried a moment ago"
        );
        later(30);
        assert!(down.verify(&token(&issuer).await).await.is_ok());
        assert_eq!((is_good().await, again.asked()), (Ok(()), 2));
    });
}

/// Who hangs up while the keys are fetched takes no fetch along: others would wait 30 seconds for the next one.
#[test]
fn j_8_a_request_that_is_dropped_does_not_stop_the_fetch() {
    bounded(async {
        let issuer = issuer();
        let (gate, fetches) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (opens, counted, keys) = (Arc::clone(&gate), Arc::clone(&fetches), issuer.jwtauth.keys().clone());
        let verifier = builder(&issuer)
            .key_set_with("https://login.example.com/jwks.json", move |_| {
                counted.fetch_add(1, SeqCst);
                let (opens, keys) = (Arc::clone(&opens), keys.clone());
                async move {
                    opens.acquire().await.unwrap().forget();
                    Ok(keys.jwks().to_string().into_bytes())
                }
            })
            .build()
            .unwrap();
        let token = token(&issuer).await;
        {
            let mut dropped = std::pin::pin!(verifier.verify(&token));
            while fetches.load(SeqCst) == 0 {
                assert!(futures_util::poll!(&mut dropped).is_pending());
                tokio::task::yield_now().await;
            }
        }
        gate.add_permits(1);
        assert!(verifier.verify(&token).await.is_ok());
        assert_eq!(fetches.load(SeqCst), 1);
    });
}

/// Five seconds, for a client of the application's own too.
#[test]
fn j_8_a_fetch_gets_five_seconds() {
    tests::in_no_time(|| async {
        let issuer = issuer();
        let verifier = builder(&issuer)
            .key_set_with("https://login.example.com/jwks.json", |_| std::future::pending())
            .build()
            .unwrap();
        let (token, start) = (token(&issuer).await, tokio::time::Instant::now());
        assert_eq!(verifier.verify(&token).await.unwrap_err(), TokenError::KeysUnavailable);
        assert_eq!(start.elapsed().as_secs(), 5);
    });
}

/// J-8: keys come over https or from this machine, whoever fetches them.
#[test]
fn j_8_an_address_that_others_could_answer_for_is_refused() {
    let issuer = issuer();
    let refused = builder(&issuer).key_set_url("http://login.example.com/jwks.json").build();
    assert!(matches!(refused, Err(ConfigError::Key(KeyError::Url { .. }))));
    assert!(builder(&issuer).key_set_url("https://login.example.com/jwks.json").build().is_ok());
}

/// M-18: inside a network of one's own, if that was asked for by name. Schemes and hosts have no case.
#[test]
fn m_18_keys_come_over_http_where_that_was_asked_for() {
    logged(async |log| {
        let issuer = issuer();
        let publisher = Publisher::new(Does::Publish(issuer.jwtauth.keys().clone()));
        let app = Route::new().at("/jwks.json", get(publish)).data(publisher.clone());
        // Another address than those that are taken for this machine.
        let server = serve_at("127.0.0.2:0", app).await;
        let url = server.at("/jwks.json").replace("http://", "HTTP://");
        let refused = builder(&issuer).key_set_url(&url).build().unwrap_err();
        assert!(format!("{refused:?}").contains(".key_set_without_tls()"), "{refused:?}");
        assert!(!log.text().contains("without TLS"));

        let verifier = builder(&issuer).key_set_url(&url).key_set_without_tls().build().unwrap();
        assert!(log.text().contains("WARN jwtauth: a key set is fetched without TLS"), "{}", log.text());
        assert!(verifier.verify(&token(&issuer).await).await.is_ok());
        assert_eq!(publisher.asked(), 1);
        let by_application = builder(&issuer).key_set_with(&url, |_| async { Ok(Vec::new()) });
        assert!(by_application.key_set_without_tls().build().is_ok());
        for other in ["ftp://login.internal/jwks.json", "http://user:word@login.internal/", "login.internal"]
        {
            assert!(builder(&issuer).key_set_url(other).key_set_without_tls().build().is_err(), "{other}");
        }

        // This machine in capital letters needs no such word.
        let server = publisher.serve().await;
        let url = server.at("/jwks.json").replace("http://127.0.0.1", "HTTP://LocalHost");
        let verifier = builder(&issuer).key_set_url(url).build().unwrap();
        assert!(verifier.verify(&token(&issuer).await).await.is_ok());
        assert!(builder(&issuer).key_set_url("HTTPS://Issuer.Example/JWKS").build().is_ok());
    });
}

/// The whole way: a service guarded by the attribute, with keys that it fetches from the ready-made routes.
#[test]
fn a_guarded_service_fetches_the_keys_of_the_ready_made_routes() {
    bounded(async {
        let issuer = issuer();
        let auth = issuer
            .jwtauth
            .routes(|attempt: jwtauth::LoginAttempt| {
                std::future::ready(Ok::<_, jwtauth::LoginError>(User::named(attempt.username())))
            })
            .body_tokens();
        let server = serve(Route::new().nest("/auth", auth)).await;
        let verifier = at(&issuer, server.at("/auth/.well-known/jwks.json"));
        let shop = serve(routes().with(verifier)).await;
        let client = reqwest::Client::new();
        let form = serde_json::json!({"username": "alice", "password": "right"});
        let tokens: Value =
            client.post(server.at("/auth/obtain")).json(&form).send().await.unwrap().json().await.unwrap();
        let access = tokens["access"].as_str().unwrap();
        let ask = async |path: &str| client.get(shop.at(path)).bearer_auth(access).send().await.unwrap();
        assert_eq!(ask("/role").await.status(), 200);
        assert_eq!(ask("/optional").await.text().await.unwrap(), "alice");
        assert_eq!(ask("/scope").await.status(), 403);
    });
}
