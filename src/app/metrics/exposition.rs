//! Prometheus text exposition 0.0.4. What must not live here: any metric of ours.

use std::fmt::Write as _;

/// The `Content-Type` of an [`Exposition`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Label names and values of one sample.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// One page of metrics. Each family is written once, whole.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that only rises; its name ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, f64)]) -> &mut Self {
        debug_assert!(name.ends_with("_total"), "the counter {name} must end in _total");
        self.family(name, help, "counter", samples)
    }

    pub fn gauge(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, f64)]) -> &mut Self {
        self.family(name, help, "gauge", samples)
    }

    /// `counts` is per bucket, not cumulative, and holds one more than `bounds`: what is over all of them.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) -> &mut Self {
        debug_assert_eq!(
            counts.len(),
            bounds.len() + 1,
            "the histogram {name} needs a count over all bounds"
        );
        self.head(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (bound, count) in bounds.iter().copied().chain([f64::INFINITY]).zip(counts) {
            total += count;
            self.sample(&bucket, &[("le", &number(bound))], total as f64);
        }
        self.sample(&format!("{name}_sum"), &[], sum);
        self.sample(&format!("{name}_count"), &[], total as f64);
        self
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn into_string(self) -> String {
        self.text
    }

    fn family(&mut self, name: &str, help: &str, kind: &str, samples: &[(Labels<'_>, f64)]) -> &mut Self {
        self.head(name, help, kind);
        for (labels, value) in samples {
            self.sample(name, labels, *value);
        }
        self
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        debug_assert!(is_name(name), "{name} is no name for a metric");
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        escape(&mut self.text, help, false);
        self.text.push_str("\n# TYPE ");
        self.text.push_str(name);
        self.text.push(' ');
        self.text.push_str(kind);
        self.text.push('\n');
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            debug_assert!(
                is_name(label) && !label.contains(':'),
                "{label} is no name for a label"
            );
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(&number(value));
        self.text.push('\n');
    }
}

pub(super) fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

fn escape(text: &mut String, raw: &str, quotes: bool) {
    for character in raw.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

fn number(value: f64) -> String {
    let mut text = String::new();
    let written = match value {
        f64::INFINITY => text.write_str("+Inf"),
        f64::NEG_INFINITY => text.write_str("-Inf"),
        value => write!(text, "{value}"),
    };
    written.expect("a String takes every write");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::metrics::reader::read;

    #[test]
    fn a_page_reads_back_as_it_was_written() {
        let mut page = Exposition::new();
        page.counter(
            "a_total",
            "A back\\slash, a \"quote\"\nand a line.",
            &[(&[], 12.0)],
        );
        page.gauge(
            "b",
            "B.",
            &[
                (&[("name", "x\"y\\z\n")], 0.5),
                (&[("name", "plain"), ("more", "")], f64::INFINITY),
            ],
        );
        page.histogram("c_seconds", "C.", &[0.0005, 1.0], &[3, 0, 2], 21.25);
        let read = read(page.as_str()).expect("the page follows the format");
        let expected = [
            ("a_total{}", 12.0),
            ("b{name=x\"y\\z\n}", 0.5),
            ("b{name=plain,more=}", f64::INFINITY),
            ("c_seconds_bucket{le=0.0005}", 3.0),
            ("c_seconds_bucket{le=1}", 3.0),
            ("c_seconds_bucket{le=+Inf}", 5.0),
            ("c_seconds_sum{}", 21.25),
            ("c_seconds_count{}", 5.0),
        ];
        let samples: BTreeMap<String, f64> = expected.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(read.samples, samples, "{}", page.as_str());
        assert_eq!(read.kinds["c_seconds"], "histogram");
    }

    #[test]
    fn the_reader_of_this_test_is_strict() {
        for wrong in [
            "a 1\n",
            "# HELP a A.\n# TYPE a gauge\na 1",
            "# HELP a A.\n# TYPE a gauge\na\n",
            "# HELP a A.\n# TYPE a gauge\nb 1\n",
            "# HELP a A.\n# TYPE a gauge\na 1\na 2\n",
            "# HELP a A.\n# TYPE a gauge\na inf\n",
            "# HELP a A.\n# TYPE a gauge\na{b=\"x\"y\"} 1\n",
            "# HELP a A.\n# TYPE a gauge\na{b=\"x\n\"} 1\n",
            "# HELP a A.\n# TYPE a gauge\na{b=\"\\x\"} 1\n",
            "# HELP a A.\n# TYPE a thing\na 1\n",
            "# HELP a A.\n# TYPE a gauge\na 1\n# HELP a A.\n# TYPE a gauge\n",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?} was accepted");
        }
    }
}
