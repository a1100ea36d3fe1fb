//! Tokens of keys that are newer than the set: what nobody can know yet is 503, and what is known to be bad stays 401.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use jwtauth::clock::Clock as _;

use super::*;

const ED25519: &str = include_str!("../../keys/ed25519.pem");
const P384: &str = include_str!("../../keys/p384.pem");

/// The key set of an issuer: what is published, whether it can be had, and how often it was asked for.
#[derive(Clone, Default)]
struct KeySet(Arc<(Mutex<String>, AtomicBool, AtomicUsize)>);

impl KeySet {
    fn of(issuer: &TestApp) -> Self {
        let set = Self::default();
        set.publish(issuer);
        set.is_down(false);
        set
    }

    fn publish(&self, issuer: &TestApp) {
        *self.0.0.lock().unwrap() = issuer.jwtauth.keys().jwks().to_string();
    }

    fn is_down(&self, down: bool) {
        self.0.1.store(down, SeqCst);
    }

    fn asked(&self) -> usize {
        self.0.2.load(SeqCst)
    }

    fn verifier(&self, issuer: &TestApp) -> Verifier {
        let set = self.clone();
        let fetch = move |_| {
            let (published, down, asked) = &*set.0;
            asked.fetch_add(1, SeqCst);
            let set = published.lock().unwrap().clone().into_bytes();
            std::future::ready(if down.load(SeqCst) { Err("it is down".into()) } else { Ok(set) })
        };
        builder(issuer).key_set_with("https://login.example.com/jwks.json", fetch).build().unwrap()
    }
}

async fn token(issuer: &TestApp) -> String {
    bearer(issuer, 1, &[], &[]).await
}

/// Lets the issuer sign with a new key. The old one stays good.
fn rotate(issuer: &TestApp, pem: &str) {
    let keys = issuer.jwtauth.keys();
    keys.add(Key::from_pem(pem).unwrap()).unwrap();
    keys.sign_with(Key::from_pem(pem).unwrap().kid()).unwrap();
}

/// A token that names a key that the issuer never had.
async fn invented(at: u64) -> String {
    let stranger = TestApp::with(MemoryStore::new(), |builder| builder.key(Key::from_pem(P384).unwrap()));
    stranger.clock.set(at);
    token(&stranger).await
}

/// R-5: the issuer rotates its key while the set cannot be fetched, and for as long as nobody may ask again.
#[test]
fn r_5_a_token_of_a_key_that_may_be_new_is_503_until_the_set_is_asked_for() {
    logged(async |log| {
        let issuer = issuer();
        let set = KeySet::of(&issuer);
        let shop = Service::new(routes().with(set.verifier(&issuer)).boxed());
        let later = |seconds| issuer.clock.advance(Duration::from_secs(seconds));
        let old = token(&issuer).await;
        assert_eq!(shop.get("/plain", &old).await.status, 200);

        later(60);
        rotate(&issuer, ED25519);
        set.publish(&issuer);
        set.is_down(true);
        let new = token(&issuer).await;
        for path in ["/plain", "/optional", "/role"] {
            let answer = shop.get(path, &new).await;
            assert_eq!((answer.status, answer.code()), (503, "store_unavailable".into()), "{path}");
            assert!(answer.header("retry-after").is_some(), "{path}");
        }
        assert_eq!((shop.get("/plain", &old).await.status, set.asked()), (200, 2));
        set.is_down(false);
        later(29);
        assert_eq!(shop.get("/plain", &new).await.status, 503, "nobody may ask yet");
        later(1);
        assert_eq!((shop.get("/plain", &new).await.status, set.asked()), (200, 3));

        // The next key comes just after a fetch that succeeded.
        later(10);
        rotate(&issuer, P384);
        set.publish(&issuer);
        let newest = token(&issuer).await;
        assert_eq!((shop.get("/plain", &newest).await.status, set.asked()), (503, 3));
        later(20);
        assert_eq!((shop.get("/plain", &newest).await.status, set.asked()), (200, 4));

        let text = log.text();
        assert!(text.contains("key_set_failed") && text.contains("it is down"), "{text}");
        assert!(!text.contains("token_refused"), "the cause is not a wrong setting: {text}");
    });
}

/// R-5: a set that was fetched since, and does not have the key, decides.
#[test]
fn r_5_a_token_of_a_key_that_is_gone_or_was_never_there_is_401() {
    bounded(async {
        let issuer = issuer();
        let set = KeySet::of(&issuer);
        let shop = Service::new(routes().with(set.verifier(&issuer)).boxed());
        let later = |seconds| issuer.clock.advance(Duration::from_secs(seconds));
        let (gone, kid) = (token(&issuer).await, issuer.jwtauth.keys().signing().kid);
        assert_eq!(shop.get("/plain", &gone).await.status, 200);
        later(60);
        rotate(&issuer, ED25519);
        issuer.jwtauth.keys().remove(&kid).unwrap();
        set.publish(&issuer);
        assert_eq!(shop.get("/plain", &token(&issuer).await).await.status, 200, "fetched for the new key");
        // Also in the pause, and while the set is down: no later set would have its key again.
        set.is_down(true);
        for seconds in [0, 10, 30, 30] {
            later(seconds);
            let answer = shop.get("/plain", &gone).await;
            assert_eq!((answer.status, answer.code()), (401, "token_not_valid".into()));
        }
        set.is_down(false);
        later(30);
        // The first one asks, and is told.
        let never = invented(issuer.clock.now()).await;
        let asked = set.asked();
        assert_eq!((shop.get("/plain", &never).await.status, set.asked()), (401, asked + 1));
    });
}

/// J-8, R-5: a stranger who invents keys changes nobody else's answer, and causes one fetch in 30 seconds.
#[test]
fn j_8_r_5_invented_keys_change_no_answer_of_others() {
    bounded(async {
        let issuer = issuer();
        let set = KeySet::of(&issuer);
        let shop = Service::new(routes().with(set.verifier(&issuer)).boxed());
        let (gone, kid) = (token(&issuer).await, issuer.jwtauth.keys().signing().kid);
        issuer.clock.advance(Duration::from_secs(60));
        rotate(&issuer, ED25519);
        issuer.jwtauth.keys().remove(&kid).unwrap();
        set.publish(&issuer);
        let good = token(&issuer).await;
        assert_eq!((shop.get("/plain", &good).await.status, set.asked()), (200, 1));
        for second in 0..120_u64 {
            let now = issuer.clock.now();
            // Dated as the stranger likes.
            for at in [now, now - 50, now + 4] {
                let status = shop.get("/plain", &invented(at).await).await.status;
                assert!(matches!(status, 401 | 503), "{status}");
            }
            assert!(!matches!(shop.get("/plain", "Bearer a.b.c").await.status, 200 | 503));
            assert_eq!(shop.get("/plain", &good).await.status, 200, "{second}");
            assert_eq!(shop.get("/plain", &gone).await.status, 401, "{second}");
            issuer.clock.advance(Duration::from_secs(1));
        }
        assert!(set.asked() <= 5, "{} fetches in two minutes", set.asked());
    });
}

/// N-8, R-5: a set that was fetched while the clock was ahead says nothing of what came since.
#[test]
fn n_8_r_5_a_clock_that_was_ahead_makes_no_set_newer() {
    bounded(async {
        let issuer = issuer();
        let set = KeySet::of(&issuer);
        let verifier = set.verifier(&issuer);
        let verify =
            async |token: &str| verifier.verify(token.strip_prefix("Bearer ").unwrap()).await.map(drop);
        issuer.clock.advance(Duration::from_secs(7_200));
        assert_eq!(verify(&token(&issuer).await).await, Ok(()));
        issuer.clock.set(tests::app::START);
        rotate(&issuer, ED25519);
        set.publish(&issuer);
        set.is_down(true);
        let new = token(&issuer).await;
        assert_eq!(verify(&new).await, Err(TokenError::KeysUnavailable));
        set.is_down(false);
        issuer.clock.advance(Duration::from_secs(30));
        assert_eq!(verify(&new).await, Ok(()));
    });
}

/// The claims of a token under a header without `kid`, signed with another key, as a program of another library does.
fn nameless(bearer: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let claims = bearer.split('.').nth(1).unwrap();
    let header = format!(r#"{{"alg":"{algorithm:?}","typ":"at+jwt"}}"#);
    let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
    format!("Bearer {message}.{}", crypto::sign(message.as_bytes(), key, algorithm).unwrap())
}

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// R-10, R-5: an issuer that names no key changes its only one. Its new tokens are good at once, and the old ones as long
/// as their key is published.
#[test]
fn r_10_r_5_the_only_key_of_an_issuer_that_names_none_may_change() {
    bounded(async {
        let issuer = issuer();
        let set = KeySet::of(&issuer);
        let shop = Service::new(routes().with(set.verifier(&issuer)).boxed());
        let by_old = |at: &str| nameless(at, &EncodingKey::from_ec_der(&der(P256)), Algorithm::ES256);
        let by_new = |at: &str| nameless(at, &EncodingKey::from_ed_der(&der(ED25519)), Algorithm::EdDSA);
        let old = by_old(&token(&issuer).await);
        assert_eq!((shop.get("/plain", &old).await.status, set.asked()), (200, 1));
        issuer.clock.advance(Duration::from_secs(60));
        let former = issuer.jwtauth.keys().signing().kid;
        rotate(&issuer, ED25519);
        set.publish(&issuer);
        let new = by_new(&token(&issuer).await);
        assert_eq!((shop.get("/plain", &new).await.status, set.asked()), (200, 2), "fetched for the new key");
        assert_eq!(shop.get("/plain", &old).await.status, 200, "its key is there as a former one");
        // The next key comes when the first one is gone.
        issuer.jwtauth.keys().remove(&former).unwrap();
        rotate(&issuer, P384);
        set.publish(&issuer);
        issuer.clock.advance(Duration::from_secs(60));
        let at = token(&issuer).await;
        let newest = nameless(&at, &EncodingKey::from_ec_der(&der(P384)), Algorithm::ES384);
        assert_eq!((shop.get("/plain", &newest).await.status, set.asked()), (200, 3));
        assert_eq!(shop.get("/plain", &by_new(&at)).await.status, 200);
        assert_eq!(shop.get("/plain", &old).await.status, 401);
    });
}
