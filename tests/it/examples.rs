//! The examples, run as programs and met by real clients; here those whose connections end with their session.

mod commands;
mod deny_by_default;
mod forms;
mod logs;
mod minimal;
mod notes;
mod own_user_table;
mod pages;
mod roles;
mod stop;
mod verifier;

pub(crate) use self::forms::encoded;

use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, Response};
use tests::bounded;
use tests::browser::Browser;
use tests::program::{Program, Running};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How soon a client hears of an end; far less than the 30 s after which everybody looks by himself.
const SOON: Duration = Duration::from_secs(10);

/// Every example, by its name.
const PROGRAMS: [(&str, &str); 12] = [
    ("deny_by_default", env!("CARGO_BIN_EXE_deny_by_default")),
    ("minimal", env!("CARGO_BIN_EXE_minimal")),
    ("notes", env!("CARGO_BIN_EXE_notes")),
    ("openapi", env!("CARGO_BIN_EXE_openapi")),
    ("own_user_table", env!("CARGO_BIN_EXE_own_user_table")),
    ("pages", env!("CARGO_BIN_EXE_pages")),
    ("quickstart", env!("CARGO_BIN_EXE_quickstart")),
    ("roles", env!("CARGO_BIN_EXE_roles")),
    ("spa", env!("CARGO_BIN_EXE_spa")),
    ("sse", env!("CARGO_BIN_EXE_sse")),
    ("verifier", env!("CARGO_BIN_EXE_verifier")),
    ("websocket", env!("CARGO_BIN_EXE_websocket")),
];

/// Any example, ready to start: with ports that the system picks, and data in a directory.
fn program(binary: &str, data: &Path) -> Program {
    // Development mode also if the tests are built as a release.
    let program = Program::new(binary).data(data).env("JWTAUTH_ALLOW_DEV", "1");
    program.env("JWTAUTH_SHOP_ADDR", "127.0.0.1:0")
}

/// Where an example listens. `verifier` says two addresses.
fn address(server: &Running) -> &str {
    let url = server.url.strip_prefix("http://").unwrap();
    url.split(' ').next().unwrap()
}

fn start(binary: &str) -> Running {
    // Also if the tests are built as a release.
    Program::new(binary).env("JWTAUTH_ALLOW_DEV", "1").start()
}

async fn logged_in(server: &Running) -> Browser {
    let browser = Browser::new(&server.url);
    assert_eq!(browser.login("alice", "wrong").await.status(), 401);
    assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
    browser
}

fn access(browser: &Browser) -> String {
    format!("access_token={}", browser.cookie("access_token").unwrap())
}

/// Makes a request whose access token has expired, as a tab does after five minutes: it rotates the session.
/// Returns the browser with the new pair.
async fn refreshed(server: &Running, browser: &Browser) -> Browser {
    let later = Browser::new(&server.url);
    let refresh = format!("refresh_token={}", browser.cookie("refresh_token").unwrap());
    let answer = later.request(Method::GET, "/me").header("cookie", refresh).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_ne!(later.cookie("refresh_token"), browser.cookie("refresh_token"), "rotated");
    later
}

/// Opens the chat, or returns the status of the refusal.
async fn open_chat(server: &Running, headers: &[(&str, &str)]) -> Result<WebSocketStream<TcpStream>, u16> {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut request = format!("ws://{address}/chat").into_client_request().unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    let socket = TcpStream::connect(address).await.unwrap();
    match client_async(request, socket).await {
        Ok((chat, _)) => Ok(chat),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn says(chat: &mut WebSocketStream<TcpStream>, text: &str) {
    chat.send(Message::text(text)).await.unwrap();
    let answer = timeout(SOON, chat.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, Message::text(format!("alice: {text}")));
}

#[test]
fn a_websocket_closes_with_its_session_and_not_with_its_token() {
    bounded(async {
        let server = start(env!("CARGO_BIN_EXE_websocket"));
        let (browser, elsewhere) = (logged_in(&server).await, logged_in(&server).await);
        let cookie = access(&browser);
        let mut chat = open_chat(&server, &[("cookie", &cookie)]).await.unwrap();
        let mut second_tab = open_chat(&server, &[("cookie", &cookie)]).await.unwrap();
        let mut other_device = open_chat(&server, &[("cookie", &access(&elsewhere))]).await.unwrap();
        says(&mut chat, "hello").await;

        let browser = refreshed(&server, &browser).await;
        says(&mut chat, "still here").await;

        assert_eq!(browser.post("/logout").await.status(), 200);
        for chat in [&mut chat, &mut second_tab] {
            let last = timeout(SOON, chat.next()).await.unwrap().unwrap().unwrap();
            let Message::Close(Some(close)) = last else { panic!("{last:?}") };
            assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, "session ended"));
            assert!(timeout(SOON, chat.next()).await.unwrap().is_none(), "and the connection is closed");
        }
        says(&mut other_device, "another session goes on").await;
        assert_eq!(open_chat(&server, &[("cookie", &cookie)]).await.unwrap_err(), 401, "no way back in");
    });
}

/// H-12: an upgrade is checked before there is a connection.
#[test]
fn h_12_a_websocket_is_not_for_strangers_nor_for_other_sites() {
    bounded(async {
        let server = start(env!("CARGO_BIN_EXE_websocket"));
        let browser = logged_in(&server).await;
        let cookie = access(&browser);
        let own = server.url.as_str();
        for (origin, status) in [
            (&[("origin", own)][..], Ok(())),
            (&[("origin", own), ("sec-fetch-site", "same-origin")], Ok(())),
            (&[("origin", "https://evil.example")], Err(403)),
            (&[("origin", "null")], Err(403)),
            (&[("sec-fetch-site", "cross-site")], Err(403)),
            (&[("sec-fetch-site", "same-site")], Err(403)),
            (&[("origin", own), ("sec-fetch-site", "cross-site")], Err(403)),
        ] {
            let headers = [origin, &[("cookie", &cookie)]].concat();
            assert_eq!(open_chat(&server, &headers).await.map(drop), status, "{origin:?}");
            assert_eq!(open_chat(&server, origin).await.unwrap_err(), 401, "a stranger, {origin:?}");
        }
        for bad in ["access_token=", "access_token=x", "other=1"] {
            assert_eq!(open_chat(&server, &[("cookie", bad)]).await.unwrap_err(), 401, "{bad}");
        }
        let bearer = format!("Bearer {}", browser.cookie("access_token").unwrap());
        let mut chat = open_chat(&server, &[("authorization", &bearer)]).await.unwrap();
        says(&mut chat, "no browser").await;
    });
}

/// Reads events until one contains `text`, or to the end of the stream if it is `None`.
async fn read_until(events: &mut Response, text: Option<&str>) -> String {
    let mut read = String::new();
    while text.is_none_or(|text| !read.contains(text)) {
        let Some(chunk) = timeout(SOON, events.chunk()).await.unwrap().unwrap() else {
            assert!(text.is_none(), "the stream ended: {read}");
            return read;
        };
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    read
}

#[test]
fn an_event_stream_ends_with_its_session_and_not_with_its_token() {
    bounded(async {
        let server = start(env!("CARGO_BIN_EXE_sse"));
        assert_eq!(Browser::new(&server.url).get("/ticks").await.status(), 401);
        let (browser, elsewhere) = (logged_in(&server).await, logged_in(&server).await);
        let (mut ticks, mut other_device) = (browser.get("/ticks").await, elsewhere.get("/ticks").await);
        assert_eq!(
            (ticks.status(), other_device.status()),
            (reqwest::StatusCode::OK, reqwest::StatusCode::OK)
        );
        assert_eq!(ticks.headers()["content-type"], "text/event-stream");
        assert_eq!(read_until(&mut ticks, Some("\n\n")).await, "data: alice 0\n\n");

        let later = refreshed(&server, &browser).await;
        read_until(&mut ticks, Some("data: alice 1\n\n")).await;

        assert_eq!(later.post("/logout").await.status(), 200);
        let last = read_until(&mut ticks, None).await;
        assert!(last.ends_with("event: session-ended\ndata: log in again\n\n"), "{last}");
        read_until(&mut other_device, Some("data: alice 2\n\n")).await;
        assert_eq!(browser.get("/ticks").await.status(), 401, "where a browser connects again by itself");
    });
}
