//! An API key in the line of its session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::record::ApiKey;

/// What an export says of an API key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyLine {
    name: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<HashText>,
}

/// A SHA-256 in base64url.
struct HashText([u8; 32]);

impl Serialize for HashText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for HashText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = BASE64URL.decode(String::deserialize(deserializer)?).ok();
        let hash = bytes.and_then(|bytes| bytes.try_into().ok());
        hash.map(Self).ok_or_else(|| de::Error::custom("a hash has 43 characters of base64url"))
    }
}

impl ApiKeyLine {
    pub(super) fn of(key: &ApiKey, hashes: bool) -> Self {
        let ApiKey { name, roles, scopes, hash } = key.clone();
        Self { name, roles, scopes, hash: hashes.then_some(HashText(hash)) }
    }
}

impl From<ApiKeyLine> for ApiKey {
    fn from(line: ApiKeyLine) -> Self {
        // Without a hash no key fits: nobody finds a text that has this one.
        let hash = line.hash.map_or([0; 32], |HashText(hash)| hash);
        Self { roles: line.roles, scopes: line.scopes, ..Self::new(line.name, hash) }
    }
}
