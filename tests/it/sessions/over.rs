//! How a session ends: logouts, limits, the sweep.

use jwtauth::store::SessionStore as _;
use jwtauth::{Device, StorageConfig};

use super::*;

/// S-8: a logout works with either cookie, with an expired access token, twice, and with a bearer token.
#[test]
fn s_8_logout_ends_the_session_at_once() {
    type Header = fn(&Tokens) -> String;
    let ways: [(&str, Header); 3] =
        [("both", Tokens::cookies), ("access", Tokens::only_access), ("refresh", Tokens::only_refresh)];
    bounded(async {
        for (way, header) in ways {
            for age in [0, 300] {
                let app = TestApp::new();
                let tab = Tab::new(&app);
                let pair = tab.login("alice").await;
                let elsewhere = tab.login("alice").await;
                app.clock.advance(age * SECOND);
                for _ in 0..2 {
                    let answer = tab.post("/logout", &header(&pair)).await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.cookies()),
                        (200, Cookies::Deleted),
                        "{way}, {age} s"
                    );
                }
                assert_eq!(tab.bearer("/me", &pair.access).await.status, 401, "{way}, {age} s");
                assert_eq!(tab.get("/me", &pair.only_refresh()).await.status, 401, "{way}, {age} s");
                assert_eq!(
                    tab.get("/me", &elsewhere.only_refresh()).await.status,
                    200,
                    "S-9: {way}, {age} s"
                );
            }
        }
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let nobody = tab.post("/logout", "").await;
        assert_eq!((nobody.status.as_u16(), nobody.cookies()), (200, Cookies::Deleted), "nobody logs out");
        let pair = tab.login("alice").await;
        let bearer = format!("Bearer {}", pair.access);
        let answer = tab.send(Method::POST, "/logout", &[("authorization", &bearer)]).await;
        assert_eq!((answer.status.as_u16(), answer.cookies()), (200, Cookies::None));
        assert_eq!(me(&tab, &pair).await, 401);
    });
}

/// S-8: a logout that cannot tell which session is meant says so, and never that it has ended one.
#[test]
fn s_8_a_logout_that_ends_nothing_is_no_success() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let tokens = tab.login("alice").await;
        let logout = async |headers: &[(&str, &str)]| tab.send(Method::POST, "/logout", headers).await;
        let cookies = tokens.cookies();
        for bad in ["Bearer bad", "Bearer a b", "Bearer\tx", &format!("Bearer {}", tokens.refresh)] {
            let answer = logout(&[("cookie", &cookies), ("authorization", bad)]).await;
            assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::None), "{bad}");
        }
        let twice = [("cookie", &*cookies), ("authorization", "Bearer a"), ("authorization", "Bearer b")];
        assert_eq!(logout(&twice).await.status, 401);
        assert_eq!(me(&tab, &tokens).await, 200, "nothing was ended, and nothing else was said");
    });
}

/// S-9: all sessions of a user, or all but this one, and nobody else's.
#[test]
fn s_9_logout_everywhere_and_elsewhere() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let alice = [tab.login("alice").await, tab.login("alice").await, tab.login("alice").await];
        let bob = tab.login("bob").await;
        assert_eq!(tab.post("/logout/others", &alice[0].cookies()).await.body, "2");
        assert_eq!(me(&tab, &alice[0]).await, 200);
        assert_eq!((me(&tab, &alice[1]).await, me(&tab, &alice[2]).await), (401, 401));
        let again = tab.login("alice").await;
        let answer = tab.post("/logout/all", &again.cookies()).await;
        assert_eq!((answer.body.as_str(), answer.cookies()), ("2", Cookies::Deleted));
        assert_eq!((me(&tab, &alice[0]).await, me(&tab, &again).await), (401, 401));
        assert_eq!(me(&tab, &bob).await, 200);
        let stranger = tab.post("/logout/all", "").await;
        assert_eq!((stranger.status.as_u16(), stranger.code().as_str()), (401, "not_authenticated"));
    });
}

/// S-10: a busy session ends at its absolute limit, an idle one at its idle limit.
#[test]
fn s_10_idle_and_absolute_limits() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| builder.absolute_ttl(3 * DAY));
        let tab = Tab::new(&app);
        let idle = tab.login("alice").await;
        let mut busy = tab.login("alice").await;
        let step = DAY - SECOND;
        for _ in 0..3 {
            app.clock.advance(step);
            busy = tab.get("/me", &busy.cookies()).await.pair();
        }
        assert_eq!(tab.get("/me", &idle.cookies()).await.status, 401, "idle for more than a day");
        assert_eq!(claims(&busy.refresh)["exp"], START + 3 * DAY.as_secs(), "capped by the absolute limit");
        assert_eq!(claims(&busy.access)["exp"], START + 3 * DAY.as_secs(), "no token outlives the session");
        app.clock.advance(2 * SECOND);
        assert_eq!(me(&tab, &busy).await, 200, "the last second");
        app.clock.advance(SECOND);
        assert_eq!(me(&tab, &busy).await, 401, "the limit");
    });
}

/// S-13: limits hold whether anything was swept or not, and a sweep changes no answer.
#[test]
fn s_13_limits_hold_without_a_sweep() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let (old, new) = (tab.login("alice").await, {
            app.clock.advance(DAY / 2);
            tab.login("alice").await
        });
        app.clock.advance(DAY / 2);
        assert_eq!((me(&tab, &old).await, me(&tab, &new).await), (401, 200));
        assert_eq!(tests::sweep(app.jwtauth.sessions()).await, 1);
        assert_eq!(tests::sweep(app.jwtauth.sessions()).await, 0);
        assert_eq!(tab.get("/me", &new.only_refresh()).await.status, 200);
        assert_eq!(tab.get("/me", &old.cookies()).await.status, 401);
    });
}

/// The background sweep starts by itself.
#[test]
fn the_sweep_runs_in_the_background() {
    bounded(async {
        let store = TestStore::new();
        let app = TestApp::with(store.clone(), |builder| {
            builder.storage(StorageConfig::default().sweep_interval(SECOND))
        });
        let session = Tab::new(&app).login("alice").await.session();
        assert!(store.load(session).await.unwrap().is_some());
        app.clock.advance(DAY);
        while store.load(session).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

/// A session is listed with what its owner needs to recognise it, and can be ended by its id.
#[test]
fn sessions_are_listed_and_ended() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        app.clock.advance(SECOND);
        let second = tab.login("alice").await;
        let sessions = app.jwtauth.sessions();
        let ids: Vec<_> = sessions.list("alice").await.unwrap().iter().map(|session| session.id).collect();
        assert_eq!(ids, [second.session(), first.session()], "the newest first");
        assert!(sessions.revoke(first.session()).await.unwrap());
        assert!(!sessions.revoke(first.session()).await.unwrap(), "ended before");
        assert_eq!(sessions.list("alice").await.unwrap().len(), 1);
        assert_eq!((me(&tab, &first).await, me(&tab, &second).await), (401, 200));
    });
}

/// N-1: a token that has a successor, or was revoked alone, is over: there is nothing to revoke. The newest ones are not.
#[test]
fn n_1_a_token_that_was_replaced_is_over() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.tokens(TokenConfig::default().revoke_on_refresh())
        });
        let (sessions, device) = (app.jwtauth.sessions(), Device::default());
        let first = sessions.login(&User::named("alice"), device.clone()).await.unwrap();
        let next = sessions.refresh(first.refresh().unwrap(), &device).await.unwrap();
        for token in [first.access(), first.refresh().unwrap()] {
            let revoked = sessions.revoke_jwt(token).await;
            assert!(matches!(revoked, Err(SessionError::Expired)), "{revoked:?}");
        }
        for token in [next.access(), next.refresh().unwrap()] {
            sessions.revoke_jwt(token).await.unwrap();
            let again = sessions.revoke_jwt(token).await;
            assert!(matches!(again, Err(SessionError::Expired)), "{again:?}");
        }
        assert!(sessions.find(next.session.id).await.unwrap().is_some(), "its session goes on");
    });
}
