//! Django's tokens that are not good now, where it is asked what they name.

use std::time::Duration;

use jwtauth::JwtAuthBuilder;
use poem::http::Method;
use serde_json::{Value, json};
use tests::app::START;
use tests::bounded;
use tests::faulty::Faulty;
use tests::tab::Tab;
use tests::test_store::TestStore;

use super::{Site, access_claims, refresh_claims, signed, text, with};

/// What makes a token of Django's one that is not good now.
type Change<'a> = &'a dyn Fn(Value) -> Value;

/// N-1: whatever its times, and whatever is set here by now: what is not good now may be good later.
#[test]
fn n_1_a_token_of_django_is_ended_that_is_not_good_now() {
    type Set = fn(JwtAuthBuilder) -> JwtAuthBuilder;
    let renamed: Set = |builder| builder.issuer("https://shop.example");
    let longer: Set = |builder| builder.refresh_ttl(Duration::from_secs(2 * 86_400));
    let ahead = |claims: Value| {
        let exp = claims["exp"].as_u64().unwrap() + 100;
        with(with(claims, "iat", json!(START + 100)), "exp", json!(exp))
    };
    let of_shop = |claims| with(claims, "iss", json!("https://shop.example"));
    let long = |claims| with(claims, "exp", json!(START + 100_000));
    let states: [(&str, Change<'_>, Set, u64); 3] = [
        ("ahead", &ahead, |b| b, 150),
        ("another issuer", &of_shop, renamed, 0),
        ("longer", &long, longer, 0),
    ];
    bounded(async {
        for (state, change, later, wait) in states {
            for way in ["logout", "login", "bearer", "revoke", "blacklist", "expire", "oauth"] {
                let store = Faulty::default();
                let site = Site::with(store.clone(), |builder| builder);
                let (one, other) =
                    (signed(&change(access_claims("7", way))), signed(&change(refresh_claims("7", way))));
                let cookies = tests::tab::cookies(Some(&one), Some(&other));
                let tab = Tab::new(&site.app);
                let both = ["logout", "login"].contains(&way);
                let status = match way {
                    "logout" => tab.post("/logout", &cookies).await.status.as_u16(),
                    "login" => tab.login_with("7", &cookies).await.status.as_u16(),
                    "bearer" => site.bearer(Method::POST, "/logout", &one).await.0,
                    "expire" => site.post("/auth/expire", json!({"token": one})).await.0,
                    "oauth" => site.service("/auth/oauth/revoke", &one).await.0,
                    _ => site.post(&format!("/auth/{way}"), json!({"refresh": other})).await.0,
                };
                assert_eq!(status, 200, "{state}, {way}");
                let site = Site::with(store, later);
                site.app.clock.advance(Duration::from_secs(wait));
                // An access token may not live that long.
                let untouched = if state == "longer" { 401 } else { 200 };
                let (is_access, is_refresh) = (both || is_of_access(way), both || !is_of_access(way));
                let expected = if is_access { 401 } else { untouched };
                assert_eq!(site.who(&one).await.0, expected, "{state}, {way}: access");
                let expected = if is_refresh { 401 } else { 200 };
                assert_eq!(site.refresh(&other).await.0, expected, "{state}, {way}: refresh");
            }
        }
        // A refresh token that was exchanged names the session that it was exchanged for, after its own end
        // too.
        for way in ["logout", "login"] {
            let site = Site::with(TestStore::new(), longer);
            let token = signed(&with(refresh_claims("7", way), "exp", json!(START + 1_000)));
            let (_, pair) = site.refresh(&token).await;
            site.app.clock.advance(Duration::from_secs(2_000));
            site.app.jwtauth.sessions().sweep().await.unwrap();
            let (tab, cookies) = (Tab::new(&site.app), tests::tab::cookies(None, Some(&token)));
            let answer = match way {
                "logout" => tab.post("/logout", &cookies).await,
                _ => tab.login_with("8", &cookies).await,
            };
            assert_eq!(answer.status, 200, "{way}");
            assert_eq!(site.refresh(&text(&pair["refresh"])).await.0, 401, "{way}");
            assert!(site.app.jwtauth.sessions().list("7").await.unwrap().is_empty(), "{way}");
        }
    });
}

fn is_of_access(way: &str) -> bool {
    ["bearer", "expire", "oauth"].contains(&way)
}
