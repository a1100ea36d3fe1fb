//! Several cookies of one name, or cookies in a form of earlier settings: which of them counts.
//!
//! A browser keeps a partitioned and an unpartitioned cookie of one name, and those of each domain and path.
//! So after a change of these settings it sends two values, and which of them came first means nothing. Where
//! exactly one session of all that they name is live, its newest tokens count. The answer brings them into
//! the form of the present settings and deletes the other forms.
//!
//! # Invariants
//!
//! 1. What counts was presented: nothing is issued here. Of two live sessions none counts.
//! 2. An older token of the chosen session is not looked at, so it is no reuse.

use std::borrow::Cow;
use std::sync::Arc;

use poem::http::HeaderValue;

use crate::error::{SessionError, TokenError};
use crate::id::SessionId;
use crate::record::Session;
use crate::session::Sessions;
use crate::token::named_token::NamedToken;
use crate::web::answer::rejection;
use crate::web::headers::credential::Credential;
use crate::web::headers::credentials::Credentials;
use crate::web::state::JwtAuthState;

/// What several cookies of one name come to.
pub(crate) enum Choice<'c> {
    /// One session is live. These are its tokens.
    Pair { access: Credential<'c>, refresh: Credential<'c>, resent: Resent },
    /// Two sessions are live, or there are too many cookies to look at.
    Conflict,
    /// No session is live, or no token of one. `why`: what became of the session that one of them names, if
    /// any does. One that says that the browser has newer cookies comes first.
    Nobody { why: Option<SessionError> },
}

/// Cookies that the answer sends again in the form of the present settings. `Debug` would show them.
pub(crate) struct Resent {
    access: Option<String>,
    refresh: Option<String>,
    /// `None` for tokens that another service has issued.
    session: Option<SessionId>,
    /// That of the refresh token.
    generation: Option<u64>,
    /// When the last one expires, in Unix seconds.
    expires_at: u64,
}

/// A value that is one of our tokens.
struct Candidate<'c> {
    value: &'c str,
    token: NamedToken,
    /// Its session, if that is live.
    session: Option<Arc<Session>>,
    /// Why it has none.
    why: Option<SessionError>,
    /// Whether another service has issued it, and it is good.
    is_good_alone: bool,
}

/// Decides which cookies count. `is_silent`: nobody has asked for new tokens.
pub(crate) async fn choose<'c>(
    sessions: &Sessions,
    credentials: &'c Credentials<'_>,
    is_silent: bool,
) -> Result<Choice<'c>, SessionError> {
    let Credentials { access, refresh, .. } = credentials;
    if credentials.has_more() {
        return Ok(Choice::Conflict);
    }
    let mut accesses = candidates(sessions, access, |token| sessions.name_access(token)).await?;
    let mut refreshes = candidates(sessions, refresh, |token| sessions.name_refresh(token)).await?;
    if credentials.is_refresh_former
        && let Some(own) = accesses.iter().find_map(|it| it.session.as_ref())
    {
        // Of two names the present one counts.
        refreshes.retain(|it| it.session.as_ref().is_none_or(|session| session.id == own.id));
    }
    if is_silent && credentials.is_refresh_misplaced {
        // The browser has newer ones that it does not send here: to spend an older one would look like theft.
        refreshes.retain(|it| !it.is_replaced());
    }
    let mut ended =
        accesses.iter_mut().chain(&mut refreshes).filter_map(|it| it.why.take()).collect::<Vec<_>>();
    let all = || accesses.iter().chain(&refreshes);
    let Some(first) = all().find(|it| it.session.is_some()).or_else(|| all().find(|it| it.is_good_alone))
    else {
        ended.sort_by_key(rejection::is_over);
        return Ok(Choice::Nobody { why: ended.into_iter().next() });
    };
    // Tokens of another service have only their subject in common, with each other and with a session.
    let is_other = |it: &Candidate<'_>| match (&it.session, &first.session) {
        (Some(one), Some(other)) => one.id != other.id,
        _ => (it.session.is_some() || it.is_good_alone) && it.token.subject != first.token.subject,
    };
    if all().any(is_other) {
        return Ok(Choice::Conflict);
    }
    let id = first.session.as_ref().map(|session| session.id);
    let newest = |of: &[Candidate<'c>]| {
        let its = of.iter().filter(|it| match id {
            Some(id) => it.session.is_some() && it.token.session == id,
            None => it.is_good_alone,
        });
        let newest = its.max_by_key(|it| (it.token.generation, it.token.issued_at))?;
        Some((newest.value, newest.token.clone()))
    };
    let (newest_access, newest_refresh) = (newest(&accesses), newest(&refreshes));
    let again = |is_of_other_form: bool, newest: &Option<(&str, NamedToken)>| {
        newest.as_ref().filter(|_| is_of_other_form).map(|(value, _)| (*value).to_owned())
    };
    let ends = [&newest_access, &newest_refresh].into_iter().flatten().map(|(_, token)| token.expires_at);
    let resent = Resent {
        access: again(credentials.is_access_of_other_form(), &newest_access),
        refresh: again(credentials.is_refresh_of_other_form(), &newest_refresh),
        session: id,
        generation: newest_refresh.as_ref().and_then(|(_, token)| token.generation),
        expires_at: ends.max().unwrap_or_default(),
    };
    let counts = |newest: Option<(&'c str, NamedToken)>| match newest {
        Some((value, _)) => Credential::One(Cow::Borrowed(value)),
        None => Credential::Absent,
    };
    Ok(Choice::Pair { access: counts(newest_access), refresh: counts(newest_refresh), resent })
}

impl Candidate<'_> {
    /// Tells whether its session has newer tokens.
    fn is_replaced(&self) -> bool {
        let newest = self.session.as_ref().map(|session| session.generation);
        self.token.generation.zip(newest).is_some_and(|(own, newest)| own < newest)
    }
}

async fn candidates<'c>(
    sessions: &Sessions,
    credential: &'c Credential<'_>,
    name: impl Fn(&str) -> Result<NamedToken, TokenError>,
) -> Result<Vec<Candidate<'c>>, SessionError> {
    let mut found = Vec::new();
    for value in credential.values() {
        let Ok(token) = name(value) else { continue };
        let is_good_alone = token.foreign.is_some() && sessions.is_good(value).await?;
        let (session, why) = match sessions.live_session_of(&token).await? {
            Ok(session) => (Some(session), None),
            Err(_) if token.foreign.is_some() => (None, None),
            Err(why) => (None, Some(why)),
        };
        found.push(Candidate { value, token, session, why, is_good_alone });
    }
    Ok(found)
}

impl Resent {
    /// Returns the cookies, unless something happened to their session meanwhile: then a newer answer has set
    /// others, and nothing is to be deleted.
    pub(super) async fn cookies(&self, state: &JwtAuthState) -> Option<Vec<HeaderValue>> {
        let sessions = &state.sessions;
        let expires_at = match self.session {
            None => self.expires_at,
            Some(id) => match sessions.find(id).await {
                Ok(Some(session)) if self.generation.is_none_or(|it| it == session.generation) => {
                    session.expires_at
                }
                Ok(_) => return None,
                Err(error) => {
                    rejection::log(&error);
                    return None;
                }
            },
        };
        let (now, cookies) = (sessions.now(), &state.cookies);
        let left = expires_at.saturating_sub(now);
        Some(cookies.set_again(self.access.as_deref(), self.refresh.as_deref(), now, left))
    }
}
