//! M-22: the example `minimal` as in a container, under hostile traffic, and then killed.
//!
//! A user without rights, 256 MB, a read-only root, one volume and 256 descriptors, as far as the machine allows it. For
//! `JWTAUTH_FIELD_SECONDS` (a few by default; `tests/field/run` has 10 minutes), strangers do what costs a server most. Users
//! log in meanwhile and note what they were answered.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::json;
use tests::bounded_by;
use tests::browser::Browser;
use tests::numbers::Numbers;
use tests::program::{Program, Running};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const MEMORY: u64 = 256 * 1024 * 1024;
const DESCRIPTORS: usize = 256;
const NOBODY: u32 = 65534;
/// Users who log in again and again.
const USERS: usize = 6;
/// How many sessions a user may have by default: a login beyond that ends the oldest one.
const SESSIONS: usize = 32;
const PASSWORD: &str = "a long enough password";

fn seconds() -> u64 {
    std::env::var("JWTAUTH_FIELD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

fn runs(words: &[String]) -> bool {
    let output = Command::new(&words[0]).args(&words[1..]).arg("true").output();
    output.is_ok_and(|output| output.status.success())
}

/// A group of processes that get so much memory together. Removed when dropped.
struct MemoryLimit(PathBuf);

impl MemoryLimit {
    fn new() -> Option<Self> {
        let name = format!("jwtauth-field-{}", std::process::id());
        let limits = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        limits.into_iter().find_map(|(root, limit)| {
            let group = Self(Path::new(root).join(&name));
            fs::create_dir(&group.0).ok()?;
            // Dropped, and so removed, if the limit cannot be set.
            fs::write(group.0.join(limit), MEMORY.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            // The last process of it has not been waited for yet.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What a container would do, and what of it cannot be had here.
struct Container {
    wrapper: Vec<String>,
    missing: Vec<&'static str>,
    _limit: Option<MemoryLimit>,
}

impl Container {
    fn new(volume: &Path) -> Self {
        let (mut wrapper, mut missing) = (Vec::new(), Vec::new());
        let mut add = |words: &[&str], what| {
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            if runs(&words) { wrapper.extend(words) } else { missing.push(what) }
        };
        let limit = MemoryLimit::new();
        match &limit {
            Some(MemoryLimit(group)) => {
                let script = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", group.display());
                add(&["sh", "-c", &script, "sh"], "a limit of memory (cgroup)");
            }
            // What it allocates, at least: addresses alone cost nothing.
            None => add(&["prlimit", &format!("--data={MEMORY}")], "a limit of memory (cgroup, prlimit)"),
        }
        let path = volume.display();
        let script = format!(
            "mount --make-rprivate / && mount --bind '{path}' '{path}' && mount -o remount,ro,bind / && cd '{path}' && exec \"$@\""
        );
        add(&["unshare", "--mount", "sh", "-c", &script, "sh"], "a read-only root (unshare, mount)");
        add(&["prlimit", &format!("--nofile={DESCRIPTORS}")], "a limit of descriptors (prlimit)");
        let user = NOBODY.to_string();
        let setpriv = [
            "setpriv",
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
            "--no-new-privs",
            "--inh-caps=-all",
        ];
        add(&[&setpriv[..], &["--bounding-set=-all"]].concat(), "a user without rights (setpriv)");
        if !missing.contains(&"a user without rights (setpriv)") {
            std::os::unix::fs::chown(volume, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Self { wrapper, missing, _limit: limit }
    }

    fn program(&self, data: &Path) -> Program {
        let words: Vec<_> = self.wrapper.iter().map(String::as_str).collect();
        Program::new(env!("CARGO_BIN_EXE_minimal"))
            .data(data)
            .wrapped(&words)
            .env("RUST_LOG", "jwtauth=warn,poem=off")
    }
}

/// Returns a number of `/proc/<id>/status`, in kB.
fn status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Connections that say nothing, or a little, more than there are descriptors; let go after a moment, then again.
async fn hold_sockets(address: String, until: Instant) {
    while Instant::now() < until {
        let mut held = Vec::new();
        for number in 0..DESCRIPTORS + 60 {
            if let Ok(Ok(mut socket)) =
                timeout(Duration::from_millis(200), TcpStream::connect(&address)).await
            {
                let said: &[u8] =
                    if number % 2 == 0 { b"" } else { b"POST /auth/obtain HTTP/1.1\r\nhost: a\r\n" };
                let _ = socket.write_all(said).await;
                held.push(socket);
            }
        }
        sleep(Duration::from_secs(1)).await;
        drop(held);
        sleep(Duration::from_secs(2)).await;
    }
}

/// Requests that make a server hash, write, parse, or keep.
async fn send_requests(url: String, seed: u64, until: Instant) {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let mut numbers = Numbers::seeded(seed);
    while Instant::now() < until {
        let number = numbers.below(1 << 40);
        let name = format!("stranger-{number}");
        let long = "x".repeat(300_000);
        let request = match number % 8 {
            0 | 1 => client
                .post(format!("{url}/auth/register"))
                .json(&json!({"username": name, "password": PASSWORD})),
            2 => client
                .post(format!("{url}/auth/obtain"))
                .json(&json!({"username": name, "password": PASSWORD})),
            3 => client
                .post(format!("{url}/auth/obtain"))
                .json(&json!({"username": "user-0", "password": name})),
            4 => {
                client.post(format!("{url}/auth/register")).json(&json!({"username": name, "password": long}))
            }
            5 => client
                .post(format!("{url}/auth/refresh"))
                .header("cookie", format!("__Host-refresh_token={name}.a.b")),
            6 => {
                client.get(format!("{url}/me")).header("authorization", format!("Bearer {}", &long[..20_000]))
            }
            _ => client
                .get(format!("{url}/me"))
                .header("user-agent", &long[..8_000])
                .header("cookie", "a=b; ".repeat(900)),
        };
        // Refused, or not answered: both are the server's good right.
        let _ = request.send().await;
    }
}

/// Bytes that are no HTTP.
async fn send_garbage(address: String, until: Instant) {
    let mut numbers = Numbers::seeded(77);
    while Instant::now() < until {
        if let Ok(Ok(mut socket)) = timeout(Duration::from_millis(200), TcpStream::connect(&address)).await {
            let bytes: Vec<u8> = (0..4096).map(|_| numbers.below(256) as u8).collect();
            let _ = socket.write_all(&bytes).await;
            let _ = timeout(Duration::from_millis(100), socket.read(&mut [0; 256])).await;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A login that was answered, and how many of the same user had begun by then.
struct Login {
    browser: Browser,
    number: usize,
}

/// A user who logs in again and again. Returns the logins that were answered and that none since then can have ended.
async fn log_in(url: String, user: usize, until: Instant, answered: Arc<AtomicUsize>) -> Vec<Login> {
    let (mut kept, mut begun) = (Vec::new(), 0);
    while Instant::now() < until {
        let browser = Browser::new(&url);
        let form = json!({"username": format!("user-{user}"), "password": PASSWORD});
        let request = browser.request(Method::POST, "/auth/obtain").json(&form);
        let sent = request.timeout(Duration::from_secs(10)).send().await.map(|answer| answer.status());
        // Without an answer it may have happened.
        if sent.is_err() || sent.as_ref().is_ok_and(|status| *status == StatusCode::OK) {
            begun += 1;
        }
        if sent.is_ok_and(|status| status == StatusCode::OK) {
            answered.fetch_add(1, Relaxed);
            kept.push(Login { browser, number: begun });
        }
        sleep(Duration::from_millis(200)).await;
    }
    kept.retain(|login| begun - login.number < SESSIONS);
    kept
}

async fn register(url: &str) {
    for user in 0..USERS {
        let form = json!({"username": format!("user-{user}"), "password": PASSWORD});
        // Registration has a brake too.
        let answered = async {
            loop {
                let answer = Browser::new(url)
                    .request(Method::POST, "/auth/register")
                    .json(&form)
                    .send()
                    .await
                    .unwrap();
                match answer.status() {
                    StatusCode::CREATED => return,
                    StatusCode::TOO_MANY_REQUESTS => sleep(Duration::from_millis(500)).await,
                    other => panic!("{other}"),
                }
            }
        };
        timeout(Duration::from_secs(60), answered).await.expect("six users may register within a minute");
    }
}

/// Waits until the server answers again.
async fn recovered(server: &Running) {
    let asked = async {
        loop {
            let sent =
                Browser::new(&server.url).request(Method::GET, "/me").timeout(Duration::from_secs(2)).send();
            if sent.await.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let is_back = timeout(Duration::from_secs(10), asked).await.is_ok();
    let memory = status(server.id(), "VmRSS") / 1024;
    assert!(
        is_back,
        "it answers within 10 s after the traffic; its memory is {memory} MB, and 0 if it was killed"
    );
}

/// M-22: it is not killed for its memory, and no login that was answered is lost.
#[test]
fn m_22_minimal_survives_hostile_traffic_in_a_container() {
    let volume = tempfile::tempdir().unwrap();
    let container = Container::new(volume.path());
    for missing in &container.missing {
        println!("left out: {missing}");
    }
    let long = Duration::from_secs(seconds());
    bounded_by(long + Duration::from_secs(240), async {
        let data = volume.path().join("data");
        let program = container.program(&data);
        let server = program.start();
        let (id, url) = (server.id(), server.url.clone());
        let address = url.trim_start_matches("http://").to_owned();
        register(&url).await;
        let (until, answered) = (Instant::now() + long, Arc::new(AtomicUsize::new(0)));
        let mut strangers = vec![
            tokio::spawn(hold_sockets(address.clone(), until)),
            tokio::spawn(send_garbage(address.clone(), until)),
        ];
        strangers.extend((0..6).map(|seed| tokio::spawn(send_requests(url.clone(), seed, until))));
        let users: Vec<_> = (0..USERS)
            .map(|user| tokio::spawn(log_in(url.clone(), user, until, Arc::clone(&answered))))
            .collect();
        let mut kept = Vec::new();
        for user in users {
            kept.push(user.await.unwrap());
        }
        for stranger in strangers {
            stranger.await.unwrap();
        }
        recovered(&server).await;
        let (peak, now) = (status(id, "VmHWM") / 1024, status(id, "VmRSS") / 1024);
        println!("{long:?}: {} logins answered, memory {now} MB, {peak} MB at most", answered.load(Relaxed));
        assert!(peak > 0 && peak * 1024 * 1024 < MEMORY, "the same process, and {peak} MB");
        assert!(answered.load(Relaxed) >= USERS, "users come through: {answered:?}");

        let (_, first_log, _) = server.end_by("KILL", None);
        let server = program.env("JWTAUTH_ADDR", &address).start();
        let mut lost = Vec::new();
        for (user, login) in
            kept.iter().enumerate().flat_map(|(user, kept)| kept.iter().map(move |login| (user, login)))
        {
            let me = login.browser.get("/me").await;
            if me.status() != StatusCode::OK {
                lost.push(format!("user {user}, login {}: {}", login.number, me.text().await.unwrap()));
            }
        }
        assert!(lost.is_empty(), "logins that were answered: {lost:#?}; the log before the end: {first_log}");
        let (status, log) = server.terminate();
        assert!(status.success(), "{log}");
    });
}
