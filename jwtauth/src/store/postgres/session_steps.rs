//! What happens to sessions that are there: what each operation reads, and what it makes of the rules.

use super::super::requests::{RotationRequest, SubjectRevocation, Swept, TokenRevocation, UserUpdate};
use super::super::rules;
use super::freshness::Touched;
use super::rows;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};

/// Surplus records of tokens are looked for in each generation that is a multiple of this.
const LOOKS_EACH: u64 = 64;

/// Spends a refresh token.
pub(super) struct Rotate {
    pub(super) request: RotationRequest,
    /// The generation of which a client has shown a token, if that is not in the database yet.
    pub(super) confirmed: Option<u64>,
}

impl DatabaseStep for Rotate {
    type Outcome = Option<(Rotation, Session)>;

    fn touches(&self) -> Touched {
        Touched::One(self.request.session)
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Outcome, StepError> {
        let request = &self.request;
        let Some(mut before) = transaction.lock_session(request.session).await? else { return Ok(None) };
        if let Some(generation) = self.confirmed {
            before.confirm(generation);
        }
        let outcome = rules::rotate(&before, request);
        if outcome.rotation.is_change() {
            transaction.change_session(&outcome.session)?;
        }
        if let Some((kind, token)) = outcome.spent {
            let (session, generation) = (request.session.as_bytes(), before.generation);
            let from = rows::place(generation, kind, token);
            let to = [&from[..], &[0]].concat();
            let params = vec![session[..].into(), from.into(), to.into()];
            let found = transaction.query(&transaction.statements().lock_tokens, params).await?;
            for row in &found {
                let Some((generation, mut token)) = rows::readable_token(row)? else { continue };
                rules::spend(&mut token, request.now);
                transaction.put_token(generation, token)?;
            }
        }
        let generation = outcome.session.generation;
        for token in &outcome.issued {
            transaction.put_token(generation, *token)?;
        }
        let is_due = generation.is_multiple_of(LOOKS_EACH) || outcome.rotation == Rotation::Reissued;
        if is_due && !outcome.issued.is_empty() {
            transaction.forget_tokens(request.session);
        }
        Ok(Some((outcome.rotation, outcome.session)))
    }
}

/// Notes for each session that a client has shown a token of this generation.
pub(super) struct Confirm(pub(super) Vec<(SessionId, u64)>);

impl DatabaseStep for Confirm {
    type Outcome = ();

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        let ids = rows::ids(self.0.iter().map(|(id, _)| *id));
        for row in transaction.query(&transaction.statements().lock_sessions, vec![ids]).await? {
            // A record that cannot be read says so to the next operation.
            let Ok(mut session) = rows::session(&row) else { continue };
            let shown = self.0.iter().find(|(id, _)| *id == session.id);
            if shown.is_some_and(|(_, generation)| session.confirm(*generation)) {
                transaction.change_session(&session)?;
            }
        }
        Ok(())
    }
}

pub(super) struct Revoke(pub(super) SessionId, pub(super) Revocation);

impl DatabaseStep for Revoke {
    type Outcome = bool;

    fn touches(&self) -> Touched {
        Touched::One(self.0)
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        let Some(mut session) = transaction.lock_session(self.0).await? else { return Ok(false) };
        let revoked = session.revoke(self.1);
        if revoked {
            transaction.change_session(&session)?;
        }
        Ok(revoked)
    }
}

pub(super) struct RevokeSubject(pub(super) String, pub(super) SubjectRevocation);

impl DatabaseStep for RevokeSubject {
    type Outcome = usize;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<usize, StepError> {
        transaction.alter_all(&self.0, |session| rules::revoke_subject(session, &self.1)).await
    }
}

impl DatabaseStep for TokenRevocation {
    type Outcome = bool;

    fn touches(&self) -> Touched {
        Touched::One(self.session)
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        let Some(mut session) = transaction.lock_session(self.session).await? else { return Ok(false) };
        let revoked = rules::revoke_token(&mut session, self);
        if revoked {
            transaction.change_session(&session)?;
            let params = vec![self.session.as_bytes()[..].into()];
            for row in transaction.query(&transaction.statements().tokens_of, params).await? {
                let Some((generation, mut token)) = rows::readable_token(&row)? else { continue };
                if token.id == self.token {
                    rules::spend(&mut token, self.now);
                    transaction.put_token(generation, token)?;
                }
            }
        }
        Ok(revoked)
    }
}

pub(super) struct UpdateUser {
    pub(super) subject: String,
    pub(super) update: UserUpdate,
}

impl DatabaseStep for UpdateUser {
    type Outcome = usize;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<usize, StepError> {
        let rule = |session: &mut Session| rules::update_user(session, &self.update);
        transaction.alter_all(&self.subject, rule).await
    }
}

/// One batch of a sweep. What others are busy with is left for the next one.
pub(super) struct Sweep {
    pub(super) now: u64,
    pub(super) limit: usize,
}

impl DatabaseStep for Sweep {
    type Outcome = Swept;

    fn touches(&self) -> Touched {
        // Only what is over anyway.
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Swept, StepError> {
        let limit = self.limit as u64;
        // What has expired stays so, whose clock ever is set back.
        let time = transaction.time();
        if let Some(news) = time.news() {
            transaction.write(&transaction.statements().keep_time, vec![news.into()]);
        }
        transaction.write(&transaction.statements().latest_time, Vec::new());
        let params = vec![self.now.into(), limit.into()];
        transaction.write(&transaction.statements().sweep_sessions, params);
        let mut rows = transaction.send().await?;
        let found = rows.pop().unwrap_or_default();
        time.raise(rows::number(&rows.pop().unwrap_or_default())?, 0);
        let mut swept = Swept { removed: found.len(), more: found.len() == self.limit, ..Swept::default() };
        let (mut gone, mut subjects) = (Vec::new(), Vec::new());
        for row in &found {
            gone.push(rows::bytes(row, 0)?.to_vec());
            subjects.push(rows::bytes(row, 1)?.to_vec());
            // One that cannot be read is only removed.
            let Ok(session) = rows::session(row) else { continue };
            swept.expired.extend(Some(session).filter(rules::is_reported));
        }
        if !gone.is_empty() {
            transaction.write(&transaction.statements().remove_tokens_of, vec![gone.into()]);
            transaction.forget_subjects(subjects);
        }
        if !swept.more {
            let params = vec![self.now.into(), (limit - found.len() as u64).into()];
            let values = transaction.query(&transaction.statements().sweep_values, params).await?.len();
            swept.removed += values;
            swept.more = swept.removed == self.limit;
        }
        Ok(swept)
    }
}

/// One batch of an archive.
pub(super) struct Archive {
    pub(super) before: u64,
    pub(super) limit: usize,
}

impl DatabaseStep for Archive {
    type Outcome = Swept;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Swept, StepError> {
        let params = vec![self.before.into(), (self.limit as u64).into()];
        let removed = transaction.query(&transaction.statements().archive_tokens, params).await?.len();
        let mut swept = Swept::default();
        (swept.removed, swept.more) = (removed, removed == self.limit);
        Ok(swept)
    }
}
