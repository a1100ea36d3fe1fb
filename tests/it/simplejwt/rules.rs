//! Which tokens are taken, and for what.

mod ours;

use std::time::Duration;

use jwtauth::error::ConfigError;
use jwtauth::keys::Algorithm;
use jwtauth::{Compat, Key, TokenConfig};
use poem::http::Method;
use serde_json::{Value, json};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::faulty::Faulty;
use tests::tab::Tab;
use tests::test_store::TestStore;
use tests::wire::claims;

use super::{HEADER, Site, access, access_claims, refresh, refresh_claims, sign, signed, text, with};

const NEXT_SECRET: &[u8] = b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg";

#[test]
fn an_access_token_of_django_is_good_for_its_user_until_it_expires() {
    bounded(async {
        let site = Site::new();
        let token = access("7", "a1");
        for _ in 0..2 {
            assert_eq!(site.who(&token).await, (200, "7".into()));
        }
        let sessions = site.app.jwtauth.sessions();
        assert!(sessions.list("7").await.unwrap().is_empty(), "it opens no session");
        // Older versions of simplejwt wrote a number.
        assert_eq!(site.who(&signed(&access_claims(8, "a2"))).await, (200, "8".into()));
        // A derived user is a copy in a session, and there is none.
        let (status, body) = site.bearer(Method::GET, "/copy", &token).await;
        assert!(status == 401 && body.contains("user_not_found"), "{body}");
        site.app.clock.advance(Duration::from_secs(299));
        assert_eq!(site.who(&token).await.0, 200);
        site.app.clock.advance(Duration::from_secs(1));
        let (status, body) = site.who(&token).await;
        assert!(status == 401 && body.contains("Token is expired"), "{body}");
        assert!(sessions.list("7").await.unwrap().is_empty());
        tests::sweep(sessions).await;
        assert_eq!(site.who(&token).await.0, 401);
    });
}

/// As behind a `Verifier`: roles, scopes and claims are those of the token.
#[test]
fn an_access_token_of_django_says_by_itself_who_its_user_is() {
    bounded(async {
        let site = Site::new();
        let stock = async |claims: Value| site.bearer(Method::GET, "/stock", &signed(&claims)).await;
        let clerk = with(access_claims("7", "a1"), "roles", json!(["clerk"]));
        let clerk = with(with(clerk, "scope", json!("stock:read stock:write")), "shop", json!(3));
        assert_eq!(stock(clerk.clone()).await, (200, "7 of 3".into()));
        assert_eq!(stock(with(clerk.clone(), "-scope", Value::Null)).await.0, 403, "a scope is missing");
        assert_eq!(stock(with(clerk, "-roles", Value::Null)).await.0, 403, "a role is missing");
        let wrong = with(access_claims("7", "a2"), "roles", json!("clerk"));
        assert_eq!(site.who(&signed(&wrong)).await.0, 401, "roles that are none");
    });
}

/// Where a session is needed, a token without one is refused. Anybody at Django has such a token, so it is no fault of
/// the server.
#[test]
fn what_needs_a_session_refuses_an_access_token_of_django() {
    bounded(async {
        let site = Site::new();
        let token = access("7", "a1");
        let paths = [
            (Method::GET, "/session"),
            (Method::GET, "/session/end"),
            (Method::GET, "/session/own"),
            (Method::POST, "/logout/others"),
        ];
        for (method, path) in paths.clone() {
            let (status, body) = site.bearer(method, path, &token).await;
            assert!(status == 403 && body.contains("permission_denied"), "{path}: {status} {body}");
        }
        assert_eq!(site.who(&token).await.0, 200, "it is as good as before");
        assert_eq!(site.send(Method::GET, "/session/own", &[]).await, (200, "nobody".into()), "a stranger");
        let (_, pair) = site.refresh(&refresh("7", "r1")).await;
        for (method, path) in paths {
            assert_eq!(site.bearer(method, path, &text(&pair["access"])).await.0, 200, "{path}, exchanged");
        }
    });
}

/// What was revoked has to be remembered, so there is no going without.
#[test]
fn a_store_that_keeps_no_values_is_refused_at_start() {
    let build = |store: Faulty, compat: bool| {
        let builder = jwtauth::JwtAuth::builder().secret(tests::app::SECRET);
        let builder =
            if compat { builder.tokens(TokenConfig::default().compat(Compat::simplejwt())) } else { builder };
        builder.build(store).map(drop)
    };
    let refused = build(Faulty::without_values(), true);
    assert!(matches!(refused, Err(ConfigError::NotKept { method: "value_store", .. })), "{refused:?}");
    bounded(async move {
        assert!(build(Faulty::default(), true).is_ok());
        assert!(build(Faulty::without_values(), false).is_ok(), "nothing is to be remembered");
    });
}

/// J-1 to J-20 as far as they are not about what simplejwt leaves out; J-10: kinds stay exclusive.
#[test]
fn j_10_j_13_a_token_of_django_is_read_as_strictly() {
    bounded(async {
        let site = Site::new();
        let base = || access_claims("7", "a1");
        let accepted = [
            base(),
            with(base(), "iss", json!("jwtauth")),
            with(base(), "aud", json!("jwtauth")),
            with(base(), "aud", json!(["shop", "jwtauth"])),
            with(base(), "nbf", json!(START)),
            with(base(), "hash_password", json!("5F4DCC3B")),
            with(base(), "sub", json!("another")),
            with(base(), "user_id", json!("x".repeat(255))),
            with(base(), "exp", json!(START + 1)),
        ];
        for (number, claims) in accepted.into_iter().enumerate() {
            let claims = with(claims, "jti", json!(format!("good{number}")));
            assert_eq!(site.who(&signed(&claims)).await.0, 200, "{claims}");
        }
        let refused = [
            ("token_type", json!("refresh")),
            ("token_type", json!("sliding")),
            ("token_type", json!("Access")),
            ("token_type", json!(null)),
            ("-token_type", json!(null)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("x".repeat(256))),
            ("-jti", json!(null)),
            ("exp", json!(START)),
            ("exp", json!(START + 301)),
            ("exp", json!((START + 300).to_string())),
            ("exp", json!(null)),
            ("exp", json!(1e30)),
            ("-exp", json!(null)),
            ("iat", json!(START + 1)),
            ("iat", json!(null)),
            ("-iat", json!(null)),
            ("nbf", json!(START + 1)),
            ("nbf", json!("0")),
            ("user_id", json!("")),
            ("user_id", json!(null)),
            ("user_id", json!(-7)),
            ("user_id", json!(7.5)),
            ("user_id", json!(["7"])),
            ("user_id", json!("x".repeat(256))),
            ("-user_id", json!(null)),
            ("iss", json!("shop")),
            ("iss", json!(null)),
            ("iss", json!(["jwtauth"])),
            ("aud", json!("shop")),
            ("aud", json!([])),
            ("aud", json!(null)),
            ("auth_time", json!("yesterday")),
            ("sid", json!("AAECAwQFBgcICQoLDA0ODw")),
            ("sid", json!("a session of Django's")),
            ("sid", json!(null)),
        ];
        for (name, value) in refused {
            let claims = with(with(base(), "jti", json!("bad")), name, value);
            assert_eq!(site.who(&signed(&claims)).await.0, 401, "{claims}");
        }
        let claims = with(base(), "jti", json!("bad")).to_string();
        let kid = claims_header(&site.obtain("7").await.0)["kid"].as_str().unwrap().to_owned();
        assert_eq!(
            site.who(&sign(&json!({"alg": "HS256", "typ": "JWT", "kid": kid}).to_string(), &claims)).await.0,
            200
        );
        for header in [
            r#"{"alg":"none","typ":"JWT"}"#,
            r#"{"alg":"HS384","typ":"JWT"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","typ":"rt+jwt"}"#,
            r#"{"alg":"HS256","typ":"JWE"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"other"}"#,
            r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#,
            r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
        ] {
            assert_eq!(site.who(&sign(header, &claims)).await.0, 401, "{header}");
        }
        let twice = claims.replacen('{', r#"{"user_id":"8","#, 1);
        assert_eq!(site.who(&sign(HEADER, &twice)).await.0, 401, "a member twice");
        let token = signed(&base());
        assert_eq!(site.who(&token[..token.len() - 4]).await.0, 401);
        assert_eq!(site.who(&format!("{token}=")).await.0, 401);
        let kept = site.app.jwtauth.sessions().list("7").await.unwrap().len();
        assert_eq!(kept, 1, "only the login here has opened one");
    });
}

fn claims_header(token: &str) -> Value {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    serde_json::from_slice(&header.unwrap()).unwrap()
}

#[test]
fn j_10_neither_kind_passes_for_the_other() {
    bounded(async {
        let site = Site::new();
        let (own_access, own_refresh) = site.obtain("7").await;
        for token in [refresh("7", "r1"), own_refresh.clone()] {
            assert_eq!(site.who(&token).await.0, 401);
        }
        for token in [access("7", "a1"), own_access] {
            assert_eq!(site.refresh(&token).await.0, 401);
        }
        let long = with(refresh_claims("7", "r2"), "exp", json!(START + 86_401));
        assert_eq!(site.refresh(&signed(&long)).await.0, 401, "longer than ours may live");
        let ours = claims(&own_refresh);
        let without = |name| signed(&with(ours.clone(), name, Value::Null));
        for name in ["-gen", "-sub", "-jti", "-exp"] {
            assert_eq!(site.refresh(&without(name)).await.0, 401, "{name}");
        }
        assert_eq!(site.refresh(&signed(&with(ours.clone(), "user_id", json!("8")))).await.0, 401);
        assert_eq!(site.refresh(&signed(&ours)).await.0, 200, "nothing else is wrong with them");
    });
}

#[test]
fn tokens_of_django_are_refused_where_nobody_asked_for_them() {
    bounded(async {
        let site = Site::of(TestApp::new());
        assert_eq!(site.who(&access("7", "a1")).await.0, 401);
        assert_eq!(site.refresh(&refresh("7", "r1")).await.0, 401);
        assert!(site.app.jwtauth.sessions().list("7").await.unwrap().is_empty());
        // Nor are ours of that form.
        let (access, refresh) = Site::new().obtain("7").await;
        assert_eq!(site.who(&access).await.0, 401);
        assert_eq!(site.refresh(&refresh).await.0, 401);
    });
}

/// S-15: when the user typed a password is not known, and a refresh at Django proves nothing.
#[test]
fn s_15_a_token_of_django_is_not_fresh_unless_it_says_so() {
    bounded(async {
        let site = Site::new();
        let recent = async |claims: Value| site.bearer(Method::GET, "/recent", &signed(&claims)).await;
        let (status, body) = recent(access_claims("7", "a1")).await;
        assert!(status == 401 && body.contains("fresh_login_required"), "{body}");
        assert_eq!(recent(with(access_claims("7", "a2"), "auth_time", json!(START - 60))).await.0, 200);
        assert_eq!(recent(with(access_claims("7", "a3"), "auth_time", json!(START - 301))).await.0, 401);
        // Its clock may be ahead a little. If it is ahead by more, nobody knows how long ago that was.
        let ahead = async |seconds| {
            recent(with(access_claims("7", "a4"), "auth_time", json!(START + seconds))).await.0
        };
        assert_eq!((ahead(60).await, ahead(61).await, ahead(9_999).await), (200, 401, 401));
        site.app.clock.advance(Duration::from_secs(299));
        assert_eq!((ahead(60).await, ahead(9_999).await), (200, 401));
    });
}

/// J-16: the leeway is for clocks that differ, and opens no session for a token that is over.
#[test]
fn j_16_the_leeway_counts_for_access_tokens_and_opens_no_session() {
    bounded(async {
        let leeway = Duration::from_secs(10);
        let site = Site::of(TestApp::with(TestStore::new(), |builder| {
            builder.tokens(TokenConfig::default().compat(Compat::simplejwt()).leeway(leeway))
        }));
        let (token, revoked) = (access("7", "a1"), access("7", "a2"));
        let late = signed(&with(refresh_claims("7", "r2"), "exp", json!(START + 309)));
        let ahead = with(access_claims("7", "a3"), "iat", json!(START + 10));
        assert_eq!(site.who(&signed(&ahead)).await.0, 200);
        assert_eq!(site.bearer(Method::POST, "/logout", &revoked).await.0, 200);
        // A token of an issuer that is ahead lives on, and ours that comes of it is good all the same.
        let whole = with(refresh_claims("7", "r1"), "iat", json!(START + 10));
        let (status, pair) = site.refresh(&signed(&with(whole, "exp", json!(START + 86_410)))).await;
        assert_eq!(status, 200, "{pair}");
        assert_eq!(site.refresh(&text(&pair["refresh"])).await.0, 200);
        site.app.clock.advance(Duration::from_secs(309));
        tests::sweep(site.app.jwtauth.sessions()).await;
        assert_eq!(site.who(&token).await.0, 200);
        assert_eq!(site.who(&revoked).await.0, 401, "it is remembered for the leeway too");
        assert_eq!(site.refresh(&late).await.0, 401, "at its `exp`");
        site.app.clock.advance(Duration::from_secs(1));
        assert_eq!(site.who(&token).await.0, 401);
    });
}

/// R-10: refresh tokens are of the key of access tokens, so a key is retired with the last of them.
#[test]
fn r_10_a_retired_key_verifies_refresh_tokens_to_their_end() {
    bounded(async {
        let site = Site::new();
        let (_, refresh) = site.obtain("7").await;
        let keys = site.app.jwtauth.keys();
        let old = keys.signing().kid;
        let new = Key::hmac(Algorithm::HS256, NEXT_SECRET).unwrap();
        let kid = new.kid().to_owned();
        keys.add(new).unwrap();
        keys.sign_with(&kid).unwrap();
        assert_eq!(keys.retire(&old).unwrap(), START + 86_400 + 60);
        site.app.clock.advance(Duration::from_secs(86_399));
        let (status, pair) = site.refresh(&refresh).await;
        assert_eq!(status, 200, "{pair}");
        assert_eq!(claims_header(&text(&pair["refresh"]))["kid"], kid);
        // Django names no key. Its tokens are good as long as the key is there that has signed them.
        let iat = with(access_claims("7", "a1"), "iat", json!(site.now()));
        let late = signed(&with(iat, "exp", json!(site.now() + 300)));
        assert_eq!(site.who(&late).await, (200, "7".into()));
        keys.remove(&old).unwrap();
        assert_eq!(site.refresh(&refresh).await.0, 401, "its key is gone");
        assert_eq!(site.refresh(&text(&pair["refresh"])).await.0, 200);
        assert_eq!((site.now(), site.who(&late).await.0), (START + 86_399, 401));
    });
}

#[test]
fn a_claim_for_the_user_that_has_another_meaning_is_refused_at_start() {
    for (name, message) in [("exp", "\"exp\""), ("", "\"\"")] {
        let compat = Compat::simplejwt().user_id_claim(name);
        let built = jwtauth::JwtAuth::builder()
            .secret(tests::app::SECRET)
            .tokens(TokenConfig::default().compat(compat))
            .build(TestStore::new());
        let refused = built.expect_err("it is refused").to_string();
        assert!(refused.contains(message) && refused.contains("USER_ID_CLAIM"), "{refused}");
    }
}

/// Clients of simplejwt refresh on `token_not_valid`, and some read why in `messages`.
#[test]
fn refusals_have_the_codes_that_its_clients_know() {
    bounded(async {
        let site = Site::new();
        let token = access("7", "one");
        let said = |(status, body): (u16, String)| {
            let body: Value = serde_json::from_str(&body).unwrap();
            (status, text(&body["code"]), body["messages"].clone(), text(&body["detail"]))
        };
        let message = |message: &str| json!([{"token_class": "AccessToken", "token_type": "access", "message": message}]);
        site.app.clock.advance(Duration::from_secs(300));
        let expired = said(site.who(&token).await);
        assert_eq!(
            expired,
            (401, "token_not_valid".into(), message("Token is expired"), "Token is expired".into())
        );
        let (status, code, messages, _) = said(site.who("x.y.z").await);
        assert_eq!((status, &*code, messages), (401, "token_not_valid", message("Token is invalid")));
        let (_, code, messages, _) = said(site.send(Method::GET, "/whoami", &[]).await);
        assert_eq!((&*code, messages), ("not_authenticated", Value::Null));
        // The routes, which return other errors than guards do.
        let (status, body) = site.refresh(&token).await;
        assert_eq!(
            (status, &body["code"], &body["messages"]),
            (401, &json!("token_not_valid"), &message("Token is invalid"))
        );
        let translated =
            Site::with(TestStore::new(), |builder| builder.translate(|_, _| Some("Nein".into())));
        let (_, code, messages, detail) = said(translated.who("x.y.z").await);
        assert_eq!((&*code, messages, &*detail), ("token_not_valid", message("Token is invalid"), "Nein"));
    });
}
