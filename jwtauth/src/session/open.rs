//! A login opens a session; nothing a client sent becomes part of it (S-7).

use std::sync::Arc;

use super::end::MayEnd;
use super::pending_login::PendingLogin;
use super::{IssuedTokens, Sessions, Tokens};
use crate::device::Device;
use crate::error::{SessionError, StoreError};
use crate::events::Event;
use crate::id::{SessionId, TokenId};
use crate::record::{Session, Successor};
use crate::right_name::{NO_ROLE, NO_SCOPE, is_role, is_scope};
use crate::store::{LoginEffects, codec};
use crate::user::{AuthUser, kind_of, note_copies_of};

/// Longest subject, in bytes (OpenID Connect Core 1.0, section 2 allows 255).
const MAX_SUBJECT: usize = 255;

/// What a record has room for beside what a login or `update_user` writes, in bytes: the client, tokens that
/// are revoked alone, the revocation. Without it, a session could be opened that cannot be refreshed or
/// revoked.
const ROOM: usize = 4 * 1024;

/// When a login does what it does to other sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// Now: nobody knows of an answer that leaves later.
    AtOnce,
    /// With the answer, by [`Sessions::hand_out`].
    WithAnswer,
}

impl Sessions {
    /// Opens a session with new ids, durable when this returns. It revokes those in `replaces`.
    pub(crate) async fn open<U: AuthUser>(
        &self,
        user: &U,
        client: Device,
        replaces: Vec<SessionId>,
        eviction: Eviction,
    ) -> Result<IssuedTokens, SessionError> {
        let session = self.draft_for(user, client)?;
        self.ask_before_login(&session).await?;
        // Tokens first: if one is too large, no session is left behind.
        let own = self.own_claims(&session).await?;
        let mut issued = self.issue(session.clone(), &own, session.created_at)?;
        issued.pending = self.insert(user, &session, replaces, eviction).await?;
        Ok(issued)
    }

    /// Makes a session durable, and revokes those that it replaces or crowds out, or returns what does.
    pub(super) async fn insert<U: AuthUser>(
        &self,
        #[cfg_attr(not(feature = "accounts"), expect(unused_variables, reason = "only accounts change"))]
        user: &U,
        session: &Session,
        replaces: Vec<SessionId>,
        eviction: Eviction,
    ) -> Result<Option<Box<PendingLogin>>, SessionError> {
        let put_off = eviction == Eviction::WithAnswer;
        let uncounted = put_off.then(|| self.uncounted.add(session));
        let (replaced, ended) = (replaces.len(), if put_off { Vec::new() } else { replaces.clone() });
        let _following = self.ends.follow(MayEnd::These(&ended));
        // A session that it crowds out is among these.
        let others = MayEnd::Of { subject: &session.subject, except: Some(session.id) };
        let following_others = self.ends.follow(others);
        let effects = LoginEffects { put_off, ..self.effects_with_answer(session, replaces) };
        // From here on: a caller who hangs up while the session is being added has no tokens of it.
        let unclaimed = self.unclaimed(session.id);
        match self.within(self.store.insert(session.clone(), effects.clone())).await {
            Ok(()) => {}
            // It stands if it can be seen: only what it revokes is not on disk yet.
            Err(error @ SessionError::Store(StoreError::TimedOut { .. })) => {
                match self.is_kept(session.id).await {
                    Ok(true) => {}
                    Ok(false) => {
                        unclaimed.claim();
                        return Err(error);
                    }
                    // Nobody knows. It is revoked, if it is there.
                    Err(_) => return Err(error),
                }
            }
            Err(error) => {
                // The store has undone it.
                unclaimed.claim();
                return Err(error);
            }
        }
        #[cfg(feature = "accounts")]
        self.confirm(user, session.id).await?;
        self.emit(Event::Login { session: Arc::new(session.clone()), replaced }).await;
        if put_off {
            following_others.ended_nothing();
            let pending = PendingLogin::new(session.clone(), effects, Some(unclaimed), uncounted);
            return Ok(Some(Box::new(pending)));
        }
        unclaimed.claim();
        Ok(None)
    }

    async fn is_kept(&self, id: SessionId) -> Result<bool, SessionError> {
        if self.store.stands(id) {
            return Ok(true);
        }
        Ok(self.load(id).await?.is_some())
    }

    /// Opens a session for `user`, with tokens for a client that stores them itself. On disk when this
    /// returns.
    ///
    /// For browsers use [`Auth::login`](crate::Auth::login): scripts cannot read its cookies.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Inactive`] if the user may not log in ([`AuthUser::is_active`]),
    ///   [`SessionError::Vetoed`] if a hook refused, [`SessionError::HookTimedOut`] if a hook did not answer.
    /// - [`SessionError::Subject`], [`SessionError::User`] and [`SessionError::TokenTooLarge`] if the user
    ///   does not fit into a session or its tokens.
    /// - [`SessionError::Store`] if the store failed: nobody is logged in.
    pub async fn login<U: AuthUser>(&self, user: &U, client: Device) -> Result<Tokens, SessionError> {
        self.open(user, client, Vec::new(), Eviction::AtOnce).await.map(|issued| self.hand_over(issued))
    }

    /// Likewise, for an answer that leaves later.
    pub(crate) async fn login_with_answer<U: AuthUser>(
        &self,
        user: &U,
        client: Device,
    ) -> Result<(Tokens, Option<Box<PendingLogin>>), SessionError> {
        let mut issued = self.open(user, client, Vec::new(), Eviction::WithAnswer).await?;
        let pending = issued.pending.take();
        Ok((self.hand_over(issued), pending))
    }

    /// Returns the session that a login of `user` from `client` would open now, if the user is active.
    pub(super) fn draft_for<U: AuthUser>(&self, user: &U, client: Device) -> Result<Session, SessionError> {
        if !user.is_active() {
            return Err(SessionError::Inactive);
        }
        Ok(Session { last_address: client.address, device: client, ..self.draft(user)? })
    }

    /// Returns the session that a login of `user` would open now. Nobody knows it yet.
    pub(super) fn draft<U: AuthUser>(&self, user: &U) -> Result<Session, SessionError> {
        let subject = user.subject();
        if !(1..=MAX_SUBJECT).contains(&subject.len()) {
            return Err(SessionError::Subject { got: subject.len() });
        }
        let roles = named("roles", user.roles(), is_role, NO_ROLE)?;
        let scopes = named("scopes", user.scopes(), is_scope, NO_SCOPE)?;
        let copy = user.session_copy().map_err(SessionError::User)?;
        if copy.is_some() {
            note_copies_of::<U>();
        }
        let now = self.clock.now();
        let absolute_expires_at = now.saturating_add(self.config.absolute_ttl.as_secs());
        let session = Session {
            roles,
            scopes,
            user: copy,
            user_kind: Some(kind_of::<U>().to_owned()),
            ..self.new_session(subject, now, absolute_expires_at)?
        };
        check_room(&session)?;
        Ok(session)
    }

    /// Returns a session with new ids that nobody knows yet. It has no roles, no scopes, no user and no
    /// device.
    pub(super) fn new_session(
        &self,
        subject: String,
        now: u64,
        absolute_expires_at: u64,
    ) -> Result<Session, SessionError> {
        let tokens = Successor::new(TokenId::random()?, TokenId::random()?);
        Ok(Session {
            absolute_expires_at,
            expires_at: now.saturating_add(self.config.refresh_ttl.as_secs()).min(absolute_expires_at),
            ..Session::new(SessionId::random()?, subject, now, tokens)
        })
    }
}

/// Refuses a session whose record would leave no room for what happens to it later.
pub(super) fn check_room(session: &Session) -> Result<(), SessionError> {
    let (got, max) = (codec::session_len(session), codec::MAX_RECORD - ROOM);
    if got <= max {
        return Ok(());
    }
    let problem = format!(
        "user value, roles and scopes have {got} bytes with what is kept beside them, and {max} are the most: keep less in the user value"
    );
    Err(SessionError::User(problem.into()))
}

/// Returns roles or scopes, if each is a name: a token would say something else of it. Empty ones are left
/// out: splitting a text leaves one where there is none.
fn named(
    what: &'static str,
    mut names: Vec<String>,
    is_name: fn(&str) -> bool,
    rule: &'static str,
) -> Result<Vec<String>, SessionError> {
    names.retain(|name| !name.is_empty());
    match names.iter().find(|name| !is_name(name)) {
        Some(bad) => Err(SessionError::User(format!("`{what}` has {bad:?}: {rule}").into())),
        None => Ok(names),
    }
}
