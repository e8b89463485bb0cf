//! HTTP as it must not be: smuggled, endless, from foreign pages and by foreign names. What must not live here: frames.

use kinglet::limits::{HEAD_BYTES, HEADERS};

use crate::harness::Server;
use crate::raw::{exchange, handshake, status};

async fn is_well(server: &Server) {
    assert_eq!(server.world.get("/health", None).await.status, 200);
}

#[tokio::test]
async fn the_handshake_takes_our_subprotocol_and_no_foreign_page() {
    let server = Server::start().await;
    let own = server.world.address().to_string();
    let protocol = "Sec-WebSocket-Protocol: kinglet.v1\r\n";
    let cases = [
        (protocol.to_owned(), 101, ""),
        ("Sec-WebSocket-Protocol: other, kinglet.v1\r\n".into(), 101, ""),
        (format!("{protocol}Origin: http://{own}\r\n"), 101, ""),
        (String::new(), 400, "bad_request"),
        (
            "Sec-WebSocket-Protocol: kinglet.v2\r\n".into(),
            400,
            "bad_request",
        ),
        (format!("{protocol}Origin: null\r\n"), 403, "bad_origin"),
        (
            format!("{protocol}Origin: https://evil.example\r\n"),
            403,
            "bad_origin",
        ),
        (
            format!("{protocol}Origin: http://{own}.evil.example\r\n"),
            403,
            "bad_origin",
        ),
        (
            format!("{protocol}Origin: http://127.0.0.1:1\r\n"),
            403,
            "bad_origin",
        ),
        (format!("{protocol}Origin:\r\n"), 403, "bad_origin"),
        (
            format!("{protocol}Origin: http://{own}\r\nOrigin: https://evil.example\r\n"),
            403,
            "bad_origin",
        ),
    ];
    for (lines, expected, code) in cases {
        let answer = exchange(&server.world, handshake(&server.world, &lines).as_bytes()).await;
        assert_eq!(status(&answer), expected, "{lines}{answer}");
        assert!(answer.contains(code), "{lines}{answer}");
    }
    let whole = handshake(&server.world, protocol);
    let broken = [
        (whole.replace("Version: 13", "Version: 8"), 426),
        (whole.replace("Upgrade: websocket\r\n", ""), 426),
        (whole.replace("Connection: Upgrade", "Connection: close"), 426),
        (whole.replace("GET /ws", "POST /ws"), 426),
        (
            whole.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
            400,
        ),
        (whole.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400),
        (
            whole.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            400,
        ),
    ];
    for (request, expected) in broken {
        let answer = exchange(&server.world, request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{request}{answer}");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_foreign_name_and_a_foreign_page_get_nothing_over_http() {
    let mut server = Server::with(&[
        ("KINGLET_LISTEN_HOSTS", "kinglet.local"),
        ("KINGLET_LISTEN_ORIGINS", "https://chat.example"),
    ])
    .await;
    let anna = server.person("anna").await;
    let own = server.world.address().to_string();
    let cases = [
        (own.as_str(), None, 200),
        ("kinglet.local", None, 200),
        ("KINGLET.local:8443", None, 200),
        (&own, Some("https://chat.example"), 200),
        ("evil.example", None, 421),
        ("kinglet.local.evil.example", None, 421),
        ("", None, 421),
        (&own, Some("https://evil.example"), 403),
        (&own, Some("null"), 403),
    ];
    for (host, origin, expected) in cases {
        for path in ["/api/v1/profile", "/health", "/"] {
            let origin = origin
                .map(|origin| format!("Origin: {origin}\r\n"))
                .unwrap_or_default();
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{origin}\r\n",
                anna.token
            );
            let answer = exchange(&server.world, request.as_bytes()).await;
            assert_eq!(status(&answer), expected, "{request}{answer}");
        }
    }
    let none = exchange(
        &server.world,
        b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!([400, 421].contains(&status(&none)), "{none}");
    let two =
        format!("GET /health HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    let two = exchange(&server.world, two.as_bytes()).await;
    assert!([400, 421].contains(&status(&two)), "{two}");
}

#[tokio::test]
async fn one_request_is_not_two() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let host = server.world.address().to_string();
    let hidden = format!(
        "GET /api/v1/profile HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
        anna.token
    );
    let head = |lines: &str| {
        format!(
            "POST /api/v1/sign-in HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{lines}\r\n"
        )
    };
    let length = hidden.len() + 5;
    let both = head(&format!(
        "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"
    ));
    let swapped = head(&format!(
        "Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"
    ));
    let cases = [
        ("both lengths", format!("{both}0\r\n\r\n{hidden}")),
        (
            "both lengths, the other way round",
            format!("{swapped}0\r\n\r\n{hidden}"),
        ),
        (
            "two lengths",
            head(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n")) + &hidden,
        ),
        (
            "a list of lengths",
            head(&format!("Content-Length: 0, {length}\r\n")) + &hidden,
        ),
        ("a signed length", head("Content-Length: +5\r\n") + &hidden),
        (
            "chunked, but not last",
            head("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n" + &hidden,
        ),
        (
            "a chunk size with a sign",
            head("Transfer-Encoding: chunked\r\n") + "-1\r\n\r\n" + &hidden,
        ),
        (
            "a chunk size beyond all bounds",
            head("Transfer-Encoding: chunked\r\n") + "FFFFFFFFFFFFFFFFF\r\n\r\n" + &hidden,
        ),
        (
            "a space before the colon",
            head("Content-Length : 5\r\n") + &hidden,
        ),
        ("a folded header", head("Content-Length:\r\n 5\r\n") + &hidden),
        ("a zero byte in a header", head("X-Y: a\0b\r\n") + &hidden),
    ];
    for (what, request) in cases {
        let answer = exchange(&server.world, request.as_bytes()).await;
        let first = status(&answer);
        assert!((400..500).contains(&first) || first == 0, "{what}: {answer}");
        assert!(
            !answer.contains("\"display_name\""),
            "{what}: the hidden request was answered: {answer}"
        );
    }
    is_well(&server).await;
}

#[tokio::test]
async fn heads_without_end_are_cut() {
    let _alone = crate::harness::heavy().await;
    let server = Server::start().await;
    let host = server.world.address().to_string();
    let many = format!(
        "GET /health HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
        "X-Y: z\r\n".repeat(10_000)
    );
    // At the limit the answer can be read: nothing is left unread that would reset the connection.
    let padded = |bytes: usize, end: &str| {
        let head = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Y: ");
        let pad = "z".repeat(bytes - head.len() - end.len());
        format!("{head}{pad}{end}")
    };
    let counted = |headers: usize| {
        let more = "X-Y: z\r\n".repeat(headers - 2);
        format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
    };
    for (what, request, expected) in [
        ("a head that fits", padded(HEAD_BYTES - 1, "\r\n\r\n"), 200),
        ("a head without an end", padded(HEAD_BYTES, ""), 431),
        ("headers that fit", counted(HEADERS), 200),
        ("a header too many", counted(HEADERS + 1), 431),
    ] {
        let answer = exchange(&server.world, request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{what}: {answer}");
    }
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "a".repeat(1024 * 1024)
    );
    let wide = format!(
        "GET /health HTTP/1.1\r\nHost: {host}\r\nX-Y: {}\r\n\r\n",
        "z".repeat(1024 * 1024)
    );
    let some = format!(
        "GET /health HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
        "X-Y: z\r\n".repeat(65)
    );
    for (what, request) in [
        ("many headers", many),
        ("a long address", long),
        ("a wide header", wide),
        ("65 headers", some),
    ] {
        let mut before = None;
        for _ in 0..8 {
            let answer = exchange(&server.world, request.as_bytes()).await;
            // Whoever is still writing when the server hangs up may see only that it did.
            assert!([0, 400, 414, 431].contains(&status(&answer)), "{what}: {answer}");
            // The first of a kind warms the allocator's pools up.
            before.get_or_insert_with(|| server.resident());
        }
        let grown = server.resident().saturating_sub(before.unwrap_or(0));
        assert!(grown < 4 * 1024 * 1024, "{what}: {grown} bytes");
        is_well(&server).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_cut_and_bare_line_feeds_hide_nothing() {
    let server = Server::start().await;
    let host = server.world.address().to_string();
    let bare = format!("GET /health HTTP/1.1\nHost: {host}\nConnection: close\n\n");
    let hidden = format!("GET /nothing HTTP/1.1\r\nHost: {host}\r\nX-Y: a\nConnection: close\r\n\r\n");
    for request in [bare, hidden] {
        let answer = exchange(&server.world, request.as_bytes()).await;
        assert!([200, 400, 404].contains(&status(&answer)), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer: {answer}");
    }
    let cases: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello on a plain port\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    ];
    for request in cases {
        let answer = exchange(&server.world, request).await;
        assert!(
            [0, 400, 404, 405, 421, 505].contains(&status(&answer)),
            "{answer}"
        );
        is_well(&server).await;
    }
}

#[tokio::test]
async fn answers_are_json_refusals_and_never_cached() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    for (path, token, expected, code) in [
        ("/api/v1/nothing", true, 404, "not_found"),
        ("/nothing", true, 404, "not_found"),
        ("/api/v1/claim", true, 405, "bad_request"),
        ("/api/v1/profile", false, 401, "not_signed_in"),
        ("/api/v1/users/nonsense", true, 404, "not_found"),
    ] {
        let reply = server.world.get(path, token.then_some(anna.token.as_str())).await;
        assert_eq!(
            (reply.status, reply.refused().as_str()),
            (expected, code),
            "{path}"
        );
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    let reply = anna.get("/api/v1/profile").await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    // A form cannot post here: no browser sends this content type to a foreign server without asking first.
    let form = hyper::Request::post("/api/v1/sign-in")
        .header("content-type", "text/plain")
        .body("{}".to_owned());
    let reply = server.world.send(form.expect("a request")).await;
    assert_eq!((reply.status, reply.refused().as_str()), (415, "bad_request"));
    let broken = server
        .world
        .request(
            hyper::Method::POST,
            "/api/v1/sign-in",
            None,
            Some("{\"name\":".into()),
        )
        .await;
    assert_eq!((broken.status, broken.refused().as_str()), (400, "bad_request"));
}
