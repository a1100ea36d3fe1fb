//! An API with roles, scopes, a rule of its own, and an action that needs a recent login.
//!
//! Run with `cargo run -p examples --example roles --features roles`; `JWTAUTH_ADDR` says where to listen.
//! Sessions are kept in memory. Each user's password is their name: `quickstart` shows how to keep passwords.
//!
//! ```text
//! curl -c jar -H 'content-type: application/json' -d '{"username":"bob","password":"bob"}' http://127.0.0.1:3000/login
//! curl -b jar http://127.0.0.1:3000/posts/1                                 # all of them may read
//! curl -b jar -X PUT -d 'new text' http://127.0.0.1:3000/posts/1            # bob's own post: 200
//! curl -b jar -X PUT -d 'new text' http://127.0.0.1:3000/posts/2            # alice's: 403
//! curl -b jar -X DELETE http://127.0.0.1:3000/posts/1                       # for admins: 403
//! curl -b jar http://127.0.0.1:3000/admin/posts                             # for admins: 403
//! ```

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtauth::{Auth, AuthUser, Identity, JwtAuth, Rejection, RequireAuth, require_auth, shutdown_signal};
use poem::error::NotFoundError;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt, Result, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: String,
    roles: Vec<String>,
    scopes: Vec<String>,
}

#[derive(Clone, Serialize)]
struct Post {
    author: String,
    text: String,
}

type Posts = Arc<Mutex<BTreeMap<u64, Post>>>;

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// Name, roles and scopes. Yours come from a table.
const USERS: [(&str, &[&str], &[&str]); 3] = [
    ("alice", &["admin"], &["posts:read", "posts:write"]),
    ("bob", &["editor"], &["posts:read", "posts:write"]),
    ("carol", &["editor"], &["posts:read"]),
];

#[handler]
async fn login(auth: Auth, Json(form): Json<Credentials>) -> Result<Json<User>> {
    let found = USERS.iter().find(|(name, ..)| *name == form.username && *name == form.password);
    let (name, roles, scopes) = found.ok_or(Rejection::InvalidCredentials)?;
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let user = User { id: (*name).into(), roles: owned(roles), scopes: owned(scopes) };
    auth.login(&user).await?;
    Ok(Json(user))
}

#[require_auth(scope = "posts:read")]
async fn read(Path(id): Path<u64>, posts: Data<&Posts>) -> Result<Json<Post>> {
    let posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(posts.get(&id).cloned().ok_or(NotFoundError)?))
}

/// A rule of the application's own: its arguments are extractors, and it is asked before the body is read.
fn may_edit(who: &Identity, Path(id): Path<u64>, posts: Data<&Posts>) -> Result<bool> {
    let posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
    let post = posts.get(&id).ok_or(NotFoundError)?;
    Ok(post.author == who.subject() || who.has_role("admin"))
}

#[require_auth(any_role("editor", "admin"), scope = "posts:write", check = may_edit)]
async fn edit(Path(id): Path<u64>, posts: Data<&Posts>, text: String) -> Result<Json<Post>> {
    let mut posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
    let post = posts.get_mut(&id).ok_or(NotFoundError)?;
    post.text = text;
    Ok(Json(post.clone()))
}

/// What cannot be undone asks who is sitting there: a login older than 5 minutes is answered with 401.
#[require_auth(role = "admin", fresh = "5m")]
async fn remove(Path(id): Path<u64>, posts: Data<&Posts>) -> Result<()> {
    let removed = posts.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    Ok(removed.map(drop).ok_or(NotFoundError)?)
}

/// Has no guard of its own: the tree it is in has.
#[handler]
async fn list(posts: Data<&Posts>) -> Json<BTreeMap<u64, Post>> {
    Json(posts.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let post = |author: &str| Post { author: author.into(), text: format!("first words of {author}") };
    let posts = Posts::new(Mutex::new(BTreeMap::from([(1, post("bob")), (2, post("alice"))])));
    let admin = Route::new().at("/posts", get(list)).with(RequireAuth::new().role("admin"));
    let app = Route::new()
        .at("/login", self::post(login.with(SizeLimit::new(16 * 1024))))
        .at("/posts/:id", get(read).put(edit).delete(remove))
        .nest("/admin", admin)
        .data(posts)
        .with(JwtAuth::dev()?);

    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?;
    let _ = writeln!(io::stdout(), "listening on http://{address}");
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
