//! The process's meters as a page for Prometheus. What must not live here: counting.
//!
//! - `mod.rs`: which meters there are, under which names
//! - `board.rs`: the machine under the server
//! - `exposition.rs`: the text format
//! - `reader.rs`: reads it back, for tests

mod board;
mod exposition;
#[cfg(test)]
mod reader;

use crate::meters::{HistogramPicture, Meters, get};

pub use board::board;
pub use exposition::{CONTENT_TYPE, Exposition, Labels};

const MICROSECONDS: f64 = 1e6;

/// A bounded pool as the page names it; its place in the list is its index in the meters.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    pub name: &'a str,
    pub limit: u64,
}

/// The meters as a page. `refusals` and `pools` name the slots in order; an unnamed slot is not shown, except that
/// refusals beyond the names are added up as `other`, so that none is hidden.
pub fn exposition(meters: &Meters, refusals: &[&str], pools: &[Pool<'_>]) -> Exposition {
    let mut page = Exposition::new();
    connections(&mut page, meters);
    log(&mut page, meters);
    index(&mut page, meters);
    erasing(&mut page, meters);
    delivery(&mut page, meters);
    refused(&mut page, meters, refusals);
    pooled(&mut page, meters, pools);
    pushed(&mut page, meters);
    certificates(&mut page, meters);
    backed_up(&mut page, meters);
    page
}

fn connections(page: &mut Exposition, meters: &Meters) {
    let one = |page: &mut Exposition, name, help, meter| {
        page.counter(name, help, &[(&[], get(meter) as f64)]);
    };
    page.gauge(
        "kinglet_connections",
        "Connections open now.",
        &[(&[], get(&meters.connections_open) as f64)],
    );
    page.gauge(
        "kinglet_sessions",
        "Sessions signed in now.",
        &[(&[], get(&meters.sessions_signed_in) as f64)],
    );
    one(
        page,
        "kinglet_connections_total",
        "Connections accepted.",
        &meters.connections_total,
    );
    one(
        page,
        "kinglet_connections_refused_total",
        "Connections refused at a limit.",
        &meters.connections_refused,
    );
    one(
        page,
        "kinglet_panics_total",
        "Panics that ended one connection.",
        &meters.panics,
    );
}

fn log(page: &mut Exposition, meters: &Meters) {
    let one = |page: &mut Exposition, name, help, meter| {
        page.counter(name, help, &[(&[], get(meter) as f64)]);
    };
    one(
        page,
        "kinglet_sends_total",
        "State-changing commands taken.",
        &meters.sends,
    );
    one(page, "kinglet_acks_total", "Acknowledgements sent.", &meters.acks);
    time(
        page,
        "kinglet_ack_seconds",
        "From a command's arrival to its ack.",
        &meters.ack_latency.picture(),
    );
    one(
        page,
        "kinglet_commits_total",
        "Transactions committed and synced.",
        &meters.commits,
    );
    let rows = meters.commit_rows.picture();
    let bounds: Vec<f64> = rows.bounds.iter().map(|bound| *bound as f64).collect();
    page.histogram(
        "kinglet_commit_rows",
        "Rows of one commit.",
        &bounds,
        &rows.counts,
        rows.sum as f64,
    );
    time(
        page,
        "kinglet_commit_seconds",
        "One commit, its sync included.",
        &meters.commit_seconds.picture(),
    );
    one(
        page,
        "kinglet_log_bytes_total",
        "Bytes written to the log.",
        &meters.log_bytes_written,
    );
    page.gauge(
        "kinglet_wal_bytes",
        "Size of the write-ahead log.",
        &[(&[], get(&meters.wal_bytes) as f64)],
    );
    one(
        page,
        "kinglet_checkpoints_total",
        "Checkpoints of the write-ahead log.",
        &meters.checkpoints,
    );
    time(
        page,
        "kinglet_checkpoint_seconds",
        "One checkpoint.",
        &meters.checkpoint_seconds.picture(),
    );
}

fn index(page: &mut Exposition, meters: &Meters) {
    page.gauge(
        "kinglet_index_rows_waiting",
        "Rows that the search index does not have yet; up to 255 wait for more.",
        &[(&[], get(&meters.index_rows_waiting) as f64)],
    );
    time(
        page,
        "kinglet_index_step_seconds",
        "One step of making the search index, its sync included.",
        &meters.index_step.picture(),
    );
}

fn erasing(page: &mut Exposition, meters: &Meters) {
    // In this order: the other way round one that is done meanwhile would make it less than nothing.
    let done = get(&meters.erasures_done);
    let pending = get(&meters.erasures).saturating_sub(done);
    page.gauge(
        "kinglet_erasures_pending",
        "Commits whose erased words are still in the write-ahead log.",
        &[(&[], pending as f64)],
    );
    let outcomes = [
        (
            &[("outcome", "done")] as Labels<'_>,
            get(&meters.wal_emptied) as f64,
        ),
        (&[("outcome", "in_use")], get(&meters.wal_not_emptied) as f64),
    ];
    page.counter(
        "kinglet_wal_emptied_total",
        "Attempts to empty the write-ahead log after an erasure.",
        &outcomes,
    );
}

fn delivery(page: &mut Exposition, meters: &Meters) {
    let one = |page: &mut Exposition, name, help, meter| {
        page.counter(name, help, &[(&[], get(meter) as f64)]);
    };
    one(
        page,
        "kinglet_pages_read_total",
        "Pages of history read from the store.",
        &meters.pages_read,
    );
    one(
        page,
        "kinglet_deliveries_total",
        "Events delivered to sessions.",
        &meters.deliveries,
    );
    one(
        page,
        "kinglet_delivery_bytes_total",
        "Bytes of events delivered.",
        &meters.delivery_bytes,
    );
    let dropped = [
        (
            &[("kind", "typing")] as Labels<'_>,
            get(&meters.typing_dropped) as f64,
        ),
        (&[("kind", "presence")], get(&meters.presence_dropped) as f64),
        (&[("kind", "log")], get(&meters.logs_dropped) as f64),
    ];
    page.counter(
        "kinglet_dropped_total",
        "What may be dropped under load and was.",
        &dropped,
    );
}

fn refused(page: &mut Exposition, meters: &Meters, names: &[&str]) {
    let counts: Vec<f64> = meters.refusals.iter().map(|count| get(count) as f64).collect();
    let named = names.len().min(counts.len());
    let other: f64 = counts[named..].iter().sum();
    let labels: Vec<[(&str, &str); 1]> = names[..named].iter().map(|name| [("code", *name)]).collect();
    let mut samples: Vec<(Labels<'_>, f64)> = labels
        .iter()
        .zip(&counts)
        .map(|(label, count)| (label.as_slice(), *count))
        .collect();
    if other > 0.0 {
        samples.push((&[("code", "other")], other));
    }
    page.counter("kinglet_refusals_total", "Refusals by code.", &samples);
}

fn pooled(page: &mut Exposition, meters: &Meters, pools: &[Pool<'_>]) {
    let labels: Vec<[(&str, &str); 1]> = pools.iter().map(|pool| [("pool", pool.name)]).collect();
    let used = meters.pools.iter().map(|used| get(used) as f64);
    let used: Vec<_> = labels
        .iter()
        .zip(used)
        .map(|(label, used)| (label.as_slice(), used))
        .collect();
    page.gauge(
        "kinglet_pool_used",
        "What is taken from each bounded pool, in its own unit.",
        &used,
    );
    let limits: Vec<_> = labels
        .iter()
        .zip(pools)
        .map(|(label, pool)| (label.as_slice(), pool.limit as f64))
        .collect();
    page.gauge(
        "kinglet_pool_limit",
        "What each bounded pool holds, in its own unit.",
        &limits,
    );
}

fn pushed(page: &mut Exposition, meters: &Meters) {
    let outcomes = [
        (
            &[("outcome", "taken")] as Labels<'_>,
            get(&meters.push_taken) as f64,
        ),
        (&[("outcome", "put_off")], get(&meters.push_put_off) as f64),
        (&[("outcome", "refused")], get(&meters.push_refused) as f64),
        (&[("outcome", "dropped")], get(&meters.push_dropped) as f64),
        (&[("outcome", "gone")], get(&meters.push_gone) as f64),
    ];
    page.counter(
        "kinglet_push_total",
        "Push messages by what became of them.",
        &outcomes,
    );
}

fn certificates(page: &mut Exposition, meters: &Meters) {
    page.gauge(
        "kinglet_certificate_end_seconds",
        "When the certificate ends that people are shown, in seconds since 1970; 0 without TLS.",
        &[(&[], get(&meters.certificate_ends) as f64)],
    );
    let outcomes = [
        (
            &[("outcome", "made")] as Labels<'_>,
            get(&meters.certificates_ordered) as f64,
        ),
        (&[("outcome", "failed")], get(&meters.certificates_refused) as f64),
    ];
    page.counter(
        "kinglet_certificate_orders_total",
        "Certificates ordered from an authority, by what became of it.",
        &outcomes,
    );
}

fn backed_up(page: &mut Exposition, meters: &Meters) {
    let gauges = [
        (
            "kinglet_backup_made_seconds",
            "When the newest good backup was made, in seconds since 1970; 0 without one.",
            get(&meters.backup_made) as f64 / 1e3,
        ),
        (
            "kinglet_backup_bytes",
            "Size of the newest good backup.",
            get(&meters.backup_bytes) as f64,
        ),
        (
            "kinglet_backup_wrong",
            "1 while the last try to make a backup failed.",
            get(&meters.backup_wrong) as f64,
        ),
    ];
    for (name, help, value) in gauges {
        page.gauge(name, help, &[(&[], value)]);
    }
    let failures = get(&meters.backup_failures) as f64;
    page.counter(
        "kinglet_backup_failures_total",
        "Tries to make a backup that failed.",
        &[(&[], failures)],
    );
}

fn time(page: &mut Exposition, name: &str, help: &str, picture: &HistogramPicture) {
    let bounds: Vec<f64> = picture
        .bounds
        .iter()
        .map(|bound| *bound as f64 / MICROSECONDS)
        .collect();
    page.histogram(
        name,
        help,
        &bounds,
        &picture.counts,
        picture.sum as f64 / MICROSECONDS,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::metrics::reader::read;

    #[test]
    fn the_meters_make_a_page() {
        let meters = Meters::new();
        crate::meters::add(&meters.sends, 3);
        meters.ack_latency.observe(700);
        meters.commit_rows.observe(5);
        meters.refusal(1);
        meters.refusal(40);
        meters.pool(0, 9);
        let pools = [Pool {
            name: "frames",
            limit: 100,
        }];
        let page = exposition(&meters, &["busy", "not_found"], &pools);
        let read = read(page.as_str()).expect("the page follows the format");
        let at = |name: &str| {
            *read
                .samples
                .get(name)
                .unwrap_or_else(|| panic!("{name} is missing:\n{}", page.as_str()))
        };
        assert_eq!(at("kinglet_sends_total{}"), 3.0);
        assert_eq!(at("kinglet_ack_seconds_bucket{le=0.0005}"), 0.0);
        assert_eq!(at("kinglet_ack_seconds_bucket{le=0.001}"), 1.0);
        assert_eq!(at("kinglet_ack_seconds_bucket{le=10}"), 1.0);
        assert_eq!(at("kinglet_ack_seconds_sum{}"), 0.0007);
        assert_eq!(at("kinglet_commit_rows_bucket{le=8}"), 1.0);
        assert_eq!(at("kinglet_refusals_total{code=busy}"), 0.0);
        assert_eq!(at("kinglet_refusals_total{code=not_found}"), 1.0);
        assert_eq!(at("kinglet_refusals_total{code=other}"), 1.0);
        assert_eq!(at("kinglet_pool_used{pool=frames}"), 9.0);
        assert_eq!(at("kinglet_pool_limit{pool=frames}"), 100.0);
        assert_eq!(at("kinglet_dropped_total{kind=typing}"), 0.0);
    }
}
