// The words of the protocol, made from docs/schema by `npm run types`. What must not live here: anything by hand.

/** `POST /api/v1/invitations/accept` */
export type AcceptInvitation = {
  /** Makes a retry give the same answer. */
  client_id: ClientId;
  code: string;
};

/** One is a member now. */
export type Accepted = {
  conversation: ConversationId;
};

/** A state-changing command is done and on disk. */
export type Ack = {
  conversation: ConversationId;
  /** Present and true when the same command was done before. */
  duplicate?: boolean;
  /** Present and true when the event was erased since. */
  erased?: boolean;
  seq: number;
  ts: number;
};

export type Announce = {
  client_id: ClientId;
  conversation: ConversationId;
  /** 1 to 1,024 bytes; left out: no announcement any more. */
  text?: (string | null);
};

export type Approve = {
  accept: boolean;
  client_id: ClientId;
  conversation: ConversationId;
  user: UserId;
};

/** `POST /api/v1/admin/board`: have kinglet-board do something. */
export type AskBoard = ({
  verb: "reboot";
} | {
  verb: "power_off";
} | {
  /** Also after the next start of the machine, and longer than a day. */
  keep?: boolean;
  /** One line of a `.pub` file. */
  key: string;
  verb: "ssh_on";
} | {
  verb: "ssh_off";
} | {
  name: string;
  verb: "host_name";
} | {
  verb: "time_zone";
  zone: string;
} | {
  verb: "update";
} | {
  /** `erase everything`, or with `keep_data` `reset settings`. */
  confirm: string;
  keep_data: boolean;
  verb: "factory_reset";
}) & {
  /** Makes a retry ask for the same, which is not done twice. */
  client_id: ClientId;
  /** The caller's own, for `ssh_on` and `factory_reset`. */
  password?: (string | null);
};

/** `POST /api/v1/pair`: by the new device. */
export type AskToPair = {
  code: string;
  device: NewDevice;
};

/** One act of an admin. */
export type AuditEntry = ({
  act: "invitation_made";
  invitation: InvitationId;
  role: ServerRole;
} | {
  act: "invitation_revoked";
  invitation: InvitationId;
} | {
  act: "reset_link_made";
} | {
  act: "reset_link_used";
} | {
  act: "password_reset";
} | {
  act: "disabled";
} | {
  act: "enabled";
} | {
  act: "deactivated";
} | {
  act: "role_set";
  role: ServerRole;
} | {
  act: "restrained";
  measure: MeasureKind;
  reason: string;
  seconds?: (number | null);
} | {
  act: "measure_lifted";
  measure: MeasureKind;
} | {
  act: "report_resolved";
  note?: string;
  report: number;
} | {
  act: "bot_made";
  scopes: BotScope[];
} | {
  act: "bot_token_made";
  scopes: BotScope[];
} | {
  act: "team_named";
  team: string;
} | {
  act: "address_changed";
  from: string;
  to: string;
} | {
  act: "recovery_key_made";
  recipient: string;
} | {
  act: "backups_placed";
  from: BackupChoice;
  to: BackupChoice;
} | {
  act: "device_ended";
  ended: DeviceId;
} | {
  act: "plug_test_begun";
} | {
  act: "plug_test_ended";
} | {
  act: "restored";
  /** When the backup was made. */
  made: number;
} | {
  act: "board_asked";
  verb: BoardVerb;
}) & {
  /** Who did it; absent for the operator's command line. */
  by?: (UserId | null);
  /** From which device. */
  device?: (DeviceId | null);
  device_name?: string;
  no: number;
  ts: number;
  unsynchronised?: boolean;
  /** To whom. */
  whom?: (UserId | null);
};

/** `GET /api/v1/audit` */
export type AuditPage = {
  /** Newest first. */
  entries: AuditEntry[];
  /** With `more`: the next page is `before` this number. */
  last?: (number | null);
  more: boolean;
};

/** `POST /api/v1/pair/wait` */
export type AwaitPairing = {
  ticket: string;
  /** Seconds to wait for the confirmation, at most 25; 0 when left out. */
  wait?: (number | null);
};

/** `POST /api/v1/admin/backups`: make one now. */
export type BackUpNow = {
  /** Makes a retry ask for the same one. */
  client_id: ClientId;
};

/** A place that the server can always write to, as a page offers it. */
export type BackupChoice = ("off" | "data" | "usb");

/** A good backup: the log was checked before, and what was written was read back. */
export type BackupMade = {
  bytes: number;
  /** Stored files that were missing or damaged already. */
  lost_files: number;
  made: number;
  /** Its file, or the first letters of its parts. */
  name: string;
  parts: number;
  /** The folder that it was written to. */
  path: string;
  took_ms: number;
  unsynchronised?: boolean;
};

export type BackupPlace = {
  /** The folder, once it is known. */
  path?: (string | null);
  /** Whether it is on the same disk as the data: what takes the one takes the other. */
  same_disk?: boolean;
  /** Whether it is a USB stick, mounted only while it is written to. */
  usb?: boolean;
};

export type BackupRun = {
  /** Bytes written so far. */
  bytes: number;
  since: number;
  /** Bytes that it will have, about; absent while the log is being checked. */
  total?: (number | null);
};

/** What keeps backups from being made. */
export type BackupTrouble = ("no_key" | "no_stick" | "full" | "damaged" | "failed");

export type BackupWrong = {
  code: BackupTrouble;
  /** A sentence for a person. */
  message: string;
  /** What to do next. */
  next: string;
  /** Since when it has been so. */
  since: number;
};

export type Ban = {
  client_id: ClientId;
  conversation: ConversationId;
  lift?: boolean;
  user: UserId;
};

/** `POST /api/v1/admin/plug-test`: begin one. */
export type BeginPlugTest = {
  /** Names it, and makes a retry ask for the same one. */
  client_id: ClientId;
};

export type BlobId = string;

/** What the server knows of a stored file. */
export type BlobInfo = {
  /** What messages and addresses name it by. */
  blob: BlobId;
  height?: (number | null);
  /** What the bytes are, found by looking at them. */
  media_type: string;
  /** Bytes as stored: those of a picture whose description of camera and place was taken out are fewer than were sent. */
  size: number;
  thumbhash?: (string | null);
  /** Whether there is a small picture of it. */
  thumbnail?: boolean;
  width?: (number | null);
};

/** A page of a list of messages, newest first. */
export type Board = {
  /** `next` of the page before. */
  before?: (number | null);
  conversation: ConversationId;
  /** 1 to 100; 50 when left out. */
  limit?: (number | null);
};

/** It was done, or is being done. */
export type BoardDone = {
  /** For how long SSH is on; absent where it stays on. */
  hours?: (number | null);
  /** Whether the server takes it up only with its next start. */
  restart_needed?: boolean;
  /** Who comes in over SSH. */
  user?: (string | null);
  /** Which version is being installed. */
  version?: (string | null);
};

/** Something that is or is not so. */
export type BoardFlag = {
  now: boolean;
  /** Whether it has been so since the board was switched on, where the kernel remembers. */
  since_start?: (boolean | null);
};

/** How the board and its card are. */
export type BoardHealth = {
  /** Whether kinglet-board has answered lately: some figures only root may read. */
  asked: boolean;
  /** The disk with the data directory. */
  card?: (CardHealth | null);
  /** Degrees Celsius of the processor, else of the hottest part that has a sensor. */
  celsius?: (number | null);
  /** Errors that the file systems on it have noted since they were last repaired. */
  file_system_errors?: (number | null);
  /** When it was looked at. */
  looked: number;
  /** Names of the figures that the kernel does not report here. */
  not_reported: string[];
  /** Whether the board runs slower than it could, because of heat or power. */
  throttled?: (BoardFlag | null);
  /** Whether there is less voltage than there has to be. */
  under_voltage?: (BoardFlag | null);
  /** What somebody should do something about. */
  warnings: BoardWarning[];
};

/** `GET /api/v1/admin/board`: what can be asked of kinglet-board, which is root, and what it tells of the machine. */
export type BoardState = {
  /** Whether it answers. Where it does not, nothing can be asked. */
  answers: boolean;
  /** The last update, where it came to nothing: what ran before it runs. */
  failed_update?: (FailedUpdate | null);
  host_name?: (string | null);
  /** What the caller may ask for here. */
  may: BoardVerb[];
  /** Whether SSH is on; absent where the machine's SSH is not the appliance's own. */
  ssh?: (boolean | null);
  /** USB sticks that are plugged in and not in use at this moment; absent where kinglet-board does not tell. */
  sticks?: (UsbStick[] | null);
  time_zone?: (string | null);
  /** Whether it takes updates; `false` where it knows no key that they could be signed by. Absent where kinglet-board does not tell. */
  updates?: (boolean | null);
};

/** What is wrong with the board. */
export type BoardTrouble = ("card_loses" | "file_system" | "under_voltage" | "card_errors" | "card_worn" | "card_ending" | "card_slow" | "hot" | "throttled");

/** What kinglet-board can be asked to do. */
export type BoardVerb = ("reboot" | "power_off" | "ssh_on" | "ssh_off" | "host_name" | "time_zone" | "update" | "factory_reset");

export type BoardWarning = {
  code: BoardTrouble;
  /** A sentence for a person. */
  message: string;
  /** What to do next. */
  next: string;
  /** Since when it has been so. */
  since: number;
};

/** A message's content, told apart by `kind`. */
export type Body = ({
  kind: "text";
  text: string;
} | {
  data: string;
  kind: "opaque";
} | Media & {
  kind: "image";
} | Media & {
  kind: "audio";
} | Media & {
  kind: "voice";
} | Media & {
  kind: "video";
} | Media & {
  kind: "file";
});

/** A bot as admins see it. */
export type BotInfo = {
  bot: UserInfo;
  /** When it was last here. */
  last_seen: number;
  scopes: BotScope[];
  /** Whether that token is good still. */
  signed_in: boolean;
  /** When its newest token was made. */
  token_made: number;
};

/** `GET /api/v1/admin/bots` */
export type BotList = {
  /** By their names; those that were removed are not among them. */
  bots: BotInfo[];
};

/** What a bot's token is good for. */
export type BotScope = ("read" | "write" | "manage");

/** A bot and its token, which is told this once. */
export type BotToken = {
  bot: UserInfo;
  /** The one device that it has, for ever. */
  device: DeviceId;
  scopes: BotScope[];
  token: string;
};

/** A line of the memory budget. */
export type BudgetShare = {
  bytes: number;
  pool: string;
  why: string;
};

export type Candidate = {
  role: Role;
  user: UserId;
};

/** The disk with the data, which is a card on most boards. */
export type CardHealth = {
  /** Whether that is only assumed. */
  assumed?: boolean;
  /** Days until then at this pace: an estimate. */
  days_left?: (number | null);
  /** Bytes that may be written to it in its life: the operator's `board.card_tbw`, else an assumption from its size. */
  endurance?: (number | null);
  /** Errors between the board and the card since the board was switched on; a few at the start are usual. */
  errors?: (number | null);
  /** `SD` or `MMC`, where it is one of them. */
  kind?: (string | null);
  /** Life that is used up, as the card itself says, in steps of ten. SD cards do not tell. */
  life_used_percent?: (number | null);
  /** The time that this was measured over. */
  measured_ms?: (number | null);
  /** As the kernel calls it: `mmcblk0`. */
  name: string;
  /** Bytes. */
  size?: (number | null);
  /** `normal`, `warning` or `urgent`, as the card itself says. */
  spare_blocks?: (string | null);
  /** Bytes written since this server has counted. */
  written?: (number | null);
  /** Bytes that all programs of the machine write in a day, once that is known. */
  written_per_day?: (number | null);
};

/** What the client has to do about what it missed. */
export type CatchUp = ("streaming" | "sync" | "resync");

/** The certificate that people are shown, and what became of ordering a new one. */
export type CertificateFigures = {
  ends: number;
  /** Why the last of them failed, in English. */
  error?: (string | null);
  /** Orders for a new one that failed in a row. */
  failures: number;
  /** The names and addresses in it. */
  names: string[];
  /** Whether browsers trust it without being told to. */
  public: boolean;
  /** `own`: of the server's own authority; `files`: the operator's; `acme`: ordered from an authority. */
  source: string;
};

/** `POST /api/v1/password`: cuts every other session of the user. */
export type ChangePassword = {
  current: string;
  new: string;
};

/** `PATCH /api/v1/profile` */
export type ChangeProfile = {
  display_name: string;
};

/** `PATCH /api/v1/server`. What is left out stays. */
export type ChangeServer = {
  /** The address that people are told from now on: scheme, host and, if need be, port. */
  address?: (string | null);
  /** With `address`: the one that it takes the place of. */
  instead_of?: (string | null);
  /** The recipient whose key one holds on paper. */
  recovery_kept?: (string | null);
  /** 1 to 128 bytes. */
  team?: (string | null);
};

/** `POST /api/v1/invitations/check` */
export type CheckInvitation = {
  code: string;
};

/** `POST /api/v1/reset/check` */
export type CheckReset = {
  code: string;
};

/** `POST /api/v1/claim` */
export type Claim = {
  /** The address that people are to be told; the server's own guess when left out. */
  address?: (string | null);
  /** The ten digits the server printed. */
  code: string;
  device: NewDevice;
  display_name?: string;
  name: string;
  password: string;
  /** What the team is called, 1 to 128 bytes. */
  team?: (string | null);
};

export type ClientId = string;

/** Why something was refused. The text form is stable. */
export type Code = ("bad_request" | "unknown_type" | "too_large" | "not_signed_in" | "signed_out" | "not_found" | "forbidden" | "muted" | "banned" | "id_reused" | "busy" | "rate_limited" | "in_flight" | "no_change" | "wrong_kind" | "already_member" | "not_member" | "limit_reached" | "owner_must_stay" | "too_late" | "erased" | "resync" | "storage_full" | "read_only" | "too_many_connections" | "slow_sign_in" | "bad_origin" | "bad_host" | "wrong_credentials" | "name_invalid" | "name_taken" | "password_weak" | "device_taken" | "claim_closed" | "claim_wrong" | "invitation_invalid" | "wrong_offset" | "wrong_checksum" | "last_owner" | "link_invalid" | "successor_needed" | "changed_meanwhile" | "push_off" | "push_refused" | "backup_off" | "board_failed" | "safe_mode" | "shutting_down" | "internal");

/** `POST /api/v1/devices/code/confirm` */
export type ConfirmDevice = {
  /** The number that the person has seen on both devices. */
  number: string;
};

export type ConversationId = string;

export type ConversationInfo = {
  /** Present and true where plain members may mention everyone. */
  all_mentions?: boolean;
  announcement?: (string | null);
  conversation: ConversationId;
  history: boolean;
  join: JoinRule;
  kind: ConversationKind;
  /** The newest seq the asker may see. */
  last_seq: number;
  members: number;
  /** Present and true where plain members may pin. */
  members_pin?: boolean;
  mute_all?: boolean;
  /** The other one of a direct conversation. */
  peer?: (UserId | null);
  /** Present and false where nobody is told who has read what. */
  read_lists?: boolean;
  /** The asker's read marker; 0: never read. */
  read_seq: number;
  /** Open requests to join; only for owner and admins, and only where there are any. */
  requests?: number;
  /** Days after which what is said here is erased: the shorter of the conversation's time and the server's. Absent: never. */
  retention_days?: (number | null);
  role: Role;
  /** Empty for a direct conversation. */
  title?: string;
  /** Messages after the marker. */
  unread: number;
  /** How many of them mention the asker, or everyone; at most 100. */
  unread_mentions?: number;
};

export type ConversationKind = ("direct" | "group" | "channel");

export type ConversationPage = {
  conversations: ConversationInfo[];
  more: boolean;
};

export type Conversations = {
  /** The last conversation of the page before. */
  after?: (ConversationId | null);
  /** 1 to 200; 100 when left out. */
  limit?: (number | null);
};

export type Create = {
  client_id: ClientId;
  /** Whether newcomers see what was said before they came. */
  history?: boolean;
  join?: JoinRule;
  /** `group` or `channel`; a direct conversation opens with its first message. */
  kind: ConversationKind;
  /** First members beside oneself, at most 100, each once. */
  members?: UserId[];
  /** 1 to 128 bytes. */
  title: string;
};

/** `POST /api/v1/users/{id}/deactivate` */
export type Deactivate = {
  client_id: ClientId;
  /** Who owns their conversations from then on; a member of each. */
  successor?: (UserId | null);
};

/** `POST /api/v1/devices/code` */
export type DeviceCode = {
  /** Eight characters to type on the new device. */
  code: string;
  expires_in_ms: number;
  /** The address to open there. As a QR code show just this text. */
  link: string;
};

/** `GET /api/v1/devices/code` */
export type DeviceCodeState = {
  /** The new device as it names itself, once it has asked. */
  device_name?: (string | null);
  expires_in_ms: number;
  /** Three digits that both devices must show. */
  number?: (string | null);
  state: PairingState;
};

export type DeviceId = string;

export type DeviceInfo = {
  created: number;
  /** Whether this is the device that asks. */
  current: boolean;
  id: DeviceId;
  last_seen: number;
  name: string;
  signed_in: boolean;
};

export type DeviceList = {
  devices: DeviceInfo[];
};

export type DiscoverPage = {
  conversations: Discovered[];
  more: boolean;
};

export type Discovered = {
  conversation: ConversationId;
  join: JoinRule;
  kind: ConversationKind;
  members: number;
  title: string;
};

/** Bytes. */
export type DiskFigures = {
  /** The database, its write-ahead log included. */
  database: number;
  /** All files that people uploaded. */
  files: number;
  /** What all files together may take. */
  files_limit: number;
  /** Of the disk with the data directory, where the kernel tells. */
  free?: (number | null);
  total?: (number | null);
  /** Written to disks by this process, counting up, where the kernel tells. */
  written?: (number | null);
};

export type Draft = {
  /** The message that is being answered. */
  reply_to?: (number | null);
  /** At most 4,096 bytes. */
  text: string;
};

export type Edit = {
  body: Body;
  client_id: ClientId;
  conversation: ConversationId;
  /** The message's seq. */
  target: number;
};

export type EditPage = {
  conversation: ConversationId;
  more: boolean;
  target: number;
  /** The message, then its edits, ascending by seq. */
  versions: Event[];
};

export type Edits = {
  /** The seq of the last version of the page before. */
  after?: (number | null);
  conversation: ConversationId;
  /** 1 to 100; 50 when left out. */
  limit?: (number | null);
  /** The message's seq. */
  target: number;
};

/** `POST /api/v1/users/{id}/devices/end` */
export type EndDevice = {
  device: DeviceId;
};

/** `POST /api/v1/admin/plug-test/end`: what was seen of one that was cut off; or the end of one that is running. */
export type EndPlugTest = {
  /** The highest number that was seen; absent if nobody knows. */
  acked?: (number | null);
  run: ClientId;
};

/** `POST /api/v1/me/erase`: erases the one who asks. There is no way back. */
export type EraseMe = {
  /** One's own user name, typed once more. */
  confirm: string;
  password: string;
};

/** `POST /api/v1/users/{id}/erase`: erases somebody. There is no way back. */
export type EraseUser = {
  /** Their user name, typed by the one who asks. */
  confirm: string;
};

/** How far the erasure of a person is. */
export type Erasure = {
  /** When it was asked for. */
  asked: number;
  /** Conversations that are still to be gone through. */
  conversations_left: number;
  /** Messages, edits and reactions that lost their words so far. */
  erased: number;
  state: ErasureState;
  user: UserId;
};

export type ErasureState = ("running" | "done");

/** `{"re": ..., "error": {...}}`; `re` is absent when the frame could not be read that far. */
export type ErrorFrame = {
  error: Refusal;
  re?: (RequestId | null);
};

/** One event of a conversation's log: `{"type":"event", ...}`. */
export type Event = ({
  /** Present and true on a message of a thread that was sent to the conversation, too. */
  also_send?: boolean;
  /** Absent once erased. */
  body?: (Body | null);
  /** Present and true on a tombstone. */
  erased?: boolean;
  /** Present when somebody said it first somewhere else. */
  forwarded?: (Forwarded | null);
  kind: "message";
  /** Present and true when the text mentions everyone. */
  mention_all?: boolean;
  /** The other members whom the text mentions. */
  mentions?: UserId[];
  reply_to?: (number | null);
  /** The message whose thread this belongs to. */
  thread?: (number | null);
  /** How many messages the thread had with this one. */
  thread_count?: (number | null);
} | {
  /** Absent once the message was recalled. */
  body?: (Body | null);
  erased?: boolean;
  kind: "edited";
  /** The message's seq. */
  target: number;
} | {
  kind: "recalled";
  target: number;
} | {
  emoji: string;
  kind: "reaction";
  removed?: boolean;
  target: number;
} | {
  /** Those of the members that are bots. */
  bots?: UserId[];
  conversation_kind: ConversationKind;
  history: boolean;
  join: JoinRule;
  kind: "created";
  members: UserId[];
  title: string;
} | {
  all_mentions?: (boolean | null);
  history?: (boolean | null);
  join?: (JoinRule | null);
  kind: "updated";
  members_pin?: (boolean | null);
  mute_all?: (boolean | null);
  read_lists?: (boolean | null);
  /** Days after which what is said here is erased; 0: as long as the server keeps it. */
  retention_days?: (number | null);
  title?: (string | null);
} | {
  /** Those of them that are bots. */
  bots?: UserId[];
  kind: "joined";
  users: UserId[];
} | {
  kind: "join_requested";
} | {
  kind: "join_declined";
  user: UserId;
} | {
  kind: "left";
} | {
  kind: "removed";
  user: UserId;
} | {
  kind: "banned";
  user: UserId;
} | {
  kind: "unbanned";
  user: UserId;
} | {
  kind: "role";
  role: Role;
  user: UserId;
} | {
  kind: "muted";
  /** Shown time of its end; absent: until someone ends it. */
  until?: (number | null);
  user: UserId;
} | {
  kind: "unmuted";
  user: UserId;
} | {
  kind: "transferred";
  user: UserId;
} | {
  kind: "dissolved";
} | {
  kind: "pinned";
  target: number;
} | {
  kind: "unpinned";
  target: number;
} | {
  /** Present and true once its words were erased. */
  erased?: boolean;
  kind: "announced";
  text?: (string | null);
} | {
  /** Present and true once the name was erased. */
  erased?: boolean;
  kind: "nickname";
  name?: (string | null);
  user: UserId;
} | {
  kind: "erased";
  upto: number;
  /** Whose; absent: everybody's. */
  user?: (UserId | null);
}) & {
  /** Who did it. */
  by: UserId;
  /** The command's client id, so that the sender's devices know their own. */
  client_id: ClientId;
  conversation: ConversationId;
  /** How many messages the conversation had with this event: the difference to the reader's marker is what is unread. */
  count: number;
  seq: number;
  /** Shown time; see `unsynchronised`. */
  ts: number;
  type: "event";
  /** Present and true when the server's clock was not known to be right. */
  unsynchronised?: boolean;
};

export type EventList = {
  conversation: ConversationId;
  /** The newest edit of each of these messages that was edited. */
  edits?: Event[];
  /** Ascending by seq; only what the asker may see. */
  events: Event[];
  /** Whether the answer ended early: ask again for the seqs after the last one here. */
  more: boolean;
};

export type Events = {
  conversation: ConversationId;
  /** 1 to 50, each once. */
  seqs: number[];
};

/** `conversations/ID/conversation.json` of an export. */
export type ExportConversation = {
  /** With one's own role and read marker. */
  conversation: ConversationInfo;
  /** Who is in it, as everyone in it may see. */
  members: MemberInfo[];
};

/** `complete.json`, the last file of an export: without it something is missing. */
export type ExportEnd = {
  /** Files before this one. */
  files: number;
};

/** `conversations/ID/events-NNNNNN.json` of an export. */
export type ExportEvents = {
  conversation: ConversationId;
  /** Ascending by seq; what one may see, and nothing else. */
  events: Event[];
};

/** A file that the person uploaded. */
export type ExportFile = {
  /** What messages and addresses name it by. */
  blob: BlobId;
  height?: (number | null);
  /** What the bytes are, found by looking at them. */
  media_type: string;
  /** Whether it has gone out in a message; else it is removed a day after it came. */
  sent: boolean;
  /** Bytes as stored: those of a picture whose description of camera and place was taken out are fewer than were sent. */
  size: number;
  thumbhash?: (string | null);
  /** Whether there is a small picture of it. */
  thumbnail?: boolean;
  width?: (number | null);
};

/** `files/list-NNNNNN.json` of an export; the bytes of each are beside it, under its `blob`. */
export type ExportFiles = {
  files: ExportFile[];
};

/** `format.json` of an export. */
export type ExportFormat = {
  /** `kinglet-export`. */
  format: string;
  made: number;
  /** Whose data it is. */
  user: UserId;
  /** Rises when files change in a way that a reader must know of; new files and fields do not count. */
  version: number;
};

/** `push.json` of an export. */
export type ExportPush = {
  subscriptions: ExportSubscription[];
};

/** A device's push subscription. Its address and keys are not in the archive: who has them can disturb. */
export type ExportSubscription = {
  created: number;
  device: DeviceId;
  /** Whose push service it is. */
  host: string;
  text: boolean;
};

/** An update that was not kept, and may be asked for again. */
export type FailedUpdate = {
  version: string;
  /** In the machine's own words. */
  why: string;
};

/** `GET /api/v1/conversations/{id}/files`: newest first. */
export type FilePage = {
  /** The messages and edits that carry the files, descending by seq; only what the asker may see. */
  events: Event[];
  /** Whether there are older ones. */
  more: boolean;
};

/** The address that a claim fixes if it names no other. */
export type FirstRun = {
  address: string;
  /** Whether `listen.canonical_url` decides on it: then a claim cannot name another. */
  address_is_set?: boolean;
};

/** Follow a thread, or no longer. */
export type Follow = {
  conversation: ConversationId;
  on: boolean;
  /** The seq of the message that the thread hangs on. */
  thread: number;
};

/** A thread that one has begun or ceased to follow. */
export type Followed = {
  conversation: ConversationId;
  following: boolean;
  /** The seq of the message that the thread hangs on. */
  thread: number;
};

/** Where a forwarded message comes from; which conversation it was is not told. */
export type Forwarded = {
  /** Who said it first. */
  by: UserId;
};

/** A message in which the words stand. */
export type Found = {
  by: UserId;
  conversation: ConversationId;
  /** The seq of the edit whose words these are. */
  edit?: (number | null);
  kind: FoundKind;
  /** Where the words stand in `snippet`: [from, to), in UTF-16 code units; at most 16. */
  matches: number[][];
  /** The message's, also where its words are those of an edit. */
  seq: number;
  /** The text around the first of the words, with `…` where it is cut. */
  snippet: string;
  ts: number;
  /** Present and true when the server's clock was not known to be right. */
  unsynchronised?: boolean;
};

/** Kinds of bodies that can be searched. */
export type FoundKind = ("text" | "image" | "audio" | "voice" | "video" | "file");

/** `GET /health` */
export type Health = {
  /** Whether somebody has claimed the server. */
  claimed: boolean;
  /** What whoever claims the server can decide on; only while nobody has. */
  first_run?: (FirstRun | null);
  /** `ready`, `read_only`, `full` or `stopping`. */
  status: string;
  /** Whether the wall clock is known to be right. */
  synchronised: boolean;
  /** What the team is called, once somebody said so. */
  team?: (string | null);
  version: string;
};

/** The first frame of a WebSocket, unless an `Authorization` header said it already. */
export type Hello = {
  /** The newest resume token the client has stored, or nothing on a first load. */
  resume?: (string | null);
  /** The device's token from sign-in, claim or join. Left out when the header carried it. */
  token?: (string | null);
};

export type History = {
  /** Events with a larger seq, ascending. Without `after` and `before` (never both): the newest page. */
  after?: (number | null);
  /** Events with a smaller seq; the page is still ascending. */
  before?: (number | null);
  conversation: ConversationId;
  /** 1 to 100; 50 when left out. */
  limit?: (number | null);
};

export type HistoryPage = {
  /** Edits, recalls and reactions of these messages that lie after the page, at most the first 200. They are still to be received in their own places. */
  annotations?: Event[];
  conversation: ConversationId;
  /** Ascending by seq; only what the asker may see. */
  events: Event[];
  /** The newest seq the asker may see. */
  last_seq: number;
  /** Whether the conversation goes on beyond this page in the direction asked. */
  more: boolean;
  /** The threads that hang on these messages. */
  threads?: ThreadSummary[];
};

/** What an invitation offers. One that cannot be used is refused with `invitation_invalid` instead. */
export type InvitationCheck = {
  by_display_name: string;
  /** Who invites. */
  by_name: string;
  expires: number;
  /** The group or channel that it leads into. */
  into?: (InvitedInto | null);
  /** What one becomes by it. */
  role: ServerRole;
  valid: boolean;
};

export type InvitationId = string;

export type InvitationInfo = {
  by: UserId;
  code: string;
  /** The group or channel that it leads into. */
  conversation?: (ConversationId | null);
  expires: number;
  id: InvitationId;
  /** The address to open. */
  link: string;
  revoked?: boolean;
  role: ServerRole;
  used: number;
  uses: number;
};

export type InvitationList = {
  invitations: InvitationInfo[];
};

export type Invite = {
  client_id: ClientId;
  conversation: ConversationId;
  /** 1 to 100, each once. */
  users: UserId[];
};

/** Where a link leads. */
export type InvitedInto = {
  /** Whether one without an account may make one by it. */
  accounts: boolean;
  kind: ConversationKind;
  title: string;
};

/** How one becomes a member. */
export type JoinRule = ("open" | "approval" | "invitation");

/** `POST /api/v1/join` */
export type JoinServer = {
  /** The invitation's code. */
  code: string;
  device: NewDevice;
  display_name?: string;
  name: string;
  password: string;
};

/** A setting as it stands since an account change. */
export type Kept = ({
  conversation?: (ConversationId | null);
  key: "notify";
  value?: (Notify | null);
} | {
  key: "quiet";
  value?: (Quiet | null);
} | {
  conversation: ConversationId;
  key: "draft";
  value?: (Draft | null);
} | {
  conversation: ConversationId;
  key: "saved";
  seq: number;
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "hidden";
  seq: number;
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "pinned";
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "archived";
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "unread";
  value?: boolean;
} | {
  key: "blocked";
  user: UserId;
  value?: boolean;
} | {
  key: "unseen";
  value?: boolean;
} | {
  key: "reads_unseen";
  value?: boolean;
} | {
  key: "status";
  value?: (Status | null);
} | {
  key: "avatar";
  value?: (BlobId | null);
}) & {
  /** Of two states of one setting the larger number is the newer. */
  change: number;
};

/** `POST /api/v1/leave` */
export type LeaveServer = {
  client_id: ClientId;
  password: string;
  /** Who owns one's conversations from then on; a member of each. */
  successor?: (UserId | null);
};

export type LinkPage = {
  conversation: ConversationId;
  /** The newest edit of each of these messages that was edited. */
  edits?: Event[];
  /** Messages with a link, ascending by seq; only what the asker may see. */
  events: Event[];
  /** What to ask with for those before; absent at the end. */
  next?: (number | null);
};

export type MarkRead = {
  conversation: ConversationId;
  /** The event read last; it must exist. */
  seq: number;
  /** Read in this thread only, which one follows. */
  thread?: (number | null);
};

/** A warning, a mute or a ban. */
export type MeasureInfo = {
  /** Who did it; absent for the operator. */
  by?: (UserId | null);
  /** Whether the mute or the ban holds now. */
  holds: boolean;
  measure: MeasureKind;
  no: number;
  reason: string;
  ts: number;
  unsynchronised?: boolean;
  /** When it ends; absent where it stays until it is lifted. */
  until?: (number | null);
  user: UserId;
};

/** What is done about a person. */
export type MeasureKind = ("warning" | "mute" | "ban");

/** `GET /api/v1/measures` */
export type MeasureList = {
  /** Newest first. */
  measures: MeasureInfo[];
  more: boolean;
};

/** A stored file in a message. The sender gives `blob` and `name`, and may give `caption`, for sound and film `duration_ms`, `width` and `height`, and for film `thumbhash`; everything else is the server's to say. */
export type Media = {
  /** The file, as its upload's end named it. */
  blob: BlobId;
  /** A text that belongs to it. */
  caption?: string;
  /** How long it plays; said by the sender. */
  duration_ms?: (number | null);
  height?: (number | null);
  /** What the bytes are, found by looking at them; said by the server. */
  media_type?: string;
  /** What it is called: 1 to 255 bytes of one line, without slashes. */
  name: string;
  /** Bytes; said by the server. */
  size?: number;
  /** A picture of a few bytes to show until the file is there: a ThumbHash in base64; of film said by the sender, else by the server. */
  thumbhash?: (string | null);
  /** Pixels, as it is shown; of a picture said by the server. */
  width?: (number | null);
};

export type MemberInfo = {
  /** Present and true for a bot. */
  bot?: boolean;
  display_name: string;
  muted?: boolean;
  name: string;
  /** What they go by in this conversation, if they chose something. */
  nickname?: (string | null);
  role: Role;
  user: UserId;
};

export type MemberPage = {
  /** The banned; only for owner and admins, and only on the first page. */
  banned?: UserId[];
  members: MemberInfo[];
  more: boolean;
  /** Open requests to join; only for owner and admins, and only on the first page. */
  requests?: UserId[];
};

export type Members = {
  /** The last user of the page before. */
  after?: (UserId | null);
  conversation: ConversationId;
  /** 1 to 200; 100 when left out. */
  limit?: (number | null);
};

export type MemoryFigures = {
  /** The most that the server can come to hold: the sum of the lines. */
  budget: number;
  lines: BudgetShare[];
  /** What the process holds now, where the kernel tells. */
  resident?: (number | null);
};

export type Mute = {
  client_id: ClientId;
  conversation: ConversationId;
  /** Seconds from now, at most ten years; 0 ends the mute; left out means until someone ends it. */
  seconds?: (number | null);
  user: UserId;
};

/** The refusal that comes with a list: waiting does not help. */
export type Needed = {
  code: Code;
  /** A sentence for a person. */
  message: string;
  /** What to do next. */
  next: string;
};

/** `POST /api/v1/admin/bots` */
export type NewBot = {
  /** Makes a retry give the same bot, and the same token. */
  client_id: ClientId;
  /** The user name when left out. */
  display_name?: string;
  name: string;
  /** `read` and `write` when left out. */
  scopes?: (BotScope[] | null);
};

/** `POST /api/v1/admin/bots/{id}/token` */
export type NewBotToken = {
  /** Makes a retry give the same token. */
  client_id: ClientId;
  /** As they were when left out. */
  scopes?: (BotScope[] | null);
};

/** The device that signs in. */
export type NewDevice = {
  /** A UUID the client made once, presents at every sign-in and never reuses. */
  id: DeviceId;
  /** A name for the device list, at most 64 bytes. */
  name?: string;
};

/** `POST /api/v1/invitations` */
export type NewInvitation = {
  /** Makes a retry give the same invitation. */
  client_id: ClientId;
  /** Into this group or channel, too: a link. */
  conversation?: (ConversationId | null);
  /** For how long, 1 to 365 days; the server's setting when left out. */
  days?: (number | null);
  role?: ServerRole;
  /** How many may use it, 1 to 1,000; 1 when left out. */
  uses?: (number | null);
};

/** `POST /api/v1/server/recovery-key` */
export type NewRecoveryKey = {
  /** Makes a retry give the same key. */
  client_id: ClientId;
  /** The recipient that it takes the place of; needed where there is one. */
  replaces?: (string | null);
};

/** `POST /api/v1/reports` */
export type NewReport = {
  /** Makes a retry give the same report. */
  client_id: ClientId;
  conversation: ConversationId;
  /** At most 500 bytes; may be empty. */
  reason?: string;
  /** The message. */
  seq: number;
};

/** `POST /api/v1/users/{id}/reset-link` */
export type NewResetLink = {
  /** Makes a retry give the same link. */
  client_id: ClientId;
  /** For how long, 1 to 168 hours; 24 when left out. */
  hours?: (number | null);
};

/** `POST /api/v1/uploads` */
export type NewUpload = {
  /** The BLAKE3 hash of the bytes that will be sent: what arrives must have it. */
  blake3?: (BlobId | null);
  client_id: ClientId;
  /** Bytes, at least one. */
  size: number;
};

/** Something a person must hear about their account. */
export type News = ({
  by?: (UserId | null);
  kind: "reset_link_made";
} | {
  device_name: string;
  kind: "password_reset";
} | {
  kind: "reset_link_used";
  user: UserId;
} | {
  by?: (UserId | null);
  kind: "server_role";
  role: ServerRole;
} | {
  device_name: string;
  kind: "device_added";
} | {
  by?: (UserId | null);
  kind: "reactivated";
} | {
  by?: (UserId | null);
  kind: "warned";
  reason: string;
} | {
  by?: (UserId | null);
  kind: "muted";
  reason: string;
  until?: (number | null);
} | {
  by?: (UserId | null);
  kind: "banned";
  reason: string;
  until?: (number | null);
} | {
  by?: (UserId | null);
  kind: "lifted";
  measure: MeasureKind;
} | {
  kind: "report_resolved";
  report: number;
} | {
  kind: "reports_waiting";
}) & {
  no: number;
  ts: number;
  unsynchronised?: boolean;
};

/** `GET /api/v1/news` */
export type NewsPage = {
  more: boolean;
  /** Ascending. */
  news: News[];
};

export type Nickname = {
  client_id: ClientId;
  conversation: ConversationId;
  /** As for display names; left out: no nickname any more. */
  name?: (string | null);
  /** Whose; left out: one's own. */
  user?: (UserId | null);
};

/** Frames without a `re` that are no events: never stored, and shed first. */
export type Notice = ({
  conversation: ConversationId;
  on: boolean;
  type: "typing";
  user: UserId;
} | {
  online: boolean;
  type: "presence";
  user: UserId;
} | {
  conversation: ConversationId;
  seq: number;
  type: "read";
  user: UserId;
} | {
  conversation: ConversationId;
  following: boolean;
  seq: number;
  thread: number;
  type: "thread";
} | UserInfo & {
  type: "user";
} | Kept & {
  type: "setting";
} | {
  type: "news";
} | {
  resume: string;
  type: "position";
} | {
  resume: string;
  type: "behind";
});

/** What one is notified of. */
export type Notify = {
  level: NotifyLevel;
  /** Until then; afterwards as if this were not set. */
  until?: (number | null);
};

export type NotifyLevel = (("all" | "none") | "mentions");

/** A conversation that would be left without an owner. */
export type OwnedConversation = {
  /** Who could take it over: its admins, then those who are there longest; at most ten. */
  candidates: Candidate[];
  conversation: ConversationId;
  kind: ConversationKind;
  title: string;
};

/** Whether the new device is in. */
export type Paired = {
  /** Absent while nobody has confirmed: ask again. */
  signed_in?: (SignedIn | null);
};

/** How far a device code has come. */
export type PairingState = ("open" | "asked" | "confirmed" | "done");

/** What the new device waits with. */
export type PairingTicket = {
  expires_in_ms: number;
  /** Three digits that both devices must show. */
  number: string;
  /** Keep it like a password. */
  ticket: string;
};

/** The answer of a reset: a password to tell the user, good until they change it. */
export type PasswordReset = {
  password: string;
  user: UserId;
};

export type Pin = {
  by: UserId;
  /** The seq of the event that pinned it. */
  seq: number;
  /** The message's seq. */
  target: number;
  ts: number;
};

export type PinPage = {
  conversation: ConversationId;
  /** The newest edit of each of these messages that was edited. */
  edits?: Event[];
  /** Their messages, ascending by seq. */
  events: Event[];
  /** What to ask with for those before; absent at the end. */
  next?: (number | null);
  /** Newest first; only those whose message the asker may see. */
  pins: Pin[];
};

/** `PATCH /api/v1/admin/backups`: where they go from now on. */
export type PlaceBackups = {
  /** What `place` takes the place of. */
  instead_of: BackupChoice;
  /** The caller's own. */
  password?: (string | null);
  place: BackupChoice;
};

export type Plain = {
  client_id: ClientId;
  conversation: ConversationId;
};

/** `GET /api/v1/admin/plug-test`: whether the card keeps what it says, found out by pulling the plug. */
export type PlugTest = {
  /** While one is running: so many records are written and confirmed by the card. */
  acked?: (number | null);
  /** What came of the last one. */
  last?: (PlugTestResult | null);
  /** With so many it is over. */
  most: number;
  /** Which one is running, or was cut off. */
  run?: (ClientId | null);
  state: PlugTestState;
};

export type PlugTestResult = {
  /** The number that somebody had seen. */
  acked?: (number | null);
  /** Records that the card had confirmed and did not have. */
  lost: number;
  run: ClientId;
  ts: number;
  verdict: PlugTestVerdict;
  /** Why nothing can be told. */
  why?: (PlugTestWhy | null);
};

export type PlugTestState = ("idle" | "running" | "cut");

export type PlugTestVerdict = ("cannot_tell" | "keeps" | "lost");

export type PlugTestWhy = ("not_off" | "boot_unknown" | "stopped" | "over" | "failed" | "not_watched");

/** The fallback's answer: `GET /api/v1/sync`. */
export type PollPage = {
  /** Too far behind, or a first load: pull `conversations` and pages. */
  catch_up: CatchUp;
  /** Events after the token, in the order they would have come over the socket. */
  events: Event[];
  resume: string;
};

/** What is taken from a bounded pool, and what it holds, in its own unit. */
export type PoolFigures = {
  limit: number;
  name: string;
  used: number;
};

export type Presence = {
  on: boolean;
};

export type PresenceList = {
  /** Who of the people in one's conversations (up to 256 members each) is online now. */
  online: UserId[];
};

export type Profile = {
  display_name: string;
  name: string;
  role: ServerRole;
  user: UserId;
};

/** `GET /api/v1/push` */
export type PushInfo = {
  /** Whether this server sends push messages. */
  enabled: boolean;
  /** The server's key (RFC 8292), base64url: what a client subscribes with as `applicationServerKey`. */
  public_key?: (string | null);
  /** Whether a device may ask for names and text. */
  text_allowed: boolean;
};

/** The receiver's keys (RFC 8291), base64url without padding. */
export type PushKeys = {
  /** 16 bytes. */
  auth: string;
  /** A point of P-256, uncompressed: 65 bytes. */
  p256dh: string;
};

/** What a push message says once the receiver has decrypted it. */
export type PushMessage = ({
  by?: (UserId | null);
  conversation: ConversationId;
  /** How many are unread. */
  count: number;
  /** The sender's display name. */
  name?: (string | null);
  /** The newest one. */
  seq: number;
  /** The newest message, its first 1,000 bytes. */
  text?: (string | null);
  /** The conversation's; a direct one has none. */
  title?: (string | null);
  type: "message";
} | {
  type: "test";
});

/** `PUT /api/v1/push/subscription`: what a browser's `PushSubscription.toJSON()` gives, and one choice more. */
export type PushSubscribe = {
  /** The address that the push service gave, at most 2,048 bytes. */
  endpoint: string;
  keys: PushKeys;
  /** Put names and text into the message, which only the receiver can read. Without it a message tells nothing but that there is something new. */
  text?: boolean;
};

/** The subscription of the device that asks. Its keys are not told again. */
export type PushSubscription = {
  created: number;
  endpoint: string;
  text: boolean;
};

/** `POST /api/v1/push/test`: what became of one message to the device that asks. */
export type PushTested = {
  /** Why there is no status. */
  error?: (string | null);
  host: string;
  /** The status that the push service answered with. */
  status?: (number | null);
  /** Whether the push service took it. */
  taken: boolean;
};

/** Hours without notifications, by the clock on the wall of one place. */
export type Quiet = {
  /** 1 to 14 stretches. */
  hours: QuietHours[];
  /** The IANA name of the time zone: `Europe/Berlin`. */
  zone: string;
};

export type QuietHours = {
  /** The days on which the stretch begins, 1 to 7, each once. */
  days: Weekday[];
  /** Minutes after midnight, 0 to 1,439. */
  from: number;
  /** The same for the end, not quiet any more; at or before `from` it is on the next day. */
  to: number;
};

export type React = {
  client_id: ClientId;
  conversation: ConversationId;
  /** 1 to 32 bytes, without blanks and controls. */
  emoji: string;
  /** Take the reaction back. */
  remove?: boolean;
  /** The message's seq. */
  target: number;
};

export type Reader = {
  seq: number;
  user: UserId;
};

export type ReaderPage = {
  /** How many they are on all pages. */
  count: number;
  more: boolean;
  /** Members whose marker is at the seq asked for or beyond; with `unread` those whose marker is not. */
  readers: Reader[];
};

export type Readers = {
  /** The last user of the page before. */
  after?: (UserId | null);
  conversation: ConversationId;
  /** 1 to 200; 100 when left out. */
  limit?: (number | null);
  /** Members who have read this far or further. */
  seq: number;
  /** Those who have not, instead. */
  unread?: boolean;
};

/** What the server keeps of the recovery key: its public half. */
export type Recovery = {
  by: UserId;
  /** Whether its owner has shown that they hold it on paper. */
  kept: boolean;
  made: number;
  /** What backups are encrypted to, in age's form. */
  recipient: string;
  unsynchronised?: boolean;
};

/** A new recovery key, shown once. */
export type RecoveryKey = {
  /** The secret half, in age's form. The server does not keep it. */
  key: string;
  recipient: string;
};

/** A refusal as it is told: `{"code", "message", "next", "retry_after_ms"?}`. */
export type Refusal = {
  code: Code;
  /** A sentence for a person. */
  message: string;
  /** What to do next. */
  next: string;
  /** When the same request may be tried again, where waiting helps. */
  retry_after_ms?: (number | null);
};

/** `PATCH /api/v1/devices/{id}` */
export type RenameDevice = {
  name: string;
};

/** The answer to a request: `{"re": ..., "type": ..., ...}`, or `{"re": ..., "error": {...}}`. */
export type Reply = (Welcome & {
  type: "welcome";
} | Ack & {
  type: "ack";
} | {
  type: "ok";
} | HistoryPage & {
  type: "history";
} | ConversationPage & {
  type: "conversations";
} | DiscoverPage & {
  type: "discover";
} | MemberPage & {
  type: "members";
} | ReaderPage & {
  type: "readers";
} | PresenceList & {
  type: "presence";
} | SyncPage & {
  type: "sync";
} | SetDone & {
  type: "set";
} | SettingPage & {
  type: "settings";
} | SavedPage & {
  type: "saved";
} | UserList & {
  type: "users";
} | SearchPage & {
  type: "search";
} | EventList & {
  type: "events";
} | EditPage & {
  type: "edits";
} | ThreadPage & {
  type: "thread";
} | ThreadList & {
  type: "threads";
} | PinPage & {
  type: "pins";
} | RequestList & {
  type: "requests";
} | LinkPage & {
  type: "links";
}) & {
  re: RequestId;
};

/** A report as those see it who decide on it. */
export type ReportInfo = {
  /** Who wrote the message. */
  author: UserId;
  /** Who reports. */
  by: UserId;
  conversation: ConversationId;
  reason: string;
  report: number;
  /** Absent while it is open. */
  resolved?: (Resolved | null);
  seq: number;
  ts: number;
  unsynchronised?: boolean;
};

/** `GET /api/v1/reports` */
export type ReportList = {
  more: boolean;
  reports: ReportInfo[];
};

/** `GET /api/v1/reports/{no}`: a report with what it is about, as the log has it now. */
export type ReportView = {
  /** How these were edited later. */
  edits: Event[];
  /** The message, with up to two messages before it and two after it, ascending. Without words once erased. */
  events: Event[];
  report: ReportInfo;
};

/** A report was made. */
export type Reported = {
  report: number;
};

/** A request frame: `{"id": ..., "type": ..., ...}`. */
export type Request = (Hello & {
  type: "hello";
} | Send & {
  type: "send";
} | Edit & {
  type: "edit";
} | Target & {
  type: "recall";
} | React & {
  type: "react";
} | MarkRead & {
  type: "mark_read";
} | Typing & {
  type: "typing";
} | Presence & {
  type: "presence";
} | Create & {
  type: "create";
} | Update & {
  type: "update";
} | Plain & {
  type: "leave";
} | Plain & {
  type: "dissolve";
} | Invite & {
  type: "invite";
} | Plain & {
  type: "join";
} | Approve & {
  type: "approve";
} | Subject & {
  type: "kick";
} | Ban & {
  type: "ban";
} | SetRole & {
  type: "role";
} | Mute & {
  type: "mute";
} | Subject & {
  type: "transfer";
} | History & {
  type: "history";
} | Conversations & {
  type: "conversations";
} | Conversations & {
  type: "discover";
} | Members & {
  type: "members";
} | Readers & {
  type: "readers";
} | Sync & {
  type: "sync";
} | Set & {
  type: "set";
} | Settings & {
  type: "settings";
} | Settings & {
  type: "saved";
} | Users & {
  type: "users";
} | Search & {
  type: "search";
} | Events & {
  type: "events";
} | Edits & {
  type: "edits";
} | Follow & {
  type: "follow";
} | Thread & {
  type: "thread";
} | Threads & {
  type: "threads";
} | Target & {
  type: "pin";
} | Target & {
  type: "unpin";
} | Board & {
  type: "pins";
} | Announce & {
  type: "announce";
} | Nickname & {
  type: "nickname";
} | Requests & {
  type: "requests";
} | Board & {
  type: "links";
}) & {
  id: RequestId;
};

/** A request's identity on its connection, echoed as `re`: a text of at most 64 bytes or a whole number below 2^53. */
export type RequestId = (number | string);

export type RequestList = {
  conversation: ConversationId;
  /** Who asks to join, oldest request first. */
  requests: UserInfo[];
};

export type Requests = {
  conversation: ConversationId;
};

/** Whose password a code sets. */
export type ResetCheck = {
  display_name: string;
  expires: number;
  name: string;
};

/** A way to a new password, shown once. */
export type ResetLink = {
  code: string;
  expires: number;
  /** The address to open. As a QR code show just this text. */
  link: string;
  user: UserId;
};

/** `POST /api/v1/reports/{no}/resolve` */
export type ResolveReport = {
  /** What was made of it, for other admins; at most 500 bytes, may be empty. */
  note?: string;
};

/** What was made of a report. */
export type Resolved = {
  by: UserId;
  note: string;
  ts: number;
  unsynchronised?: boolean;
};

/** `POST /api/v1/users/{id}/mute` and `POST /api/v1/users/{id}/ban` */
export type Restrain = {
  /** Makes a retry give the same answer. */
  client_id: ClientId;
  /** Told to the person; 1 to 500 bytes. */
  reason: string;
  /** For how long, 1 to ten years' seconds; until it is lifted when left out. */
  seconds?: (number | null);
};

export type Role = ("member" | "admin" | "owner");

/** A saved message as it is today. */
export type SavedMessage = {
  change: number;
  event: Event;
};

export type SavedPage = {
  /** What to go on `after`; messages that are not shown count, too. */
  last?: (number | null);
  more: boolean;
  /** Those that the asker may still see, saved first first. */
  saved: SavedMessage[];
};

export type Search = {
  /** Only messages with this `ts` or a later one. */
  after?: (number | null);
  /** Only messages with an earlier `ts` than this. */
  before?: (number | null);
  /** Only what this user said. */
  by?: (UserId | null);
  /** Only in this conversation. */
  conversation?: (ConversationId | null);
  /** The `cursor` of the page before. */
  cursor?: (string | null);
  /** Only bodies of this kind. */
  kind?: (FoundKind | null);
  /** 1 to 50; 20 when left out. */
  limit?: (number | null);
  /** Words with blanks between them, 1 to 256 bytes: each must stand in the text, or in a file's caption or name, as it is or inside a longer word. */
  query: string;
};

export type SearchPage = {
  /** Goes into the next request, with everything else as it was. There when `more` is true. */
  cursor?: (string | null);
  /** Newest first. */
  found: Found[];
  /** Whether to ask on with `cursor`: there may be more, also where this page has nothing. */
  more: boolean;
  /** Present and true while the server still puts older messages into its index: pages are smaller until then. */
  partial?: boolean;
};

export type Send = {
  /** With `thread`: it counts in the conversation, too. */
  also_send?: boolean;
  /** What is said; or `forward_of`. */
  body?: (Body | null);
  client_id: ClientId;
  /** Where to; or `to`. */
  conversation?: (ConversationId | null);
  /** A message to say again, from any conversation in which one may see it; or `body`. */
  forward_of?: (Source | null);
  /** The message this one answers, in the same conversation. */
  reply_to?: (number | null);
  /** The message whose thread this belongs to, in the same conversation; itself in no thread. */
  thread?: (number | null);
  /** The peer of a direct conversation; or `conversation`. */
  to?: (UserId | null);
};

/** `GET /api/v1/admin/backups`: where backups go, what there is of them, and what is wrong. */
export type ServerBackups = {
  /** The time of day, where the server is, at which one is made. */
  at: string;
  /** What an owner has chosen; what holds, where the configuration does not decide. */
  chosen: BackupChoice;
  /** So many are kept there; the oldest goes first. */
  keep: number;
  /** Those at the place, newest first, when it was last looked at. */
  kept: BackupMade[];
  /** Whether an owner has shown that they hold the key that backups are opened with. Without it a backup helps nobody. */
  key_kept?: boolean;
  /** The newest good one, wherever it went. */
  last?: (BackupMade | null);
  /** What the caller may choose. */
  may?: BackupChoice[];
  /** When that is the next time, while the server's clock is known to be right. */
  next?: (number | null);
  /** Absent while nobody has named one: then there are no backups. */
  place?: (BackupPlace | null);
  /** Whether `backup.to` decides where they go: then nothing else changes it. */
  place_is_set?: boolean;
  /** Present while one is being made. */
  running?: (BackupRun | null);
  /** Why there is no newer one; absent once there is. */
  wrong?: (BackupWrong | null);
};

/** `GET /api/v1/admin/health`: figures of this moment. What counts up begins at the start of the server. */
export type ServerHealth = {
  /** From a command's arrival to its ack. */
  ack: Times;
  /** Acknowledged commands, counting up. */
  acks: number;
  /** The machine under the server, as far as its kernel tells. */
  board?: (BoardHealth | null);
  /** The certificate that people are shown, where the server has one. */
  certificate?: (CertificateFigures | null);
  /** One commit, its sync included. */
  commit: Times;
  connections: number;
  /** How many connections there may be. */
  connections_limit: number;
  /** Connections refused at a limit, counting up. */
  connections_refused: number;
  disk: DiskFigures;
  /** Events in the log. */
  events: number;
  memory: MemoryFigures;
  /** Panics that ended one connection, counting up. */
  panics: number;
  pools: PoolFigures[];
  /** `ready`, `read_only`, `full` or `stopping`. */
  status: string;
  /** Whether the wall clock is known to be right. */
  synchronised: boolean;
  ts: number;
  uptime_ms: number;
  users_online: number;
  version: string;
};

/** `GET /api/v1/server` */
export type ServerInfo = {
  /** The one address that people are told, without a slash at its end. */
  address: string;
  /** Whether `listen.canonical_url` decides on it: then nothing else changes it. */
  address_is_set?: boolean;
  /** Absent until there is a recovery key. */
  recovery?: (Recovery | null);
  /** Absent until somebody gave it. */
  team?: (string | null);
};

/** A server-wide role. */
export type ServerRole = ("member" | "admin" | "owner");

export type ServerSetting = {
  /** What it means, for the operator, in English. */
  about: string;
  /** As in the file, with its section: `limits.connections`. */
  key: string;
  /** The same for the value when nothing is set. */
  usual: string;
  /** As it would stand in the file. */
  value: string;
};

/** `GET /api/v1/admin/settings`: what the server was started with. There is no secret among them: keys and certificates are files, and only their paths are settings. */
export type ServerSettings = {
  /** In the order of the example file. */
  settings: ServerSetting[];
  /** The file they came from, where there is one. */
  source?: (string | null);
};

/** How many sessions were ended. */
export type SessionsEnded = {
  ended: number;
};

/** A personal setting, told apart by `key`. Without a `value` it is cleared. */
export type Set = ({
  conversation?: (ConversationId | null);
  key: "notify";
  value?: (Notify | null);
} | {
  key: "quiet";
  value?: (Quiet | null);
} | {
  conversation: ConversationId;
  key: "draft";
  value?: (Draft | null);
} | {
  conversation: ConversationId;
  key: "saved";
  seq: number;
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "hidden";
  seq: number;
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "pinned";
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "archived";
  value?: boolean;
} | {
  conversation: ConversationId;
  key: "unread";
  value?: boolean;
} | {
  key: "blocked";
  user: UserId;
  value?: boolean;
} | {
  key: "unseen";
  value?: boolean;
} | {
  key: "reads_unseen";
  value?: boolean;
} | {
  key: "status";
  value?: (Status | null);
} | {
  key: "avatar";
  value?: (BlobId | null);
});

/** The answer to `set`. */
export type SetDone = {
  /** The change that the setting stands since; 0 when there was nothing to clear. */
  change: number;
};

export type SetRole = {
  client_id: ClientId;
  conversation: ConversationId;
  /** `admin` or `member`; the owner changes by `transfer`. */
  role: Role;
  user: UserId;
};

/** `POST /api/v1/users/{id}/role` */
export type SetServerRole = {
  role: ServerRole;
};

export type SettingPage = {
  more: boolean;
  /** Those that are set, the longest unchanged first. */
  settings: Kept[];
};

export type Settings = {
  /** The `change` that the page before ended with. */
  after?: (number | null);
  /** 1 to 200; 100 when left out. */
  limit?: (number | null);
};

/** `POST /api/v1/sign-in` */
export type SignIn = {
  device: NewDevice;
  name: string;
  password: string;
};

/** One sign-in. */
export type SignInEntry = {
  /** From where, as far as the operator keeps it. */
  address?: string;
  /** Whether this is the device that asks. */
  current: boolean;
  device: DeviceId;
  device_name: string;
  how: SignInHow;
  /** Wrong passwords for this account since the sign-in before. */
  refused: number;
  ts: number;
  unsynchronised?: boolean;
};

/** By which way somebody came in. */
export type SignInHow = ("password" | "claim" | "invitation" | "reset_link" | "device_code");

/** `GET /api/v1/sign-ins` */
export type SignInList = {
  /** Wrong passwords for this account since the newest of them (and since the server's last start). */
  refused_since: number;
  /** The newest, newest first. */
  sign_ins: SignInEntry[];
};

/** `POST /api/v1/sign-out-everywhere` */
export type SignOutEverywhere = {
  /** Keep the session that asks. */
  keep_this?: boolean;
};

/** The answer of claim, join and sign-in. */
export type SignedIn = {
  device: DeviceId;
  display_name: string;
  name: string;
  role: ServerRole;
  /** Shown once. Send it in `hello` or as `Authorization: Bearer ...`; never in an address. */
  token: string;
  user: UserId;
};

/** A message somewhere else, to be said again. */
export type Source = {
  conversation: ConversationId;
  /** The message's seq there. */
  seq: number;
};

/** What somebody says of themselves, for all to see. */
export type Status = {
  /** At most 32 bytes, without blanks and controls. */
  emoji?: (string | null);
  /** One line of at most 100 bytes. */
  text?: string;
  /** Shown until then. */
  until?: (number | null);
};

/** `GET /api/v1/uploads`: how much the asker may store. */
export type Storage = {
  /** Bytes of the largest file. */
  file_bytes: number;
  used_bytes: number;
  /** Bytes of all files that the asker uploaded, and how many of them are taken. */
  user_bytes: number;
};

export type Subject = {
  client_id: ClientId;
  conversation: ConversationId;
  user: UserId;
};

/** Why somebody cannot go yet: the refusal, and the conversations it is about. */
export type SuccessorNeeded = {
  error: Needed;
  owned: OwnedConversation[];
};

export type Sync = {
  /** A resume token; left out on a first load: everything is new. */
  after?: (string | null);
  /** 1 to 200 conversations; 100 when left out. */
  limit?: (number | null);
};

export type SyncPage = {
  /** One's conversations in which something happened since the token. */
  conversations: ConversationInfo[];
  /** Conversations one is no longer in; drop or keep them, but nothing more will come. */
  gone?: ConversationId[];
  /** Whether to ask again with `resume` at once. */
  more: boolean;
  resume: string;
  /** Personal settings that changed since the token, cleared ones without a `value`; without a token all that are set. */
  settings?: Kept[];
  /** Present and true when the token is older than what is still known of cleared settings, or of threads no longer followed: drop one's copy of all settings and followed threads, and ask `settings` and `threads`. */
  settings_stale?: boolean;
  /** Threads that one has begun or ceased to follow since the token, as that stands now; without a token none. */
  threads?: Followed[];
  /** Users whose profile changed since the token; without a token everyone. */
  users?: UserInfo[];
};

export type Target = {
  client_id: ClientId;
  conversation: ConversationId;
  /** The message's seq. */
  target: number;
};

export type Thread = {
  /** Messages with a larger seq, ascending. Without `after` and `before` (never both): the newest page. */
  after?: (number | null);
  /** Messages with a smaller seq; the page is still ascending. */
  before?: (number | null);
  conversation: ConversationId;
  /** 1 to 100; 50 when left out. */
  limit?: (number | null);
  /** The seq of the message that the thread hangs on. */
  thread: number;
};

/** A thread as its reader sees it. */
export type ThreadInfo = {
  conversation: ConversationId;
  following?: boolean;
  /** The newest message in it. */
  last_seq: number;
  /** How many messages were written in it. */
  replies: number;
  /** The seq of the message that the thread hangs on. */
  thread: number;
  /** Messages after one's own marker; 0 for those who do not follow. */
  unread: number;
};

export type ThreadList = {
  /** What to ask with for those before; absent at the end. */
  next?: (string | null);
  /** Newest first. */
  threads: ThreadInfo[];
};

/** A thread as its reader sees it. */
export type ThreadPage = {
  conversation: ConversationId;
  /** The newest edit of each of these messages that was edited. */
  edits?: Event[];
  /** Ascending by seq; only what the asker may see. */
  events: Event[];
  following?: boolean;
  /** The newest message in it. */
  last_seq: number;
  more: boolean;
  /** How many messages were written in it. */
  replies: number;
  /** The seq of the message that the thread hangs on. */
  thread: number;
  /** Messages after one's own marker; 0 for those who do not follow. */
  unread: number;
};

/** What a page of history says of a message on which a thread hangs. */
export type ThreadSummary = {
  last_seq: number;
  replies: number;
  thread: number;
};

export type Threads = {
  /** `next` of the page before. */
  before?: (string | null);
  /** All threads of this conversation; left out: those one follows, wherever they are. */
  conversation?: (ConversationId | null);
  /** 1 to 200; 100 when left out. */
  limit?: (number | null);
};

/** How long something took: a histogram, counting up. */
export type Times = {
  /** Upper ends in microseconds, ascending. */
  bounds: number[];
  /** How many fell under each end and over the one before; one more at the end for those over all. */
  counts: number[];
  /** Microseconds of all of them together. */
  sum: number;
};

export type Typing = {
  conversation: ConversationId;
  on: boolean;
};

export type Update = {
  /** Whether members may mention everyone. */
  all_mentions?: (boolean | null);
  client_id: ClientId;
  conversation: ConversationId;
  history?: (boolean | null);
  join?: (JoinRule | null);
  /** Whether members may pin messages. */
  members_pin?: (boolean | null);
  /** Whether only owner and admins may post. */
  mute_all?: (boolean | null);
  /** Whether members are told who has read what. */
  read_lists?: (boolean | null);
  /** Days after which what is said here is erased, at most 36,500; 0: as long as the server keeps it. */
  retention_days?: (number | null);
  title?: (string | null);
};

export type UploadId = string;

/** Where an upload stands. */
export type UploadInfo = {
  /** Present once all bytes are here. */
  blob?: (BlobInfo | null);
  /** Shown time at which the server forgets the upload. */
  expires: number;
  /** Bytes that are safely here; go on with the next. */
  offset: number;
  size: number;
  upload: UploadId;
};

/** A USB stick that kinglet-board could mount. */
export type UsbStick = {
  bytes?: (number | null);
  /** As the kernel calls it: `sda1`. */
  name: string;
};

/** `POST /api/v1/reset`: sets the password, ends all sessions of the user, and signs this device in. */
export type UseReset = {
  code: string;
  device: NewDevice;
  password: string;
};

export type UserDevice = {
  created: number;
  id: DeviceId;
  /** Absent where the person, or who asks, is `unseen`. */
  last_seen?: (number | null);
  name: string;
  signed_in: boolean;
};

/** `GET /api/v1/users/{id}/devices`: another person's, for admins. */
export type UserDevices = {
  /** The signed-in ones first, then by when they were last here. */
  devices: UserDevice[];
};

export type UserId = string;

/** A user as others see them. */
export type UserInfo = {
  /** Their picture: a file, with a small one of it. */
  avatar?: (BlobId | null);
  /** Present and true for a bot. */
  bot?: boolean;
  /** Present and true for one who has left the server; then `disabled` is true as well. */
  deactivated?: boolean;
  disabled?: boolean;
  display_name: string;
  /** Present and true for one who was erased: both names are the server's words. */
  erased?: boolean;
  name: string;
  /** Their role on the server; absent for a member. */
  role?: ServerRole;
  /** What they say of themselves; no longer to be shown after its `until`. */
  status?: (Status | null);
  user: UserId;
};

/** `GET /api/v1/users` */
export type UserList = {
  more: boolean;
  users: UserInfo[];
};

/** `GET /api/v1/users/{id}` */
export type UserProfile = {
  /** Their picture: a file, with a small one of it. */
  avatar?: (BlobId | null);
  /** Present and true for a bot. */
  bot?: boolean;
  /** Present and true for one who has left the server; then `disabled` is true as well. */
  deactivated?: boolean;
  disabled?: boolean;
  display_name: string;
  /** Present and true for one who was erased: both names are the server's words. */
  erased?: boolean;
  /** When a device of theirs was last here; only if both show it, share a conversation and keep no distance. */
  last_seen?: (number | null);
  name: string;
  /** Their role on the server; absent for a member. */
  role?: ServerRole;
  /** What they say of themselves; no longer to be shown after its `until`. */
  status?: (Status | null);
  user: UserId;
};

/** `POST /api/v1/users/{id}/disable` and `enable` answer with this. */
export type UserStatus = {
  /** Present and true for one who has left the server. */
  deactivated?: boolean;
  disabled: boolean;
  user: UserId;
};

export type Users = {
  /** The last name of the page before. */
  after?: (string | null);
  /** What the user name or the display name begins with; left out: everyone. */
  find?: (string | null);
  /** 1 to 200; 100 when left out. */
  limit?: (number | null);
};

/** `POST /api/v1/users/{id}/warn` */
export type Warn = {
  /** Makes a retry warn once. */
  client_id: ClientId;
  /** Told to the person; 1 to 500 bytes. */
  reason: string;
};

export type Weekday = ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun");

/** What the client needs to know about this connection. */
export type Welcome = {
  capabilities: string[];
  catch_up: CatchUp;
  device: DeviceId;
  /** Changes when the server was restored from a backup: drop the local copy then. */
  epoch: string;
  limits: WelcomeLimits;
  /** Where this connection starts to be told of events; store it once nothing from before is missing. */
  resume: string;
  synchronised: boolean;
  /** The server's shown time, and whether its clock is known to be right. */
  ts: number;
  user: UserId;
};

export type WelcomeLimits = {
  /** Bytes of a body. */
  body_bytes: number;
  /** Bytes of a frame. */
  frame_bytes: number;
  /** Unanswered requests at once; beyond it the socket is not read until something was answered. */
  in_flight: number;
  /** Events of a page. */
  page_events: number;
  /** How often the server looks and pings; twice as much without any frame from the client ends the connection. */
  ping_ms: number;
};
