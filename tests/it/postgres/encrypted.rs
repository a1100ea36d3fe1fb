//! TLS to a real server, with an authority of the test's own: only a certificate of it, for this host, will do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use jwtauth::error::StoreError;
use jwtauth::store::SessionStore as _;
use jwtauth::{PostgresConfig, PostgresStore, testing};
use tests::postgres::Postgres;
use tests::{bounded, certificate};

use super::client;

async fn refused(config: PostgresConfig) -> String {
    match PostgresStore::connect(config).await {
        Err(error @ StoreError::Backend(_)) => format!("{error:?}"),
        other => panic!("{other:?}"),
    }
}

/// nobody reads along, and nobody answers in the place of the server.
#[test]
fn a_server_is_trusted_by_its_authority_and_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    if !certificate::is_there() {
        println!("skipped: needs openssl");
        return;
    }
    for name in ["ours", "theirs"] {
        certificate::authority(path, name);
    }
    certificate::signed(path, "ours", "server", "DNS:localhost");
    let Some(server) = Postgres::start(&[]) else { return };
    bounded(async {
        let data = server.directory().join("data");
        let owner = fs::metadata(&data).unwrap();
        for (made, name) in [("server.key", "server.key"), ("server.pem", "server.crt")] {
            fs::copy(path.join(made), data.join(name)).unwrap();
            fs::set_permissions(data.join(name), Permissions::from_mode(0o600)).unwrap();
            chown(data.join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        // By TCP only with TLS.
        fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
            .unwrap();
        let admin = client(&server).await;
        admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
        drop(admin);
        server.stop();
        server.start_again();
        let url = |host: &str, mode: &str| {
            format!("postgres://tests@{host}:{}/postgres?sslmode={mode}", server.port())
        };
        let ours = |url: String| PostgresConfig::new(url).root_certificates(path.join("ours.pem"));
        // As an editor of Windows writes it.
        let marked = format!("\u{feff}{}", fs::read_to_string(path.join("ours.pem")).unwrap());
        fs::write(path.join("marked.pem"), marked).unwrap();
        let certificates = path.join("marked.pem");
        let config = PostgresConfig::new(url("localhost", "verify-full")).root_certificates(certificates);
        PostgresStore::connect(config).await.unwrap().close();
        for mode in ["require", "verify-ca", "verify-full"] {
            let store = PostgresStore::connect(ours(url("localhost", mode))).await.unwrap();
            store.insert(testing::session(1, "a"), Default::default()).await.unwrap();
            let used = client(&server).await;
            let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                WHERE ssl AND application_name = 'jwtauth'";
            let count: i64 = used.query_one(encrypted, &[]).await.unwrap().get(0);
            assert!(count > 0, "{mode}");
            store.close();
        }
        let theirs =
            PostgresConfig::new(url("localhost", "verify-full")).root_certificates(path.join("theirs.pem"));
        let said = refused(theirs).await;
        assert!(said.contains("UnknownIssuer"), "{said}");
        let said = refused(ours(url("127.0.0.1", "verify-full"))).await;
        assert!(said.contains("localhost") && said.contains("127.0.0.1"), "both names: {said}");
        // Without a file, only the authorities of the system count.
        let said = refused(PostgresConfig::new(url("localhost", "verify-full"))).await;
        assert!(said.contains("UnknownIssuer"), "{said}");
        // On loopback plain is the default, and this server takes none.
        let said = refused(PostgresConfig::new(url("localhost", "disable"))).await;
        assert!(said.contains("no encryption"), "{said}");
    });
}
