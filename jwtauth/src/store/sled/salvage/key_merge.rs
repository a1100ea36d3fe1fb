//! Brings together what pages say of the same key.
//!
//! The pages of a whole store hold a range of keys each, and no two the same. Where the newest state of a
//! page is damaged, an older one is in its place, which may reach into the range of its neighbours. Then the
//! newest statement counts: that a key has a value, or that a page which holds its range does not name it.
//! What was moved does not count where a page that was not names the key.
//!
//! Pages are read in the order of the first keys that matter of them, so that only those are in memory that
//! reach over the key that is looked at.

use std::collections::btree_map::{BTreeMap, IntoIter};
use std::io;
use std::iter::Peekable;
use std::ops::ControlFlow;

use super::log_scan::FoundMessage;
use super::page_state::{BodyReader, PagePlace, Statement};

/// A page that reaches over the key that is looked at.
struct OpenPage<'a> {
    place: &'a PagePlace,
    rest: Peekable<IntoIter<Vec<u8>, Statement>>,
}

impl<'a> OpenPage<'a> {
    fn new(place: &'a PagePlace, said: BTreeMap<Vec<u8>, Statement>) -> Self {
        Self { place, rest: said.into_iter().peekable() }
    }

    fn next_key(&mut self) -> Option<&Vec<u8>> {
        self.rest.peek().map(|(key, _)| key)
    }

    /// What the page says of a key that is not behind its next one, and whether it names it.
    fn statement(&mut self, key: &[u8]) -> Option<(bool, Statement)> {
        if self.next_key().is_some_and(|next| next == key) {
            return self.rest.next().map(|(_, statement)| (true, statement));
        }
        let since = self.place.since.filter(|_| self.place.covers(key))?;
        Some((false, Statement { lsn: since, value: None }))
    }

    fn is_over(&mut self, key: &[u8]) -> bool {
        let hi = &self.place.range.hi;
        self.next_key().is_none() && (self.place.since.is_none() || !hi.is_empty() && **hi <= *key)
    }
}

/// Calls `look` with each key that is there and its newest value, in the order of keys, until it says that it
/// has seen enough. Returns how many values do not prove themselves. `places` stand in the order of
/// [`PagePlace::from`].
pub(super) fn each_key(
    places: &[PagePlace],
    reader: &mut BodyReader,
    messages: &[FoundMessage],
    mut look: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> io::Result<u64> {
    let (mut open, mut unproven): (Vec<OpenPage<'_>>, _) = (Vec::new(), 0);
    let mut to_come = places.iter().peekable();
    loop {
        let mut key = open.iter_mut().filter_map(|page| page.next_key().cloned()).min();
        while let Some(place) = to_come.next_if(|place| key.as_ref().is_none_or(|key| place.from <= *key)) {
            let (said, lost) = place.statements(reader, messages)?;
            unproven += lost;
            let mut page = OpenPage::new(place, said);
            key = key.into_iter().chain(page.next_key().cloned()).min();
            open.push(page);
        }
        let Some(key) = key else { return Ok(unproven) };
        let said = open.iter_mut().filter_map(|page| Some((page.place, page.statement(&key)?)));
        let said: Vec<_> = said.collect();
        let is_named = said.iter().any(|(place, (names, _))| *names && !place.is_moved);
        let counts = said.into_iter().filter(|(place, _)| !(is_named && place.is_moved));
        let newest = counts.max_by_key(|(place, (_, statement))| (!place.is_free, statement.lsn));
        if let Some((_, (_, Statement { value: Some(value), .. }))) = newest
            && look(&key, &value).is_break()
        {
            return Ok(unproven);
        }
        open.retain_mut(|page| !page.is_over(&key));
    }
}
