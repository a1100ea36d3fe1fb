//! When a token is good, to the second, and by which clock.

use super::*;

/// J-15, N-8: one of our tokens was issued, so it was then. It says how far time was ahead of the clock.
#[test]
fn j_15_n_8_tokens_of_ours_are_not_refused_for_an_iat_ahead() {
    let verify = |claims: &Value, now, ahead| {
        let token = sign(&header().to_string(), &claims.to_string());
        AccessTokens::new(keys().access).unwrap().verify(&token, &Expected { now, ahead, ..expected() })
    };
    let sign_at = |iat: u64| {
        let claims = with("iat", json!(iat));
        let mut claims: Value = serde_json::from_str(&claims.to_string()).unwrap();
        claims["exp"] = json!(iat + 300);
        claims
    };
    let ahead = sign_at(NOW + 7_200);
    assert_eq!(verify(&ahead, NOW, None), Err(TokenError::NotYetValid), "of another service");
    assert!(matches!(verify(&ahead, NOW, Some(0)), Ok(Verified::Valid(_))));
    let mut shifted = sign_at(NOW);
    shifted["clock_ahead"] = json!(7_200);
    for (now, is_valid) in [(NOW, true), (NOW + 7_499, true), (NOW + 7_500, false)] {
        let verified = verify(&shifted, now, Some(7_200)).unwrap();
        assert_eq!(matches!(verified, Verified::Valid(_)), is_valid, "{now}");
    }
    assert!(matches!(verify(&shifted, NOW + 299, None), Ok(Verified::Valid(_))), "others go by the clock");
    assert!(matches!(verify(&shifted, NOW + 300, None), Ok(Verified::Expired(_))));
    let mut early = sign_at(NOW);
    early["nbf"] = json!(NOW + 1);
    assert_eq!(verify(&early, NOW, Some(0)), Err(TokenError::NotYetValid));
    shifted["clock_ahead"] = json!("7200");
    assert_eq!(verify(&shifted, NOW, Some(0)), Err(TokenError::Claim("clock_ahead")));
}

/// RFC 7519, section 4.1.4: expired "on or after"; J-16: by at most the leeway.
#[test]
fn j_16_the_last_good_and_the_first_bad_second() {
    let token = sign(&header().to_string(), &claims().to_string());
    for (leeway, last_good) in [(0, NOW + 299), (60, NOW + 359)] {
        let tokens = AccessTokens::new(keys().access).unwrap();
        let at = |now| tokens.verify(&token, &Expected { now, leeway, ..expected() });
        assert!(matches!(at(last_good), Ok(Verified::Valid(_))));
        assert!(matches!(at(last_good + 1), Ok(Verified::Expired(_))));
        assert!(matches!(at(NOW - leeway), Ok(Verified::Valid(_))));
        assert_eq!(at(NOW - leeway - 1), Err(TokenError::NotYetValid));
    }
}

/// J-13, J-14: the last second that there is, and a token that is over when it begins.
#[test]
fn j_14_a_token_ends_after_it_begins_and_not_after_the_year_9999() {
    let at = |iat: u64, exp: u64| {
        let mut claims = with("exp", json!(exp));
        claims["iat"] = json!(iat);
        let token = sign(&header().to_string(), &claims.to_string());
        AccessTokens::new(keys().access).unwrap().verify(&token, &Expected { now: iat, ..expected() })
    };
    assert!(matches!(at(LAST_SECOND - 300, LAST_SECOND), Ok(Verified::Valid(_))));
    assert_eq!(at(LAST_SECOND - 299, LAST_SECOND + 1), Err(TokenError::Claim("exp")));
    for (iat, exp) in [(NOW, NOW), (NOW, NOW - 1), (NOW, 0)] {
        assert_eq!(at(iat, exp), Err(TokenError::Claim("exp")), "{iat} to {exp}");
    }
}

/// N-8: when a token was issued, by the time that it says.
#[test]
fn n_8_a_token_says_when_it_was_issued() {
    for (clock_ahead, ahead, issued_at) in [(0, None, NOW), (60, Some(60), NOW + 60), (60, None, NOW)] {
        let token = sign(&header().to_string(), &with("clock_ahead", json!(clock_ahead)).to_string());
        let expected = Expected { now: NOW + clock_ahead, ahead, ..expected() };
        let verified = AccessTokens::new(keys().access).unwrap().verify(&token, &expected).unwrap();
        assert_eq!(verified.said().issued_at, issued_at, "{clock_ahead} and {ahead:?}");
    }
}

/// J-14: a lifetime longer than configured counts as over, and an expired token is still checked in full.
#[test]
fn j_14_a_longer_life_than_configured_is_none() {
    assert!(matches!(verify_claims(&with("exp", json!(NOW + 301))), Ok(Verified::Expired(_))));
    let mut expired = with("exp", json!(NOW - 1));
    expired["iat"] = json!(NOW - 200);
    assert!(matches!(verify_claims(&expired), Ok(Verified::Expired(_))));
    expired["aud"] = json!("other");
    assert_eq!(verify_claims(&expired), Err(TokenError::WrongAudience));
}
