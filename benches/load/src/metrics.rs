//! Reads the server's own meters. What must not live here: other sources of figures.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::http::{self, Place};

/// The page at a moment: samples by name and labels.
#[derive(Clone, Debug, Default)]
pub struct Picture(BTreeMap<String, f64>);

impl Picture {
    pub async fn take(place: Place) -> Result<Picture> {
        let (status, text) = http::ask(place, "GET", "/metrics", "", None).await?;
        ensure!(status == 200, "GET /metrics answered {status}: {text}");
        Ok(Picture::read(&text))
    }

    fn read(text: &str) -> Picture {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Picture(samples.collect())
    }

    pub fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// What was counted since an earlier picture.
    pub fn since(&self, earlier: &Picture, name: &str) -> f64 {
        self.value(name) - earlier.value(name)
    }

    /// The mean of a histogram since an earlier picture.
    pub fn mean(&self, earlier: &Picture, name: &str) -> Option<f64> {
        let count = self.since(earlier, &format!("{name}_count"));
        (count > 0.0).then(|| self.since(earlier, &format!("{name}_sum")) / count)
    }

    /// The upper end of the highest bucket of a histogram that something fell into since an earlier picture.
    pub fn highest(&self, earlier: &Picture, name: &str) -> Option<f64> {
        let buckets = self.buckets(earlier, name);
        let total = buckets.last()?.1;
        let full = buckets.into_iter().find(|bucket| bucket.1 >= total)?;
        (total > 0.0).then_some(full.0)
    }

    /// Upper ends and how many fell below them since an earlier picture, in order.
    fn buckets(&self, earlier: &Picture, name: &str) -> Vec<(f64, f64)> {
        let prefix = format!("{name}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = self
            .0
            .keys()
            .filter_map(|key| {
                let bound = key.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().ok()?
                };
                Some((bound, self.since(earlier, key)))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// A percentile of a histogram of whole numbers since an earlier picture, taken to lie evenly inside its bucket.
    pub fn percentile(&self, earlier: &Picture, name: &str, percent: f64) -> Option<f64> {
        let buckets = self.buckets(earlier, name);
        let total = buckets.last()?.1;
        let goal = total * percent / 100.0;
        let (mut below, mut counted) = (0.0, 0.0);
        for (bound, cumulative) in buckets {
            if total > 0.0 && cumulative >= goal && cumulative > counted {
                let share = (goal - counted) / (cumulative - counted);
                return Some(if bound.is_finite() {
                    (below + (bound - below) * share).ceil()
                } else {
                    below
                });
            }
            (below, counted) = (bound, cumulative);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_comes_from_the_difference() {
        let page = |one: u32, two: u32, all: u32| {
            Picture::read(&format!(
                "# HELP rows Rows.\nrows_bucket{{le=\"1\"}} {one}\nrows_bucket{{le=\"2\"}} {two}\n\
                 rows_bucket{{le=\"+Inf\"}} {all}\nrows_sum 30\nrows_count {all}\n"
            ))
        };
        let (before, after) = (page(5, 5, 5), page(5, 15, 15));
        assert_eq!(after.percentile(&before, "rows", 50.0), Some(2.0));
        assert_eq!(after.percentile(&after, "rows", 50.0), None);
        assert_eq!(after.highest(&before, "rows"), Some(2.0));
        assert_eq!(after.highest(&after, "rows"), None);
    }
}
