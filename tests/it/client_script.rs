//! The client script of the ready-made routes: in Chromium, and for TypeScript.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jwtauth::{AccountsConfig, JwtAuth, MemoryStore};
use poem::endpoint::make_sync;
use poem::{EndpointExt as _, Response, Route, get};
use tests::app::SECRET;
use tests::program::Program;
use tests::serve::serve;
use tests::{bounded, node};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/client_script")
}

/// Runs a script of npm, or says why it is skipped.
fn packages(test: &str, packages: &[&str]) -> Option<PathBuf> {
    node::installed(env!("CARGO_TARGET_TMPDIR"), packages)
        .inspect_err(|why| eprintln!("skipped {test}: {why}"))
        .ok()
}

fn check(mut command: std::process::Command) {
    let output = command.output().unwrap();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
}

/// What drives Chromium, or `None`, and a line that says why.
fn chromium(test: &str) -> Option<PathBuf> {
    if !Path::new("/usr/bin/chromium").exists() {
        eprintln!("skipped {test}: there is no /usr/bin/chromium (apt-get install chromium)");
        return None;
    }
    packages(test, &["playwright-core@1.65.1", "axe-core@4.14.1"])
}

#[test]
fn two_tabs_and_another_browser_share_a_login() {
    let Some(home) = chromium("two_tabs_and_another_browser_share_a_login") else { return };
    let server = Program::new(env!("CARGO_BIN_EXE_spa")).env("JWTAUTH_ACCESS_TTL", "1").start();
    let mut command = node::command(100, &home, folder().join("tabs.mjs").to_str().unwrap());
    command.arg(server.url.replace("127.0.0.1", "localhost"));
    node::expect_ok(&command.output().unwrap(), server);
}

/// A login or logout on the pages, which have no script, shows in other tabs when somebody comes back to them.
#[test]
fn what_is_done_on_the_pages_other_tabs_hear() {
    let Some(home) = chromium("what_is_done_on_the_pages_other_tabs_hear") else { return };
    bounded(async {
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let jwtauth = builder.insecure_cookies().build(MemoryStore::new()).unwrap();
        let empty = make_sync(|_| Response::builder().content_type("text/html").body("<title>App</title>"));
        let app = Route::new()
            .at("/app", get(empty))
            .nest("/account", jwtauth.pages().unwrap())
            .nest("/auth", jwtauth.account_routes().unwrap().client_script().unwrap());
        let site = serve(app.with(jwtauth)).await;
        let mut command = node::command(100, &home, folder().join("pages.mjs").to_str().unwrap());
        command.arg(site.url.replace("127.0.0.1", "localhost"));
        tokio::task::spawn_blocking(move || check(command)).await.unwrap();
    });
}

/// The files of the example come from another origin, and their page names the program.
#[test]
fn a_front_end_at_another_origin_uses_the_program() {
    let Some(home) = chromium("a_front_end_at_another_origin_uses_the_program") else { return };
    bounded(async {
        let api: Arc<OnceLock<String>> = Arc::default();
        let file = |name: &str, kind: &'static str, api: &Arc<OnceLock<String>>| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/spa").join(name);
            let (text, api) = (fs::read_to_string(path).unwrap(), Arc::clone(api));
            get(make_sync(move |_| {
                let meta = format!("<meta name=\"api\" content=\"{}\">\n<title>", api.get().unwrap());
                Response::builder().content_type(kind).body(text.replacen("<title>", &meta, 1))
            }))
        };
        let files = Route::new()
            .at("/", file("index.html", "text/html; charset=utf-8", &api))
            .at("/app.js", file("app.js", "text/javascript; charset=utf-8", &api));
        let front_end = serve(files).await;
        let url = front_end.url.replace("127.0.0.1", "localhost");
        let server = Program::new(env!("CARGO_BIN_EXE_spa")).env("JWTAUTH_FRONT_END", &url).start();
        let program = server.url.replace("127.0.0.1", "localhost");
        api.set(program.clone()).unwrap();
        let mut command = node::command(100, &home, folder().join("front_end.mjs").to_str().unwrap());
        command.args([url, program]);
        tokio::task::spawn_blocking(move || node::expect_ok(&command.output().unwrap(), server))
            .await
            .unwrap();
    });
}

#[test]
fn typescript_knows_the_types_of_the_client_script() {
    let Some(home) = packages("typescript_knows_the_types_of_the_client_script", &["typescript@7.0.2"])
    else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jwtauth/client");
    for (from, name) in [(&library, "client.js"), (&library, "client.d.ts"), (&folder(), "use.ts")] {
        fs::copy(from.join(name), work.path().join(name)).unwrap();
    }
    let mut command = std::process::Command::new("timeout");
    command.args(["--kill-after=5", "100", "node"]).arg(home.join("node_modules/typescript/bin/tsc"));
    command.args(["--noEmit", "--strict", "--target", "es2022", "--module", "es2022"]);
    command.args(["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"]);
    command.arg(work.path().join("use.ts"));
    check(command);
}
