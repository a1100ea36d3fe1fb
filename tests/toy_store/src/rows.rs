//! The map of bytes: which key stands for what.

use std::collections::BTreeMap;

use jwtauth::error::StoreError;
use jwtauth::store::{StoredValue, ValueKey, codec, rules};
use jwtauth::{AccountId, Session, SessionId, TokenId, TokenKind, TokenRecord};

/// The kinds of token, by the number that keys have for them.
const KINDS: [TokenKind; 3] = [TokenKind::Refresh, TokenKind::Access, TokenKind::Sliding];

type Key = Vec<u8>;

/// Every record, under a key that begins with a letter for its kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows(BTreeMap<Key, Vec<u8>>);

pub(crate) fn session_key(id: SessionId) -> Key {
    [b"s", &id.as_bytes()[..]].concat()
}

pub(crate) fn value_key(key: ValueKey) -> Key {
    [b"v", &key.as_bytes()[..]].concat()
}

pub(crate) fn account_key(id: AccountId) -> Key {
    [b"a", &id.as_bytes()[..]].concat()
}

/// Session, generation, number of the kind, token: so the records of a session are in the order in which they were issued.
fn token_key(session: &Session, token: &TokenRecord) -> Key {
    let number = KINDS.iter().position(|known| *known == token.kind).unwrap_or(KINDS.len());
    let generation = session.generation.to_be_bytes();
    [b"t", &session.id.as_bytes()[..], &generation, &[number as u8], token.id.as_bytes()].concat()
}

impl Rows {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    pub(crate) fn put(&mut self, key: Key, bytes: Vec<u8>) {
        self.0.insert(key, bytes);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    /// Returns the rows of a kind, or of a part of it, and what stands behind the prefix in their keys.
    pub(crate) fn with_prefix<'r>(
        &'r self,
        prefix: &'r [u8],
    ) -> impl Iterator<Item = (&'r Key, &'r [u8], &'r [u8])> {
        let rows = self.0.iter();
        rows.filter_map(move |(key, bytes)| Some((key, key.strip_prefix(prefix)?, bytes.as_slice())))
    }

    pub(crate) fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let rows =
            self.with_prefix(b"s").filter_map(|(key, id, bytes)| Some((key, id.try_into().ok()?, bytes)));
        rows.map(|(key, id, bytes)| Ok(codec::decode_session(key, SessionId::from_bytes(id), bytes)?))
            .collect()
    }

    pub(crate) fn values(&self) -> Result<Vec<(Key, StoredValue)>, StoreError> {
        let rows = self.with_prefix(b"v");
        rows.map(|(key, _, bytes)| Ok((key.clone(), codec::decode_value(key, bytes)?))).collect()
    }

    pub(crate) fn remove_session(&mut self, id: SessionId) {
        let tokens = [b"t", &id.as_bytes()[..]].concat();
        self.0.retain(|key, _| !key.starts_with(&tokens));
        self.remove(&session_key(id));
    }

    pub(crate) fn tokens(&self) -> Result<Vec<(Key, TokenRecord)>, StoreError> {
        let mut tokens = Vec::new();
        for (key, rest, bytes) in self.with_prefix(b"t") {
            let Some((id, rest)) = rest.split_first_chunk::<16>() else { continue };
            let Some(kind) = rest.get(8).and_then(|number| KINDS.get(usize::from(*number))) else { continue };
            let token = codec::decode_token(key, SessionId::from_bytes(*id), *kind, bytes)?;
            tokens.push((key.clone(), token));
        }
        Ok(tokens)
    }

    pub(crate) fn tokens_of(&self, session: SessionId) -> Result<Vec<(Key, TokenRecord)>, StoreError> {
        let mut tokens = self.tokens()?;
        tokens.retain(|(_, token)| token.session == session);
        Ok(tokens)
    }

    /// Adds the records of tokens that were issued for the generation that `session` has now.
    pub(crate) fn add_tokens(&mut self, session: &Session, tokens: &[TokenRecord]) {
        for token in tokens {
            let key = token_key(session, token);
            let bytes = codec::encode_token(&key, token);
            self.put(key, bytes);
        }
    }

    /// Removes the oldest records of the tokens of a session, if there are too many.
    pub(crate) fn forget_surplus(&mut self, session: SessionId) -> Result<(), StoreError> {
        let tokens = self.tokens_of(session)?;
        let surplus = rules::surplus(tokens.len());
        tokens.iter().take(surplus).for_each(|(key, _)| self.remove(key));
        Ok(())
    }

    pub(crate) fn spend(&mut self, session: SessionId, token: TokenId, now: u64) -> Result<(), StoreError> {
        for (key, mut record) in self.tokens_of(session)? {
            if record.id == token {
                rules::spend(&mut record, now);
                let bytes = codec::encode_token(&key, &record);
                self.put(key, bytes);
            }
        }
        Ok(())
    }
}
