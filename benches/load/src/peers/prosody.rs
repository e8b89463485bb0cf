//! Prosody among the compared systems. What must not live here: XMPP.

use std::process::Command;

use anyhow::Result;

use super::system::{Ground, Later, Role, Scale, System, Voice};
use super::xmpp::{HOST, PASSWORD, Speaker, user};

const ROOMS: &str = "rooms.localhost";

pub struct Prosody;

fn configuration(ground: &Ground) -> String {
    let port = ground.address.port().to_string();
    let (plain, tls) = if ground.tls {
        ("", port.as_str())
    } else {
        (port.as_str(), "")
    };
    let [data, log, pid, cert, key, certs] = [
        "data",
        "prosody.log",
        "prosody.pid",
        "cert.pem",
        "key.pem",
        "certs",
    ]
    .map(|name| ground.path(name));
    format!(
        r#"run_as_root = true
pidfile = "{pid}"
data_path = "{data}"
log = {{ warn = "{log}" }}
modules_enabled = {{ "disco", "roster", "saslauth", "blocklist", "carbons", "ping", "time", "uptime", "version", "posix", "mam", "websocket" }}
modules_disabled = {{ "s2s", "offline" }}
interfaces = {{ "127.0.0.1" }}
http_interfaces = {{ "127.0.0.1" }}
https_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ }}
s2s_ports = {{ }}
http_ports = {{ {plain} }}
https_ports = {{ {tls} }}
certificates = "{certs}"
ssl = {{ certificate = "{cert}", key = "{key}" }}
https_ssl = {{ certificate = "{cert}", key = "{key}" }}
http_default_host = "{HOST}"
consider_websocket_secure = true
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
authentication = "internal_plain"
network_settings = {{ read_timeout = 30 }}
storage = "internal"
storage_archive_item_limit = 100000000
archive_expires_after = "never"
default_archive_policy = true
VirtualHost "{HOST}"
Component "{ROOMS}" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_log_by_default = true
  muc_log_expires_after = "never"
  restrict_room_creation = false
  muc_room_locking = false
  muc_room_default_history_length = 0
  muc_room_default_presence_broadcast = {{ visitor = false, participant = false, moderator = false }}
"#
    )
}

impl System for Prosody {
    fn name(&self) -> &'static str {
        "Prosody"
    }

    fn package(&self) -> Option<&'static str> {
        Some("prosody")
    }

    fn settings(&self) -> String {
        "mod_mam and muc_mam archive everything into its internal storage (files, not synced), mod_limits off, rosters empty, \
         ping of a silent WebSocket after 30 s, epoll; rooms do not broadcast presence"
            .to_owned()
    }

    fn plant<'a>(&'a self, ground: &'a Ground, scale: &'a Scale) -> Later<'a, ()> {
        Box::pin(async move {
            ground.certify()?;
            std::fs::create_dir_all(ground.path("certs"))?;
            std::fs::create_dir_all(ground.path(&format!("data/{HOST}/accounts")))?;
            let account = format!("return {{ [\"password\"] = \"{PASSWORD}\"; }};\n");
            for number in 0..scale.users {
                let user = user(number);
                ground.write(&format!("data/{HOST}/accounts/{user}.dat"), &account)?;
            }
            ground.write("prosody.cfg.lua", &configuration(ground))
        })
    }

    fn command(&self, ground: &Ground) -> Result<Command> {
        let mut command = Command::new("prosody");
        command.args(["-F", "--config", &ground.path("prosody.cfg.lua")]);
        command.current_dir(&ground.directory);
        Ok(command)
    }

    fn door(&self) -> Option<(&'static str, &'static str)> {
        Some(("/xmpp-websocket", "xmpp"))
    }

    fn voice(&self, role: Role) -> Box<dyn Voice> {
        Box::new(Speaker::new(role, ROOMS))
    }

    fn acks(&self) -> bool {
        false
    }
}
