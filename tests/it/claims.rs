//! Claims of the application's own in access tokens: as new as the token, or no token at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use jwtauth::error::{BoxError, SessionError};
use jwtauth::{Device, JwtAuthBuilder, Key, TokenConfig, Verifier};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tests::app::{SECRET, TestApp, User};
use tests::tab::Tab;
use tests::test_store::TestStore;
use tests::wire::claims;
use tests::{bounded, in_no_time};

fn app(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> TestApp {
    TestApp::with(TestStore::new(), set)
}

/// What the application says of a user, and how often it was asked.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Own {
    shop: String,
    asked: u64,
}

/// Counts up with each question; fails with every one whose number is in `fails`.
fn counting(asked: &Arc<AtomicU64>, fails: &'static [u64]) -> impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder {
    let asked = Arc::clone(asked);
    move |builder| {
        builder.access_claims(move |session| {
            let asked = asked.fetch_add(1, SeqCst) + 1;
            async move {
                if fails.contains(&asked) {
                    return Err("the shop is closed".into());
                }
                let user: User = session.user_as()?.ok_or("no copy")?;
                Ok(Own { shop: format!("{}'s", user.name), asked })
            }
        })
    }
}

/// S23, defect 30: claims of the application's own are in access tokens, renewed with each of them, and
/// never in a refresh token, which would keep them as they were.
#[test]
fn s_23_each_access_token_has_claims_of_its_own_time() {
    bounded(async {
        let asked = Arc::default();
        let app = app(counting(&asked, &[]));
        let tab = Tab::new(&app);
        let first = tab.login("bob").await;
        assert_eq!(
            (&claims(&first.access)["shop"], &claims(&first.access)["asked"]),
            (&json!("bob's"), &json!(1))
        );
        assert_eq!(tab.get("/me", &first.cookies()).await.status, 200);
        app.clock.advance(Duration::from_secs(301));
        let second = tab.get("/me", &first.cookies()).await.pair();
        assert_eq!(claims(&second.access)["asked"], 2);
        for refresh in [claims(&first.refresh), claims(&second.refresh)] {
            assert!(refresh.get("shop").is_none() && refresh.get("asked").is_none(), "{refresh}");
        }
        let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let plain = names(&claims(&Tab::new(&TestApp::new()).login("bob").await.access));
        let with = names(&claims(&second.access));
        assert_eq!(with.len(), plain.len() + 2, "nothing else has changed: {with:?}");
        // Another service reads them as a type of its own.
        let key = Key::hmac(jwtauth::keys::Algorithm::HS256, SECRET).unwrap();
        let verifier =
            Verifier::builder("jwtauth", "jwtauth").key(key).clock(app.clock.clone()).build().unwrap();
        let user = verifier.verify(&second.access).await.unwrap();
        let own: Own = user.claims_as().unwrap();
        assert_eq!(own, Own { shop: "bob's".into(), asked: 2 });
    });
}

/// A failure is 503 and has changed nothing: nobody is logged in, and no refresh token is spent, with no grace at all.
#[test]
fn r_12_claims_that_cannot_be_had_cost_nobody_a_session() {
    bounded(async {
        let asked = Arc::default();
        let app = app(|builder| counting(&asked, &[1, 3, 4, 7])(builder.refresh_grace(Duration::ZERO)));
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let refused = tab.login_with("bob", "").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (503, "store_unavailable".into()));
        assert!(!refused.body.contains("shop"), "{}", refused.body);
        assert_eq!(sessions.list("bob").await.unwrap().len(), 0);

        let pair = tab.login("bob").await;
        assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 503);
        app.clock.advance(Duration::from_secs(301));
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 503, "a silent one too");
        let renewed = tab.get("/me", &pair.cookies()).await.pair();
        assert_eq!(claims(&renewed.access)["asked"], 5);

        assert_eq!(sessions.update_user(&User::named("bob")).await.unwrap(), 1);
        let failed = sessions.update_user(&User::named("bob")).await;
        assert!(matches!(failed, Err(SessionError::Claims(_))), "{failed:?}");
        // Whoever presents what is worth nothing has nobody asked.
        let before = asked.load(SeqCst);
        assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 401, "spent, and without grace");
        assert_eq!(tab.post("/refresh", &renewed.only_refresh()).await.status, 401, "so its session is over");
        assert_eq!(tab.post("/refresh", "__Host-refresh_token=x.y.z").await.status, 401);
        assert_eq!(asked.load(SeqCst), before + 1, "only for the live session");
    });
}

/// Claims that have outgrown a cookie since the login are found out before the refresh token is spent: it is good again
/// once they fit, with no grace at all.
#[test]
fn r_12_claims_that_do_not_fit_any_more_cost_nobody_a_session() {
    bounded(async {
        let len = Arc::new(AtomicU64::new(10));
        let app = app(|builder| {
            let len = Arc::clone(&len);
            builder.refresh_grace(Duration::ZERO).access_claims(move |_| {
                std::future::ready(Ok::<_, BoxError>(json!({"a": "x".repeat(len.load(SeqCst) as usize)})))
            })
        });
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        app.clock.advance(Duration::from_secs(301));
        len.store(4096, SeqCst);
        for _ in 0..2 {
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 500);
            assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 500);
        }
        len.store(20, SeqCst);
        let renewed = tab.get("/me", &pair.cookies()).await;
        assert_eq!(
            (renewed.status.as_u16(), claims(&renewed.pair().refresh)["gen"].as_u64()),
            (200, Some(1))
        );
    });
}

/// N-29: an access token names the client (RFC 9068, section 2.2): the application itself, unless it says another.
#[test]
fn n_29_an_access_token_names_its_client() {
    type Set = fn(JwtAuthBuilder) -> JwtAuthBuilder;
    let cases: [(Set, &str); 3] = [
        (|builder| builder, "jwtauth"),
        (|builder| builder.issuer("https://login.example.com").audience("shop"), "shop"),
        (|builder| builder.audience("shop").tokens(TokenConfig::default().client_id("web")), "web"),
    ];
    bounded(async {
        for (set, client) in cases {
            let app = TestApp::with(TestStore::new(), set);
            let sessions = app.jwtauth.sessions();
            let sliding = sessions.login_sliding(&User::named("bob"), Device::default()).await.unwrap();
            let pair = sessions.login(&User::named("bob"), Device::default()).await.unwrap();
            for token in [sliding.access(), pair.access()] {
                assert_eq!(claims(token)["client_id"], client);
            }
            assert_eq!(claims(pair.refresh().unwrap()).get("client_id"), None);
        }
    });
}

/// J-12: no claim stands twice in a token; what is ours is not to be written by anybody else.
#[test]
fn j_12_a_claim_of_ours_is_refused() {
    bounded(async {
        let names = [
            "iss",
            "aud",
            "sub",
            "client_id",
            "sid",
            "gen",
            "jti",
            "iat",
            "nbf",
            "exp",
            "refresh_exp",
            "auth_time",
            "clock_ahead",
            "token_type",
            "roles",
            "scope",
        ];
        let deep = |levels: usize| -> Value {
            serde_json::from_str(&format!("{}{}", "[".repeat(levels), "]".repeat(levels))).unwrap()
        };
        let mut cases: Vec<(Value, bool)> = names.map(|name| (json!({ name: "x" }), false)).into();
        cases.extend([
            (json!({"a": deep(15)}), true),
            (json!({"a": deep(16)}), false),
            (json!({"Sub": "x", "": 1, "a\"b": null}), true),
            (json!({}), true),
            (json!(null), false),
            (json!(["sub"]), false),
            (json!("sub"), false),
        ]);
        for (own, good) in cases {
            let says = own.clone();
            let app = app(|builder| {
                builder.access_claims(move |_| std::future::ready(Ok::<_, BoxError>(says.clone())))
            });
            let answer = Tab::new(&app).login_with("bob", "").await;
            if good {
                let pair = answer.pair();
                assert_eq!(Tab::new(&app).get("/me", &pair.cookies()).await.status, 200, "{own}");
            } else {
                assert_eq!((answer.status.as_u16(), answer.code()), (500, "server_error".into()), "{own}");
                let opened = app.jwtauth.sessions().login(&User::named("bob"), Device::default()).await;
                assert!(matches!(opened, Err(SessionError::ClaimRefused { .. })), "{own}: {opened:?}");
                assert_eq!(app.jwtauth.sessions().list("bob").await.unwrap().len(), 0);
            }
        }
        // 4 kB of them fit into no cookie.
        let app = app(|builder| {
            builder.access_claims(|_| std::future::ready(Ok::<_, BoxError>(json!({"a": "x".repeat(4096)}))))
        });
        let opened = app.jwtauth.sessions().login(&User::named("bob"), Device::default()).await;
        assert!(matches!(opened, Err(SessionError::TokenTooLarge { .. })), "{opened:?}");
    });
}

/// what never answers is given up on.
#[test]
fn r_5_an_application_that_hangs_is_given_up_on() {
    in_no_time(async || {
        let app = app(|builder| builder.access_claims(|_| std::future::pending::<Result<Value, BoxError>>()));
        assert_eq!(Tab::new(&app).login_with("bob", "").await.status, 503);
    });
}
