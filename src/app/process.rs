//! What the process asks of the kernel about itself: the file mode mask, the number of descriptors, the size of
//! pages.
//! What must not live here: any other system call; what std offers needs no file like this.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Small allocations spread over an arena must not be rounded up to two megabytes each: at rest that was half of all
/// memory, and a small board has none to give.
pub fn use_small_pages() {
    // A kernel without huge pages refuses, and has none to turn off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

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
