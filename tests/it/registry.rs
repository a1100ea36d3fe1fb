//! What was issued, tokens that end alone, and how many sessions a user may have.

mod alone;

use std::time::Duration;

use jwtauth::error::SessionError;
use jwtauth::{
    Device, JwtAuthBuilder, LoginAttempt, LoginError, Sessions, StorageConfig, TokenConfig, TokenKind,
    TokenRecord,
};
use poem::test::TestClient;
use poem::{EndpointExt, Route};
use tests::app::{TestApp, User};
use tests::bounded;
use tests::faulty::Faulty;
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::claims;

fn app(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> TestApp {
    TestApp::with(TestStore::new(), set)
}

/// Returns each token as its kind, the place of its parent, and whether it is good.
fn tree(tokens: &[TokenRecord], now: u64) -> Vec<(TokenKind, Option<usize>, bool)> {
    let place = |id| tokens.iter().position(|token| token.id == id).expect("a parent is in the tree");
    tokens.iter().map(|token| (token.kind, token.parent.map(place), token.is_active_at(now))).collect()
}

/// An id that came from a client may be anybody's.
#[test]
fn a_user_revokes_their_own_sessions_only() {
    bounded(async {
        let app = app(|builder| builder);
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let [bobs, alices] = [tab.login("bob").await, tab.login("alice").await].map(|pair| pair.session());
        assert!(!sessions.revoke_of("bob", alices).await.unwrap());
        assert!(sessions.find(alices).await.unwrap().is_some(), "it goes on");
        assert!(sessions.revoke_of("bob", bobs).await.unwrap());
        assert!(sessions.find(bobs).await.unwrap().is_none());
        assert!(!sessions.revoke_of("bob", bobs).await.unwrap(), "it is over");
    });
}

/// W6, W7, W10: login, rotation, rotation; and the user of each without asking.
#[test]
fn w_7_tokens_hang_in_the_tree_of_their_login() {
    use TokenKind::{Access, Refresh};
    bounded(async {
        let app = app(tests::app::with_registry);
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let first = tab.login("bob").await;
        let other = tab.login("bob").await;
        app.clock.advance(Duration::from_secs(60));
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        app.clock.advance(Duration::from_secs(60));
        let third = tab.post("/refresh", &second.cookies()).await.pair();
        let now = tests::app::START + 120;
        let tokens = sessions.tokens(first.session()).await.unwrap();
        assert_eq!(
            tree(&tokens, now),
            [
                (Refresh, None, false),
                (Access, Some(0), true),
                (Refresh, Some(0), false),
                (Access, Some(2), true),
                (Refresh, Some(2), true),
                (Access, Some(4), true),
            ]
        );
        let id = |token: &str| claims(token)["jti"].as_str().unwrap().to_owned();
        let ids: Vec<_> = tokens.iter().map(|token| token.id.to_string()).collect();
        let issued = [&first, &second, &third].map(|pair| [id(&pair.refresh), id(&pair.access)]).concat();
        assert_eq!(ids, issued, "the records are of the tokens that were handed out");
        for (token, text) in
            tokens.iter().zip([&first, &second, &third].map(|it| [&it.refresh, &it.access]).concat())
        {
            assert_eq!(Some(token.issued_at), claims(text)["iat"].as_u64());
            assert_eq!(Some(token.expires_at), claims(text)["exp"].as_u64());
        }
        assert_eq!(sessions.tokens_of("bob").await.unwrap().len(), 8, "of both sessions");
        assert_eq!(active_tokens(sessions, "bob").await.len(), 6);
        // A session takes its tokens with it, and no other session's.
        sessions.revoke(first.session()).await.unwrap();
        assert!(sessions.tokens(first.session()).await.unwrap().iter().all(|token| !token.is_active_at(now)));
        assert_eq!(active_tokens(sessions, "bob").await.len(), 2);
        assert_eq!(tab.get("/me", &other.cookies()).await.status, 200);
        // W16: by their natural end.
        assert_eq!(sessions.archive(now).await.unwrap(), 0, "none has expired by itself");
        app.clock.advance(Duration::from_secs(400));
        assert_eq!(sessions.archive(now + 400).await.unwrap(), 4, "the access tokens have");
    });
}

async fn active_tokens(sessions: &Sessions, subject: &str) -> Vec<TokenRecord> {
    let mut tokens = sessions.tokens_of(subject).await.unwrap();
    tokens.retain(|token| token.is_active_at(sessions.now()));
    tokens
}

/// W9: nothing is recorded that was not asked for.
#[test]
fn w_9_without_the_registry_there_is_no_row() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("bob").await;
        assert_eq!(tab.post("/refresh", &first.cookies()).await.status, 200);
        assert_eq!(app.jwtauth.sessions().tokens(first.session()).await.unwrap(), []);
    });
}

/// W13: one token, or all of them.
#[test]
fn w_13_an_access_token_ends_alone() {
    bounded(async {
        let app = app(tests::app::with_registry);
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let pair = tab.login("bob").await;
        sessions.revoke_jwt(&pair.access).await.unwrap();
        // At once, by cookie and as bearer, though its session goes on.
        assert_eq!(tab.bearer("/me", &pair.access).await.status, 401);
        assert_eq!(tab.get("/me", &pair.only_access()).await.status, 401);
        assert!(matches!(sessions.revoke_jwt(&pair.access).await, Err(SessionError::Expired)));
        let renewed = tab.post("/refresh", &pair.only_refresh()).await.pair();
        assert_eq!(tab.bearer("/me", &renewed.access).await.status, 200);
        let active = active_tokens(sessions, "bob").await;
        assert_eq!(
            active.iter().map(|token| token.kind).collect::<Vec<_>>(),
            [TokenKind::Refresh, TokenKind::Access]
        );
        // With its tree.
        sessions.revoke_jwt_tree(&renewed.access).await.unwrap();
        assert_eq!(tab.post("/refresh", &renewed.only_refresh()).await.status, 401);
        assert_eq!(active_tokens(sessions, "bob").await, []);
        assert!(matches!(sessions.revoke_jwt_tree("x.y.z").await, Err(SessionError::Token(_))));
    });
}

#[test]
fn a_refresh_token_ends_alone_and_its_access_token_goes_on() {
    bounded(async {
        let app = TestApp::new();
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let first = tab.login("bob").await;
        let pair = tab.post("/refresh", &first.cookies()).await.pair();
        sessions.revoke_jwt(&pair.refresh).await.unwrap();
        for refresh in [&pair, &first] {
            let refused = tab.post("/refresh", &refresh.only_refresh()).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "token_not_valid"));
        }
        assert_eq!(tab.get("/me", &pair.only_access()).await.status, 200);
        // S-3: what was spent is still theft when it comes back late.
        app.clock.advance(Duration::from_secs(31));
        assert_eq!(tab.get("/me", &pair.only_access()).await.status, 200);
    });
}

#[test]
fn a_tree_ends_but_for_some_of_its_tokens() {
    bounded(async {
        let app = app(tests::app::with_registry);
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let first = tab.login("bob").await;
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        let kept = sessions.tokens(first.session()).await.unwrap().last().unwrap().id;
        assert_eq!(sessions.revoke_tree(first.session(), &[kept]).await.unwrap(), 2);
        assert_eq!(tab.bearer("/me", &first.access).await.status, 401);
        assert_eq!(tab.post("/refresh", &second.only_refresh()).await.status, 401);
        assert_eq!(tab.bearer("/me", &second.access).await.status, 200);
    });
}

/// W15: the access token before it ends with a refresh; a browser that still sends it is let through.
#[test]
fn w_15_a_refresh_ends_the_access_token_before_it() {
    bounded(async {
        let app = app(|builder| builder.tokens(TokenConfig::default().revoke_on_refresh()));
        let tab = Tab::new(&app);
        let first = tab.login("bob").await;
        assert_eq!(tab.bearer("/me", &first.access).await.status, 200);
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        assert_eq!(tab.bearer("/me", &second.access).await.status, 200);
        let old = tab.bearer("/me", &first.access).await;
        assert_eq!((old.status.as_u16(), old.code().as_str()), (401, "token_expired"));
        // A second tab sends the old pair a moment later: the same successor comes again.
        let late = tab.get("/me", &first.cookies()).await;
        assert_eq!(late.status, 200);
        let Cookies::Set(again) = late.cookies() else { panic!("no cookies") };
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(tab.bearer("/me", &again.access).await.status, 200);
    });
}

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    Ok(User::named(attempt.username()))
}

/// N-3: a token is listed as good exactly as long as it is taken: replaced, ended alone, with its session,
/// and under settings that changed meanwhile.
#[test]
fn n_3_w_15_the_registry_lists_a_token_as_good_while_it_is_taken() {
    let settings = |at_once: bool, grace: u64| {
        move |builder: JwtAuthBuilder| {
            let builder = builder
                .storage(StorageConfig::default().token_registry())
                .refresh_grace(Duration::from_secs(grace));
            if at_once { builder.tokens(TokenConfig::default().revoke_on_refresh()) } else { builder }
        }
    };
    bounded(async {
        for (before, after) in [(true, true), (false, false), (true, false), (false, true)] {
            for (is_sliding, grace, end) in [
                (true, 30, "nothing"),
                (true, 0, "nothing"),
                (true, 30, "alone"),
                (false, 30, "nothing"),
                (false, 0, "alone"),
                (true, 30, "session"),
                (false, 30, "session"),
            ] {
                let (store, device) = (Faulty::default(), Device::default());
                let app = TestApp::with(store.clone(), settings(before, grace));
                let (sessions, user) = (app.jwtauth.sessions(), User::named("bob"));
                let mut newest = match is_sliding {
                    true => sessions.login_sliding(&user, device.clone()).await.unwrap(),
                    false => sessions.login(&user, device.clone()).await.unwrap(),
                };
                let mut issued = Vec::new();
                let note = |tokens: &jwtauth::Tokens, issued: &mut Vec<String>| {
                    issued.extend(
                        [Some(tokens.access()), tokens.refresh()].into_iter().flatten().map(str::to_owned),
                    );
                };
                note(&newest, &mut issued);
                for wait in [10, 20] {
                    app.clock.advance(Duration::from_secs(wait));
                    newest = match is_sliding {
                        true => sessions.refresh_sliding(newest.access(), &device).await.unwrap(),
                        false => sessions.refresh(newest.refresh().unwrap(), &device).await.unwrap(),
                    };
                    note(&newest, &mut issued);
                }
                let now = sessions.now();
                let app = TestApp::starting_at(now, store, settings(after, grace));
                let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
                let routes = app.jwtauth.routes(authenticate).body_tokens();
                let client = TestClient::new(Route::new().nest("/auth", routes).with(app.jwtauth.clone()));
                match end {
                    "alone" => {
                        // Each may be over already.
                        let _ = sessions.revoke_jwt(&issued[0]).await;
                        let _ = sessions.revoke_jwt(&issued[2]).await;
                    }
                    "session" => assert!(sessions.revoke(newest.session.id).await.unwrap()),
                    _ => {}
                }
                for wait in [0, 1, 28, 1, 1, 200] {
                    app.clock.advance(Duration::from_secs(wait));
                    let records = sessions.tokens_of("bob").await.unwrap();
                    assert_eq!(records.len(), issued.len());
                    for token in &issued {
                        let said = claims(token);
                        let (id, kind) =
                            (said["jti"].as_str().unwrap(), said["token_type"].as_str().unwrap());
                        let record = records.iter().find(|record| record.id.to_string() == id).unwrap();
                        let listed = record.is_active_at(sessions.now());
                        let body = serde_json::json!({ "token": token });
                        let verified = client.post("/auth/verify").body_json(&body).send().await.0.status();
                        let case = format!(
                            "{before} {after}, {end}, grace {grace}: {kind} {} at {}",
                            said["gen"],
                            sessions.now() - tests::app::START
                        );
                        // A spent refresh token is answered for a while, and `/verify` does not tell that it was spent.
                        if kind == "refresh" && said["gen"] != newest.session.generation {
                            assert!(!listed, "{case}: {record:?}");
                            continue;
                        }
                        assert_eq!(verified == 200, listed, "{case}: {record:?}");
                        if kind != "refresh" {
                            assert_eq!(tab.bearer("/me", token).await.status == 200, listed, "{case}");
                        }
                    }
                }
            }
        }
    });
}

/// S-12: beyond the limit the session that was idle the longest ends.
#[test]
fn s_12_a_user_has_as_many_sessions_as_one_may_have() {
    bounded(async {
        let app = app(|builder| builder.max_sessions(3));
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let mut pairs = Vec::new();
        for _ in 0..3 {
            pairs.push(tab.login("bob").await);
            app.clock.advance(Duration::from_secs(1));
        }
        let carl = tab.login("carl").await;
        // The oldest login is not the one that was idle the longest.
        let renewed = tab.post("/refresh", &pairs[0].cookies()).await.pair();
        app.clock.advance(Duration::from_secs(1));
        let fourth = tab.login("bob").await;
        assert_eq!(tab.get("/me", &pairs[1].cookies()).await.status, 401);
        for alive in [&renewed, &pairs[2], &fourth, &carl] {
            assert_eq!(tab.get("/me", &alive.cookies()).await.status, 200);
        }
        assert_eq!(sessions.list("bob").await.unwrap().len(), 3);
        // A login in the same browser replaces its own session first.
        let again = tab.login_with("bob", &fourth.cookies()).await.pair();
        for alive in [&renewed, &pairs[2], &again] {
            assert_eq!(tab.get("/me", &alive.cookies()).await.status, 200);
        }
    });
}

#[test]
fn s_12_the_limit_has_bounds() {
    for (max, good) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
        let builder = jwtauth::JwtAuth::builder().secret(tests::app::SECRET).max_sessions(max);
        let built = builder.build(TestStore::new());
        assert_eq!(built.is_ok(), good, "{max}");
        if let Err(error) = built {
            assert_eq!(
                error.to_string(),
                format!("max_sessions \"{max}\" is refused: it must be between 1 and 1000")
            );
        }
    }
}

/// A session knows what logged in, and where it was seen last.
#[test]
fn the_first_device_stays_and_the_last_address_is_kept() {
    bounded(async {
        let app = TestApp::new();
        let sessions = app.jwtauth.sessions();
        let mut phone = Device::default();
        phone.app = Some("Firefox".into());
        phone.address = Some([203, 0, 113, 7].into());
        let tokens = sessions.login(&User::named("bob"), phone.clone()).await.unwrap();
        let mut laptop = Device::default();
        laptop.app = Some("Chrome".into());
        laptop.address = Some([198, 51, 100, 1].into());
        let renewed = sessions.refresh(tokens.refresh().unwrap(), &laptop).await.unwrap();
        assert_eq!((&renewed.session.device, renewed.session.last_address), (&phone, laptop.address));
        assert_eq!(sessions.list("bob").await.unwrap()[0].device, phone);
    });
}

/// M-5: a client that refreshes all day fills neither the disk nor an answer.
#[test]
fn m_5_a_session_keeps_the_newest_of_its_tokens() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        for store in [Some(folder.path().join("store")), None] {
            let app = match &store {
                Some(path) => {
                    let store = jwtauth::SledStore::open(path).await.unwrap();
                    TestApp::with(store, tests::app::with_registry)
                }
                None => app(tests::app::with_registry),
            };
            let sessions = app.jwtauth.sessions();
            let tokens = sessions.login(&User::named("bob"), Device::default()).await.unwrap();
            let (mut refresh, session) = (tokens.refresh().unwrap().to_owned(), tokens.session.id);
            let mut most = 0;
            for round in 0..700 {
                let renewed = sessions.refresh(&refresh, &Device::default()).await.unwrap();
                refresh = renewed.refresh().unwrap().to_owned();
                if round % 50 == 0 {
                    most = most.max(sessions.tokens(session).await.unwrap().len());
                }
            }
            assert!((512..=1_024).contains(&most), "{most}");
            let kept = sessions.tokens(session).await.unwrap();
            let newest = sessions.find(session).await.unwrap().unwrap();
            assert_eq!(kept.last().map(|token| token.id), Some(newest.access_id));
            assert!(kept.windows(2).all(|pair| pair[0].issued_at <= pair[1].issued_at));
            // In pages, to the last.
            let (mut after, mut paged) = (None, Vec::new());
            loop {
                let page = sessions.tokens_after(session, after, 100).await.unwrap();
                let Some(last) = page.last() else { break };
                (after, paged) = (Some(last.id), [paged, page.clone()].concat());
            }
            assert_eq!(paged, kept);
            let gone = jwtauth::TokenId::from_bytes([9; 16]);
            let page = sessions.tokens_after(session, Some(gone), 3).await.unwrap();
            assert_eq!(page, kept[..3], "what is behind a token that is forgotten begins with the oldest");
        }
    });
}
