//! A record has a largest size. Whatever a user value holds, its session can be refreshed and ended.

use jwtauth::store::codec::MAX_RECORD;
use jwtauth::store::{LoginEffects, SessionStore as _, Successor};
use jwtauth::{Device, Session, SessionId, SledStore, TokenId};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Serialize, Deserialize, jwtauth::AuthUser)]
struct Author {
    id: u64,
    about: String,
}

fn author(length: usize) -> Author {
    Author { id: 7, about: "a".repeat(length) }
}

/// A client that says as much of itself as is kept.
fn device() -> Device {
    let text = |length: usize| Some("d".repeat(length));
    let mut device = Device::default();
    (device.app, device.os, device.model) = (text(64), text(64), text(64));
    (device.app_version, device.os_version) = (text(32), text(32));
    (device.id, device.user_agent) = (text(128), text(512));
    device.address = Some([255; 16].into());
    device
}

/// N-1: what comes later has room: a refresh, tokens that are revoked alone, a new user value, the end.
#[test]
fn n_1_the_largest_session_can_be_refreshed_and_ended() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let sessions = app.jwtauth.sessions();
        let (mut fits, mut too_large) = (0, MAX_RECORD);
        while too_large - fits > 1 {
            let length = fits.midpoint(too_large);
            match sessions.login(&author(length), device()).await {
                Ok(_) => fits = length,
                Err(SessionError::User(why)) => {
                    assert!(why.to_string().contains("are the most"), "{why}");
                    too_large = length;
                }
                Err(error) => panic!("{length}: {error:?}"),
            }
        }
        assert!(fits > MAX_RECORD * 9 / 10, "{fits}");
        let tokens = sessions.login(&author(fits), Device::default()).await.unwrap();
        let other = sessions.login(&author(0), device()).await.unwrap();
        let next = sessions.refresh(tokens.refresh().unwrap(), &device()).await.unwrap();
        for session in [next.session.id, other.session.id] {
            for number in 0..64 {
                let token = TokenId::from_bytes([number; 16]);
                assert!(sessions.revoke_token(session, token).await.unwrap(), "{number}");
            }
        }
        assert!(sessions.update_user(&author(fits)).await.unwrap() > 1);
        assert!(matches!(sessions.update_user(&author(too_large)).await, Err(SessionError::User(_))));
        assert!(sessions.revoke(next.session.id).await.unwrap());
        assert!(sessions.revoke_all("7").await.unwrap() > 1);
        assert!(sessions.list("7").await.unwrap().is_empty());
    });
}

/// N-1: one that was opened without that room, by an earlier release, can be ended all the same.
#[test]
fn n_1_a_session_without_room_can_be_ended() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store.clone(), |builder| builder);
        let now = app.jwtauth.sessions().now();
        for (number, ends_all) in [(1, false), (2, true)] {
            let id = SessionId::from_bytes([number; 16]);
            let token = TokenId::from_bytes([number; 16]);
            let mut session = Session::new(id, "7", now, Successor::new(token, token));
            (session.expires_at, session.absolute_expires_at) = (now + 1_000, now + 1_000);
            for length in (0..MAX_RECORD).rev() {
                session.user = Some(vec![b' '; length]);
                if store.insert(session.clone(), LoginEffects::default()).await.is_ok() {
                    break;
                }
            }
            assert!(session.user.as_ref().is_some_and(|user| user.len() > MAX_RECORD * 9 / 10));
            let sessions = app.jwtauth.sessions();
            if ends_all {
                assert_eq!(sessions.revoke_all("7").await.unwrap(), 1);
            } else {
                assert!(sessions.revoke(id).await.unwrap());
            }
            assert!(sessions.find(id).await.unwrap().is_none());
        }
    });
}
