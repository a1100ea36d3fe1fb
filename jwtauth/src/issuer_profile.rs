//! The setting for access tokens of somebody else's issuer: what their header says, which claims hold roles,
//! scopes and the user, and what tells them from tokens of other kinds.
//!
//! Only the setting. `token::profiled` reads such tokens.

use std::time::Duration;

use crate::error::ConfigError;

#[doc = include_str!("docs/issuer_profile.md")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct IssuerProfile {
    /// Accepted types in a header, beside `at+jwt`.
    types: Vec<String>,
    missing_typ: bool,
    pub(crate) id_tokens: bool,
    /// The claim that names the audience.
    pub(crate) audience: ClaimPath,
    pub(crate) subject: ClaimPath,
    pub(crate) roles: ClaimPath,
    pub(crate) scopes: ClaimPath,
    pub(crate) required: Vec<RequiredClaim>,
    /// How long before a token is handed out its `iat` is.
    pub(crate) dated_back: Duration,
}

/// Where a claim is: a name, or the names of objects and of a claim in the innermost one.
///
/// Text is split at its dots: `realm_access.roles`. A name that contains `://` is taken whole, because such
/// names are addresses (`https://example.com/roles`). An array of names is taken as it is, for names with
/// dots: `["resource_access", "shop.web", "roles"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(pub(crate) Vec<String>);

impl From<&str> for ClaimPath {
    fn from(text: &str) -> Self {
        if text.contains("://") { Self(vec![text.into()]) } else { Self::from_names(text.split('.')) }
    }
}

impl<const N: usize> From<[&str; N]> for ClaimPath {
    fn from(names: [&str; N]) -> Self {
        Self::from_names(names.into_iter())
    }
}

impl ClaimPath {
    fn from_names<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self(names.map(str::to_owned).collect())
    }
}

/// A claim that every token has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequiredClaim {
    pub(crate) path: ClaimPath,
    /// One of these. Empty for any.
    pub(crate) values: Vec<String>,
}

/// Claims in which issuers say what kind a token is.
const KIND_CLAIMS: [&str; 3] = ["token_type", "token_use", "typ"];

impl IssuerProfile {
    /// Starts with access tokens as RFC 9068 has them: `typ: at+jwt`, `aud`, `sub`, roles in `roles`, scopes
    /// in `scope`.
    pub fn new() -> Self {
        Self {
            types: Vec::new(),
            missing_typ: false,
            id_tokens: false,
            audience: "aud".into(),
            subject: "sub".into(),
            roles: "roles".into(),
            scopes: "scope".into(),
            required: Vec::new(),
            dated_back: Duration::ZERO,
        }
    }

    /// Access tokens of Auth0 in its own format, with the client in `azp`. For its format of RFC 9068 use
    /// [`new`](Self::new).
    pub fn auth0() -> Self {
        Self::new().accept_typ("JWT").requires_claim("azp")
    }

    /// Access tokens of an Amazon Cognito user pool. They have no audience: the audience of the
    /// [`Verifier`](crate::Verifier) is the id of the app client.
    pub fn cognito() -> Self {
        Self::new()
            .accept_missing_typ()
            .requires("token_use", ["access"])
            .audience_claim("client_id")
            .roles_claim("cognito:groups")
    }

    /// Access tokens of Microsoft Entra ID, version 2.0. Their `iat` is five minutes early, so they may live
    /// five minutes longer than [`max_ttl`](crate::VerifierBuilder::max_ttl).
    pub fn entra() -> Self {
        let profile = Self::new().accept_typ("JWT").requires("ver", ["2.0"]).requires_claim("azp");
        Self { dated_back: Duration::from_secs(5 * 60), ..profile.scopes_claim("scp") }
    }

    /// ID tokens of Firebase Authentication, which its clients send as bearer tokens.
    pub fn firebase_id_tokens() -> Self {
        Self::new().accept_typ("JWT").accept_id_tokens()
    }

    /// ID tokens of Google: of users who signed in, and of service accounts that call Cloud Run and the like.
    /// Google's access tokens are no JWTs.
    pub fn google_id_tokens() -> Self {
        Self::firebase_id_tokens()
    }

    /// Access tokens of a Keycloak realm, with its realm roles.
    pub fn keycloak() -> Self {
        Self::new().accept_typ("JWT").requires("typ", ["Bearer"]).roles_claim("realm_access.roles")
    }

    /// Access tokens of a custom authorization server of Okta.
    pub fn okta() -> Self {
        Self::new()
            .accept_missing_typ()
            .accept_typ("JWT")
            .requires_claim("cid")
            .scopes_claim("scp")
            .roles_claim("groups")
    }

    /// Access tokens of Supabase Auth. Every user who is logged in has the role `authenticated`.
    pub fn supabase() -> Self {
        Self::new()
            .accept_typ("JWT")
            .requires("role", ["authenticated"])
            .requires_claim("session_id")
            .roles_claim("role")
    }

    /// Also accepts this `typ` in a header, such as `JWT`. May be called again. Case is ignored, and
    /// `application/` in front (RFC 7515, section 4.1.9).
    ///
    /// ID tokens have `JWT` too. So a claim must be [required](Self::requires) that only access tokens have.
    pub fn accept_typ(mut self, typ: impl Into<String>) -> Self {
        let typ = typ.into();
        self.types.push(short_type(&typ).to_owned());
        self
    }

    /// Also accepts a header without `typ`. What is said of `JWT` at [`accept_typ`](Self::accept_typ) counts
    /// here too.
    pub fn accept_missing_typ(mut self) -> Self {
        self.missing_typ = true;
        self
    }

    /// Also accepts ID tokens, for an issuer whose access tokens are no JWTs. They say who the user is, to
    /// the client that is their audience. They do not say what the client may do in the user's name.
    pub fn accept_id_tokens(mut self) -> Self {
        self.id_tokens = true;
        self
    }

    /// Requires that a claim is one of these texts, or a list that contains one. May be called again: all
    /// must hold. `true` and `false` are compared as text.
    pub fn requires<V: Into<String>>(
        mut self,
        claim: impl Into<ClaimPath>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.required.push(RequiredClaim { path: claim.into(), values });
        self
    }

    /// Requires that a claim is there, as a text that is not empty.
    pub fn requires_claim(self, claim: impl Into<ClaimPath>) -> Self {
        self.requires(claim, [""; 0])
    }

    /// Sets the claim that must name the audience. Default: `aud`. If it is another
    /// one, a token that has an `aud` must name the audience there too.
    pub fn audience_claim(mut self, claim: impl Into<ClaimPath>) -> Self {
        self.audience = claim.into();
        self
    }

    /// Sets the claim that is the subject. Default: `sub`. It must be a text that is not empty.
    ///
    /// It must be one that the issuer never gives to another user. Users can often change their e-mail
    /// address and name.
    pub fn subject_claim(mut self, claim: impl Into<ClaimPath>) -> Self {
        self.subject = claim.into();
        self
    }

    /// Sets the claim that holds the roles: a list of texts, or one text, which is one role. Default:
    /// `roles`.
    pub fn roles_claim(mut self, claim: impl Into<ClaimPath>) -> Self {
        self.roles = claim.into();
        self
    }

    /// Sets the claim that holds the scopes: a list of texts, or one text with spaces between. Default:
    /// `scope`.
    pub fn scopes_claim(mut self, claim: impl Into<ClaimPath>) -> Self {
        self.scopes = claim.into();
        self
    }

    /// Tells whether tokens with this `typ` are accepted.
    pub(crate) fn accepts_typ(&self, typ: Option<&str>) -> bool {
        match typ {
            None => self.missing_typ,
            Some(typ) => {
                let mut types = self.types.iter().map(String::as_str).chain(["at+jwt"]);
                types.any(|known| known.eq_ignore_ascii_case(typ))
            }
        }
    }

    /// Tells whether a claim must say that a token is an access token.
    pub(crate) fn knows_kind(&self) -> bool {
        let says_kind = |path: &ClaimPath| matches!(&*path.0, [name] if KIND_CLAIMS.contains(&name.as_str()));
        self.required.iter().any(|claim| !claim.values.is_empty() && says_kind(&claim.path))
    }

    /// Tells whether a claim is required that not every ID token may have (OpenID Connect Core 1.0, sections
    /// 2 and 5.1).
    fn tells_kinds_apart(&self) -> bool {
        const OF_ID_TOKENS: [&str; 12] =
            ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "acr", "amr", "email", "name"];
        self.required.iter().any(|claim| match &claim.path.0[..] {
            [name] => !OF_ID_TOKENS.contains(&name.as_str()),
            _ => true,
        })
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refused = |got: &str, problem| Err(ConfigError::setting("issuer_profile", got, problem));
        let required = self.required.iter().map(|claim| &claim.path);
        for ClaimPath(path) in
            [&self.audience, &self.subject, &self.roles, &self.scopes].into_iter().chain(required)
        {
            if path.iter().any(String::is_empty) || path.is_empty() {
                return refused(&path.join("."), "it is no claim: write a name, or names with dots between");
            }
        }
        let is_access = |typ: &String| typ.eq_ignore_ascii_case("at+jwt");
        let mut others = self.types.iter().filter(|typ| !is_access(typ)).map(String::as_str);
        let other = others.next().or(self.missing_typ.then_some("no typ"));
        match other {
            Some(typ) if !self.tells_kinds_apart() && !self.id_tokens => refused(
                typ,
                "ID tokens have this type too: name a claim that only access tokens have with `.requires(..)` or \
                 `.requires_claim(..)`, or call `.accept_id_tokens()`",
            ),
            _ => Ok(()),
        }
    }
}

/// Returns a type without "application/" in front.
pub(crate) fn short_type(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    }
}

impl Default for IssuerProfile {
    fn default() -> Self {
        Self::new()
    }
}
