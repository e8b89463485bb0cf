//! The machine under the server: looked at each minute, remembered, and said when it is bad; and what admins have done to it. What
//! must not live here: HTTP, the form of metrics, and anything that only root may do (`kinglet-board`).
//!
//! - `sensors.rs`: one look; `writes.rs`: bytes written in a day; `warnings.rs`: what is bad
//! - `plug.rs`: does the card keep what it says? `records.rs`: what is written for that
//! - `acts.rs`: what admins have kinglet-board do
//!
//! Invariants: a figure that nobody reports is nothing, never zero. Looking writes nothing; a day that is over is one small file.

mod acts;
mod plug;
mod records;
mod sensors;
mod warnings;
mod writes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use self::acts::Acts;
use self::plug::Plug;
use self::sensors::{Disk, Seen, Told};
use self::warnings::{Figures, News, Watch};
use self::writes::{Count, Writes};
use super::asking;
use crate::clock::{Clock, monotonic, since_boot};
use crate::limits;
use crate::meters::METERS;
use crate::proto::machine::{
    BoardAct, BoardDone, BoardHealth, BoardState, BoardVerb, CardHealth, PlugTest, PlugTestVerdict,
};
use crate::proto::{ClientId, Code, Refusal};

const LOOK: Duration = Duration::from_secs(60);
/// A look for somebody who asks is no older than this.
const FRESH: Duration = Duration::from_secs(1);
/// kinglet-board is a process and some lines in the journal each time, so it is asked seldom: what only it can tell changes slowly.
const ASK: Duration = Duration::from_secs(60 * 60);
const PATIENCE: Duration = Duration::from_secs(10);

pub struct MachineSettings {
    pub data_dir: PathBuf,
    /// What the kernel's files are looked for below.
    pub root: PathBuf,
    /// Where kinglet-board listens.
    pub board: PathBuf,
    /// Bytes that may be written to the card in its life; 0 where the operator does not say.
    pub endurance: u64,
}

pub struct Machine {
    settings: MachineSettings,
    clock: Arc<Clock>,
    plug: Arc<Plug>,
    acts: Acts,
    /// Held while the board is asked for somebody: one thread waits for it, and not all that there are.
    asking: Mutex<()>,
    now: Mutex<Present>,
}

struct Present {
    looked: Option<Instant>,
    /// When kinglet-board was asked, and what it said.
    asked: Option<(Instant, Option<Told>)>,
    writes: Writes,
    watch: Watch,
    health: BoardHealth,
}

impl Machine {
    #[must_use]
    pub fn open(settings: MachineSettings, clock: Arc<Clock>) -> Arc<Machine> {
        let present = Present {
            looked: None,
            asked: None,
            writes: Writes::open(&settings.data_dir),
            watch: Watch::default(),
            health: BoardHealth::default(),
        };
        Arc::new(Machine {
            plug: Plug::open(&settings.data_dir, Arc::clone(&clock)),
            acts: Acts::open(&settings.data_dir, settings.board.clone()),
            asking: Mutex::new(()),
            settings,
            clock,
            now: Mutex::new(present),
        })
    }

    /// How it is now.
    #[must_use]
    pub fn health(&self) -> BoardHealth {
        let is_fresh = |at: Instant| at.elapsed() < FRESH;
        if !self.now.lock().looked.is_some_and(is_fresh) {
            self.look();
        }
        self.now.lock().health.clone()
    }

    /// How it was at the last look, for who asks often; nothing before the first.
    #[must_use]
    pub fn last(&self) -> Option<BoardHealth> {
        let present = self.now.lock();
        present.looked.map(|_| present.health.clone())
    }

    /// How the plug test stands.
    #[must_use]
    pub fn plug_test(&self) -> PlugTest {
        self.plug.told()
    }

    /// # Errors
    /// `changed_meanwhile` while another one is not over.
    pub fn begin_plug_test(&self, run: ClientId) -> Result<(), Refusal> {
        self.plug.begin(run, self.boot())
    }

    /// # Errors
    /// `changed_meanwhile` where that one is not the newest; `bad_request` for a number that there is none of.
    pub fn end_plug_test(&self, run: ClientId, seen: Option<u64>) -> Result<(), Refusal> {
        self.plug.end(run, seen, self.boot().as_deref())?;
        self.look();
        Ok(())
    }

    /// What kinglet-board can be asked for here.
    ///
    /// # Errors
    /// `busy` while it is asked for others and does not answer.
    pub fn board(&self) -> Result<BoardState, Refusal> {
        let _alone = self.asking.try_lock_for(FRESH).ok_or(Code::Busy)?;
        let Some(told) = self.asked_now() else {
            return Ok(BoardState::default());
        };
        let is_ssh = |verb: &BoardVerb| matches!(verb, BoardVerb::SshOn | BoardVerb::SshOff);
        let mut may = BoardVerb::ALL.to_vec();
        may.retain(|verb| told.ssh.is_some() || !is_ssh(verb));
        may.retain(|verb| told.updates != Some(false) || *verb != BoardVerb::Update);
        Ok(BoardState {
            answers: true,
            may,
            host_name: told.host_name,
            time_zone: told.time_zone,
            ssh: told.ssh,
            updates: told.updates,
            failed_update: told.failed_update,
            sticks: told.usb_disks,
        })
    }

    /// What came of something that kinglet-board was asked for before.
    ///
    /// # Errors
    /// `busy` while it is at work, `id_reused`, `board_failed` where nobody knows.
    pub fn known_act(&self, id: ClientId, act: &BoardAct) -> Result<Option<BoardDone>, Refusal> {
        self.acts.known(id, act)
    }

    /// Has kinglet-board do something, and waits for its answer.
    ///
    /// # Errors
    /// As of `known_act`, and what it refuses.
    pub fn act(&self, id: ClientId, act: &BoardAct) -> Result<BoardDone, Refusal> {
        self.acts.ask(id, act)
    }

    /// The server stops in good order.
    pub fn stop(&self) {
        self.plug.stop();
    }

    /// Which start of the kernel this is, where anybody tells.
    fn boot(&self) -> Option<String> {
        let own = sensors::boot(&self.settings.root);
        own.or_else(|| self.asked_now()?.boot)
    }

    /// Asks kinglet-board, where it is time. A machine without it is nothing to be said.
    fn ask(&self) {
        let is_due = |(at, _): &(Instant, Option<Told>)| at.elapsed() >= ASK;
        if !self.now.lock().asked.as_ref().is_none_or(is_due) {
            return;
        }
        let told = self.asked_now();
        self.now.lock().asked = Some((monotonic(), told));
    }

    fn asked_now(&self) -> Option<Told> {
        let line = asking::ask(&self.settings.board, "sensors", PATIENCE).ok()?;
        serde_json::from_str(&line).ok().filter(|told: &Told| told.ok)
    }

    fn lost(&self) -> u64 {
        let last = self.plug.told().last;
        last.filter(|last| last.verdict == PlugTestVerdict::Lost)
            .map_or(0, |last| last.lost)
    }

    fn look(&self) {
        let told = {
            let present = self.now.lock();
            present.asked.as_ref().and_then(|(_, told)| told.clone())
        };
        let seen = sensors::look(&self.settings.root, &self.settings.data_dir, told.as_ref());
        let (at, ts) = (monotonic(), self.clock.now().ms);
        let mut present = self.now.lock();
        let card = seen
            .disk
            .as_ref()
            .map(|disk| card(&self.settings, disk, &mut present.writes));
        let figures = Figures {
            seen: &seen,
            card: card.as_ref(),
            syncs: METERS.commit_seconds.picture(),
            lost: self.lost(),
        };
        let news = present.watch.look(&figures, at, ts);
        let not_reported = not_reported(&seen, card.as_ref());
        present.looked = Some(at);
        present.health = BoardHealth {
            looked: ts,
            asked: told.is_some(),
            celsius: seen.celsius,
            under_voltage: seen.under_voltage,
            throttled: seen.throttled,
            card,
            file_system_errors: seen.file_system_errors,
            warnings: present.watch.warnings(),
            not_reported,
        };
        drop(present);
        news.iter().for_each(say);
    }
}

/// Once for each change.
fn say(news: &News) {
    match news {
        News::Begun(warning) => log::warn!("the board: {} {}", warning.message, warning.next),
        News::Over(warning) => log::info!("the board: no longer so: {}", warning.message),
    }
}

fn card(settings: &MachineSettings, disk: &Disk, writes: &mut Writes) -> CardHealth {
    let known = disk.written.map(|bytes| {
        let up_ms = u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX);
        let name = format!("{} {}", disk.name, disk.size.unwrap_or(0));
        writes.look(&name, Count { bytes, up_ms })
    });
    let pace = known.and_then(|(_, pace)| pace);
    let is_stated = settings.endurance > 0;
    let assumed = disk
        .size
        .filter(|_| disk.kind.as_deref() == Some("SD"))
        .map(|size| size.saturating_mul(limits::CARD_WRITES));
    let endurance = Some(settings.endurance).filter(|_| is_stated).or(assumed);
    let days_left = endurance
        .zip(known)
        .zip(pace)
        .map(|((endurance, (written, _)), pace)| endurance.saturating_sub(written) / pace.per_day.max(1));
    CardHealth {
        name: disk.name.clone(),
        kind: disk.kind.clone(),
        size: disk.size,
        written_per_day: pace.map(|pace| pace.per_day),
        measured_ms: pace.map(|pace| pace.measured_ms),
        written: known.map(|(written, _)| written),
        endurance,
        assumed: endurance.is_some() && !is_stated,
        days_left,
        life_used_percent: disk.life_used,
        spare_blocks: disk.spare.clone(),
        errors: disk.errors,
    }
}

fn not_reported(seen: &Seen, card: Option<&CardHealth>) -> Vec<String> {
    let figures = [
        ("temperature", seen.celsius.is_some()),
        ("under_voltage", seen.under_voltage.is_some()),
        ("throttled", seen.throttled.is_some()),
        ("card", card.is_some()),
        ("written_per_day", card.is_some_and(|card| card.written.is_some())),
        (
            "life",
            card.is_some_and(|card| card.life_used_percent.is_some() || card.endurance.is_some()),
        ),
        ("card_errors", card.is_some_and(|card| card.errors.is_some())),
        ("file_system_errors", seen.file_system_errors.is_some()),
    ];
    let missing = figures.into_iter().filter(|(_, is_there)| !is_there);
    missing.map(|(name, _)| name.to_owned()).collect()
}

/// Looks now and then, until the server stops.
pub async fn run(machine: Arc<Machine>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A sender that is gone has stopped, too.
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let own = Arc::clone(&machine);
        let look = move || {
            own.ask();
            own.look();
        };
        // A look that panicked has said so; the next one is another try.
        let _ = tokio::task::spawn_blocking(look).await;
    }
}
