//! [`Verifier`], the middleware of services that only verify, and [`TokenUser`] as an argument behind it. No sessions, no
//! cookies.

pub(crate) mod builder;

use std::fmt;
use std::sync::Arc;

use poem::{Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result};

use self::builder::VerifierBuilder;
use super::authority::Authority;
use super::default_guard::DefaultGuard;
use super::guard;
use super::handle::Handle;
use crate::error::TokenError;
use crate::user::TokenUser;
use crate::verifier::Verification;

/// Verifies access tokens of another service that uses jwtauth, by its public keys alone.
///
/// Put it around an app with `.with(verifier)`, outermost, and write [`#[require_auth]`](crate::require_auth), its
/// conditions and [`RequireAuth`](crate::RequireAuth) as behind a [`JwtAuth`](crate::JwtAuth); or ask
/// [`verify`](Self::verify). Only the `Authorization: Bearer` header is read, so no other site can send a user's token.
/// Cheap to clone; clones share keys and memory.
///
/// It cannot know that a session was ended before its token expires. Where that matters, ask the issuer.
///
/// ```no_run
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use jwtauth::{Key, TokenUser, Verifier, require_auth};
/// use poem::{EndpointExt, Route, get};
///
/// #[require_auth(role = "clerk")] // 401 without a good token, 403 without the role
/// async fn stock(user: TokenUser) -> String {
///     user.subject().to_owned()
/// }
///
/// let verifier = Verifier::builder("https://login.example.com", "shop")
///     .key(Key::from_file("login-public.pem")?)
///     .build()?;
/// let app = Route::new().at("/stock", get(stock)).with(verifier);
/// # Ok(())
/// # }
/// ```
///
/// # Who is calling
///
/// | argument | behind a `Verifier` |
/// |---|---|
/// | [`TokenUser`] | what the token says, with its [claims](TokenUser::claims_as) |
/// | [`&Identity`](crate::Identity) | the same subject, roles and scopes, for code that runs behind a `JwtAuth` too |
/// | [`CurrentUser<User>`](crate::CurrentUser), [`AuthUser`](trait@crate::AuthUser) written by hand | loaded by the subject, from this service's own table |
/// | `Option<..>` of these with `optional`, [`MaybeUser`](crate::MaybeUser) of each | `None` for a stranger; a refused token is 401, missing keys are 503 |
/// | a user type with the derive, or `Account` | 500: its copy lives in a session; the log says what to take |
/// | [`Auth`](crate::Auth), [`&Session`](crate::Session), [`SessionEnd`](crate::SessionEnd) | 500: there are no sessions here |
///
/// A role counts as long as the token that has it, and `fresh` is counted from its `auth_time`.
///
/// Of a `JwtAuth` and a `Verifier` around the same route, the innermost decides who is calling: one app can log in
/// its own users, and take another service's tokens in one of its branches. A guard in between asks the outer one.
#[derive(Clone)]
pub struct Verifier(Arc<Trusted>);

/// What all clones share.
pub(crate) struct Trusted {
    pub(super) verification: Verification,
    /// What is asked of everybody, except where the app is public.
    default_guard: Option<DefaultGuard>,
}

impl Verifier {
    /// Starts to configure one, for tokens of this issuer (`iss`) that are meant for this audience (`aud`).
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into(), audience.into())
    }

    /// Verifies an access token: form, signature and every claim.
    ///
    /// Waits for the network only when the keys are too old or the token names one that is not known.
    ///
    /// # Errors
    ///
    /// [`TokenError::KeysUnavailable`] if there are no keys to verify with: answer 503, not 401. All others
    /// say why the token is refused.
    pub async fn verify(&self, token: &str) -> std::result::Result<TokenUser, TokenError> {
        self.0.verification.verify(token).await
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verification { issuer, audience, .. } = &self.0.verification;
        f.debug_struct("Verifier").field("issuer", issuer).field("audience", audience).finish_non_exhaustive()
    }
}

impl<E: Endpoint> Middleware<E> for Verifier {
    type Output = VerifierEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        VerifierEndpoint { inner, verifier: self.clone() }
    }
}

/// The endpoint that a [`Verifier`] makes of another one.
#[derive(Debug)]
pub struct VerifierEndpoint<E> {
    inner: E,
    verifier: Verifier,
}

impl<E: Endpoint> Endpoint for VerifierEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let authority = Authority::Verifier(Arc::clone(&self.verifier.0));
        // A clone of this middleware further out has begun, and finishes the answer.
        if request.data::<Handle>().is_some_and(|handle| handle.is_of(&authority)) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let handle = Handle::new(authority);
        let result = handle.run(request, self.verifier.0.default_guard.as_ref(), &self.inner).await;
        handle.finish(result).await
    }
}

impl<'a> FromRequest<'a> for TokenUser {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(guard::handle(request, "`TokenUser`")?.user(request).await?)
    }
}
