//! A copy of everything in memory, made in one step: it takes as much memory again.

use std::vec;

use super::super::codec;
use super::super::requests::StoreFuture;
use super::super::whole_store::{
    CopiedRecord, CopyPage, CopyTotals, StoreCopy, StoreRecord, WholeStore, is_over,
};
use super::{MemoryStore, ready};

/// How many records a page has.
const PAGE: usize = 256;

#[derive(Debug)]
struct MemoryCopy {
    totals: CopyTotals,
    rest: vec::IntoIter<StoreRecord>,
    is_over: bool,
}

impl WholeStore for MemoryStore {
    fn copy(&self) -> StoreFuture<'_, Box<dyn StoreCopy>> {
        let accounts = self.lock_accounts();
        let kept = self.lock();
        let mut records = Vec::new();
        records.extend(accounts.values().cloned().map(StoreRecord::Account));
        let totals = CopyTotals {
            latest: self.time.latest(),
            ahead: self.time.ahead(),
            ..CopyTotals::new(kept.sessions.len() as u64, records.len() as u64)
        };
        records.extend(kept.sessions.values().map(|session| StoreRecord::Session(session.clone().into())));
        let tokens = kept.tokens.values().flatten();
        records.extend(
            tokens.map(|(generation, token)| StoreRecord::Token { generation: *generation, token: *token }),
        );
        records.extend(kept.trail.map(StoreRecord::TrailHead));
        records.extend(kept.events.values().cloned().map(StoreRecord::Event));
        let values = kept.values.iter();
        records.extend(values.map(|(key, value)| StoreRecord::Value { key: *key, value: value.clone() }));
        records.sort_by_cached_key(|record| codec::encode_key(&record.key()));
        ready(Box::new(MemoryCopy { totals, rest: records.into_iter(), is_over: false }))
    }
}

impl StoreCopy for MemoryCopy {
    fn expected(&self) -> CopyTotals {
        self.totals
    }

    fn next(&mut self) -> StoreFuture<'_, CopyPage> {
        if self.is_over {
            return Box::pin(std::future::ready(Err(is_over())));
        }
        let records: Vec<_> = self.rest.by_ref().take(PAGE).map(CopiedRecord::Kept).collect();
        self.is_over = self.rest.len() == 0;
        ready(CopyPage::new(records, self.is_over.then_some(self.totals)))
    }
}
