//! What admins are shown of the server as a whole: the meters as figures, memory and disk as the kernel tells them, the
//! settings. What must not live here: who may see it, and how it is drawn.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::certificates::Shown;
use super::config::Config;
use super::measure;
use crate::gateway::http::overview::Overview;
use crate::limits;
use crate::meters::{HistogramPicture, METERS, get};
use crate::proto::overview::{
    BudgetShare, DiskFigures, MemoryFigures, PoolFigures, ServerHealth, ServerSetting, ServerSettings, Times,
};
use crate::session::Services;
use crate::session::files::Room;
use crate::workers::machine::Machine;

/// The database's files, whose sizes make up what the log takes.
const DATABASE: [&str; 2] = ["kinglet.db", "kinglet.db-wal"];

/// What there is to show of a server that starts now.
pub fn of(
    services: &Arc<Services>,
    config: &Config,
    shown: Option<Shown>,
    machine: &Arc<Machine>,
) -> Overview {
    let (services, data, machine) = (Arc::clone(services), config.data_dir.clone(), Arc::clone(machine));
    let start = Instant::now();
    Overview {
        health: Box::new(move |room| ServerHealth {
            certificate: shown.as_ref().map(Shown::figures),
            board: Some(machine.health()),
            ..health(&services, &data, start, room)
        }),
        settings: settings(config),
    }
}

fn health(services: &Services, data: &Path, start: Instant, room: Room) -> ServerHealth {
    let told = services.health();
    let (users, _) = services.hub.usage();
    ServerHealth {
        status: told.status,
        version: told.version,
        synchronised: told.synchronised,
        ts: services.store.clock().now().ms,
        uptime_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        connections: get(&METERS.connections_open),
        connections_limit: services.limits.connections as u64,
        connections_refused: get(&METERS.connections_refused),
        users_online: users as u64,
        events: services.store.head_pos(),
        acks: get(&METERS.acks),
        ack: times(METERS.ack_latency.picture()),
        commit: times(METERS.commit_seconds.picture()),
        memory: memory(services),
        disk: disk(data, room),
        pools: pools(services),
        panics: get(&METERS.panics),
        certificate: None,
        board: None,
    }
}

fn times(picture: HistogramPicture) -> Times {
    Times {
        bounds: picture.bounds.to_vec(),
        counts: picture.counts,
        sum: picture.sum,
    }
}

fn memory(services: &Services) -> MemoryFigures {
    let lines = limits::memory_budget(&services.limits).into_iter();
    MemoryFigures {
        resident: fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| field(&text, "VmRSS:"))
            .map(|kib| kib << 10),
        budget: limits::memory_total(&services.limits) as u64,
        lines: lines
            .map(|line| BudgetShare {
                pool: line.pool.to_owned(),
                bytes: line.bytes as u64,
                why: line.why.to_owned(),
            })
            .collect(),
    }
}

fn disk(data: &Path, room: Room) -> DiskFigures {
    let size = |name: &str| fs::metadata(data.join(name)).map_or(0, |file| file.len());
    DiskFigures {
        free: room.disk.map(|(free, _)| free),
        total: room.disk.map(|(_, total)| total),
        database: DATABASE.into_iter().map(size).sum(),
        files: room.files,
        files_limit: room.files_limit,
        written: fs::read_to_string("/proc/self/io")
            .ok()
            .and_then(|text| field(&text, "write_bytes:")),
    }
}

/// The number that stands behind a name in one of the kernel's lists.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn pools(services: &Services) -> Vec<PoolFigures> {
    measure::look_at_pools(services);
    let bounds = measure::bounds(&services.limits).into_iter();
    bounds
        .zip(&METERS.pools)
        .map(|(pool, used)| PoolFigures {
            name: pool.name.to_owned(),
            used: get(used),
            limit: pool.limit,
        })
        .collect()
}

fn settings(config: &Config) -> ServerSettings {
    let settings = config.effective().into_iter();
    ServerSettings {
        source: config.source.as_ref().map(|path| path.display().to_string()),
        settings: settings
            .map(|one| ServerSetting {
                key: one.key,
                value: one.value,
                usual: one.usual,
                about: one.about,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_name_alone() {
        let text = "rchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 7\nVmRSS:\t  812 kB\n";
        assert_eq!(field(text, "write_bytes:"), Some(4_096));
        assert_eq!(field(text, "VmRSS:"), Some(812));
        assert_eq!(field(text, "nothing:"), None);
    }

    #[test]
    fn every_setting_is_told_with_its_default_and_its_meaning() {
        let mut config = Config::default();
        config.limits.connections = 42;
        let told = settings(&config);
        let one = |key: &str| {
            let found = told.settings.iter().find(|one| one.key == key);
            found.unwrap_or_else(|| panic!("{key} is told"))
        };
        let connections = one("limits.connections");
        assert_eq!((&*connections.value, &*connections.usual), ("42", "10000"));
        assert_eq!(connections.about, "Open connections in all.");
        assert_eq!(one("data_dir").value, "\"data\"");
        assert!(
            one("accounts.who_may_invite")
                .about
                .contains("administrators only")
        );
        assert!(told.settings.iter().all(|one| !one.about.is_empty()));
    }
}
