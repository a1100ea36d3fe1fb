//! How many instructions a request takes: the same number each time, whatever else the machine does.
//!
//! Run with `cargo bench -p jwtauth --bench instructions`. It needs valgrind, and says so without it. It
//! fails if a figure of ours is more than 5 % above the one in `instructions.txt`, which `JWTAUTH_BLESS=1`
//! writes anew.
//!
//! A figure is the median of some runs. One run differs from the next by some hundred instructions, whatever
//! the code is: ids and addresses are not the same.
//!
//! The program runs itself under callgrind, which counts what every thread executes between the start and
//! the end of a case. Endpoints are called directly, without a network. A request has both cookies of a
//! browser, as in a server, and its tokens were seen before, where nothing else is said. Figures "over open"
//! are without those of an open route outside of the middleware. callgrind knows no instructions for SHA-256,
//! so a signature counts for more here than it costs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use jwtauth::{
    Auth, AuthUser, Identity, JwtAuth, Key, RequireAuth, SledStore, TokenUser, Verifier, require_auth,
};
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderName, Method, header};
use poem::web::Json;
use poem::{Endpoint, EndpointExt, Request, Response, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

const SECRET: &[u8] = b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG";
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

/// How often a call is made that is always the same.
const CALLS: usize = 200;

/// How many sessions there are, for what can be done once with each.
const SESSIONS: usize = 40;

/// By how much a figure may be above the one that was written down.
const ALLOWED: f64 = 1.05;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    name: String,
    email: String,
    roles: Vec<String>,
}

/// Each login is of another one, because a subject may have only so many sessions.
static SUBJECTS: AtomicU64 = AtomicU64::new(1);

#[handler]
async fn post_login(auth: Auth) -> Result<()> {
    let (name, email) = ("Alice Example".to_owned(), "alice@example.com".to_owned());
    auth.login(&User {
        id: SUBJECTS.fetch_add(1, Ordering::Relaxed),
        name,
        email,
        roles: vec!["admin".into()],
    })
    .await?;
    Ok(())
}

#[handler]
async fn get_open() -> &'static str {
    "ok"
}

#[require_auth]
async fn get_user(user: User) -> &'static str {
    black_box(user.name);
    "ok"
}

#[require_auth]
async fn get_identity(who: &Identity) -> &'static str {
    black_box(who.subject());
    "ok"
}

#[require_auth(role = "admin")]
async fn get_role() -> &'static str {
    "ok"
}

#[require_auth]
async fn get_token(user: TokenUser) -> Json<u64> {
    Json(user.expires_at())
}

/// Where callgrind writes down what it has counted since the last time.
#[inline(never)]
fn write_down() {
    black_box(());
}

/// Everything that is measured, in the order of its figures.
struct Cases {
    runtime: Runtime,
    names: RefCell<Vec<(&'static str, usize)>>,
}

impl Cases {
    /// Measures the mean of one call for each item. Each was made ready before.
    fn each<T, F: Future>(&self, name: &'static str, items: Vec<T>, call: impl Fn(T) -> F) {
        self.names.borrow_mut().push((name, items.len()));
        self.runtime.block_on(async {
            write_down();
            for item in items {
                black_box(call(item).await);
            }
            write_down();
        });
    }

    /// Measures a request to an app that has answered it before.
    fn request(&self, name: &'static str, app: &BoxEndpoint<'static>, make: impl Fn() -> Request) {
        self.runtime.block_on(async {
            for _ in 0..8 {
                assert!(app.get_response(make()).await.is_success(), "{name}");
            }
        });
        let requests = (0..CALLS).map(|_| make()).collect();
        self.each(name, requests, |request| app.call(request));
    }
}

fn request(path: &str, name: HeaderName, value: &str) -> Request {
    Request::builder()
        .uri_str(path)
        .header(header::HOST, "127.0.0.1:3000")
        .header(header::ACCEPT, "*/*")
        .header(name, value)
        .finish()
}

/// The cookies that an answer sets, without their attributes.
fn cookies(response: &Response) -> Vec<String> {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    lines.map(|line| line.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned()).collect()
}

fn login() -> Request {
    Request::builder().method(Method::POST).uri_str("/login").header(header::HOST, "127.0.0.1:3000").finish()
}

fn bearer(cookies: &[String]) -> String {
    format!("Bearer {}", cookies[0].split_once('=').expect("a pair").1)
}

fn app(jwtauth: &JwtAuth) -> BoxEndpoint<'static> {
    Route::new()
        .at("/login", post(post_login))
        .at("/public", get(get_open))
        .at("/user", get(get_user))
        .at("/identity", get(get_identity))
        .at("/role", get(get_role))
        .at("/middleware", get(get_open).with(RequireAuth::new().role("admin")))
        .with(jwtauth.clone())
        .boxed()
}

/// Makes every call. Returns the name of each case and how many calls it has.
fn make_calls(directory: &Path) -> Vec<(&'static str, usize)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cases = Cases { runtime, names: RefCell::default() };
    let store = cases.runtime.block_on(SledStore::open(directory.join("sessions"))).expect("it opens");
    let build = || {
        let _entered = cases.runtime.enter();
        JwtAuth::builder().secret(SECRET).build(store.clone()).expect("good settings")
    };
    let jwtauth = build();
    let first_app = app(&jwtauth);
    let log_in = || cases.runtime.block_on(async { cookies(&first_app.get_response(login()).await) });
    let sessions: Vec<_> = (0..SESSIONS).map(|_| log_in()).collect();
    let (both, token) = (sessions[0].join("; "), bearer(&sessions[0]));

    let cookie = |path: &'static str| move |value: &str| request(path, header::COOKIE, value);
    let outside = Route::new().at("/open", get(get_open)).boxed();
    cases.request(OPEN, &outside, || cookie("/open")(&both));
    let by_cookie = |name, path| cases.request(name, &first_app, || cookie(path)(&both));
    // The least that a middleware costs which puts one value on the request.
    let with_data = Route::new().at("/open", get(get_open)).data(Arc::new(())).boxed();
    cases.request(ADD_DATA, &with_data, || cookie("/open")(&both));
    by_cookie("public route inside the middleware", "/public");
    by_cookie("user: User", "/user");
    by_cookie("&Identity", "/identity");
    by_cookie("role", "/role");
    by_cookie("RequireAuth, role", "/middleware");
    cases.request("user: User, Bearer", &first_app, || request("/user", header::AUTHORIZATION, &token));

    let guarded = {
        let _entered = cases.runtime.enter();
        let builder = JwtAuth::builder().secret(SECRET).deny_by_default(RequireAuth::new());
        builder.build(store.clone()).expect("good settings")
    };
    let guarded = Route::new().at("/open", get(get_open)).with(guarded).boxed();
    cases.request("deny by default", &guarded, || request("/open", header::COOKIE, &both));

    let key = Key::hmac(jwtauth::keys::Algorithm::HS256, SECRET).expect("a good secret");
    let issuer = {
        let _entered = cases.runtime.enter();
        JwtAuth::builder().secret(SECRET).key(key.clone()).build(store.clone()).expect("good settings")
    };
    let issued = cases.runtime.block_on(async { cookies(&app(&issuer).get_response(login()).await) });
    let verifier = Verifier::builder("jwtauth", "jwtauth").key(key).build().expect("good settings");
    let verifier = Route::new().at("/token", get(get_token)).with(verifier).boxed();
    let token = bearer(&issued);
    cases
        .request("Verifier, user: TokenUser", &verifier, || request("/token", header::AUTHORIZATION, &token));

    // Another one over the same store has verified nothing yet. The records were read before.
    let second = app(&build());
    let path = "/user";
    let bearers: Vec<_> =
        sessions.iter().map(|it| request(path, header::AUTHORIZATION, &bearer(it))).collect();
    for it in &sessions {
        let warm = request(path, header::AUTHORIZATION, &bearer(it));
        assert!(cases.runtime.block_on(first_app.get_response(warm)).is_success());
    }
    cases.each(FIRST, bearers, |request| second.call(request));

    let key = DecodingKey::from_secret(SECRET).expect("the secret is not empty");
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["jwtauth"]);
    validation.set_issuer(&["jwtauth"]);
    let tokens = vec![issued[0].split_once('=').expect("a pair").1; CALLS];
    let decoded = |token: &str| {
        black_box(decode::<serde_json::Value>(token, &key, &validation).expect("a good token"));
        std::future::ready(())
    };
    cases.each(DECODE, tokens, decoded);

    let logins = (0..SESSIONS).map(|_| login()).collect();
    cases.each("login", logins, |request| first_app.call(request));
    // Without an access token the request refreshes.
    let refreshes = sessions.iter().map(|it| request(path, header::COOKIE, &it[1])).collect();
    cases.each("refresh inside a request", refreshes, |request| first_app.call(request));
    cases.names.into_inner()
}

const OPEN: &str = "open route, outside the middleware";
const FIRST: &str = "user: User, Bearer, first sight of the token";
const ADD_DATA: &str = "open route inside poem's AddData";
const DECODE: &str = "jsonwebtoken::decode alone";

/// Cases without code of ours. They are shown beside the others. How they are compiled changes with the
/// program around them, so they fail nothing.
const YARDSTICKS: [&str; 3] = [OPEN, ADD_DATA, DECODE];

/// These are not requests, or not compared with an open route.
const ABSOLUTE: [&str; 2] = [OPEN, DECODE];

/// How many runs there are. Each takes three seconds.
const RUNS: usize = 21;

/// How long a run takes at most, in seconds. How often it is tried.
const PATIENCE: &str = "120";
const ATTEMPTS: usize = 3;

/// Runs this program under callgrind. sled waits for a thread by spinning, and callgrind runs one thread at a
/// time: without a fair turn for each, the one that is waited for may have none for ever.
fn run(directory: &Path, out: &Path) -> Output {
    let mut output = None;
    for _ in 0..ATTEMPTS {
        // Of an attempt before.
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir_all(directory).expect("a directory for the store");
        let ended = Command::new("timeout")
            .args(["--kill-after=5", PATIENCE, "valgrind", "--tool=callgrind", "--fair-sched=yes"])
            .arg("--dump-before=*write_down*")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe().expect("this program has a path"))
            .arg(CALLS_ONLY)
            .arg(directory)
            .output()
            .expect("valgrind starts");
        let is_late = matches!(ended.status.code(), Some(124 | 137));
        output = Some(ended);
        if !is_late {
            break;
        }
    }
    output.expect("there was an attempt")
}

/// Returns the medians of the figures of all runs.
fn count() -> Vec<(String, f64)> {
    let runs: Vec<_> = (0..RUNS).map(|_| count_once()).collect();
    let median = |case: usize| {
        let mut figures: Vec<_> = runs.iter().map(|run| run[case].1).collect();
        figures.sort_by(f64::total_cmp);
        figures[RUNS / 2]
    };
    runs[0].iter().enumerate().map(|(case, (name, _))| (name.clone(), median(case))).collect()
}

/// Runs this program under callgrind, and returns the figures.
fn count_once() -> Vec<(String, f64)> {
    let directory = std::env::temp_dir().join(format!("jwtauth-instructions-{}", std::process::id()));
    let out = directory.join("callgrind.out");
    let output = run(&directory, &out);
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // One dump before each case, and one after it.
    let counted = |number: usize| {
        let dump = std::fs::read_to_string(format!("{}.{number}", out.display())).expect("a dump");
        let total = dump.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a total");
        total.trim().parse::<f64>().expect("a number")
    };
    let means = names.lines().enumerate().map(|(case, line)| {
        let (calls, name) = line.split_once(' ').expect("calls and a name");
        (name.to_owned(), counted(2 * case + 2) / calls.parse::<f64>().expect("a number"))
    });
    let mut figures: Vec<_> = means.collect();
    let open = figures[0].1;
    for (name, figure) in &mut figures {
        *figure -= if ABSOLUTE.contains(&name.as_str()) { 0.0 } else { open };
    }
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
    figures
}

/// The argument with which this program makes the calls, and nothing else.
const CALLS_ONLY: &str = "--calls-only";

/// What a figure depends on, beside the code.
fn conditions() -> String {
    let rustc = Command::new("rustc").arg("--version").output().expect("rustc is here").stdout;
    let version = String::from_utf8_lossy(&rustc);
    let release = version.split([' ', '.']).skip(1).take(2).collect::<Vec<_>>().join(".");
    format!("Rust {release}, {}", std::env::consts::ARCH)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(CALLS_ONLY) {
        let directory = arguments.next().expect("a directory");
        for (name, calls) in make_calls(Path::new(&directory)) {
            println!("{calls} {name}");
        }
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not here (apt-get install valgrind)");
        return ExitCode::SUCCESS;
    }
    let (figures, conditions) = (count(), conditions());
    let kept = std::fs::read_to_string(FIGURES).unwrap_or_default();
    let known: BTreeMap<_, _> = kept
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(figure, name)| (name, figure))
        .collect();
    let is_comparable = kept.lines().next() == Some(&*format!("# {conditions}"));
    let (mut failed, mut text) = (false, format!("# {conditions}\n"));
    println!("{:>10} {:>10}  instructions over an open route", "now", "before");
    for (name, figure) in &figures {
        let before = known.get(&**name).and_then(|figure| figure.parse::<f64>().ok());
        let is_checked = is_comparable && !YARDSTICKS.contains(&name.as_str());
        let is_above = is_checked && before.is_none_or(|before| *figure > before * ALLOWED);
        failed |= is_above;
        let mark = if is_above { "  more than 5 % above" } else { "" };
        println!("{figure:10.0} {:>10.0}  {name}{mark}", before.unwrap_or(f64::NAN));
        let _ = writeln!(text, "{figure:10.0} {name}");
    }
    if std::env::var_os("JWTAUTH_BLESS").is_some() {
        std::fs::write(FIGURES, text).expect("the figures can be written");
        return ExitCode::SUCCESS;
    }
    if !is_comparable {
        println!("compared with nothing: the figures in {FIGURES} are not of {conditions}");
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
