//! Changes that are decided by a record as the request has read it before: what another node did since is not undone.

use std::sync::Arc;
use std::time::Duration;

use jwtauth::store::{
    Isolation, LoginEffects, Revocation, Rotation, RotationPolicy, RotationRequest, SessionState,
    SessionStore, Successor, TokenStore, UserUpdate,
};
use jwtauth::{PostgresStore, RevocationReason, Session, TokenId, testing};
use tests::bounded;
use tests::postgres::{self, Postgres};
use tokio::task::JoinSet;

use super::open;

/// Each way to run a transaction, with records of tokens and without.
const WAYS: [(Isolation, Option<Duration>); 4] = [
    (Isolation::ReadCommitted, None),
    (Isolation::ReadCommitted, Some(Duration::from_secs(300))),
    (Isolation::Serializable, None),
    (Isolation::Serializable, Some(Duration::from_secs(300))),
];

const LOGOUT: Revocation = Revocation { at: 150, reason: RevocationReason::Logout };

/// Opens two stores on one new schema.
async fn two(server: &Postgres, isolation: Isolation) -> [PostgresStore; 2] {
    let config = server.config().schema(server.schema()).isolation(isolation);
    [open(&config).await, open(&config).await]
}

/// Opens a session.
async fn opened(store: &PostgresStore, register: Option<Duration>) -> Session {
    let session = testing::session(1, "a");
    let mut effects = LoginEffects::default();
    effects.register = register;
    store.insert(session.clone(), effects).await.unwrap();
    session
}

/// Presents the first refresh token of a session.
fn presented(session: &Session, number: u8, register: Option<Duration>) -> RotationRequest {
    let successor =
        Successor::new(TokenId::from_bytes([number; 16]), TokenId::from_bytes([number + 100; 16]));
    let policy = RotationPolicy::new(Duration::from_secs(30), Duration::from_secs(1_000));
    let mut request = RotationRequest::new(session.id, 0, 160, policy, successor);
    request.register = register;
    request
}

/// S-8: the refresh has read the session before the logout, and is answered after it.
#[test]
fn s_8_a_refresh_does_not_undo_a_logout_that_came_in_between() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        for (isolation, register) in WAYS {
            let [here, there] = two(&server, isolation).await;
            let session = opened(&here, register).await;
            let tokens = here.tokens_of(session.id).await.unwrap();
            let read = here.load(session.id).await.unwrap().unwrap();
            assert!(there.revoke(session.id, LOGOUT).await.unwrap());
            let (rotation, _) = here.rotate(presented(&session, 1, register)).await.unwrap().unwrap();
            assert_eq!(rotation, Rotation::Over(SessionState::Revoked(RevocationReason::Logout)));
            let now = there.load(session.id).await.unwrap().unwrap();
            assert_eq!((now.generation, now.revoked), (0, Some(LOGOUT)), "{isolation:?}");
            assert_eq!(here.tokens_of(session.id).await.unwrap(), tokens, "{isolation:?}: nothing is issued");
            drop(read);
        }
    });
}

/// The roles that another node has set are there when the logout is.
#[test]
fn a_logout_keeps_what_came_in_between() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        for (isolation, register) in WAYS {
            let [here, there] = two(&server, isolation).await;
            let session = opened(&here, register).await;
            let read = here.load(session.id).await.unwrap().unwrap();
            let mut update = UserUpdate::default();
            update.roles = vec!["auditor".into()];
            assert_eq!(there.update_user("a".into(), update.clone()).await.unwrap(), 1);
            assert!(here.revoke(session.id, LOGOUT).await.unwrap());
            let now = there.load(session.id).await.unwrap().unwrap();
            assert_eq!((&now.roles, now.revoked), (&update.roles, Some(LOGOUT)), "{isolation:?}");
            drop(read);
        }
    });
}

/// All have read the same record, on both nodes. One spends the token, and the others get what it has got.
#[test]
fn one_of_many_refreshes_that_have_read_the_same_spends_the_token() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        for (isolation, register) in WAYS {
            let stores = two(&server, isolation).await;
            let session = opened(&stores[0], register).await;
            let mut read = Vec::new();
            for store in &stores {
                read.push(store.load(session.id).await.unwrap().unwrap());
            }
            let mut refreshes = JoinSet::new();
            for number in 1..=16 {
                let (store, request) =
                    (stores[usize::from(number) % 2].clone(), presented(&session, number, register));
                refreshes.spawn(async move { store.rotate(request).await.unwrap().unwrap() });
            }
            let rotated = refreshes.join_all().await;
            let spent = rotated.iter().filter(|(rotation, _)| *rotation == Rotation::Rotated).count();
            assert_eq!(spent, 1, "{isolation:?}");
            let now = stores[0].load(session.id).await.unwrap().map(Arc::unwrap_or_clone).unwrap();
            for (rotation, after) in &rotated {
                assert!([Rotation::Rotated, Rotation::Repeated].contains(rotation), "{rotation:?}");
                assert_eq!((after.generation, after.refresh_id), (1, now.refresh_id), "{isolation:?}");
            }
            if register.is_some() {
                let tokens = stores[1].tokens_of(session.id).await.unwrap();
                assert_eq!(tokens.len(), 4, "two of the login, and two of the one refresh: {tokens:?}");
            }
        }
    });
}
