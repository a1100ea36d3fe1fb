//! A JSON API with guarded operations, its OpenAPI document and Swagger UI. Sessions are kept in memory.
//!
//! Run with `cargo run -p examples --example openapi --features openapi`. Swagger UI is at
//! <http://127.0.0.1:3000/docs>. With curl:
//!
//! ```text
//! curl -c jar -H 'content-type: application/json' -d '{"username":"alice","password":"wonderland"}' http://127.0.0.1:3000/api/login
//! curl -b jar http://127.0.0.1:3000/api/me
//! curl -b jar -X DELETE http://127.0.0.1:3000/api/notes
//! curl http://127.0.0.1:3000/openapi.json
//! ```
//!
//! Users: `alice` with the password `wonderland` and the role `admin`, and `bob` with the password `builder`.
//! `JWTAUTH_ADDR` says where to listen; by default it is `127.0.0.1:3000`.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use jwtauth::{Auth, AuthUser, JwtAuth, Rejection, require_auth, shutdown_signal};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{EndpointExt, Result, Route, Server};
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{Object, OpenApi, OpenApiService};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser, Object)]
struct User {
    id: u64,
    name: String,
    roles: Vec<String>,
}

#[derive(Object)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Default)]
struct Api {
    notes: Mutex<Vec<String>>,
}

#[require_auth] // every operation below needs a user, unless it says otherwise
#[OpenApi]
impl Api {
    /// Logs in, and sets the cookies.
    #[public]
    #[oai(path = "/login", method = "post")]
    async fn login(&self, auth: Auth, form: Json<Credentials>) -> Result<Json<User>> {
        let user = find_user(&form).ok_or(Rejection::InvalidCredentials)?;
        auth.login(&user).await?;
        Ok(Json(user))
    }

    /// Ends the session, and deletes the cookies.
    #[public]
    #[oai(path = "/logout", method = "post")]
    async fn logout(&self, auth: Auth) -> Result<()> {
        Ok(auth.logout().await?)
    }

    /// Shows who is calling.
    #[oai(path = "/me", method = "get")]
    async fn me(&self, user: User) -> Json<User> {
        Json(user)
    }

    /// Says hello to everybody.
    #[require_auth(optional)]
    #[oai(path = "/hello", method = "get")]
    async fn hello(&self, user: Option<User>) -> PlainText<String> {
        PlainText(format!("Hello, {}!\n", user.map_or("stranger".into(), |user| user.name)))
    }

    /// Adds a note.
    #[oai(path = "/notes", method = "post")]
    async fn add_note(&self, user: User, note: PlainText<String>) -> Json<usize> {
        let mut notes = self.notes.lock().expect("nobody panics");
        notes.push(format!("{}: {}", user.name, note.0));
        Json(notes.len())
    }

    /// Removes all notes.
    #[require_auth(role = "admin")]
    #[oai(path = "/notes", method = "delete")]
    async fn remove_notes(&self) -> Json<usize> {
        Json(self.notes.lock().expect("nobody panics").drain(..).count())
    }
}

/// Stands for the application's own users, whose passwords are hashed: see the quickstart.
fn find_user(form: &Credentials) -> Option<User> {
    match (form.username.as_str(), form.password.as_str()) {
        ("alice", "wonderland") => Some(User { id: 1, name: "alice".into(), roles: vec!["admin".into()] }),
        ("bob", "builder") => Some(User { id: 2, name: "bob".into(), roles: Vec::new() }),
        _ => None,
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let jwtauth = JwtAuth::dev()?; // first: the document names its cookie
    let api = OpenApiService::new(Api::default(), "Notes", "1.0").server("/api");
    let app = Route::new()
        .at("/openapi.json", api.spec_endpoint())
        .nest("/docs", api.swagger_ui())
        .nest("/api", api)
        .with(jwtauth);

    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(&address).into_acceptor().await?;
    let port = acceptor.local_addr().iter().find_map(|local| local.as_socket_addr().copied());
    let _ = writeln!(io::stdout(), "listening on http://{}", port.map_or(address, |port| port.to_string()));
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
