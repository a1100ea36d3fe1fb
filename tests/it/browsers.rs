//! Real browsers before an app: what they keep, what they send late, and what they show after a logout.
//!
//! Debian's Chromium and Firefox, both driven by puppeteer-core, over <http://localhost>, and over https with nginx
//! in front. They use the ready-made pages too; `pages::chromium` looks at these more closely, with one browser.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::clock::ManualClock;
use jwtauth::{AccountsConfig, Auth, Event, MemoryStore, require_auth};
use poem::web::sse::{Event as StreamEvent, SSE};
use poem::web::{Data, Html};
use poem::{EndpointExt, Result, Route, get, handler, post};
use tests::app::{START, TestApp, User};
use tests::nginx::{self, Nginx};
use tests::serve::serve;
use tests::{bounded_by, certificate, node};

const CHROMIUM: &str = "/usr/bin/chromium";
const FIREFOX: &str = "/usr/bin/firefox-esr";

/// What drives them.
const PACKAGES: [&str; 1] = ["puppeteer-core@25.16.0"];

#[handler]
fn page() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=en><meta charset=utf-8><link rel=icon href=data:,><title>Page</title><h1>For all</h1>",
    )
}

#[handler]
async fn log_in(auth: Auth) -> Result<()> {
    auth.login(&User::named("bob")).await?;
    Ok(())
}

#[require_auth]
async fn private(user: User) -> Html<String> {
    let name = user.name;
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><link rel=icon href=data:,><title>Private</title><h1>Of {name}</h1>"
    ))
}

/// Takes a while, and two seconds more by the clock of the sessions: many of them take longer than a grace window.
#[require_auth]
async fn report(user: User, Data(clock): Data<&ManualClock>) -> String {
    tokio::time::sleep(Duration::from_millis(100)).await;
    clock.advance(Duration::from_secs(2));
    user.name
}

/// Holds a connection.
#[require_auth]
async fn stream(_user: User) -> SSE {
    let first = futures_util::stream::iter([StreamEvent::message("open")]);
    SSE::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
}

/// The access token expires.
#[handler]
fn later(Data(clock): Data<&ManualClock>) {
    clock.advance(Duration::from_secs(301));
}

/// Lets a browser use the app as `field.mjs` says.
fn uses(name: &str, browser: &str, program: &str, is_https: bool) {
    let what = format!("{name}: {browser}, {}", if is_https { "https" } else { "http" });
    if !Path::new(program).exists() {
        return eprintln!("skipped {what}: there is no {program}");
    }
    if is_https && !(nginx::is_there() && certificate::is_there()) {
        return eprintln!("skipped {what}: there is no nginx or no openssl (apt-get install nginx openssl)");
    }
    let home = match node::installed(env!("CARGO_TARGET_TMPDIR"), &PACKAGES) {
        Ok(home) => home,
        Err(why) => return eprintln!("skipped {what}: {why}"),
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/browsers/field.mjs");
    bounded_by(Duration::from_secs(120), async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let app = TestApp::with(MemoryStore::new(), |builder| {
            builder.accounts(AccountsConfig::default().hashers(1)).on_event(move |event: Event| {
                noted.lock().unwrap().push(event.name());
                std::future::ready(())
            })
        });
        app.clock.set(START);
        let route = Route::new()
            .at("/page", get(page))
            .at("/bob", post(log_in))
            .at("/private", get(private))
            .at("/report", get(report))
            .at("/stream", get(stream))
            .at("/later", post(later))
            .nest("/account", app.jwtauth.pages().unwrap())
            .nest("/", app.endpoint())
            .data(app.clock.clone())
            .with(app.jwtauth.clone());
        let served = serve(route).await;
        let directory = tempfile::tempdir().unwrap();
        let (_nginx, url) = if is_https {
            let (nginx, port) = in_front(directory.path(), &served.url).await;
            (Some(nginx), format!("https://localhost:{port}"))
        } else {
            (None, served.url.replace("127.0.0.1", "localhost"))
        };
        let mut command = node::command(100, &home, script.to_str().unwrap());
        command.args([browser, program, &url]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (said(&output.stdout), said(&output.stderr));
        assert!(output.status.success() && out.trim() == "ok", "{what}: {out}{err}");
        let heard = heard.lock().unwrap();
        let count = |name: &str| heard.iter().filter(|heard| **heard == name).count();
        assert_eq!((count("refresh"), count("reuse_detected")), (2, 0), "{heard:?}");
    });
}

/// nginx with a certificate that it has signed itself.
async fn in_front(directory: &Path, app: &str) -> (Nginx, u16) {
    certificate::self_signed(directory, "localhost");
    let port = nginx::free_port();
    let at = directory.display();
    let nginx = Nginx::start(
        directory,
        &format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/certificate.pem; \
             ssl_certificate_key {at}/key.pem; location / {{ proxy_pass {app}; proxy_http_version 1.1; \
             proxy_buffering off; proxy_set_header Host $http_host; proxy_set_header Connection ''; }} }}"
        ),
    );
    nginx::listens(port).await;
    (nginx, port)
}

/// N-22, N-23, N-24: requests that waited in the browser's queue, the way back after a logout, and the page that
/// says why there is none.
#[test]
fn n_22_n_23_n_24_chromium_over_http() {
    uses("n_22_n_23_n_24_chromium_over_http", "chrome", CHROMIUM, false);
}

#[test]
fn n_22_n_23_n_24_chromium_over_https() {
    uses("n_22_n_23_n_24_chromium_over_https", "chrome", CHROMIUM, true);
}

#[test]
fn n_22_n_23_n_24_firefox_over_http() {
    uses("n_22_n_23_n_24_firefox_over_http", "firefox", FIREFOX, false);
}

#[test]
fn n_22_n_23_n_24_firefox_over_https() {
    uses("n_22_n_23_n_24_firefox_over_https", "firefox", FIREFOX, true);
}
