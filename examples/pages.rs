//! Pages for browsers: a login form, a way back to the page that was asked for, a logout button.
//!
//! Run with `cargo run -p examples --example pages --features pages` and open <http://127.0.0.1:3000/notes>. Users are
//! `alice` and `bob`, and each one's password is their name. `JWTAUTH_ADDR` says where to listen.
//!
//! ```text
//! curl -i -H 'accept: text/html' 'http://127.0.0.1:3000/notes?page=2'       # 303 /login?next=/notes%3Fpage%3D2
//! curl -i http://127.0.0.1:3000/notes                                       # no page was asked for: 401
//! curl -i -c jar -d 'name=alice&password=alice&next=/notes' http://127.0.0.1:3000/login
//! curl -b jar -H 'sec-fetch-site: cross-site' -X POST http://127.0.0.1:3000/logout  # another site's page: 403
//! ```
//! No form has a hidden token: whether another site's page sent it, the browser says by itself.

use std::env;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtauth::{Auth, AuthUser, JwtAuth, local_path, require_auth, shutdown_signal};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::{Data, Form, Html, Query, Redirect};
use poem::{EndpointExt, IntoResponse, Response, Result, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    #[auth(id)]
    name: String,
}

type Notes = Arc<Mutex<Vec<(String, String)>>>;

/// The fields of all forms. `next` is text of whoever made the link to the login page.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    name: String,
    password: String,
    next: String,
    text: String,
}

/// Everything that comes from a user goes through here on its way into a page.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

fn page(title: &str, body: &str) -> Html<String> {
    let policy =
        "<meta http-equiv=content-security-policy content=\"default-src 'none'; form-action 'self'\">";
    Html(format!("<!doctype html><meta charset=utf-8>{policy}<title>{title}</title><h1>{title}</h1>{body}"))
}

fn login_form(form: &Fields, problem: &str) -> Html<String> {
    let (name, next) = (escaped(&form.name), escaped(&form.next));
    let body = format!(
        "<p>{problem}</p><form method=post action=/login><input type=hidden name=next value=\"{next}\">\
         <input name=name value=\"{name}\" autocomplete=username required>\
         <input name=password type=password autocomplete=current-password required><button>Log in</button></form>"
    );
    page("Log in", &body)
}

#[handler]
fn show_login(Query(form): Query<Fields>) -> Html<String> {
    login_form(&form, "")
}

/// `Auth` comes first: a form that another site sent is refused before it is read.
#[handler]
async fn login(auth: Auth, Form(form): Form<Fields>) -> Result<Response> {
    if !["alice", "bob"].contains(&&*form.name) || form.password != form.name {
        let again = login_form(&form, "No active account was found with these credentials.");
        return Ok(again.with_status(StatusCode::UNAUTHORIZED).into_response());
    }
    auth.login(&User { name: form.name }).await?;
    Ok(Redirect::see_other(local_path(&form.next).unwrap_or("/notes")).into_response())
}

#[handler]
async fn logout(auth: Auth) -> Result<Redirect> {
    auth.logout().await?;
    Ok(Redirect::see_other("/login"))
}

#[require_auth(redirect = "/login")]
async fn show_notes(user: User, notes: Data<&Notes>) -> Html<String> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let items: String =
        notes.iter().map(|(name, text)| format!("<li>{}: {}", escaped(name), escaped(text))).collect();
    let body = format!(
        "<p>Hello, {}!</p><ul>{items}</ul>\
         <form method=post action=/notes><input name=text required><button>Add a note</button></form>\
         <form method=post action=/logout><button>Log out</button></form>",
        escaped(&user.name)
    );
    page("Notes", &body)
}

#[require_auth]
async fn add_note(user: User, notes: Data<&Notes>, Form(form): Form<Fields>) -> Redirect {
    notes.lock().unwrap_or_else(PoisonError::into_inner).push((user.name, form.text));
    Redirect::see_other("/notes")
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    let stop = shutdown_signal();
    let app = Route::new()
        .at("/login", get(show_login).post(login.with(SizeLimit::new(16 * 1024))))
        .at("/logout", post(logout))
        .at("/notes", get(show_notes).post(add_note))
        .data(Notes::default())
        .with(JwtAuth::dev()?);
    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    println!("listening on http://{}", acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?);
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
