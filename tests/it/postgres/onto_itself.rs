//! `jwtauth migrate` of a store onto itself, by whatever other name.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use jwtauth::store::SessionStore as _;
use jwtauth::{PostgresConfig, PostgresStore, SledStore, testing};
use tests::bounded_by;
use tests::postgres;

use super::client;
use crate::operate::{Run, run};

const SAME: &str = "are one and the same store";

fn migrate(from: &str, to: &str, options: &[&str]) -> Run {
    run(Path::new("unused"), "", &[&["migrate", from, to], options].concat())
}

fn is_refused(said: &Run) -> bool {
    said.code == 1 && said.err.contains("nothing was changed") && said.err.contains(SAME)
}

#[test]
fn o_14_a_directory_is_not_moved_onto_itself() {
    tests::bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("store"), folder.path().join("link"));
        let session = testing::session(1, "a");
        SledStore::open(&path).await.unwrap().insert(session.clone(), Default::default()).await.unwrap();
        symlink(&path, &link).unwrap();
        let path = path.to_str().unwrap();
        for (from, to) in [
            (path, path),
            (path, link.to_str().unwrap()),
            (link.to_str().unwrap(), path),
            (path, &format!("{path}/")),
            (path, &format!("{path}/../store")),
        ] {
            let said = migrate(from, to, &[]);
            assert!(is_refused(&said), "{to}: {said:?}");
        }
        let store = SledStore::open(path).await.unwrap();
        assert_eq!(store.load(session.id).await.unwrap().as_deref(), Some(&session));
    });
}

#[test]
fn o_14_a_database_is_not_moved_onto_itself() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(Duration::from_secs(60), async {
        let (schema, other, url, port) = (server.schema(), server.schema(), server.url(), server.port());
        let session = testing::session(1, "a");
        let open = async || PostgresStore::connect(PostgresConfig::new(&url).schema(&schema)).await.unwrap();
        let store = open().await;
        store.insert(session.clone(), Default::default()).await.unwrap();
        store.close();
        let owner = client(&server).await;
        for to in [
            url.clone(),
            format!("{url}?application_name=another"),
            format!("postgres://tests@127.0.0.1:{port}/postgres"),
            format!("postgresql://tests@localhost:{port}/postgres?sslmode=disable"),
            format!("host=127.0.0.1 port={port} user=tests dbname=postgres"),
        ] {
            for (from, to) in [(&url, &to), (&to, &url)] {
                let said = migrate(from, to, &["--schema", &schema, "--stopped"]);
                assert!(is_refused(&said), "{from} {to}: {said:?}");
            }
            let marked = format!("SELECT 1 FROM \"{schema}\".store_mark WHERE mark IS NOT NULL");
            assert!(owner.query(&marked, &[]).await.unwrap().is_empty(), "{to}");
        }
        let store = open().await;
        assert_eq!(store.load(session.id).await.unwrap().as_deref(), Some(&session));
        store.close();

        // Another schema of the same database is another store.
        let said = migrate(&url, &url, &["--schema", &schema, "--to-schema", &other, "--stopped"]);
        assert_eq!(said.code, 0, "{said:?}");
    });
}
