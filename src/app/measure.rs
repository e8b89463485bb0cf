//! The whole page of metrics: the process's meters, the pools and their limits, and what the floors tell of themselves.
//! What must not live here: the text format (see `metrics`).

use std::sync::Arc;

use super::metrics::{Labels, Pool, board, exposition};
use crate::gateway::pools;
use crate::limits::{self, Limits};
use crate::meters::{METERS, get};
use crate::proto::Code;
use crate::session::Services;
use crate::workers::machine::Machine;

/// Gives the page whenever asked.
pub fn page(services: Arc<Services>, machine: Arc<Machine>) -> Box<dyn Fn() -> String + Send + Sync> {
    Box::new(move || render(&services, &machine))
}

/// The bounded pools, in the order of their meters.
pub fn bounds(limits: &Limits) -> [Pool<'static>; 7] {
    let pool = |name, limit: usize| Pool {
        name,
        limit: limit as u64,
    };
    [
        pool("connections", limits.connections),
        pool("queue_bytes", limits::QUEUE_BYTES),
        pool("roster_members", limits.roster_members),
        pool("rows_not_folded", limits::FOLD_ROWS),
        pool("partial_bytes", limits::POOL_PARTIAL),
        pool("outgoing_bytes", limits::POOL_OUTGOING),
        pool("socket_bytes", limits::POOL_SOCKET),
    ]
}

/// Sets the meters of the pools to what is taken now.
pub fn look_at_pools(services: &Services) {
    let (queued, members, rows) = services.store.usage();
    for (place, used) in [
        get(&METERS.connections_open),
        queued as u64,
        members as u64,
        rows as u64,
        pools::PARTIAL.used() as u64,
        pools::OUTGOING.used() as u64,
        pools::SOCKETS.used() as u64,
    ]
    .into_iter()
    .enumerate()
    {
        METERS.pool(place, used);
    }
}

fn render(services: &Services, machine: &Machine) -> String {
    look_at_pools(services);
    let refusals: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
    let mut page = exposition(&METERS, &refusals, &bounds(&services.limits));
    let (users, conversations) = services.hub.usage();
    let health = services.health();
    let flag = |yes: bool| f64::from(u8::from(yes));
    let labels: [(&str, &str); 1] = [("version", env!("CARGO_PKG_VERSION"))];
    page.gauge(
        "kinglet_build_info",
        "Which version runs.",
        &[(&labels as Labels<'_>, 1.0)],
    );
    page.gauge(
        "kinglet_users_online",
        "Users with a signed-in session.",
        &[(&[], users as f64)],
    );
    page.gauge(
        "kinglet_conversations_open",
        "Conversations of users online.",
        &[(&[], conversations as f64)],
    );
    page.gauge(
        "kinglet_log_position",
        "Events in the log.",
        &[(&[], services.store.head_pos() as f64)],
    );
    page.gauge(
        "kinglet_ready",
        "1 when the log can be written.",
        &[(&[], flag(health.status == "ready"))],
    );
    page.gauge(
        "kinglet_claimed",
        "1 when the server has an owner.",
        &[(&[], flag(health.claimed))],
    );
    page.gauge(
        "kinglet_clock_synchronised",
        "1 when the wall clock is known to be right.",
        &[(&[], flag(health.synchronised))],
    );
    let budget = limits::memory_total(&services.limits) as f64;
    page.gauge(
        "kinglet_memory_budget_bytes",
        "What all limits add up to.",
        &[(&[], budget)],
    );
    if let Some(health) = machine.last() {
        board(&mut page, &health);
    }
    page.into_string()
}
