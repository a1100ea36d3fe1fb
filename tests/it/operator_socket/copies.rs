//! Copies of everything that a server hands out: how far they are, that they can be stopped, who took them, and how much
//! memory a long list takes.

use std::io::{BufRead as _, Read as _, Write as _};
use std::ops::ControlFlow;
use std::process::Child;

use jwtauth::operator::{Operator, OperatorRequest};
use jwtauth::store::operate::Progress;
use jwtauth::store::{EventDetails, EventStore as _};
use jwtauth::{CopyKind, Event};
use tests::bounded_by;
use tests::faulty::Faulty;

use super::*;

/// The program hears of how many records the file is, not only how many bytes have come.
#[test]
fn a_program_hears_how_far_the_file_of_a_server_is() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        for number in 0..300 {
            tab.login(&format!("user-{number}")).await;
        }
        let operator = Operator::connect(&path).await.unwrap().expect("a server");
        for request in [OperatorRequest::Backup, OperatorRequest::Export { hashes: false }] {
            let heard: Mutex<Vec<Progress>> = Mutex::default();
            let note = |progress| {
                heard.lock().unwrap().push(progress);
                ControlFlow::Continue(())
            };
            let mut file = Vec::new();
            operator.ask_into(request, &mut file, &note).await.unwrap();
            let heard = heard.into_inner().unwrap();
            let told = heard.iter().find(|progress| progress.done > 0).expect("how many records");
            assert_eq!(told.of, Some(300), "{heard:?}");
            assert!(heard.is_sorted_by_key(|progress| (progress.bytes, progress.done)), "{heard:?}");
            assert_eq!(heard.last().unwrap().bytes, file.len() as u64);
        }
    });
}

/// O-16: who took a copy of everything stands in the trail, and the hooks hear of it, also if it was cut short.
#[test]
fn o_16_a_copy_of_everything_is_an_event() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let app = app(&path, |builder| {
            builder.storage(StorageConfig::default().keep_events(100)).on_event(move |event: Event| {
                if let Event::StoreCopied { copy } = event {
                    noted.lock().unwrap().push(copy);
                }
                std::future::ready(())
            })
        })
        .await;
        let file = folder.path().join("file");
        let file = file.to_str().unwrap();
        assert_eq!(ask(&path, "", &["backup", file]).code, 0);
        assert_eq!(ask(&path, "", &["export", "--no-hashes", "-"]).code, 0);
        // Whoever takes a part of it and goes has been seen too.
        let operator = Operator::connect(&path).await.unwrap().expect("a server");
        let stop = |_| ControlFlow::Break(());
        let cut = operator.ask_into(OperatorRequest::Export { hashes: true }, &mut Vec::new(), &stop).await;
        assert!(cut.is_err(), "{cut:?}");
        // An application asks in the same way.
        let go_on = |_| ControlFlow::Continue(());
        let own = app.jwtauth.operator().ask_into(OperatorRequest::Backup, &mut Vec::new(), &go_on).await;
        assert!(own.is_ok(), "{own:?}");
        let (backup, export) = (CopyKind::Backup, |hashes| CopyKind::Export { hashes });
        let expected = [backup, export(false), export(true), backup];
        assert_eq!(*heard.lock().unwrap(), expected);
        drop(app);
        // Without a server the program writes it itself.
        assert_eq!(ask(&path, "", &["backup", file, "--yes"]).code, 0);
        let rows = ask(&path, "", &["events", "--event", "store_copied", "--json"]).json();
        let details: Vec<_> = rows.iter().map(|row| row["details"].clone()).collect();
        let said = |copy: &str, hashes: &str| json!([["copy", copy], ["hashes", hashes], ["by", "operator"]]);
        let (backup, export) = (said("backup", "true"), |hashes| said("export", hashes));
        let expected = [backup.clone(), export("false"), export("true"), backup.clone(), backup];
        assert_eq!(details, expected);
    });
}

/// Starts the program with an answer that nobody reads yet.
pub(super) fn begin(store: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.args(arguments).env("JWTAUTH_STORE", store).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Ctrl-C, as a terminal sends it, while the program waits for whoever reads its answer.
#[test]
fn a_signal_stops_a_copy_in_order() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        for number in 0..900 {
            tab.login(&format!("user-{number}")).await;
        }
        let stopped = || async {
            for what in ["backup", "export"] {
                let path = path.clone();
                tokio::task::spawn_blocking(move || {
                    let mut child = begin(&path, &[what, "-"]);
                    let mut out = child.stdout.take().unwrap();
                    // It has begun, and waits soon: a pipe holds 64 kB.
                    out.read_exact(&mut [0; 100]).unwrap();
                    interrupt(&child);
                    std::thread::sleep(Duration::from_millis(300));
                    let mut rest = Vec::new();
                    out.read_to_end(&mut rest).unwrap();
                    let mut said = String::new();
                    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                    assert_eq!(child.wait().unwrap().code(), Some(3), "{what}: {said}");
                    assert!(said.contains("stopped"), "{what}: {said}");
                })
                .await
                .unwrap();
            }
        };
        stopped().await;
        let user = tab.login("alice").await;
        assert_eq!(tab.get("/me", &user.cookies()).await.status, 200, "the server serves on");
        drop(tab);
        drop(app);
        stopped().await;
        // A file that was begun is not left.
        let status = ask(&path, "", &["status", "--json"]).json();
        assert_eq!(status[0]["live_sessions"], json!(901));
    });
}

/// Work that stands still says so, and a second Ctrl-C ends it: here nobody reads the answer, as when a disk hangs.
#[test]
fn who_waits_hears_that_it_does_not_go_on() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        for number in 0..600 {
            tab.login(&format!("user-{number}")).await;
        }
        drop(tab);
        drop(app);
        let mut child = begin(&path, &["backup", "-"]);
        let mut said = std::io::BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let stands = said.find(|line| line.contains(", the same for ")).unwrap();
        assert!(stands.starts_with("jwtauth: copying: "), "{stands}");
        interrupt(&child);
        let again = said.find(|line| !line.contains("the same for"));
        assert!(
            again.as_ref().is_some_and(|line| line.contains("Ctrl-C again ends it at once")),
            "{again:?}"
        );
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(ask(&path, "", &["doctor"]).code, 0);
    });
}

/// At a question there is no work to end in order.
#[test]
fn ctrl_c_at_a_question_ends_the_program() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let backup = folder.path().join("backup");
        drop(app(&path, |builder| builder).await);
        assert_eq!(ask(&path, "", &["backup", backup.to_str().unwrap()]).code, 0);
        let program = env!("CARGO_BIN_EXE_jwtauth_program");
        let typed = format!("{program} --store {} restore {}", path.display(), backup.display());
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env_remove("JWTAUTH_STORE");
        let Ok(mut terminal) = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            println!("skipped: needs script");
            return;
        };
        let (mut shown, mut out) = (Vec::new(), terminal.stdout.take().unwrap());
        while !shown.ends_with(b"[y/N] ") {
            let mut byte = [0];
            out.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        terminal.stdin.take().unwrap().write_all(b"\x03").unwrap();
        out.read_to_end(&mut shown).unwrap();
        assert_eq!(terminal.wait().unwrap().code(), Some(130), "{}", String::from_utf8_lossy(&shown));
        assert!(!path.join("aside").exists(), "nothing was changed");
    });
}

/// The most memory that a process has had, in kB, as the system says it while it runs.
fn memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A list of any length goes through in bounded memory, as a table too.
#[test]
fn a_long_list_takes_no_more_memory_than_a_short_one() {
    bounded(async {
        let rows: u64 = std::env::var("JWTAUTH_TEST_EVENTS").map_or(30_000, |rows| rows.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let store = Faulty::with_socket(folder.path().join("socket"));
        fs::write(folder.path().join("jwtauth"), "").unwrap();
        let _server = JwtAuth::builder().secret(SECRET).build(store.clone()).unwrap();
        let fill = async |rows: u64| {
            let event = |number: u64| EventDetails::new("login", number).with("device", format!("{number}"));
            for start in (0..rows).step_by(5_000) {
                let events = (start..rows.min(start + 5_000)).map(event).collect();
                store.append_events(events, 10_000_000).await.unwrap();
            }
        };
        let mut most = Vec::new();
        // The short one is long enough for some looks at the memory before it ends.
        let short = 10_000;
        for (more, all) in [(short, short), (rows - short, rows)] {
            fill(more).await;
            let path = folder.path().to_owned();
            let (lines, kb) = tokio::task::spawn_blocking(move || {
                use std::io::BufRead as _;
                let mut child = begin(&path, &["events", "--all"]);
                let (id, mut lines, mut most) = (child.id(), 0, 0);
                for line in std::io::BufReader::new(child.stdout.take().unwrap()).lines() {
                    assert!(!line.unwrap().is_empty());
                    lines += 1;
                    if lines % 500 == 0 {
                        most = memory(id).max(most);
                    }
                }
                assert!(child.wait().unwrap().success());
                (lines, most)
            })
            .await
            .unwrap();
            assert_eq!(lines, all + 1, "each event, and the head");
            most.push(kb);
        }
        println!("events --all: {} kB for {short} rows, {} kB for {rows}", most[0], most[1]);
        assert!(most[0] > 0 && most[1] < most[0] + 4_000, "{most:?} kB");
    });
}
