//! How much push there may be: at once, to one host, in bytes and in time. What must not live here: what is told.

use std::time::{Duration, Instant};

use kinglet::limits;
use serde_json::{Value, json};

use crate::push_service::{PushService, Receiver, Scripted};

#[tokio::test]
async fn few_messages_are_under_way_at_once_and_fewer_to_one_host() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben, carl] = server.people(["anna", "ben", "carl"]).await;
    let port = service.address.port();
    let mut devices = Vec::new();
    for (person, host) in [(&ben, "127.0.0.1"), (&carl, "localhost")] {
        for number in 0..4 {
            let device = person.other_device().await;
            let endpoint = format!("https://{host}:{port}/{}/{number}", person.name);
            device.subscribe(&Receiver::with(endpoint)).await;
            devices.push(device);
        }
    }
    service.hold();
    let mut at_anna = anna.live().await;
    at_anna.tell(&ben.user, "to four devices at one host").await;
    let mut arrived = Vec::new();
    for _ in 0..limits::PUSH_PER_HOST {
        arrived.push(service.parcel().await.path);
    }
    assert!(
        arrived.iter().all(|path| path.starts_with("/ben/")),
        "{arrived:?}"
    );
    at_anna.tell(&carl.user, "to four devices at another").await;
    for _ in limits::PUSH_PER_HOST..limits::PUSH_AT_ONCE {
        arrived.push(service.parcel().await.path);
    }
    assert_eq!(service.most_at_once(), limits::PUSH_AT_ONCE);
    let of_carl = arrived.iter().filter(|path| path.starts_with("/carl/")).count();
    assert_eq!(
        of_carl,
        limits::PUSH_PER_HOST,
        "a slow host does not keep others waiting"
    );
    service.release();
    while arrived.len() < devices.len() {
        arrived.push(service.parcel().await.path);
    }
    assert_eq!(service.most_at_once(), limits::PUSH_AT_ONCE);
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived.len(), devices.len(), "each device once");
}

#[tokio::test]
async fn a_service_that_says_nothing_or_too_much_is_given_up() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let ben = server.person("ben").await;
    ben.subscribe(&Receiver::at(&service, "/up")).await;
    let test = async || ben.post("/api/v1/push/test", &Value::Null).await;
    let error = |tested: &Value| tested["error"].as_str().unwrap_or_default().to_owned();
    service.will_answer([Scripted::status(201).with("x", "y".repeat(limits::PUSH_HEAD_BYTES))]);
    let tested = test().await.json(200);
    assert!(
        error(&tested).contains("HTTP") && tested["taken"] == false,
        "{tested}"
    );
    service.parcel().await;

    service.hold();
    let since = Instant::now();
    let (one, two, refused) = tokio::join!(test(), test(), async {
        for _ in 0..limits::PUSH_TESTS {
            service.parcel().await;
        }
        test().await
    });
    assert_eq!(refused.refused(), "busy");
    for tested in [one.json(200), two.json(200)] {
        assert!(
            error(&tested).contains("15 seconds") && tested["taken"] == false,
            "{tested}"
        );
    }
    let took = since.elapsed();
    assert!(took >= limits::PUSH_TIME - Duration::from_millis(100), "{took:?}");
    service.release();
    assert_eq!(test().await.json(200)["taken"], true);
}

#[tokio::test]
async fn who_subscribes_too_fast_is_told_to_wait() {
    let service = PushService::start().await;
    let hosts = format!("127.0.0.1:{}", service.address.port());
    let mut server = service
        .server_with(&[("KINGLET_PUSH_HOSTS", &hosts), ("KINGLET_LIMITS_PACE", "1")])
        .await;
    let ben = server.person("ben").await;
    let receiver = Receiver::at(&service, "/up").subscription();
    let mut granted = 0;
    let refused = loop {
        let reply = ben.put("/api/v1/push/subscription", &receiver).await;
        if reply.status != 200 {
            break reply;
        }
        granted += 1;
        assert!(granted < 1_000, "nobody is told to wait");
    };
    assert_eq!(refused.refused(), "rate_limited");
    assert!(granted >= limits::BUCKET_CHANGE.burst);
    let test = ben.post("/api/v1/push/test", &json!({})).await;
    assert_eq!(test.status, 429, "{}", test.text);
}
