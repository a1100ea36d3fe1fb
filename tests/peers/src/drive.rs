//! Clients: one connection each, kept open, with the cookies that it was given.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// The cookies of one browser.
#[derive(Clone, Default)]
pub struct Jar(Vec<(String, String)>);

impl Jar {
    fn take(&mut self, header: &str) {
        let pair = header.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        self.0.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    fn header(&self) -> String {
        let cookies: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) }
    }
}

pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server");
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::new(stream))
    }

    /// Sends a request that must be answered with a success.
    pub fn ask(&mut self, method: &str, path: &str, jar: &mut Jar) {
        let cookies = jar.header();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{cookies}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("a request");
        let (mut line, mut length) = (String::new(), 0);
        self.0.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 2"), "{method} {path}: {line}");
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "set-cookie" => jar.take(value),
                "transfer-encoding" => panic!("{method} {path} has no length"),
                _ => {}
            }
        }
        std::io::copy(&mut self.0.by_ref().take(length), &mut std::io::sink()).expect("a body");
    }
}
