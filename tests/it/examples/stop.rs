//! How examples end: on SIGTERM and on SIGINT, as the first process of a container too, within a second, whatever is
//! connected. What was answered is there at the next start.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tests::bounded;
use tests::browser::Browser;
use tests::program::{Program, Running, child_of};

use super::{PROGRAMS, access, address, logged_in, open_chat, program, read_until, says, start};

/// How long an example may take to end. It gives requests half of that.
const SOON: Duration = Duration::from_secs(1);

/// Opens connections as they stand around in front of any server: silent, in the middle of a request, and idle after one.
fn connections(address: &str) -> Vec<TcpStream> {
    let open = || TcpStream::connect(address).unwrap();
    let (silent, mut halfway, mut idle, mut waiting) = (open(), open(), open(), open());
    halfway.write_all(b"POST /login HTTP/1.1\r\nhost: a\r\ncontent-le").unwrap();
    waiting.write_all(b"POST /login HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{").unwrap();
    idle.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0, "an answer, and the connection stays open");
    vec![silent, halfway, idle, waiting]
}

fn ends_well(server: Running, signal: &str, id: Option<u32>, what: &str) {
    let (status, log, took) = server.end_by(signal, id);
    assert_eq!(status.code(), Some(0), "{what}: {signal}: {status}: {log}");
    assert!(took < SOON, "{what}: {signal} took {took:?}: {log}");
}

/// M-15: every example, both signals.
#[test]
fn m_15_every_example_ends_within_a_second() {
    for (name, binary) in PROGRAMS {
        for signal in ["TERM", "INT"] {
            let data = tempfile::tempdir().unwrap();
            let server = program(binary, data.path()).start();
            let open = connections(address(&server));
            ends_well(server, signal, None, name);
            drop(open);
        }
    }
}

const FIRST_PROCESS: [&str; 4] = ["unshare", "--pid", "--fork", "--kill-child"];

/// The way to be the first process here, if there is one.
fn first_process() -> Option<Vec<&'static str>> {
    let works = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        let command = command.args(&words[1..]).arg("true").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let as_root = [&FIRST_PROCESS[..], &["--map-root-user"]].concat();
    [FIRST_PROCESS.to_vec(), as_root].into_iter().find(|words| works(words))
}

/// M-15: the first process of a container has no default action for a signal, so it must handle it.
#[test]
fn m_15_every_example_ends_as_the_first_process_too() {
    let Some(wrapper) = first_process() else {
        eprintln!("skipped: no process may be the first of a namespace here (unshare --pid)");
        return;
    };
    for (name, binary) in PROGRAMS {
        for signal in ["TERM", "INT"] {
            let data = tempfile::tempdir().unwrap();
            let server = program(binary, data.path()).wrapped(&wrapper).start();
            let open = connections(address(&server));
            let id = server.wrapped_id();
            ends_well(server, signal, Some(id), name);
            drop(open);
        }
    }
}

/// M-15: a parent may have blocked the signals, and children keep that.
#[test]
fn m_15_every_example_ends_also_if_its_parent_has_blocked_the_signals() {
    let wrapper = ["env", "--block-signal=TERM", "--block-signal=INT"];
    if !Command::new("env").args(&wrapper[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: `env` blocks no signals here (coreutils 8.31)");
        return;
    }
    for (name, binary) in PROGRAMS {
        for signal in ["TERM", "INT"] {
            let data = tempfile::tempdir().unwrap();
            let server = program(binary, data.path()).wrapped(&wrapper).start();
            ends_well(server, signal, None, name);
        }
    }
}

/// M-15: one whose standard output is full, or closed, serves all the same, and ends.
#[test]
fn m_15_every_example_serves_when_nobody_can_hear_where_it_listens() {
    for (name, binary) in PROGRAMS {
        for nowhere in ["exec \"$0\" > /dev/full", "exec \"$0\" >&-", "exec \"$0\" | exec true"] {
            let data = tempfile::tempdir().unwrap();
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap().to_string();
            drop(free);
            let program = program(binary, data.path()).env("JWTAUTH_ADDR", &address);
            let server = program.wrapped(&["sh", "-c", nowhere]).begin();
            let deadline = Instant::now() + Duration::from_secs(20);
            let mut connection = loop {
                match TcpStream::connect(&address) {
                    Ok(connection) => break connection,
                    Err(error) if Instant::now() > deadline => panic!("{name}: {nowhere}: {error}"),
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            };
            connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            connection.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            assert!(connection.read(&mut [0; 1024]).unwrap() > 0, "{name}: {nowhere}: it serves");
            let id = nowhere.contains('|').then(|| server.wrapped_id());
            ends_well(server, "TERM", id, name);
        }
    }
}

/// M-15: one that waits for the store of another process ends too. It says why it has not started.
#[test]
fn m_15_waiting_for_a_store_ends_with_a_signal() {
    let data = tempfile::tempdir().unwrap();
    let first = program(env!("CARGO_BIN_EXE_minimal"), data.path()).start();
    let ways = [Some(Vec::new()), first_process()];
    for wrapper in ways.into_iter().flatten() {
        let words: Vec<&str> = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_minimal")]).collect();
        let mut second = Command::new(words[0]);
        second.args(&words[1..]).env("JWTAUTH_DATA", data.path()).env("JWTAUTH_ADDR", "127.0.0.1:0");
        let mut second = second.env_remove("RUST_LOG").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(second.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("waiting until it ends") {
            assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
        }
        let id = if wrapper.is_empty() { second.id() } else { child_of(second.id()) };
        let start = Instant::now();
        assert!(Command::new("sh").args(["-c", &format!("kill -s TERM {id}")]).status().unwrap().success());
        let status = second.wait().unwrap();
        assert!(start.elapsed() < SOON && !status.success(), "{:?}: {status}", start.elapsed());
        log.read_to_string(&mut said).unwrap();
        assert!(said.contains("is open already"), "{said}");
    }
    ends_well(first, "TERM", None, "minimal");
}

/// M-15: connections that are open for as long as somebody is logged in hold nobody up.
#[test]
fn m_15_open_streams_hold_nobody_up() {
    bounded(async {
        for signal in ["TERM", "INT"] {
            let server = start(env!("CARGO_BIN_EXE_websocket"));
            let browser = logged_in(&server).await;
            let mut chat = open_chat(&server, &[("cookie", &access(&browser))]).await.unwrap();
            says(&mut chat, "hello").await;
            ends_well(server, signal, None, "websocket");

            let server = start(env!("CARGO_BIN_EXE_sse"));
            let browser = logged_in(&server).await;
            let mut ticks = browser.get("/ticks").await;
            read_until(&mut ticks, Some("data: alice 1\n\n")).await;
            ends_well(server, signal, None, "sse");
        }
    });
}

/// M-15: a signal in the middle of many logins loses none that was answered.
#[test]
fn m_15_what_was_answered_is_there_after_the_signal() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_minimal")).data(data.path());
        let server = program.start();
        let own = server.url.trim_start_matches("http://").to_owned();
        let alice = json!({"username": "alice", "password": "wonderland"});
        let stranger = Browser::new(&server.url);
        let registered = stranger.request(Method::POST, "/auth/register").json(&alice).send().await.unwrap();
        assert_eq!(registered.status(), 201);
        let id = server.id();
        let logins: Vec<_> = (0..12)
            .map(|number| {
                let (browser, alice) = (Browser::new(&server.url), alice.clone());
                tokio::spawn(async move {
                    let answer = browser.request(Method::POST, "/auth/obtain").json(&alice).send().await;
                    if number == 4 {
                        let kill = format!("kill -s TERM {id}");
                        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
                    }
                    answer.is_ok_and(|answer| answer.status() == 200).then_some(browser)
                })
            })
            .collect();
        let mut answered = Vec::new();
        for login in logins {
            answered.extend(login.await.unwrap());
        }
        assert!(!answered.is_empty(), "the fifth login is answered before the signal");
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        let server = program.env("JWTAUTH_ADDR", &own).start();
        for browser in answered {
            assert_eq!(browser.me().await, 200);
        }
        drop(server);
    });
}

/// M-15: programs of README end like the examples.
#[test]
fn m_15_the_programs_of_readme_wait_for_a_signal() {
    for program in crate::readme::programs() {
        for part in ["let stop = shutdown_signal();", ".run_with_graceful_shutdown(", ", stop, Some("] {
            assert!(program.contains(part), "{part} is not in {program}");
        }
    }
}
