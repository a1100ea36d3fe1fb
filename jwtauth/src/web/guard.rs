//! What `#[require_auth]` asks before a handler sees its request.

use poem::Request;

use super::authenticate::Caller;
use super::handle::Handle;
use super::middleware::JwtAuth;
use super::reject::Rejection;

/// Where a guarded handler stands in the source.
#[derive(Debug)]
pub struct Site {
    /// The path of the handler.
    pub handler: &'static str,
    /// Its file.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
}

/// The conditions of one handler: constant data, made by the macro.
#[derive(Debug)]
pub struct Policy {
    site: Site,
    role: Option<&'static str>,
    optional: bool,
}

impl Policy {
    /// Asks for a logged-in user.
    #[must_use]
    pub const fn new(site: Site) -> Self {
        Self { site, role: None, optional: false }
    }

    /// Asks for a role as well.
    ///
    /// # Panics
    ///
    /// While the policy is compiled, if the role is empty: nobody could have it.
    #[must_use]
    pub const fn role(mut self, role: &'static str) -> Self {
        assert!(!role.is_empty(), "a role needs a name");
        self.role = Some(role);
        self
    }

    /// Lets strangers in too.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// Lets a request through if its caller meets the conditions.
///
/// # Errors
///
/// A [`Rejection`], as poem's error.
pub async fn guard(request: &Request, policy: &'static Policy) -> poem::Result<()> {
    let Some(handle) = request.data::<Handle>() else {
        let Site { handler, file, line } = policy.site;
        let fix = missing(request);
        tracing::error!(target: "jwtauth", handler, file, line, "`#[require_auth]` on `{handler}` ({file}:{line}): {fix}");
        return Err(Rejection::Misconfigured.into());
    };
    match handle.caller(request).await? {
        Caller::Known(identity) => match policy.role {
            Some(role) if !identity.has_role(role) => Err(Rejection::PermissionDenied.into()),
            _ => Ok(()),
        },
        Caller::Anonymous { bearer: false, .. } if policy.optional => Ok(()),
        Caller::Anonymous { why, .. } => Err((*why).into()),
    }
}

/// Refuses to run a handler whose `Option<..>` argument is `None` because of an outage.
///
/// # Errors
///
/// The [`Rejection`] that poem's `Option` has swallowed.
pub fn settled(request: &Request) -> poem::Result<()> {
    match request.data::<Handle>().and_then(Handle::outage) {
        Some(rejection) => Err(rejection.into()),
        None => Ok(()),
    }
}

/// Returns the request's handle; without one the log says what `asker` is missing.
pub(crate) fn handle<'r>(request: &'r Request, asker: &str) -> Result<&'r Handle, Rejection> {
    request.data::<Handle>().ok_or_else(|| {
        tracing::error!(target: "jwtauth", "{asker}: {}", missing(request));
        Rejection::Misconfigured
    })
}

/// Says what to do when no middleware has put its handle on the request.
fn missing(request: &Request) -> &'static str {
    if request.data::<JwtAuth>().is_some() {
        "`JwtAuth` was added with `.data(auth)`; it is a middleware: write `.with(auth)`"
    } else {
        "no `JwtAuth` in front of this route; add `.with(auth)` to the app, after (outside) every other `.with(..)` that needs the user"
    }
}
