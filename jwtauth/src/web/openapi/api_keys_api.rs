//! The routes of API keys as operations of poem-openapi, so that a document has them.
//!
//! They answer what `routes::api_key_routes` answers. A test compares the two.

use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::{Endpoint, EndpointExt as _, IntoResponse, Response, Result};
use poem_openapi::param::Path;
use poem_openapi::payload::{Json, Payload as _};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::{Answer, Operation, Problem, Scheme, guard, response};
use crate::id::SessionId;
use crate::record::Session;
use crate::right_name::scopes_in;
use crate::session::ApiKeyRequest;
use crate::web::answer::rejection::Rejection;
use crate::web::extract::auth::Auth;
use crate::web::guard::policy::{Policy, Site};

/// The operations `GET /api-keys`, `POST /api-keys` and `DELETE /api-keys/{id}`, for an `OpenApiService`:
/// what the ready-made [routes](crate::Routes) of these paths do, and in the document.
///
/// The builder needs [`api_keys`](crate::JwtAuthBuilder::api_keys). The guide
/// [`api_keys`](crate::guide::api_keys) says what a key is.
///
/// ```
/// use jwtauth::api_keys::ApiKeysApi;
/// use poem_openapi::OpenApiService;
///
/// let service = OpenApiService::new(ApiKeysApi, "Keys", "1.0"); // or (Api, ApiKeysApi), with your own
/// assert!(service.spec().contains("/api-keys/{id}"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiKeysApi;

static POLICY: Policy =
    Policy::new(Site { handler: "ApiKeysApi", file: file!(), line: line!() }, &[]).no_api_keys();

/// An operation that changes nothing.
struct Reads;

impl Operation for Reads {
    const POLICY: Option<&'static Policy> = Some(&POLICY);
    const IS_CHECKED: bool = false;
    const IS_UNSAFE: bool = false;
}

/// An operation that changes something.
struct Changes;

impl Operation for Changes {
    const POLICY: Option<&'static Policy> = Some(&POLICY);
    const IS_CHECKED: bool = false;
    const IS_UNSAFE: bool = true;
}

fn guard_reads(endpoint: impl Endpoint<Output = Response> + 'static) -> impl Endpoint {
    endpoint.before(|request| async move { guard::<Reads>(&request).await.map(|()| request) })
}

fn guard_changes(endpoint: impl Endpoint<Output = Response> + 'static) -> impl Endpoint {
    endpoint.before(|request| async move { guard::<Changes>(&request).await.map(|()| request) })
}

/// Which key is asked for.
#[derive(Object)]
#[oai(rename = "JwtauthNewApiKey")]
struct WantedApiKey {
    /// What its owner calls it: 1 to 64 characters.
    name: String,
    /// Scopes of the user that it has. One text may have several, with spaces between them.
    #[oai(default)]
    scopes: Vec<String>,
    /// Roles of the user that it has.
    #[oai(default)]
    roles: Vec<String>,
    /// For how many seconds it is valid. Without it, for as long as a key may be.
    expires_in: Option<u64>,
}

/// A key, without its secret.
#[derive(Object)]
#[oai(rename = "JwtauthApiKey")]
struct ListedApiKey {
    /// Its name for `DELETE`.
    id: String,
    /// What its owner calls it.
    name: String,
    /// The roles that it has.
    roles: Vec<String>,
    /// The scopes that it has.
    scopes: Vec<String>,
    /// When it was made, in Unix seconds.
    created_at: u64,
    /// When it ends, in Unix seconds.
    expires_at: u64,
    /// When it was used last, in Unix seconds, to a minute. Null before the first use.
    last_used_at: Option<u64>,
}

impl ListedApiKey {
    fn of(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            name: session.api_key.as_ref().map(|key| key.name.clone()).unwrap_or_default(),
            roles: session.roles.clone(),
            scopes: session.scopes.clone(),
            created_at: session.created_at,
            expires_at: session.expires_at,
            last_used_at: session.last_used_at(),
        }
    }
}

/// A key that was just made.
#[derive(Object)]
#[oai(rename = "JwtauthMadeApiKey")]
struct MadeApiKey {
    #[oai(flatten)]
    key: ListedApiKey,
    /// The key itself, for `Authorization: Bearer`. It cannot be had again.
    secret: String,
}

/// The keys of a user.
struct Listed(Vec<ListedApiKey>);

/// The answer that has a key.
struct Made(MadeApiKey);

/// The answer without a body.
struct EndedApiKey;

/// What is answered and never kept by a browser or proxy.
fn kept_nowhere(answer: impl IntoResponse) -> Response {
    answer.with_header(header::CACHE_CONTROL, "no-store").into_response()
}

fn described(status: StatusCode, description: &'static str, content: Vec<MetaMediaType>) -> MetaResponse {
    MetaResponse { content, ..response(status.as_u16(), description, None) }
}

impl IntoResponse for Listed {
    fn into_response(self) -> Response {
        kept_nowhere(Json(self.0))
    }
}

impl ApiResponse for Listed {
    fn meta() -> MetaResponses {
        let schema = Json::<Vec<ListedApiKey>>::schema_ref();
        let content = vec![MetaMediaType { content_type: "application/json; charset=utf-8", schema }];
        MetaResponses { responses: vec![described(StatusCode::OK, "The live keys of the user.", content)] }
    }

    fn register(registry: &mut Registry) {
        <Json<Vec<ListedApiKey>> as ApiResponse>::register(registry);
    }
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        kept_nowhere(Json(self.0).with_status(StatusCode::CREATED))
    }
}

impl ApiResponse for Made {
    fn meta() -> MetaResponses {
        let schema = Json::<MadeApiKey>::schema_ref();
        let content = vec![MetaMediaType { content_type: "application/json; charset=utf-8", schema }];
        let made = described(StatusCode::CREATED, "The one answer that has the key.", content);
        let refused = response(400, "The key is not allowed. The `code` says what is wrong with it.", None);
        let full = response(409, "The user has as many keys as one may have.", None);
        MetaResponses { responses: vec![made, refused, full] }
    }

    fn register(registry: &mut Registry) {
        <Json<MadeApiKey> as ApiResponse>::register(registry);
        <Problem as poem_openapi::types::Type>::register(registry);
    }
}

impl IntoResponse for EndedApiKey {
    fn into_response(self) -> Response {
        kept_nowhere(StatusCode::NO_CONTENT)
    }
}

impl ApiResponse for EndedApiKey {
    fn meta() -> MetaResponses {
        let ended = described(StatusCode::NO_CONTENT, "The key has ended.", Vec::new());
        let unknown = response(404, "The user has no such key.", None);
        MetaResponses { responses: vec![ended, unknown] }
    }

    fn register(registry: &mut Registry) {
        <Problem as poem_openapi::types::Type>::register(registry);
    }
}

#[OpenApi]
impl ApiKeysApi {
    /// Lists the live API keys of the user.
    #[oai(path = "/api-keys", method = "get", transform = "guard_reads")]
    async fn list(&self, auth: Auth, _caller: Scheme<Reads>) -> Answer<Result<Listed>, Reads> {
        let keys = auth.api_keys().list().await;
        Answer::new(keys.map(|keys| Listed(keys.iter().map(ListedApiKey::of).collect())))
    }

    /// Makes an API key. The user has logged in lately.
    #[oai(path = "/api-keys", method = "post", transform = "guard_changes")]
    async fn create(
        &self,
        auth: Auth,
        wanted: Json<WantedApiKey>,
        _caller: Scheme<Changes>,
    ) -> Answer<Result<Made>, Changes> {
        let WantedApiKey { name, scopes, roles, expires_in } = wanted.0;
        let wanted = roles.into_iter().fold(ApiKeyRequest::new(name), ApiKeyRequest::role);
        let wanted = scopes.iter().flat_map(|text| scopes_in(text)).fold(wanted, ApiKeyRequest::scope);
        let wanted = match expires_in {
            Some(seconds) => wanted.ttl(Duration::from_secs(seconds)),
            None => wanted,
        };
        let made = auth.api_keys().create_as(wanted).await;
        Answer::new(made.map(|key| {
            Made(MadeApiKey { secret: key.secret().to_owned(), key: ListedApiKey::of(key.session()) })
        }))
    }

    /// Ends an API key. Its next request is refused.
    #[oai(path = "/api-keys/:id", method = "delete", transform = "guard_changes")]
    async fn revoke(
        &self,
        auth: Auth,
        /// Its id, as in the list.
        id: Path<String>,
        _caller: Scheme<Changes>,
    ) -> Answer<Result<EndedApiKey>, Changes> {
        let revoked = match id.0.parse::<SessionId>() {
            Ok(id) => auth.api_keys().revoke(id).await,
            Err(_) => Ok(false),
        };
        // Another user's key is answered like one that does not exist.
        Answer::new(revoked.and_then(|has_ended| {
            if has_ended { Ok(EndedApiKey) } else { Err(Rejection::SessionNotFound.into()) }
        }))
    }
}
