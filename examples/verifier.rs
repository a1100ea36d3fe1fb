//! Two services: one logs users in, and a shop that has neither store nor secret verifies its tokens, by the public keys
//! that it fetches.
//!
//! Run with `cargo run -p examples --example verifier --features verifier`, then:
//!
//! ```text
//! curl -H 'content-type: application/json' -d '{"username":"alice","password":"alice"}' http://127.0.0.1:3000/auth/obtain
//! token=..                                                                  # `access` of the answer
//! curl -H "Authorization: Bearer $token" http://127.0.0.1:3001/me
//! curl -H "Authorization: Bearer $token" -X PUT -d 12 http://127.0.0.1:3001/stock/tea      # for clerks; bob is none: 403
//! curl http://127.0.0.1:3001/stock/tea                                                     # for everybody
//! ```
//!
//! `JWTAUTH_ADDR` and `JWTAUTH_SHOP_ADDR` say where to listen (default `127.0.0.1:3000` and `127.0.0.1:3001`), `JWTAUTH_DATA`
//! where data is kept (default `./data/verifier`).

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtauth::{
    AuthUser, Identity, JwtAuth, Key, LoginAttempt, LoginError, RequireAuth, TokenUser, Verifier,
    require_auth, shutdown_signal,
};
use poem::error::NotFoundError;
use poem::listener::{Acceptor, Listener, TcpAcceptor, TcpListener};
use poem::web::{Data, Path};
use poem::{Endpoint, EndpointExt, Result, Route, Server, get, handler};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: String,
    roles: Vec<String>,
}

/// Name and roles; each user's password is their name. See `quickstart` for passwords that are kept as they should be.
const USERS: [(&str, &[&str]); 2] = [("alice", &["clerk"]), ("bob", &[])];

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    let known = |(name, _): &&(&str, _)| *name == attempt.username() && *name == attempt.password();
    let (name, roles) = USERS.iter().find(known).ok_or(LoginError::InvalidCredentials)?;
    Ok(User { id: (*name).into(), roles: roles.iter().map(ToString::to_string).collect() })
}

/// Logs in, refreshes, logs out, and publishes the public keys at `/auth/.well-known/jwks.json`.
async fn login_service() -> Result<impl Endpoint, Box<dyn Error>> {
    let data = PathBuf::from(env::var_os("JWTAUTH_DATA").unwrap_or_else(|| "./data/verifier".into()));
    let jwtauth = JwtAuth::builder()
        .secret_file(data.join("secret")) // signs refresh tokens, which stay between a client and this service
        // Everybody knows this one. Make yours with `openssl genpkey -algorithm ed25519`, and read it with `Key::from_file`.
        .key(Key::from_pem(include_str!("../tests/keys/ed25519.pem"))?)
        .issuer("login")
        .audience("shop")
        .open(data.join("sessions"))
        .await?;
    Ok(Route::new().nest("/auth", jwtauth.routes(authenticate).body_tokens()))
}

type Stock = Arc<Mutex<BTreeMap<String, String>>>;

#[require_auth(role = "clerk")] // the role is in the token
async fn fill(who: &Identity, Path(item): Path<String>, stock: Data<&Stock>, count: String) -> String {
    let said = format!("{} says: {count} of {item}", who.subject());
    stock.lock().unwrap_or_else(PoisonError::into_inner).insert(item, count);
    said
}

#[handler]
fn look(Path(item): Path<String>, stock: Data<&Stock>) -> Result<String> {
    Ok(stock.lock().unwrap_or_else(PoisonError::into_inner).get(&item).cloned().ok_or(NotFoundError)?)
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

#[handler] // guarded as everything is that is not public
fn me(user: TokenUser) -> Result<String> {
    let Claims { sub, exp } = user.claims_as()?;
    Ok(format!("{sub}, until {exp}"))
}

/// The shop: all it has of the other service is an address.
fn shop(login: SocketAddr) -> Result<impl Endpoint, Box<dyn Error>> {
    let verifier = Verifier::builder("login", "shop")
        .key_set_url(format!("http://{login}/auth/.well-known/jwks.json")) // https, but on one machine
        .deny_by_default(RequireAuth::new())
        .public("GET /stock/{item}")
        .build()?;
    let app = Route::new().at("/me", get(me)).at("/stock/:item", get(look).put(fill));
    Ok(app.data(Stock::default()).with(verifier))
}

async fn listen(variable: &str, default: &str) -> Result<(TcpAcceptor, SocketAddr), Box<dyn Error>> {
    let acceptor =
        TcpListener::bind(env::var(variable).unwrap_or_else(|_| default.into())).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?;
    Ok((acceptor, address))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let (stop, stop_shop) = (shutdown_signal(), shutdown_signal());
    let (login, at) = listen("JWTAUTH_ADDR", "127.0.0.1:3000").await?;
    let (sales, shop_at) = listen("JWTAUTH_SHOP_ADDR", "127.0.0.1:3001").await?;
    let (login_service, shop) = (login_service().await?, shop(at)?);
    let _ = writeln!(io::stdout(), "listening on http://{at} and the shop on http://{shop_at}");
    let (login, sales) = (Server::new_with_acceptor(login), Server::new_with_acceptor(sales));
    let shop = sales.run_with_graceful_shutdown(shop, stop_shop, Some(Duration::from_millis(500)));
    tokio::try_join!(
        login.run_with_graceful_shutdown(login_service, stop, Some(Duration::from_millis(500))),
        shop
    )?;
    Ok(())
}
