//! What the process asks of the kernel about itself: the file mode mask and the number of descriptors.
//! What must not live here: any other system call; what std offers needs no file like this.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// From now on new files and sockets are the server's user's alone.
pub fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Raises the soft limit of open descriptors to the hard one and gives what holds then.
#[must_use]
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    // None means without a limit. A kernel that refuses leaves the soft limit as it was.
    if raised.is_ok() {
        limit.maximum
    } else {
        limit.current
    }
    .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_descriptors();
        let limits = std::fs::read_to_string("/proc/self/limits").expect("the kernel tells its limits");
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .expect("it is a limit");
        let soft: u64 = line
            .split_whitespace()
            .nth(3)
            .and_then(|text| text.parse().ok())
            .expect("a number");
        assert_eq!(raised, soft);
    }
}
