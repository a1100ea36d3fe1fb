//! Tokens that another service reads or has written: by which clock they go, and what is said of them.

use super::*;
use crate::compat::Compat;
use crate::issuer_profile::IssuerProfile;
use crate::token::stateless::{ForeignTokens, TokenForm};

/// How far a token of ours says that time was ahead of the clock, in seconds.
const SAID: u64 = 60;

/// How far it is ahead now.
const AHEAD: u64 = 1_000;

fn compatible() -> AccessTokens {
    AccessTokens::compatible(keys().access, &Compat::simplejwt()).unwrap()
}

/// Signs claims as Django does.
fn simplejwt(claims: &Value) -> String {
    sign(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// Claims of a session of ours, in the form of Django. Without `gen` they are ours, with it Django made them.
fn of_session(generation: Option<u64>) -> Value {
    let mut claims = with("user_id", json!("42"));
    claims["clock_ahead"] = json!(SAID);
    if let Some(generation) = generation {
        claims["gen"] = json!(generation);
    }
    claims
}

/// Claims of Django alone. It may write any name.
fn of_django() -> Value {
    json!({
        "token_type": "access", "jti": "0123456789abcdef", "user_id": "42", "iat": NOW, "exp": NOW + 300,
        "auth_time": NOW - 7, "clock_ahead": SAID,
    })
}

/// N-8: what we have issued says how far time was ahead. What Django has issued or made of it goes by the
/// clock, also if it copies that.
#[test]
fn n_8_each_token_goes_by_the_clock_of_its_issuer() {
    for (claims, shift) in [(of_session(None), SAID), (of_session(Some(3)), AHEAD), (of_django(), AHEAD)] {
        let token = simplejwt(&claims);
        let at = |now| compatible().verify(&token, &Expected { now, ahead: Some(AHEAD), ..expected() });
        let Ok(Verified::Valid(access)) = at(NOW + 299 + shift) else { panic!("{claims}") };
        assert_eq!(access.issued_at, NOW + shift, "{claims}");
        assert!(matches!(at(NOW + 300 + shift), Ok(Verified::Expired(_))), "{claims}");
    }
}

/// N-8: likewise where it is only named: without a look at the clock, Django's times are as they stand.
#[test]
fn n_8_a_token_that_is_named_has_the_times_of_its_issuer() {
    let own = AccessTokens::new(keys().access).unwrap();
    let plain = |claims: &Value| sign(&header().to_string(), &claims.to_string());
    for (named, shift) in [
        (own.name(&plain(&claims())), 0),
        (own.name(&plain(&of_session(None))), SAID),
        (own.name(&plain(&of_session(Some(3)))), 0),
        (compatible().name(&simplejwt(&of_session(None))), SAID),
        (compatible().name(&simplejwt(&of_session(Some(3)))), 0),
    ] {
        let named = named.unwrap();
        assert_eq!((named.issued_at, named.expires_at), (NOW + shift, NOW + 300 + shift));
    }
}

#[test]
fn a_token_of_django_says_when_its_user_logged_in() {
    for (auth_time, said) in [
        (NOW - 7, Some(NOW - 7)),
        (LAST_SECOND, Some(LAST_SECOND)),
        // Milliseconds.
        (NOW * 1_000, None),
    ] {
        let mut claims = of_django();
        claims["auth_time"] = json!(auth_time);
        let Ok(Verified::Valid(access)) = compatible().verify(&simplejwt(&claims), &expected()) else {
            panic!("{auth_time}")
        };
        assert_eq!(access.foreign.unwrap().auth_time, said);
    }
}

/// N-30: what is wrong with a token of an identity provider is told apart, to the second.
#[test]
fn n_30_a_token_of_a_provider_is_refused_for_what_is_wrong_with_it() {
    let tokens = || {
        let profile = IssuerProfile::new().accept_typ("at+jwt");
        ForeignTokens::new(keys().access, TokenForm::Profile(profile)).unwrap()
    };
    let at = |claims: &Value, now: u64, leeway: u64| {
        let expected = Expected { now, leeway, ..expected() };
        tokens().verify(&sign(&header().to_string(), &claims.to_string()), &expected).map(drop)
    };
    assert_eq!(at(&claims(), NOW + 299, 0), Ok(()));
    assert_eq!(at(&claims(), NOW + 300, 0), Err(TokenError::Expired));
    assert_eq!(at(&claims(), NOW + 999, 0), Err(TokenError::Expired));
    for now in [NOW, NOW + 300] {
        assert_eq!(at(&with("exp", json!(NOW + 301)), now, 0), Err(TokenError::Claim("exp")), "a long life");
    }
    assert_eq!(at(&with("exp", json!(NOW + 301)), NOW + 301, 0), Err(TokenError::Expired));
    for (leeway, auth_time, wanted) in [
        (0, NOW, Ok(())),
        (0, NOW + 1, Err(TokenError::Claim("auth_time"))),
        (60, NOW + 60, Ok(())),
        (60, NOW + 61, Err(TokenError::Claim("auth_time"))),
    ] {
        assert_eq!(at(&with("auth_time", json!(auth_time)), NOW, leeway), wanted, "{leeway} {auth_time}");
    }
}

/// N-30: a key that is not known yet may be newer than a token that its issuer has dated back.
#[test]
fn n_30_a_provider_may_date_its_tokens_back_by_five_minutes() {
    let token = sign(&header().to_string(), &claims().to_string());
    for (form, by) in [
        (TokenForm::Own, NOW),
        (TokenForm::Compat(Compat::simplejwt()), NOW),
        (TokenForm::Profile(IssuerProfile::new()), NOW + 300),
    ] {
        assert_eq!(ForeignTokens::new(keys().access, form).unwrap().issued_by(&token), Some(by));
    }
}
