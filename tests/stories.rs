//! Stories through the real door: a real server process, real SQLite in a directory of its own, real WebSocket frames and
//! HTTP requests. What must not live here: the stories, which are in `tests/stories/`, one room per subject; and anything
//! that looks into the server by another way than a client, an operator or the kernel could.

#[path = "stories/authority.rs"]
mod authority;
#[path = "stories/bench.rs"]
mod bench;
#[path = "stories/harness.rs"]
mod harness;
#[path = "stories/http.rs"]
mod http;
#[path = "stories/live.rs"]
mod live;
#[path = "stories/manager.rs"]
mod manager;
#[path = "programs/board.rs"]
mod programs;
#[path = "stories/push_service.rs"]
mod push_service;
#[path = "stories/raw.rs"]
mod raw;

#[path = "stories/accounts.rs"]
mod accounts;
#[path = "stories/acme.rs"]
mod acme;
#[path = "stories/acts.rs"]
mod acts;
#[path = "stories/address.rs"]
mod address;
#[path = "stories/avatars.rs"]
mod avatars;
#[path = "stories/backup.rs"]
mod backup;
#[path = "stories/backup_place.rs"]
mod backup_place;
#[path = "stories/bad_http.rs"]
mod bad_http;
#[path = "stories/bad_input.rs"]
mod bad_input;
#[path = "stories/board.rs"]
mod board;
#[path = "stories/board_health.rs"]
mod board_health;
#[path = "stories/bots.rs"]
mod bots;
#[path = "stories/captions.rs"]
mod captions;
#[path = "stories/changes.rs"]
mod changes;
#[path = "stories/console.rs"]
mod console;
#[path = "stories/direct.rs"]
mod direct;
#[path = "stories/discretion.rs"]
mod discretion;
#[path = "stories/erasing.rs"]
mod erasing;
#[path = "stories/erasing_files.rs"]
mod erasing_files;
#[path = "stories/export.rs"]
mod export;
#[path = "stories/export_kept.rs"]
mod export_kept;
#[path = "stories/fallback.rs"]
mod fallback;
#[path = "stories/files.rs"]
mod files;
#[path = "stories/forgetting.rs"]
mod forgetting;
#[path = "stories/forgotten.rs"]
mod forgotten;
#[path = "stories/groups.rs"]
mod groups;
#[path = "stories/hidden.rs"]
mod hidden;
#[path = "stories/house.rs"]
mod house;
#[path = "stories/leaving.rs"]
mod leaving;
#[path = "stories/limits.rs"]
mod limits;
#[path = "stories/links.rs"]
mod links;
#[path = "stories/mentions.rs"]
mod mentions;
#[path = "stories/moderation.rs"]
mod moderation;
#[path = "stories/operations.rs"]
mod operations;
#[path = "stories/order.rs"]
mod order;
#[path = "stories/oversight.rs"]
mod oversight;
#[path = "stories/overview.rs"]
mod overview;
#[path = "stories/pairing.rs"]
mod pairing;
#[path = "stories/patience.rs"]
mod patience;
#[path = "stories/people.rs"]
mod people;
#[path = "stories/personal.rs"]
mod personal;
#[path = "stories/pools.rs"]
mod pools;
#[path = "stories/profiles.rs"]
mod profiles;
#[path = "stories/push.rs"]
mod push;
#[path = "stories/push_limits.rs"]
mod push_limits;
#[path = "stories/push_wishes.rs"]
mod push_wishes;
#[path = "stories/quotes.rs"]
mod quotes;
#[path = "stories/reading.rs"]
mod reading;
#[path = "stories/recovery.rs"]
mod recovery;
#[path = "stories/restore.rs"]
mod restore;
#[path = "stories/resume.rs"]
mod resume;
#[path = "stories/revocation.rs"]
mod revocation;
#[path = "stories/safe_mode.rs"]
mod safe_mode;
#[path = "stories/search.rs"]
mod search;
#[path = "stories/slow.rs"]
mod slow;
#[path = "stories/sockets.rs"]
mod sockets;
#[path = "stories/strangers.rs"]
mod strangers;
#[path = "stories/threads.rs"]
mod threads;
#[path = "stories/tls.rs"]
mod tls;
#[path = "stories/tls_names.rs"]
mod tls_names;
#[path = "stories/uploads.rs"]
mod uploads;
