//! `docs/PROTOCOL.md` as tests see it: its examples, its generated regions, and the shape each example claims to have.
//! What must not live here: what the tables say, and any rule of the protocol.

use std::fs;
use std::path::{Path, PathBuf};

use kinglet::proto::account::{
    ChangePassword, ChangeProfile, CheckInvitation, Claim, DeviceList, Health, InvitationCheck,
    InvitationInfo, InvitationList, JoinServer, NewInvitation, PasswordReset, Profile, RenameDevice,
    SessionsEnded, SignIn, SignOutEverywhere, SignedIn, UserList, UserProfile, UserStatus,
};
use kinglet::proto::answer::{ErrorReply, HistoryPage, PollPage, Reply};
use kinglet::proto::command::Request;
use kinglet::proto::files::{FilePage, NewUpload, Storage, UploadInfo};
use kinglet::proto::privacy::{
    EraseMe, EraseUser, Erasure, ExportConversation, ExportEnd, ExportEvents, ExportFiles, ExportFormat,
    ExportPush,
};
use kinglet::proto::push::{PushInfo, PushMessage, PushSubscribe, PushSubscription, PushTested};
use kinglet::proto::{Event, Notice, codec};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One JSON document of the page.
pub struct Example {
    pub line: usize,
    /// `request`, `reply`, ..., or `http:` and the type.
    pub shape: String,
    pub value: Value,
}

/// What an example can be: how it is read and written again, and its schema.
pub struct Shape {
    pub name: &'static str,
    pub again: fn(&Value) -> Result<Value, String>,
    pub schema: fn() -> Value,
}

pub fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROTOCOL.md")
}

pub fn page() -> String {
    fs::read_to_string(page_path()).expect("the page is in the tree")
}

fn again<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
    // Through text, as it comes over the wire: some types borrow from it.
    let read: T = serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}

/// Requests go through the codec, the door that clients use.
fn request_again(value: &Value) -> Result<Value, String> {
    let request: Request = codec::decode(&value.to_string()).map_err(|bad| bad.refusal.to_string())?;
    serde_json::to_value(request).map_err(|error| error.to_string())
}

/// What clients send: fields with a default may be left out.
fn received<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What the server sends: only what it may skip may be missing.
fn sent<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

macro_rules! http {
    ($contract:ident: $($name:ident),*) => {
        [$(Shape {
            name: concat!("http:", stringify!($name)),
            again: again::<$name>,
            schema: $contract::<$name>,
        }),*]
    };
}

pub fn shapes() -> Vec<Shape> {
    let mut shapes = vec![
        Shape {
            name: "request",
            again: request_again,
            schema: received::<Request>,
        },
        Shape {
            name: "reply",
            again: again::<Reply>,
            schema: sent::<Reply>,
        },
        Shape {
            name: "event",
            again: again::<Event>,
            schema: sent::<Event>,
        },
        Shape {
            name: "notice",
            again: again::<Notice>,
            schema: sent::<Notice>,
        },
        Shape {
            name: "error",
            again: again::<ErrorReply>,
            schema: sent::<ErrorReply>,
        },
    ];
    shapes.extend(http!(
        received: Claim, CheckInvitation, JoinServer, SignIn, SignOutEverywhere, NewInvitation, RenameDevice,
        ChangeProfile, ChangePassword
    ));
    shapes.extend(http!(
        sent: SignedIn, SessionsEnded, InvitationCheck, InvitationInfo, InvitationList, DeviceList, Profile, UserList, UserProfile, UserStatus,
        PasswordReset, Health, PollPage, HistoryPage
    ));
    shapes.extend(http!(received: NewUpload));
    shapes.extend(http!(sent: UploadInfo, FilePage, Storage));
    shapes.extend(http!(received: PushSubscribe));
    shapes.extend(http!(sent: PushInfo, PushSubscription, PushTested, PushMessage));
    shapes.extend(people_shapes());
    shapes.extend(moderation_shapes());
    shapes.extend(bot_shapes());
    shapes.extend(overview_shapes());
    shapes.extend(backup_shapes());
    shapes.extend(machine_shapes());
    shapes.extend(house_shapes());
    shapes
}

fn house_shapes() -> Vec<Shape> {
    use kinglet::proto::house::{ChangeServer, NewRecoveryKey, RecoveryKey, ServerInfo};
    let mut shapes = Vec::new();
    shapes.extend(http!(received: ChangeServer, NewRecoveryKey));
    shapes.extend(http!(sent: ServerInfo, RecoveryKey));
    shapes
}

fn overview_shapes() -> Vec<Shape> {
    use kinglet::proto::overview::{ServerHealth, ServerSettings};
    http!(sent: ServerHealth, ServerSettings).into()
}

fn backup_shapes() -> Vec<Shape> {
    use kinglet::proto::backup::{BackUpNow, PlaceBackups, ServerBackups};
    let mut shapes = Vec::new();
    shapes.extend(http!(received: BackUpNow, PlaceBackups));
    shapes.extend(http!(sent: ServerBackups));
    shapes
}

fn machine_shapes() -> Vec<Shape> {
    use kinglet::proto::machine::{AskBoard, BeginPlugTest, BoardDone, BoardState, EndPlugTest, PlugTest};
    let mut shapes = Vec::new();
    shapes.extend(http!(received: AskBoard, BeginPlugTest, EndPlugTest));
    shapes.extend(http!(sent: BoardDone, BoardState, PlugTest));
    shapes
}

fn bot_shapes() -> Vec<Shape> {
    use kinglet::proto::bots::{BotList, BotToken, NewBot, NewBotToken};
    let mut shapes = Vec::new();
    shapes.extend(http!(received: NewBot, NewBotToken));
    shapes.extend(http!(sent: BotToken, BotList));
    shapes
}

fn moderation_shapes() -> Vec<Shape> {
    use kinglet::proto::account::{AcceptInvitation, Accepted};
    use kinglet::proto::moderation::{
        MeasureInfo, MeasureList, NewReport, ReportInfo, ReportList, ReportView, Reported, ResolveReport,
        Restrain, Warn,
    };
    let mut shapes = Vec::new();
    shapes.extend(http!(received: AcceptInvitation));
    shapes.extend(http!(sent: Accepted));
    shapes.extend(http!(received: NewReport, ResolveReport, Warn, Restrain));
    shapes.extend(http!(sent: Reported, ReportInfo, ReportList, ReportView, MeasureInfo, MeasureList));
    shapes
}

fn people_shapes() -> Vec<Shape> {
    use kinglet::proto::history::SignInList;
    use kinglet::proto::pairing::{
        AskToPair, AwaitPairing, ConfirmDevice, DeviceCode, DeviceCodeState, Paired, PairingTicket,
    };
    use kinglet::proto::people::{
        AuditPage, CheckReset, Deactivate, EndDevice, LeaveServer, NewResetLink, NewsPage, ResetCheck,
        ResetLink, SetServerRole, SuccessorNeeded, UseReset, UserDevices,
    };
    let mut shapes = Vec::new();
    shapes.extend(http!(
        received: NewResetLink, CheckReset, UseReset, Deactivate, LeaveServer, SetServerRole,
        ConfirmDevice, AskToPair, AwaitPairing, EndDevice
    ));
    shapes.extend(http!(
        sent: ResetLink, ResetCheck, SuccessorNeeded, NewsPage, AuditPage, DeviceCode, DeviceCodeState, PairingTicket, Paired,
        SignInList, UserDevices
    ));
    shapes.extend(http!(received: EraseMe, EraseUser));
    shapes.extend(http!(
        sent: Erasure, ExportFormat, ExportConversation, ExportEvents, ExportPush, ExportFiles, ExportEnd
    ));
    shapes
}

/// The documents of every fenced block that begins with `json`, several to a block or one.
pub fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(shape) = line.strip_prefix("```json") else {
            continue;
        };
        let mut text = String::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| !line.starts_with("```")) {
            text.push_str(line);
            text.push('\n');
        }
        let mut documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let mut begin = documents.byte_offset();
        while let Some(document) = documents.next() {
            let line = at + 2 + text[..begin].matches('\n').count();
            let value = document.unwrap_or_else(|error| panic!("PROTOCOL.md:{line}: not JSON: {error}"));
            found.push(Example {
                line,
                shape: shape.trim().to_owned(),
                value,
            });
            begin = documents.byte_offset() + 1;
        }
    }
    found
}

/// Replaces a golden file in one step, since other tests may be reading it.
pub fn rewrite(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("the file can be written");
    fs::rename(&beside, path).expect("the file can be replaced");
}

/// Whether golden files are to be rewritten instead of compared.
pub fn is_updating() -> bool {
    std::env::var_os("KINGLET_UPDATE_GOLDEN").is_some_and(|value| value == "1")
}
