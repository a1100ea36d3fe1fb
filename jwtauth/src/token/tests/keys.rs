//! Which key a token is verified with: the public vectors, rotation, and sets of keys.

use super::*;
use crate::token::ring::Held;

/// J-6, and J-2, J-3, J-4, J-5, J-7, J-21: all public vectors with a verdict.
#[test]
fn j_6_public_jws_vectors() {
    let Some(vectors) = vectors("jws_vectors.jsonl") else { return };
    let (mut agreed, mut skipped) = (0, 0);
    for vector in vectors.lines() {
        let vector: Value = serde_json::from_str(vector).unwrap();
        if vector["gate_expected"] == "skip" {
            skipped += 1;
            continue;
        }
        let verified = keys_of(&vector)
            .and_then(|keys| Ring::verify_only("at+jwt", keys).ok())
            .is_some_and(|ring| is_signed(vector["jws"].as_str().unwrap_or_default(), &ring.held()));
        assert_eq!(verified, vector["gate_expected"] == "valid", "{} {}", vector["id"], vector["comment"]);
        agreed += 1;
    }
    println!("{agreed} vectors agree, {skipped} have no verdict");
    assert_eq!(agreed, 486);
}

/// J-6: the examples of the standards themselves (RFC 7515, appendices A.1 and A.3; RFC 8037, appendix A.4),
/// also where no file of vectors is at hand.
#[test]
fn j_6_the_examples_of_the_standards() {
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let hmac = json!({
        "kty": "oct", "alg": "HS256",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    });
    let p256 = json!({
        "kty": "EC", "alg": "ES256", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    });
    let ed25519 = json!({
        "kty": "OKP", "alg": "EdDSA", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    });
    let examples = [
        (
            &hmac,
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}"),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            &p256,
            format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            &ed25519,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".into(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (key, message, signature) in examples {
        let key = Key::of_vector(&key.to_string()).unwrap();
        assert!(key.verify(message.as_bytes(), signature), "{message}");
        assert!(!key.verify(format!("{message}A").as_bytes(), signature), "{message}");
        // Where there is one signature only, it is the one that we make.
        if key.algorithm() != Algorithm::ES256 {
            assert_eq!(key.sign(message.as_bytes()), signature);
        }
    }
}

/// The keys of a vector; `None` where they are refused.
fn keys_of(vector: &Value) -> Option<Vec<Key>> {
    let mut keys = vector["keys"].as_array().unwrap().clone();
    // A key that does not name its algorithm gets it from its operator.
    for key in keys.iter_mut().filter(|key| key.get("alg").is_none()) {
        key["alg"] = vector["header_alg"].clone();
    }
    if let [key] = &*keys {
        return Key::of_vector(&key.to_string()).ok().map(|key| vec![key]);
    }
    jwk::read_set(&json!({"keys": keys}).to_string(), Key::of_vector).ok().map(|set| set.keys)
}

/// What `Envelope::open` does, except for `typ`, which the vectors do not have.
fn is_signed(jws: &str, held: &Held) -> bool {
    let Ok(parts) = Parts::of(jws) else { return false };
    let Ok(header) = decode(parts.header) else { return false };
    let Ok(header) = Object::parse(&header) else { return false };
    found_key(held, &header, &parts).is_ok_and(|found| found.signed(&parts))
        && BASE64URL.decode(parts.claims).is_ok()
}

/// A key of a curve, with a name.
fn pair(kid: &str) -> Key {
    let pem = include_str!("../../../../tests/keys/p256.pem");
    Key::from_pem(pem).unwrap().with_kid(kid).unwrap()
}

/// Issues the same access token each time, as far as its signature allows.
fn issue(tokens: &AccessTokens) -> String {
    tokens.issue(&crate::claims::AccessClaims {
        iss: "iss",
        aud: "aud",
        sub: "42",
        client_id: Some("shop"),
        sid: ID.into(),
        jti: ID.into(),
        iat: NOW,
        exp: NOW + 300,
        auth_time: NOW,
        clock_ahead: 0,
        token_type: "access",
        roles: &[],
        scope: String::new(),
        own: &Default::default(),
    })
}

/// N-28: an answer is repeated with the same claims only where these make the same token again.
#[test]
fn n_28_it_is_known_which_keys_sign_alike() {
    let pem = |text: &str| Key::from_pem(text).unwrap();
    let rsa =
        |algorithm| pem(include_str!("../../../../tests/keys/rsa.pem")).with_algorithm(algorithm).unwrap();
    for (key, alike) in [
        (keys().access.remove(0), true),
        (pem(include_str!("../../../../tests/keys/ed25519.pem")), true),
        (rsa(Algorithm::RS256), true),
        (rsa(Algorithm::PS256), false),
        // It depends on the crate that signs (RFC 6979).
        (pair("pair"), false),
    ] {
        let (name, tokens) = (key.algorithm().name(), AccessTokens::new(vec![key]).unwrap());
        assert_eq!(tokens.writes_alike(), alike, "{name}");
        assert!(name == "ES256" || (issue(&tokens) == issue(&tokens)) == alike, "{name}");
    }
}

/// add, sign, retire, remove; and what each does to tokens, seen before or not.
#[test]
fn r_10_a_rotation_step_by_step() {
    let tokens = AccessTokens::new(keys().access).unwrap();
    let ring = tokens.ring();
    let old_kid = keys().access[0].kid().to_owned();
    let issue = || issue(&tokens);
    let at = |token: &str, now| tokens.verify(token, &Expected { now, ..expected() });
    let is_good = |token: &str| matches!(at(token, NOW), Ok(Verified::Valid(_)));
    let old = issue();
    assert!(is_good(&old));
    let strange = AccessTokens::new(vec![pair("new")]).unwrap();
    let early = strange.envelope.seal(&claims());
    assert_eq!(at(&early, NOW), Err(TokenError::UnknownKey));

    ring.add(pair("new"), NOW).unwrap();
    assert!(is_good(&early), "verifies before it signs");
    assert_eq!(issue().split_once('.').unwrap().0, old.split_once('.').unwrap().0);
    ring.sign_with("new").unwrap();
    let new = issue();
    assert!(is_good(&old) && is_good(&new));
    assert_ne!(new.split_once('.').unwrap().0, old.split_once('.').unwrap().0);
    // A header as we write it needs no reading: it stands for its key.
    for (token, kid) in [(&old, &*old_kid), (&new, "new")] {
        let held = ring.held();
        let found = held.by_header(token.split_once('.').unwrap().0).unwrap();
        assert_eq!(found.key.kid(), kid);
    }

    assert!(matches!(ring.retire("new", NOW + 9), Err(KeyError::Signs { .. })));
    assert!(matches!(ring.remove("new"), Err(KeyError::Signs { .. })));
    assert_eq!(ring.retire(&old_kid, NOW + 100).unwrap(), NOW + 100);
    assert_eq!(ring.retire(&old_kid, NOW + 200).unwrap(), NOW + 100, "an end does not move away");
    assert!(matches!(ring.sign_with(&old_kid), Err(KeyError::Retired { .. })));
    assert!(matches!(at(&old, NOW + 99), Ok(Verified::Valid(_))));
    assert_eq!(at(&old, NOW + 100), Err(TokenError::UnknownKey), "though it was seen");

    ring.add(pair("later"), NOW + 99).unwrap();
    assert!(is_good(&old) && is_good(&old), "a key that comes drives out none that is good");
    ring.remove(&old_kid).unwrap();
    assert_eq!(at(&old, NOW), Err(TokenError::UnknownKey), "though it was seen");
    assert!(is_good(&new), "the key that signs has moved up in the list");
    assert!(is_good(&issue()));
    assert!(matches!(ring.remove(&old_kid), Err(KeyError::Unknown { .. })));
    assert!(matches!(ring.add(pair("new"), NOW), Err(KeyError::Known { .. })));
    ring.retire("later", NOW + 100).unwrap();
    ring.add(pair("last"), NOW + 100).unwrap();
    assert!(matches!(ring.remove("later"), Err(KeyError::Unknown { .. })), "its time was over");
}

/// what was verified is good under the keys that there were then, and under no others.
#[test]
fn r_10_a_token_that_was_verified_stays_good_until_a_key_changes() {
    let tokens = AccessTokens::new(keys().access).unwrap();
    let token = sign(&header().to_string(), &claims().to_string());
    let mut before = None;
    for name in ["one", "two", "three"] {
        assert!(matches!(tokens.verify(&token, &expected()), Ok(Verified::Valid(_))));
        let assurance = tokens.assurance(&token).unwrap();
        assert!(tokens.is_still_good(&assurance, &expected()), "before {name}");
        assert!(before.is_none_or(|before| !tokens.is_still_good(&before, &expected())), "before {name}");
        tokens.ring().add(pair(name), NOW).unwrap();
        assert!(!tokens.is_still_good(&assurance, &expected()), "after {name}");
        before = Some(assurance);
    }
}

/// J-3, J-8: a `kid` is a name in a list, and its key has one algorithm. Without one, no other algorithm is
/// tried out than that of the key that signs.
#[test]
fn j_8_a_header_chooses_no_algorithm() {
    let mut both = keys().access;
    both.push(pair("pair"));
    let tokens = AccessTokens::new(both).unwrap();
    let hmac = keys().access.remove(0);
    let verify = |header: Value, key: &Key| {
        let message =
            format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims().to_string()));
        tokens.verify(&format!("{message}.{}", key.sign(message.as_bytes())), &expected()).map(drop)
    };
    let (kid, pair) = (hmac.kid(), pair("pair"));
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "at+jwt", "kid": kid});
    assert_eq!(verify(header("HS256", kid), &hmac), Ok(()));
    assert_eq!(verify(header("ES256", "pair"), &pair), Ok(()));
    assert_eq!(verify(header("ES256", kid), &pair), Err(TokenError::WrongAlgorithm));
    assert_eq!(verify(header("HS256", "pair"), &hmac), Err(TokenError::WrongAlgorithm));
    assert_eq!(verify(header("ES384", "pair"), &pair), Err(TokenError::WrongAlgorithm));
    assert_eq!(verify(header("ES256", "/dev/null"), &pair), Err(TokenError::UnknownKey));
    // Without a name: the one that signs.
    assert_eq!(verify(json!({"alg": "HS256", "typ": "at+jwt"}), &hmac), Ok(()));
    assert_eq!(verify(json!({"alg": "ES256", "typ": "at+jwt"}), &pair), Err(TokenError::WrongAlgorithm));
    // J-4: the public key as an HMAC secret.
    let public = pair.to_public().unwrap().to_jwk().unwrap();
    let confused = Key::hmac(Algorithm::HS256, public["x"].as_str().unwrap()).unwrap();
    assert_eq!(verify(header("HS256", "pair"), &confused), Err(TokenError::WrongAlgorithm));
}

/// R-10, J-8: who writes no name may have signed before the key was changed. The old key counts as long as it
/// is there.
#[test]
fn r_10_j_8_a_token_without_a_name_is_good_while_its_key_is_here() {
    let secret = |secret: &str| Key::hmac(Algorithm::HS256, secret).unwrap();
    let sealed = |key: &Key| {
        let header = json!({"alg": "HS256", "typ": "at+jwt"}).to_string();
        let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims().to_string()));
        format!("{message}.{}", key.sign(message.as_bytes()))
    };
    let [old, new, other] = [
        "Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG",
        "q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg",
        "m0c4l9dS1kQ7vXyZ2bN5hJ8tR3wE6uA9",
    ]
    .map(secret);
    let tokens = AccessTokens::new(vec![new.clone(), pair("pair"), old.clone()]).unwrap();
    let verify = |key: &Key| tokens.verify(&sealed(key), &expected()).map(drop);
    assert_eq!((verify(&new), verify(&old)), (Ok(()), Ok(())));
    assert_eq!(verify(&other), Err(TokenError::BadSignature));
    tokens.ring().retire(old.kid(), NOW).unwrap();
    assert_eq!(verify(&old), Err(TokenError::UnknownKey), "its time is over");
    tokens.ring().remove(old.kid()).unwrap();
    assert_eq!((verify(&old), verify(&new)), (Err(TokenError::BadSignature), Ok(())));
    // Where none signs, as behind a verifier: each key that is known, and no other.
    let ring = Ring::verify_only("at+jwt", vec![pair("pair"), old.clone(), new.clone()]).unwrap();
    for (key, known) in [(&old, true), (&new, true), (&other, false)] {
        assert_eq!(is_signed(&sealed(key), &ring.held()), known);
    }
}

/// J-4, J-8: sets of keys are taken as a whole or not at all; what is not for us is passed over.
#[test]
fn j_4_sets_of_keys() {
    let jwk = |kid: &str| pair(kid).to_public().unwrap().to_jwk().unwrap();
    let read = |keys: Value| {
        let keys = Key::from_jwks(json!({"keys": keys}).to_string())?;
        Ok::<_, KeyError>(keys.iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>())
    };
    let encrypts = {
        let mut key = jwk("c");
        key["use"] = json!("enc");
        key
    };
    let unknown = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"});
    assert_eq!(read(json!([jwk("a"), encrypts, unknown, jwk("b")])).unwrap(), ["a", "b"]);
    assert_eq!(read(json!([jwk("a"), jwk("a")])).unwrap(), ["a"]);
    assert_eq!(read(json!([jwk("a"), {"kty": "oct", "k": "AAAA", "alg": "HS256"}])).unwrap(), ["a"]);
    assert_eq!(read(json!(vec![jwk("a"); 33])).unwrap(), ["a"]);
    let many: Vec<_> = (0..40).map(|number| jwk(&number.to_string())).collect();
    assert_eq!(read(json!(many)).unwrap().len(), 32);
    assert!(read(json!("x")).is_err());
}
