//! Who may pass: the table of credentials and their results.
//!
//! It only decides. `handle` asks it once, and puts cookies into the answer.

use std::sync::Arc;

use super::twins::{self, Choice, Resent};
use crate::error::{SessionError, TokenError};
use crate::id::TokenId;
use crate::session::{AccessState, BearerToken, CompanionToken, IssuedTokens, Renewal};
use crate::token::refresh::Refresh;
use crate::user::{Identity, TokenSource};
use crate::web::answer::rejection::{self, Rejection};
use crate::web::client::Client;
use crate::web::headers::credential::Credential;
use crate::web::headers::credentials::{Credentials, PlainTokens};
use crate::web::state::JwtAuthState;
use crate::web::state::VerifierState;

/// Who is calling.
pub(crate) enum Caller {
    Known(Box<Identity>),
    Anonymous {
        why: Rejection,
        /// Whether a bearer token was refused: that is an error even where a login is optional.
        bearer: bool,
    },
}

/// What happens to the cookies.
#[derive(Default)]
pub(crate) enum Cookies {
    #[default]
    Keep,
    Set(Box<IssuedTokens>),
    /// What the browser sent, in the form of the present settings.
    SetAgain(Box<Resent>),
    Clear,
}

/// Decides who is calling by this service's sessions, and what happens to the cookies. Runs the hooks.
///
/// | access | refresh | caller | cookies |
/// |---|---|---|---|
/// | live | absent, refused, or of the same session | known | kept |
/// | expired, same session | valid | known | rotated |
/// | expired, same session | spent, its successor was used, same `User-Agent`, not long ago | known, this once | kept |
/// | absent, revoked alone, or of a key that is gone | valid | known | rotated |
/// | expired or absent | expired or absent | anonymous | kept |
/// | revoked alone | absent or refused | anonymous | kept |
/// | of session A | genuine, of session B | anonymous | kept |
/// | forged, malformed, empty, wrong kind | any | anonymous | kept |
/// | session left by its client, which logged in anew | any | anonymous | kept |
/// | session ended in another way | any | anonymous | deleted |
/// | several values under one name | | by the one live session; 401 if there are two | other forms deleted |
///
/// With an `Authorization: Bearer` header the cookies are not read (H-6). An API key is looked for only
/// there.
pub(crate) async fn by_session(
    shared: &JwtAuthState,
    credentials: &Credentials<'_>,
    client: Client<'_>,
) -> Result<(Caller, Cookies), Rejection> {
    let (caller, cookies) = match &credentials.bearer {
        Credential::Absent if credentials.has_other_forms() => by_twins(shared, credentials, client).await?,
        Credential::Absent => by_cookie(shared, &credentials.access, &credentials.refresh, client).await?,
        Credential::One(token) => (by_bearer(shared, token).await?, Cookies::Keep),
        Credential::Unreadable | Credential::Several { .. } | Credential::Conflict => {
            (UNREADABLE, Cookies::Keep)
        }
    };
    if let Caller::Known(identity) = &caller {
        shared.sessions.authenticated(identity).await;
    }
    Ok((caller, cookies))
}

/// Decides who is calling by a token of another service alone.
pub(crate) async fn by_token(trusted: &VerifierState, bearer: &Credential<'_>) -> Result<Caller, Rejection> {
    match bearer {
        Credential::Absent => Ok(Caller::Anonymous { why: Rejection::NotAuthenticated, bearer: false }),
        Credential::One(token) => match trusted.verification.verify(token).await {
            Ok(user) => Ok(Caller::Known(Box::new(Identity::of_token(user, TokenSource::Bearer)))),
            Err(error) => Ok(Caller::Anonymous { why: refusal(&error.into())?, bearer: true }),
        },
        Credential::Unreadable | Credential::Several { .. } | Credential::Conflict => Ok(UNREADABLE),
    }
}

/// The caller with an `Authorization` header that cannot be read.
const UNREADABLE: Caller = Caller::Anonymous { why: Rejection::InvalidRequest, bearer: true };

/// Returns the caller if they were let in before with these tokens, and nothing has changed since.
pub(crate) fn known_before(shared: &JwtAuthState, tokens: PlainTokens<'_>) -> Option<Caller> {
    let (found, source) = match tokens {
        PlainTokens::Bearer(token) => {
            (shared.sessions.known_caller(token, CompanionToken::Any), TokenSource::Bearer)
        }
        PlainTokens::Cookies { access, refresh } => {
            (shared.sessions.known_caller(access, CompanionToken::Only(refresh)), TokenSource::Cookie)
        }
    };
    Some(Caller::Known(Box::new(Identity::of_shared(found?, source))))
}

async fn by_bearer(shared: &JwtAuthState, token: &str) -> Result<Caller, Rejection> {
    let refused = |why| Ok(Caller::Anonymous { why, bearer: true });
    let sessions = &shared.sessions;
    if let Some(key) = sessions.read_api_key(token) {
        let checked = match key {
            Ok(id) => sessions.check_api_key(id, token).await,
            Err(error) => Err(error.into()),
        };
        return match checked {
            Ok(session) => Ok(Caller::Known(Box::new(Identity::new(session, TokenSource::Bearer)))),
            Err(error) => refused(refusal(&error)?),
        };
    }
    let checked = match sessions.read_bearer(token) {
        Ok(BearerToken::Access(access)) => {
            let before = sessions.beforehand(&access);
            let state = sessions.check(&access).await;
            if let Ok(AccessState::Live(session)) = &state {
                sessions.know_caller(before, token, None, session);
            }
            state
        }
        Ok(BearerToken::Sliding(sliding)) => sessions.check_sliding(&sliding).await,
        Err(error) => Err(error.into()),
    };
    match checked.and_then(|state| known(state, TokenSource::Bearer)) {
        Ok(caller) => Ok(caller),
        Err(error) => refused(refusal(&error)?),
    }
}

async fn by_twins(
    shared: &JwtAuthState,
    credentials: &Credentials<'_>,
    client: Client<'_>,
) -> Result<(Caller, Cookies), Rejection> {
    let (access, refresh, resent) = match twins::choose(&shared.sessions, credentials, true).await {
        Ok(Choice::Pair { access, refresh, resent }) => (access, refresh, resent),
        Ok(Choice::Conflict) => return Err(Rejection::TokenNotValid),
        Ok(Choice::Nobody { why: Some(why) }) => return refused(&why),
        Ok(Choice::Nobody { why: None }) => return Ok(anonymous(Rejection::TokenNotValid)),
        Err(error) => return refused(&error),
    };
    Ok(match by_cookie(shared, &access, &refresh, client).await? {
        (caller @ Caller::Known(_), Cookies::Keep) => (caller, Cookies::SetAgain(Box::new(resent))),
        found => found,
    })
}

async fn by_cookie(
    shared: &JwtAuthState,
    access_sent: &Credential<'_>,
    refresh_sent: &Credential<'_>,
    client: Client<'_>,
) -> Result<(Caller, Cookies), Rejection> {
    let sessions = &shared.sessions;
    let genuine_refresh = || match refresh_sent {
        Credential::One(token) => sessions.read_refresh(token).ok(),
        _ => None,
    };
    let read = match (access_sent, refresh_sent) {
        // One of several was chosen before.
        (Credential::Several { .. } | Credential::Conflict, _)
        | (_, Credential::Several { .. } | Credential::Conflict) => {
            return Err(Rejection::TokenNotValid);
        }
        (Credential::Unreadable, _) => return Ok(anonymous(Rejection::TokenNotValid)),
        (Credential::Absent, Credential::Absent) => return Ok(anonymous(Rejection::NotAuthenticated)),
        (Credential::Absent, Credential::Unreadable) => return Ok(anonymous(Rejection::TokenNotValid)),
        (Credential::Absent, Credential::One(token)) => {
            return match sessions.read_refresh(token) {
                Ok(token) => silent_refresh(shared, None, token, client).await,
                Err(error) => refused(&error.into()),
            };
        }
        (Credential::One(token), _) => sessions.read_access(token),
    };
    let access = match read {
        Ok(access) => access,
        // Its key was retired long ago: a rotation of keys ends no session.
        Err(error @ TokenError::UnknownKey) => {
            return match genuine_refresh() {
                Some(token) => {
                    // While that key is still known, its token says with whom it was.
                    let named = match access_sent {
                        Credential::One(access) => sessions.name_access(access).ok(),
                        _ => None,
                    };
                    let beside =
                        named.filter(|named| named.foreign.is_none() && named.session == token.session);
                    silent_refresh(shared, beside.map(|named| named.token), token, client).await
                }
                None => refused(&error.into()),
            };
        }
        Err(error) => return refused(&error.into()),
    };
    let before = sessions.beforehand(&access);
    let state = match sessions.check(&access).await {
        Ok(state) => state,
        Err(error) => return refused(&error),
    };
    let refresh = genuine_refresh();
    if let (AccessState::Live(session), Some(refresh)) = (&state, &refresh)
        && access.said().goes_with(refresh)
    {
        sessions.confirm_rotation(session, refresh.generation);
    }
    if let (AccessState::Live(session), Credential::One(token)) = (&state, access_sent) {
        match (refresh_sent, &refresh) {
            (Credential::Absent, _) => sessions.know_caller(before, token, None, session),
            (Credential::One(beside), Some(refresh)) if access.said().goes_with(refresh) => {
                sessions.know_caller(before, token, Some(beside), session);
            }
            _ => {}
        }
    }
    match (known(state, TokenSource::Cookie), refresh) {
        // Two sessions in one browser: somebody planted one of the cookies.
        (_, Some(refresh)) if !access.said().goes_with(&refresh) => Ok(anonymous(Rejection::TokenNotValid)),
        (Ok(caller), _) => Ok((caller, Cookies::Keep)),
        (Err(_), Some(refresh)) => silent_refresh(shared, Some(access.said().token), refresh, client).await,
        (Err(error), None) => refused(&error),
    }
}

/// Returns the caller with a genuine access or sliding token, or why a new token is needed.
fn known(state: AccessState, source: TokenSource) -> Result<Caller, SessionError> {
    let identity = match state {
        AccessState::Live(session) => Identity::new(session, source),
        AccessState::Sessionless(user) => Identity::of_token(user, source),
        AccessState::Expired => return Err(TokenError::Expired.into()),
        AccessState::Revoked => return Err(SessionError::TokenRevoked),
    };
    Ok(Caller::Known(Box::new(identity)))
}

async fn silent_refresh(
    shared: &JwtAuthState,
    access: Option<TokenId>,
    token: Refresh,
    client: Client<'_>,
) -> Result<(Caller, Cookies), Rejection> {
    let known = |session| Caller::Known(Box::new(Identity::new(Arc::new(session), TokenSource::Cookie)));
    match shared.sessions.refresh_silently(access, token, &shared.clients.device(client)).await {
        Ok(Renewal::Issued(issued)) => Ok((known(issued.session.clone()), Cookies::Set(Box::new(issued)))),
        Ok(Renewal::Late(session)) => {
            let late = Identity::of_late(Arc::new(session));
            Ok((Caller::Known(Box::new(late)), Cookies::Keep))
        }
        Err(error) => refused(&error),
    }
}

/// Deletes cookies only if the session is proven to be over, and its browser cannot have newer ones: a late
/// refusal must not remove what a newer answer has set.
fn refused(error: &SessionError) -> Result<(Caller, Cookies), Rejection> {
    let why = refusal(error)?;
    let cookies = if rejection::is_over(error) { Cookies::Clear } else { Cookies::Keep };
    Ok((Caller::Anonymous { why, bearer: false }, cookies))
}

fn anonymous(why: Rejection) -> (Caller, Cookies) {
    (Caller::Anonymous { why, bearer: false }, Cookies::Keep)
}

/// Why a token is refused; `Err` if the answer is unknown.
fn refusal(error: &SessionError) -> Result<Rejection, Rejection> {
    if !matches!(error, SessionError::Token(TokenError::Expired)) {
        rejection::log(error);
    }
    let why = Rejection::from(error);
    if why.is_outage() { Err(why) } else { Ok(why) }
}
