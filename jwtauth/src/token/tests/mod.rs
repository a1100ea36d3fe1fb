//! Every rule of a token, each with a token that breaks just that one. Tokens are signed with the
//! right key, so nothing but the rule can refuse them.

mod keys;
mod of_others;
mod sliding;
mod times;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::access::Verified;
use super::*;
use crate::key::{Algorithm, Key, jwk};
use crate::secret::Secret;

const NOW: u64 = 1_800_000_000;
const ID: &str = "AAECAwQFBgcICQoLDA0ODw";

fn keys() -> Keys {
    Keys::from_secret(
        Algorithm::HS256,
        &Secret::new(b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG".to_vec()),
        "the secret",
    )
    .unwrap()
}

fn expected() -> Expected<'static> {
    Expected { issuer: "iss", audience: "aud", now: NOW, ahead: None, leeway: 0, max_ttl: 300 }
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "at+jwt", "kid": keys().access[0].kid()})
}

fn claims() -> Value {
    json!({
        "iss": "iss", "aud": "aud", "sub": "42", "sid": ID, "jti": ID, "iat": NOW, "exp": NOW + 300,
        "auth_time": NOW, "token_type": "access", "roles": ["admin"],
    })
}

/// Signs any header and claims as an access token.
fn sign(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
    format!("{message}.{}", keys().access[0].sign(message.as_bytes()))
}

fn verify(token: &str) -> Result<Verified, TokenError> {
    AccessTokens::new(keys().access).unwrap().verify(token, &expected())
}

/// Returns the claims with one of them changed; `Value::Null` with the name "-x" removes x.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match name.strip_prefix('-') {
        Some(name) => drop(claims.as_object_mut().unwrap().remove(name)),
        None => claims[name] = value,
    }
    claims
}

fn verify_claims(claims: &Value) -> Result<Verified, TokenError> {
    verify(&sign(&header().to_string(), &claims.to_string()))
}

#[test]
fn a_good_token_is_good() {
    let Ok(Verified::Valid(access)) = verify_claims(&claims()) else { panic!("refused") };
    assert_eq!((&*access.subject, access.session.to_string().as_str()), ("42", ID));
}

/// J-1, J-2: form and alphabet, and J-20: length.
#[test]
fn j_1_j_2_j_20_form() {
    let good = sign(&header().to_string(), &claims().to_string());
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    // The signature of 32 bytes ends in two unused bits, so three other last characters decode alike.
    let last = signature.as_bytes()[42];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let index = alphabet.iter().position(|c| *c == last).unwrap();
    let twin = format!("{header}.{body}.{}{}", &signature[..42], char::from(alphabet[index + 1]));
    let bad = [
        String::new(),
        ".".into(),
        "..".into(),
        header.into(),
        format!("{header}.{body}"),
        format!("{header}.{body}."),
        format!(".{body}.{signature}"),
        format!("{header}..{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}="),
        format!("{header}=.{body}.{signature}"),
        format!("{header}.{body}=.{signature}"),
        good.replace(['-', '_'], "+"),
        twin,
        format!("{header}.{body}.é"),
        "eyJhbGciOiJkaXIifQ.a.b.c.d".into(),
        good.repeat(40),
        ".".repeat(1_000_000),
    ];
    assert!(verify(&good).is_ok());
    for token in bad.iter().filter(|token| **token != good) {
        assert!(verify(token).is_err(), "{}", &token[..token.len().min(200)]);
    }
}

/// J-1, J-20: what is no token by its form alone, before anything is decoded.
#[test]
fn j_1_j_20_form_comes_first() {
    for token in ["", ".", "..", "a", "a.b", "a.b.", ".b.c", "a.b.c.d", ".a.b.c"] {
        assert!(matches!(Parts::of(token), Err(TokenError::Malformed)), "{token}");
    }
    let long = |len: usize| format!("a.b.{}", "c".repeat(len - 4));
    assert!(Parts::of(&long(8_192)).is_ok());
    assert!(matches!(Parts::of(&long(8_193)), Err(TokenError::TooLong)));
}

/// J-3, J-4, J-7, J-8, J-9, J-10, J-11, J-12: headers that are signed and refused all the same.
#[test]
fn j_3_j_7_j_8_j_9_headers() {
    let claims = claims().to_string();
    let kid = keys().access[0].kid().to_owned();
    let accepted = [
        json!({"alg": "HS256", "typ": "at+jwt"}),
        json!({"typ": "AT+JWT", "alg": "HS256", "kid": kid}),
        json!({"alg": "HS256", "typ": "application/at+jwt", "kid": kid}),
        json!({"alg": "HS256", "typ": "at+jwt", "jku": "https://attacker.example/jwks", "x": {"y": [1]}}),
    ];
    for header in accepted {
        assert!(verify(&sign(&header.to_string(), &claims)).is_ok(), "{header}");
    }
    let refused = [
        json!({"alg": "none", "typ": "at+jwt"}),
        json!({"alg": "NONE", "typ": "at+jwt"}),
        json!({"alg": "hs256", "typ": "at+jwt"}),
        json!({"alg": "HS384", "typ": "at+jwt"}),
        json!({"alg": "RS256", "typ": "at+jwt"}),
        json!({"alg": ["HS256"], "typ": "at+jwt"}),
        json!({"alg": null, "typ": "at+jwt"}),
        json!({"typ": "at+jwt"}),
        json!({"alg": "HS256"}),
        json!({"alg": "HS256", "typ": "JWT"}),
        json!({"alg": "HS256", "typ": "rt+jwt"}),
        json!({"alg": "HS256", "typ": null}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": ""}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": "../../dev/null"}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": 1}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": null}),
        json!({"alg": "HS256", "typ": "at+jwt", "crit": ["exp"]}),
        json!({"alg": "HS256", "typ": "at+jwt", "crit": []}),
        json!({"alg": "HS256", "typ": "at+jwt", "b64": false}),
        json!({"alg": "HS256", "typ": "at+jwt", "b64": true}),
        json!({"alg": "HS256", "typ": "at+jwt", "zip": "DEF"}),
        json!({"alg": "HS256", "typ": "at+jwt", "cty": "JWT"}),
        json!({"alg": "HS256", "typ": "at+jwt", "enc": "A128GCM"}),
        json!(["HS256"]),
    ];
    for header in refused {
        assert!(verify(&sign(&header.to_string(), &claims)).is_err(), "{header}");
    }
    for header in [
        r#"{"alg":"HS256","alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"none","alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"} "x""#,
        "\u{feff}{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
        "",
    ] {
        assert!(verify(&sign(header, &claims)).is_err(), "{header}");
    }
}

/// J-13, J-14, J-15, J-17, J-18, J-19, J-23: each claim with what it must not be.
#[test]
fn j_13_to_j_19_claims() {
    let not_a_text = || vec![json!(null), json!(1), json!(true), json!(["x"]), json!({}), json!("")];
    let not_a_time = || {
        vec![
            json!(null),
            json!("1800000000"),
            json!(true),
            json!([NOW]),
            json!({}),
            json!(-1),
            json!(-1.5),
            json!(1e300),
        ]
    };
    let mut refused: Vec<(&str, Value)> = Vec::new();
    for name in ["iss", "sub", "sid", "jti", "token_type"] {
        refused.extend(not_a_text().into_iter().map(|value| (name, value)));
    }
    for name in ["exp", "iat", "nbf", "auth_time"] {
        refused.extend(not_a_time().into_iter().map(|value| (name, value)));
    }
    let absent = ["-iss", "-aud", "-sub", "-sid", "-jti", "-iat", "-exp", "-auth_time", "-token_type"];
    refused.extend(absent.map(|name| (name, Value::Null)));
    refused.extend([
        ("iss", json!("ISS")),
        ("iss", json!("iss/")),
        ("iss", json!("is")),
        ("aud", json!(null)),
        ("aud", json!(1)),
        ("aud", json!([])),
        ("aud", json!(["aud", 1])),
        ("aud", json!("AUD")),
        ("aud", json!("aud2")),
        ("aud", json!({"aud": "aud"})),
        ("sid", json!("../x")),
        ("sid", json!("AAECAwQFBgcICQoLDA0ODx")),
        ("jti", json!("1")),
        ("token_type", json!("refresh")),
        ("token_type", json!("Access")),
        ("exp", json!(u64::MAX)),
        ("exp", json!(NOW * 1000)),
        ("exp", json!(LAST_SECOND + 1)),
        ("iat", json!(NOW + 1)),
        ("iat", json!(NOW as f64 + 1.0)),
        ("nbf", json!(NOW + 1)),
        ("nbf", json!(NOW as f64 + 1.5)),
        ("exp", json!(NOW as f64 + 0.5)),
    ]);
    for (name, value) in refused {
        assert!(
            !matches!(verify_claims(&with(name, value.clone())), Ok(Verified::Valid(_))),
            "{name} = {value}"
        );
    }
    let accepted = [
        ("aud", json!(["x", "aud"])),
        ("nbf", json!(NOW)),
        ("nbf", json!(NOW as f64 - 0.5)),
        ("nbf", json!(NOW as f64 + 0.9)),
        ("iat", json!(NOW as f64 + 0.9)),
        ("exp", json!(NOW as f64 + 1.5)),
        ("roles", json!(null)),
        ("anything", json!({"deep": [[[1]]]})),
    ];
    for (name, value) in accepted {
        assert!(
            matches!(verify_claims(&with(name, value.clone())), Ok(Verified::Valid(_))),
            "{name} = {value}"
        );
    }
}

/// J-12, J-11: the payload as a text.
#[test]
fn j_11_j_12_payloads() {
    let good = claims().to_string();
    let header = header().to_string();
    let members = &good[1..good.len() - 1];
    for bad in [
        format!(r#"{{{members},"sub":"1"}}"#),
        format!(r#"{{{members},"\u0073ub":"42"}}"#),
        format!(r#"{{{members},"x":1,"x":1}}"#),
        format!("{good}{good}"),
        format!("{good} x"),
        format!("[{good}]"),
        format!("\u{feff}{good}"),
        format!(r#"{{{members},"x":NaN}}"#),
        format!(r#"{{{members},"x":{}1{}}}"#, "[".repeat(16), "]".repeat(16)),
        "null".into(),
        "\"x\"".into(),
    ] {
        assert!(verify(&sign(&header, &bad)).is_err(), "{bad}");
    }
    // Invalid UTF-8 inside a claim that nobody reads.
    let mut bytes = format!(r#"{{{members},"x":"?"}}"#).into_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xff;
    let message = format!("{}.{}", BASE64URL.encode(&header), BASE64URL.encode(bytes));
    assert_eq!(
        verify(&format!("{message}.{}", keys().access[0].sign(message.as_bytes()))),
        Err(TokenError::Malformed)
    );
}

/// J-24: what was verified once opens nothing for a token that differs in any character.
#[test]
fn j_24_a_token_that_was_seen_vouches_for_no_other() {
    let tokens = AccessTokens::new(keys().access).unwrap();
    let good = sign(&header().to_string(), &claims().to_string());
    for _ in 0..2 {
        assert!(matches!(tokens.verify(&good, &expected()), Ok(Verified::Valid(_))));
        for at in 0..good.len() {
            let mut other = good.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(tokens.verify(&other, &expected()).is_err(), "character {at}");
        }
    }
}

/// J-10: neither kind passes for the other, whichever of `typ`, claim and key is forged.
#[test]
fn j_10_kinds_are_exclusive() {
    let refresh = RefreshTokens::new(keys().refresh).unwrap();
    let genuine = refresh.issue(&crate::claims::RefreshClaims {
        iss: "iss",
        aud: None,
        sub: "42",
        sid: ID.into(),
        generation: 3,
        jti: ID.into(),
        iat: NOW,
        exp: NOW + 300,
        clock_ahead: 0,
        token_type: "refresh",
    });
    assert_eq!(refresh.verify(&genuine, &expected()).unwrap().generation, 3);
    assert!(verify(&genuine).is_err(), "a refresh token is no access token");
    let access = sign(&header().to_string(), &claims().to_string());
    assert!(refresh.verify(&access, &expected()).is_err(), "an access token is no refresh token");
    // Dressed up as a refresh token, but signed with the key of access tokens.
    let dressed = with("token_type", json!("refresh"));
    let header = json!({"alg": "HS256", "typ": "rt+jwt"}).to_string();
    assert_eq!(
        refresh.verify(&sign(&header, &dressed.to_string()), &expected()),
        Err(TokenError::BadSignature)
    );
    // Signed as one, without the claim that makes it one.
    let sign = |claims: &Value| {
        let message = format!("{}.{}", BASE64URL.encode(&header), BASE64URL.encode(claims.to_string()));
        format!("{message}.{}", keys().refresh[0].sign(message.as_bytes()))
    };
    assert_eq!(refresh.verify(&sign(&dressed), &expected()), Err(TokenError::Claim("gen")));
    let mut whole = dressed;
    whole["gen"] = json!(0);
    assert_eq!(refresh.verify(&sign(&whole), &expected()).unwrap().generation, 0);
}

/// J-5: a signature counts in full.
#[test]
fn j_5_signatures() {
    let good = sign(&header().to_string(), &claims().to_string());
    let (message, signature) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "A".repeat(43),
        signature[..42].into(),
        format!("{signature}AA"),
        signature[1..].into(),
        "AA".into(),
    ] {
        assert!(verify(&format!("{message}.{bad}")).is_err(), "{bad}");
    }
}

/// Returns the folder of public test vectors, which is not part of the project.
fn vectors(name: &str) -> Option<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(name);
    let text = fs::read_to_string(path).ok();
    if text.is_none() {
        println!("skipped: no vectors/{name} beside the project");
    }
    text
}

/// J-11, with the cases of the JSON parsing test suite as claims and as header.
#[test]
fn j_11_json_test_suite() {
    let Some(cases) = vectors("json_parsing_cases.jsonl") else { return };
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        let raw =
            base64::engine::general_purpose::STANDARD.decode(case["raw_b64"].as_str().unwrap()).unwrap();
        let parsed =
            std::str::from_utf8(&raw).map_err(|_| ()).and_then(|text| Object::parse(text).map_err(drop));
        let is_object = raw.trim_ascii().starts_with(b"{");
        match case["expect"].as_str().unwrap() {
            "n" => assert!(parsed.is_err(), "{}", case["name"]),
            "y" => {
                assert_eq!(parsed.is_ok(), is_object && case["duplicate_keys"] != true, "{}", case["name"])
            }
            _ => {}
        }
    }
}
