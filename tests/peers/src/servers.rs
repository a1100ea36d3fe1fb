//! The servers: an open route, a guarded one, a login without a password, a logout, and a refresh where there is one.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many connections to PostgreSQL each has.
const CONNECTIONS: u32 = 10;

/// Which user logs in.
#[derive(Deserialize)]
struct Asked {
    user: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, jwtauth::AuthUser)]
struct User {
    #[auth(id)]
    id: i64,
    name: String,
    email: String,
}

impl User {
    fn of(id: i64) -> Self {
        Self { id, name: format!("User {id}"), email: format!("user{id}@example.com") }
    }
}

/// Serves with one thread, until it is killed.
pub fn serve(name: &str, address: &str, database: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        match name {
            "jwtauth" => jwtauth_with(address, database, Duration::ZERO).await,
            "jwtauth-stale" => jwtauth_with(address, database, Duration::from_secs(5)).await,
            "poem-redis" => poem_session(address, database).await,
            "axum-login" => axum_login_sqlx(address, database).await,
            _ => panic!("no server is called {name}"),
        }
    });
}

async fn jwtauth_with(address: &str, database: &str, max_staleness: Duration) {
    use jwtauth::{Auth, JwtAuth, PostgresConfig, PostgresStore, require_auth};
    use poem::web::{Json, Query};
    use poem::{EndpointExt as _, Result, Route, Server, get, handler, listener::TcpListener, post};

    #[handler]
    fn open() -> Json<User> {
        Json(User::of(1))
    }

    #[require_auth]
    async fn me(user: User) -> Json<User> {
        Json(user)
    }

    #[handler]
    async fn login(auth: Auth, asked: Query<Asked>) -> Result<()> {
        auth.login(&User::of(asked.user)).await?;
        Ok(())
    }

    #[handler]
    async fn refresh(auth: Auth) -> Result<()> {
        auth.refresh().await?;
        Ok(())
    }

    #[handler]
    async fn logout(auth: Auth) -> Result<()> {
        auth.logout().await?;
        Ok(())
    }

    let config = PostgresConfig::new(database).pool_size(CONNECTIONS as usize).max_staleness(max_staleness);
    let store = PostgresStore::connect(config).await.expect("a store");
    let auth =
        JwtAuth::builder().secret(b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fGhJ2x").build(store).expect("settings");
    let app = Route::new()
        .at("/me", get(me))
        .at("/login", post(login))
        .at("/refresh", post(refresh))
        .at("/logout", post(logout))
        .with(auth);
    let app = Route::new().at("/open", get(open)).nest("/", app);
    Server::new(TcpListener::bind(address.to_owned())).run(app).await.expect("a server");
}

async fn poem_session(address: &str, database: &str) {
    use poem::session::{CookieConfig, RedisStorage, ServerSession, Session};
    use poem::web::{Json, Query};
    use poem::{
        EndpointExt as _, Result, Route, Server, get, handler, http::StatusCode, listener::TcpListener, post,
    };

    #[handler]
    fn open() -> Json<User> {
        Json(User::of(1))
    }

    #[handler]
    fn me(session: &Session) -> Result<Json<User>> {
        Ok(Json(session.get("user").ok_or(StatusCode::UNAUTHORIZED)?))
    }

    #[handler]
    fn login(session: &Session, asked: Query<Asked>) {
        session.renew();
        session.set("user", User::of(asked.user));
    }

    #[handler]
    fn logout(session: &Session) {
        session.purge();
    }

    let client = redis::Client::open(database).expect("an address");
    let manager = redis::aio::ConnectionManager::new(client).await.expect("redis");
    let config = CookieConfig::default().max_age(Some(Duration::from_secs(86_400)));
    let app = Route::new()
        .at("/me", get(me))
        .at("/login", post(login))
        .at("/logout", post(logout))
        .with(ServerSession::new(config, RedisStorage::new(manager)));
    let app = Route::new().at("/open", get(open)).nest("/", app);
    Server::new(TcpListener::bind(address.to_owned())).run(app).await.expect("a server");
}

impl axum_login::AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        // As long as the text of an argon2 hash.
        &[b'h'; 97]
    }
}

/// Users are at hand: reading them from a database would be one more question each time.
#[derive(Clone)]
struct Users;

impl axum_login::AuthnBackend for Users {
    type User = User;
    type Credentials = i64;
    type Error = Infallible;

    async fn authenticate(&self, id: i64) -> Result<Option<User>, Infallible> {
        Ok(Some(User::of(id)))
    }

    async fn get_user(&self, id: &i64) -> Result<Option<User>, Infallible> {
        Ok(Some(User::of(*id)))
    }
}

async fn axum_login_sqlx(address: &str, database: &str) {
    use axum::extract::Query;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use axum_login::{AuthManagerLayerBuilder, AuthSession};
    use tower_sessions::{Expiry, SessionManagerLayer};
    use tower_sessions_sqlx_store::PostgresStore;

    async fn open() -> Json<User> {
        Json(User::of(1))
    }

    async fn me(auth: AuthSession<Users>) -> Result<Json<User>, StatusCode> {
        auth.user.map(Json).ok_or(StatusCode::UNAUTHORIZED)
    }

    async fn login(mut auth: AuthSession<Users>, Query(asked): Query<Asked>) -> StatusCode {
        let Ok(Some(user)) = auth.authenticate(asked.user).await else {
            return StatusCode::UNAUTHORIZED;
        };
        auth.login(&user).await.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::OK)
    }

    async fn logout(mut auth: AuthSession<Users>) -> StatusCode {
        auth.logout().await.map_or(StatusCode::INTERNAL_SERVER_ERROR, |_| StatusCode::OK)
    }

    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(CONNECTIONS).connect(database).await;
    let store = PostgresStore::new(pool.expect("a pool"));
    store.migrate().await.expect("tables");
    let sessions = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(time::Duration::days(1)));
    let app = Router::new()
        .route("/me", get(me))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build())
        .route("/open", get(open));
    let listener = tokio::net::TcpListener::bind(address).await.expect("an address");
    axum::serve(listener, app).await.expect("a server");
}
