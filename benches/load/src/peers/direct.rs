//! Direct messages, kept by the server, between pairs. What must not live here: the loop.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::crowd::{Crowd, Kind, Tally};
use super::samples::{Key, Sample, Samples, plain, spread};
use super::system::{Choice, Role, Scale};
use super::{Plan, Stand};
use crate::server;
use crate::trace::{self, Watch};

const CALLS: &str = "fsync,fdatasync,sync_file_range,sync,syncfs,msync";
/// Until strace holds all threads.
const ATTACH: Duration = Duration::from_millis(500);

pub async fn run(plan: &Plan<'_>) -> Result<()> {
    let choices = plan.fit(|choice| choice.word != "floor" && !choice.tls);
    let (pairs, rate) = (plan.args.get("pairs", 100)?, plan.args.get("rate", 500)?);
    let loads: &[usize] = if plan.quick { &[1, 64] } else { &[1, 64, 256] };
    let loads = plan.args.list("in-flight", loads)?;
    let (mut samples, mut syncs) = (Samples::default(), Samples::default());
    for round in 0..plan.rounds {
        for choice in &choices {
            plan.say(&format!("direct, round {}: {}", round + 1, choice.label()));
            let scale = Scale {
                users: 2 * pairs,
                groups: Vec::new(),
            };
            let stand = Stand::start(plan, choice, &scale).await?;
            let roles: Vec<Role> = (0..2 * pairs)
                .map(|user| Role {
                    user,
                    peer: user ^ 1,
                    group: None,
                })
                .collect();
            let crowd = Crowd::gather(&choice.system, stand.ground.address, &roles, Kind::Direct).await?;
            // Everybody writes once at least, which opens the conversations.
            crowd.circulate(8, Duration::from_secs(1)).await?;
            for in_flight in &loads {
                let figures = measure(&stand, crowd.circulate(*in_flight, plan.time()?)).await?;
                samples.add(key(choice, json!(format!("{in_flight} in flight"))), figures);
            }
            let figures = measure(&stand, crowd.pace(rate, plan.time()?)).await?;
            samples.add(key(choice, json!(format!("{rate}/s"))), figures);
            if round == 0 {
                match synced(plan, &stand, &crowd).await? {
                    Some(figures) => syncs.add(vec![("system", json!(choice.label()))], figures),
                    None => plan.say("syncs are not counted: strace is not installed"),
                }
            }
        }
    }
    let notes = vec![
        format!(
            "{pairs} pairs, {} connections, {} bytes of text; what is sent is kept by the server and delivered to the peer; \
             in flight: all together",
            2 * pairs,
            super::text::SIZE
        ),
        "ack: Kinglet's ack (synced to disk before), MQTT's PUBACK (not synced); XMPP has none, so there the next message \
         leaves when the last one arrived at its peer"
            .to_owned(),
        "cpu: user and system time of all processes of the server, for a message from its sender to its peer; at the fixed \
         rate times count from the moment each message was meant to leave"
            .to_owned(),
    ];
    plan.print("Direct messages", &choices, notes, &samples.rows());
    let notes = vec![format!(
        "one message in flight, under strace, in a run of its own; calls counted: {CALLS}"
    )];
    plan.print(
        "Syncs to disk for a direct message",
        &choices,
        notes,
        &syncs.rows(),
    );
    Ok(())
}

/// How often the server syncs for a message. Nothing without strace.
async fn synced(plan: &Plan<'_>, stand: &Stand, crowd: &Rc<Crowd>) -> Result<Option<Vec<Sample>>> {
    let Ok(watch) = Watch::start(stand.running.pid(), CALLS, stand.scratch.path()) else {
        return Ok(None);
    };
    tokio::time::sleep(ATTACH).await;
    let tally = crowd.circulate(1, plan.time()?).await?;
    let each = trace::count(&watch.stop()?) as f64 / tally.sent as f64;
    Ok(Some(vec![
        plain("syncs/msg", 3, Some(each)),
        plain("messages", 0, Some(tally.sent as f64)),
    ]))
}

fn key(choice: &Choice, load: Value) -> Key {
    vec![("system", json!(choice.label())), ("load", load)]
}

async fn measure(stand: &Stand, load: impl Future<Output = Result<Tally>>) -> Result<Vec<Sample>> {
    let (cpu, own) = (stand.running.cpu()?, server::cpu_of("self")?);
    let tally = load.await?;
    let (cpu, own) = (stand.running.cpu()? - cpu, server::cpu_of("self")? - own);
    let each = |time: Duration| Some(time.as_secs_f64() * 1e6 / tally.sent as f64);
    let rate = tally.sent as f64 / tally.elapsed.as_secs_f64();
    Ok(vec![
        spread("messages/s", "messages/s, range", 0, Some(rate)),
        spread("cpu us/msg", "cpu us/msg, range", 1, each(cpu)),
        plain("ack p50 ms", 2, tally.ack.ms(50.0)),
        plain("ack p99 ms", 2, tally.ack.ms(99.0)),
        plain("arrival p50 ms", 2, tally.deliver.ms(50.0)),
        plain("arrival p99 ms", 2, tally.deliver.ms(99.0)),
        plain(
            "sent late p99 ms",
            2,
            tally.late.as_ref().and_then(|late| late.ms(99.0)),
        ),
        plain("client cpu us/msg", 1, each(own)),
    ])
}
