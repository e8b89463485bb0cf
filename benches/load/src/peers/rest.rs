//! What a server costs that nobody uses. What must not live here: connections.

use anyhow::Result;
use serde_json::json;

use super::samples::{Samples, plain, spread};
use super::system::Scale;
use super::{Plan, SETTLE, Stand};

pub async fn run(plan: &Plan<'_>) -> Result<()> {
    let choices = plan.fit(|choice| !choice.word.starts_with("floor") && choice.word != "mosquitto-saving");
    let mut samples = Samples::default();
    for round in 0..plan.rounds {
        for choice in &choices {
            plan.say(&format!("rest, round {}: {}", round + 1, choice.label()));
            let scale = Scale {
                users: 2,
                groups: Vec::new(),
            };
            let stand = Stand::start(plan, choice, &scale).await?;
            tokio::time::sleep(SETTLE).await;
            let binary = choice.system.binary().and_then(|path| path.metadata().ok());
            samples.add(
                vec![("system", json!(choice.label()))],
                vec![
                    spread(
                        "pss MB",
                        "pss MB, range",
                        1,
                        Some(stand.running.pss()? as f64 / 1e6),
                    ),
                    spread(
                        "ms to ready",
                        "ms to ready, range",
                        0,
                        Some(stand.running.ready.as_secs_f64() * 1e3),
                    ),
                    plain("processes", 0, Some(stand.running.processes()? as f64)),
                    plain("binary MB", 1, binary.map(|file| file.len() as f64 / 1e6)),
                ],
            );
        }
    }
    let notes = vec![
        format!(
            "pss: of all processes of a server with two users, {} s after it listened; ready: from exec until it took a \
             connection",
            SETTLE.as_secs()
        ),
        "binary: the one file that Kinglet is; the others need packages and run-time libraries beside"
            .to_owned(),
    ];
    plan.print("Servers at rest", &choices, notes, &samples.rows());
    Ok(())
}
