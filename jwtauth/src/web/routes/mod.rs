//! Ready-made routes: log in, refresh, verify, revoke, log out, list and end sessions.
//!
//! `mod` mounts them, [`authenticate`] says where credentials come from, `form` reads bodies, `token_routes` has
//! what is done with tokens, `session_routes` what is done with sessions, and `services` what other services may ask. They go through [`Auth`](crate::Auth) and
//! [`Sessions`](crate::Sessions) like a handler of the application's own would.
//!
//! # Invariants
//!
//! 1. What changes state is POST or DELETE (H-9).
//! 2. A request is refused for its origin before its body is read, unless no cookie is set or looked at.
//! 3. A token from a body is treated as one from a cookie: same checks, same answers.

#[cfg(feature = "accounts")]
mod account_routes;
pub(crate) mod authenticate;
mod form;
mod services;
mod session_routes;
mod token_routes;

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make};
use poem::{EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, RouteMethod, post};

use self::authenticate::Authenticate;
use self::services::Services;
use crate::web::state::JwtAuth;

/// Where clients get their tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Body,
    Cookies,
    /// In bodies, one that is both.
    Sliding,
}

/// The ready-made routes of a [`JwtAuth`]; [`JwtAuth::routes`] makes them.
///
/// | route | takes | answers |
/// |---|---|---|
/// | `POST /obtain` | `username`, `password`; `device_id`, see below | 200 `expires_in`, `refresh_expires_in`, and the tokens |
/// | `POST /refresh` | `refresh`, or the cookie | the same |
/// | `POST /verify` | `token`, of any kind | 200 `{}` if it is good and its session alive |
/// | `POST /revoke` | `refresh` | 200 `{}`; its session is ended, in all its tokens |
/// | `POST /expire` | `token`, of any kind; `affect_tree` | 200 `{}`; this token is ended, or its whole session |
/// | `POST /logout` | the request's own credentials | 204 |
/// | `POST /logout_all` | the request's own credentials | 200 `revoked`: how many sessions there were |
/// | `GET /sessions` | the request's own credentials | 200, a list of the user's live sessions |
/// | `DELETE /sessions` | the request's own credentials | 200 `revoked`: all but this one |
/// | `DELETE /sessions/{id}` | the request's own credentials | 204; 404 if it is none of the user's |
/// | `GET /.well-known/jwks.json` | | 200, the public keys (RFC 7517); see [`JwtAuth::jwks`] |
///
/// Bodies are JSON, or forms as browsers send them. By default the tokens are set as cookies;
/// [`body_tokens`](Self::body_tokens) puts them into bodies, for clients that are no browsers, and
/// [`sliding_tokens`](Self::sliding_tokens) hands out one token in place of two.
///
/// `device_id` is an id that the application's own client gives to its device: up to 128 bytes are kept, and a login
/// does not fail for one. `GET /sessions` says of each session `id`, `current` (whether it is the one
/// that asks), `created_at`, `expires_at`, `device` in a few words and, for programs, `app`,
/// `app_version`, `os`, `os_version`, `model` and `device_id`, or null; `address`, where it was seen last;
/// `last_used_at`, when it was opened or refreshed last; `summary`, all that in a line
/// ([`Session::summary_at`](crate::Session::summary_at)). A client can say anything of itself: escape it.
///
/// A field that is missing is 400 `invalid_request`, with a member named after the field; everything else is a
/// [`Rejection`](crate::Rejection). Durations are seconds, times are Unix seconds.
///
/// ```
/// # fn app(jwtauth: jwtauth::JwtAuth) {
/// use jwtauth::{AuthUser, LoginAttempt, LoginError};
/// use poem::{EndpointExt, Route};
/// # #[derive(Clone, serde::Serialize, serde::Deserialize, AuthUser)]
/// # struct User { id: u64 }
/// # async fn find(_: &str, _: &str) -> Option<User> { None }
///
/// async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
///     find(attempt.username(), attempt.password()).await.ok_or(LoginError::InvalidCredentials)
/// }
///
/// let app = Route::new().nest("/auth", jwtauth.routes(authenticate)).with(jwtauth);
/// # }
/// ```
#[must_use = "routes do nothing until they are nested in an app"]
pub struct Routes {
    jwtauth: JwtAuth,
    transport: Transport,
    mount: Mount,
    services: Services,
    changes: Vec<(String, Option<BoxEndpoint<'static, Response>>)>,
}

/// Makes the routes when it is known how tokens travel.
type Mount = Box<dyn FnOnce(&JwtAuth, Transport) -> Vec<Mounted> + Send>;

/// An endpoint and where it stands.
struct Mounted {
    path: &'static str,
    endpoint: RouteMethod,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl JwtAuth {
    /// Returns ready-made routes that log in whom `authenticate` knows.
    ///
    /// It is an `async fn(LoginAttempt) -> Result<User, LoginError>`, or a type that implements [`Authenticate`].
    /// Nest the routes anywhere in the app that this `JwtAuth` is around.
    pub fn routes(&self, authenticate: impl Authenticate) -> Routes {
        let authenticate = Arc::new(authenticate);
        Routes {
            jwtauth: self.clone(),
            transport: Transport::Cookies,
            mount: Box::new(move |jwtauth, transport| mount(jwtauth, &authenticate, transport)),
            services: Services::default(),
            changes: Vec::new(),
        }
    }
}

impl Routes {
    /// Puts tokens into the bodies of answers, as `access` and `refresh`, and sets no cookies.
    ///
    /// Whatever script can read the answer can read the tokens, so this is for clients that are no browsers.
    pub fn body_tokens(mut self) -> Self {
        self.transport = Transport::Body;
        self
    }

    /// Hands out sliding tokens, in bodies: one token that lets its holder in and renews itself.
    ///
    /// As with djangorestframework-simplejwt: `/obtain` and `/refresh` answer with `token`, `expires_in` and
    /// `refresh_expires_in`, and `/refresh` and `/revoke` take `token`. It is sent as `Authorization: Bearer`, lets its
    /// holder in for [`access_ttl`](crate::JwtAuthBuilder::access_ttl), and can be renewed for
    /// [`refresh_ttl`](crate::JwtAuthBuilder::refresh_ttl), so also after it is expired. A refresh replaces it: the
    /// older copy goes on letting requests in, and is answered with the new one, for
    /// [`refresh_grace`](crate::JwtAuthBuilder::refresh_grace), and ends the session when it is to be renewed after that.
    ///
    /// Whoever sees one request holds all that the session has: take [`body_tokens`](Self::body_tokens) unless the
    /// clients are made for this. Other services cannot verify it, and may [ask](Self::service).
    pub fn sliding_tokens(mut self) -> Self {
        self.transport = Transport::Sliding;
        self
    }

    /// Lets a service ask about tokens, with HTTP Basic credentials of its own (RFC 6749, section 2.3.1). May be
    /// called again, for another service.
    ///
    /// | route | takes | answers |
    /// |---|---|---|
    /// | `POST /oauth/introspect` (RFC 7662) | `token`, of any kind | 200 `active`, and of a good one `sub`, `scope`, `roles`, `exp`, ..; exactly `{"active":false}` otherwise |
    /// | `POST /oauth/revoke` (RFC 7009) | `token`, of any kind | 200, also for a token that is not good; an access token ends alone, a refresh or sliding token with its session |
    ///
    /// Anybody else is 401. Roles and scopes are those that the session has now.
    ///
    /// # Panics
    ///
    /// If the name is empty or has a `:`, or the secret has less than 32 bytes: make one with `openssl rand -base64 48`.
    #[track_caller]
    pub fn service(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        let (name, secret) = (name.into(), secret.into());
        assert!(!name.is_empty() && !name.contains(':'), "a service needs a name without a colon");
        assert!(
            secret.len() >= 32,
            "the secret of a service has 32 bytes at least: make one with `openssl rand -base64 48`"
        );
        self.services.add(name, secret);
        self
    }

    /// Puts another endpoint in the place of one of the routes, for all its methods.
    ///
    /// # Panics
    ///
    /// When the routes are nested, if there is no such route.
    pub fn replace(
        mut self,
        path: impl Into<String>,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> Self {
        self.changes.push((path.into(), Some(endpoint.map_to_response().boxed())));
        self
    }

    /// Leaves one of the routes out, with all its methods.
    ///
    /// # Panics
    ///
    /// When the routes are nested, if there is no such route.
    pub fn without(mut self, path: impl Into<String>) -> Self {
        self.changes.push((path.into(), None));
        self
    }
}

impl IntoEndpoint for Routes {
    type Endpoint = BoxEndpoint<'static, Response>;

    fn into_endpoint(self) -> Self::Endpoint {
        let mut mounted: Vec<(&str, BoxEndpoint<'static, Response>)> =
            (self.mount)(&self.jwtauth, self.transport)
                .into_iter()
                .map(|it| (it.path, it.endpoint.map_to_response().boxed()))
                .collect();
        if !self.services.is_empty() {
            mounted.extend(for_services(self.services));
        }
        for (path, endpoint) in self.changes {
            let at = mounted.iter().position(|(known, _)| *known == path);
            let at = at.unwrap_or_else(|| {
                panic!("there is no ready-made route {path:?} to replace or to leave out")
            });
            match endpoint {
                Some(endpoint) => mounted[at].1 = endpoint,
                None => drop(mounted.remove(at)),
            }
        }
        let route =
            mounted.into_iter().fold(Route::new(), |route, (path, endpoint)| route.at(path, endpoint));
        // Where the app has it in front already, this one does nothing.
        route.with(self.jwtauth).map_to_response().boxed()
    }
}

fn for_services(services: Services) -> [(&'static str, BoxEndpoint<'static, Response>); 2] {
    let services = Arc::new(services);
    let asked = Arc::clone(&services);
    let introspect = make(move |request: Request| {
        let services = Arc::clone(&asked);
        async move { services::introspect(&services, request).await }
    });
    let revoke = make(move |request: Request| {
        let services = Arc::clone(&services);
        async move { services::revoke(&services, request).await }
    });
    [
        ("/oauth/introspect", post(introspect).map_to_response().boxed()),
        ("/oauth/revoke", post(revoke).map_to_response().boxed()),
    ]
}

fn mount<A: Authenticate>(jwtauth: &JwtAuth, authenticate: &Arc<A>, transport: Transport) -> Vec<Mounted> {
    let authenticate = Arc::clone(authenticate);
    let obtain = make(move |request: Request| {
        let authenticate = Arc::clone(&authenticate);
        async move { token_routes::obtain(&*authenticate, transport, request).await }
    });
    let refresh = make(move |request: Request| token_routes::refresh(transport, request));
    let revoke = make(move |request: Request| token_routes::revoke(transport, request));
    let own = RouteMethod::new().get(make(session_routes::list)).delete(make(session_routes::revoke_others));
    [
        ("/obtain", post(obtain)),
        ("/refresh", post(refresh)),
        ("/verify", post(make(token_routes::verify))),
        ("/revoke", post(revoke)),
        ("/expire", post(make(token_routes::revoke_any))),
        ("/logout", post(make(session_routes::logout))),
        ("/logout_all", post(make(session_routes::logout_all))),
        ("/sessions", own),
        ("/sessions/:id", RouteMethod::new().delete(make(session_routes::revoke_one))),
        ("/.well-known/jwks.json", poem::get(jwtauth.jwks())),
    ]
    .map(|(path, endpoint)| Mounted { path, endpoint })
    .into()
}

/// Answers 200 with a JSON body that nobody may keep.
fn json(body: serde_json::Value) -> Response {
    poem::web::Json(body).with_header(poem::http::header::CACHE_CONTROL, "no-store").into_response()
}
