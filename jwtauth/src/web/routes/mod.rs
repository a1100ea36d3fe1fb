//! Ready-made routes: log in, refresh, verify, revoke, log out, list sessions.
//!
//! `mod` mounts them, [`authenticate`] says where credentials come from, and `form` reads bodies, with
//! `multipart` for one of the three kinds and `form_error` for what is refused.
//! `token_routes`, `session_routes`, `api_key_routes` and `account_routes` have the handlers, and `services`
//! has those for other services. They use [`Auth`](crate::Auth) and [`Sessions`](crate::Sessions) as a
//! handler of the application would.
//!
//! A new route is a line of `table` here, its handler, and a row of the table in `docs/routes.md`.
//!
//! # Invariants
//!
//! 1. What changes state is POST or DELETE (H-9).
//! 2. A request is refused for its origin before its body is read, unless no cookie is set or read.
//! 3. A token from a body is treated like one from a cookie: same checks, same answers.

#[cfg(feature = "accounts")]
mod account_routes;
mod api_key_routes;
pub(crate) mod authenticate;
mod client_script;
pub(in crate::web) mod form;
mod form_error;
mod multipart;
mod services;
mod session_routes;
mod token_routes;

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make};
use poem::{EndpointExt, IntoEndpoint, IntoResponse, Response, Route, RouteMethod, get, post};

use self::authenticate::Authenticate;
use self::services::Services;
use crate::error::ConfigError;
use crate::web::middleware::JwtAuthEndpoint;
use crate::web::state::JwtAuth;

/// Where clients get their tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Body,
    Cookies,
    /// One token that is both, in bodies.
    Sliding,
}

#[doc = include_str!("../../docs/routes.md")]
#[must_use = "routes do nothing until they are nested in an app"]
pub struct Routes {
    jwtauth: JwtAuth,
    transport: Transport,
    services: Services,
    routes: Vec<ReadyRoute>,
}

/// What is chosen for all routes until they are mounted.
struct Choices {
    transport: Transport,
    services: Arc<Services>,
}

type MakeEndpoint = Box<dyn FnOnce(&Choices) -> BoxEndpoint<'static, Response> + Send>;

/// A route and its path.
struct ReadyRoute {
    path: String,
    make: MakeEndpoint,
}

impl ReadyRoute {
    fn new(path: &str, make: impl FnOnce(&Choices) -> RouteMethod + Send + 'static) -> Self {
        let make = Box::new(move |choices: &_| make(choices).map_to_response().boxed());
        Self { path: path.into(), make }
    }

    /// A route that does not depend on the choices.
    fn fixed(path: &str, endpoint: RouteMethod) -> Self {
        Self::new(path, |_| endpoint)
    }
}

/// All ready-made routes except those for accounts and services.
fn table<A: Authenticate>(jwtauth: &JwtAuth, authenticate: A) -> Vec<ReadyRoute> {
    let authenticate = Arc::new(authenticate);
    let of_me = Arc::clone(&authenticate);
    let me = get(make(move |request| {
        let authenticate = Arc::clone(&of_me);
        async move { token_routes::me(&*authenticate, request).await }
    }));
    let obtain = move |transport| {
        post(make(move |request| {
            let authenticate = Arc::clone(&authenticate);
            async move { token_routes::obtain(&*authenticate, transport, request).await }
        }))
    };
    let refresh = |transport| post(make(move |request| token_routes::refresh(transport, request)));
    let revoke = |transport| post(make(move |request| token_routes::revoke_session(transport, request)));
    let logout = |transport| post(make(move |request| session_routes::logout(transport, request)));
    let fixed = ReadyRoute::fixed;
    let mut routes = vec![
        ReadyRoute::new("/obtain", move |choices| obtain(choices.transport)),
        ReadyRoute::new("/refresh", move |choices| refresh(choices.transport)),
        fixed("/verify", post(make(token_routes::verify))),
        fixed("/me", me),
        ReadyRoute::new("/revoke", move |choices| revoke(choices.transport)),
        fixed("/expire", post(make(token_routes::revoke_token))),
        ReadyRoute::new("/logout", move |choices| logout(choices.transport)),
        fixed("/logout_all", post(make(session_routes::logout_all))),
        fixed("/sessions", get(make(session_routes::list)).delete(make(session_routes::revoke_others))),
        fixed("/sessions/:id", RouteMethod::new().delete(make(session_routes::revoke_one))),
        fixed("/.well-known/jwks.json", get(jwtauth.jwks())),
    ];
    if jwtauth.sessions().has_api_keys() {
        let own = get(make(api_key_routes::list)).post(make(api_key_routes::create));
        routes.push(fixed("/api-keys", own));
        routes.push(fixed("/api-keys/:id", RouteMethod::new().delete(make(api_key_routes::revoke))));
    }
    if jwtauth.sessions().has_compat() {
        // Takes `refresh`, even if clients of this service have sliding tokens.
        routes.push(fixed("/blacklist", revoke(Transport::Body)));
    }
    routes
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl JwtAuth {
    /// Returns ready-made routes that log in the users of `authenticate`.
    ///
    /// `authenticate` is an `async fn(LoginAttempt) -> Result<User, LoginError>`, or a type that implements
    /// [`Authenticate`]. Nest the routes anywhere in the app that this `JwtAuth` is around.
    pub fn routes(&self, authenticate: impl Authenticate) -> Routes {
        Routes {
            routes: table(self, authenticate),
            jwtauth: self.clone(),
            transport: Transport::Cookies,
            services: Services::default(),
        }
    }
}

impl Routes {
    /// Puts tokens into the bodies of answers, as `access` and `refresh`, and sets no cookies. It is for
    /// clients that are not browsers: any script that can read the answer can read the tokens.
    pub fn body_tokens(mut self) -> Self {
        self.transport = Transport::Body;
        self
    }

    #[doc = include_str!("../../docs/sliding_tokens.md")]
    pub fn sliding_tokens(mut self) -> Self {
        self.transport = Transport::Sliding;
        self
    }

    #[doc = include_str!("../../docs/service.md")]
    pub fn service(
        mut self,
        name: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let is_first = self.services.is_empty();
        self.services.add(name.into(), secret.into())?;
        if is_first {
            services::table().into_iter().try_for_each(|route| self.push(route))?;
        }
        Ok(self)
    }

    /// Puts a route at another path, with all its methods.
    ///
    /// ```
    /// # #[derive(Clone, serde::Serialize, serde::Deserialize, jwtauth::AuthUser)]
    /// # struct User { id: u64 }
    /// # async fn authenticate(_: jwtauth::LoginAttempt) -> Result<User, jwtauth::LoginError> {
    /// #     Err(jwtauth::LoginError::InvalidCredentials)
    /// # }
    /// # fn app(jwtauth: jwtauth::JwtAuth) -> Result<(), jwtauth::error::ConfigError> {
    /// let routes = jwtauth.routes(authenticate).body_tokens().rename("/obtain", "/token")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no such route, if poem cannot serve the new path, if another route is
    /// there already, or if a parameter such as `:id` is lost or added.
    pub fn rename(mut self, path: &str, to: impl Into<String>) -> Result<Self, ConfigError> {
        let (at, to) = (self.find(path)?, to.into());
        if !to.starts_with('/') {
            return Err(refused(&to, "start it with a slash"));
        }
        if parameters(path) != parameters(&to) {
            return Err(refused(&to, "give it the parameters of the path before, such as `:id`"));
        }
        let route = ReadyRoute { path: to, ..self.routes.remove(at) };
        self.push(route)?;
        Ok(self)
    }

    /// Puts another endpoint in place of a route, for all its methods.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no such route.
    pub fn replace(
        mut self,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> Result<Self, ConfigError> {
        let (at, endpoint) = (self.find(path)?, endpoint.map_to_response().boxed());
        self.routes[at].make = Box::new(|_| endpoint);
        Ok(self)
    }

    /// Leaves a route out, with all its methods.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no such route.
    pub fn without(mut self, path: &str) -> Result<Self, ConfigError> {
        let at = self.find(path)?;
        self.routes.remove(at);
        Ok(self)
    }

    /// Adds a route, unless poem cannot serve its path beside the others.
    fn push(&mut self, route: ReadyRoute) -> Result<(), ConfigError> {
        let mut paths = self.routes.iter().chain(std::iter::once(&route)).map(|route| &route.path);
        let mounted = paths.try_fold(Route::new(), |all, path| all.try_at(path, RouteMethod::new()));
        if mounted.is_err() {
            return Err(refused(&route.path, "another route is there, or it is no path"));
        }
        self.routes.push(route);
        Ok(())
    }

    fn find(&self, path: &str) -> Result<usize, ConfigError> {
        let at = self.routes.iter().position(|route| route.path == path);
        at.ok_or_else(|| {
            refused(path, "there is no such route; those for services are there behind `.service(..)`")
        })
    }
}

/// The error for a path of a route.
fn refused(path: &str, problem: &'static str) -> ConfigError {
    ConfigError::setting("the path of a ready-made route", path, problem)
}

/// Returns the parameters of a path, in their order.
fn parameters(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| part.starts_with([':', '*', '<'])).collect()
}

impl IntoEndpoint for Routes {
    type Endpoint = BoxEndpoint<'static, Response>;

    fn into_endpoint(self) -> Self::Endpoint {
        let Self { jwtauth, transport, services, routes } = self;
        let choices = Choices { transport, services: Arc::new(services) };
        let mount = |all: Route, route: ReadyRoute| all.at(route.path, (route.make)(&choices));
        let all = routes.into_iter().fold(Route::new(), mount);
        // If the app has it in front already, this one does nothing.
        JwtAuthEndpoint::new(all, jwtauth).map_to_response().boxed()
    }
}

/// Answers 200 with a JSON body that nobody may cache.
fn json(body: serde_json::Value) -> Response {
    poem::web::Json(body).with_header(poem::http::header::CACHE_CONTROL, "no-store").into_response()
}
