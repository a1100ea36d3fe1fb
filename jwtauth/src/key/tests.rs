//! Keys: what is refused, every form a key comes in, and that nothing of them is shown.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::strength::check_secret;
use super::*;
use crate::error::ConfigError;
use crate::private_file::{mode, set_mode};

const GOOD: &[u8] = b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG";

/// Where the keys of the tests are.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/keys").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn keys(secret: &[u8]) -> Keys {
    Keys::from_secret(Algorithm::HS256, &Secret::new(secret.to_vec()), "the secret").unwrap()
}

/// J-21, with the last good and the first bad length of each algorithm.
#[test]
fn j_21_short_secrets_are_refused() {
    let long: Vec<u8> = (0..64).map(|i: u32| (i * 37 % 251) as u8).collect();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let min = algorithm.min_secret_len().unwrap();
        assert_eq!(check_secret(algorithm, &long[..min]), Ok(()), "{algorithm:?}");
        assert!(check_secret(algorithm, &long[..min - 1]).is_err(), "{algorithm:?}");
    }
    assert!(check_secret(Algorithm::HS256, b"").is_err());
}

/// J-22 and J-4: each weak secret with the reason that is given.
#[test]
fn j_22_j_4_weak_secrets_are_refused_with_the_reason() {
    let mut der = vec![0x30, 0x82, 0x01, 0x00];
    der.extend((0..256).map(|i: u32| (i * 89 % 253) as u8));
    let cases: [(&[u8], &str); 9] = [
        (&[b'a'; 40], "fewer than 10"),
        (b"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbcccccccc", "fewer than 10"),
        (b"Correct Horse-9Correct Horse-9Correct Horse-9", "repeats itself"),
        (b"abcdefghijklmnopqrstuvwxyz0123456789", "consecutive"),
        (b"a-string-secret-at-least-256-bits-long", "published"),
        (b"django-insecure-5v#k2l$w8x)q(9z!m4n7b", "Django"),
        (b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n", "PEM"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx", "PEM"),
        (&der, "PEM"),
    ];
    for (secret, reason) in cases {
        let problem = check_secret(Algorithm::HS256, secret).unwrap_err();
        assert!(problem.contains(reason), "{problem}");
    }
    assert_eq!(check_secret(Algorithm::HS256, GOOD), Ok(()));
}

#[test]
fn the_message_says_how_to_make_a_good_one_and_keeps_the_secret() {
    let weak = b"correct horse battery staple";
    let err = Keys::from_secret(Algorithm::HS256, &Secret::new(weak.to_vec()), "the secret").unwrap_err();
    assert!(err.to_string().contains("openssl rand -base64 48"), "{err}");
    assert!(!format!("{err} {err:?}").contains("horse"));
}

/// J-10: the two kinds do not share a key, and other secrets give other keys.
#[test]
fn j_10_the_refresh_key_is_another_one() {
    let keys = keys(GOOD);
    let signature = keys.access[0].sign(b"message");
    assert!(keys.access[0].verify(b"message", &signature));
    assert!(!keys.refresh[0].verify(b"message", &signature));
    assert_ne!(keys.access[0].kid(), keys.refresh[0].kid());
    let other = Keys::from_secret(
        Algorithm::HS256,
        &Secret::new(b"another secret 0123456789 ABCDEFGHIJ".to_vec()),
        "the secret",
    )
    .unwrap();
    assert_ne!(keys.access[0].kid(), other.access[0].kid());
}

/// J-5: only the full signature counts.
#[test]
fn j_5_empty_short_long_and_zero_signatures_are_refused() {
    let key = keys(GOOD).access.remove(0);
    let good = key.sign(b"message");
    for bad in
        ["", &good[..good.len() - 1], &format!("{good}A"), &format!("{good}AA"), &"A".repeat(43), "=", "é"]
    {
        assert!(!key.verify(b"message", bad), "{bad:?}");
    }
}

/// no secret in `Debug`.
#[test]
fn r_11_debug_shows_no_key_bytes() {
    let shown = format!("{:?} {:?}", keys(GOOD), Secret::new(GOOD.to_vec()));
    assert!(!shown.contains("Z8mQ"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", &GOOD[..4])[1..8]), "{shown}");
}

/// J-4: each private key in each of its forms signs, its public half verifies, and no other key does.
#[test]
fn j_4_every_form_of_a_key_pair() {
    let forms: [(&str, Algorithm, &[&str]); 5] = [
        ("rsa-public.pem", Algorithm::RS256, &["rsa.pem", "rsa-pkcs1.pem"]),
        ("p256-public.pem", Algorithm::ES256, &["p256.pem", "p256-sec1.pem"]),
        ("ed25519-public.pem", Algorithm::EdDSA, &["ed25519.pem"]),
        ("", Algorithm::ES384, &["p384.pem"]),
        ("", Algorithm::ES512, &["p521.pem"]),
    ];
    let mut all: Vec<(Key, String)> = Vec::new();
    for (public, algorithm, private) in forms {
        let first = Key::from_pem(text(private[0])).unwrap();
        let public = if public.is_empty() { first.to_public() } else { Key::from_pem(text(public)).ok() };
        let public = public.unwrap();
        assert!(!public.can_sign());
        for name in private {
            let key = Key::from_pem(text(name)).unwrap();
            assert_eq!((key.algorithm(), key.can_sign()), (algorithm, true), "{name}");
            assert_eq!((key.kid(), key.to_jwk()), (public.kid(), public.to_jwk()), "{name}");
            let signature = key.sign(b"message");
            assert!(public.verify(b"message", &signature), "{name}");
            assert!(!public.verify(b"massage", &signature), "{name}");
            assert!(!public.verify(b"message", &signature[4..]), "{name}");
            let published = Key::from_jwk(public.to_jwk().unwrap().to_string()).unwrap();
            assert!(published.verify(b"message", &signature), "{name}");
        }
        all.push((public, first.sign(b"message")));
    }
    for (at, (key, _)) in all.iter().enumerate() {
        for (other, (_, signature)) in all.iter().enumerate() {
            assert_eq!(key.verify(b"message", signature), at == other, "{at} {other}");
        }
    }
    assert_eq!(Key::from_pem(text("rsa-public-pkcs1.pem")).unwrap().kid(), all[0].0.kid());
    for (jwk, pem) in [("rsa.jwk", "rsa.pem"), ("p256.jwk", "p256.pem")] {
        let (jwk, pem) = (Key::from_jwk(text(jwk)).unwrap(), Key::from_pem(text(pem)).unwrap());
        assert_eq!(jwk.public, pem.public);
        assert!(jwk.to_public().unwrap().verify(b"x", &jwk.sign(b"x")));
    }
}

/// M-7: programs of Windows put a mark in front of UTF-8 that nobody sees.
#[test]
fn m_7_a_byte_order_mark_is_no_part_of_a_key() {
    let marked = |text: String| format!("\u{feff}{text}");
    let pem = Key::from_pem(text("ed25519.pem")).unwrap();
    assert_eq!(Key::from_pem(marked(text("ed25519.pem"))).unwrap().kid(), pem.kid());
    let jwk = Key::from_jwk(marked(text("rsa.jwk"))).unwrap();
    assert_eq!(jwk.kid(), Key::from_jwk(text("rsa.jwk")).unwrap().kid());
    let set = json!({ "keys": [pem.to_jwk().unwrap()] }).to_string();
    assert_eq!(Key::from_jwks(marked(set)).unwrap().len(), 1);
    let folder = std::env::temp_dir().join(format!("jwtauth-marked-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for name in ["ed25519.pem", "rsa.jwk"] {
        let file = folder.join(name);
        fs::write(&file, marked(text(name))).unwrap();
        set_mode(&file, 0o600).unwrap();
        assert!(Key::from_file(&file).unwrap().can_sign(), "{name}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// J-3: every algorithm of RSA, and none but with the key that is for it.
#[test]
fn j_3_an_rsa_key_has_one_algorithm() {
    let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    let of = |name| {
        Key::from_pem(text("rsa.pem")).unwrap().with_algorithm(Algorithm::named(name).unwrap()).unwrap()
    };
    for signs in names {
        let signature = of(signs).sign(b"message");
        for verifies in names {
            assert_eq!(of(verifies).verify(b"message", &signature), signs == verifies, "{signs} {verifies}");
        }
    }
    let refused = |key: Key, algorithm| {
        assert!(matches!(key.with_algorithm(algorithm), Err(KeyError::Algorithm { .. })), "{algorithm:?}");
    };
    refused(of("RS256"), Algorithm::PS256);
    refused(of("RS256"), Algorithm::ES256);
    refused(Key::from_jwk(text("rsa.jwk")).unwrap(), Algorithm::RS256);
    refused(Key::from_pem(text("p256.pem")).unwrap(), Algorithm::ES384);
    refused(Key::from_pem(text("p256.pem")).unwrap(), Algorithm::HS256);
    refused(Key::hmac(Algorithm::HS256, GOOD).unwrap(), Algorithm::RS256);
    refused(Key::hmac(Algorithm::HS256, [GOOD, GOOD, b"x"].concat()).unwrap(), Algorithm::HS512);
    assert!(matches!(Key::hmac(Algorithm::RS256, GOOD), Err(KeyError::Algorithm { .. })));
}

/// J-4: what is refused, with the reason.
#[test]
fn j_4_bad_keys_are_refused_with_the_reason() {
    let public: Value = Key::from_pem(text("p256.pem")).unwrap().to_jwk().unwrap();
    let private: Value = serde_json::from_str(&text("p256.jwk")).unwrap();
    let other: Value = Key::from_pem(text("p256.pem")).unwrap().to_jwk().unwrap();
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key.to_string()
    };
    let flipped = |name: &str| {
        let mut bytes = BASE64URL.decode(other[name].as_str().unwrap()).unwrap();
        bytes[7] ^= 1;
        json!(BASE64URL.encode(bytes))
    };
    let rsa: Value = serde_json::from_str(&text("rsa.jwk")).unwrap();
    let pem = |name: &str| text(name);
    let cases: Vec<(String, &str)> = vec![
        (pem("rsa-1024.pem"), "at least 2048 bits"),
        (pem("secp256k1.pem"), "curve is not supported"),
        (pem("p256-encrypted.pem"), "encrypted"),
        (pem("p256.pem") + &pem("ed25519.pem"), "more than one key"),
        (pem("p256.pem").replace("PRIVATE", "PUBLIC"), "label says private"),
        (pem("ed25519.pem").replace("-----END PRIVATE", "-----END PUBLIC"), "does not end as it began"),
        (pem("ed25519-public.pem").replace("PUBLIC KEY", "CERTIFICATE"), "openssl x509"),
        ("secret".into(), "no PEM"),
        ("{}".into(), "no JWK"),
        (with(&public, "use", json!("enc")), "`use`"),
        (with(&public, "key_ops", json!(["encrypt"])), "`key_ops`"),
        (with(&public, "alg", json!("ES384")), "on P-256"),
        (with(&public, "alg", json!("RS256")), "on P-256"),
        (with(&public, "alg", json!("none")), "`alg` is not supported"),
        (with(&public, "kty", json!("RSA")), "`kty` and `crv`"),
        (with(&public, "crv", json!("P-384")), "length of its curve"),
        (with(&public, "crv", json!("secp256k1")), "`crv` is not supported"),
        (with(&public, "x", flipped("x")), "not on the curve"),
        (with(&public, "kid", json!("a\"b")), "visible ASCII"),
        (with(&public, "kid", json!("")), "visible ASCII"),
        (with(&private, "d", json!("AAAA")), "length of its curve"),
        (with(&private, "d", json!(BASE64URL.encode([9; 32]))), "do not fit"),
        (with(&private, "d", json!(BASE64URL.encode([0; 32]))), "none of its curve"),
        (with(&rsa, "n", json!("AQAB")), "2048 bits"),
        (with(&rsa, "e", json!("AQ")), "odd exponent"),
        (with(&rsa, "qi", Value::Null), "a private RSA key has"),
        (json!({"kty": "oct", "k": BASE64URL.encode(GOOD)}).to_string(), "needs an `alg`"),
        (json!({"kty": "oct", "k": "AAAA", "alg": "HS256"}).to_string(), "32 bytes"),
        (json!({"kty": "oct", "k": BASE64URL.encode(GOOD), "alg": "RS256"}).to_string(), "it is a secret"),
    ];
    for (key, reason) in cases {
        let error = Key::of_text(&key).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    assert!(matches!(Key::hmac(Algorithm::HS256, text("p256-public.pem")), Err(KeyError::Weak { .. })));
    assert!(matches!(Key::hmac(Algorithm::HS256, text("p256.jwk")), Err(KeyError::Weak { .. })));
}

/// Damaged DER is an error, whatever byte of it is gone or changed, and never a panic.
#[test]
fn damaged_der_is_refused() {
    let der_of = |name: &str| {
        let text = text(name);
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        base64::engine::general_purpose::STANDARD.decode(body).unwrap()
    };
    for name in
        ["rsa-public.pem", "p256.pem", "p384.pem", "ed25519.pem", "ed25519-public.pem", "rsa-pkcs1.pem"]
    {
        let good = der_of(name);
        assert_eq!(Key::from_der(&good).unwrap().kid(), Key::from_pem(text(name)).unwrap().kid());
        for len in 0..good.len() {
            assert!(der::read(&good[..len]).is_err(), "{name} cut to {len}");
        }
        assert!(der::read(&[&good[..], &[0]].concat()).is_err(), "{name} and a byte");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            let _ = der::read(&bad);
        }
    }
}

/// R-13, M-7: a file with a private key is its owner's alone, or is made so; a public one may be read by all.
#[cfg(unix)]
#[test]
fn r_13_m_7_a_private_key_file_is_private() {
    let directory = std::env::temp_dir().join(format!("jwtauth-key-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, mode| {
        let copy = directory.join(name);
        fs::copy(path(name), &copy).unwrap();
        set_mode(&copy, mode).unwrap();
        Key::from_file(copy)
    };
    assert!(file("p256.pem", 0o600).unwrap().can_sign());
    let is_private = |name: &str| mode(&fs::metadata(directory.join(name)).unwrap()) == 0o600;
    assert!(file("p256.pem", 0o640).unwrap().can_sign() && is_private("p256.pem"));
    assert!(file("rsa.jwk", 0o604).unwrap().can_sign() && is_private("rsa.jwk"));
    assert!(matches!(file("p256.pem", 0o602), Err(KeyError::FileMode { mode: 0o602, .. })));
    assert!(!file("p256-public.pem", 0o644).unwrap().can_sign() && !is_private("p256-public.pem"));
    set_mode(&directory, 0o777).unwrap();
    assert!(file("p256.pem", 0o640).unwrap().can_sign() && is_private("p256.pem"), "nobody else can know it");
    assert!(matches!(file("p256.pem", 0o644), Err(KeyError::FileDirectory { mode: 0o777, .. })));
    assert!(matches!(Key::from_file(directory.join("none")), Err(KeyError::File { .. })));
    fs::remove_dir_all(&directory).unwrap();
    assert!(matches!(Key::from_env("JWTAUTH_NO_SUCH_KEY"), Err(KeyError::MissingVariable { .. })));
}

/// nothing of a private key in `Debug`, in what is published, or in an error.
#[test]
fn r_11_private_parts_are_never_shown() {
    let jwk: Value = serde_json::from_str(&text("rsa.jwk")).unwrap();
    let key = Key::from_jwk(text("rsa.jwk")).unwrap();
    let shown = format!("{key:?} {:?} {}", key.to_public(), key.to_jwk().unwrap());
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(!shown.contains(&jwk[name].as_str().unwrap()[..12]), "{name}");
        assert!(key.to_jwk().unwrap().get(name).is_none(), "{name}");
    }
    assert_eq!(Key::hmac(Algorithm::HS256, GOOD).unwrap().to_jwk(), None);
    assert!(Key::hmac(Algorithm::HS256, GOOD).unwrap().to_public().is_none());
}

/// A key pair signs access tokens; what is derived for refresh tokens comes from the secret alone.
#[test]
fn j_10_refresh_tokens_do_not_follow_the_access_key() {
    let secret = Secret::new(GOOD.to_vec());
    let plain = Keys::from_secret(Algorithm::HS256, &secret, "the secret").unwrap();
    let pair = Keys::with_key(Key::from_pem(text("p256.pem")).unwrap(), &secret, "the secret").unwrap();
    assert_eq!(pair.access[0].algorithm(), Algorithm::ES256);
    assert_eq!(plain.refresh[0].kid(), pair.refresh[0].kid());
    assert_eq!(plain.sliding[0].kid(), pair.sliding[0].kid());
    let derived = [plain.access[0].kid(), plain.refresh[0].kid(), plain.sliding[0].kid()];
    assert!(
        derived.iter().all(|kid| derived.iter().filter(|other| *other == kid).count() == 1),
        "{derived:?}"
    );
    let public = Key::from_pem(text("p256-public.pem")).unwrap();
    assert!(matches!(
        Keys::with_key(public, &secret, "the secret"),
        Err(ConfigError::Key(KeyError::NotPrivate { .. }))
    ));
    let retired = Key::from_pem(text("p256.pem")).unwrap().expires_at(1);
    assert!(matches!(
        Keys::with_key(retired, &secret, "the secret"),
        Err(ConfigError::Key(KeyError::Retired { .. }))
    ));
}
