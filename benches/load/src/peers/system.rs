//! What the compared systems have in common: how each is prepared, started and spoken to. What must not live here: any one
//! of them, and what is measured.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use rcgen::{CertificateParams, KeyPair};

use super::talk::Talk;
use super::{ejabberd, floor, kept, kinglet, mosquitto, prosody};
use crate::args::Args;
use crate::server;

/// A future of a trait that is used as an object.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Where one run of a system lives. The directory is new and holds nothing else.
pub struct Ground {
    pub directory: PathBuf,
    pub address: SocketAddr,
    /// A second port, for what a system insists on having beside its WebSocket.
    pub spare: SocketAddr,
    pub tls: bool,
}

impl Ground {
    pub fn new(directory: &Path, tls: bool) -> Result<Ground> {
        let address = server::free_address()?;
        let mut spare = server::free_address()?;
        while spare == address {
            spare = server::free_address()?;
        }
        Ok(Ground {
            directory: directory.to_owned(),
            address,
            spare,
            tls,
        })
    }

    /// A path in the directory, as text for a configuration.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// A certificate that nobody signed, and its key, as `cert.pem` and `key.pem`; `both.pem` holds the two.
    pub fn certify(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut wanted = CertificateParams::new(["localhost".to_owned()])?;
        // Without a day of its own it would outlive what ejabberd can count.
        wanted.not_after = rcgen::date_time_ymd(2036, 1, 1);
        let certificate = wanted.self_signed(&key)?.pem();
        let key = key.serialize_pem();
        self.write("cert.pem", &certificate)?;
        self.write("key.pem", &key)?;
        self.write("both.pem", &format!("{certificate}{key}"))
    }
}

/// Who is there.
#[derive(Clone, Debug, Default)]
pub struct Scale {
    pub users: usize,
    /// Members of each group, by number. Only Kinglet has them before anybody signs in.
    pub groups: Vec<Vec<usize>>,
}

/// Who a connection is, and to whom it writes.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    pub user: usize,
    pub peer: usize,
    /// The group to be in, if any.
    pub group: Option<usize>,
}

/// One of the compared systems.
pub trait System {
    fn name(&self) -> &'static str;

    /// Debian's package, if it comes from one.
    fn package(&self) -> Option<&'static str> {
        None
    }

    /// Its settings as far as they matter for the figures, in a sentence.
    fn settings(&self) -> String;

    /// Writes configuration and users into the ground, where it has any.
    fn plant<'a>(&'a self, _ground: &'a Ground, _scale: &'a Scale) -> Later<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// What starts it in the foreground. `ground` was planted.
    fn command(&self, ground: &Ground) -> Result<Command>;

    /// The path and the subprotocol of its WebSocket; nothing where the connection is none.
    fn door(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    fn voice(&self, role: Role) -> Box<dyn Voice>;

    /// Whether senders hear that a message was taken. Without it the next one leaves when the last one arrived.
    fn acks(&self) -> bool;

    /// The one file that it is, where it is one.
    fn binary(&self) -> Option<PathBuf> {
        None
    }
}

/// One signed-in connection's words.
pub trait Voice {
    fn sign_in<'a>(&'a mut self, talk: &'a mut Talk) -> Later<'a, ()>;

    /// Appends a frame: a direct message that carries the stamp.
    fn direct(&mut self, stamp: u64, out: &mut Vec<u8>);

    /// Appends a frame: a message to the group.
    fn post(&mut self, stamp: u64, out: &mut Vec<u8>);

    /// Reads a frame's payload; what must be answered is appended as a frame.
    fn hear(&mut self, payload: &[u8], reply: &mut Vec<u8>) -> Heard;

    /// What the client has to send twice a minute for the connection to stay, as a frame.
    fn pulse(&self) -> Option<Vec<u8>> {
        None
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that is counted.
    Else,
    /// The message with this stamp was taken.
    Ack(u64),
    /// The message with this stamp arrived.
    Delivery(u64),
    /// What spoils the figures.
    Refused(String),
}

/// A system by the name used on the command line.
pub struct Choice {
    pub word: String,
    pub system: Rc<dyn System>,
    pub tls: bool,
}

impl Choice {
    pub fn label(&self) -> String {
        let name = self.system.name();
        if self.tls {
            format!("{name} TLS")
        } else {
            name.to_owned()
        }
    }
}

/// The systems named in `--systems`, each followed by `-tls` for TLS.
pub fn choose(args: &Args, words: &str) -> Result<Vec<Choice>> {
    let mut chosen = Vec::new();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let plain = word.strip_suffix("-tls");
        let system: Rc<dyn System> = match plain.unwrap_or(word) {
            "kinglet" => Rc::new(kinglet::Kinglet::new(args.server()?)),
            "prosody" => Rc::new(prosody::Prosody),
            "ejabberd" => Rc::new(ejabberd::Ejabberd),
            "mosquitto" => Rc::new(mosquitto::Mosquitto { each_change: false }),
            "mosquitto-saving" => Rc::new(mosquitto::Mosquitto { each_change: true }),
            "floor" => Rc::new(floor::Floor),
            "floor-kept" => Rc::new(kept::KeptFloor),
            other => bail!(
                "no system is called {other:?}; there are kinglet, prosody, ejabberd, mosquitto, mosquitto-saving, floor and floor-kept"
            ),
        };
        chosen.push(Choice {
            word: word.to_owned(),
            system,
            tls: plain.is_some(),
        });
    }
    Ok(chosen)
}
