//! Finds whole messages that do not stand where they were written: blocks of the data file have changed
//! places, or one stands in the place of another, or all behind some place is shifted.
//!
//! Such a message says in which segment it was, and not where in it, so its position is about right only.
//! And a text that somebody has chosen may look like one. So what is found here counts only for keys of which
//! nothing that stands in its place has a value, or says that it goes.
//!
//! Where a message should follow another one and is not whole, it is torn: the block that it was in may end
//! within it. Single records of it prove themselves.

use std::io;
use std::ops::ControlFlow;

use super::log_file::LogFile;
use super::log_message::{LogKind, LogMessage, MAX_COST, SEGMENT};
use super::log_scan::FoundMessage;

/// Finds them. `known` are those that stand where they belong: within these is none. `progress` hears how
/// many bytes were looked through; `None` if it says that it is enough.
pub(super) fn find(
    file: &mut LogFile,
    known: &[FoundMessage],
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> io::Result<Option<Vec<FoundMessage>>> {
    let is_whole = |message: &&FoundMessage| message.kind != LogKind::LoneFile && !message.is_torn;
    let mut bodies: Vec<_> =
        known.iter().filter(is_whole).map(|it| (it.at, it.at + u64::from(it.len))).collect();
    bodies.sort_unstable();
    let mut bodies = bodies.into_iter().peekable();
    let (mut found, mut window) = (Vec::new(), Vec::with_capacity(2 * SEGMENT));
    let (len, mut start, mut at, mut is_behind_one) = (file.len()?, 0, 0, false);
    while start < len {
        // A message that is shifted may begin in one segment and end in the next.
        // OK because two segments are not longer.
        window.resize(usize::try_from(len - start).unwrap_or(usize::MAX).min(2 * SEGMENT), 0);
        file.read(start, &mut window)?;
        let mut cost = 0;
        while at < window.len().min(SEGMENT) && cost <= MAX_COST + SEGMENT {
            let place = start + at as u64;
            while bodies.next_if(|(_, end)| *end <= place).is_some() {}
            let body = bodies.peek().filter(|(from, _)| *from <= place);
            if let Some((_, end)) = body {
                at += usize::try_from(end - place).unwrap_or(SEGMENT);
                is_behind_one = true;
                continue;
            }
            // No message is of this kind, and free space is full of it.
            if window.get(at + 4) == Some(&0) {
                (at, is_behind_one) = (at + 1, false);
                continue;
            }
            let rest = &window[at..window.len().min(at + SEGMENT)];
            let Some(message) = LogMessage::at(rest, 0, &mut cost) else {
                let torn = LogMessage::header_at(rest, 0).filter(|_| is_behind_one);
                found.extend(torn.and_then(|torn| FoundMessage::moved(&torn, place, true)));
                (at, is_behind_one) = (at + 1, false);
                continue;
            };
            let body = place + (message.len - message.body) as u64;
            if bodies.peek().is_none_or(|(from, _)| *from != body) {
                found.extend(FoundMessage::moved(&message, place, false));
            }
            (at, is_behind_one) = (at + message.len, true);
        }
        start += SEGMENT as u64;
        at = at.saturating_sub(SEGMENT);
        if progress(start.min(len)).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(found))
}
