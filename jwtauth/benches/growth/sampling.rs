//! Which sessions are asked for, and what the times of the answers come to.

/// Times in microseconds.
pub(crate) struct Times(pub(crate) Vec<f64>);

impl Times {
    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort_by(f64::total_cmp);
        self
    }

    /// The time that this part of them is below. They must be sorted.
    pub(crate) fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part) as usize]
    }
}

/// Numbers that are the same in each run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The first is asked for twice as often as the second, and three times as often as the third.
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    pub(crate) fn new(count: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=count)
                .map(|rank| {
                    sum += 1.0 / rank as f64;
                    sum
                })
                .collect(),
        )
    }

    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let all = self.0.last().expect("one at least");
        let at = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        self.0.partition_point(|&sum| sum < at).min(self.0.len() - 1)
    }
}
