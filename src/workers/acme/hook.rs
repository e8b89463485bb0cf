//! The operator's program that changes the domain's records: `add NAME VALUE` before the authority looks, `remove NAME VALUE`
//! afterwards. What must not live here: which records.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::limits;

/// Runs it to its end, or ends it with all that it started. What it says is in the server's own journal.
///
/// # Errors
/// Why the record may not be there, for the operator.
pub(super) async fn call(hook: &Path, act: &str, name: &str, value: &str) -> Result<(), String> {
    call_within(limits::ACME_HOOK_TIME, hook, [act, name, value]).await
}

/// The hook with all that it started, which ends when nobody waits for it any more: its time is over, or the order's.
struct Running(Option<Pid>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that has just ended by itself is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn call_within(time: Duration, hook: &Path, words: [&str; 3]) -> Result<(), String> {
    let shown = hook.display();
    let mut child = Command::new(hook)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("the hook {shown} cannot be run: {error}"))?;
    let mut running = Running(i32::try_from(child.id()).ok().and_then(Pid::from_raw));
    let waiting = tokio::task::spawn_blocking(move || child.wait());
    let Ok(ended) = tokio::time::timeout(time, waiting).await else {
        return Err(format!(
            "the hook {shown} did not end within {} seconds",
            time.as_secs()
        ));
    };
    running.0 = None;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!(
            "the hook {shown} {} ended with {status}; what it said is in the journal",
            words[0]
        )),
        Ok(Err(error)) => Err(format!("the hook {shown} was lost: {error}")),
        Err(_) => Err(format!("the hook {shown} was lost")),
    }
}

/// A hook of this text.
#[cfg(test)]
pub(super) fn installed(dir: &Path, text: &str) -> std::path::PathBuf {
    let (draft, hook) = (dir.join("draft"), dir.join("hook"));
    std::fs::write(&draft, text).expect("written");
    // By another process: a file that this one has open for writing cannot be run.
    let done = Command::new("install")
        .args(["-m", "755"])
        .arg(&draft)
        .arg(&hook)
        .status();
    assert!(done.expect("coreutils are there").success());
    hook
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{ErrorKind, Write};
    use std::path::PathBuf;

    use super::*;

    async fn called(hook: &str) -> Result<(), String> {
        call(Path::new(hook), "add", "_acme-challenge.example.org", "x").await
    }

    #[tokio::test]
    async fn a_hook_that_fails_says_so() {
        assert_eq!(called("/bin/true").await, Ok(()));
        let failed = called("/bin/false").await.expect_err("it fails");
        assert!(
            failed.contains("/bin/false add") && failed.contains('1'),
            "{failed}"
        );
    }

    #[tokio::test]
    async fn a_hook_that_is_missing_says_so() {
        let missing = called("/nowhere/hook").await.expect_err("it is not there");
        assert!(missing.contains("cannot be run"), "{missing}");
    }

    /// It waits for what never comes, and so does what it started.
    #[tokio::test]
    async fn a_hook_without_end_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (hook, pipe) = endless(dir.path());
        let reader = reader_of(&pipe);
        let time = Duration::from_millis(500);
        let words = ["add", pipe.to_str().expect("a path in UTF-8"), "x"];
        let failed = call_within(time, &hook, words).await.expect_err("it has no end");
        assert!(failed.contains("did not end within"), "{failed}");
        gone(reader.await.expect("no panic")).await;
    }

    /// As when the whole order took too long.
    #[tokio::test]
    async fn a_hook_that_nobody_waits_for_any_more_is_ended_too() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (hook, pipe) = endless(dir.path());
        let reader = reader_of(&pipe);
        let name = pipe.to_str().expect("a path in UTF-8");
        let mut calling = Box::pin(call(&hook, "add", name, "x"));
        let pipe = tokio::select! {
            ended = &mut calling => panic!("it has an end: {ended:?}"),
            pipe = reader => pipe.expect("no panic"),
        };
        drop(calling);
        gone(pipe).await;
    }

    /// A hook that starts a reader of the pipe that it is given and waits for it, and the pipe.
    fn endless(dir: &Path) -> (PathBuf, PathBuf) {
        let pipe = dir.join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("coreutils are there").success());
        (installed(dir, "#!/bin/sh\ncat \"$2\" &\nwait\n"), pipe)
    }

    /// Opening the other end waits until somebody reads.
    fn reader_of(pipe: &Path) -> tokio::task::JoinHandle<File> {
        let pipe = pipe.to_owned();
        tokio::task::spawn_blocking(move || {
            let opened = OpenOptions::new().write(true).open(pipe);
            opened.expect("somebody read it")
        })
    }

    /// Nobody reads any more, once the kernel has taken the reader away.
    async fn gone(mut pipe: File) {
        let broken = async {
            loop {
                if let Err(error) = pipe.write_all(b"x") {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        };
        let broken = tokio::time::timeout(Duration::from_secs(20), broken).await;
        let broken = broken.expect("what the hook started runs on");
        assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
    }
}
