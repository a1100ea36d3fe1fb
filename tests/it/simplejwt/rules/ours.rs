//! Our own tokens where another service reads them, and what it makes of them.

use jwtauth::StorageConfig;

use super::*;
use tests::test_store::TestStore;

/// What PyJWT and simplejwt look for, and all that there was before.
#[test]
fn our_tokens_have_the_form_that_simplejwt_reads() {
    bounded(async {
        let site = Site::new();
        let (access, refresh) = site.obtain("7").await;
        for (token, kind, generation) in [(&access, "access", Value::Null), (&refresh, "refresh", json!(0))] {
            let (header, said) = (claims_header(token), claims(token));
            assert_eq!((&header["typ"], &header["alg"]), (&json!("JWT"), &json!("HS256")));
            assert!(header["kid"].is_string());
            assert_eq!(
                (&said["token_type"], &said["user_id"], &said["sub"]),
                (&json!(kind), &json!("7"), &json!("7"))
            );
            assert_eq!(
                (&said["iss"], &said["aud"], &said["gen"]),
                (&json!("jwtauth"), &json!("jwtauth"), &generation)
            );
            assert_eq!(said.get("client_id"), None, "N-29: simplejwt has no such claim");
            assert!(said["sid"].is_string() && said["jti"].is_string() && said["iat"].is_u64());
        }
        let site = Site::with(TestStore::new(), |builder| {
            builder.tokens(TokenConfig::default().compat(Compat::simplejwt().user_id_claim("sub")))
        });
        let (access, _) = site.obtain("7").await;
        assert_eq!((&claims(&access)["sub"], &claims(&access)["user_id"]), (&json!("7"), &Value::Null));
        assert_eq!(site.who(&access).await, (200, "7".into()));
        let foreign = with(with(access_claims("7", "a1"), "-user_id", Value::Null), "sub", json!("9"));
        assert_eq!(site.who(&signed(&foreign)).await, (200, "9".into()));
    });
}

/// Sessions that were opened before go on, in both of their tokens.
#[test]
fn no_session_ends_when_it_is_switched_on() {
    bounded(async {
        let store = Faulty::default();
        let before = Site::of(TestApp::with(store.clone(), |builder| builder));
        let (access, refresh) = before.obtain("7").await;
        let (waits, _) = before.obtain("8").await;
        let tab = Tab::new(&before.app);
        let browser = tab.login("bob").await;
        let after = Site::with(store, |builder| builder.clock(before.app.clock.clone()));
        assert_eq!(after.who(&access).await, (200, "7".into()));
        assert_eq!(after.who(&waits).await, (200, "8".into()));
        let (status, pair) = after.refresh(&refresh).await;
        assert_eq!(status, 200, "{pair}");
        let next = text(&pair["refresh"]);
        assert_eq!(claims_header(&next)["typ"], "JWT");
        assert_eq!(after.refresh(&next).await.0, 200);
        before.app.clock.advance(Duration::from_secs(301));
        let tab = Tab::new(&after.app);
        let renewed = tab.get("/me", &browser.cookies()).await;
        assert_eq!(renewed.status, 200, "an old pair is refreshed in silence");
        assert_eq!(claims(&renewed.pair().access)["user_id"], "bob");
    });
}

/// What Django makes of our refresh token is of our session: an access token, and with rotation a refresh token.
#[test]
fn what_django_makes_of_our_refresh_token_belongs_to_our_session() {
    bounded(async {
        let site = Site::with(TestStore::new(), |builder| {
            builder.storage(StorageConfig::default().token_registry())
        });
        let (_, refresh) = site.obtain("7").await;
        let mut derived = claims(&refresh);
        for (name, value) in
            [("token_type", json!("access")), ("exp", json!(START + 300)), ("jti", json!("6b1f0c9e"))]
        {
            derived[name] = value;
        }
        let derived = with(derived, "-aud", Value::Null);
        let token = signed(&derived);
        assert_eq!(site.who(&token).await, (200, "7".into()));
        let sessions = site.app.jwtauth.sessions();
        assert_eq!(sessions.list("7").await.unwrap().len(), 1, "no session is added");
        // It ends alone, as any access token does.
        sessions.revoke_jwt(&token).await.unwrap();
        assert_eq!(site.who(&token).await.0, 401);
        let second = signed(&with(derived, "jti", json!("0f2d")));
        assert_eq!(site.who(&second).await.0, 200);
        let rotated = signed(&with(claims(&refresh), "jti", json!("77aa")));
        let (status, pair) = site.refresh(&rotated).await;
        assert_eq!(status, 200, "{pair}");
        assert_eq!(
            site.refresh(&refresh).await.1["refresh"],
            pair["refresh"],
            "they are the same token to us"
        );
        site.post("/auth/revoke", json!({"refresh": pair["refresh"]})).await;
        assert_eq!(site.who(&second).await.0, 401, "the session has ended");
        assert_eq!(site.refresh(&rotated).await.0, 401);
    });
}

/// S-3: at Django our refresh token works again and again, also for who has stolen a spent one. What is made of it then is
/// refused here, and the session goes on for who has the successor.
#[test]
fn s_3_what_django_makes_of_a_refresh_token_that_was_spent_is_refused() {
    bounded(async {
        let site = Site::new();
        let (_, first) = site.obtain("7").await;
        let derived = |refresh: &str, now: u64| {
            let claims = with(claims(refresh), "token_type", json!("access"));
            let claims = with(with(claims, "iat", json!(now)), "exp", json!(now + 300));
            signed(&with(claims, "jti", json!(format!("{now}"))))
        };
        let before = derived(&first, site.now());
        assert_eq!(site.who(&before).await.0, 200);
        let (status, pair) = site.refresh(&first).await;
        assert_eq!(status, 200, "{pair}");
        site.app.clock.advance(Duration::from_secs(29));
        assert_eq!(site.who(&derived(&first, site.now())).await.0, 200, "inside the grace window");
        site.app.clock.advance(Duration::from_secs(1));
        assert_eq!(site.who(&derived(&first, site.now())).await.0, 401, "a spent one");
        assert_eq!(site.who(&before).await.0, 200, "one that was made before it was spent");
        let second = text(&pair["refresh"]);
        let current = derived(&second, site.now());
        assert_eq!(site.who(&current).await.0, 200, "the current one");
        let (status, pair) = site.refresh(&second).await;
        assert_eq!(status, 200, "{pair}");
        assert_eq!((site.who(&before).await.0, site.who(&current).await.0), (401, 200), "two generations on");
        assert_eq!(site.who(&text(&pair["access"])).await.0, 200, "the session goes on");
        let wrong = with(claims(&second), "token_type", json!("access"));
        let wrong = with(with(wrong, "exp", json!(site.now() + 300)), "gen", json!("1"));
        assert_eq!(site.who(&signed(&wrong)).await.0, 401, "a generation that is none");
    });
}

/// S-8: a refresh token that was ended alone is as good as ever at Django. What is made of it there is refused here, also
/// where it was made of the one before it.
#[test]
fn s_8_what_django_makes_of_a_refresh_token_that_was_ended_is_refused() {
    bounded(async {
        let site = Site::new();
        let derived = |refresh: &str, jti: &str| {
            let claims = with(claims(refresh), "token_type", json!("access"));
            let claims = with(with(claims, "iat", json!(site.now())), "exp", json!(site.now() + 300));
            signed(&with(claims, "jti", json!(jti)))
        };
        let (access, first) = site.obtain("7").await;
        let (_, pair) = site.refresh(&first).await;
        let second = text(&pair["refresh"]);
        for (name, refresh) in [("the one before", &first), ("the one", &second)] {
            assert_eq!(site.who(&derived(refresh, "a1")).await.0, 200, "{name}");
        }
        site.app.jwtauth.sessions().revoke_jwt(&second).await.unwrap();
        for (name, refresh) in [("the one before", &first), ("the one", &second)] {
            assert_eq!(site.who(&derived(refresh, "a2")).await.0, 401, "{name}");
            assert_eq!(site.refresh(refresh).await.0, 401, "{name}");
        }
        for ours in [&access, &text(&pair["access"])] {
            assert_eq!(site.who(ours).await.0, 200, "our access tokens go on");
        }
    });
}

/// Claims of the application's own ride along, and Django copies none: a refresh token has none.
#[test]
fn claims_of_the_applications_own_leave_the_users_id_alone() {
    bounded(async {
        let with = |name: &'static str| {
            Site::with(TestStore::new(), move |builder| {
                builder.access_claims(move |session| async move { Ok(json!({ name: session.subject })) })
            })
        };
        let site = with("tenant");
        let (_, pair) = site.refresh(&refresh("7", "r1")).await;
        let said = claims(&text(&pair["access"]));
        assert_eq!((&said["tenant"], &said["user_id"]), (&json!("7"), &json!("7")));
        assert_eq!(site.who(&text(&pair["access"])).await, (200, "7".into()));
        let (status, _) = with("user_id").refresh(&refresh("7", "r1")).await;
        assert_eq!(status, 500, "a claim that is taken");
    });
}
