//! Charts: bars that the server draws, each with a table that says the same.

use super::super::page_shell::times;
use crate::session::Stretch;

/// The size of a drawing, in its own units. It is stretched to the width of the page.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 100;

/// A chart of bars.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: String,
    /// What the chart says in one number.
    pub(super) whole: u64,
    pub(super) most: u64,
    pub(super) bars: Vec<ChartBar>,
}

/// One bar. What was not counted has none.
pub(super) struct ChartBar {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) at: (String, String),
    pub(super) count: Option<u64>,
}

impl Chart {
    /// Draws one bar for each stretch of time. `whole` makes one number of all bars.
    pub(super) fn of(
        id: &'static str,
        title: &str,
        stretches: &[Stretch],
        count: impl Fn(&Stretch) -> Option<u64>,
        whole: impl Fn(&[u64]) -> u64,
    ) -> Self {
        let counts: Vec<Option<u64>> = stretches.iter().map(count).collect();
        let known: Vec<u64> = counts.iter().copied().flatten().collect();
        let most = known.iter().copied().max().unwrap_or(0);
        let step = WIDTH / (stretches.len() as u64).max(1);
        let bars = stretches.iter().zip(counts).zip(0..).map(|((stretch, count), place)| {
            let height = height(count.unwrap_or(0), most);
            let (x, y, width) = (place * step + 1, HEIGHT - height, step.saturating_sub(2).max(1));
            ChartBar { x, y, width, height, at: times(stretch.at), count }
        });
        Self { id, title: title.into(), whole: whole(&known), most, bars: bars.collect() }
    }

    pub(super) fn view_box(&self) -> String {
        format!("0 0 {WIDTH} {HEIGHT}")
    }

    /// The time of the first bar and that of the last, without their year.
    pub(super) fn span(&self) -> (&str, &str) {
        (without_year(self.bars.first()), without_year(self.bars.last()))
    }
}

fn without_year(bar: Option<&ChartBar>) -> &str {
    let shown = bar.map_or("", |bar| &bar.at.1);
    shown.split_once('-').map_or(shown, |(_, rest)| rest)
}

/// How high a bar is. Anything that is not nothing can be seen.
fn height(count: u64, most: u64) -> u64 {
    if count == 0 || most == 0 {
        return 0;
    }
    let height = u128::from(count) * u128::from(HEIGHT) / u128::from(most);
    u64::try_from(height).unwrap_or(HEIGHT).clamp(2, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_drawing_and_the_lowest_can_be_seen() {
        for (count, most, expected) in [
            (0, 0, 0),
            (0, 7, 0),
            (7, 7, HEIGHT),
            (1, 1_000_000, 2),
            (1, 2, HEIGHT / 2),
            (u64::MAX, u64::MAX, HEIGHT),
        ] {
            assert_eq!(height(count, most), expected, "{count} of {most}");
        }
    }

    #[test]
    fn what_was_not_counted_is_no_zero() {
        let stretches = [Stretch::default(), Stretch { is_counted: true, ..Stretch::default() }];
        let counted = |it: &Stretch| it.is_counted.then_some(3);
        let chart = Chart::of("logins", "Logins", &stretches, counted, |counts| counts.iter().sum());
        assert_eq!((chart.whole, chart.most), (3, 3));
        assert_eq!(chart.bars.iter().map(|bar| bar.count).collect::<Vec<_>>(), [None, Some(3)]);
        assert_eq!(chart.bars[0].height, 0);
    }
}
