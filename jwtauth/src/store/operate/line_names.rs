//! Names in the lines of an export, for what has a few values only. They stand in files: never change one.

use serde::{Deserialize, Serialize};

use super::super::value_store::ValueUse;
use crate::record::RevocationReason;
use crate::registry::TokenKind;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(remote = "RevocationReason", rename_all = "snake_case")]
enum ReasonText {
    Evicted,
    Inactive,
    Logout,
    LogoutAll,
    Replaced,
    Requested,
    Reused,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReasonName(#[serde(with = "ReasonText")] pub(super) RevocationReason);

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(remote = "TokenKind", rename_all = "lowercase")]
enum TokenKindText {
    Access,
    Refresh,
    Sliding,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TokenKindName(#[serde(with = "TokenKindText")] pub(super) TokenKind);

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UseName {
    MayLetIn,
    KeepsOut,
}

impl UseName {
    pub(super) const fn of(value_use: ValueUse) -> Option<Self> {
        match value_use {
            ValueUse::Unsaid => None,
            ValueUse::MayLetIn => Some(Self::MayLetIn),
            ValueUse::KeepsOut => Some(Self::KeepsOut),
        }
    }
}

impl From<UseName> for ValueUse {
    fn from(name: UseName) -> Self {
        match name {
            UseName::MayLetIn => Self::MayLetIn,
            UseName::KeepsOut => Self::KeepsOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lists, the audit trail and exports call a reason is one word.
    #[test]
    fn a_reason_has_one_name() {
        for name in ["evicted", "inactive", "logout", "logout_all", "replaced", "requested", "reused"] {
            let ReasonName(reason) = serde_json::from_value(name.into()).unwrap();
            assert_eq!(reason.name(), name);
        }
    }
}
