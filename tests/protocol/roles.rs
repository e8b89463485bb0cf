//! Who may do what, as a table made by asking the rules themselves. What must not live here: the rules.

use kinglet::clock::Now;
use kinglet::core::change::Change;
use kinglet::core::permit::{self, Actor, Settings, TargetFacts};
use kinglet::core::roster::Roster;
use kinglet::proto::{ConversationId, ConversationKind, JoinRule, Refusal, Role, UserId, What, codec};

const OWNER: UserId = UserId(1);
const ADMIN: UserId = UserId(2);
const MEMBER: UserId = UserId(3);
/// A plain member to whom things are done, and who wrote "their" messages.
const OTHER: UserId = UserId(4);
const BANNED: UserId = UserId(7);
const ASKED: UserId = UserId(8);
const STRANGER: UserId = UserId(9);
const HERE: ConversationId = ConversationId(5);
const NOON: Now = Now {
    ms: 1_764_000_000_000,
    synchronised: true,
};

#[derive(Clone, Copy)]
enum Row {
    /// A command's fields, and whose message it is about.
    Command(&'static str, Option<bool>),
    Join(JoinRule),
    Read,
}

const ROWS: [(&str, Row); 25] = [
    (
        "`send`",
        Row::Command(r#""type":"send","body":{"kind":"text","text":"x"}"#, None),
    ),
    (
        "`send` with `<@all>`, until `all_mentions` says otherwise",
        Row::Command(r#""type":"send","body":{"kind":"text","text":"<@all>"}"#, None),
    ),
    (
        "`edit`, own",
        Row::Command(
            r#""type":"edit","target":2,"body":{"kind":"text","text":"x"}"#,
            Some(true),
        ),
    ),
    (
        "`edit`, theirs",
        Row::Command(
            r#""type":"edit","target":2,"body":{"kind":"text","text":"x"}"#,
            Some(false),
        ),
    ),
    (
        "`recall`, own",
        Row::Command(r#""type":"recall","target":2"#, Some(true)),
    ),
    (
        "`recall`, theirs",
        Row::Command(r#""type":"recall","target":2"#, Some(false)),
    ),
    (
        "`react`",
        Row::Command(r#""type":"react","target":2,"emoji":"x""#, Some(false)),
    ),
    (
        "`history`, `members`, `readers`, `search` there, `events`, `edits`, `thread`, `threads`, `pins`, `links`, `follow`, `mark_read`, `typing`",
        Row::Read,
    ),
    (
        "`pin`, until `members_pin` says otherwise",
        Row::Command(r#""type":"pin","target":2"#, Some(false)),
    ),
    (
        "`announce`",
        Row::Command(r#""type":"announce","text":"x""#, None),
    ),
    (
        "`nickname`, own",
        Row::Command(r#""type":"nickname","name":"x""#, None),
    ),
    (
        "`nickname`, taken from a member",
        Row::Command(r#""type":"nickname","user":"u0000000004""#, None),
    ),
    ("`update`", Row::Command(r#""type":"update","title":"new""#, None)),
    (
        "`invite`",
        Row::Command(r#""type":"invite","users":["u0000000009"]"#, None),
    ),
    (
        "`approve`",
        Row::Command(r#""type":"approve","user":"u0000000008","accept":true"#, None),
    ),
    (
        "`kick`, a member",
        Row::Command(r#""type":"kick","user":"u0000000004""#, None),
    ),
    (
        "`ban`, a member; lift a ban",
        Row::Command(r#""type":"ban","user":"u0000000004""#, None),
    ),
    (
        "`mute`, a member",
        Row::Command(r#""type":"mute","user":"u0000000004""#, None),
    ),
    (
        "`role`, of a member",
        Row::Command(r#""type":"role","user":"u0000000004","role":"admin""#, None),
    ),
    (
        "`transfer`, to a member",
        Row::Command(r#""type":"transfer","user":"u0000000004""#, None),
    ),
    ("`dissolve`", Row::Command(r#""type":"dissolve""#, None)),
    (
        "`leave`, others are there",
        Row::Command(r#""type":"leave""#, None),
    ),
    ("`join`, rule `open`", Row::Join(JoinRule::Open)),
    ("`join`, rule `approval`", Row::Join(JoinRule::Approval)),
    ("`join`, rule `invitation`", Row::Join(JoinRule::Invitation)),
];

fn roster(kind: ConversationKind, join: JoinRule) -> Roster {
    if kind == ConversationKind::Direct {
        return Roster::direct(HERE, MEMBER, OTHER);
    }
    let mut roster = Roster::new(HERE, kind);
    let members = vec![ADMIN, MEMBER, OTHER];
    roster.fold(
        1,
        OWNER,
        &What::Created {
            conversation_kind: kind,
            title: "old".into(),
            members,
            join,
            history: true,
            bots: Vec::new(),
        },
    );
    roster.fold(
        3,
        OWNER,
        &What::Role {
            user: ADMIN,
            role: Role::Admin,
        },
    );
    roster.fold(4, OWNER, &What::Banned { user: BANNED });
    roster.fold(5, ASKED, &What::JoinRequested {});
    roster
}

fn decide(row: Row, kind: ConversationKind, user: UserId) -> Result<(), Refusal> {
    let (fields, own, join) = match row {
        Row::Command(fields, own) => (fields, own, JoinRule::Approval),
        Row::Join(rule) => (r#""type":"join""#, None, rule),
        Row::Read => return permit::may_read(&roster(kind, JoinRule::Approval), user),
    };
    let roster = roster(kind, join);
    let text = format!(
        r#"{{"id":1,"client_id":"01993c5e-8a10-7000-8f3b-2d1c0a9e7701","conversation":"{HERE}",{fields}}}"#
    );
    let command = codec::decode(&text).expect("the rows are requests").command;
    let change = Change::try_from_command(command).expect("the rows are changes");
    let target = change.target();
    let permit = permit::authorise(change, Actor::person(user, 1), Some(&roster), NOON)
        .map_err(|refused| refused.refusal)?;
    if target.is_none() {
        return Ok(());
    }
    let by = if own == Some(true) { user } else { OTHER };
    let facts = TargetFacts {
        is_message: true,
        by,
        erased: false,
        ts: NOON.ms,
        in_thread: false,
    };
    let settings = Settings {
        recall_seconds: 60,
        edit_seconds: 60,
    };
    permit.on_target(&roster, Some(facts), &settings, NOON)
}

pub fn roles() -> String {
    use ConversationKind::{Channel, Direct, Group};
    let columns = [
        ("direct", Direct, MEMBER),
        ("group: owner", Group, OWNER),
        ("admin", Group, ADMIN),
        ("member", Group, MEMBER),
        ("channel: owner", Channel, OWNER),
        ("admin", Channel, ADMIN),
        ("member", Channel, MEMBER),
        ("not a member", Group, STRANGER),
    ];
    let mut table = "| command |".to_owned();
    columns
        .iter()
        .for_each(|(name, ..)| table.push_str(&format!(" {name} |")));
    table.push_str(&format!("\n|{}\n", "---|".repeat(columns.len() + 1)));
    for (name, row) in ROWS {
        table.push_str(&format!("| {name} |"));
        for (_, kind, user) in columns {
            let cell = match decide(row, kind, user) {
                Ok(()) => "yes".to_owned(),
                Err(refusal) => format!("`{}`", refusal.code.text()),
            };
            table.push_str(&format!(" {cell} |"));
        }
        table.push('\n');
    }
    table
}
