//! What an owner does from outside, by the API as their phone has it. What must not live here: what has to come of it.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::machine::Bench;
use crate::debian::ask;

/// Those of the talk of the first day (benches/load/src/kill9).
pub const PASSWORD: &str = "correct horse battery";
const NAME: &str = "person0";
/// Who they were, and what stands in everything that each of them said.
pub const SAID: [&str; 4] = [NAME, "person1", " from 0 .....", " from 1 ....."];

pub struct Owner<'a> {
    bench: &'a Bench<'a>,
    token: String,
}

impl<'a> Owner<'a> {
    /// On a new device.
    pub fn signed_in(bench: &'a Bench<'a>) -> Result<Owner<'a>> {
        let body = json!({ "name": NAME, "password": PASSWORD, "device": { "id": id()?, "name": "phone" } });
        Owner::by(bench, "sign-in", &body)
    }

    /// On a new device, by the code that the card gives to who holds it; no other device gets in by it.
    pub fn let_in_again(bench: &'a Bench<'a>, code: &str) -> Result<Owner<'a>> {
        let of_new_device = || -> Result<Value> {
            Ok(json!({ "code": code, "password": PASSWORD, "device": { "id": id()?, "name": "phone" } }))
        };
        let owner = Owner::by(bench, "reset", &of_new_device()?)?;
        let (number, said) = owner.asks("POST", "reset", Some(&of_new_device()?))?;
        ensure!(
            said["error"]["code"] == "link_invalid",
            "a code that was used once was answered with {number}: {said}"
        );
        Ok(owner)
    }

    fn by(bench: &'a Bench<'a>, what: &str, body: &Value) -> Result<Owner<'a>> {
        let mut owner = Owner {
            bench,
            token: String::new(),
        };
        let told = owner.sends("POST", what, body)?;
        owner.token = told["token"].as_str().context("a token")?.to_owned();
        Ok(owner)
    }

    pub fn gets(&self, what: &str) -> Result<Value> {
        well(what, self.asks("GET", what, None)?)
    }

    pub fn sends(&self, method: &str, what: &str, body: &Value) -> Result<Value> {
        well(what, self.asks(method, what, Some(body))?)
    }

    /// The answer's number, and what it says.
    pub fn asks(&self, method: &str, what: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--request", method]);
        curl.args(["--max-time", &self.bench.patience.as_secs().to_string()]);
        curl.args(["--write-out", "\n%{http_code}"]);
        if !self.token.is_empty() {
            curl.args(["--header", &format!("Authorization: Bearer {}", self.token)]);
        }
        if let Some(body) = body {
            curl.args(["--header", "Content-Type: application/json"]);
            curl.args(["--data", &body.to_string()]);
        }
        let said = ask(curl.arg(format!("https://127.0.0.1:{}/api/v1/{what}", self.bench.https)))?;
        let (text, number) = said.rsplit_once('\n').context("an answer and its number")?;
        let body = serde_json::from_str(text).with_context(|| format!("{what} said {said}"))?;
        Ok((number.parse().context("the answer's number")?, body))
    }

    /// The key that backups are opened with, made anew.
    pub fn makes_recovery_key(&self) -> Result<String> {
        let made = self.sends("POST", "server/recovery-key", &json!({ "client_id": id()? }))?;
        Ok(made["key"].as_str().context("a recovery key")?.to_owned())
    }
}

fn well(what: &str, (number, body): (u16, Value)) -> Result<Value> {
    ensure!(number == 200, "{what} was answered with {number}: {body}");
    Ok(body)
}

pub fn id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").context("a new id")?;
    Ok(id.trim().to_owned())
}
