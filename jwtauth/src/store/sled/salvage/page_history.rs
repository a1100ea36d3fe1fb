//! All states of all pages that are whole, however old: for a log in which newer ones are missing.
//!
//! A page that is split leaves half of its keys to a new neighbour, and one that is merged takes over those
//! of another. Where that one is lost, its keys stand only in a state of the page that sled does not need any
//! more. What newer states say of a key counts before what older ones do, so none of these does harm.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use super::log_message::LogKind;
use super::log_scan::FoundMessage;
use super::page_bytes::{PageItems, PageRange, page};
use super::page_state::{BodyReader, PagePlace};

/// The beginnings of keys of all kinds, for changes of a page of which nothing else is known.
const KINDS: [&[u8]; 5] = [b"a", b"e", b"s", b"t", b"v"];

/// What was found so far.
#[derive(Default)]
struct History {
    places: Vec<PagePlace>,
    /// Changes in front of the first whole state of a page.
    changes: Vec<(u64, Range<usize>)>,
    /// The first keys that a page has had.
    first_keys: HashMap<u64, Vec<Vec<u8>>>,
}

/// Finds all states of leaf pages, in the order of the keys in them. `all` stands in the order of pages and
/// positions, and what was moved behind the rest of its page: of that no state of a page is made together
/// with messages that stand in their places.
pub(super) fn places(reader: &mut BodyReader, all: &[FoundMessage]) -> io::Result<Vec<PagePlace>> {
    let (mut history, mut start) = (History::default(), 0);
    for of_page in all.chunk_by(|one, two| (one.page, one.is_moved) == (two.page, two.is_moved)) {
        let range = start..start + of_page.len();
        start = range.end;
        history.take(reader, all, of_page[0].page, range)?;
    }
    let History { mut places, changes, mut first_keys } = history;
    for keys in first_keys.values_mut() {
        keys.sort_unstable();
        keys.dedup();
    }
    for (page, changes) in changes {
        let known = first_keys.get(&page).into_iter().flatten().cloned();
        let kinds = KINDS.into_iter().map(<[u8]>::to_vec);
        let ranges = known.chain(kinds).map(PageRange::from).collect();
        places.extend(PagePlace::of_changes(changes, ranges, reader, all)?);
    }
    places.sort_by(|one, two| one.from.cmp(&two.from));
    Ok(places)
}

impl History {
    /// Takes in the states of one page.
    fn take(
        &mut self,
        reader: &mut BodyReader,
        all: &[FoundMessage],
        number: u64,
        of_page: Range<usize>,
    ) -> io::Result<()> {
        let (mut base, mut start) = (None, of_page.start);
        for at in of_page.clone() {
            let is_base = matches!(all[at].kind, LogKind::Page { .. } | LogKind::LoneFile);
            let Some(body) = (if is_base && !all[at].is_torn { reader.read(&all[at])? } else { None }) else {
                continue;
            };
            let Some((range, items)) = page(&body) else { continue };
            self.close(base.take(), number, start..at, all);
            start = at + 1;
            match items {
                PageItems::Leaf(_) => {
                    self.first_keys.entry(number).or_default().push(range.lo.clone());
                    base = Some((at, range));
                }
                PageItems::Index(pages) => {
                    for (key, page) in pages {
                        self.first_keys.entry(page).or_default().push(range.key(key));
                    }
                }
            }
        }
        self.close(base, number, start..of_page.end, all);
        Ok(())
    }

    /// Takes in a state, with the changes up to the next one.
    fn close(
        &mut self,
        base: Option<(usize, PageRange)>,
        number: u64,
        changes: Range<usize>,
        all: &[FoundMessage],
    ) {
        if let Some((at, range)) = base {
            self.places.push(PagePlace::with_base(at, &all[at], range, changes));
        } else if all[changes.clone()].iter().any(|message| message.kind != LogKind::Free) {
            self.changes.push((number, changes));
        }
    }
}
