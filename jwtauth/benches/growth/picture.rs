//! Draws the figures as SVG, one colour a row, with logarithmic scales.

use std::path::Path;

use plotters::prelude::*;

use super::Figures;

/// In pixels.
const SIZE: (u32, u32) = (860, 420);

/// Colours that people with a colour weakness can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
    RGBColor(230, 159, 0),
];

/// A line of a picture: its name, and its points.
type Line = (String, Vec<(f64, f64)>);

/// Draws how long a request takes with each number of sessions.
pub(crate) fn draw_requests(path: &Path, stages: &[(usize, Figures)]) {
    let rows = [
        ("GET /me, any of all: p99 us", "any session, 99th percentile"),
        ("GET jsonwebtoken by hand: p50 us", "jsonwebtoken::decode by hand, median"),
        ("GET /me, any of all: p50 us", "any session, median"),
        ("GET /me, Zipf(1.0) of all: p50 us", "Zipf(1.0) of all, median"),
        ("GET /me, one session: p50 us", "one session, median"),
        ("GET open route: p50 us", "an open route, median"),
    ];
    let lines = rows.map(|(row, name)| {
        let points = stages.iter().map(|(sessions, figures)| (*sessions as f64, figures[row]));
        (name.to_owned(), points.collect())
    });
    draw(path, "A request, in process", "sessions in the store", "microseconds", &lines);
}

/// Draws how many logins a second there are with each number of clients, in the largest store.
pub(crate) fn draw_logins(path: &Path, curves: &[(usize, Vec<(usize, Figures)>)]) {
    let lines: Vec<Line> = curves
        .iter()
        .filter_map(|(cores, stages)| {
            let (sessions, figures) = stages.last()?;
            let points = figures.iter().filter_map(|(name, &figure)| {
                let clients = name.strip_prefix("login: a second, ")?.strip_suffix(" clients")?;
                Some((clients.trim().parse().ok()?, figure))
            });
            let core = if *cores == 1 { "1 core" } else { "2 cores" };
            Some((format!("{core}, {sessions} sessions"), points.collect()))
        })
        .collect();
    draw(path, "Durable logins", "clients at the same time", "logins a second", &lines);
}

fn draw(path: &Path, title: &str, across: &str, up: &str, lines: &[Line]) {
    let all = || lines.iter().flat_map(|(_, points)| points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)))
    };
    let (left, right) = range(&mut all().map(|point| point.0));
    let (bottom, top) = range(&mut all().map(|point| point.1));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).expect("a picture");
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .margin_right(48)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right).log_scale(), (bottom / 1.5..top * 2.0).log_scale())
        .expect("a chart");
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(across)
        .y_desc(up)
        .x_label_formatter(&f64::to_string)
        .y_label_formatter(&f64::to_string)
        .label_style(("sans-serif", 14))
        .draw()
        .expect("axes");
    for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = || points.iter().copied();
        let line = LineSeries::new(points(), colour.stroke_width(2));
        let key = |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
        chart.draw_series(line).expect("a line").label(name).legend(key);
        chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled()))).expect("points");
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()
        .expect("a legend");
    area.present().expect("the file can be written");
}
