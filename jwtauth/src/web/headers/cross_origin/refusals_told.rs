//! What the log has said of requests of other sites. Strangers cause them, as many as they like, so a line
//! for each would fill the disk: a route has the advice once, and then there is a number once a minute.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::notice::OnceAMinute;

/// How many routes have a line of their own.
const ROUTES: usize = 256;

/// See the module. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusalsTold(Arc<Mutex<RefusalCounts>>);

#[derive(Debug, Default)]
struct RefusalCounts {
    /// As the application wrote them.
    routes: HashSet<Option<String>>,
    /// Since the last line.
    untold: u64,
    minute: OnceAMinute,
}

/// What to say of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RefusalLine {
    /// What may be done about it: the first of its route.
    Advice,
    /// How many there were since the last line, with this one.
    Count(u64),
    Nothing,
}

impl RefusalsTold {
    /// Notes a refusal.
    pub(crate) fn note(&self, route: Option<&str>) -> RefusalLine {
        // OK because no change can stop half-way.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let route = route.map(str::to_owned);
        if told.routes.len() < ROUTES && told.routes.insert(route) {
            return RefusalLine::Advice;
        }
        told.untold += 1;
        if told.minute.is_due() {
            RefusalLine::Count(std::mem::take(&mut told.untold))
        } else {
            RefusalLine::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_10_strangers_cause_one_line_for_a_route_and_one_a_minute() {
        let told = RefusalsTold::default();
        assert_eq!(told.note(Some("/a")), RefusalLine::Advice);
        assert_eq!(told.note(None), RefusalLine::Advice);
        assert_eq!(told.note(Some("/a")), RefusalLine::Count(1));
        for _ in 0..1_000 {
            assert_eq!(told.note(Some("/a")), RefusalLine::Nothing);
        }
        for number in 2..1_000 {
            let line = told.note(Some(&number.to_string()));
            assert_eq!(line == RefusalLine::Advice, number < ROUTES, "{number}");
        }
    }
}
