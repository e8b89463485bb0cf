//! What all sockets hold together runs out, through sockets: newcomers are turned away, nobody is killed for it, and what
//! is given back is there for the next. What must not live here: limits of one connection (`limits`).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kinglet::limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::{PATIENCE, Server, heavy};
use crate::limits::{knocks, knocks_until_served, padded};
use crate::live::{Came, text_body};
use crate::raw::{FIN, RawSocket, TEXT, frame};

const MANY: [(&str, &str); 2] = [
    ("KINGLET_LIMITS_CONNECTIONS_PER_USER", "400"),
    ("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", "1000"),
];

async fn is_turned_away(server: &Server) {
    let (status, answer) = knocks(server).await.expect_err("the pool is nearly empty");
    assert!(
        status == 503 && answer.contains("too_many_connections"),
        "{answer}"
    );
}

/// Bytes of half frames that the server holds, asked through its control socket: its other doors may be shut.
async fn held(server: &Server) -> usize {
    let control = server.data().join("control.sock");
    let mut stream = UnixStream::connect(control)
        .await
        .expect("the server listens there");
    let ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(ask).await.expect("written");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("an answer");
    let series = "kinglet_pool_used{pool=\"partial_bytes\"} ";
    let value = page.lines().find_map(|line| line.strip_prefix(series));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no number for half frames in {page}"))
}

#[tokio::test]
async fn half_frames_fill_a_pool_and_then_others_wait_for_it() {
    let _alone = heavy().await;
    let mut server = Server::with(&MANY).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = ben.live().await;
    let mut holders = Vec::new();
    for _ in 0..=limits::POOL_PARTIAL / limits::FRAME_DEFAULT {
        holders.push(RawSocket::signed_in(&server.world, &anna.token).await);
    }
    let whole = frame(FIN | TEXT, padded(limits::FRAME_DEFAULT).as_bytes(), true);
    let (last, most) = whole.split_last().expect("a frame");
    let (few, rest) = holders.split_at_mut(limits::POOL_PARTIAL / limits::FRAME_DEFAULT / 2);
    for holder in few {
        holder.put(most).await;
    }
    // With half of it gone everybody is served.
    live.settle().await;
    knocks(&server).await.expect("there is room");
    for holder in rest {
        holder.put(most).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while held(&server).await < limits::POOL_PARTIAL {
        assert!(Instant::now() < deadline, "the pool does not fill");
    }
    is_turned_away(&server).await;
    // Who holds nothing is not read; who holds part of a frame may end it.
    let asked = live.post(json!({ "type": "conversations" })).await;
    assert!(
        live.came_within(Duration::from_millis(700)).await.is_none(),
        "it was read"
    );
    let first = holders.first_mut().expect("there are many");
    first.put(&[*last]).await;
    let (opcode, payload) = first.frame().await.expect("an answer");
    assert!(opcode == TEXT && String::from_utf8_lossy(&payload).contains("unknown_type"));
    drop(holders);
    knocks_until_served(&server).await;
    // Whoever is rung next looks whether there is room again.
    let send = json!({ "id": 1, "type": "send", "client_id": crate::harness::id(), "to": ben.user, "body": text_body("wake up") });
    assert_eq!(anna.post("/api/v1/commands", &send).await.status, 200);
    assert_eq!(live.answer(asked).await["type"], "conversations");
}

#[tokio::test]
async fn who_takes_nothing_is_cut_once_the_pool_for_such_bytes_is_empty() {
    let _alone = heavy().await;
    let mut server = Server::with(&MANY).await;
    let anna = server.person("anna").await;
    let mut writer = anna.live().await;
    let mut talk = Value::Null;
    for _ in 0..12 {
        talk = writer.tell(&anna.user, &"p".repeat(limits::BODY_BYTES)).await["conversation"].clone();
    }
    writer.close().await;
    let page = json!({ "type": "history", "conversation": talk, "after": 0 });
    // A page ends with the last whole body.
    let most = limits::POOL_OUTGOING / (limits::PAGE_BYTES - limits::BODY_BYTES);
    let mut readers = Vec::new();
    for _ in 0..most + 8 {
        readers.push(anna.narrow().await);
    }
    for reader in &mut readers {
        reader.post(page.clone()).await;
    }
    let looks = readers
        .iter()
        .map(|reader| reader.is_cut_within(Duration::from_secs(4)));
    let cut = join_all(looks).await;
    let stayed = cut.iter().filter(|cut| !**cut).count();
    assert!(
        (most / 2..=most).contains(&stayed),
        "{stayed} of {} stayed",
        cut.len()
    );
    is_turned_away(&server).await;
    for (reader, cut) in readers.iter_mut().zip(cut) {
        if cut {
            let came = reader.came().await;
            assert!(matches!(came, Came::End(_)), "one that was cut got {came:?}");
        } else {
            assert_eq!(reader.answer(2).await["more"], true, "a slow one gets all of it");
        }
    }
    knocks_until_served(&server).await;
    assert_eq!(anna.live().await.get(page).await["more"], true);
}
