//! The hand at the machine's USB port while it is on: the emulator's own protocol (QMP), as far as a stick is plugged in and pulled.
//! What must not live here: what is on the stick.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const STICK: &str = "stick";

pub struct Control {
    told: UnixStream,
    says: BufReader<UnixStream>,
}

impl Control {
    /// The machine has to be on already.
    pub fn at(socket: &Path, patience: Duration) -> Result<Control> {
        let told = UnixStream::connect(socket).context("reaching the emulator")?;
        told.set_read_timeout(Some(patience)).context("its patience")?;
        let says = BufReader::new(told.try_clone().context("the emulator's answers")?);
        let mut control = Control { told, says };
        control.heard("QMP")?;
        control.has("qmp_capabilities", &json!({}))?;
        Ok(control)
    }

    pub fn plugs_in(&mut self, stick: &Path) -> Result<()> {
        let file = json!({ "driver": "file", "filename": stick });
        self.has(
            "blockdev-add",
            &json!({ "driver": "raw", "node-name": STICK, "file": file }),
        )?;
        let device = json!({ "driver": "usb-storage", "id": STICK, "drive": STICK, "removable": true });
        self.has("device_add", &device)
    }

    /// As a person does, who asks nobody; what was written stands in the file then.
    pub fn pulls(&mut self) -> Result<()> {
        self.tells("device_del", &json!({ "id": STICK }))?;
        // It says so of each part of the stick, and gives its answer before or after that.
        let (mut is_gone, mut is_answered) = (false, false);
        while !(is_gone && is_answered) {
            let said = self.next()?;
            is_gone |= said["event"] == "DEVICE_DELETED" && said["data"]["device"] == STICK;
            is_answered |= said.get("return").is_some();
        }
        self.has("blockdev-del", &json!({ "node-name": STICK }))
    }

    fn tells(&mut self, what: &str, how: &Value) -> Result<()> {
        let line = json!({ "execute": what, "arguments": how });
        writeln!(self.told, "{line}").with_context(|| format!("telling the emulator: {line}"))
    }

    fn has(&mut self, what: &str, how: &Value) -> Result<()> {
        self.tells(what, how)?;
        self.heard("return")
            .map(drop)
            .with_context(|| format!("having the emulator do {what}"))
    }

    /// The next thing of this kind that it says.
    fn heard(&mut self, kind: &str) -> Result<Value> {
        loop {
            let said = self.next()?;
            if said.get(kind).is_some() {
                return Ok(said);
            }
        }
    }

    fn next(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.says.read_line(&mut line).context("hearing the emulator")? == 0 {
            bail!("the emulator has ended");
        }
        let said: Value = serde_json::from_str(&line).with_context(|| format!("it said {line}"))?;
        if said.get("error").is_some() {
            bail!("the emulator refuses: {said}");
        }
        Ok(said)
    }
}
