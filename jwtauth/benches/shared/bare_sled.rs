//! sled alone, with the rows that a store writes for the same sessions, in groups as large, each on disk
//! before the next one is begun. What a change costs beyond this is ours.

use std::fs::{File, OpenOptions};
use std::path::Path;

use jwtauth::store::Successor;
use jwtauth::store::codec::encode_session;
use jwtauth::{Session, SessionId, TokenId};
use sled::{Batch, Db};

/// When the first session expires, in Unix seconds.
const EXPIRES_AT: u64 = 1_800_000_000;
/// How many sessions expire in the same second.
const A_SECOND: usize = 10_000;
/// How many bytes the totals of a store have, more or less.
const TOTALS: usize = 80;

pub(crate) struct BareSled {
    tree: Db,
    file: File,
    /// The ids of all sessions, in the order of their expiry.
    ids: Vec<SessionId>,
    changes: u64,
}

impl BareSled {
    pub(crate) fn open(directory: &Path) -> Self {
        let tree = sled::Config::new().path(directory).cache_capacity(96 * 1024 * 1024).open();
        let file = OpenOptions::new().write(true).open(directory.join("db")).expect("its file");
        Self { tree: tree.expect("it opens"), file, ids: Vec::new(), changes: 0 }
    }

    /// Adds sessions, and waits until they are on disk.
    pub(crate) fn add(&mut self, count: usize) {
        let mut batch = Batch::default();
        for number in self.ids.len()..self.ids.len() + count {
            let id = SessionId::random().expect("random bytes");
            let [record, subject, expiry] = keys(number, id);
            let tokens = || TokenId::random().expect("random bytes");
            let mut session =
                Session::new(id, number.to_string(), EXPIRES_AT, Successor::new(tokens(), tokens()));
            session.roles = vec!["admin".into()];
            session.user =
                Some(format!(r#"{{"id":{number},"name":"user {number}","roles":["admin"]}}"#).into_bytes());
            session.user_kind = Some("logins::User".into());
            let bytes = encode_session(&record, &session).expect("it is not too large");
            batch.insert(record, bytes);
            batch.insert(subject, Vec::new());
            batch.insert(expiry, Vec::new());
            self.ids.push(id);
        }
        self.apply(batch);
        self.tree.flush().expect("it is written");
        self.file.sync_data().expect("it is on disk");
    }

    /// Removes all sessions, in the order of their expiry, so many at a time. Waits for nothing, as a sweep.
    pub(crate) fn sweep(&mut self, at_once: usize) {
        let ids: Vec<_> = std::mem::take(&mut self.ids).into_iter().enumerate().collect();
        for ids in ids.chunks(at_once) {
            let mut batch = Batch::default();
            for key in ids.iter().flat_map(|(number, id)| keys(*number, *id)) {
                batch.remove(key);
            }
            self.apply(batch);
        }
    }

    fn apply(&mut self, mut batch: Batch) {
        self.changes += 1;
        batch.insert(b"m", [&self.changes.to_be_bytes()[..], &[0; TOTALS]].concat());
        self.tree.apply_batch(batch).expect("it is written");
    }
}

/// The keys of the record of a session, and of its entries in both indexes.
fn keys(number: usize, id: SessionId) -> [Vec<u8>; 3] {
    let (id, subject) = (id.as_bytes(), number.to_string());
    let expires_at = EXPIRES_AT + (number / A_SECOND) as u64;
    let len = u16::try_from(subject.len()).expect("it is short");
    [
        [b"s", &id[..]].concat(),
        [b"u", &len.to_be_bytes()[..], subject.as_bytes(), id].concat(),
        [b"x", &expires_at.to_be_bytes()[..], id].concat(),
    ]
}
