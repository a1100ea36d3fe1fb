//! Long work that nobody waits for any more, and two values of one process on one store.

use jwtauth::operator::{Operator, OperatorRequest};
use std::sync::atomic::Ordering;
use tests::faulty::Faulty;
use tests::log::logged;

use super::*;

/// Ctrl-C ends the program, and with it the compaction that the server does for it.
#[test]
fn a_compaction_stops_when_nobody_waits_for_it() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Faulty::with_socket(folder.path().join("socket"));
        let _server = JwtAuth::builder().secret(SECRET).build(store.clone()).unwrap();
        let operator = Operator::connect(folder.path()).await.unwrap().expect("a server");
        let asking = tokio::spawn(async move { operator.ask(OperatorRequest::Compact).await });
        let until = async |compacts: bool| {
            while store.compacts.load(Ordering::SeqCst) != compacts {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        until(true).await;
        // It stays as long as the program does: longer than two signs of life.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(store.compacts.load(Ordering::SeqCst) && !asking.is_finished());
        asking.abort();
        until(false).await;
    });
}

/// The first one has the socket. That is said, because its settings count.
#[test]
fn a_second_one_on_a_store_says_that_the_first_one_is_asked() {
    logged(async |log| {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path()).await.unwrap();
        let one = JwtAuth::builder().secret(SECRET).build(store.clone()).unwrap();
        assert!(!log.text().contains("another `JwtAuth` of this process"), "{}", log.text());
        let _other = JwtAuth::builder().secret(SECRET).build(store).unwrap();
        assert!(log.text().contains("another `JwtAuth` of this process"), "{}", log.text());
        drop(one);
    });
}
