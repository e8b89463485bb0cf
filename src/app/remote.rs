//! `kinglet invite` and `kinglet user`: through the control socket of the server that runs, else on the log itself.
//! What must not live here: what the verbs do; both ways end in `session::accounts`.

use std::io::Write;
use std::path::Path;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::cli::{Cli, EXIT_UNAVAILABLE, Invite, InviteRole, UserCommand};
use super::config::Config;
use super::failure::{Failure, Outcome};
use super::heart::{self, Log};
use super::systemd::Notifier;
use super::{address, listen, print, process, serve, settings};
use crate::gateway::http::console::{self, Named, NamedLink};
use crate::limits;
use crate::proto::account::{
    InvitationInfo, ListAfter, NewInvitation, PasswordReset, ServerRole, UserList, UserStatus,
};
use crate::proto::answer::ErrorReply;
use crate::proto::people::{NewResetLink, ResetLink};
use crate::proto::{ClientId, Code, Refusal};
use crate::session::accounts::{Accounts, Administrator, WebAddress};
use crate::store::OpenError;

/// An answer holds at most a page of users.
const ANSWER_BYTES: usize = 1024 * 1024;

/// The accounts, wherever they are.
enum Console {
    /// A server runs: it is asked.
    Running(UnixStream),
    /// None runs: the log is ours for the moment.
    Own(Box<Accounts>, Log),
}

/// Makes an invitation and prints its link.
pub fn invite(cli: &Cli, asked: &Invite) -> Outcome<()> {
    let role = match asked.role {
        InviteRole::Member => ServerRole::Member,
        InviteRole::Admin => ServerRole::Admin,
    };
    let client_id = ClientId(uuid::Uuid::now_v7());
    let new = NewInvitation {
        conversation: asked.group,
        client_id,
        role,
        uses: Some(asked.uses),
        days: asked.days,
    };
    let made = with_console(cli, async |console| match console {
        Console::Running(stream) => ask::<_, InvitationInfo>(stream, console::INVITE, Some(&new)).await,
        Console::Own(accounts, _) => Ok(accounts.invite_as_operator(new.clone()).await?),
    });
    print(cli, &in_group(made, asked)?, handed_on)
}

/// Which group it was about: the operator typed an id, and a refusal speaks of what they cannot see.
fn in_group(made: Outcome<InvitationInfo>, asked: &Invite) -> Outcome<InvitationInfo> {
    let Some(group) = asked.group else {
        return made;
    };
    made.map_err(|failure| Failure {
        text: format!(
            "no invitation into {group}: {} It must be a group or channel in which the first owner of this server may \
             invite; its id stands behind /c/ in the address of its page",
            failure.text
        ),
        ..failure
    })
}

/// What the operator hands on, and what whoever opens it will find.
fn handed_on(made: &InvitationInfo) -> String {
    let uses = if made.uses == 1 {
        "once".to_owned()
    } else {
        format!("{} times", made.uses)
    };
    let (link, code) = (&made.link, &made.code);
    let mut text = format!("{link}\n\nGood {uses}. Give it to whom you invite; the code alone is {code}\n");
    if made.conversation.is_none() {
        text.push_str(
            "It leads into no group: who joins finds the others under \"New message\". --group leads into one as well.\n",
        );
    }
    let address = link.rsplit_once("/join").map_or("", |(address, _)| address);
    if WebAddress::parse(address).is_ok_and(|address| address.is_loopback()) {
        text.push_str(
            "It opens only on this machine: set the address under \"Name and address of the server\" in the browser, or \
             listen.canonical_url, then invite.\n",
        );
    }
    text
}

/// Lists and administers users.
pub fn user(cli: &Cli, command: &UserCommand) -> Outcome<()> {
    match command {
        UserCommand::List => {
            let all = with_console(cli, async |console| list(console).await)?;
            print(cli, &all, table)
        }
        UserCommand::Disable { name } => {
            let done = with_console(cli, async |console| {
                named(switch(console, name, true).await, name)
            })?;
            print(cli, &done, |_| {
                format!("{name} is locked out; their messages stay. Undo: kinglet user enable {name}\n")
            })
        }
        UserCommand::Enable { name } => {
            let done = with_console(cli, async |console| {
                named(switch(console, name, false).await, name)
            })?;
            print(cli, &done, |_| format!("{name} may sign in again.\n"))
        }
        UserCommand::ResetLink { name } => {
            let made = with_console(cli, async |console| named(reset_link(console, name).await, name))?;
            print(cli, &made, |made| {
                format!(
                    "{}\n\nGood once, for a day, and shown only here: {name} sets a new password there. The code alone is {}\n",
                    made.link, made.code
                )
            })
        }
        UserCommand::ResetPassword { name } => {
            let done = with_console(cli, async |console| named(reset(console, name).await, name))?;
            print(cli, &done, |done| {
                format!(
                    "{}\n\nThis is {name}'s password now, and is shown only here. They are signed out everywhere; \
                         they should change it after signing in.\n",
                    done.password
                )
            })
        }
    }
}

/// At the operator's own machine a user who is not there may be said not to be there.
fn named<T>(done: Outcome<T>, name: &str) -> Outcome<T> {
    let unknown = Failure::from(Refusal::from(Code::NotFound)).text;
    done.map_err(|failure| {
        if failure.text == unknown {
            Failure::failed(format!(
                "there is no user {name:?}; `kinglet user list` shows all"
            ))
        } else {
            failure
        }
    })
}

async fn list(console: Console) -> Outcome<UserList> {
    let mut all = UserList {
        users: Vec::new(),
        more: false,
    };
    let (mut stream, own) = match console {
        Console::Running(stream) => (Some(connection(stream).await?), None),
        Console::Own(accounts, log) => (None, Some((accounts, log))),
    };
    loop {
        let after = all.users.last().map(|last| last.name.clone());
        let page = match (&mut stream, &own) {
            (Some(stream), _) => {
                let query = after.map_or_else(String::new, |after| format!("?after={}", percent(&after)));
                send::<(), UserList>(stream, &format!("{}{query}", console::USERS), None).await?
            }
            (None, Some((accounts, _))) => accounts.users(Administrator::Operator, after_name(after)).await?,
            (None, None) => return Ok(all),
        };
        let more = page.more && !page.users.is_empty() && all.users.len() < limits::USERS;
        all.users.extend(page.users);
        if !more {
            return Ok(all);
        }
    }
}

fn after_name(after: Option<String>) -> ListAfter {
    ListAfter {
        after,
        ..ListAfter::default()
    }
}

async fn switch(console: Console, name: &str, disable: bool) -> Outcome<UserStatus> {
    match console {
        Console::Running(stream) => {
            let path = if disable {
                console::DISABLE
            } else {
                console::ENABLE
            };
            ask(
                stream,
                path,
                Some(&Named {
                    name: name.to_owned(),
                }),
            )
            .await
        }
        Console::Own(accounts, _) => {
            let user = accounts.user_by_name(name).await?.user;
            Ok(if disable {
                accounts.disable(Administrator::Operator, user).await?
            } else {
                accounts.enable(Administrator::Operator, user).await?
            })
        }
    }
}

async fn reset(console: Console, name: &str) -> Outcome<PasswordReset> {
    match console {
        Console::Running(stream) => {
            ask(
                stream,
                console::RESET_PASSWORD,
                Some(&Named {
                    name: name.to_owned(),
                }),
            )
            .await
        }
        Console::Own(accounts, _) => {
            let user = accounts.user_by_name(name).await?.user;
            Ok(accounts.reset_password(Administrator::Operator, user).await?)
        }
    }
}

async fn reset_link(console: Console, name: &str) -> Outcome<ResetLink> {
    let client_id = ClientId(uuid::Uuid::now_v7());
    match console {
        Console::Running(stream) => {
            let name = name.to_owned();
            ask(stream, console::RESET_LINK, Some(&NamedLink { name, client_id })).await
        }
        Console::Own(accounts, _) => {
            let user = accounts.user_by_name(name).await?.user;
            let new = NewResetLink {
                client_id,
                hours: None,
            };
            let by = Administrator::Operator;
            Ok(accounts.make_reset_link(by, user, &new).await?)
        }
    }
}

fn table(all: &UserList) -> String {
    let mut text = String::new();
    for user in &all.users {
        let state = if user.disabled { "disabled" } else { "active" };
        let role = match (user.bot, user.role) {
            (true, _) => "bot",
            (_, ServerRole::Owner) => "owner",
            (_, ServerRole::Admin) => "admin",
            (_, ServerRole::Member) => "member",
        };
        text.push_str(&format!(
            "{}  {state:<8}  {role:<6}  {}  {}\n",
            user.user, user.name, user.display_name
        ));
    }
    if all.users.is_empty() {
        text.push_str("Nobody has claimed this server yet: start it, and follow what it prints.\n");
    }
    text
}

/// Opens the way to the accounts, does the work, and closes it again, whatever came of it.
fn with_console<T>(cli: &Cli, work: impl AsyncFnOnce(Console) -> Outcome<T>) -> Outcome<T> {
    let config = serve::configuration(cli)?;
    if !config.data_dir.exists() {
        return Err(Failure::new(
            EXIT_UNAVAILABLE,
            format!(
                "there is no data directory {}: start the server first, or name its configuration with --config",
                config.data_dir.display()
            ),
        ));
    }
    process::keep_files_private();
    serve::runtime()?.block_on(async {
        if let Ok(stream) = UnixStream::connect(config.data_dir.join(listen::CONTROL)).await {
            return work(Console::Running(stream)).await;
        }
        heart::own_data_dir(&config.data_dir)?;
        let (accounts, log) = open(&config).await?;
        let store = log.store.clone();
        let done = work(Console::Own(Box::new(accounts), log)).await;
        store.close().await;
        done
    })
}

async fn open(config: &Config) -> Outcome<(Accounts, Log)> {
    let limits = settings::limits(config, false);
    let log = heart::open_log(config, &limits, &Notifier::default())
        .map_err(|failure| unreachable_server(failure, &config.data_dir))?;
    let address = config
        .address()
        .map_err(|problem| Failure::config(problem.to_string()))?;
    let tls = settings::speaks_tls(config);
    let here = settings::guessed_url(address, tls);
    let address = address::settle(&log.store, config, here).await?;
    if let Some(news) = address.news() {
        // Without standard error the next start has to tell.
        let _ = writeln!(std::io::stderr(), "kinglet: {news}");
    }
    let (accounts, _) = Accounts::open(log.store.clone(), settings::accounts(config, &address, tls)).await?;
    Ok((accounts, log))
}

/// The lock is taken, yet nobody answers at the control socket.
fn unreachable_server(failure: Failure, data_dir: &Path) -> Failure {
    let in_use = OpenError::InUse(data_dir.to_owned()).to_string();
    if failure.text != in_use {
        return failure;
    }
    let path = data_dir.join(listen::CONTROL);
    Failure::new(
        EXIT_UNAVAILABLE,
        format!(
            "a server uses this data directory, but {} does not answer: wait until it is ready, or restart it",
            path.display()
        ),
    )
}

pub type Sender = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

pub(super) fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(
        EXIT_UNAVAILABLE,
        format!("the running server broke off: {error}. Look into its log, then try again"),
    )
}

pub async fn connection(stream: UnixStream) -> Outcome<Sender> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Its end is seen by the requests.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

pub(super) async fn ask<B: Serialize, T: DeserializeOwned>(
    stream: UnixStream,
    path: &str,
    body: Option<&B>,
) -> Outcome<T> {
    send(&mut connection(stream).await?, path, body).await
}

/// One request: a POST with a body, a GET without.
pub async fn send<B: Serialize, T: DeserializeOwned>(
    sender: &mut Sender,
    path: &str,
    body: Option<&B>,
) -> Outcome<T> {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let bytes = body.map(|body| serde_json::to_vec(body).expect("requests are made of what JSON can say"));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(bytes.unwrap_or_default())))
        .expect("paths are our own, and what a user typed is encoded");
    sender.ready().await.map_err(broken)?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let done = answer.status().is_success();
    let read = Limited::new(answer.into_body(), ANSWER_BYTES)
        .collect()
        .await
        .map_err(broken)?
        .to_bytes();
    if done {
        return serde_json::from_slice(&read).map_err(broken);
    }
    let reply: ErrorReply = serde_json::from_slice(&read).map_err(broken)?;
    Err(reply.error.into())
}

/// A name in a query.
fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_fit_into_a_query() {
        assert_eq!(percent("anna.b_2"), "anna.b_2");
        assert_eq!(percent("ä&x"), "%C3%A4%26x");
    }
}
