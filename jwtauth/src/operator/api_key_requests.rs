//! Carries out the requests on API keys.

use std::time::Duration;

use super::messages::OperatorAnswer;
use super::session_row::SessionRow;
use super::wiped::ShownApiKey;
use super::{OperatorError, OperatorTarget};
use crate::error::{ApiKeyError, SessionError};
use crate::record::Session;
use crate::session::{ApiKeyOrigin, ApiKeyRequest, IssuedApiKey};

const DAY: u64 = 24 * 60 * 60;

/// Puts a request together.
pub(super) fn wanted(
    name: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    ttl: Option<u64>,
) -> ApiKeyRequest {
    let request = roles.into_iter().fold(ApiKeyRequest::new(name), ApiKeyRequest::role);
    let request = scopes.into_iter().fold(request, ApiKeyRequest::scope);
    match ttl {
        Some(seconds) => request.ttl(Duration::from_secs(seconds)),
        None => request,
    }
}

impl OperatorTarget {
    /// Makes a key for a user.
    pub(super) async fn create_api_key(
        &self,
        owner: &str,
        request: ApiKeyRequest,
    ) -> Result<OperatorAnswer, OperatorError> {
        let subject = self.known_subject(owner).await?;
        let made = self.api_key_of(&subject, owner, request).await?;
        self.sessions.flush().await.map_err(OperatorError::of_store)?;
        let row = SessionRow::at(self.sessions.now(), made.session());
        Ok(OperatorAnswer::ApiKey { row, secret: ShownApiKey::new(made.secret().to_owned()) })
    }

    async fn api_key_of(
        &self,
        subject: &str,
        owner: &str,
        request: ApiKeyRequest,
    ) -> Result<IssuedApiKey, OperatorError> {
        #[cfg(feature = "accounts")]
        if let (Some(accounts), Ok(id)) = (&self.accounts, subject.parse())
            && let Some(account) = accounts.by_id(id).await.map_err(OperatorError::of_store)?
        {
            let made = self.sessions.create_api_key(&account, request).await;
            return made.map_err(|error| failed(owner, error));
        }
        // What such users may do only their logins say.
        let own = self.sessions.list(subject).await.map_err(OperatorError::of_store)?;
        let login = own.iter().find(|session: &&Session| session.api_key.is_none()).ok_or_else(|| {
            OperatorError::Refused(format!(
                "{owner:?} has no live login, which would say what a key of theirs may do: let them log in, and do this again"
            ))
        })?;
        // That login lends its rights, and has asked for nothing.
        let origin = ApiKeyOrigin::default();
        let made = self.sessions.create_api_key_by(login, request, origin).await;
        made.map_err(|error| failed(owner, error))
    }
}

/// What the store says is a failure, and what the key says a refusal: to an operator, of somebody else.
fn failed(owner: &str, error: ApiKeyError) -> OperatorError {
    match error {
        ApiKeyError::Session(SessionError::Store(_)) => OperatorError::of_store(error),
        ApiKeyError::Session(SessionError::Inactive) => {
            OperatorError::Refused(format!("{owner:?} is not active: enable the account first"))
        }
        ApiKeyError::Session(error) => OperatorError::Refused(error.to_string()),
        ApiKeyError::Right { kind, name } => OperatorError::Refused(format!(
            "a key has no more than its owner: {owner:?} does not have the {kind} {name:?}"
        )),
        ApiKeyError::Ttl { max } if max >= DAY => OperatorError::Refused(format!(
            "the lifetime of the key is refused: it is 1 day at least, and {} days at most",
            max / DAY
        )),
        ApiKeyError::Off => OperatorError::Refused(
            "the server of this store has no API keys: turn them on in its program with `.api_keys(ApiKeyConfig::default())`, start it once, and do this again".into(),
        ),
        error => OperatorError::Refused(error.to_string()),
    }
}
