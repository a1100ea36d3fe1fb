//! Which site caused a request: checked at most once, and before any token is read (H-10).

use poem::http::header;
use poem::{PathPattern, Request};

use super::authority::Authority;
use crate::web::answer::rejection::Rejection;
use crate::web::headers::credentials::Credentials;
use crate::web::headers::cross_origin::RefusalLine;
use crate::web::headers::pattern::pattern_of_route;

/// From which sites a request is accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sites {
    /// This site, and those that are trusted.
    Own,
    /// Any site: `csrf = false`.
    Any,
    /// As the guard says. Without a guard: the same as `Own`.
    AsGuarded,
}

/// How far the site that caused the request is known.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum OriginCheck {
    #[default]
    Unchecked,
    /// A guard accepts requests of any site.
    Waived,
    /// Not checked, because no cookie says who is calling. A login still sets cookies.
    NothingAtStake,
    /// It was this site, or a trusted one.
    Passed,
}

impl OriginCheck {
    /// Notes the sites that are accepted. Returns whether the request must be checked now.
    pub(super) fn is_needed_for(&mut self, sites: Sites) -> bool {
        match (*self, sites) {
            (Self::Passed | Self::NothingAtStake, _) | (Self::Waived, Sites::Any | Sites::AsGuarded) => false,
            (Self::Unchecked, Sites::Any) => {
                *self = Self::Waived;
                false
            }
            (Self::Waived, Sites::Own) | (Self::Unchecked, Sites::Own | Sites::AsGuarded) => true,
        }
    }

    /// Tells whether a request may change the cookies without another check.
    pub(super) const fn allows_a_login(self) -> bool {
        matches!(self, Self::Passed | Self::Waived)
    }
}

/// Checks a request with these credentials. With a bearer token the cookies are not read, and no browser
/// sends such a token on its own.
pub(super) fn check(
    authority: &Authority,
    request: &Request,
    credentials: &Credentials<'_>,
) -> Result<OriginCheck, Rejection> {
    if credentials.has_bearer() || !credentials.has_cookie() {
        return Ok(OriginCheck::NothingAtStake);
    }
    check_always(authority, request).map(|()| OriginCheck::Passed)
}

/// Refuses a request that another site caused, whatever its credentials.
pub(super) fn check_always(authority: &Authority, request: &Request) -> Result<(), Rejection> {
    if !authority.refuses_origin(request) {
        return Ok(());
    }
    let sent = |name| {
        let value = request.headers().get(name).map(|value| value.as_bytes()).unwrap_or_default();
        String::from_utf8_lossy(&value[..value.len().min(200)]).into_owned()
    };
    let (origin, host) = (sent(header::ORIGIN), sent(header::HOST));
    // As the application wrote it, because what a client sent in its place may be secret; and in the form
    // that the setting takes.
    let route = request.data::<PathPattern>().map(|pattern| pattern_of_route(&pattern.0));
    let route = route.as_deref();
    match authority.line_of_refusal(route) {
        RefusalLine::Nothing => return Err(Rejection::CrossOrigin),
        RefusalLine::Count(count) => {
            tracing::warn!(target: "jwtauth", event = "cross_origin", count, route, ?origin, ?host, "requests of other sites were refused");
            return Err(Rejection::CrossOrigin);
        }
        RefusalLine::Advice => {}
    }
    tracing::warn!(
        target: "jwtauth",
        event = "cross_origin",
        method = %request.method(),
        route,
        ?origin,
        ?host,
        "a request of another site was refused. If other sites must call this one path, such as a login provider \
         or a webhook, call .cross_origin_exempt(..) with the route in this line, or write #[require_auth(csrf = false)]. \
         Only if the pages of that origin are yours, call .trusted_origin(..) with it: it opens every path to them"
    );
    Err(Rejection::CrossOrigin)
}
