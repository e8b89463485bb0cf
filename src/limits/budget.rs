//! The memory that the limits add up to, line by line. What must not live here: the limits.

use super::*;

/// One line of the memory budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLine {
    pub pool: &'static str,
    pub bytes: usize,
    pub why: &'static str,
}

/// The most memory the server can come to hold, line by line, kernel socket buffers included.
#[must_use]
pub fn memory_budget(limits: &Limits) -> Vec<BudgetLine> {
    let connection = [CONNECTION_PLAIN, CONNECTION_TLS][usize::from(limits.tls)];
    let line = |pool, bytes, why| BudgetLine { pool, bytes, why };
    let mut lines = vec![
        line("base", BASE, "code, runtime, allocator and SQLite at rest"),
        line("connections", limits.connections * connection, "idle connections"),
        line(
            "kernel",
            limits.connections * CONNECTION_KERNEL,
            "the kernel's objects for them: sockets, files, names",
        ),
        line(
            "unsigned",
            CONNECTIONS_UNSIGNED * BYTES_BEFORE_SIGN_IN,
            "connections before sign-in",
        ),
        line("partial", POOL_PARTIAL, "frames that arrived in part"),
        line("outgoing", POOL_OUTGOING, "bytes a slow socket has not taken yet"),
        line("queue", QUEUE_BYTES, "commands waiting for the writer"),
        line(
            "tails",
            limits.tail_bytes,
            "encoded events for readers near the end",
        ),
        line(
            "rosters",
            limits.roster_members * 24,
            "memberships of conversations in use",
        ),
        line(
            "discretion",
            BLOCKS * 16 + USERS * 16 + MUTES * 24 + HIDDEN * 48 + NOTICES_TO_ALL * 1_024,
            "who blocks whom, who is not to be seen (to read), who is muted, what is hidden, and whose profile has just changed",
        ),
        line("recent", FOLD_ROWS * 160, "indexes of the log not folded yet"),
        line("states", WRITER_STATES * 128, "conversation states of the writer"),
        line(
            "pages",
            (READS_WAITING.min(64)) * PAGE_BYTES,
            "history pages on their way",
        ),
        line(
            "exports",
            EXPORTS_AT_ONCE * EXPORT_BYTES,
            "archives of people's own data on their way",
        ),
        line(
            "sqlite",
            (WRITER_CACHE_KIB + READERS * READER_CACHE_KIB) * 1024,
            "page caches",
        ),
        line(
            "search",
            SEARCHES_AT_ONCE * SEARCH_MEMORY + INDEX_MEMORY,
            "searches at work, and what the index gathers",
        ),
        line(
            "device codes",
            DEVICE_CODES * 1_024,
            "codes for new devices, and who asked by them",
        ),
        line(
            "argon2",
            ARGON2_AT_ONCE * ARGON2_KIB * 1024,
            "password hashes at work",
        ),
        line(
            "files",
            // An upload gathers one piece while another is at the disk; a download has one more on its way to the socket.
            (UPLOADS_AT_ONCE * 2 + DOWNLOADS_AT_ONCE * 3) * FILE_PIECE + UPLOAD_HASHES * 2_048,
            "pieces of files on their way in and out",
        ),
        line("picture", limits.files.picture_bytes, "a picture at work"),
        // A place may be chosen at any time.
        line(
            "backup",
            BACKUP_MEMORY,
            "a backup being made, and the list of what was erased",
        ),
        line(
            "sockets",
            POOL_SOCKET,
            "kernel socket buffers, capped per socket and charged to us",
        ),
    ];
    lines.extend(switched_on(limits));
    lines
}

/// What is only there where the operator wants it.
fn switched_on(limits: &Limits) -> Vec<BudgetLine> {
    let mut lines = Vec::new();
    if limits.push {
        lines.push(BudgetLine {
            pool: "push",
            bytes: push_bytes(),
            why: "who subscribed, what waits, what is under way",
        });
    }
    if limits.orders {
        lines.push(BudgetLine {
            pool: "orders",
            bytes: order_bytes(),
            why: "an order for a certificate under way",
        });
    }
    lines
}

/// The answer under way, as it comes and as it is read, and what TLS holds meanwhile.
const fn order_bytes() -> usize {
    2 * ACME_BODY_BYTES + ACME_HEAD_BYTES + 64 * 1024
}

/// A subscriber in the set, a conversation in the queue, a connection with its buffers, and the certificates we trust.
const fn push_bytes() -> usize {
    let under_way = PUSH_AT_ONCE + PUSH_TESTS;
    PUSH_SUBSCRIPTIONS * 32 + PUSH_WAITING * 128 + under_way * 64 * 1024 + 256 * 1024
}

/// The sum of `memory_budget`.
#[must_use]
pub fn memory_total(limits: &Limits) -> usize {
    memory_budget(limits).iter().map(|line| line.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_grows_with_what_the_operator_allows() {
        let small = Limits {
            connections: 1_000,
            ..Limits::default()
        };
        let large = Limits {
            connections: 50_000,
            tls: true,
            ..Limits::default()
        };
        assert!(memory_total(&small) < memory_total(&Limits::default()));
        assert!(memory_total(&large) > 50_000 * CONNECTION_TLS);
    }
}
