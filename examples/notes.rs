//! A notes API for many users, in one binary: accounts, ready-made routes, sessions a user can list and end, and a record
//! of every token that was issued.
//!
//! Run with `cargo run -p examples --example notes --features notes`, and then:
//!
//! ```text
//! json='content-type: application/json'; api=http://127.0.0.1:3000
//! curl -H "$json" -d '{"username":"alice","password":"wonderland"}' $api/auth/register
//! curl -c jar -H "$json" -d '{"username":"alice","password":"wonderland"}' $api/auth/obtain
//! curl -b jar -H "$json" -d '"buy a looking glass"' $api/notes
//! curl -b jar $api/notes
//! curl -b jar $api/auth/sessions            # where alice is logged in
//! curl -b jar $api/tokens                   # what was issued in this session
//! curl -b jar -X POST $api/auth/logout_all
//! ```
//!
//! `JWTAUTH_ADDR` says where to listen, `JWTAUTH_DATA` where accounts and sessions are kept (default `data/notes`).
//! `JWTAUTH_ADMIN` names the first account with the role `admin`, which may see all accounts at `/accounts`, and
//! `JWTAUTH_ADMIN_PASSWORD` or the file that `JWTAUTH_ADMIN_PASSWORD_FILE` names has its password.

use std::collections::HashMap;
use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jwtauth::{
    Account, Accounts, AccountsConfig, Event, Identity, JwtAuth, RequireAuth, StorageConfig, TokenId,
    TokenRecord, require_auth, shutdown_signal,
};
use poem::http::StatusCode;
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::web::{Data, Json, Path, Query};
use poem::{EndpointExt, Result, Route, Server, get};

/// The notes of each account, by its id. In memory: what this example is about is kept on disk.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Notes {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[require_auth]
async fn list(user: Account, Data(notes): Data<&Notes>) -> Json<Vec<String>> {
    Json(notes.all().get(&user.id.to_string()).cloned().unwrap_or_default())
}

#[require_auth]
async fn add(
    user: Account,
    Data(notes): Data<&Notes>,
    Json(text): Json<String>,
) -> (StatusCode, Json<usize>) {
    let mut all = notes.all();
    let own = all.entry(user.id.to_string()).or_default();
    own.push(text);
    (StatusCode::CREATED, Json(own.len() - 1))
}

/// Each user has notes of their own, so the number of somebody else's means nothing here.
#[require_auth]
async fn show(user: Account, Data(notes): Data<&Notes>, Path(number): Path<usize>) -> Result<Json<String>> {
    let note = notes.all().get(&user.id.to_string()).and_then(|own| own.get(number).cloned());
    note.map(Json).ok_or_else(|| StatusCode::NOT_FOUND.into())
}

/// What was issued in this session, and what of it is good: ids, no tokens. `?after=ID` is the next page.
#[require_auth(fresh = "10m")]
async fn tokens(
    who: &Identity,
    Data(auth): Data<&JwtAuth>,
    Query(page): Query<HashMap<String, TokenId>>,
) -> Result<Json<Vec<TokenRecord>>> {
    let after = page.get("after").copied();
    Ok(Json(auth.sessions().tokens_after(who.session_id(), after, 100).await?))
}

#[require_auth(role = "admin")]
async fn people(accounts: &Accounts) -> Result<Json<Vec<Account>>> {
    Ok(Json(accounts.list(None, 100).await?))
}

/// What belongs to an account goes with it. Of security events somebody should hear: here it is a line on standard error.
async fn follow(event: Event, notes: Notes) {
    match event {
        Event::AccountRemoved { account } => drop(notes.all().remove(&account.to_string())),
        Event::ReuseDetected { session } => eprintln!("a spent token of {} came back", session.subject),
        Event::DeviceChanged { session, device } => {
            eprintln!("{} goes on from {device}", session.subject);
        }
        _ => {}
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let data = PathBuf::from(env::var_os("JWTAUTH_DATA").unwrap_or_else(|| "data/notes".into()));
    let notes = Notes::default();
    let of_events = notes.clone();
    let auth = JwtAuth::builder()
        .secret_file(data.join("secret"))
        .accounts(AccountsConfig::default())
        .storage(StorageConfig::default().token_registry())
        .on_event(move |event| follow(event, of_events.clone()))
        .deny_by_default(RequireAuth::new())
        .public("/auth/")
        .open(data.join("store"))
        .await?;
    let accounts = auth.accounts().ok_or("accounts are switched on above")?;
    accounts.first_admin_from_env("JWTAUTH_ADMIN", "JWTAUTH_ADMIN_PASSWORD").await?;
    let app = Route::new()
        .nest("/auth", auth.account_routes()?)
        .at("/accounts", get(people))
        .at("/notes", get(list).post(add))
        .at("/notes/:number", get(show))
        .at("/tokens", get(tokens))
        .data(notes)
        .data(auth.clone())
        .with(auth);

    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?;
    let _ = writeln!(io::stdout(), "listening on http://{address}");
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
