//! The API's description, OpenAPI 3.1, made from the handlers and the wire types. What must not live here: prose about
//! the live protocol, which is `docs/PROTOCOL.md`.
//!
//! Operations come from `utoipa::path` on the handlers; schemas come from the same `JsonSchema` as the schema files, so
//! that both say the same.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::proto::account as wire;
use crate::proto::answer::{ErrorReply, HistoryPage, PollPage, Reply, UserInfo};
use crate::proto::command::Request;
use crate::proto::files;
use crate::proto::house;
use crate::proto::privacy;
use crate::proto::push;
use crate::proto::{backup, bots, history, machine, moderation, overview, pairing, people};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Kinglet",
        version = "1",
        description = "What is not live: accounts, devices, invitations. Every refusal has a stable code; docs/PROTOCOL.md lists them.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        super::accounts::claim,
        super::accounts::join,
        super::accounts::sign_in,
        super::accounts::sign_out,
        super::accounts::sign_out_everywhere,
        super::accounts::invitations,
        super::accounts::invite,
        super::accounts::revoke_invitation,
        super::accounts::check_invitation,
        super::accounts::accept_invitation,
        super::accounts::devices,
        super::accounts::rename_device,
        super::accounts::kick_device,
        super::accounts::profile,
        super::accounts::change_profile,
        super::accounts::change_password,
        super::accounts::users,
        super::accounts::user,
        super::accounts::disable,
        super::accounts::enable,
        super::accounts::reset_password,
    ),
    modifiers(&Token)
)]
struct AccountRoutes;

macro_rules! schemas {
    ($name:ident: $($type:ty),* $(,)?) => {
        fn $name(generator: &mut SchemaGenerator) {
            $(name_schema::<$type>(generator);)*
        }
    };
}

/// A room of routes: its operations, and the schemas that they name.
struct Room {
    operations: fn() -> Document,
    schemas: fn(&mut SchemaGenerator),
}

/// All rooms. A new one is a line here; the first one's `info` is the document's.
const ROOMS: &[Room] = &[
    Room {
        operations: AccountRoutes::openapi,
        schemas: account_schemas,
    },
    Room {
        operations: LiveRoutes::openapi,
        schemas: live_schemas,
    },
    Room {
        operations: FileRoutes::openapi,
        schemas: file_schemas,
    },
    Room {
        operations: PeopleRoutes::openapi,
        schemas: people_schemas,
    },
    Room {
        operations: PushRoutes::openapi,
        schemas: push_schemas,
    },
    Room {
        operations: PrivacyRoutes::openapi,
        schemas: privacy_schemas,
    },
    Room {
        operations: ModerationRoutes::openapi,
        schemas: moderation_schemas,
    },
    Room {
        operations: BotRoutes::openapi,
        schemas: bot_schemas,
    },
    Room {
        operations: HouseRoutes::openapi,
        schemas: house_schemas,
    },
    Room {
        operations: OverviewRoutes::openapi,
        schemas: overview_schemas,
    },
    Room {
        operations: BackupRoutes::openapi,
        schemas: backup_schemas,
    },
    Room {
        operations: MachineRoutes::openapi,
        schemas: machine_schemas,
    },
];

/// The server itself: its name, its address, the recovery key.
#[derive(OpenApi)]
#[openapi(paths(
    super::house::server,
    super::house::change_server,
    super::house::make_recovery_key,
))]
struct HouseRoutes;

schemas!(house_schemas:
    house::ServerInfo, house::ChangeServer, house::NewRecoveryKey, house::RecoveryKey,
);

/// The way back to a password, leaving, roles, news, the journal of admins.
#[derive(OpenApi)]
#[openapi(paths(
    super::people::make_reset_link,
    super::people::check_reset_link,
    super::people::use_reset_link,
    super::people::deactivate,
    super::people::leave,
    super::people::set_role,
    super::people::news,
    super::people::devices_of,
    super::people::end_device,
    super::people::audit,
    super::people::sign_ins,
    super::pairing::make_device_code,
    super::pairing::device_code,
    super::pairing::end_device_code,
    super::pairing::confirm_device,
    super::pairing::ask_to_pair,
    super::pairing::await_pairing,
))]
struct PeopleRoutes;

schemas!(people_schemas:
    people::NewResetLink, people::ResetLink, people::CheckReset, people::ResetCheck, people::UseReset,
    people::Deactivate, people::LeaveServer, people::SuccessorNeeded, people::SetServerRole, people::NewsPage,
    people::AuditPage, people::UserDevices, people::EndDevice, history::SignInList,
    pairing::DeviceCode, pairing::DeviceCodeState, pairing::ConfirmDevice, pairing::AskToPair,
    pairing::PairingTicket, pairing::AwaitPairing, pairing::Paired,
);

/// Push: who subscribed, and a test.
#[derive(OpenApi)]
#[openapi(paths(
    super::push::info,
    super::push::subscribe,
    super::push::subscription,
    super::push::unsubscribe,
    super::push::test,
))]
struct PushRoutes;

schemas!(push_schemas: push::PushInfo, push::PushSubscribe, push::PushSubscription, push::PushTested, push::PushMessage);

/// What is kept of a person.
#[derive(OpenApi)]
#[openapi(paths(
    super::privacy::erase_me,
    super::privacy::my_erasure,
    super::privacy::my_export,
    super::privacy::erase,
    super::privacy::erasure,
))]
struct PrivacyRoutes;

schemas!(privacy_schemas: privacy::EraseMe, privacy::EraseUser, privacy::Erasure);
/// Reports of messages, and warnings, mutes and bans.
#[derive(OpenApi)]
#[openapi(paths(
    super::moderation::report,
    super::moderation::reports,
    super::moderation::report_view,
    super::moderation::resolve_report,
    super::moderation::warn,
    super::moderation::mute,
    super::moderation::unmute,
    super::moderation::ban,
    super::moderation::unban,
    super::moderation::measures,
))]
struct ModerationRoutes;

schemas!(moderation_schemas:
    moderation::NewReport, moderation::Reported, moderation::ReportList, moderation::ReportView,
    moderation::ReportInfo, moderation::ResolveReport, moderation::Warn, moderation::Restrain,
    moderation::MeasureInfo, moderation::MeasureList,
);

/// Bots and their tokens.
#[derive(OpenApi)]
#[openapi(paths(super::bots::bots, super::bots::make_bot, super::bots::renew_bot_token))]
struct BotRoutes;

schemas!(bot_schemas: bots::NewBot, bots::NewBotToken, bots::BotToken, bots::BotList);

/// The server as a whole.
#[derive(OpenApi)]
#[openapi(paths(super::overview::server_health, super::overview::server_settings))]
struct OverviewRoutes;

schemas!(overview_schemas: overview::ServerHealth, overview::ServerSettings);

/// Backups: how they stand, and one now.
#[derive(OpenApi)]
#[openapi(paths(
    super::backups::backups,
    super::backups::back_up_now,
    super::backups::place_backups
))]
struct BackupRoutes;

schemas!(backup_schemas: backup::ServerBackups, backup::BackUpNow, backup::PlaceBackups);

/// The plug test, and what kinglet-board is asked for.
#[derive(OpenApi)]
#[openapi(paths(
    super::machine::plug_test,
    super::machine::begin_plug_test,
    super::machine::end_plug_test,
    super::machine::board,
    super::machine::ask_board,
))]
struct MachineRoutes;

schemas!(machine_schemas:
    machine::PlugTest, machine::BeginPlugTest, machine::EndPlugTest, machine::BoardState, machine::AskBoard, machine::BoardDone,
);

/// The fallback of the live protocol, history, and what an operator asks.
#[derive(OpenApi)]
#[openapi(paths(
    super::live::command,
    super::live::sync,
    super::live::events,
    super::web::health,
))]
struct LiveRoutes;

/// Uploads, downloads, a conversation's files.
#[derive(OpenApi)]
#[openapi(paths(
    super::files::begin,
    super::files::storage,
    super::files::stands,
    super::files::send,
    super::files::cancel,
    super::files::list,
    super::files::blob,
    super::files::thumbnail,
))]
struct FileRoutes;

schemas!(file_schemas: files::NewUpload, files::UploadInfo, files::Storage, files::FilePage);

schemas!(live_schemas: Request, Reply, PollPage, HistoryPage, wire::Health);

schemas!(account_schemas:
    ErrorReply, UserInfo,
    wire::Claim, wire::JoinServer, wire::SignIn, wire::SignedIn, wire::SignOutEverywhere, wire::SessionsEnded,
    wire::NewInvitation, wire::InvitationInfo, wire::InvitationList, wire::CheckInvitation, wire::InvitationCheck,
    wire::AcceptInvitation, wire::Accepted,
    wire::DeviceList, wire::RenameDevice, wire::Profile, wire::ChangeProfile, wire::ChangePassword,
    wire::UserList, wire::UserProfile, wire::UserStatus, wire::PasswordReset,
);

/// A type's schema among the components, under its own name.
fn name_schema<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// The document, pretty-printed.
#[must_use]
pub fn document() -> String {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut document: Option<Document> = None;
    for room in ROOMS {
        (room.schemas)(&mut generator);
        match &mut document {
            Some(document) => document.merge((room.operations)()),
            None => document = Some((room.operations)()),
        }
    }
    let mut document = serde_json::to_value(document).expect("a description is plain data");
    document["components"]["schemas"] = Value::Object(generator.take_definitions(true));
    let mut text = serde_json::to_string_pretty(&document).expect("a value is JSON already");
    text.push('\n');
    text
}

/// The one way to say who asks.
struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", scheme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        let pointer = to.strip_prefix('#').expect("references stay inside the document");
                        assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
                    }
                    map.values().for_each(|inner| walk(inner, document));
                }
                Value::Array(list) => list.iter().for_each(|inner| walk(inner, document)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(&document()).expect("the document is JSON");
        walk(&document, &document);
        assert_eq!(document["openapi"], "3.1.0");
    }
}
