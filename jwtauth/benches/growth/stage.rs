//! Measures one number of sessions: a store is filled, asked, closed, opened anew, asked, and swept.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use jwtauth::clock::ManualClock;
use jwtauth::{Auth, AuthUser, JwtAuth, StorageConfig, require_auth};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, header};
use poem::web::{Json, Path as UrlPath};
use poem::{Endpoint, EndpointExt, Request, Response, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use super::Figures;
use super::cookie_file::CookieFile;
use super::processor_time::processor_time;
use super::sampling::{Random, Times, Zipf};

const SECRET: &[u8] = b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG";
const HOUR: Duration = Duration::from_secs(60 * 60);
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How many logins wait at the same time while the store is filled.
const AT_ONCE: usize = 256;
/// How many requests each row of requests has.
const REQUESTS: usize = 50_000;
/// How many requests are made ready at a time.
const READY: usize = 500;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: usize,
    name: String,
    roles: Vec<String>,
}

#[handler]
async fn post_login(auth: Auth, UrlPath(id): UrlPath<usize>) -> Result<()> {
    auth.login(&User { id, name: format!("user {id}"), roles: vec!["admin".into()] }).await?;
    Ok(())
}

#[require_auth]
async fn get_me(user: User) -> Json<usize> {
    Json(user.id)
}

#[handler]
async fn get_open() -> &'static str {
    "ok"
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

static BY_HAND: LazyLock<(DecodingKey, Validation)> =
    LazyLock::new(|| (DecodingKey::from_secret(SECRET).expect("a key"), Validation::new(Algorithm::HS256)));

/// What people write who check a token of a cookie by themselves: no session, and nothing to revoke.
#[handler]
async fn get_by_hand(request: &Request) -> Result<String> {
    let cookies = request.header(header::COOKIE).unwrap_or_default();
    let token = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("token=")).unwrap_or_default();
    let (key, rules) = &*BY_HAND;
    let claims = jsonwebtoken::decode::<Claims>(token, key, rules).map_err(poem::error::BadRequest)?;
    Ok(claims.claims.sub)
}

/// The `Cookie` header of one who was logged in by hand.
fn cookie_by_hand() -> String {
    let claims = Claims { sub: "1234567".into(), exp: 4_000_000_000 };
    let key = EncodingKey::from_secret(SECRET).expect("a key");
    format!("token={}", jsonwebtoken::encode(&Header::default(), &claims, &key).expect("a token"))
}

type App = Arc<BoxEndpoint<'static, Response>>;

/// An open store, and the application in front of it.
struct Served {
    auth: JwtAuth,
    app: App,
}

/// A store of one number of sessions.
struct Stage {
    directory: PathBuf,
    clock: ManualClock,
    runtime: Runtime,
    sessions: usize,
    figures: Figures,
    /// How many sessions were made beside those that are counted.
    beside: usize,
}

pub(crate) fn measure(sessions: usize, cores: usize) -> Figures {
    let runtime = Builder::new_multi_thread().worker_threads(cores).enable_all().build().expect("threads");
    let directory = std::env::temp_dir().join(format!("jwtauth-growth-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let (clock, figures) = (ManualClock::at(1_800_000_000), Figures::new());
    let mut stage = Stage { directory, clock, runtime, sessions, figures, beside: 0 };
    let served = stage.open();
    stage.fill(&served.app);
    stage.log_in_with_clients(&served.app);
    drop(served);
    let served = stage.open_again();
    stage.ask(&served.app);
    stage.sweep(&served);
    drop(served);
    std::fs::remove_dir_all(&stage.directory).expect("the store can be removed");
    stage.figures
}

impl Stage {
    fn note(&mut self, name: &str, figure: f64) {
        self.figures.insert(name.to_owned(), figure);
    }

    fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    fn open(&self) -> Served {
        // Nobody sweeps but the benchmark.
        let storage = StorageConfig::default().sweep_interval(24 * HOUR);
        let builder = JwtAuth::builder().secret(SECRET).clock(self.clock.clone()).access_ttl(HOUR);
        let builder = builder.storage(storage);
        let auth = self.runtime.block_on(builder.open(self.store())).expect("the store opens");
        let app = Route::new().at("/login/:id", post(post_login)).at("/me", get(get_me)).with(auth.clone());
        let app = Route::new().nest("/", app).at("/open", get(get_open)).at("/by-hand", get(get_by_hand));
        Served { auth, app: Arc::new(app.boxed()) }
    }

    fn fill(&mut self, app: &App) {
        let (start, before) = (Instant::now(), processor_time());
        let (runtime, sessions) = (&self.runtime, self.sessions);
        let headers = (0..sessions).step_by(AT_ONCE).flat_map(|first| {
            let ids = first..(first + AT_ONCE).min(sessions);
            runtime.block_on(async {
                let logins = ids.map(|id| tokio::spawn(log_in(Arc::clone(app), id))).collect::<Vec<_>>();
                let mut headers = Vec::with_capacity(logins.len());
                for login in logins {
                    headers.push(login.await.expect("a login"));
                }
                headers
            })
        });
        CookieFile::write(&self.directory.join("cookies"), headers);
        let (took, used) = (start.elapsed().as_secs_f64(), processor_time() - before);
        self.note("fill: logins/s, 256 at a time", sessions as f64 / took);
        self.note("fill: us of processor time a login", used * 1e6 / sessions as f64);
        let bytes = bytes_of(&self.store()) as f64;
        self.note("file, MB", bytes / 1e6);
        self.note("file, bytes a session", bytes / sessions as f64);
    }

    /// Logs in beside all these sessions.
    fn log_in_with_clients(&mut self, app: &App) {
        for (clients, each) in [(1, 300), (8, 200), (32, 200), (256, 40)] {
            let (start, before) = (Instant::now(), processor_time());
            let first = self.sessions + self.beside;
            let times = self.runtime.block_on(async {
                let client = |number: usize| {
                    let (app, ids) = (Arc::clone(app), first + number * each..first + (number + 1) * each);
                    tokio::spawn(async move {
                        let mut times = Vec::with_capacity(ids.len());
                        for id in ids {
                            let start = Instant::now();
                            log_in(Arc::clone(&app), id).await;
                            times.push(micros(start));
                        }
                        times
                    })
                };
                let clients: Vec<_> = (0..clients).map(client).collect();
                let mut times = Vec::new();
                for client in clients {
                    times.extend(client.await.expect("logins"));
                }
                times
            });
            let (took, used, count) = (start.elapsed().as_secs_f64(), processor_time() - before, times.len());
            self.beside += count;
            self.note(&format!("login: a second, {clients:3} clients"), count as f64 / took);
            self.note(&format!("login: p50 us, {clients:3} clients"), Times(times).sorted().at(0.5));
            self.note(
                &format!("login: us of processor time, {clients:3} clients"),
                used * 1e6 / count as f64,
            );
        }
    }

    /// Opens the store anew, as after a deployment.
    fn open_again(&mut self) -> Served {
        let cookie = CookieFile::open(&self.directory.join("cookies")).get(self.sessions / 2);
        let start = Instant::now();
        let served = self.open();
        self.note("open: ms", start.elapsed().as_secs_f64() * 1e3);
        self.runtime.block_on(call(&served.app, "/me", &cookie));
        self.note("open: ms to the first answer", start.elapsed().as_secs_f64() * 1e3);
        self.note("memory, MB, opened", memory());
        served
    }

    fn ask(&mut self, app: &App) {
        let (sessions, random) = (self.sessions, &mut Random(88_172_645_463_325_252));
        let zipf = Zipf::new(sessions);
        let mut cookies = CookieFile::open(&self.directory.join("cookies"));
        let before = memory();
        self.ask_each(app, "GET open route", "/open", String::new);
        self.ask_each(app, "GET jsonwebtoken by hand", "/by-hand", cookie_by_hand);
        self.ask_each(app, "GET /me, one session", "/me", || cookies.get(0));
        self.ask_each(app, "GET /me, Zipf(1.0) of all", "/me", || cookies.get(zipf.pick(random)));
        self.ask_each(app, "GET /me, any of all", "/me", || cookies.get(random.below(sessions)));
        // Without what the numbers above need for themselves.
        self.note("memory, MB, after these requests", memory() - before + self.figures["memory, MB, opened"]);
    }

    /// Sends requests, each with the next cookie.
    fn ask_each(&mut self, app: &App, name: &str, path: &str, mut next_cookie: impl FnMut() -> String) {
        let mut times = Vec::with_capacity(REQUESTS);
        for round in 0..REQUESTS / READY + 1 {
            let requests: Vec<_> = (0..READY).map(|_| get_request(path, &next_cookie())).collect();
            let taken = self.runtime.block_on(async {
                let mut taken = Vec::with_capacity(READY);
                for request in requests {
                    let start = Instant::now();
                    let answer = app.get_response(request).await;
                    taken.push(micros(start));
                    assert!(answer.is_success(), "{path}: {}", answer.status());
                }
                taken
            });
            // The first one warms up.
            if round > 0 {
                times.extend(taken);
            }
        }
        let times = Times(times).sorted();
        self.note(&format!("{name}: p50 us"), times.at(0.5));
        self.note(&format!("{name}: p99 us"), times.at(0.99));
        self.note(&format!("{name}: p99.9 us"), times.at(0.999));
    }

    /// Sweeps all sessions, while one client asks and another one logs in.
    fn sweep(&mut self, served: &Served) {
        self.clock.advance(MONTH);
        let (first, total) = (self.sessions + self.beside, self.sessions + self.beside);
        let cookie = self.runtime.block_on(log_in(Arc::clone(&served.app), first));
        // It sees that the clock has jumped, and does nothing.
        let swept = self.runtime.block_on(served.auth.sessions().sweep());
        assert_eq!(swept.expect("a sweep"), 0);
        let pause = async { tokio::time::sleep(Duration::from_secs(2)).await };
        self.beside(served, &cookie, "alone", first + 1, pause);
        let (start, sessions) = (Instant::now(), served.auth.clone());
        let sweep = async move { (sessions.sessions().sweep().await.expect("a sweep"), start.elapsed()) };
        let (removed, took) = self.beside(served, &cookie, "during a sweep", first + 1_000_000, sweep);
        assert_eq!(removed, total);
        self.note("sweep of all: s", took.as_secs_f64());
        self.note("sweep of all: MB of files afterwards", bytes_of(&self.store()) as f64 / 1e6);
    }

    /// Asks and logs in while `work` runs.
    fn beside<T>(
        &mut self,
        served: &Served,
        cookie: &str,
        name: &str,
        first: usize,
        work: impl Future<Output = T>,
    ) -> T {
        let stop = Arc::new(AtomicBool::new(false));
        let (done, asked, logged_in) = self.runtime.block_on(async {
            let asking =
                tokio::spawn(ask_until(Arc::clone(&served.app), cookie.to_owned(), Arc::clone(&stop)));
            let logging_in = tokio::spawn(log_in_until(Arc::clone(&served.app), first, Arc::clone(&stop)));
            let done = work.await;
            stop.store(true, Ordering::Relaxed);
            (done, asking.await.expect("it ends"), logging_in.await.expect("it ends"))
        });
        let (asked, logged_in) = (Times(asked).sorted(), Times(logged_in).sorted());
        self.note(&format!("sweep: GET /me {name}, p99 us"), asked.at(0.99));
        self.note(&format!("sweep: GET /me {name}, max us"), asked.at(1.0));
        self.note(&format!("sweep: login {name}, p99 us"), logged_in.at(0.99));
        done
    }
}

/// Asks again and again, and returns how long each answer took, in microseconds.
async fn ask_until(app: App, cookie: String, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        times.push(call(&app, "/me", &cookie).await);
        tokio::task::yield_now().await;
    }
    times
}

/// Logs in once a millisecond, and returns how long each login took, in microseconds.
async fn log_in_until(app: App, first: usize, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        log_in(Arc::clone(&app), first + times.len()).await;
        times.push(micros(start));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64 / 1_000.0
}

fn get_request(path: &str, cookie: &str) -> Request {
    Request::builder().uri_str(path).header(header::COOKIE, cookie).finish()
}

/// Sends a request that is answered, and returns how long that took, in microseconds.
async fn call(app: &App, path: &str, cookie: &str) -> f64 {
    let request = get_request(path, cookie);
    let start = Instant::now();
    let answer = app.get_response(request).await;
    let time = micros(start);
    assert!(answer.is_success(), "{path}: {}", answer.status());
    time
}

/// Logs in, and returns the `Cookie` header of the browser from now on.
async fn log_in(app: App, id: usize) -> String {
    let request = Request::builder().method(Method::POST).uri_str(format!("/login/{id}")).finish();
    let answer = app.get_response(request).await;
    assert!(answer.is_success(), "login: {}", answer.status());
    let pairs = answer.headers().get_all(header::SET_COOKIE).iter().map(|cookie| {
        let cookie = cookie.to_str().expect("ASCII");
        cookie.split(';').next().expect("a pair").to_owned()
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// Returns how much memory the process has now, in megabytes.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() * 1_024.0 / 1e6
}

/// Returns how many bytes all files of a store have.
fn bytes_of(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let len = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_of(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(len).sum()
}
