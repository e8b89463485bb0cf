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

async fn call_within(time: Duration, hook: &Path, words: [&str; 3]) -> Result<(), String> {
    let shown = hook.display();
    let mut child = Command::new(hook)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("the hook {shown} cannot be run: {error}"))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let waiting = tokio::task::spawn_blocking(move || child.wait());
    let ended = match tokio::time::timeout(time, waiting).await {
        Ok(ended) => ended,
        Err(_) => {
            if let Some(group) = group {
                // One that has just ended by itself is what was wanted.
                let _ = kill_process_group(group, Signal::KILL);
            }
            return Err(format!(
                "the hook {shown} did not end within {} seconds",
                time.as_secs()
            ));
        }
    };
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

#[cfg(test)]
mod tests {
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
        let pipe = dir.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("coreutils are there").success());
        let (draft, hook) = (dir.path().join("draft"), dir.path().join("hook"));
        // What it started holds the pipe open for reading.
        std::fs::write(&draft, "#!/bin/sh\ncat \"$2\" &\nwait\n").expect("written");
        // By another process: a file that this one has open for writing cannot be run.
        let installed = Command::new("install")
            .args(["-m", "755"])
            .arg(&draft)
            .arg(&hook)
            .status();
        assert!(installed.expect("coreutils are there").success());
        // Opening the other end waits until somebody reads.
        let writing = pipe.clone();
        let opened =
            tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(writing));
        let time = Duration::from_millis(500);
        let words = ["add", pipe.to_str().expect("a path in UTF-8"), "x"];
        let failed = call_within(time, &hook, words).await.expect_err("it has no end");
        assert!(failed.contains("did not end within"), "{failed}");
        let mut writing = opened.await.expect("no panic").expect("somebody read it");
        // Nobody reads any more, once the kernel has taken the reader away.
        let broken = loop {
            if let Err(error) = std::io::Write::write_all(&mut writing, b"x") {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(broken.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
