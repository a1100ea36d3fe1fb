//! Bad places for a store: read-only, a file, full. What cannot be provoked here is skipped with a printed line.

mod descriptors;
mod gone;
mod limits;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Response, header};
use tests::browser::{Browser, json};
use tests::program::Running;
use tests::small_disk::SmallDisk;
use tests::{bounded, bounded_by};

/// Nobody in particular.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn runs(command: &[&str]) -> bool {
    Command::new(command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success())
}

/// a data path that is a file is named, and nothing panics.
#[test]
fn r_6_a_file_in_the_way_is_named() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("sessions");
        fs::write(&path, "in the way").unwrap();
        let (code, said) = crate::quickstart().data(data.path()).fail();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(path.to_str().unwrap()) && !said.contains("panicked"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"in the way");
    });
}

/// R-4, F-14: a directory that may not be written is named with its mode.
#[test]
fn r_4_a_read_only_directory_is_named_with_its_mode() {
    let setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    if !is_root() || !runs(&[&setpriv[..], &["true"]].concat()) {
        println!("skipped: needs root and setpriv");
        return;
    }
    bounded(async {
        // Where everybody may go, unlike the place this binary is in.
        let data = tempfile::tempdir().unwrap();
        fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
        let binary = data.path().join("quickstart");
        fs::copy(env!("CARGO_BIN_EXE_quickstart"), &binary).unwrap();
        let program = tests::program::Program::new(&binary)
            .wrapped(&setpriv)
            .env("JWTAUTH_SECRET", "Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG");
        let sessions = |data: &Path| data.join("sessions");

        // Nothing there yet, and none may be made.
        let shut = data.path().join("shut");
        fs::create_dir(&shut).unwrap();
        let (code, said) = program.clone().data(&shut).fail();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(shut.to_str().unwrap()) && said.contains("755"), "{said}");

        // A store of their own, made read-only later.
        let own = data.path().join("own");
        fs::create_dir(&own).unwrap();
        chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
        let server = program.clone().data(&own).start();
        assert_eq!(Browser::new(&server.url).login("alice", "wonderland").await.status(), 200);
        assert!(server.terminate().0.success());
        fs::set_permissions(sessions(&own), Permissions::from_mode(0o500)).unwrap();
        let (code, said) = program.clone().data(&own).fail();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(sessions(&own).to_str().unwrap()) && said.contains("500"), "{said}");
        fs::set_permissions(sessions(&own), Permissions::from_mode(0o700)).unwrap();
        assert!(program.data(&own).start().terminate().0.success(), "and it was not harmed");
    });
}

async fn assert_unavailable(response: Response, what: &str) {
    assert_eq!(response.status(), 503, "{what}");
    assert_eq!(response.headers()[header::RETRY_AFTER], "1", "{what}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{what}");
    assert!(response.headers().get(header::SET_COOKIE).is_none(), "{what}: no tokens and no deletion");
    assert_eq!(json(response).await["code"], "store_unavailable", "{what}");
}

async fn login(url: &str) -> Browser {
    let browser = Browser::new(url);
    assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
    browser
}

/// What must hold while the disk takes nothing, after it takes again, and after a kill.
///
/// `fill` makes the disk full at once if it can; else work does.
async fn full_and_back(
    server: Running,
    start_again: impl FnOnce() -> Running,
    fill: impl FnOnce(),
    free: impl FnOnce(&Running),
) {
    let (keeper, leaver, early) =
        (login(&server.url).await, login(&server.url).await, login(&server.url).await);
    // Bearers, as their browsers forget what the server has ended.
    let token = |browser: &Browser| browser.cookie("access_token").unwrap();
    let bearer = async |url: &str, token: &str| {
        let me = Browser::new(url).request(reqwest::Method::GET, "/me").bearer_auth(token).send().await;
        me.unwrap().status().as_u16()
    };
    let early_token = token(&early);
    assert_eq!(early.post("/logout").await.status(), 204);

    // Work until the disk is full. Each browser keeps the newest token that it was given.
    let workers: Vec<Browser> = futures_util::future::join_all((0..16).map(|_| login(&server.url))).await;
    fill();
    let deadline = Instant::now() + Duration::from_secs(60);
    let work = workers.iter().map(async |worker| {
        loop {
            assert!(Instant::now() < deadline, "the disk becomes full");
            let answer = worker.post("/refresh").await;
            if answer.status() != 204 {
                return answer;
            }
        }
    });
    for refused in futures_util::future::join_all(work).await {
        assert_unavailable(refused, "refresh on a full disk").await;
    }

    // For longer than it takes to try anew.
    let leaver_token = token(&leaver);
    let mut left = 0;
    for round in 0..12 {
        assert_unavailable(Browser::new(&server.url).login("bob", "builder").await, "login on a full disk")
            .await;
        for browser in [&keeper, &workers[0]] {
            assert_eq!(browser.me().await, 200, "round {round}: who is logged in stays so");
        }
        // 503 in the moment in which the store is opened anew.
        let early = bearer(&server.url, &early_token).await;
        assert!([401, 503].contains(&early), "round {round}: who logged out stays so, but {early}");
        let logout = leaver.post("/logout").await;
        match logout.status().as_u16() {
            204 => left += 1,
            503 => {}
            other => panic!("round {round}: a logout is answered with {other}"),
        }
        assert_eq!(Browser::new(&server.url).get("/open").await.status(), 200);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    free(&server);
    let deadline = Instant::now() + Duration::from_secs(10);
    let back = Browser::new(&server.url);
    while back.login("bob", "builder").await.status() != 200 {
        assert!(Instant::now() < deadline, "the service heals without a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let healed = [keeper, back].into_iter().chain(workers);
    let mut tokens = Vec::new();
    for (number, browser) in healed.enumerate() {
        assert_eq!(browser.me().await, 200, "session {number} after the disk is free");
        assert_eq!(browser.post("/refresh").await.status(), 204, "session {number} after the disk is free");
        tokens.push(token(&browser));
    }
    let gone = leaver.post("/logout").await.status();
    assert!(gone == 204 || left > 0, "a logout works again: {gone}");
    assert_eq!(bearer(&server.url, &leaver_token).await, 401);

    server.kill();
    let server = start_again();
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(bearer(&server.url, token).await, 200, "session {number} after a kill");
    }
    for token in [&early_token, &leaver_token] {
        assert_eq!(bearer(&server.url, token).await, 401, "a logout that was answered holds after a kill");
    }
    assert!(server.terminate().0.success());
}

/// R-5, F-6: the data file may not grow any more.
#[test]
fn r_5_a_file_size_limit_is_survived() {
    if !runs(&["prlimit", "--version"]) {
        println!("skipped: needs prlimit");
        return;
    }
    for limit in [600_000_u64, 1_300_000] {
        bounded_by(Duration::from_secs(120), async {
            let data = tempfile::tempdir().unwrap();
            let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
            // The signal that comes with the error would end the process.
            let limit = format!("--fsize={limit}:unlimited");
            let server = program.clone().wrapped(&["prlimit", &limit]).start();
            let free = |server: &Running| {
                let id = server.id().to_string();
                assert!(runs(&["prlimit", "--pid", &id, "--fsize=unlimited:unlimited"]));
            };
            full_and_back(server, || program.start(), || {}, free).await;
        });
    }
}

/// no file may have a single byte, not even that of a new secret.
#[test]
fn r_5_a_start_that_may_write_nothing_says_so() {
    if !runs(&["prlimit", "--version"]) {
        println!("skipped: needs prlimit");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let program = tests::program::Program::new(env!("CARGO_BIN_EXE_minimal")).data(data.path());
    let (code, said) = program.wrapped(&["prlimit", "--fsize=0"]).fail();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("File too large") && said.contains("secret"), "{said}");
}

/// R-5, F-5: there is no space left.
#[test]
fn r_5_a_full_disk_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), 4) else { return };
    bounded_by(Duration::from_secs(120), async {
        let program = crate::quickstart().data(disk.path()).env("JWTAUTH_DEV", "1");
        full_and_back(program.start(), || program.start(), || disk.fill(0), |_| disk.empty()).await;
    });
}

/// what sled puts into files of its own, because a page became large, is synced before the answer.
///
/// It was not, and after a simulated power cut the log named files that were empty or missing.
#[test]
fn r_2_large_pages_are_synced_before_the_answer() {
    if !runs(&["strace", "-f", "true"]) {
        println!("skipped: needs strace");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("strace");
    let traced = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=write,fsync,fdatasync", "-o"])
        .args([&log, Path::new(env!("CARGO_BIN_EXE_store_probe"))])
        .arg("write")
        .arg(dir.path())
        .args(["60", "30000"])
        .output()
        .unwrap();
    assert!(traced.status.success(), "{traced:?}");
    let log = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    let (mut unsynced, mut written, mut answers) = (BTreeSet::new(), 0, 0);
    // What the log may name once its data is synced. sled moves pages of its own accord, so a page that is
    // written later may be on its way while an answer leaves; no synced log names it.
    let mut named = BTreeSet::new();
    for line in log.lines() {
        let blob =
            line.split_once("/blobs/").and_then(|(_, rest)| rest.split_once('>')).map(|(name, _)| name);
        match blob {
            Some(name) if line.contains(" write(") => {
                written += usize::from(unsynced.insert(name));
            }
            Some(name) if line.contains(" fsync(") => {
                unsynced.remove(name);
            }
            _ if line.contains(" fdatasync(") => named = unsynced.clone(),
            _ if line.contains("\"ACK ") => {
                answers += 1;
                let lost: Vec<_> = named.intersection(&unsynced).collect();
                assert!(lost.is_empty(), "answer {answers} is ahead of {lost:?}");
            }
            _ => {}
        }
    }
    assert_eq!(answers, 60, "the trace was understood");
    assert!(written > 5, "there were large pages: {written}");
}
