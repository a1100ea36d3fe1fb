//! Published key sets as they are: with keys of other kinds, broken keys, and one key twice.

use jwtauth::keys::Algorithm;
use serde_json::json;

use super::*;

const ED25519: &str = include_str!("../../keys/ed25519.pem");
const P384: &str = include_str!("../../keys/p384.pem");
const RSA: &str = include_str!("../../keys/rsa.pem");

/// A verifier that gets this set, whatever it asks.
fn of_set(issuer: &TestApp, set: String) -> Verifier {
    builder(issuer)
        .key_set_with("https://login.example.com/jwks.json", move |_| {
            std::future::ready(Ok(set.clone().into_bytes()))
        })
        .build()
        .unwrap()
}

fn public(pem: &str) -> Value {
    Key::from_pem(pem).unwrap().to_jwk().unwrap()
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

async fn token(issuer: &TestApp) -> String {
    let bearer = bearer(issuer, 1, &[], &[]).await;
    bearer.strip_prefix("Bearer ").unwrap().to_owned()
}

fn lines(log: &tests::log::Log, text: &str) -> usize {
    log.text().lines().filter(|line| line.contains("WARN") && line.contains(text)).count()
}

/// N-29: each bad key is passed over, with its reason, wherever it stands; every other key stays usable.
#[test]
fn n_29_one_bad_key_makes_no_other_one_unusable() {
    let good = public(P256);
    let same_name = |key: Value| with(key, "kid", good["kid"].clone());
    let private: Value = serde_json::from_str(include_str!("../../keys/p256.jwk")).unwrap();
    let cases: Vec<(String, &str)> = [
        (json!(null), "is no JWK"),
        (json!("text"), "is no JWK"),
        (json!({}), "is no JWK"),
        (json!({"kty": 7}), "is no JWK"),
        (with(public(P384), "x", json!("a=b")), "no base64url"),
        (with(public(P384), "x", json!(5)), "of a wrong type"),
        (with(public(P384), "x", json!("AAAA")), "length of its curve"),
        (with(public(P384), "kid", json!(9)), "of a wrong type"),
        (with(public(P384), "kid", json!("two words")), "visible ASCII"),
        (with(public(P384), "key_ops", json!(["encrypt"])), "`key_ops`"),
        (with(public(P384), "use", json!("tls")), "`use`"),
        (with(public(P384), "alg", json!("ES256")), "on P-384"),
        (with(public(P384), "alg", json!("ES384X")), "`alg` is not supported"),
        (json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "pq"}), "`alg` is not supported"),
        (json!({"kty": "AKP", "pub": "AAAA", "kid": "pq"}), "`kty` and `crv`"),
        (json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}), "`kty` and `crv`"),
        (json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}), "`crv` is not supported"),
        (with(public(RSA), "n", json!("AQAB")), "at least 2048 bits"),
        (with(public(RSA), "e", json!("AQ")), "odd exponent"),
        (with(private, "kid", json!("p")), "it is private"),
        (
            json!({"kty": "oct", "alg": "HS256", "kid": "s", "k": "bTBjNGw5ZFMxa1E3dlh5WjJiTjVoSjh0UjN3RTZ1QTlwTGdG"}),
            "it is private",
        ),
        (good.clone(), "it is in the set twice"),
    ]
    .map(|(key, reason)| (key.to_string(), reason))
    .into_iter()
    .chain([
        // What serde_json's own values cannot hold.
        (format!("{}{}", "[".repeat(500), "]".repeat(500)), "is no JWK"),
        (r#"{"kty":"EC","kid":"n","n":1e999}"#.into(), "is no JWK"),
        (r#"{"kty":"EC","kty":"EC"}"#.into(), "is no JWK"),
    ])
    .collect();
    for (bad, reason) in cases {
        for set in [format!(r#"{{"keys":[{bad},{good}]}}"#), format!(r#"{{"keys":[{good},{bad}]}}"#)] {
            logged(async |log| {
                let issuer = issuer();
                let verified = of_set(&issuer, set.clone()).verify(&token(&issuer).await).await;
                assert!(verified.is_ok(), "{set}: {verified:?}");
                assert_eq!(lines(log, "key_skipped"), 1, "{set}: {}", log.text());
                assert_eq!(lines(log, reason), 1, "{set}: {}", log.text());
            });
        }
    }
    // Two keys of one name: the first counts, and a third one does not mind.
    let others = [same_name(public(P384)), public(ED25519)];
    let set = json!({"keys": [good, others[0], others[1]]}).to_string();
    logged(async |log| {
        for pem in [P256, ED25519] {
            let issuer =
                TestApp::with(MemoryStore::new(), |builder| builder.key(Key::from_pem(pem).unwrap()));
            assert!(of_set(&issuer, set.clone()).verify(&token(&issuer).await).await.is_ok());
        }
        assert_eq!(lines(log, "an earlier key has this `kid`"), 2, "{}", log.text());
    });
}

/// N-29: the log says it once, not with each fetch; keys for encryption are no surprise; the first 32 count.
#[test]
fn n_29_the_log_names_each_skipped_key_once() {
    logged(async |log| {
        let issuer = issuer();
        let encrypts = with(with(public(RSA), "use", json!("enc")), "alg", json!("RSA-OAEP"));
        let more: Vec<_> = (0..40).map(|at| with(public(P384), "kid", json!(format!("key-{at}")))).collect();
        let first = vec![encrypts, public(P256), json!({"kty": "none", "kid": "odd"})];
        let set = json!({"keys": ([first, more].concat())});
        let verifier = of_set(&issuer, set.to_string());
        for _ in 0..3 {
            assert!(verifier.verify(&token(&issuer).await).await.is_ok());
            issuer.clock.advance(Duration::from_secs(300));
        }
        assert_eq!(lines(log, r#"key "odd" of the set is passed over"#), 1, "{}", log.text());
        assert_eq!(lines(log, "holds at most 32 keys"), 9, "{}", log.text());
        assert_eq!(lines(log, "key_skipped"), 10, "{}", log.text());
    });
}

/// N-29: when no key is left, the log has the reason of each, and none that is not true.
#[test]
fn n_29_the_log_says_why_no_key_can_be_used() {
    for (set, reasons) in [
        (
            json!({"keys": [with(public(RSA), "n", json!("AQAB")), {"kty": "x", "kid": "y"}]}),
            &["2048 bits", r#""y""#][..],
        ),
        (json!({"keys": []}), &["an issuer that signs with a secret publishes none"]),
        (json!({"keys": [with(public(RSA), "use", json!("enc"))]}), &["no key for signatures"]),
        (json!({"keys": {}}), &["no JWK set"]),
        (json!([]), &["no JWK set"]),
    ] {
        logged(async |log| {
            let issuer = issuer();
            let refused = of_set(&issuer, set.to_string()).verify(&token(&issuer).await).await.unwrap_err();
            assert_eq!(refused, TokenError::KeysUnavailable);
            for reason in reasons {
                assert_eq!(lines(log, reason), 1, "{set}: {}", log.text());
            }
            let is_empty =
                reasons.iter().any(|reason| reason.contains("an issuer that") || reason.contains("for sign"));
            assert_eq!(log.text().contains("publishes none"), is_empty, "{set}: {}", log.text());
        });
    }
}

/// N-29: the same for keys that the application reads itself.
#[test]
fn n_29_a_set_from_a_file_loses_its_bad_keys_only() {
    let kids = |set: Value| -> Vec<String> {
        Key::from_jwks(set.to_string()).unwrap().iter().map(|key| key.kid().to_owned()).collect()
    };
    let secret = |kid: &str| json!({"kty": "oct", "alg": "HS256", "kid": kid, "k": "bTBjNGw5ZFMxa1E3dlh5WjJiTjVoSjh0UjN3RTZ1QTlwTGdG"});
    let named = |pem: &str, kid: &str| with(public(pem), "kid", json!(kid));
    assert_eq!(kids(json!({"keys": [secret("s"), secret("t"), secret("s")]})), ["t"]);
    assert_eq!(kids(json!({"keys": [secret("s"), named(P256, "a"), named(P384, "a"), {}]})), ["a"]);
    assert!(kids(json!({"keys": [{}]})).is_empty());
    assert!(Key::from_jwks("[]").is_err());
}

/// N-29: Ed25519 under both of its names (RFC 9864). A key that names one is for tokens that name it too.
#[test]
fn n_29_j_3_ed25519_has_two_names() {
    bounded(async {
        for (signs, wanted) in [(None, "EdDSA"), (Some(Algorithm::Ed25519), "Ed25519")] {
            let key = Key::from_pem(ED25519).unwrap();
            let key = signs.map_or(Ok(key.clone()), |signs| key.with_algorithm(signs)).unwrap();
            assert_eq!((key.algorithm().name(), &key.to_jwk().unwrap()["alg"]), (wanted, &json!(wanted)));
            let issuer = TestApp::with(MemoryStore::new(), |builder| builder.key(key));
            let token = token(&issuer).await;
            for (stated, good) in [
                (json!("EdDSA"), wanted == "EdDSA"),
                (json!("Ed25519"), wanted == "Ed25519"),
                (Value::Null, true),
                (json!("ed25519"), false),
                (json!("Ed448"), false),
            ] {
                let set = json!({"keys": [with(public(ED25519), "alg", stated.clone())]}).to_string();
                let verified = of_set(&issuer, set).verify(&token).await;
                assert_eq!(verified.is_ok(), good, "{wanted} {stated}: {verified:?}");
            }
        }
    });
}
