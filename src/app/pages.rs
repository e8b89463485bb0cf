//! Gives the kernel back what only the start needed of the program file. What must not live here: memory that was ever
//! written to.
//!
//! The kernel maps a program file in pieces of 64 KiB around each page that is used, so that after a start three quarters
//! of it count as ours: reading settings, making tables, checking the log. What is used again comes back from the page cache, a
//! piece at a time (a minor fault each); the rest is the kernel's again, on a board with 512 MB first of all.

// The one use: telling the kernel that pages of machine code are not needed just now.
#![allow(unsafe_code)]

use rustix::mm::{Advice, madvise};

/// A mapping of `/proc/self/maps`: from, length, permissions, whether it is of a file, and of which.
fn mappings(maps: &str) -> impl Iterator<Item = (usize, usize, &str, &str)> {
    maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let permissions = words.next()?;
        let file = words.nth(3)?;
        let (from, to) = (
            usize::from_str_radix(from, 16).ok()?,
            usize::from_str_radix(to, 16).ok()?,
        );
        Some((from, to.checked_sub(from)?, permissions, file))
    })
}

/// Lets go of the program's own machine code; gives how many bytes of mapping that were. Does nothing where the kernel
/// does not tell.
pub fn let_go_of_the_start() -> usize {
    let (Ok(program), Ok(maps)) = (
        std::env::current_exe(),
        std::fs::read_to_string("/proc/self/maps"),
    ) else {
        return 0;
    };
    let code = mappings(&maps).filter(|(_, _, permissions, file)| {
        // Executable and never writable: nothing in there is ours alone, all of it can be read again.
        *permissions == "r-xp" && program.as_os_str() == std::ffi::OsStr::new(file)
    });
    let mut gone = 0;
    for (from, length, ..) in code {
        // SAFETY: the range is one mapping of this process, private, of the file that is being run and never written to
        // (a running program's file cannot be: ETXTBSY), so each page that is dropped has the same bytes when it is read
        // again by the next access.
        let dropped = unsafe {
            madvise(
                std::ptr::without_provenance_mut(from),
                length,
                Advice::LinuxDontNeed,
            )
        };
        if dropped.is_ok() {
            gone += length;
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the program's machine code that are mapped in just now.
    fn resident() -> usize {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("the kernel tells");
        let mut is_code = false;
        let mut kib = 0;
        for line in maps.lines() {
            if let Some(size) = line.strip_prefix("Rss:").filter(|_| is_code) {
                kib += size
                    .trim()
                    .trim_end_matches(" kB")
                    .parse::<usize>()
                    .expect("a number");
            } else if line.contains(" r-xp ") {
                let program = std::env::current_exe().expect("it has a path");
                is_code = line.ends_with(program.to_str().expect("plain letters"));
            } else if line.split(' ').next().is_some_and(|word| word.contains('-')) {
                is_code = false;
            }
        }
        kib << 10
    }

    #[test]
    fn code_is_let_go_and_comes_back() {
        let before = resident();
        assert!(before > 0, "some of the program is in memory");
        assert!(let_go_of_the_start() >= before, "all of it is let go");
        let after = resident();
        assert!(after < before, "{before} bytes before, {after} after");
    }

    #[test]
    fn only_mappings_of_files_are_read() {
        let maps =
            "55f0-55f8 r-xp 00001000 fe:00 42    /opt/kinglet\n7f00-7f01 rw-p 00000000 00:00 0 \nnonsense\n";
        let all: Vec<_> = mappings(maps).collect();
        assert_eq!(all, [(0x55f0, 8, "r-xp", "/opt/kinglet")]);
    }
}
