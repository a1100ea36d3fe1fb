//! M-1: how much memory a server needs while strangers send it passwords. Measured as the highest resident set of a
//! process of its own (`VmHWM`), which Linux tells.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tests::bounded;
use tests::browser::Browser;
use tests::program::{Program, Running};

/// Connections at a time.
const CONNECTIONS: usize = 8;

/// The memory of one hasher, in MB.
const HASHER: u64 = 20;

/// What a flood may take beside the hashers, in MB: connections, threads, the store.
const BESIDE: u64 = 30;

/// Returns a figure of `/proc/PID/status` in MB, or `None` where there is no such file.
fn status(server: &Running, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

/// Sends bodies on several connections for two seconds. Returns how many answers each status had.
async fn flood(
    server: &Running,
    path: &str,
    body: impl Fn(usize) -> Value + Copy,
) -> Vec<(StatusCode, usize)> {
    let end = Instant::now() + Duration::from_secs(2);
    let one = |connection: usize| {
        let (url, client) = (server.at(path), Client::builder().no_proxy().build().unwrap());
        async move {
            let mut answers = Vec::new();
            for number in 0.. {
                if Instant::now() > end {
                    break;
                }
                let body = body(number * CONNECTIONS + connection);
                match client.post(&url).json(&body).send().await {
                    Ok(answer) => answers.push(answer.status()),
                    // The server has answered and closed while the body was still being sent.
                    Err(error) if is_closed(&error) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            answers
        }
    };
    let answers: Vec<_> = futures_util::future::join_all((0..CONNECTIONS).map(one)).await.concat();
    let mut counts: Vec<(StatusCode, usize)> = Vec::new();
    for answer in answers {
        match counts.iter_mut().find(|(status, _)| *status == answer) {
            Some((_, count)) => *count += 1,
            None => counts.push((answer, 1)),
        }
    }
    println!("{path}: {counts:?}");
    counts
}

fn is_closed(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Runs a flood and compares what the server needed with the bound.
async fn is_bounded(binary: &str, flooded: impl AsyncFnOnce(&Running)) {
    let data = tempfile::tempdir().unwrap();
    let server = Program::new(binary).data(data.path()).env("JWTAUTH_ALLOW_DEV", "1").start();
    let Some(idle) = status(&server, "VmRSS") else {
        println!("skipped: needs /proc to see how much memory a process has");
        return;
    };
    flooded(&server).await;
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let (peak, now) = (status(&server, "VmHWM").unwrap(), status(&server, "VmRSS").unwrap());
    println!("{binary}: idle {idle} MB, peak {peak} MB, now {now} MB");
    let bound = idle + u64::try_from(cores).unwrap() * HASHER + BESIDE;
    assert!(peak <= bound, "{binary}: {peak} MB at the peak, {idle} MB idle: more than {bound} MB");
}

#[test]
fn m_1_registrations_and_logins_take_bounded_memory() {
    bounded(async {
        is_bounded(env!("CARGO_BIN_EXE_minimal"), async |server| {
            let body = |number| json!({"username": format!("name-{number}"), "password": "correct horse"});
            let counts = flood(server, "/auth/register", body).await;
            assert!(counts.iter().any(|(status, count)| *status == 201 && *count >= 4), "{counts:?}");
            let wrong = |number| json!({"username": format!("name-{number}"), "password": "wrong horse"});
            let counts = flood(server, "/auth/obtain", wrong).await;
            assert!(counts.iter().any(|(status, count)| *status == 401 && *count >= 4), "{counts:?}");
            let right =
                |number| json!({"username": format!("name-{}", number % 8), "password": "correct horse"});
            let counts = flood(server, "/auth/obtain", right).await;
            assert!(counts.iter().any(|(status, count)| *status == 200 && *count >= 4), "{counts:?}");
        })
        .await;
    });
}

#[test]
fn m_1_changes_of_a_password_take_bounded_memory() {
    bounded(async {
        is_bounded(env!("CARGO_BIN_EXE_minimal"), async |server| {
            let one = |number: usize| async move {
                let browser = Browser::new(&server.url);
                let json = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
                let (name, first) = (format!("name-{number}"), "correct horse");
                let form = json!({"username": name, "password": first});
                let send = async |path: &str, body: Value| {
                    let request = browser.request(reqwest::Method::POST, path).json(&body);
                    request.send().await.unwrap().status().as_u16()
                };
                assert_eq!(send("/auth/register", form.clone()).await, 201);
                assert_eq!(send("/auth/obtain", form).await, 200);
                for _ in 0..4 {
                    assert_eq!(send("/auth/change-password", json(first, "staple by the dozen")).await, 204);
                    assert_eq!(send("/auth/change-password", json("staple by the dozen", first)).await, 204);
                }
            };
            futures_util::future::join_all((0..CONNECTIONS).map(one)).await;
        })
        .await;
    });
}

/// A control group of version 1 with a memory limit. Removed when dropped.
struct Group(PathBuf);

impl Group {
    /// Makes one, where this process may and the system has such groups.
    fn new(limit: u64) -> Option<Self> {
        let path = PathBuf::from(format!("/sys/fs/cgroup/memory/jwtauth-test-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let group = Self(path);
        fs::write(group.0.join("memory.limit_in_bytes"), limit.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// A container of 96 MB has one hasher, however many cores there are, and outlives a flood.
#[test]
fn m_1_a_small_container_outlives_a_flood() {
    bounded(async {
        let Some(group) = Group::new(96 * 1024 * 1024) else {
            println!("skipped: needs root and control groups of version 1");
            return;
        };
        let data = tempfile::tempdir().unwrap();
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\"", group.0.display());
        let program = Program::new(env!("CARGO_BIN_EXE_minimal")).data(data.path());
        let server = program.wrapped(&["sh", "-c", &enter]).start();
        let idle = status(&server, "VmRSS").unwrap();
        let wrong = |number| json!({"username": format!("name-{number}"), "password": "wrong horse"});
        let counts = flood(&server, "/auth/obtain", wrong).await;
        assert!(counts.iter().any(|(status, count)| *status == 401 && *count >= 4), "{counts:?}");
        let peak = status(&server, "VmHWM").unwrap();
        println!("idle {idle} MB, peak {peak} MB");
        // Two hashers need 38 MB.
        assert!(peak <= idle + 32, "one hasher: {peak} MB at the peak, {idle} MB idle");
        drop(server);
        drop(group);
    });
}

/// Examples with users of their own hash by `Passwords`, with the same bound.
#[test]
fn m_1_examples_take_bounded_memory() {
    bounded(async {
        for (binary, name) in
            [(env!("CARGO_BIN_EXE_quickstart"), "username"), (env!("CARGO_BIN_EXE_own_user_table"), "name")]
        {
            is_bounded(binary, async |server| {
                let counts = flood(server, "/login", |_| json!({(name): "alice", "password": "wrong"})).await;
                assert!(counts.iter().any(|(status, count)| *status == 401 && *count >= 4), "{counts:?}");
                // A body is read only as far as a form is large.
                let counts =
                    flood(server, "/login", |_| json!({(name): "alice", "password": "x".repeat(1 << 20)}));
                assert!(counts.await.iter().all(|(status, _)| *status == 413));
            })
            .await;
        }
    });
}
