//! Mosquitto among the compared systems. What must not live here: MQTT.

use std::process::Command;

use anyhow::Result;

use super::mqtt::Speaker;
use super::system::{Ground, Later, Role, Scale, System, Voice};

pub struct Mosquitto {
    /// Whether it saves its database at each change instead of each second.
    pub each_change: bool,
}

impl Mosquitto {
    fn configuration(&self, ground: &Ground) -> String {
        let (port, spare, each) = (ground.address.port(), ground.spare.port(), self.each_change);
        let data = ground.path("data/");
        let tls = if ground.tls {
            format!(
                "certfile {}\nkeyfile {}\n",
                ground.path("cert.pem"),
                ground.path("key.pem")
            )
        } else {
            String::new()
        };
        // It refuses to start with WebSockets only, hence the first listener; `socket_domain` keeps the second on loopback.
        format!(
            "user root\nallow_anonymous true\nlistener {spare} 127.0.0.1\nprotocol mqtt\n\
             listener {port} 127.0.0.1\nprotocol websockets\nsocket_domain ipv4\n{tls}\
             persistence true\npersistence_location {data}\nautosave_interval 1\nautosave_on_changes {each}\n\
             max_inflight_messages 0\nmax_queued_messages 0\nmax_queued_bytes 0\nset_tcp_nodelay true\nsys_interval 0\n\
             log_type error\nlog_type warning\n"
        )
    }
}

impl System for Mosquitto {
    fn name(&self) -> &'static str {
        if self.each_change {
            "Mosquitto, saving each change"
        } else {
            "Mosquitto"
        }
    }

    fn package(&self) -> Option<&'static str> {
        Some("mosquitto")
    }

    fn settings(&self) -> String {
        let saving = if self.each_change {
            "autosave_interval 1, autosave_on_changes true: the whole database is written after each turn of its loop that \
             queued something"
        } else {
            "autosave_interval 1: what is queued is written once a second"
        };
        format!(
            "persistence true, {saving}, in neither way before the PUBACK; QoS 1, persistent sessions, no history; no limits \
             on queues; the client pings every 30 s"
        )
    }

    fn plant<'a>(&'a self, ground: &'a Ground, _: &'a Scale) -> Later<'a, ()> {
        Box::pin(async move {
            ground.certify()?;
            std::fs::create_dir_all(ground.path("data"))?;
            ground.write("mosquitto.conf", &self.configuration(ground))
        })
    }

    fn command(&self, ground: &Ground) -> Result<Command> {
        let mut command = Command::new("mosquitto");
        command.args(["-c", &ground.path("mosquitto.conf")]);
        command.current_dir(&ground.directory);
        Ok(command)
    }

    fn door(&self) -> Option<(&'static str, &'static str)> {
        Some(("/mqtt", "mqtt"))
    }

    fn voice(&self, role: Role) -> Box<dyn Voice> {
        Box::new(Speaker::new(role))
    }

    fn acks(&self) -> bool {
        true
    }
}
