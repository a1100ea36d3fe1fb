//! A page of which bytes are wrong or missing. Its records prove themselves: each has a checksum that covers
//! its key too.
//!
//! In a page all keys stand before all values, in the same order. Where a value does not prove itself, the
//! next one that does is looked for behind it, byte by byte: the length of the one before may be wrong.

use std::ops::RangeInclusive;

use super::super::super::codec;
use super::log_bytes::LogBytes;
use super::log_message::MAX_COST;
use super::page_bytes::torn_leaf;

/// The shortest record, and the highest layout that any has: what else stands somewhere is not looked at.
const SHORTEST: usize = 6;
const LAYOUTS: RangeInclusive<u8> = 1..=32;

/// How many bytes are summed up at most.
const COST: usize = 4 * MAX_COST;

/// Returns the records that are whole, each with its key.
pub(super) fn records(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some((range, keys, start)) = torn_leaf(body) else { return Vec::new() };
    let keys: Vec<Vec<u8>> = keys.into_iter().map(|rest| range.key(rest)).collect();
    let (mut found, mut at, mut next, mut cost) = (Vec::new(), start, 0, 0);
    let mut is_in_order = true;
    while at < body.len() && next < keys.len() {
        let Some((value, end)) = text_at(body, at) else {
            (at, is_in_order) = (at + 1, false);
            continue;
        };
        // An entry of an index proves nothing. It stands here if all before it was whole.
        if value.is_empty() && is_in_order {
            (at, next) = (end, next + 1);
            continue;
        }
        let may_be_one = value.len() >= SHORTEST && LAYOUTS.contains(&value[0]) && cost < COST;
        let owner = (next..keys.len()).filter(|_| may_be_one).find(|number| {
            cost += value.len();
            codec::layout_of(&keys[*number], value).is_some()
        });
        match owner {
            Some(number) => {
                found.push((keys[number].clone(), value.to_vec()));
                (at, next) = (end, number + 1);
            }
            None => (at, is_in_order) = (at + 1, false),
        }
    }
    found
}

/// Returns the text that begins at a place, and where it ends.
fn text_at(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let mut rest = LogBytes::new(body.get(at..)?);
    let text = rest.text()?;
    Some((text, body.len() - rest.len()))
}
