//! Those who have not signed in: how much they may send, and who is no longer one of them. What must not live here: how
//! long they may take (`limits`).

use kinglet::limits;
use serde_json::json;

use crate::harness::{PASSWORD, Server, new_device};
use crate::raw::{FIN, PING, PONG, RawSocket, TEXT, frame};

/// A ping with this many bytes of payload is six bytes longer on the wire.
const PING_HEAD: usize = 6;

/// Pings that make up so many bytes, each answered before the next.
async fn pings(socket: &mut RawSocket, mut bytes: usize) {
    while bytes > 0 {
        let size = match bytes {
            some if some > 2 * (PING_HEAD + 125) => PING_HEAD + 125,
            some if some > PING_HEAD + 125 => some / 2,
            rest => rest,
        };
        let ping = frame(FIN | PING, &vec![b'p'; size - PING_HEAD], true);
        assert_eq!(ping.len(), size);
        socket.put(&ping).await;
        assert_eq!(socket.frame().await.map(|(opcode, _)| opcode), Some(PONG));
        bytes -= size;
    }
}

#[tokio::test]
async fn a_socket_has_sixteen_kibibytes_until_its_hello_is_complete() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let hello = format!(r#"{{"id":1,"type":"hello","token":"{}"}}"#, anna.token);
    let hello = frame(FIN | TEXT, hello.as_bytes(), true);
    let before = limits::BYTES_BEFORE_SIGN_IN - hello.len();

    let mut fits = RawSocket::open(&server.world).await;
    pings(&mut fits, before).await;
    fits.put(&hello).await;
    let (opcode, payload) = fits.frame().await.expect("a welcome");
    let said = String::from_utf8_lossy(&payload);
    assert!(opcode == TEXT && said.contains(r#""type":"welcome""#), "{said}");
    // Who is in may send more than that.
    pings(&mut fits, 2 * limits::BYTES_BEFORE_SIGN_IN).await;

    let mut over = RawSocket::open(&server.world).await;
    pings(&mut over, before + 1).await;
    over.put(&hello).await;
    let (code, texts) = over.end().await;
    assert_eq!(code, Some(1009));
    assert!(
        texts.len() == 1 && texts[0].contains("too_large") && texts[0].contains("16384 bytes"),
        "{texts:?}"
    );

    // Fragments without an end, each of them nothing but its head.
    let mut pieces = RawSocket::open(&server.world).await;
    let piece = frame(0, b"", true);
    pieces.put(&frame(TEXT, b"", true)).await;
    pieces.put(&piece.repeat(limits::FRAGMENTS as usize - 2)).await;
    pings(
        &mut pieces,
        limits::BYTES_BEFORE_SIGN_IN - piece.len() * (limits::FRAGMENTS as usize - 1),
    )
    .await;
    let (code, texts) = pieces.end().await;
    assert!(
        code == Some(1009) && texts[0].contains("too_large"),
        "{code:?} {texts:?}"
    );
}

#[tokio::test]
async fn a_strangers_body_over_http_is_no_larger() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let sign_in = |bytes: usize| {
        let ask =
            json!({ "name": "anna", "password": PASSWORD, "device": new_device(), "pad": "" }).to_string();
        let pad = "x".repeat(bytes - ask.len());
        ask.replace(r#""pad":"""#, &format!(r#""pad":"{pad}""#))
    };
    for (bytes, expected) in [(0, 200), (1, 413)] {
        let body = sign_in(limits::BYTES_BEFORE_SIGN_IN + bytes);
        let path = "/api/v1/sign-in";
        let reply = server
            .world
            .request(hyper::Method::POST, path, None, Some(body))
            .await;
        assert_eq!(reply.status, expected, "{}", reply.text);
    }
    // Whose token is good has room for a whole frame.
    let long = json!({ "display_name": "n".repeat(limits::BYTES_BEFORE_SIGN_IN) });
    let request = hyper::Method::PATCH;
    let reply = server
        .world
        .request(
            request,
            "/api/v1/profile",
            Some(&anna.token),
            Some(long.to_string()),
        )
        .await;
    assert_eq!((reply.status, reply.refused().as_str()), (400, "name_invalid"));
}
