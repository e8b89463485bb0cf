//! One conversation in which everybody is online, beside the least that such a fan-out can cost. What must not live here:
//! the loop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::task::LocalSet;

use super::crowd::{Crowd, Kind};
use super::samples::{Sample, Samples, plain, spread};
use super::system::{Choice, Role, Scale};
use super::{Plan, Stand};
use crate::server;

/// Posts on their way at a time: one, to see how long it takes, and some, to see how many get through.
const IN_FLIGHT: [usize; 2] = [1, 8];

/// A system that needs longer for one size, mostly to let all members in, is asked for it in one round only.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(plan: &Plan<'_>) -> Result<()> {
    let choices =
        plan.fit(|choice| choice.word != "mosquitto-saving" && choice.word != "floor-kept" && !choice.tls);
    let sizes: &[usize] = if plan.quick { &[200] } else { &[50, 200, 1_000] };
    let sizes = plan.args.list("members", sizes)?;
    let mut samples = Samples::default();
    let mut slow: Vec<(String, usize)> = Vec::new();
    let mut cost: BTreeMap<(usize, usize, String), Vec<f64>> = BTreeMap::new();
    for round in 0..plan.rounds {
        for choice in &choices {
            plan.say(&format!("group, round {}: {}", round + 1, choice.label()));
            // Each size has people of its own.
            let mut groups: Vec<Vec<usize>> = Vec::new();
            for size in &sizes {
                let first = groups.iter().map(Vec::len).sum();
                groups.push((first..first + size).collect());
            }
            let scale = Scale {
                users: sizes.iter().sum(),
                groups,
            };
            let stand = Stand::start(plan, choice, &scale).await?;
            for (group, members) in scale.groups.iter().enumerate() {
                let name = (choice.word.clone(), members.len());
                if slow.contains(&name) {
                    continue;
                }
                let begun = Instant::now();
                // Connections end with their tasks.
                let local = LocalSet::new();
                let figures = local
                    .run_until(measure(plan, &stand, choice, group, members))
                    .await?;
                if begun.elapsed() > PATIENCE {
                    slow.push(name);
                }
                for (in_flight, figures) in IN_FLIGHT.iter().zip(figures) {
                    let cpu = figures.iter().find(|figure| figure.name == "cpu us/delivery");
                    cost.entry((members.len(), *in_flight, choice.word.clone()))
                        .or_default()
                        .extend(cpu.and_then(|cpu| cpu.value));
                    let key = vec![
                        ("members", json!(members.len())),
                        ("in flight", json!(in_flight)),
                        ("system", json!(choice.label())),
                    ];
                    samples.add(key, figures);
                }
            }
        }
    }
    let mut notes = vec![
        "one conversation, all members online, every member hears every post, its own too; members post in turn; XMPP: a room \
         (XEP-0045), MQTT: a topic at QoS 1; kept by the server, but by Mosquitto only for those who are away"
            .to_owned(),
        "to all: from the post until the last member has it; copy: until one has it; cpu: of the server, per copy delivered; \
         the clients are one process on the same machine, whose own reading is part of the times"
            .to_owned(),
    ];
    notes.extend(slow.iter().map(|(word, members)| {
        format!(
            "{word} with {members} members: one round, since that took longer than {} s",
            PATIENCE.as_secs()
        )
    }));
    notes.extend(ratios(&cost));
    let mut rows = samples.rows();
    let number = |row: &crate::report::Row, at: usize| row[at].1.as_u64();
    rows.sort_by_key(|row| (number(row, 0), number(row, 1)));
    plan.print("One conversation, everybody online", &choices, notes, &rows);
    Ok(())
}

/// What Kinglet's delivery costs in floors: the median of the rounds.
fn ratios(cost: &BTreeMap<(usize, usize, String), Vec<f64>>) -> Vec<String> {
    let ratio = |((members, in_flight, word), kinglet): (&(usize, usize, String), &Vec<f64>)| {
        let floor = cost.get(&(*members, *in_flight, "floor".to_owned()))?;
        let mut ratios: Vec<f64> = kinglet
            .iter()
            .zip(floor)
            .map(|(one, least)| one / least)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2)?;
        (word == "kinglet").then(|| {
            format!("{members} members, {in_flight} in flight: a delivery by Kinglet costs {middle:.2} times the floor's CPU")
        })
    };
    cost.iter().filter_map(ratio).collect()
}

async fn measure(
    plan: &Plan<'_>,
    stand: &Stand,
    choice: &Choice,
    group: usize,
    members: &[usize],
) -> Result<Vec<Vec<Sample>>> {
    let roles: Vec<Role> = members
        .iter()
        .map(|user| Role {
            user: *user,
            peer: *user,
            group: Some(group),
        })
        .collect();
    let crowd = Crowd::gather(&choice.system, stand.ground.address, &roles, Kind::Group).await?;
    crowd.circulate(1, Duration::from_millis(500)).await?;
    let mut all = Vec::new();
    for in_flight in IN_FLIGHT {
        let (cpu, own) = (stand.running.cpu()?, server::cpu_of("self")?);
        let tally = crowd.circulate(in_flight, plan.time()?).await?;
        let (cpu, own) = (stand.running.cpu()? - cpu, server::cpu_of("self")? - own);
        let each = |time: Duration| Some(time.as_secs_f64() * 1e6 / tally.delivered as f64);
        let per_second = |count: u64| Some(count as f64 / tally.elapsed.as_secs_f64());
        all.push(vec![
            spread("cpu us/delivery", "cpu us/delivery, range", 2, each(cpu)),
            plain("posts/s", 1, per_second(tally.sent)),
            spread(
                "deliveries/s",
                "deliveries/s, range",
                0,
                per_second(tally.delivered),
            ),
            plain("to all p50 ms", 2, tally.all.ms(50.0)),
            plain("to all p99 ms", 2, tally.all.ms(99.0)),
            plain("copy p50 ms", 2, tally.deliver.ms(50.0)),
            plain("copy p99 ms", 2, tally.deliver.ms(99.0)),
            plain(
                "bytes/delivery",
                0,
                Some(tally.bytes as f64 / tally.delivered as f64),
            ),
            plain("client cpu us/delivery", 2, each(own)),
        ]);
    }
    Ok(all)
}
