//! A server with logins, an embedded session store and guarded handlers. Nothing needs to be set up.
//!
//! Run with `cargo run -p examples --example quickstart --features quickstart`; it prints the curl lines to try.
//! Users: `alice` with the password `wonderland` and the role `admin`, and `bob` with the password `builder`.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `JWTAUTH_ADDR` | where to listen | `127.0.0.1:3000` |
//! | `JWTAUTH_DATA` | where sessions and the generated secret are kept | `./data` |
//! | `JWTAUTH_STORE` | another directory for sessions, or `postgres://..` (`--features quickstart,postgres`) | |
//! | `JWTAUTH_SECRET` | the key of access tokens, instead of the generated one | |
//! | `JWTAUTH_DEV` | `1`: cookies for browsers that talk plain http | |
//! | `JWTAUTH_ACCESS_TTL`, `JWTAUTH_REFRESH_TTL`, `JWTAUTH_GRACE` | seconds | 300, 86400, 30 |

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use jwtauth::{AccountsConfig, Auth, AuthUser, JwtAuth, Passwords, Rejection, require_auth, shutdown_signal};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::{Data, Json};
use poem::{EndpointExt, Result, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    name: String,
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
}

#[handler]
async fn login(
    auth: Auth,
    Data(passwords): Data<&Passwords>,
    Json(form): Json<Credentials>,
) -> Result<Json<User>> {
    let user = check_password(passwords, form).await?.ok_or(Rejection::InvalidCredentials)?;
    auth.login(&user).await?;
    Ok(Json(user))
}

#[handler]
async fn refresh(auth: Auth) -> Result<StatusCode> {
    auth.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
async fn logout(auth: Auth) -> Result<StatusCode> {
    auth.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
async fn logout_all(auth: Auth) -> Result<StatusCode> {
    auth.logout_all().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_auth]
async fn me(user: User) -> Json<User> {
    Json(user)
}

#[require_auth(role = "admin")]
async fn admin(user: User) -> String {
    format!("Welcome to the control room, {}.\n", user.name)
}

#[require_auth(optional)]
async fn hello(user: Option<User>) -> String {
    format!("Hello, {}!\n", user.map_or("stranger".into(), |user| user.name))
}

#[require_auth]
async fn slow(user: User) -> Json<User> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Json(user)
}

/// What `/me` answers, without a guard: to measure the difference.
#[handler]
async fn open() -> Json<User> {
    Json(User { id: 1, name: "alice".into(), roles: vec!["admin".into()] })
}

#[handler]
async fn health() -> &'static str {
    "ok\n"
}

struct Account {
    id: u64,
    name: &'static str,
    roles: &'static [&'static str],
    /// Argon2id, 19 MiB, 2 passes (OWASP Password Storage Cheat Sheet).
    password_hash: &'static str,
}

const ACCOUNTS: [Account; 2] = [
    Account {
        id: 1,
        name: "alice",
        roles: &["admin"],
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$6BR2nyGu9BDniBxeliy6wA$y7BBqep1OAAJi/Rb8Q1GsAU1jsbUn3JKZDSL3yG7T5k",
    },
    Account {
        id: 2,
        name: "bob",
        roles: &[],
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$L6UCGWcIXlErHlTzjWCLWQ$ed5iOkQpuDM0QUMq55Wgghz8Ik1UrMcusaC2uyTeUGc",
    },
];

/// Checks a password in bounded memory. An unknown name takes the same time as a wrong password.
async fn check_password(passwords: &Passwords, form: Credentials) -> Result<Option<User>> {
    let account = ACCOUNTS.iter().find(|account| account.name == form.username);
    let is_right = passwords.verify(&form.password, account.map(|account| account.password_hash)).await?;
    Ok(account.filter(|_| is_right).map(|account| User {
        id: account.id,
        name: account.name.into(),
        roles: account.roles.iter().map(ToString::to_string).collect(),
    }))
}

/// Reads a number of seconds from the environment.
fn seconds(variable: &str, default: u64) -> std::result::Result<Duration, String> {
    match env::var(variable) {
        Err(_) => Ok(Duration::from_secs(default)),
        Ok(text) => match text.parse() {
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => Err(format!("{variable} must be a number of seconds, got {text:?}")),
        },
    }
}

async fn open_jwtauth(data: PathBuf, dev: bool) -> std::result::Result<JwtAuth, Box<dyn Error>> {
    let mut builder = JwtAuth::builder()
        .access_ttl(seconds("JWTAUTH_ACCESS_TTL", 5 * 60)?)
        .refresh_ttl(seconds("JWTAUTH_REFRESH_TTL", 24 * 60 * 60)?)
        .refresh_grace(seconds("JWTAUTH_GRACE", 30)?);
    builder = match env::var_os("JWTAUTH_SECRET") {
        Some(_) => builder.secret_from_env("JWTAUTH_SECRET"),
        None => builder.secret_file(data.join("secret")),
    };
    if dev {
        builder = builder.insecure_cookies();
    }
    Ok(builder
        .open(env::var_os("JWTAUTH_STORE").map_or_else(|| data.join("sessions"), PathBuf::from))
        .await?)
}

async fn run() -> std::result::Result<(), Box<dyn Error>> {
    // Before anybody is told that the server is there: a signal from then on is an orderly end.
    let stop = shutdown_signal();
    let data = PathBuf::from(env::var_os("JWTAUTH_DATA").unwrap_or_else(|| "./data".into()));
    let dev = env::var_os("JWTAUTH_DEV").is_some_and(|dev| dev == "1");
    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());

    let jwtauth = open_jwtauth(data, dev).await?;
    let app = Route::new()
        // A form is small: nobody fills the memory before they have logged in.
        .at("/login", post(login.with(SizeLimit::new(16 * 1024))))
        .at("/refresh", post(refresh))
        .at("/logout", post(logout))
        .at("/logout/all", post(logout_all))
        .at("/me", get(me))
        .at("/admin", get(admin))
        .at("/hello", get(hello))
        .at("/slow", get(slow))
        .at("/open", get(open))
        .at("/health", get(health))
        .data(Passwords::new(&AccountsConfig::default())?)
        .with(jwtauth.clone());

    let acceptor = TcpListener::bind(&address)
        .into_acceptor()
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let port = acceptor.local_addr().iter().find_map(|local| local.as_socket_addr().copied());
    let url = port.map_or(address, |address| address.to_string());
    let said = format!(
        r#"listening on http://{url}

try:
  curl -c jar -H 'content-type: application/json' -d '{{"username":"alice","password":"wonderland"}}' http://{url}/login
  curl -b jar -c jar http://{url}/me
  curl -b jar -c jar -X POST http://{url}/logout
"#
    );
    // Whoever has started it may not listen.
    let _ = io::stdout().write_all(said.as_bytes());

    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500)))
        .await?;
    jwtauth.sessions().flush().await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(format!("warn,jwtauth=info,{}", env::var("RUST_LOG").unwrap_or_default()))
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .init();
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprintln!("  caused by: {error}");
            cause = error.source();
        }
        std::process::exit(1);
    }
}
