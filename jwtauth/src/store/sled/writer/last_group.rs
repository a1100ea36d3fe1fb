//! Whether a group waits for more jobs before its commit.
//!
//! Who was answered often asks again, but one comes after the other, and a commit for the first few costs
//! about as much as one for all. So a group waits while more come, but no longer than the last commit took.

use std::time::{Duration, Instant};

use super::MAX_GROUP;

/// The jobs that were answered last.
#[derive(Debug, Default)]
pub(super) struct LastGroup {
    /// How long their commit took.
    pub(super) took: Duration,
    pub(super) answered: Option<Instant>,
    /// How many there were, with those that waited when they were answered.
    pub(super) about: usize,
}

impl LastGroup {
    /// Tells whether a group waits for more, which had so many jobs at the last look. Who is alone waits for
    /// nobody.
    pub(super) fn comes_back(&self, before: usize, jobs: usize, now: Instant) -> bool {
        let is_early = self.answered.is_some_and(|answered| now.duration_since(answered) < self.took);
        is_early && before < jobs && jobs < self.about.min(MAX_GROUP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_were_answered_are_waited_for_while_they_come_back() {
        let (took, answered) = (Duration::from_millis(4), Instant::now());
        let last = |about| LastGroup { took, answered: Some(answered), about };
        // (how many were about, jobs at the last look, jobs now, milliseconds since they were answered)
        let cases = [
            ((3, 0, 1, 0), true),
            ((3, 1, 2, 3), true),
            ((3, 1, 2, 4), false), // as long as the commit took
            ((3, 1, 1, 1), false), // nobody came meanwhile
            ((3, 2, 3, 1), false), // all are there
            ((1, 0, 1, 0), false), // one who is alone
            ((1_000, 0, MAX_GROUP, 0), false),
        ];
        for ((about, before, jobs, after), waits) in cases {
            let now = answered + Duration::from_millis(after);
            assert_eq!(last(about).comes_back(before, jobs, now), waits, "{about} {before} {jobs} {after}");
        }
        assert!(!LastGroup::default().comes_back(0, 1, answered), "the first group");
    }
}
