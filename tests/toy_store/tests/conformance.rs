//! A store outside of jwtauth keeps the rules that jwtauth's own stores keep.

use jwtauth::error::ConfigError;
use jwtauth::store::{
    LoginEffects, Revocation, Rotation, RotationRequest, SessionStore, StoreFuture, SubjectRevocation, Swept,
    TokenRevocation, UserUpdate, conformance,
};
use jwtauth::{JwtAuth, Session, SessionId, StorageConfig, testing};
use std::sync::Arc;
use toy_store::ToyStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_outside_the_crate_conforms() {
    conformance::run(async || ToyStore::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_accounts_conform() {
    conformance::run_accounts(async || ToyStore::default()).await;
}

/// What is asked for and not kept is refused at start.
#[tokio::test]
async fn a_registry_needs_a_store_that_keeps_it() {
    let builder = || JwtAuth::builder().secret(*b"a secret of the tests, 32 bytes.");
    let store = SessionsOnly(ToyStore::default());
    let refused = builder().storage(StorageConfig::default().token_registry()).build(store);
    assert!(matches!(refused, Err(ConfigError::NotKept { method: "token_store", .. })), "{refused:?}");
    builder()
        .storage(StorageConfig::default().token_registry())
        .build(ToyStore::default())
        .expect("this one keeps it");
    let plain = builder().build(SessionsOnly(ToyStore::default())).expect("nothing is asked of it");
    let session = testing::session(1, "alice");
    assert!(plain.sessions().tokens(session.id).await.expect("no registry is no error").is_empty());
}

/// The core, and nothing that is optional.
#[derive(Debug)]
struct SessionsOnly(ToyStore);

impl SessionStore for SessionsOnly {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        self.0.insert(session, effects)
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.0.hand_out(session, effects)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.0.load(id)
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.0.rotate(request)
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        self.0.confirm(id, generation);
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.0.revoke(id, revocation)
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        self.0.revoke_subject(subject, revocation)
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        self.0.revoke_token(revocation)
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.0.sessions_of(subject)
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        self.0.update_user(subject, update)
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.0.sweep(now, limit)
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.0.flush()
    }
}

/// Core alone conforms too: rules of what is optional are left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_alone_conform() {
    conformance::run(async || SessionsOnly(ToyStore::default())).await;
}
