//! A WebSocket that closes when its user logs out, here or anywhere else.
//!
//! Run with `cargo run -p examples --example websocket --features websocket`, and open the chat with any client:
//!
//! ```sh
//! curl -c jar -H 'content-type: application/json' -d '{"username":"alice","password":"wonderland"}' http://127.0.0.1:3000/login
//! websocat -H "Cookie: access_token=$(awk '/access_token/ {print $7}' jar)" ws://127.0.0.1:3000/chat
//! curl -b jar -X POST http://127.0.0.1:3000/logout # in another terminal: the chat closes with code 4001
//! ```
//!
//! `JWTAUTH_ADDR` says where to listen. Sessions are in memory; `quickstart` keeps them, and hashes passwords.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jwtauth::{Auth, AuthUser, JwtAuth, Rejection, SessionEnd, require_auth, shutdown_signal};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::Json;
use poem::web::websocket::{CloseCode, Message, WebSocket, WebSocketStream};
use poem::{EndpointExt, IntoResponse, Result, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// The session has ended: log in before you connect again. The application's own, from the range for that
/// (RFC 6455, section 7.4.2).
const SESSION_ENDED: u16 = 4001;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    #[auth(id)]
    name: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[handler]
async fn login(auth: Auth, Json(form): Json<Credentials>) -> Result<()> {
    if form.username != "alice" || form.password != "wonderland" {
        return Err(Rejection::InvalidCredentials.into());
    }
    auth.login(&User { name: form.username }).await?;
    Ok(())
}

#[handler]
async fn logout(auth: Auth) -> Result<()> {
    Ok(auth.logout().await?)
}

#[require_auth]
async fn me(user: User) -> Json<User> {
    Json(user)
}

#[require_auth] // anonymous users get 401 and other sites 403, before there is a WebSocket
async fn chat(socket: WebSocket, user: User, end: SessionEnd) -> impl IntoResponse {
    socket.on_upgrade(move |mut socket| async move {
        // The whole talk races against the end: a client that does not read must not hold it up.
        tokio::select! {
            _ = echo(&mut socket, &user) => {}
            _ = end.wait() => {
                let _ = timeout(Duration::from_secs(5), close(&mut socket)).await;
            }
        }
    })
}

async fn echo(socket: &mut WebSocketStream, user: &User) -> io::Result<()> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            socket.send(Message::text(format!("{}: {text}", user.name))).await?;
        }
    }
    Ok(())
}

async fn close(socket: &mut WebSocketStream) -> io::Result<()> {
    let reason = (CloseCode::from(SESSION_ENDED), "session ended".to_owned());
    socket.send(Message::Close(Some(reason))).await?;
    // Until the client has closed too: hanging up on what it still sends could lose the code.
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let app = Route::new()
        .at("/login", post(login.with(SizeLimit::new(16 * 1024))))
        .at("/logout", post(logout))
        .at("/me", get(me))
        .at("/chat", get(chat))
        .with(JwtAuth::dev()?);

    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(&address).into_acceptor().await?;
    let port = acceptor.local_addr().iter().find_map(|local| local.as_socket_addr().copied());
    let _ = writeln!(io::stdout(), "listening on http://{}", port.map_or(address, |port| port.to_string()));
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
