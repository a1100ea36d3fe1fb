//! The sessions that the credentials of a request name, whether or not they are good now: those that a login
//! and a logout revoke.
//!
//! # Invariants
//!
//! 1. Nobody is let in by what is found here.

use super::auth::Auth;
#[cfg(feature = "pages")]
use crate::error::SessionError;
use crate::error::TokenError;
use crate::token::named_token::NamedToken;
use crate::web::answer::rejection::Rejection;
use crate::web::headers::credential::Credential;
use crate::web::headers::credentials::Credentials;

impl Auth {
    /// Returns what the cookies of the request name, whether they are good now or not, and why it may be more
    /// than that. They may name several sessions, if the browser keeps cookies in several forms or somebody
    /// planted one.
    pub(super) fn named_cookies(&self) -> (Vec<NamedToken>, Option<TokenError>) {
        let (mut named, doubt) = self.named_by_present_names();
        let (sessions, names) = (&self.shared.sessions, &self.shared.cookies.names.former);
        for cookie in &self.credentials.former {
            let is_access = names[cookie.name].is_access;
            let read = if is_access {
                sessions.name_access(cookie.value())
            } else {
                sessions.name_refresh(cookie.value())
            };
            if let Ok(token) = read {
                self.handle.note_former_cookie(cookie.name);
                if !named.iter().any(|known| known.names_the_same(&token)) {
                    named.push(token);
                }
            }
        }
        (named, doubt)
    }

    /// Returns what a request without a bearer token names: by its cookies, and by a token that stands in the
    /// header behind another scheme, or none.
    pub(super) fn named_without_bearer(&self) -> (Vec<NamedToken>, Option<TokenError>) {
        let (mut named, doubt) = self.named_cookies();
        let other = self.other_token.as_deref();
        named.extend(other.and_then(|token| self.shared.sessions.name_any(token).ok()));
        (named, doubt)
    }

    /// Tells whether a logout of this browser would end a session that is live, as far as can be known.
    #[cfg(feature = "pages")]
    pub(crate) async fn has_session_to_end(&self) -> Result<bool, Rejection> {
        let (sessions, (named, doubt)) = (&self.shared.sessions, self.named_without_bearer());
        for token in &named {
            match sessions.record_of(token).await {
                Ok(Some(session)) if session.is_live_at(sessions.now()) => return Ok(true),
                Ok(_) | Err(SessionError::Token(_)) => {}
                Err(error) => return Err(self.unknown(&error)),
            }
        }
        Ok(doubt.is_some())
    }

    /// Returns what cookies of the present names say. Another host may have set those of former names.
    fn named_by_present_names(&self) -> (Vec<NamedToken>, Option<TokenError>) {
        let Credentials { access, refresh, .. } = &self.credentials;
        let sessions = &self.shared.sessions;
        let read = access.values().iter().map(|token| sessions.name_access(token));
        let read = read.chain(refresh.values().iter().map(|token| sessions.name_refresh(token)));
        let mut named: Vec<NamedToken> = Vec::new();
        let mut doubt = None;
        for token in read {
            match token {
                Ok(token) if named.iter().any(|known| known.names_the_same(&token)) => {}
                Ok(token) => named.push(token),
                Err(error @ TokenError::UnknownKey) => doubt = doubt.or(Some(error)),
                // Not of this service.
                Err(_) => {}
            }
        }
        (named, doubt)
    }

    /// Returns the one subject of live sessions that the tokens of the request name; `None` if there is no
    /// such subject.
    pub(super) async fn named_subject(&self) -> Result<Option<String>, Rejection> {
        let sessions = &self.shared.sessions;
        let named = match &self.credentials.bearer {
            Credential::Absent => self.named_by_present_names().0,
            bearer => bearer.values().iter().filter_map(|token| sessions.name_bearer(token).ok()).collect(),
        };
        let mut subjects = Vec::new();
        for token in &named {
            match sessions.live_session_of(token).await {
                Ok(session) => subjects.extend(session.ok().map(|session| session.subject.clone())),
                Err(error) => return Err(self.unknown(&error)),
            }
        }
        subjects.dedup();
        Ok(subjects.pop().filter(|_| subjects.is_empty()))
    }
}
