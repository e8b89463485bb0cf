//! Refusals: a stable code, a sentence, what to do next. What must not live here: when to refuse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $message:literal, $next:literal;)*) => {
        /// Why something was refused. The text form is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[repr(u8)]
        pub enum Code { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable text on the wire.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Code::$name => $status,)* }
            }

            fn message(self) -> &'static str {
                match self { $(Code::$name => $message,)* }
            }

            fn next(self) -> &'static str {
                match self { $(Code::$name => $next,)* }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", 400, "The request does not have the form that the protocol describes.", "Correct the request; sending it again unchanged cannot succeed.";
    UnknownType = "unknown_type", 400, "This server does not know that type of request.", "Use a type that `welcome` and the protocol name.";
    TooLarge = "too_large", 413, "This is larger than the limit that `welcome` states.", "Send less at once.";
    NotSignedIn = "not_signed_in", 401, "The first frame must be `hello` with a token.", "Sign in over HTTP, then send `hello`.";
    SignedOut = "signed_out", 401, "This token is not valid, or no longer.", "Sign in again; keep the outbox.";
    NotFound = "not_found", 404, "There is nothing by that id that you may see.", "Check the id, or sync.";
    Forbidden = "forbidden", 403, "Your role does not allow this.", "Ask an owner or admin.";
    Muted = "muted", 403, "You may read here, but not post.", "Wait until the mute ends, or ask an admin.";
    Banned = "banned", 403, "You are banned from this conversation.", "Ask an owner or admin to lift the ban.";
    IdReused = "id_reused", 409, "This client id was used for another request.", "Make a new client id.";
    Busy = "busy", 503, "The server has more to do than it can take right now.", "Send the same request with the same client id again, later.";
    RateLimited = "rate_limited", 429, "You are asking faster than the limit allows.", "Wait, then send the same request again.";
    InFlight = "in_flight", 429, "Too many requests are waiting for an answer on this connection.", "Wait for an answer before the next request.";
    NoChange = "no_change", 409, "That is how it is already.", "Nothing; take it as done.";
    WrongKind = "wrong_kind", 400, "This kind of conversation has no such thing.", "Use a group or a channel.";
    AlreadyMember = "already_member", 409, "That user is a member already.", "Nothing; take it as done.";
    NotMember = "not_member", 409, "That user is not a member.", "Sync the members.";
    LimitReached = "limit_reached", 409, "A limit of this server is reached.", "See the limits in the protocol; remove something first, or ask the operator.";
    OwnerMustStay = "owner_must_stay", 409, "The owner cannot go or be changed like this.", "Transfer the ownership first, or dissolve the conversation.";
    TooLate = "too_late", 409, "The time for that is over.", "Nothing can be done about this message any more; ask an admin.";
    Erased = "erased", 409, "That message was erased.", "Drop it.";
    Resync = "resync", 409, "This resume token belongs to another state of the server.", "Drop the local copy, keep the outbox, and sync without a token.";
    StorageFull = "storage_full", 507, "The server's disk is full; nothing was stored.", "Tell the operator; keep the message and try again later.";
    ReadOnly = "read_only", 503, "The server found its log damaged and takes nothing new.", "Tell the operator to run `kinglet doctor`.";
    TooManyConnections = "too_many_connections", 503, "The server has as many connections as it may have.", "Try again later, with a random delay.";
    SlowSignIn = "slow_sign_in", 408, "The connection did not sign in in time.", "Connect again and send `hello` at once.";
    BadOrigin = "bad_origin", 403, "This page's origin is not accepted here.", "Open the server's own address, or ask the operator to add the origin.";
    BadHost = "bad_host", 421, "This server does not go by that host name.", "Use one of its own addresses.";
    WrongCredentials = "wrong_credentials", 401, "The user name or the password is wrong.", "Try again, or ask an admin for a reset.";
    NameInvalid = "name_invalid", 400, "This name cannot be used.", "Choose 1 to 32 letters, digits, dots, dashes or underscores of one script.";
    NameTaken = "name_taken", 409, "This name, or one that looks like it, is taken.", "Choose another.";
    PasswordWeak = "password_weak", 400, "This password is too short, too common or the user's name.", "Use at least eight characters that are not easy to guess.";
    DeviceTaken = "device_taken", 409, "This device id belongs to another user.", "Make a new device id (a UUID).";
    ClaimClosed = "claim_closed", 403, "This server cannot be claimed now.", "If it has no owner yet, restart it, which gives five tries again, and claim from the same network.";
    ClaimWrong = "claim_wrong", 403, "This is not the claim code.", "Read it again where the server printed it.";
    InvitationInvalid = "invitation_invalid", 404, "This invitation does not exist, was revoked, or is used up or over.", "Ask the person who sent it for a new one.";
    WrongOffset = "wrong_offset", 409, "The upload goes on at another place.", "Go on where `Upload-Offset` says.";
    WrongChecksum = "wrong_checksum", 409, "The bytes that arrived are not those that were announced.", "Begin a new upload with a new client id.";
    LastOwner = "last_owner", 409, "The server's last owner must stay.", "Make somebody else an owner first.";
    LinkInvalid = "link_invalid", 404, "This link or code does not exist, was used or replaced, or is over.", "Ask for a new one.";
    SuccessorNeeded = "successor_needed", 409, "Conversations with other people in them would be left without an owner.", "Name a `successor` who is a member of each, or transfer them first.";
    ChangedMeanwhile = "changed_meanwhile", 409, "This is not what it was when you looked.", "Look again, then decide.";
    PushOff = "push_off", 409, "This server sends no push messages.", "Do without; the operator can set push.enabled.";
    PushRefused = "push_refused", 400, "This server sends nothing to that push address.", "Subscribe with a push service on the public internet, or ask the operator to name its host in push.hosts.";
    BackupOff = "backup_off", 409, "This server makes no backups: nobody has said where to.", "Have an owner choose a place under Administration, Backups; or set backup.to in the server's configuration.";
    BoardFailed = "board_failed", 409, "The machine under the server does not do this.", "Look into its journal: journalctl -t kinglet-board.";
    SafeMode = "safe_mode", 503, "The server cannot start; this is its safe mode.", "Tell the operator to open the server's address in a browser: the page says what happened and what to do. Try again later.";
    ShuttingDown = "shutting_down", 503, "The server is stopping.", "Connect again in a few seconds, with a random delay.";
    Internal = "internal", 500, "Something went wrong in the server.", "Try again; if it stays, tell the operator the time of it.";
}

/// A refusal as it is told: `{"code", "message", "next", "retry_after_ms"?}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    pub code: Code,
    /// A sentence for a person.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// When the same request may be tried again, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    #[must_use]
    pub fn new(code: Code) -> Refusal {
        let retry_after_ms = match code {
            Code::Busy => Some(250),
            Code::TooManyConnections | Code::ShuttingDown => Some(5_000),
            Code::SafeMode => Some(30_000),
            Code::StorageFull => Some(60_000),
            Code::InFlight => Some(0),
            _ => None,
        };
        Refusal {
            code,
            message: code.message().into(),
            next: code.next().into(),
            retry_after_ms,
        }
    }

    /// The code with a sentence that fits the case better.
    #[must_use]
    pub fn because(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            message: message.into(),
            ..Refusal::new(code)
        }
    }

    #[must_use]
    pub fn later(code: Code, retry_after_ms: u64) -> Refusal {
        Refusal {
            retry_after_ms: Some(retry_after_ms),
            ..Refusal::new(code)
        }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Refusal {
        Refusal::new(code)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.code.text(), self.message, self.next)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_its_text_on_the_wire() {
        for code in Code::ALL {
            let json = serde_json::to_string(code).expect("a code encodes");
            assert_eq!(json, format!("\"{}\"", code.text()));
            assert!((400..600).contains(&code.status()));
        }
        assert!(Code::ALL.len() <= 64, "the refusal counters have 64 places");
    }
}
