//! a start with too few threads or too little memory, and M-15: one that is told to end while it waits.

use std::os::unix::process::ExitStatusExt as _;

use serde_json::json;

use super::*;

/// The number of the signal (POSIX leaves it open; Linux, macOS and the BSDs agree).
const SIGSEGV: i32 = 11;

/// A user that has no process but those of this test: the system counts the threads of all.
const ALONE: u32 = 61_204;

/// Runs a program as that user.
const USER: [&str; 4] = ["setpriv", "--reuid=61204", "--regid=61204", "--clear-groups"];

/// Copies of `minimal` and of the program `jwtauth` that a user without rights can run, and a place for data.
struct Place {
    directory: tempfile::TempDir,
    tool: std::path::PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_minimal"), directory.path().join("minimal")).unwrap();
        let tool = directory.path().join("jwtauth");
        fs::copy(env!("CARGO_BIN_EXE_jwtauth_program"), &tool).unwrap();
        let place = Self { directory, tool };
        fs::create_dir(place.data()).unwrap();
        chown(place.data(), Some(ALONE), Some(ALONE)).unwrap();
        place
    }

    fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    fn program(&self, wrapper: &[&str]) -> tests::program::Program {
        let program = tests::program::Program::new(self.directory.path().join("minimal"));
        let program = program.env("TOKIO_WORKER_THREADS", "1");
        program.data(&self.data()).wrapped(&[&USER[..], wrapper].concat())
    }
}

fn cannot_be_tried() -> bool {
    let lacks = !is_root() || !runs(&[&USER[..], &["prlimit", "--nproc=64", "true"]].concat());
    if lacks {
        println!("skipped: needs root, setpriv and prlimit");
    }
    lacks
}

/// an end in a bounded time, with what is too little, and never the word for a store that is not whole.
#[test]
fn r_6_a_start_with_too_few_threads_says_so() {
    if cannot_be_tried() {
        return;
    }
    bounded_by(Duration::from_secs(300), async {
        let place = Place::new();
        let free = place.program(&[]);
        let server = free.start();
        let body = json!({"username": "alice", "password": "through the looking glass"});
        let browser = Browser::new(&server.url);
        let asked = browser.request(reqwest::Method::POST, "/auth/register").json(&body).send().await;
        assert_eq!(asked.unwrap().status(), 201);
        assert!(server.terminate().0.success());

        // The runtime has its main thread and one more.
        let threads = (2..=24).step_by(2).map(|count| format!("--nproc={count}"));
        let memory = (100..=400).step_by(25).map(|megabytes| format!("--as={}", megabytes * 1_000_000));
        let (mut named, mut started) = (0, 0);
        for limit in threads.chain(memory) {
            let attempt = place.program(&["prlimit", &limit]).attempt();
            let is_started = attempt.is_ok();
            let (status, said) = attempt.map_or_else(|ended| ended, Running::terminate);
            println!("{limit}: {status} {}", said.lines().last().unwrap_or_default());
            assert!(!said.contains("damaged") && !said.contains("doctor"), "{limit}: {said}");
            let is_named = said.contains("threads and the memory that it needs");
            named += usize::from(is_named);
            started += usize::from(is_started);
            if is_started && limit.contains("nproc") {
                assert!(status.success(), "{limit}: {status}: {said}");
            } else if !is_started {
                // The allocator ends the process where it has nothing for somebody, and says so. Where it is the stack
                // that cannot grow, the kernel does, without a word.
                let is_of_stack = limit.starts_with("--as") && status.signal() == Some(SIGSEGV);
                let is_of_memory = status.code().is_none() && said.contains("emory") || is_of_stack;
                assert!(is_named || is_of_memory, "{limit}: {status}: {said}");
                assert!(!status.success(), "{limit}: {status}: {said}");
            }
        }
        assert!(named >= 2 && started >= 2, "{named} were told of threads, {started} have started");

        // Nobody who looks at it calls it damaged either, or mends it.
        let store = place.data().join("store");
        for (command, expected) in [("doctor", "is whole"), ("repair", "nothing was done")] {
            let words = ["prlimit", "--nproc=8", place.tool.to_str().unwrap(), command, "--store"];
            let words = [&USER[..], &words, &[store.to_str().unwrap()]].concat();
            let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains(expected), "{command}: {output:?}");
        }

        let server = free.start();
        let browser = Browser::new(&server.url);
        let asked = browser.request(reqwest::Method::POST, "/auth/obtain").json(&body).send().await;
        assert_eq!(asked.unwrap().status(), 200, "the store is as it was");
    });
}

/// M-15: a disk that never answers keeps nobody from ending the program.
#[test]
fn m_15_a_start_that_hangs_ends_when_it_is_told_to() {
    bounded_by(Duration::from_secs(60), async {
        for signal in ["TERM", "INT"] {
            let data = tempfile::tempdir().unwrap();
            let program = tests::program::Program::new(env!("CARGO_BIN_EXE_minimal")).data(data.path());
            assert!(program.start().terminate().0.success());
            let folder = tempfile::tempdir().unwrap();
            let journal = data.path().join("store/journal");
            let Some(disk) = tests::bad_sector::BadSector::of(&journal, folder.path()) else { return };
            disk.hang();
            let program = disk.env().iter().fold(program, |program, (name, value)| program.env(name, value));
            let mut hanging = program.begin();
            // Time for its handlers of signals, and to reach the file.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!hanging.has_ended(), "it waits");
            let (status, said, took) = hanging.end_by(signal, None);
            assert!(took < Duration::from_secs(2), "{signal}: {took:?}");
            assert_eq!(status.code(), Some(1), "{signal}: {said}");
            assert!(said.contains("told to end"), "{signal}: {said}");
        }
    });
}
