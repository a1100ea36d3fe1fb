//! TLS to a real server, with an authority of the test's own: only a certificate of it, for this host, will do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use jwtauth::error::StoreError;
use jwtauth::store::{PostgresConfig, PostgresStore};
use jwtauth::{SessionStore as _, testing};
use tests::bounded;
use tests::postgres::Postgres;

use super::client;

/// Runs `openssl`. `false`, and a line that says so, if it is not on this machine.
fn openssl(directory: &Path, arguments: &[&str]) -> bool {
    let Ok(made) = Command::new("openssl").current_dir(directory).args(arguments).output() else {
        println!("skipped: needs openssl");
        return false;
    };
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
    true
}

/// Makes an authority.
fn authority(directory: &Path, name: &str) -> bool {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    openssl(
        directory,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    )
}

/// Makes a certificate for `localhost` by an authority.
fn certificate(directory: &Path, of: &str) {
    openssl(
        directory,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ],
    );
    fs::write(directory.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let (certificate, key) = (format!("{of}.pem"), format!("{of}.key"));
    openssl(
        directory,
        &[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            &certificate,
            "-CAkey",
            &key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.crt",
        ],
    );
}

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
    if !authority(path, "ours") || !authority(path, "theirs") {
        return;
    }
    certificate(path, "ours");
    let Some(server) = Postgres::start(&[]) else { return };
    bounded(async {
        let data = server.directory().join("data");
        let owner = fs::metadata(&data).unwrap();
        for name in ["server.key", "server.crt"] {
            fs::copy(path.join(name), data.join(name)).unwrap();
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
