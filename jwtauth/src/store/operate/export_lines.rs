//! The lines of an export: each is one JSON object with a member `kind`.
//!
//! | `kind` | what it is |
//! |---|---|
//! | `jwtauth` | the first line: version of the format, when, and whether hashes are left out |
//! | `account`, `event`, `session`, `token`, `trail_head`, `value` | a record |
//! | `removed` | the record with this key, in base64url, which came before, is gone |
//! | `end` | the last line: how many lines are before it |
//!
//! Of several lines about one record the last one counts: the store changed while it was exported. Members
//! that are `null` may be left out. Others than these are refused: they may say what a newer release means.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::account_store::{PasswordHash, StoredAccount};
use super::super::codec;
use super::super::value_store::{StoredValue, ValueKey};
use super::super::whole_store::{CopiedRecord, StoreRecord};
use super::api_key_line::ApiKeyLine;
use super::line_names::{ReasonName, TokenKindName, UseName};
use crate::device::Device;
use crate::id::AccountId;
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, RevokedToken, Session};
use crate::registry::TokenRecord;

/// The version that is written and read.
pub(super) const VERSION: u32 = 1;

/// Which kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LineKind {
    Jwtauth,
    Account,
    Session,
    Event,
    #[serde(rename = "trail_head")]
    TrailHead,
    Token,
    Value,
    Removed,
    End,
}

/// A record that is written as it is, with its kind in front.
#[derive(Serialize)]
struct KindOf<'r, R> {
    kind: LineKind,
    #[serde(flatten)]
    record: &'r R,
}

/// What every line has.
#[derive(Deserialize)]
pub(super) struct AnyLine {
    pub(super) kind: LineKind,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstLine {
    pub(super) kind: LineKind,
    pub(super) version: u32,
    pub(super) taken_at: u64,
    pub(super) hashes: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    pub(super) kind: LineKind,
    pub(super) lines: u64,
    /// How many records of the store could not be read, if there were any.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) unreadable: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_none(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemovedLine {
    kind: LineKind,
    record: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountLine {
    kind: LineKind,
    id: AccountId,
    name: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    roles: Vec<String>,
    active: bool,
    revision: u64,
    created_at: u64,
    password_changed_at: u64,
    last_login: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionLine {
    kind: LineKind,
    id: SessionId,
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    user: Option<Box<RawValue>>,
    user_kind: Option<String>,
    created_at: u64,
    auth_time: u64,
    absolute_expires_at: u64,
    expires_at: u64,
    generation: u64,
    rotated_at: u64,
    confirmed: bool,
    agent: Option<u64>,
    refresh_id: TokenId,
    access_id: TokenId,
    access_issued_at: u64,
    revoked_tokens: Vec<(TokenId, u64)>,
    device: Device,
    last_address: Option<IpAddr>,
    revoked: Option<(u64, ReasonName)>,
    /// Only of an API key. Earlier exports do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key: Option<ApiKeyLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenLine {
    kind: LineKind,
    id: TokenId,
    session: SessionId,
    generation: u64,
    token: TokenKindName,
    parent: Option<TokenId>,
    issued_at: u64,
    expires_at: u64,
    revoked_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueLine {
    kind: LineKind,
    key: String,
    expires_at: u64,
    /// In base64url; `null` marks a value that was removed.
    bytes: Option<String>,
    /// Earlier exports do not say it.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    value_use: Option<UseName>,
}

/// Returns a record as its line, without the end of the line.
pub(super) fn line_of(record: &CopiedRecord, hashes: bool) -> serde_json::Result<Vec<u8>> {
    match record {
        CopiedRecord::Kept(StoreRecord::Account(account)) => serde_json::to_vec(&AccountLine {
            kind: LineKind::Account,
            id: account.id,
            name: account.name.clone(),
            key: account.key.clone(),
            hash: hashes.then(|| account.hash.as_phc().to_owned()),
            roles: account.roles.clone(),
            active: account.active,
            revision: account.revision,
            created_at: account.created_at,
            password_changed_at: account.password_changed_at,
            last_login: account.last_login,
        }),
        CopiedRecord::Kept(StoreRecord::Event(event)) => {
            serde_json::to_vec(&KindOf { kind: LineKind::Event, record: event })
        }
        CopiedRecord::Kept(StoreRecord::TrailHead(head)) => {
            serde_json::to_vec(&KindOf { kind: LineKind::TrailHead, record: head })
        }
        CopiedRecord::Kept(StoreRecord::Session(session)) => {
            serde_json::to_vec(&session_line(session, hashes)?)
        }
        CopiedRecord::Kept(StoreRecord::Token { generation, token }) => serde_json::to_vec(&TokenLine {
            kind: LineKind::Token,
            id: token.id,
            session: token.session,
            generation: *generation,
            token: TokenKindName(token.kind),
            parent: token.parent,
            issued_at: token.issued_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }),
        CopiedRecord::Kept(StoreRecord::Value { key, value }) => serde_json::to_vec(&ValueLine {
            kind: LineKind::Value,
            key: BASE64URL.encode(key.as_bytes()),
            expires_at: value.expires_at,
            bytes: value.bytes.as_ref().map(|bytes| BASE64URL.encode(bytes)),
            value_use: UseName::of(value.value_use),
        }),
        CopiedRecord::Removed(key) => serde_json::to_vec(&RemovedLine {
            kind: LineKind::Removed,
            record: BASE64URL.encode(codec::encode_key(key)),
        }),
    }
}

fn session_line(session: &Session, hashes: bool) -> serde_json::Result<SessionLine> {
    let user = session.user.as_deref().map(|user| {
        let value: Box<RawValue> = serde_json::from_slice(user)?;
        // One line for each record, however the application has written it, and no white space that would be
        // escaped like text.
        if !value.get().contains(|c: char| c.is_ascii_control()) {
            return Ok(value);
        }
        serde_json::value::to_raw_value(&serde_json::from_str::<serde_json::Value>(value.get())?)
    });
    Ok(SessionLine {
        kind: LineKind::Session,
        id: session.id,
        subject: session.subject.clone(),
        roles: session.roles.clone(),
        scopes: session.scopes.clone(),
        user: user.transpose()?,
        user_kind: session.user_kind.clone(),
        created_at: session.created_at,
        auth_time: session.auth_time,
        absolute_expires_at: session.absolute_expires_at,
        expires_at: session.expires_at,
        generation: session.generation,
        rotated_at: session.rotated_at,
        confirmed: session.confirmed,
        agent: session.agent,
        refresh_id: session.refresh_id,
        access_id: session.access_id,
        access_issued_at: session.access_issued_at,
        revoked_tokens: session.revoked_tokens.iter().map(|token| (token.id, token.expires_at)).collect(),
        device: session.device.clone(),
        last_address: session.last_address,
        revoked: session.revoked.map(|revocation| (revocation.at, ReasonName(revocation.reason))),
        api_key: session.api_key.as_ref().map(|key| ApiKeyLine::of(key, hashes)),
    })
}

/// Reads the line of a record. `None` if it is none of a record, or one that this build cannot keep.
pub(super) fn record_of(kind: LineKind, line: &[u8]) -> serde_json::Result<Option<CopiedRecord>> {
    let record = match kind {
        LineKind::Account => StoreRecord::Account(serde_json::from_slice::<AccountLine>(line)?.into()),
        LineKind::Event => StoreRecord::Event(serde_json::from_slice(line)?),
        LineKind::TrailHead => StoreRecord::TrailHead(serde_json::from_slice(line)?),
        LineKind::Session => {
            StoreRecord::Session(Box::new(serde_json::from_slice::<SessionLine>(line)?.into()))
        }
        LineKind::Token => {
            let line: TokenLine = serde_json::from_slice(line)?;
            let token =
                TokenRecord::new(line.id, line.session, line.token.0, line.issued_at, line.expires_at);
            let token = TokenRecord { parent: line.parent, revoked_at: line.revoked_at, ..token };
            StoreRecord::Token { generation: line.generation, token }
        }
        LineKind::Value => {
            let line: ValueLine = serde_json::from_slice(line)?;
            let Some(key) = bytes(&line.key).and_then(|key| key.try_into().ok()) else { return Ok(None) };
            let kept = match &line.bytes {
                Some(text) => Some(match bytes(text) {
                    Some(bytes) => bytes,
                    None => return Ok(None),
                }),
                None => None,
            };
            let value_use = line.value_use.map(UseName::into).unwrap_or_default();
            let value = StoredValue { expires_at: line.expires_at, bytes: kept, value_use };
            StoreRecord::Value { key: ValueKey::from_bytes(key), value }
        }
        LineKind::Removed => {
            let line: RemovedLine = serde_json::from_slice(line)?;
            return Ok(bytes(&line.record)
                .and_then(|key| codec::decode_key(&key))
                .map(CopiedRecord::Removed));
        }
        _ => return Ok(None),
    };
    Ok(Some(CopiedRecord::Kept(record)))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

impl From<AccountLine> for StoredAccount {
    fn from(line: AccountLine) -> Self {
        // Without a hash no password fits.
        let hash = PasswordHash::from_phc(line.hash.unwrap_or_default());
        let account = Self::new(line.id, line.name, line.key, hash, line.created_at);
        Self {
            roles: line.roles,
            active: line.active,
            revision: line.revision,
            password_changed_at: line.password_changed_at,
            last_login: line.last_login,
            ..account
        }
    }
}

impl From<SessionLine> for Session {
    fn from(line: SessionLine) -> Self {
        let revoked_tokens =
            line.revoked_tokens.into_iter().map(|(id, expires_at)| RevokedToken { id, expires_at });
        // Each field by its name: a new one must not be lost here.
        Self {
            id: line.id,
            subject: line.subject,
            roles: line.roles,
            scopes: line.scopes,
            user: line.user.map(|user| user.get().as_bytes().to_vec()),
            user_kind: line.user_kind,
            created_at: line.created_at,
            auth_time: line.auth_time,
            absolute_expires_at: line.absolute_expires_at,
            expires_at: line.expires_at,
            generation: line.generation,
            rotated_at: line.rotated_at,
            confirmed: line.confirmed,
            agent: line.agent,
            refresh_id: line.refresh_id,
            access_id: line.access_id,
            access_issued_at: line.access_issued_at,
            revoked_tokens: revoked_tokens.collect(),
            device: line.device,
            last_address: line.last_address,
            revoked: line.revoked.map(|(at, reason)| Revocation { at, reason: reason.0 }),
            api_key: line.api_key.map(Into::into),
        }
    }
}
