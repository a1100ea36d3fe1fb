//! Sessions in PostgreSQL, with a server of the tests' own. Where there is none, these tests are skipped and say so.

mod ahead;
mod alternating;
mod crowding;
mod damaged_rows;
mod decided_before;
mod encrypted;
mod failover;
mod full_disk;
mod guesses;
mod hold;
mod hosts;
mod logins;
mod migrations;
mod nodes;
mod noticed;
mod onto_itself;
mod other_secrets;
mod outage;
mod patroni;
mod plans;
mod program;
mod reads_together;
mod rights;
mod rolling;
mod round_trips;
mod row_repairs;
mod schema;
mod staleness;
mod sweeping;
mod times;
mod trail;

use std::sync::Arc;

use jwtauth::store::{Isolation, conformance};
use jwtauth::{JwtAuthBuilder, PostgresConfig, PostgresStore};
use tests::app::TestApp;
use tests::pooler::Pooler;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tests::{bounded, bounded_by};
use tokio_postgres::{Client, NoTls};

use self::alternating::Alternating;

/// Opens a store.
async fn open(config: &PostgresConfig) -> PostgresStore {
    PostgresStore::connect(config.clone()).await.unwrap()
}

/// Connects to the database, for what no store does.
pub(crate) async fn client(server: &Postgres) -> Client {
    connected(&server.url()).await
}

async fn connected(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    // It ends with the client.
    tokio::spawn(connection);
    client
}

/// The same app on two machines, with one database.
struct TwoNodes {
    server: Arc<Postgres>,
    /// The name of the schema.
    schema: String,
    stores: [PostgresStore; 2],
    apps: [TestApp; 2],
    tabs: [Tab; 2],
}

impl TwoNodes {
    /// `None` if there is no server on this machine.
    async fn start(set: impl Fn(JwtAuthBuilder) -> JwtAuthBuilder) -> Option<Self> {
        let server = postgres::shared()?;
        let schema = server.schema();
        let config = server.config().schema(&schema);
        let stores = [open(&config).await, open(&config).await];
        let apps = stores.clone().map(|store| TestApp::with(store, &set));
        let tabs = [Tab::new(&apps[0]), Tab::new(&apps[1])];
        Some(Self { server, schema, stores, apps, tabs })
    }
}

/// The ways in which a store may use the database.
fn ways(server: &Postgres) -> [(&'static str, PostgresConfig); 3] {
    [
        ("as it is", server.config()),
        ("serializable", server.config().isolation(Isolation::Serializable)),
        ("nothing prepared, as behind an old PgBouncer", server.config().prepared_statements(false)),
    ]
}

#[test]
fn postgres_conforms() {
    let Some(server) = postgres::shared() else { return };
    bounded(conformance::run(async || server.store().await));
}

#[test]
fn its_accounts_conform() {
    let Some(server) = postgres::shared() else { return };
    bounded(conformance::run_accounts(async || server.store().await));
}

#[test]
fn serializable_conforms() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(120), async {
        conformance::run(async || open(&server.config().isolation(Isolation::Serializable)).await).await;
        conformance::run_accounts(async || open(&server.config().isolation(Isolation::Serializable)).await)
            .await;
    });
}

#[test]
fn nothing_prepared_conforms() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        conformance::run(async || open(&server.config().prepared_statements(false)).await).await;
        conformance::run_accounts(async || open(&server.config().prepared_statements(false)).await).await;
    });
}

/// Behind a pooler that gives each transaction another connection of the server.
#[test]
fn pgbouncer_in_transaction_mode_conforms() {
    let Some(server) = postgres::shared() else { return };
    let Some(pooler) = Pooler::start(&server) else { return };
    let pooled = || {
        let config = PostgresConfig::new(pooler.url()).schema(server.schema()).allow_fsync_off();
        config.prepared_statements(false)
    };
    bounded(conformance::run(async || open(&pooled()).await));
    bounded(conformance::run_accounts(async || open(&pooled()).await));
}

/// Every rule also holds when each operation is done by another process than the one before it.
#[test]
fn two_processes_on_one_database_conform() {
    let Some(server) = postgres::shared() else { return };
    bounded(conformance::run(async || Alternating::open(&server.config()).await));
    bounded(conformance::run_accounts(async || Alternating::open(&server.config()).await));
}

/// The number of connections is a limit, not what one needs.
#[test]
fn one_connection_is_enough() {
    let Some(server) = postgres::shared() else { return };
    bounded(conformance::run_accounts(async || open(&server.config().pool_size(1)).await));
}
