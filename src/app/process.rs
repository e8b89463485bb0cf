//! What the process asks of the kernel about itself: the file mode mask and the number of descriptors.
//! What must not live here: any other system call; what std offers needs no file like this.

// Three calls that std has no name for: umask, getrlimit and setrlimit.
#![allow(unsafe_code)]

use std::io;

/// From now on new files and sockets are the server's user's alone.
pub fn keep_files_private() {
    // SAFETY: umask takes a number, cannot fail and touches no memory of ours.
    unsafe {
        libc::umask(0o077);
    }
}

/// Raises the soft limit of open descriptors to the hard one and gives what holds then.
pub fn raise_descriptors() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` into the struct we own.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one `rlimit` from the struct we own.
    if before < limit.rlim_max && unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Ok(u64::from(before));
    }
    Ok(u64::from(limit.rlim_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_descriptors().expect("the kernel tells its limits");
        let limits = std::fs::read_to_string("/proc/self/limits").expect("the kernel tells its limits");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("it is a limit");
        let soft: u64 = line.split_whitespace().nth(3).and_then(|text| text.parse().ok()).expect("a number");
        assert_eq!(raised, soft);
    }
}
