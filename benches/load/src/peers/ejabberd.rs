//! ejabberd among the compared systems. Started as plain Erlang without distribution, so that neither `epmd` nor
//! `ejabberdctl` is needed. What must not live here: XMPP.

use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::process::Running;
use super::system::{Choice, Ground, Later, Role, Scale, System, Voice};
use super::xmpp::{HOST, PASSWORD, Speaker, user};
use crate::wire;

const ROOMS: &str = "conference.localhost";

pub struct Ejabberd;

/// With the port through which users are registered, or, to be measured, without.
fn configuration(ground: &Ground, registering: bool) -> String {
    let port = ground.address.port();
    let tls = ground.tls;
    let both = ground.path("both.pem");
    let door = if registering {
        format!(
            "  -\n    port: {}\n    ip: \"127.0.0.1\"\n    module: ejabberd_http\n    request_handlers:\n      /api: mod_http_api\n",
            ground.spare.port()
        )
    } else {
        String::new()
    };
    let extra = if registering { "  mod_http_api: {}\n" } else { "" };
    format!(
        r#"loglevel: warning
hosts:
  - {HOST}
certfiles:
  - "{both}"
auth_method: mnesia
auth_password_format: plain
websocket_ping_interval: 30
listen:
  -
    port: {port}
    ip: "127.0.0.1"
    module: ejabberd_http
    backlog: 1024
    tls: {tls}
    request_handlers:
      /ws: ejabberd_http_ws
{door}api_permissions:
  "registering":
    who: all
    what: register
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: 100
modules:
{extra}  mod_admin_extra: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_mam:
    default: always
    db_type: mnesia
  mod_muc:
    max_users: 20000
    min_message_interval: 0
    history_size: 0
    default_room_options:
      mam: true
      max_users: 20000
      presence_broadcast: []
  mod_offline: {{}}
  mod_roster: {{}}
  mod_version: {{}}
"#
    )
}

/// One connection that registers users, one after the other.
async fn register(api: SocketAddr, users: impl Iterator<Item = usize>) -> Result<()> {
    let mut stream = wire::connect(api, None).await?;
    for number in users {
        let body = json!({ "user": user(number), "host": HOST, "password": PASSWORD }).to_string();
        let request = format!(
            "POST /api/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let said = answer(&mut stream).await?;
        ensure!(
            said.contains("successfully registered"),
            "registering user {number}: {said}"
        );
    }
    Ok(())
}

/// One whole answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> Result<String> {
    let mut heard = Vec::new();
    loop {
        let mut bytes = [0; 2048];
        let count = stream.read(&mut bytes).await?;
        let text = String::from_utf8_lossy(&heard).into_owned();
        ensure!(count > 0, "it closed: {text}");
        heard.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8_lossy(&heard).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
            .with_context(|| format!("no length in {head}"))?;
        if body.len() >= length {
            return Ok(body.to_owned());
        }
    }
}

impl System for Ejabberd {
    fn name(&self) -> &'static str {
        "ejabberd"
    }

    fn package(&self) -> Option<&'static str> {
        Some("ejabberd")
    }

    fn settings(&self) -> String {
        "mod_mam archives everything, also rooms, into mnesia on disk (its default; not synced for each message), no shaper, \
         rosters empty, WebSocket ping every 30 s, +K true +P 250000, listen backlog 1024; no Erlang distribution and so no epmd; rooms do not \
         broadcast presence"
            .to_owned()
    }

    fn plant<'a>(&'a self, ground: &'a Ground, scale: &'a Scale) -> Later<'a, ()> {
        Box::pin(async move {
            ground.certify()?;
            std::fs::create_dir_all(ground.path("spool"))?;
            ground.write("ejabberd.yml", &configuration(ground, true))?;
            let choice = Choice {
                word: "ejabberd".to_owned(),
                system: Rc::new(Ejabberd),
                tls: ground.tls,
            };
            let mut running = Running::start(&choice, ground).await?;
            running.listens(ground.spare).await?;
            let lanes = 4;
            let lane = |at: usize| register(ground.spare, (at..scale.users).step_by(lanes));
            tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
            running.stop().await?;
            ground.write("ejabberd.yml", &configuration(ground, false))
        })
    }

    fn command(&self, ground: &Ground) -> Result<Command> {
        let mut command = Command::new("erl");
        command.args(["+K", "true", "+P", "250000", "-noinput", "-mnesia", "dir"]);
        command.arg(format!("\"{}\"", ground.path("spool")));
        command.args(["-s", "ejabberd"]);
        command
            .env("EJABBERD_CONFIG_PATH", ground.path("ejabberd.yml"))
            .env("EJABBERD_LOG_PATH", ground.path("ejabberd.log"))
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .env("ERL_MAX_PORTS", "32000")
            .env("ERL_MAX_ETS_TABLES", "1400")
            .env("ERL_LIBS", "/usr/lib/x86_64-linux-gnu")
            .env("HOME", &ground.directory)
            .current_dir(&ground.directory);
        Ok(command)
    }

    fn door(&self) -> Option<(&'static str, &'static str)> {
        Some(("/ws", "xmpp"))
    }

    fn voice(&self, role: Role) -> Box<dyn Voice> {
        Box::new(Speaker::new(role, ROOMS))
    }

    fn acks(&self) -> bool {
        false
    }
}
