//! A disk that is full, below the tables: 503 for what needs room, and all is well when there is room again.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jwtauth::PostgresStore;
use tests::app::TestApp;
use tests::bounded_by;
use tests::postgres::Postgres;
use tests::tab::Tab;

use super::client;

/// How many logins fill the last page of each table, at most.
const LOGINS: usize = 2_000;

/// A file system in memory of 8 MB, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a line that says so, if nothing can be mounted here.
    fn in_directory_of(server: &Postgres) -> Option<Self> {
        let path = server.directory().join("small");
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&path);
        if !mount.output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs root and a tmpfs to mount");
            return None;
        }
        let owner = fs::metadata(server.directory()).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        Some(Self(path))
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.join("ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// what needs room is 503, what was acknowledged is there, and it heals by itself.
#[test]
fn r_5_a_full_disk_is_503_until_there_is_room() {
    let Some(server) = Postgres::start(&[]) else { return };
    let Some(disk) = SmallDisk::in_directory_of(&server) else { return };
    bounded_by(Duration::from_secs(120), async {
        let admin = client(&server).await;
        let sql = format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display());
        admin.batch_execute(&sql).await.unwrap();
        admin.batch_execute("ALTER DATABASE postgres SET default_tablespace = small").await.unwrap();
        let app = TestApp::with(PostgresStore::connect(server.config()).await.unwrap(), |builder| builder);
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        disk.fill();
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
