//! Users in a table of one's own: SQLite is asked for the user at each request, so whoever is blocked is out at once.
//!
//! Run with `cargo run -p examples --example own_user_table --features own_user_table`, then:
//!
//! ```text
//! curl -c jar -H 'content-type: application/json' -d '{"name":"bob","password":"builder"}' http://127.0.0.1:3000/login
//! curl -b jar -c jar http://127.0.0.1:3000/me
//! sqlite3 "${JWTAUTH_DATA:-data/own_user_table}/users.sqlite" "UPDATE users SET is_blocked = 1 WHERE name = 'bob'"
//! curl -i -b jar -c jar http://127.0.0.1:3000/me       # 401
//! ```

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtauth::error::BoxError;
use jwtauth::{
    AccountsConfig, Auth, AuthUser, CurrentUser, Identity, JwtAuth, Passwords, Rejection, require_auth,
    shutdown_signal,
};
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::{Data, Json};
use poem::{EndpointExt, Route, Server, get, handler, post};
use rusqlite::{Connection, OptionalExtension as _, types::Value};
use serde::Deserialize;
use tokio::task::spawn_blocking;

/// Passwords are `wonderland` and `builder`, hashed with Argon2id, 19 MiB, 2 passes (OWASP).
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL, is_blocked INTEGER NOT NULL DEFAULT 0) STRICT;
    INSERT OR IGNORE INTO users (id, name, password) VALUES
        (1, 'alice', '$argon2id$v=19$m=19456,t=2,p=1$6BR2nyGu9BDniBxeliy6wA$y7BBqep1OAAJi/Rb8Q1GsAU1jsbUn3JKZDSL3yG7T5k'),
        (2, 'bob', '$argon2id$v=19$m=19456,t=2,p=1$L6UCGWcIXlErHlTzjWCLWQ$ed5iOkQpuDM0QUMq55Wgghz8Ik1UrMcusaC2uyTeUGc');
";

#[derive(Clone)]
struct User {
    id: i64,
    name: String,
    password: String,
}
impl AuthUser for User {
    type Store = Users; // what `.data(users)` gives to the app
    fn subject(&self) -> String {
        self.id.to_string()
    }
    async fn load(users: &Users, who: &Identity) -> Result<Option<Self>, BoxError> {
        find(users, "id", who.parse_subject::<i64>()?.into()).await // `None`, gone or blocked, ends in 401
    }
}

type Users = Arc<Mutex<Connection>>;

/// Reads a user who is not blocked, on a thread that may wait: the server's own go on with other requests.
async fn find(users: &Users, column: &'static str, value: Value) -> Result<Option<User>, BoxError> {
    let users = Arc::clone(users);
    let read = move || {
        let query = format!("SELECT id, name, password FROM users WHERE {column} = ?1 AND NOT is_blocked");
        let users = users.lock().unwrap_or_else(PoisonError::into_inner);
        let user = users.query_row(&query, [value], |row| {
            let (id, name, password) = row.try_into()?;
            Ok(User { id, name, password })
        });
        user.optional()
    };
    Ok(spawn_blocking(read).await??)
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[handler]
async fn login(
    auth: Auth,
    Data(users): Data<&Users>,
    Data(passwords): Data<&Passwords>,
    Json(form): Json<Credentials>,
) -> poem::Result<()> {
    let user = find(users, "name", form.name.into()).await.map_err(|_| Rejection::StoreUnavailable)?;
    // An unknown name, `None`, takes the same time as a wrong password.
    let is_right = passwords.verify(&form.password, user.as_ref().map(|user| &*user.password)).await?;
    auth.login(&user.filter(|_| is_right).ok_or(Rejection::InvalidCredentials)?).await?;
    Ok(())
}

#[require_auth]
async fn me(user: CurrentUser<User>) -> String {
    format!("{}\n", user.name)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let data = PathBuf::from(env::var_os("JWTAUTH_DATA").unwrap_or_else(|| "./data/own_user_table".into()));
    let jwtauth = JwtAuth::builder().secret_file(data.join("secret")).open(data.join("sessions")).await?;
    let db = Connection::open(data.join("users.sqlite"))?;
    db.execute_batch(TABLE)?;
    let app = Route::new()
        .at("/login", post(login.with(SizeLimit::new(16 * 1024))))
        .at("/me", get(me))
        .data(Users::new(Mutex::new(db)))
        .data(Passwords::new(&AccountsConfig::default())?)
        .with(jwtauth);
    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?;
    let _ = writeln!(io::stdout(), "listening on http://{address}");
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
