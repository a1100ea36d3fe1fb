//! M-2: strangers may take every descriptor that the process is allowed. A commit needs none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use super::*;

/// Somebody whose one connection was there before the strangers came.
struct Guest {
    connection: BufReader<TcpStream>,
    cookies: String,
}

impl Guest {
    fn new(address: &str) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { connection: BufReader::new(connection), cookies: String::new() }
    }

    /// Sends a request, reads its answer to the end, and keeps the cookies.
    fn request(&mut self, method: &str, path: &str, body: &str) -> u16 {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.cookies,
            body.len()
        );
        self.connection.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut len, mut cookies) = (0, 0, Vec::new());
        loop {
            let mut line = String::new();
            assert!(self.connection.read_line(&mut line).unwrap() > 0, "the connection is closed");
            let line = line.trim_end();
            let lower = line.to_lowercase();
            if line.is_empty() {
                break;
            } else if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(value) = lower.strip_prefix("content-length: ") {
                len = value.parse().unwrap();
            } else if lower.starts_with("set-cookie: ") {
                cookies.push(line["set-cookie: ".len()..].split(';').next().unwrap().to_owned());
            }
        }
        self.connection.read_exact(&mut vec![0; len]).unwrap();
        if !cookies.is_empty() {
            self.cookies = cookies.join("; ");
        }
        status
    }

    fn login(&mut self) -> u16 {
        self.request("POST", "/login", r#"{"username":"alice","password":"wonderland"}"#)
    }

    fn access(&self) -> &str {
        self.cookies.split("; ").find_map(|cookie| cookie.strip_prefix("access_token=")).unwrap()
    }
}

#[test]
fn m_2_a_commit_opens_no_descriptor() {
    if !runs(&["prlimit", "--version"]) {
        println!("skipped: needs prlimit");
        return;
    }
    bounded_by(Duration::from_secs(60), async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        let server = program.clone().wrapped(&["prlimit", "--nofile=64:64"]).start();
        let address = server.url.strip_prefix("http://").unwrap();
        let mut guests = [Guest::new(address), Guest::new(address), Guest::new(address)];
        for guest in &mut guests {
            assert_eq!(guest.login(), 200);
        }
        let mut idle = Vec::new();
        let count = || fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
        let deadline = Instant::now() + Duration::from_secs(10);
        while count() < 64 {
            assert!(Instant::now() < deadline, "strangers take all: {} of 64", count());
            if idle.len() < 200 {
                idle.push(TcpStream::connect(address).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for round in 0..20 {
            for guest in &mut guests {
                assert_eq!(guest.request("POST", "/refresh", ""), 204, "round {round}");
                assert_eq!(guest.request("GET", "/me", ""), 200, "round {round}");
            }
        }
        assert_eq!(guests[0].login(), 200);
        assert_eq!(guests[1].request("POST", "/logout", ""), 204);
        assert_eq!(count(), 64, "they still have all");
        let tokens = [&guests[0], &guests[2]].map(|guest| guest.access().to_owned());
        drop((idle, guests));
        let (status, log) = server.terminate();
        assert!(status.success() && !log.contains("cannot be written"), "{log}");
        let server = program.start();
        for token in tokens {
            let me = Browser::new(&server.url).request(reqwest::Method::GET, "/me").bearer_auth(token).send();
            assert_eq!(me.await.unwrap().status(), 200, "all is on disk");
        }
    });
}
