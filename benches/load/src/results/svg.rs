//! Small drawings: bars with names, and lines over an axis. What must not live here: which figures are drawn.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 40.0;
/// Told apart also in grey: light and dark in turn.
const COLOURS: [&str; 8] = [
    "#1b6ca8", "#e08e2b", "#2a7f4f", "#b0417a", "#6b5b95", "#8a8d2f", "#c0392b", "#555555",
];
const STYLE: &str = "font-family=\"sans-serif\" font-size=\"13\"";

/// A line: its name and its points, from left to right.
pub type Series = (String, Vec<(f64, f64)>);

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" {STYLE} role=\"img\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>\n",
        escape(title)
    )
}

fn label(out: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(text)
    );
}

/// Three digits are enough for the eye.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 10_000.0 => format!("{:.0}k", value / 1e3),
        value if value >= 100.0 || value == value.round() => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

/// One bar for each name, longest value at the right edge.
pub fn bars(title: &str, unit: &str, values: &[(String, f64)]) -> String {
    let (top, step) = (48.0, 30.0);
    let height = top + step * values.len() as f64 + 16.0;
    let most = values
        .iter()
        .map(|(_, value)| *value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let room = WIDTH - LEFT - RIGHT - 70.0;
    let mut out = open(height, &format!("{title} ({unit})"));
    for (at, (name, value)) in values.iter().enumerate() {
        let y = top + step * at as f64;
        let width = room * value / most;
        label(&mut out, (LEFT - 10.0, y + 15.0), "end", name);
        let colour = COLOURS[usize::from(!name.starts_with("Kinglet"))];
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"/>"
        );
        label(&mut out, (LEFT + width + 6.0, y + 15.0), "start", &short(*value));
    }
    out.push_str("</svg>\n");
    out
}

/// Lines over logarithmic axes, so that a constant and something ten times as large fit one picture.
pub fn lines(title: &str, (across, up): (&str, &str), series: &[Series]) -> String {
    let (top, bottom, height) = (60.0, 320.0, 380.0 + 20.0 * series.len() as f64);
    let (left, right) = (80.0, WIDTH - RIGHT);
    let mut out = open(height, title);
    let points = || series.iter().flat_map(|(_, points)| points);
    let (x_of, y_of) = (
        axis(points().map(|point| point.0), left + 20.0, right - 20.0),
        axis(points().map(|point| point.1), bottom - 10.0, top + 10.0),
    );
    let _ = writeln!(
        out,
        "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#333333\"/>"
    );
    label(
        &mut out,
        (right, bottom + 38.0),
        "end",
        &format!("{across} (logarithmic)"),
    );
    label(
        &mut out,
        (16.0, top - 12.0),
        "start",
        &format!("{up} (logarithmic)"),
    );
    let mut marks: Vec<f64> = points().map(|point| point.0).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        label(&mut out, (x_of(mark), bottom + 18.0), "middle", &short(mark));
    }
    for (at, (name, points)) in series.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let places: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", x_of(*x), y_of(*y)))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
        for (x, y) in points {
            let (x, at) = (x_of(*x), y_of(*y));
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{at:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
            label(&mut out, (x, at - 7.0), "middle", &short(*y));
        }
        let y = 368.0 + 20.0 * at as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{left}\" y=\"{:.1}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>",
            y - 6.0
        );
        label(&mut out, (left + 22.0, y), "start", name);
    }
    out.push_str("</svg>\n");
    out
}

/// Where a value lies between two ends.
fn axis(values: impl Iterator<Item = f64>, from: f64, to: f64) -> impl Fn(f64) -> f64 {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| {
            (least.min(value), most.max(value))
        });
    let span = (most / least).ln();
    move |value| {
        let share = if span > 0.0 {
            (value.max(least) / least).ln() / span
        } else {
            0.5
        };
        from + (to - from) * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let drawn = bars(
            "A & B",
            "us",
            &[("Kinglet".into(), 50.0), ("<other>".into(), 200.0)],
        );
        let widths: Vec<f64> = drawn
            .split("<rect x=\"190\"")
            .skip(1)
            .map(|rect| {
                let (_, after) = rect.split_once("width=\"").expect("each bar has a width");
                after
                    .split('"')
                    .next()
                    .expect("it ends")
                    .parse()
                    .expect("a number")
            })
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[1] / widths[0] - 4.0).abs() < 0.01, "{widths:?}");
        assert!(drawn.contains("A &amp; B (us)") && drawn.contains("&lt;other&gt;"));
    }

    #[test]
    fn ten_times_as_much_is_always_as_far() {
        let place = axis([1.0, 100.0].into_iter(), 0.0, 200.0);
        assert_eq!([1.0, 10.0, 100.0].map(place), [0.0, 100.0, 200.0]);
        assert_eq!(axis([5.0].into_iter(), 0.0, 10.0)(5.0), 5.0);
        let drawn = lines("T", ("n", "us"), &[("a".into(), vec![(1.0, 2.0), (10.0, 4.0)])]);
        assert_eq!(drawn.matches("<circle").count(), 2);
    }
}
