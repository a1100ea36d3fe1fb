//! What is remembered of Django's tokens: for how long, of which client, and what a second end of one says.

use std::time::Duration;

use jwtauth::Device;
use tests::app::START;
use tests::bounded;

use super::{Site, access, refresh};

/// N-8: a clock that is days ahead makes nothing forget that a token was revoked, which is good again when the clock is put right.
#[test]
fn n_8_a_revoked_token_is_not_forgotten_while_the_clock_is_ahead() {
    bounded(async {
        let site = Site::new();
        let sessions = site.app.jwtauth.sessions();
        let (revoked, other) = (access("7", "a1"), access("7", "a2"));
        sessions.revoke_jwt(&revoked).await.unwrap();
        site.app.clock.advance(Duration::from_secs(6 * 24 * 60 * 60));
        for token in [&revoked, &other] {
            assert_eq!(site.who(token).await.0, 401, "expired");
        }
        sessions.sweep().await.unwrap();
        site.app.clock.set(START + 1);
        assert_eq!(site.who(&other).await.0, 200, "good again");
        assert_eq!(site.who(&revoked).await.0, 401);
    });
}

/// A token is over a minute after its end, whatever leeway is set. What was revoked until then was news.
#[test]
fn the_end_of_a_token_is_news_while_it_may_be_good() {
    bounded(async {
        let site = Site::new();
        let sessions = site.app.jwtauth.sessions();
        for (at, is_news) in [(START + 299, true), (START + 359, true), (START + 360, false)] {
            site.app.clock.set(at);
            let token = access("7", &format!("at {at}"));
            assert_eq!(sessions.revoke_jwt(&token).await.is_ok(), is_news, "{at}");
            assert!(sessions.revoke_jwt(&token).await.is_err(), "{at}: again");
        }
    });
}

/// S-8: a token that was exchanged ends with its session, and is news if one of the two was not over.
#[test]
fn s_8_the_end_of_a_token_that_was_exchanged_is_news_once() {
    bounded(async {
        let site = Site::new();
        let sessions = site.app.jwtauth.sessions();
        for is_over in [false, true] {
            let token = refresh("7", &format!("over: {is_over}"));
            assert_eq!(site.refresh(&token).await.0, 200);
            let [session] = &sessions.list("7").await.unwrap()[..] else { panic!("one session") };
            if is_over {
                assert!(sessions.revoke(session.id).await.unwrap());
            }
            assert!(sessions.revoke_jwt(&token).await.is_ok(), "{is_over}");
            assert!(sessions.revoke_jwt(&token).await.is_err(), "{is_over}: again");
            assert!(sessions.list("7").await.unwrap().is_empty());
        }
    });
}

/// The session says which device has brought the token, and from where.
#[test]
fn the_session_of_an_exchanged_token_is_of_its_client() {
    bounded(async {
        let site = Site::new();
        let mut device = Device::default();
        device.app = Some("Chrome".into());
        device.address = Some([192, 0, 2, 1].into());
        let sessions = site.app.jwtauth.sessions();
        let tokens = sessions.refresh(&refresh("7", "r1"), &device).await.unwrap();
        assert_eq!(tokens.session.device, device);
        assert_eq!(tokens.session.last_address, device.address);
    });
}
