//! The verbs, and what their arguments must look like. A value of these types has been checked: there is no other way to make one.
//! What must not live here: whether the machine has what an argument names.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde::Deserialize;

use crate::answer::{Code, Wrong};

/// A line, and the time it may take to come.
const LINE_BYTES: usize = 8 * 1024;
const LINE_TIME: Duration = Duration::from_secs(5);

/// What can be asked for; that is all.
#[derive(Debug, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Reboot {},
    PowerOff {},
    /// Installs the signed package that lies where updates are put, or on the USB disk that is mounted.
    Update {
        #[serde(default)]
        from: Place,
    },
    /// Lets the appliance's own user in over SSH, by this key and nothing else.
    SshOn {
        key: Key,
        /// Also after the next start of the machine, and longer than a day.
        #[serde(default)]
        keep: bool,
    },
    SshOff {},
    HostName {
        name: HostName,
    },
    TimeZone {
        zone: Zone,
    },
    UsbMount {
        #[serde(default)]
        device: Option<Device>,
    },
    UsbUnmount {},
    FactoryReset {
        keep_data: bool,
        confirm: String,
    },
    Sensors {},
}

/// Where an update lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Where the server's user puts it.
    #[default]
    Data,
    Usb,
}

impl Request {
    pub fn name(&self) -> &'static str {
        match self {
            Request::Reboot {} => "reboot",
            Request::PowerOff {} => "power_off",
            Request::Update { .. } => "update",
            Request::SshOn { .. } => "ssh_on",
            Request::SshOff {} => "ssh_off",
            Request::HostName { .. } => "host_name",
            Request::TimeZone { .. } => "time_zone",
            Request::UsbMount { .. } => "usb_mount",
            Request::UsbUnmount {} => "usb_unmount",
            Request::FactoryReset { .. } => "factory_reset",
            Request::Sensors {} => "sensors",
        }
    }

    pub fn only_looks(&self) -> bool {
        matches!(self, Request::Sensors {})
    }
}

/// Reads one line, within its bounds, and what it asks for.
pub fn read(stream: &mut UnixStream) -> Result<Request, Wrong> {
    let line = line(stream)?;
    serde_json::from_slice(&line).map_err(|error| {
        // Arguments are refused by a sentence of ours; the rest is about JSON.
        let text = error.to_string();
        match text.strip_prefix(ARGUMENT) {
            Some(what) => Wrong::because(Code::BadArgument, what.split(" at line ").next().unwrap_or(what)),
            None => {
                let text: String = text.chars().take(300).collect();
                Wrong::because(
                    Code::BadRequest,
                    format!("This is not a request of the known form: {text}"),
                )
            }
        }
    })
}

fn line(stream: &mut UnixStream) -> Result<Vec<u8>, Wrong> {
    let deadline = Instant::now() + LINE_TIME;
    let mut line = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Wrong::of(Code::TooSlow));
        }
        let count = stream
            .set_read_timeout(Some(left))
            .and_then(|()| stream.read(&mut piece));
        let count = match count {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Wrong::of(Code::TooSlow));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Wrong::because(
                    Code::BadRequest,
                    format!("the line cannot be read: {error}"),
                ));
            }
        };
        line.extend_from_slice(&piece[..count]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(line);
        }
        if line.len() > LINE_BYTES {
            return Err(Wrong::of(Code::TooLarge));
        }
        if count == 0 {
            return Err(Wrong::because(
                Code::BadRequest,
                "The line ends without a line break.",
            ));
        }
    }
}

/// Marks a refusal of an argument among serde's own errors.
const ARGUMENT: &str = "argument: ";

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                match $check(&text) {
                    Ok(()) => Ok($name(text)),
                    Err(why) => Err(format!("{ARGUMENT}{why}")),
                }
            }
        }
    };
}

checked!(
    /// One label of lower-case letters, digits and dashes.
    HostName,
    host_name
);
checked!(
    /// `Area/Place` as in the system's time zone data.
    Zone,
    zone
);
checked!(
    /// A partition or disk of the kind that USB sticks are: `sda1`.
    Device,
    device
);
checked!(
    /// One line of an `authorized_keys` file, without options.
    Key,
    key
);

fn host_name(text: &str) -> Result<(), &'static str> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let fits = (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-');
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if plain && fits && !is_number && text != "localhost" {
        return Ok(());
    }
    Err(
        "A host name has 1 to 63 lower-case letters, digits and dashes, none of them at the ends, and not digits alone.",
    )
}

fn zone(text: &str) -> Result<(), &'static str> {
    let part = |part: &str| {
        let plain = part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte));
        plain && (1..=32).contains(&part.len()) && !part.starts_with('-')
    };
    if text.split('/').count() <= 3 && text.split('/').all(part) {
        return Ok(());
    }
    Err("A time zone looks like Europe/Berlin.")
}

fn device(text: &str) -> Result<(), &'static str> {
    let rest = text.strip_prefix("sd").unwrap_or_default();
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = rest.len() - digits.len();
    let numbered =
        digits.is_empty() || (digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if (1..=2).contains(&letters) && numbered && !digits.starts_with('0') {
        return Ok(());
    }
    Err("A device looks like sda1.")
}

/// The kinds that OpenSSH takes today. DSA and short RSA keys are refused by it, so they are here.
const KEY_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
];
const KEY_CHARS: usize = 4_096;
const COMMENT_CHARS: usize = 100;
/// An RSA key of 2048 bits has a modulus of 256 bytes, and a little around it.
const RSA_BYTES: usize = 270;

fn key(text: &str) -> Result<(), &'static str> {
    const WRONG: &str =
        "A key is one line of a .pub file: its kind, its base64, and a comment; without options before it.";
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !printable || text.len() > KEY_CHARS {
        return Err(WRONG);
    }
    let mut parts = text.splitn(3, ' ');
    let (Some(kind), Some(encoded)) = (parts.next(), parts.next()) else {
        return Err(WRONG);
    };
    let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| WRONG)?;
    // The first field inside is the kind again, after its length.
    let inside = bytes.split_at_checked(4).and_then(|(length, rest)| {
        rest.get(..usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?)
    });
    if !KEY_KINDS.contains(&kind) || inside != Some(kind.as_bytes()) {
        return Err(WRONG);
    }
    if kind == "ssh-rsa" && bytes.len() < RSA_BYTES {
        return Err("An RSA key must have 2048 bits or more.");
    }
    if parts.next().is_some_and(|comment| comment.len() > COMMENT_CHARS) {
        return Err("A key's comment has at most 100 characters.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(kind: &str, inside: &str, more: usize) -> String {
        let mut bytes = u32::try_from(inside.len())
            .expect("it is short")
            .to_be_bytes()
            .to_vec();
        bytes.extend_from_slice(inside.as_bytes());
        bytes.resize(bytes.len() + more, 7);
        format!("{kind} {}", BASE64.encode(&bytes))
    }

    #[test]
    fn arguments_have_a_narrow_form() {
        for good in ["kinglet", "kinglet2", "a", "a-b", &"a".repeat(63)] {
            assert_eq!(host_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a.b",
            "a_b",
            "a b",
            "ä",
            "1",
            "42",
            "localhost",
            "a\n",
            &"a".repeat(64),
        ] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        for good in [
            "UTC",
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT+5",
            "Asia/Hong_Kong",
        ] {
            assert_eq!(zone(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/",
            "Europe/",
            "/etc/passwd",
            "../../etc/passwd",
            "Europe/../UTC",
            "a/b/c/d",
            "-x",
            "a b",
            "a\0",
        ] {
            assert!(zone(bad).is_err(), "{bad}");
        }
        for good in ["sda", "sda1", "sdaa12"] {
            assert_eq!(device(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "sd",
            "sd1",
            "sda0",
            "sda01",
            "sda123",
            "sdaaa1",
            "mmcblk0p1",
            "sda1/..",
            "../sda1",
            "sda1 ",
            "nvme0n1",
        ] {
            assert!(device(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_what_it_says_and_brings_no_options() {
        let good = key_of("ssh-ed25519", "ssh-ed25519", 36);
        assert_eq!(key(&good), Ok(()));
        assert_eq!(key(&format!("{good} anna@laptop, at home")), Ok(()));
        assert_eq!(key(&key_of("ssh-rsa", "ssh-rsa", 280)), Ok(()));
        for bad in [
            String::new(),
            "ssh-ed25519".into(),
            "ssh-ed25519 !!!".into(),
            format!("command=\"x\" {good}"),
            format!("{good}\nssh-ed25519 AAAA"),
            format!("{good} {}", "c".repeat(101)),
            format!("{good} ä"),
            format!(" {good}"),
            key_of("ssh-ed25519", "ssh-rsa", 280),
            key_of("ssh-dss", "ssh-dss", 400),
            key_of("ssh-rsa", "ssh-rsa", 130),
            key_of("ssh-rsa", "ssh-rsa", 5_000),
            format!("ssh-ed25519 {}", BASE64.encode(&[0xff; 3])),
            format!("ssh-ed25519 {}", BASE64.encode(&[0xff; 40])),
        ] {
            assert!(key(&bad).is_err(), "{bad}");
        }
    }
}
