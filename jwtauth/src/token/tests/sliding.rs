//! Sliding tokens: two ends of life, a key and a `typ` of their own, and each claim that must be there.

use super::*;
use crate::claims::{AccessClaims, SlidingClaims};
use crate::token::sliding::{Sliding, SlidingTokens};

/// How long such a token can be renewed, in seconds.
const REFRESH_TTL: u64 = 86_400;

fn tokens() -> SlidingTokens {
    SlidingTokens::new(keys().sliding).unwrap()
}

fn sliding_claims() -> Value {
    json!({
        "iss": "iss", "aud": "aud", "sub": "42", "sid": ID, "gen": 7, "jti": ID, "iat": NOW, "exp": NOW + 300,
        "refresh_exp": NOW + REFRESH_TTL, "auth_time": NOW, "token_type": "sliding", "roles": ["admin"],
    })
}

/// Signs any claims as a sliding token, with the right key.
fn sealed(claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "st+jwt", "kid": keys().sliding[0].kid()}).to_string();
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims.to_string()));
    format!("{message}.{}", keys().sliding[0].sign(message.as_bytes()))
}

fn at(claims: &Value, now: u64) -> Result<Verified<Sliding>, TokenError> {
    tokens().verify(&sealed(claims), &Expected { now, ..expected() }, REFRESH_TTL)
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = sliding_claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = sliding_claims();
    assert!(claims.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    claims
}

#[test]
fn a_good_sliding_token_names_its_session_and_its_generation() {
    let access = AccessClaims {
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
        token_type: "sliding",
        roles: &[],
        scope: String::new(),
        own: &Default::default(),
    };
    let issued = tokens().issue(&SlidingClaims { access, generation: 7, refresh_exp: NOW + REFRESH_TTL });
    let tokens = tokens();
    assert!(tokens.begins(&issued));
    // The second time it is remembered.
    for _ in 0..2 {
        let Ok(Verified::Valid(sliding)) = tokens.verify(&issued, &expected(), REFRESH_TTL) else {
            panic!("refused")
        };
        assert_eq!((&*sliding.subject, sliding.generation), ("42", 7));
        assert_eq!((sliding.session.to_string(), sliding.token.to_string()), (ID.into(), ID.into()));
    }
}

/// S22, S76, S77: `exp` and `refresh_exp` are each the last second of something, whether the token was seen
/// or not.
#[test]
fn a_sliding_token_has_two_ends() {
    for (leeway, shift) in [(0, 0), (60, 60)] {
        let tokens = tokens();
        let token = sealed(&sliding_claims());
        let at = |now| tokens.verify(&token, &Expected { now, leeway, ..expected() }, REFRESH_TTL);
        for _ in 0..2 {
            assert!(matches!(at(NOW + 299 + shift), Ok(Verified::Valid(_))));
            assert!(matches!(at(NOW + 300 + shift), Ok(Verified::Expired(_))));
            assert!(matches!(at(NOW + REFRESH_TTL - 1 + shift), Ok(Verified::Expired(_))));
            assert_eq!(at(NOW + REFRESH_TTL + shift), Err(TokenError::Expired));
            assert_eq!(at(NOW - 1 - shift), Err(TokenError::NotYetValid));
        }
    }
    // J-14: a setting that was shortened counts for tokens of before.
    assert!(matches!(at(&changed("exp", json!(NOW + 301)), NOW), Ok(Verified::Expired(_))));
    assert_eq!(at(&changed("refresh_exp", json!(NOW + REFRESH_TTL + 1)), NOW), Err(TokenError::Expired));
    // J-13: the last second that there is.
    let last = |refresh_exp: u64| {
        let mut claims = changed("refresh_exp", json!(refresh_exp));
        (claims["iat"], claims["exp"]) = (json!(LAST_SECOND - 300), json!(LAST_SECOND));
        at(&claims, LAST_SECOND - 1)
    };
    assert!(matches!(last(LAST_SECOND), Ok(Verified::Valid(_))));
    assert_eq!(last(LAST_SECOND + 1), Err(TokenError::Claim("refresh_exp")));
    // Both ends at a time, near the absolute limit of a session.
    assert!(matches!(at(&changed("refresh_exp", json!(NOW + 300)), NOW + 299), Ok(Verified::Valid(_))));
    assert_eq!(at(&changed("refresh_exp", json!(NOW + 300)), NOW + 300), Err(TokenError::Expired));
}

/// S76, S77, J-13 to J-19: a claim that is missing, of another type or out of range, also in a token that is
/// expired.
#[test]
fn s_76_s_77_each_claim_of_a_sliding_token_is_needed() {
    for now in [NOW, NOW + 300] {
        for name in sliding_claims().as_object().unwrap().keys().filter(|name| *name != "roles") {
            assert!(at(&without(name), now).is_err(), "without {name} at {now}");
            for value in [json!(null), json!(true), json!([1]), json!({}), json!(-1), json!("")] {
                assert!(at(&changed(name, value.clone()), now).is_err(), "{name} = {value} at {now}");
            }
        }
        for (name, value) in [
            ("token_type", json!("access")),
            ("token_type", json!("refresh")),
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("sid", json!("x")),
            ("jti", json!("x")),
            ("gen", json!(1.5)),
            ("gen", json!("7")),
            // Defect 25: it would be accepted longer than it can be renewed.
            ("refresh_exp", json!(NOW + 299)),
            ("refresh_exp", json!(LAST_SECOND + 1)),
            ("refresh_exp", json!(u64::MAX)),
            ("refresh_exp", json!((NOW + REFRESH_TTL).to_string())),
        ] {
            assert!(at(&changed(name, value.clone()), now).is_err(), "{name} = {value} at {now}");
        }
    }
    assert_eq!(at(&without("refresh_exp"), NOW), Err(TokenError::Claim("refresh_exp")));
    assert_eq!(at(&without("exp"), NOW), Err(TokenError::Claim("exp")));
}

/// J-10: none of the three kinds passes for another, whichever of `typ`, claim and key is forged.
#[test]
fn j_10_sliding_tokens_are_a_kind_of_their_own() {
    let (sliding, refresh) = (tokens(), RefreshTokens::new(keys().refresh).unwrap());
    let genuine = sealed(&sliding_claims());
    assert_eq!(verify(&genuine), Err(TokenError::WrongKind), "no access token");
    assert_eq!(refresh.verify(&genuine, &expected()), Err(TokenError::WrongKind), "no refresh token");
    // Signed by the right key, and with the right header, but of another kind by its claim.
    let kinds = ["access", "refresh", "Sliding"];
    for kind in kinds {
        assert_eq!(at(&changed("token_type", json!(kind)), NOW), Err(TokenError::WrongKind), "{kind}");
    }
    let seal = |key: &Key, typ: &str| {
        let header = json!({"alg": "HS256", "typ": typ}).to_string();
        let claims = sliding_claims().to_string();
        let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
        format!("{message}.{}", key.sign(message.as_bytes()))
    };
    let (access_key, refresh_key, own_key) = (&keys().access[0], &keys().refresh[0], &keys().sliding[0]);
    for (key, typ, wanted) in [
        (own_key, "application/ST+jwt", Ok(())),
        (access_key, "at+jwt", Err(TokenError::WrongKind)),
        (refresh_key, "rt+jwt", Err(TokenError::WrongKind)),
        (own_key, "at+jwt", Err(TokenError::WrongKind)),
        (own_key, "JWT", Err(TokenError::WrongKind)),
        (access_key, "st+jwt", Err(TokenError::BadSignature)),
        (refresh_key, "st+jwt", Err(TokenError::BadSignature)),
    ] {
        assert_eq!(sliding.verify(&seal(key, typ), &expected(), REFRESH_TTL).map(drop), wanted, "{typ}");
    }
    assert!(!sliding.begins(&seal(own_key, "st+jwt")), "it is one all the same, by a longer look");
    assert!(!sliding.begins(&sign(&header().to_string(), &claims().to_string())));
}

/// a token of the old secret stays valid.
#[test]
fn r_10_a_sliding_token_of_an_old_secret_is_good() {
    let old = Secret::new(b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg".to_vec());
    let old = Keys::from_secret(Algorithm::HS256, &old, "the secret").unwrap();
    let token = SlidingTokens::new(old.sliding.clone()).unwrap().envelope.seal(&sliding_claims());
    assert_eq!(tokens().verify(&token, &expected(), REFRESH_TTL), Err(TokenError::UnknownKey));
    let both = SlidingTokens::new([keys().sliding, old.sliding].concat()).unwrap();
    assert!(matches!(both.verify(&token, &expected(), REFRESH_TTL), Ok(Verified::Valid(_))));
    assert!(!both.begins(&token));
}
