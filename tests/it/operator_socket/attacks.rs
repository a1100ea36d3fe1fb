//! What foreign programs send to the socket of a server, and to our program.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::*;

/// The user `nobody`.
const NOBODY: u32 = 65_534;

/// A frame: the beginning, the version, the kind, the length that it claims, and what follows.
fn frame(version: u8, kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [b"jwta", &[version, kind][..], &length.to_be_bytes(), body].concat()
}

/// What the server answers before it closes the connection, without the header.
fn answer(socket: &Path, sent: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may be refused before all is sent.
    let _ = stream.write_all(sent);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(said.is_empty() || said.starts_with(b"jwta\x01\x04"), "a refusal of version 1: {said:?}");
    String::from_utf8(said.split_off(said.len().min(10))).unwrap()
}

/// O-1: another user is refused by the system's word, whatever the modes of files say.
#[test]
fn o_1_another_user_is_refused() {
    if nix::unistd::geteuid().as_raw() != 0 {
        println!("skipped: needs root");
        return;
    }
    tests::log::logged(async |log| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let program = folder.path().join("jwtauth");
        fs::copy(env!("CARGO_BIN_EXE_jwtauth_program"), &program).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let server = builder().open(&path).await.unwrap();
        server.sessions().login(&tests::app::User::named("alice"), Device::default()).await.unwrap();
        let as_nobody = async || {
            let (program, path) = (program.clone(), path.clone());
            let run = move || {
                let mut command = Command::new(program);
                command.args(["sessions", "revoke", "--all", "--yes", "--store"]).arg(path);
                let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
                (output.status.code(), String::from_utf8(output.stderr).unwrap())
            };
            tokio::task::spawn_blocking(run).await.unwrap()
        };
        let (code, said) = as_nobody().await;
        assert!(code == Some(1) && said.contains("this user may not look into"), "{code:?} {said}");
        // Somebody has opened the directory for all.
        fs::set_permissions(&path, Permissions::from_mode(0o711)).unwrap();
        let (code, said) = as_nobody().await;
        assert!(code == Some(1) && said.contains("this user may not speak to the server"), "{code:?} {said}");
        // And the socket.
        fs::set_permissions(socket_of(&path), Permissions::from_mode(0o666)).unwrap();
        let (code, said) = as_nobody().await;
        assert!(
            code == Some(1) && said.contains("the server runs as the user with the id 0"),
            "{code:?} {said}"
        );
        assert_eq!(server.sessions().list("alice").await.unwrap().len(), 1);
        let log = log.text();
        assert!(
            log.contains("a program of another user has connected") && log.contains("user=65534"),
            "{log}"
        );
    });
}

/// O-1: the server's own user is served, and so is root, who may be another one.
#[test]
fn o_1_the_own_user_and_root_are_served() {
    let setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let works = Command::new(setpriv[0]).args(&setpriv[1..]).arg("true").output();
    if nix::unistd::geteuid().as_raw() != 0 || !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: needs root, and setpriv");
        return;
    }
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let copied = |name: &str, from: &str| {
            fs::copy(from, folder.path().join(name)).unwrap();
            folder.path().join(name)
        };
        let server = copied("quickstart", env!("CARGO_BIN_EXE_quickstart"));
        let program = copied("jwtauth", env!("CARGO_BIN_EXE_jwtauth_program"));
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let server = tests::program::Program::new(server).wrapped(&setpriv).data(&data).start();
        for user in [0, NOBODY] {
            let mut command = Command::new(&program);
            command.args(["status", "--json", "--store"]).arg(data.join("sessions"));
            let output = command.uid(user).gid(user).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(
                said.contains(&format!(r#""pid":{}"#, server.id())),
                "{user}: {said} {:?}",
                output.stderr
            );
        }
        assert!(server.terminate().0.success());
    });
}

/// Listens at a path, and repeats what it hears.
const STRANGER: &str = r#"
    use IO::Socket::UNIX;
    my $socket = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die $!;
    $| = 1;
    print "ready\n";
    while (my $peer = $socket->accept) { my $said; print "heard $said\n" if sysread $peer, $said, 1000; }
"#;

/// O-1: nothing is sent to a stranger who listens there, not even as root.
#[test]
fn o_1_a_stranger_who_listens_hears_nothing() {
    let has_perl = Command::new("perl").args(["-MIO::Socket::UNIX", "-e", "1"]).output();
    if nix::unistd::geteuid().as_raw() != 0 || !has_perl.is_ok_and(|output| output.status.success()) {
        println!("skipped: needs root, and perl");
        return;
    }
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        drop(builder().open(&path).await.unwrap());
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let mut perl = Command::new("perl");
        perl.args(["-e", STRANGER]).arg(socket_of(&path)).uid(NOBODY).gid(NOBODY).stdout(Stdio::piped());
        let mut stranger = perl.spawn().unwrap();
        let mut heard = stranger.stdout.take().unwrap();
        heard.read_exact(&mut [0; 6]).unwrap();
        let refused = ask(&path, "a long new password\n", &["accounts", "add", "ann"]);
        let because =
            "runs as the user with the id 65534, and the store belongs to 0: nothing was sent to it";
        assert!(refused.code == 1 && refused.err.contains(because), "{refused:?}");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        let mut rest = String::new();
        heard.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    });
}

/// O-2, O-3: what is no request of this version is refused with the reason, and the server serves on.
#[test]
fn o_2_o_3_bad_frames_are_refused_and_the_server_serves_on() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let (tab, socket) = (Tab::new(&app), socket_of(&path));
        let tokens = tab.login("alice").await;
        let mut flood = frame(1, 1, 1_048_577, b"");
        flood.extend(vec![b' '; 300_000]);
        let cases: [(&str, Vec<u8>, &str); 9] = [
            ("another version", frame(9, 1, 2, b"{}"), "version 9, and the server version 1"),
            ("no frame", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), "does not begin like a frame"),
            ("an unknown kind", frame(1, 77, 0, b""), "of an unknown kind"),
            ("an answer", frame(1, 2, 2, b"{}"), "is no request"),
            ("a body that is none", frame(1, 1, 4, b"\xff\xfe{}"), "another one than expected"),
            ("an unknown request", frame(1, 1, 6, b"\"burn\""), "another one than expected"),
            ("the longest claim", frame(1, 1, u32::MAX, b""), "at most 1048576 are read"),
            ("one byte too many", flood, "1048577 bytes"),
            ("deep nesting", frame(1, 1, 100_000, &[b'['; 100_000]), "another one than expected"),
        ];
        for (name, sent, said) in cases {
            let refusal = answer(&socket, &sent);
            assert!(refusal.contains(said), "{name}: {refusal:?}");
        }
        // Cut short, and gone at once.
        for cut in [0, 3, 9, 10, 12] {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.write_all(&frame(1, 1, 8, b"\"status\"")[..cut]).unwrap();
        }
        // Any bytes of a good frame are changed.
        let mut numbers = tests::numbers::Numbers::seeded(7);
        for _ in 0..400 {
            let mut sent = frame(1, 1, 8, b"\"status\"");
            for _ in 0..=numbers.below(3) {
                let at = usize::try_from(numbers.below(sent.len() as u64)).unwrap();
                sent[at] = u8::try_from(numbers.below(256)).unwrap();
            }
            let mut stream = UnixStream::connect(&socket).unwrap();
            let _ = stream.write_all(&sent);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        // A password that does not fit is not repeated.
        let odd = br#"{"add_account":{"name":"a","password":{"x":"hunter2"},"roles":[]}}"#;
        let refusal = answer(&socket, &frame(1, 1, u32::try_from(odd.len()).unwrap(), odd));
        assert!(refusal.contains("another one than expected") && !refusal.contains("hunter2"), "{refusal}");
        assert_eq!(tab.get("/me", &tokens.cookies()).await.status, 200);
        assert_eq!(ask(&path, "", &["status"]).code, 0);
    });
}

/// O-3: four are served at a time, each for a few seconds if it says nothing. The others are refused at once.
#[test]
fn o_3_connections_are_few_and_short() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let (tab, socket) = (Tab::new(&app), socket_of(&path));
        let tokens = tab.login("alice").await;
        let start = Instant::now();
        // They begin a request and do not end it: 0, 1, 2 or 3 bytes of it.
        let mut slow: Vec<_> = (0..4)
            .map(|sent| {
                let mut stream = UnixStream::connect(&socket).unwrap();
                stream.write_all(&b"jwta"[..sent]).unwrap();
                stream
            })
            .collect();
        // Ours waits for its turn meanwhile.
        let waiting = {
            let path = path.clone();
            thread::spawn(move || (ask(&path, "", &["status"]), Instant::now()))
        };
        let mut flood: Vec<_> = (0..300).map(|_| UnixStream::connect(&socket).unwrap()).collect();
        for stream in &mut flood {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            assert!(said.contains("speaks to 4 programs already"), "{said:?}");
        }
        assert_eq!(tab.get("/me", &tokens.cookies()).await.status, 200);
        // A byte now and then does not help.
        for stream in &mut slow {
            let mut said = [0; 1];
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            while stream.read(&mut said).is_err() {
                let _ = stream.write_all(b"j");
                assert!(start.elapsed() < Duration::from_secs(15), "it is still served");
            }
        }
        assert!(start.elapsed() >= Duration::from_secs(4), "who says nothing has a few seconds");
        let (served, at) = waiting.join().unwrap();
        assert_eq!(served.code, 0, "{served:?}");
        assert!(at - start >= Duration::from_secs(4), "after the others");
    });
}

/// O-2, O-7: the program believes no answer that is none, and says both versions.
#[test]
fn o_2_o_7_a_strange_server_is_told_of() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        drop(builder().open(&path).await.unwrap());
        let listener = UnixListener::bind(socket_of(&path)).unwrap();
        let cases: [(Vec<u8>, i32, &str); 5] = [
            (frame(7, 4, 9, b"use seven"), 1, "use seven"),
            (frame(7, 2, 2, b"{}"), 3, "speaks version 7, and this program version 1"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), 3, "does not begin like a frame"),
            (frame(1, 2, u32::MAX, b""), 3, "at most 1048576 are read"),
            (Vec::new(), 3, "closed the connection without an answer"),
        ];
        for (reply, code, text) in cases {
            thread::scope(|scope| {
                scope.spawn(|| {
                    // The first one only looks whether somebody listens.
                    drop(listener.accept().unwrap());
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut header = [0; 10];
                    stream.read_exact(&mut header).unwrap();
                    let _ = stream.write_all(&reply);
                });
                let said = ask(&path, "", &["status"]);
                assert!(said.code == code && said.err.contains(text), "{text}: {said:?}");
            });
        }
    });
}

/// O-6: what was asked for happens, also if the program is gone by then.
#[test]
fn o_6_a_program_that_is_gone_has_asked() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        let tokens = tab.login("alice").await;
        let body = json!({"revoke_sessions": {"ids": [tokens.session().to_string()]}}).to_string();
        let length = u32::try_from(body.len()).unwrap();
        let mut stream = UnixStream::connect(socket_of(&path)).unwrap();
        stream.write_all(&frame(1, 1, length, body.as_bytes())).unwrap();
        drop(stream);
        while tab.get("/me", &tokens.cookies()).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}
