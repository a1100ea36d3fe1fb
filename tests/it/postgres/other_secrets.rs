//! Servers of one database that have different secrets.

use std::time::Duration;

use jwtauth::{KeyConfig, StorageConfig};
use tests::app::TestApp;
use tests::log::{Log, logged};
use tests::postgres;

use super::open;

const TOLD: &str = "another server has started on this store with a secret that is not known here";
const OTHER: &str = "correct horse battery staple, thirty-two bytes and more";

/// Waits until the log has the line so often, and returns how often it is there a few sweeps later.
async fn told(log: &Log, times: usize) -> usize {
    let count = || log.text().matches(TOLD).count();
    while count() < times {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    count()
}

fn often() -> StorageConfig {
    StorageConfig::default().sweep_interval(Duration::from_secs(1))
}

#[test]
fn r_22_servers_that_have_different_secrets_are_told_so_once_each() {
    let Some(server) = postgres::shared() else { return };
    logged(async |log| {
        let config = server.config().schema(server.schema());
        let _one = TestApp::with(open(&config).await, |builder| builder.storage(often()));
        let again = TestApp::with(open(&config).await, |builder| builder.storage(often()));
        assert_eq!(told(log, 0).await, 0, "the same secret");
        drop(again);
        let _other = TestApp::with(open(&config).await, |builder| builder.storage(often()).secret(OTHER));
        assert_eq!(told(log, 2).await, 2, "{}", log.text());
        assert!(!log.text().contains("correct horse"), "no secret is in the log");
    });
}

/// A secret that is being changed: the new servers know the old one.
#[test]
fn r_22_a_new_server_that_knows_the_old_secret_is_no_difference_to_it() {
    let Some(server) = postgres::shared() else { return };
    logged(async |log| {
        let config = server.config().schema(server.schema());
        let old = TestApp::with(open(&config).await, |builder| builder.storage(often()));
        assert_eq!(told(log, 0).await, 0);
        drop(old);
        let _new = TestApp::with(open(&config).await, |builder| {
            let keys = KeyConfig::default().old_secret(tests::app::SECRET);
            builder.storage(often()).keys(keys).secret(OTHER)
        });
        assert_eq!(told(log, 0).await, 0, "{}", log.text());
    });
}
