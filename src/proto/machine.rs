//! What the machine under the server tells of itself: heat, power, the card that holds the data; and what admins ask of it. What
//! must not live here: how it is found out, when it is bad, and who may ask.
//!
//! A figure that is absent was not reported by the kernel. It is never a zero in its place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Timestamp};

/// How the board and its card are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardHealth {
    /// When it was looked at.
    pub looked: Timestamp,
    /// Whether kinglet-board has answered lately: some figures only root may read.
    pub asked: bool,
    /// Degrees Celsius of the processor, else of the hottest part that has a sensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius: Option<i32>,
    /// Whether there is less voltage than there has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_voltage: Option<BoardFlag>,
    /// Whether the board runs slower than it could, because of heat or power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<BoardFlag>,
    /// The disk with the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardHealth>,
    /// Errors that the file systems on it have noted since they were last repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system_errors: Option<u64>,
    /// What somebody should do something about.
    #[serde(default)]
    pub warnings: Vec<BoardWarning>,
    /// Names of the figures that the kernel does not report here.
    #[serde(default)]
    pub not_reported: Vec<String>,
}

/// Something that is or is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardFlag {
    pub now: bool,
    /// Whether it has been so since the board was switched on, where the kernel remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_start: Option<bool>,
}

/// The disk with the data, which is a card on most boards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardHealth {
    /// As the kernel calls it: `mmcblk0`.
    pub name: String,
    /// `SD` or `MMC`, where it is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes that all programs of the machine write in a day, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_per_day: Option<u64>,
    /// The time that this was measured over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_ms: Option<u64>,
    /// Bytes written since this server has counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
    /// Bytes that may be written to it in its life: the operator's `board.card_tbw`, else an assumption from its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endurance: Option<u64>,
    /// Whether that is only assumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// Days until then at this pace: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<u64>,
    /// Life that is used up, as the card itself says, in steps of ten. SD cards do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_used_percent: Option<u32>,
    /// `normal`, `warning` or `urgent`, as the card itself says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare_blocks: Option<String>,
    /// Errors between the board and the card since the board was switched on; a few at the start are usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
}

/// What is wrong with the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoardTrouble {
    /// The plug test has found that it loses what it had confirmed.
    CardLoses,
    /// Its file system has noted errors.
    FileSystem,
    /// Its voltage is too low.
    UnderVoltage,
    /// There are new errors between board and card.
    CardErrors,
    /// The card says that its life is nearly used up.
    CardWorn,
    /// By the estimate it will not last for long.
    CardEnding,
    /// It takes long to bring what was said onto it.
    CardSlow,
    /// It is hot.
    Hot,
    /// It has been made slower.
    Throttled,
}

impl BoardTrouble {
    /// As on the wire.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            BoardTrouble::CardLoses => "card_loses",
            BoardTrouble::FileSystem => "file_system",
            BoardTrouble::UnderVoltage => "under_voltage",
            BoardTrouble::CardErrors => "card_errors",
            BoardTrouble::CardWorn => "card_worn",
            BoardTrouble::CardEnding => "card_ending",
            BoardTrouble::CardSlow => "card_slow",
            BoardTrouble::Hot => "hot",
            BoardTrouble::Throttled => "throttled",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardWarning {
    pub code: BoardTrouble,
    /// A sentence for a person.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// Since when it has been so.
    pub since: Timestamp,
}

/// `GET /api/v1/admin/plug-test`: whether the card keeps what it says, found out by pulling the plug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlugTest {
    pub state: PlugTestState,
    /// Which one is running, or was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<ClientId>,
    /// While one is running: so many records are written and confirmed by the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<u64>,
    /// With so many it is over.
    pub most: u64,
    /// What came of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PlugTestResult>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlugTestState {
    Idle,
    /// Records are being written: now the plug may be pulled.
    Running,
    /// The server ended while they were written: it has to be told which number was seen last.
    Cut,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlugTestResult {
    pub run: ClientId,
    pub verdict: PlugTestVerdict,
    /// Why nothing can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<PlugTestWhy>,
    /// The number that somebody had seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<u64>,
    /// Records that the card had confirmed and did not have.
    #[serde(default)]
    pub lost: u64,
    pub ts: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlugTestVerdict {
    /// Everything that it had confirmed was there, this time.
    Keeps,
    /// The card says that something is written before it is.
    Lost,
    CannotTell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlugTestWhy {
    /// The board was not off: its kernel is the same.
    NotOff,
    /// Nobody here may read whether it was.
    BootUnknown,
    /// It was ended, or the server was stopped in good order.
    Stopped,
    /// Nobody pulled the plug in time.
    Over,
    /// The records could not be written or read.
    Failed,
    /// Nobody knows which number was seen last.
    NotWatched,
}

/// `POST /api/v1/admin/plug-test`: begin one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BeginPlugTest {
    /// Names it, and makes a retry ask for the same one.
    pub client_id: ClientId,
}

/// `POST /api/v1/admin/plug-test/end`: what was seen of one that was cut off; or the end of one that is running.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EndPlugTest {
    pub run: ClientId,
    /// The highest number that was seen; absent if nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<u64>,
}

/// `GET /api/v1/admin/board`: what can be asked of kinglet-board, which is root, and what it tells of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardState {
    /// Whether it answers. Where it does not, nothing can be asked.
    pub answers: bool,
    /// What the caller may ask for here.
    #[serde(default)]
    pub may: Vec<BoardVerb>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether SSH is on; absent where the machine's SSH is not the appliance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<bool>,
    /// Whether it takes updates; `false` where it knows no key that they could be signed by. Absent where kinglet-board does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<bool>,
    /// The last update, where it came to nothing: what ran before it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_update: Option<FailedUpdate>,
    /// USB sticks that are plugged in and not in use at this moment; absent where kinglet-board does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticks: Option<Vec<UsbStick>>,
}

/// An update that was not kept, and may be asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedUpdate {
    pub version: String,
    /// In the machine's own words.
    pub why: String,
}

/// A USB stick that kinglet-board could mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsbStick {
    /// As the kernel calls it: `sda1`.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// What kinglet-board can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoardVerb {
    Reboot,
    PowerOff,
    SshOn,
    SshOff,
    HostName,
    TimeZone,
    Update,
    FactoryReset,
}

impl BoardVerb {
    pub const ALL: [BoardVerb; 8] = [
        BoardVerb::Reboot,
        BoardVerb::PowerOff,
        BoardVerb::SshOn,
        BoardVerb::SshOff,
        BoardVerb::HostName,
        BoardVerb::TimeZone,
        BoardVerb::Update,
        BoardVerb::FactoryReset,
    ];

    /// Whether it lets somebody into the machine, or takes away what cannot be had again.
    #[must_use]
    pub fn is_grave(self) -> bool {
        matches!(self, BoardVerb::SshOn | BoardVerb::FactoryReset)
    }
}

/// `POST /api/v1/admin/board`: have kinglet-board do something.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AskBoard {
    /// Makes a retry ask for the same, which is not done twice.
    pub client_id: ClientId,
    /// The caller's own, for `ssh_on` and `factory_reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(flatten)]
    pub act: BoardAct,
}

/// What is to be done, told apart by `verb`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum BoardAct {
    Reboot {},
    PowerOff {},
    /// Lets the appliance's own user in by this key.
    SshOn {
        /// One line of a `.pub` file.
        key: String,
        /// Also after the next start of the machine, and longer than a day.
        #[serde(default)]
        keep: bool,
    },
    SshOff {},
    HostName {
        name: String,
    },
    TimeZone {
        zone: String,
    },
    /// Installs the signed package that lies on the USB stick in the machine.
    Update {},
    FactoryReset {
        keep_data: bool,
        /// `erase everything`, or with `keep_data` `reset settings`.
        confirm: String,
    },
}

impl BoardAct {
    #[must_use]
    pub fn verb(&self) -> BoardVerb {
        match self {
            BoardAct::Reboot {} => BoardVerb::Reboot,
            BoardAct::PowerOff {} => BoardVerb::PowerOff,
            BoardAct::SshOn { .. } => BoardVerb::SshOn,
            BoardAct::SshOff {} => BoardVerb::SshOff,
            BoardAct::HostName { .. } => BoardVerb::HostName,
            BoardAct::TimeZone { .. } => BoardVerb::TimeZone,
            BoardAct::Update {} => BoardVerb::Update,
            BoardAct::FactoryReset { .. } => BoardVerb::FactoryReset,
        }
    }
}

/// It was done, or is being done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardDone {
    /// Who comes in over SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// For how long SSH is on; absent where it stays on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// Which version is being installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the server takes it up only with its next start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart_needed: bool,
}
