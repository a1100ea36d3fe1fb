//! What an OpenAPI document says about `#[require_auth]`: security schemes and refusals of each operation.
//!
//! The macro writes a method for each operation and puts it under `#[OpenApi]`, with three additions: a
//! `transform` that runs the guard before anything is extracted, the return type [`Answer`], which documents
//! the refusals, and a last argument [`Scheme`], which documents the credentials.
//!
//! poem-openapi writes documents of OpenAPI 3.0, where a security requirement lists scopes only for `oauth2`
//! and `openIdConnect` (section 4.8.30). So the list is empty here, and the answer 403 says what is needed.
//!
//! # Invariants
//!
//! 1. An operation runs only with every argument: none is `None` because of an outage.
//! 2. No handler of bad requests sees a refusal of this crate, or 401 would become 400.
//! 3. The application's own documentation stays.

pub(crate) mod api_keys_api;
mod caller_schemes;

use std::fmt;
use std::marker::PhantomData;

pub use poem::EndpointExt;
use poem::error::IntoResult;
use poem::{Error, IntoResponse, Request, RequestBody, Result};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object};

pub(crate) use self::caller_schemes::name_places;
use self::caller_schemes::{Places, interned};
use crate::web::answer::rejection::Rejection;
use crate::web::guard::admit::{self, settled};
use crate::web::guard::policy::Policy;

/// An operation, as the macro knows it.
pub trait Operation: Send + Sync + 'static {
    /// The conditions of its guard; `None` if it is public.
    const POLICY: Option<&'static Policy>;
    /// Whether it has checks of the application.
    const IS_CHECKED: bool;
    /// Whether its method may change something, so that the request's origin matters.
    const IS_UNSAFE: bool;
}

/// Lets a request through if its caller meets the conditions of an operation.
///
/// # Errors
///
/// Those of the guard.
pub async fn guard<O: Operation>(request: &Request) -> Result<()> {
    match O::POLICY {
        Some(policy) => admit::guard(request, policy).await,
        None => Ok(()),
    }
}

/// Passes on the result of the application's check.
///
/// # Errors
///
/// Those of the check. If the operation names a login page: a redirect, if an anonymous user opens a page.
pub fn checked<O: Operation>(request: &Request, result: Result<()>) -> Result<()> {
    result.map_err(|error| match O::POLICY {
        Some(policy) => admit::redirected(request, policy, error),
        None => error,
    })
}

/// Something that an operation can take: what poem-openapi extracts. It is asked only for a clear message of
/// the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an operation",
    label = "nothing of a request",
    note = "if it is your user: put `#[derive(Clone, Serialize, Deserialize, AuthUser)]` on the type and take it by value; or if it implements `AuthUser` by hand, take `CurrentUser<..>` of it",
    note = "anything else: take `Json<..>`, `Path<..>` or `Query<..>` of poem-openapi for what the request has, and `Data<&..>` of poem for what `.data(..)` has added"
)]
pub trait OperationArgument<'a>: ApiExtractor<'a> {}

#[diagnostic::do_not_recommend]
impl<'a, T: ApiExtractor<'a>> OperationArgument<'a> for T {}

/// Accepts an argument of an operation.
pub const fn is_argument<'a, T: OperationArgument<'a>>() {}

/// The last argument of an operation: documents the credentials.
pub struct Scheme<O>(PhantomData<O>);

impl<O> fmt::Debug for Scheme<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheme")
    }
}

impl<'a, O: Operation> ApiExtractor<'a> for Scheme<O> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        if let Some(policy) = O::POLICY {
            Places::now().register(policy, registry);
        }
    }

    fn security_schemes() -> Vec<&'static str> {
        O::POLICY.map(|policy| Places::now().schemes(policy)).unwrap_or_default()
    }

    fn has_security_fallback() -> bool {
        O::POLICY.is_some_and(|policy| policy.optional)
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        settled(request)?;
        Ok(Self(PhantomData))
    }
}

/// What an operation returns, with the refusals of its guard in the document.
pub struct Answer<T, O> {
    answer: Result<T>,
    operation: PhantomData<O>,
}

impl<T, O> fmt::Debug for Answer<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl<T, O> Answer<T, O> {
    /// Takes the result of the user's method.
    pub const fn new(answer: T) -> Self {
        Self { answer: Ok(answer), operation: PhantomData }
    }
}

impl<T, R, O> IntoResult<R> for Answer<T, O>
where
    T: IntoResult<R>,
    R: IntoResponse,
{
    fn into_result(self) -> Result<R> {
        self.answer?.into_result()
    }
}

impl<T: ApiResponse, O: Operation> ApiResponse for Answer<T, O> {
    const BAD_REQUEST_HANDLER: bool = T::BAD_REQUEST_HANDLER;

    fn meta() -> MetaResponses {
        let mut meta = T::meta();
        for refusal in O::POLICY.into_iter().flat_map(refusals::<O>) {
            add(&mut meta.responses, refusal);
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        if O::POLICY.is_some() {
            Problem::register(registry);
        }
    }

    fn from_parse_request_error(error: Error) -> Self {
        // An argument that is a user may be refused too: the user is gone, or could not be loaded.
        if error.is::<Rejection>() {
            return Self { answer: Err(error), operation: PhantomData };
        }
        Self::new(T::from_parse_request_error(error))
    }
}

/// For `#[oai(actual_type = "..")]`, which needs a content type too.
impl<T: Payload, O: Operation> Payload for Answer<T, O> {
    const CONTENT_TYPE: &'static str = T::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Object)]
#[oai(rename = "JwtauthProblem")]
struct Problem {
    /// Always `about:blank`.
    #[oai(rename = "type")]
    kind: String,
    /// The reason phrase of the status.
    title: String,
    /// The status.
    status: u16,
    /// The reason, for people.
    detail: String,
    /// The reason, for programs: `not_authenticated`, `token_expired`, `permission_denied` and so on.
    code: String,
}

/// Returns the answers that the guard may give instead of the operation.
fn refusals<O: Operation>(policy: &Policy) -> impl Iterator<Item = MetaResponse> {
    let unauthorized = match policy.max_age {
        Some(seconds) => {
            interned(format!("Nobody is logged in, or the login was more than {seconds} seconds ago."))
        }
        None if policy.optional => "The credentials are refused.",
        None => "Nobody is logged in.",
    };
    let redirect = policy.redirect.map(|login| {
        let description = interned(format!("Nobody is logged in, and a browser shows pages: to `{login}`."));
        let location = header("Location", "The login page.", MetaSchema::new("string"));
        MetaResponse { content: Vec::new(), ..response(303, description, Some(location)) }
    });
    let challenge = header(
        "WWW-Authenticate",
        "What is wrong with the credentials (RFC 6750).",
        MetaSchema::new("string"),
    );
    let again = header("Retry-After", "Seconds to wait.", MetaSchema::new("integer"));
    let forbidden = forbidden::<O>(policy).map(|description| response(403, interned(description), None));
    redirect
        .into_iter()
        .chain([response(401, unauthorized, Some(challenge))])
        .chain(forbidden)
        .chain([response(503, "Sessions are not available at the moment.", Some(again))])
}

/// Describes what the operation needs beyond a login, if anything.
fn forbidden<O: Operation>(policy: &Policy) -> Option<String> {
    let mut needs: Vec<_> = policy.needs.iter().map(ToString::to_string).collect();
    if O::IS_CHECKED {
        needs.push("the consent of the application's own checks".into());
    }
    let needs = (!needs.is_empty()).then(|| format!("This needs {}.", needs.join(" and ")));
    let origin = (O::IS_UNSAFE && !policy.any_site).then(|| "Requests of other sites are refused.".into());
    let keys = policy.no_api_keys.then(|| "API keys are refused.".into());
    let sentences: Vec<String> = needs.into_iter().chain(keys).chain(origin).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn response(status: u16, description: &'static str, header: Option<MetaHeader>) -> MetaResponse {
    let problem = MetaMediaType { content_type: "application/problem+json", schema: Problem::schema_ref() };
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![problem],
        headers: header.into_iter().collect(),
    }
}

fn header(name: &str, description: &str, schema: MetaSchema) -> MetaHeader {
    MetaHeader {
        name: name.into(),
        description: Some(description.into()),
        required: true,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(schema)),
    }
}

/// Adds a refusal. If the application documents the status too, both become one entry: a document must not
/// have a key twice.
fn add(responses: &mut Vec<MetaResponse>, refusal: MetaResponse) {
    let Some(known) = responses.iter_mut().find(|known| known.status == refusal.status) else {
        responses.push(refusal);
        return;
    };
    for content in refusal.content {
        if !known.content.iter().any(|known| known.content_type == content.content_type) {
            known.content.push(content);
        }
    }
    for mut header in refusal.headers {
        if !known.headers.iter().any(|known| known.name.eq_ignore_ascii_case(&header.name)) {
            header.required = false; // the application's own answer may be without
            known.headers.push(header);
        }
    }
}
