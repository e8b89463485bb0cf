//! The system's programs: an absolute path of ours, fixed arguments, nothing of our environment, and bounds on how long they take
//! and how much they say. What must not live here: which programs.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::answer::{Code, Wrong};
use crate::machine::Machine;

/// What a program may take: the slowest is the end of a server that has everybody say goodbye.
const TIME: Duration = Duration::from_secs(60);
/// What is kept of what it says, a line for each package of a system; the rest is read and dropped, so that it does not block.
const KEPT: usize = 256 * 1024;

/// Runs a program to its end and gives what it said on standard output.
pub fn run(machine: &Machine, program: &str, arguments: &[&str]) -> Result<String, Wrong> {
    run_with(machine, program, arguments, "", TIME)
}

/// The same for one that reads a few words, less than a pipe holds, or that takes longer.
pub fn run_with(
    machine: &Machine,
    program: &str,
    arguments: &[&str],
    told: &str,
    time: Duration,
) -> Result<String, Wrong> {
    let (status, said, complained) = finish(machine, program, arguments, told, time)?;
    if status.success() {
        return Ok(said);
    }
    let why = complained.lines().next_back().unwrap_or("it did not say why");
    Err(Wrong::because(
        Code::Failed,
        format!("{program} ended with {status}: {}", plain(why)),
    ))
}

/// Whether a program says yes, where its exit code is its answer.
pub fn agrees(machine: &Machine, program: &str, arguments: &[&str]) -> Result<bool, Wrong> {
    finish(machine, program, arguments, "", TIME).map(|(status, _, _)| status.success())
}

fn finish(
    machine: &Machine,
    program: &str,
    arguments: &[&str],
    told: &str,
    time: Duration,
) -> Result<(ExitStatus, String, String), Wrong> {
    machine.needs(program, &format!("there is no {program} on this machine"))?;
    let mut child = Command::new(machine.path(program))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        // Else enabling a unit also runs a script for the start of old systems, here and not by systemd, where /etc cannot be written
        // to (systemd, docs/ENVIRONMENT.md).
        .env("SYSTEMCTL_SKIP_SYSV", "1")
        .current_dir(machine.path("/"))
        .stdin(if told.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Wrong::io("start", program, &error))?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that ends without reading says why by its status.
        let _ = pipe.write_all(told.as_bytes());
    }
    let followed = follow(&mut child, Instant::now() + time);
    if followed.is_err() {
        // One that ended meanwhile cannot be killed, and need not be.
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| Wrong::io("wait for", program, &error))?;
    let (said, complained) = followed.map_err(|error| match error.kind() {
        ErrorKind::TimedOut => Wrong::because(
            Code::TimedOut,
            format!("{program} took longer than {} s", time.as_secs()),
        ),
        _ => Wrong::io("follow", program, &error),
    })?;
    Ok((status, said, complained))
}

/// Reads what it says until it has ended. Children of its own that keep the pipes open are not waited for.
fn follow(child: &mut Child, deadline: Instant) -> std::io::Result<(String, String)> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = pidfd_open(pid.ok_or(ErrorKind::InvalidData)?, PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let mut watched = vec![PollFd::new(&ended, PollFlags::IN)];
        watched.extend(
            out.as_ref()
                .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        let has_out = watched.len() > 1;
        watched.extend(
            err.as_ref()
                .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        let patience = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
        match poll(&mut watched, Some(&patience)) {
            Err(rustix::io::Errno::INTR) => continue,
            polled => polled?,
        };
        let spoke = |at: usize| watched.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (is_over, out_spoke, err_spoke) =
            (spoke(0), has_out && spoke(1), spoke(1 + usize::from(has_out)));
        drop(watched);
        if out_spoke && !take(&mut out, &mut said)? {
            out = None;
        }
        if err_spoke && !take(&mut err, &mut complained)? {
            err = None;
        }
        // What it said last is read before its end is believed.
        if is_over && !out_spoke && !err_spoke {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return Ok((text(&said), text(&complained)));
        }
    }
}

/// One piece; false at the end of the pipe.
fn take(pipe: &mut Option<impl Read>, kept: &mut Vec<u8>) -> std::io::Result<bool> {
    let Some(pipe) = pipe else { return Ok(false) };
    let mut piece = [0; 1024];
    let count = pipe.read(&mut piece)?;
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(&piece[..count.min(room)]);
    Ok(count > 0)
}

/// One line for the answer, whatever the program wrote.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn script(root: &Path, text: &str) -> Machine {
        let draft = root.join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{text}\n")).expect("a test may write there");
        // By another process: what this one has open for writing, a child of a test beside may hold open, too, and a file
        // that is written to cannot be run.
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(&draft).arg(root.join("tool"));
        assert!(install.status().expect("coreutils are there").success());
        Machine::at(root.to_owned())
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let root = tempfile::tempdir().expect("a test may make a directory");
        let machine = script(root.path(), "echo $$ > pid; exec cat pipe");
        let made = Command::new("mkfifo").arg(root.path().join("pipe")).status();
        assert!(made.expect("coreutils are there").success());
        let wrong =
            finish(&machine, "/tool", &[], "", Duration::from_millis(300)).expect_err("it waits for ever");
        assert_eq!(wrong.code, Code::TimedOut);
        let pid = fs::read_to_string(root.path().join("pid")).expect("it ran");
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it still runs");
    }

    #[test]
    fn much_that_is_said_is_read_and_little_of_it_kept() {
        let root = tempfile::tempdir().expect("a test may make a directory");
        let machine = script(
            root.path(),
            "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; echo the end >&2",
        );
        let said = run(&machine, "/tool", &[]).expect("it ends well");
        assert_eq!(said.len(), KEPT);
    }

    #[test]
    fn a_failure_is_told_by_the_last_line_and_nothing_of_our_environment_is_seen() {
        let root = tempfile::tempdir().expect("a test may make a directory");
        let machine = script(
            root.path(),
            "env; echo first >&2; printf 'last \\033[1m' >&2; exit 3",
        );
        let (status, said, _) = finish(&machine, "/tool", &["x"], "", TIME).expect("it ends");
        assert_eq!(status.code(), Some(3));
        let mut names: Vec<&str> = said.lines().filter_map(|line| line.split('=').next()).collect();
        names.retain(|name| !["_", "PWD", "SHLVL", "OLDPWD"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["LC_ALL", "PATH", "SYSTEMCTL_SKIP_SYSV"]);
        let wrong = run(&machine, "/tool", &[]).expect_err("it fails").to_string();
        assert!(
            wrong.ends_with("last [1m") && !wrong.contains("first"),
            "{wrong:?}"
        );
        let wrong = run(&machine, "/none", &[]).expect_err("there is none");
        assert_eq!(wrong.code, Code::NotAvailable);
    }
}
