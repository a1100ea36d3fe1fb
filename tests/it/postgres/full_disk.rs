//! A disk that is full, below the tables: 503 for what needs room, and all is well when there is room again.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::time::Duration;

use jwtauth::PostgresStore;
use tests::app::TestApp;
use tests::bounded_by;
use tests::postgres::Postgres;
use tests::small_disk::SmallDisk;
use tests::tab::Tab;

use super::client;

/// How many logins fill the last page of each table, at most.
const LOGINS: usize = 2_000;

/// Makes a small file system that the server may write to. `None`, and a line that says so, if there can be none.
fn disk_of(server: &Postgres) -> Option<SmallDisk> {
    let path = server.directory().join("small");
    fs::create_dir(&path).unwrap();
    let disk = SmallDisk::mount(&path, 8)?;
    let owner = fs::metadata(server.directory()).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    Some(disk)
}

/// what needs room is 503, what was acknowledged is there, and it heals by itself.
#[test]
fn r_5_a_full_disk_is_503_until_there_is_room() {
    let Some(server) = Postgres::start(&[]) else { return };
    let Some(disk) = disk_of(&server) else { return };
    bounded_by(Duration::from_secs(120), async {
        let admin = client(&server).await;
        let sql = format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display());
        admin.batch_execute(&sql).await.unwrap();
        admin.batch_execute("ALTER DATABASE postgres SET default_tablespace = small").await.unwrap();
        let app = TestApp::with(PostgresStore::connect(server.config()).await.unwrap(), |builder| builder);
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        disk.fill(0);
        let mut acknowledged = Vec::new();
        let refused = loop {
            assert!(acknowledged.len() < LOGINS, "the disk is full");
            let answer = tab.login_with("bob", "").await;
            match answer.status.as_u16() {
                200 => acknowledged.push(answer.pair()),
                _ => break answer,
            }
        };
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "store_unavailable"));
        assert!(refused.headers.contains_key("retry-after"));
        assert_eq!(tab.get("/me", &first.cookies()).await.status, 200, "reads go on");
        for pair in &acknowledged {
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "what was acknowledged is there");
        }
        disk.empty();
        let bob = tab.login("bob").await;
        assert_eq!(tab.post("/logout", &bob.cookies()).await.status, 200);
        assert_eq!(tab.post("/refresh", &first.cookies()).await.status, 200);
        drop((app, admin));
        // Before the file system goes.
        server.stop();
    });
}
