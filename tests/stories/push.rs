//! Push: devices that are not connected are told through the service they subscribed with. What must not live here: how much
//! of it there may be (see `push_limits`), and the service itself.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Person, Server};
use crate::push_service::{PushService, Receiver, Scripted, claims};

const AT: &str = "/api/v1/push/subscription";

/// Waits until the server has counted so many push messages with these outcomes.
async fn counted(server: &Server, outcome: &str, many: u64) {
    let deadline = Instant::now() + PATIENCE;
    let line = format!("kinglet_push_total{{outcome=\"{outcome}\"}} {many}");
    while !server.world.get("/metrics", None).await.text.contains(&line) {
        assert!(Instant::now() < deadline, "{line} does not come");
    }
}

/// Waits until a device has no subscription any more.
async fn unsubscribed(person: &Person) {
    let deadline = Instant::now() + PATIENCE;
    while person.get(AT).await.status != 404 {
        assert!(Instant::now() < deadline, "it is still subscribed");
    }
}

async fn tell(from: &Person, to: &Person, text: &str) -> String {
    let ack = from.live().await.tell(&to.user, text).await;
    ack["conversation"].as_str().expect("the ack names it").to_owned()
}

#[tokio::test]
async fn a_device_that_subscribed_is_told_that_there_is_something_and_nothing_else() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let info = ben.get("/api/v1/push").await.json(200);
    assert_eq!(
        (&info["enabled"], &info["text_allowed"]),
        (&json!(true), &json!(true))
    );
    let public_key = info["public_key"].as_str().expect("a key");
    let (bens, annas) = (
        Receiver::at(&service, "/up/ben?x=1"),
        Receiver::at(&service, "/up/anna"),
    );
    let kept = ben.subscribe(&bens).await;
    assert_eq!(
        (&kept["endpoint"], &kept["text"]),
        (&json!(bens.endpoint), &json!(false))
    );
    assert_eq!(ben.subscribe(&bens).await, kept, "the same again changes nothing");
    assert_eq!(ben.get(AT).await.json(200), kept);
    anna.subscribe(&annas).await;

    let mut at_anna = anna.live().await;
    assert_eq!(at_anna.welcome["capabilities"], json!(["push"]));
    let ack = at_anna.tell(&ben.user, "only for Ben's eyes").await;
    let parcel = service.parcel().await;
    assert_eq!(parcel.path, "/up/ben", "the sender is not told");
    let told = json!({ "type": "message", "conversation": ack["conversation"], "seq": 1, "count": 1 });
    assert_eq!(bens.open(&parcel), told);
    assert!(!annas.can_open(&parcel));
    assert_eq!(parcel.header("content-encoding"), "aes128gcm");
    assert_eq!(parcel.header("ttl"), limits::PUSH_GIVE_UP.as_secs().to_string());
    assert_eq!(parcel.header("urgency"), "high");
    assert_eq!(parcel.header("topic").len(), 32);
    assert_eq!(parcel.header("host"), service.address.to_string());
    let claims = claims(&parcel, public_key);
    assert_eq!(claims["aud"], format!("https://{}", service.address));
    assert_eq!(claims["sub"], "mailto:admin@kinglet-chat.org");
    let now = at_anna.welcome["ts"].as_u64().expect("a time") / 1_000;
    let left = claims["exp"].as_u64().expect("a time").saturating_sub(now);
    assert!((60..=24 * 60 * 60).contains(&left), "{left}");
    assert!(service.is_quiet());
}

#[tokio::test]
async fn who_asks_for_names_and_text_gets_them_and_the_operator_may_say_no() {
    for allowed in [true, false] {
        let mut service = PushService::start().await;
        let port = service.address.port();
        let hosts = format!("127.0.0.1:{port}");
        let flag = allowed.to_string();
        let mut server = service
            .server_with(&[("KINGLET_PUSH_HOSTS", &hosts), ("KINGLET_PUSH_TEXT", &flag)])
            .await;
        let [anna, ben] = server.people(["anna", "ben"]).await;
        assert_eq!(ben.get("/api/v1/push").await.json(200)["text_allowed"], allowed);
        let receiver = Receiver::at(&service, "/up");
        let mut asked = receiver.subscription();
        asked["text"] = json!(true);
        ben.put(AT, &asked).await.json(200);
        let mut at_anna = anna.live().await;
        let group = at_anna.group(&[&ben], json!({ "title": "birds" })).await;
        let ack = at_anna.say(&group, "the kinglet is back").await;
        let mut told = json!({ "type": "message", "conversation": group, "seq": ack["seq"], "count": 1 });
        if allowed {
            told["by"] = json!(anna.user);
            told["name"] = json!("anna");
            told["title"] = json!("birds");
            told["text"] = json!("the kinglet is back");
        }
        assert_eq!(receiver.open(&service.parcel().await), told);
    }
}

#[tokio::test]
async fn what_is_read_in_time_is_not_pushed_and_what_is_not_read_is() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let receiver = Receiver::at(&service, "/up");
    ben.other_device().await.subscribe(&receiver).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let read = at_anna.say(&group, "read at once").await;
    let mark = json!({ "type": "mark_read", "conversation": group, "seq": read["seq"] });
    at_ben.get(mark).await;
    let since = Instant::now();
    let unread = at_anna.tell(&ben.user, "not read").await;
    let told = receiver.open(&service.parcel().await);
    assert_eq!(told["conversation"], unread["conversation"]);
    assert!(
        since.elapsed() >= limits::PUSH_GRACE - Duration::from_millis(50),
        "{:?}",
        since.elapsed()
    );
    assert!(service.is_quiet());
}

#[tokio::test]
async fn messages_of_one_conversation_keep_a_distance_and_the_count_goes_on() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let receiver = Receiver::at(&service, "/up");
    ben.subscribe(&receiver).await;
    let mut at_anna = anna.live().await;
    at_anna.tell(&ben.user, "one").await;
    let first = service.parcel().await;
    let since = Instant::now();
    for text in ["two", "three", "four"] {
        at_anna.tell(&ben.user, text).await;
    }
    let second = service.parcel().await;
    assert!(
        since.elapsed() >= limits::PUSH_PAUSE - Duration::from_millis(500),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(receiver.open(&first)["count"], 1);
    let told = receiver.open(&second);
    assert_eq!(
        (&told["seq"], &told["count"]),
        (&json!(4), &json!(4)),
        "one for three"
    );
    assert_eq!(
        first.header("topic"),
        second.header("topic"),
        "it replaces the first"
    );
    assert!(service.is_quiet());
}

/// The local ports of all sockets of a process that are connected over IP, by the kernel's own account.
fn connected_ports(pid: u32) -> Vec<(u16, u16)> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the server runs");
    let own: HashSet<String> = descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_string_lossy().into_owned();
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let port =
        |text: &str| u16::from_str_radix(text.rsplit(':').next().unwrap_or_default(), 16).expect("a port");
    let mut found = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if own.contains(words[9]) {
                found.push((port(words[1]), port(words[2])));
            }
        }
    }
    found
}

#[tokio::test]
async fn it_is_off_by_default_and_then_nothing_leaves_the_machine() {
    let mut service = PushService::start().await;
    // Somebody subscribed while it was on.
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let receiver = Receiver::at(&service, "/up");
    ben.subscribe(&receiver).await;
    assert_eq!(server.stop().await, Some(0));
    server.env.retain(|(name, _)| !name.starts_with("KINGLET_PUSH_"));
    server.restart().await;
    assert_eq!(
        ben.get("/api/v1/push").await.json(200),
        json!({ "enabled": false, "text_allowed": false })
    );
    assert_eq!(ben.put(AT, &receiver.subscription()).await.refused(), "push_off");
    assert_eq!(
        ben.post("/api/v1/push/test", &json!({})).await.refused(),
        "push_off"
    );
    let mut at_anna = anna.live().await;
    assert_eq!(at_anna.welcome["capabilities"], json!([]));
    for text in ["one", "two", "three"] {
        at_anna.tell(&ben.user, text).await;
    }
    at_anna.settle().await;
    let here = server.world.address().port();
    let ports = connected_ports(server.pid());
    assert!(
        !ports.is_empty() && ports.iter().all(|(local, _)| *local == here),
        "{ports:?}, not only {here}"
    );
    assert_eq!(service.connections(), 0);
    assert!(service.is_quiet());
    // It can be taken back while it is off, and a new start with push on has nothing left to tell.
    assert_eq!(ben.delete(AT).await.status, 204);
    assert_eq!(ben.get(AT).await.status, 404);
}

#[tokio::test]
async fn a_subscription_that_the_service_says_is_gone_goes() {
    for status in [404, 410] {
        let mut service = PushService::start().await;
        let mut server = service.server().await;
        let [anna, ben] = server.people(["anna", "ben"]).await;
        ben.subscribe(&Receiver::at(&service, "/old")).await;
        service.will_answer([Scripted::status(status)]);
        tell(&anna, &ben, "hello?").await;
        service.parcel().await;
        unsubscribed(&ben).await;
        ben.subscribe(&Receiver::at(&service, "/new")).await;
        tell(&anna, &ben, "hello again").await;
        assert_eq!(service.parcel().await.path, "/new");
        // The same by a test.
        service.will_answer([Scripted::status(status)]);
        let tested = ben.post("/api/v1/push/test", &json!({})).await.json(200);
        assert_eq!(
            tested,
            json!({ "taken": false, "host": "127.0.0.1", "status": status })
        );
        assert_eq!(ben.get(AT).await.status, 404);
    }
}

#[tokio::test]
async fn what_is_put_off_comes_again_and_what_is_refused_does_not() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let receiver = Receiver::at(&service, "/up");
    ben.subscribe(&receiver).await;
    let later = |status| Scripted::status(status).with("retry-after", "1");
    service.will_answer([later(429), later(503)]);
    let talk = tell(&anna, &ben, "patience").await;
    for _ in 0..3 {
        assert_eq!(receiver.open(&service.parcel().await)["conversation"], talk);
    }
    counted(&server, "taken", 1).await;
    for (many, status) in [(1, 400), (2, 413), (3, 403)] {
        service.will_answer([Scripted::status(status)]);
        let group = anna.live().await.group(&[&ben], json!({})).await;
        anna.live().await.say(&group, "no luck").await;
        assert_eq!(receiver.open(&service.parcel().await)["conversation"], group);
        counted(&server, "refused", many).await;
    }
    counted(&server, "put_off", 2).await;
    assert!(service.is_quiet());
    assert_eq!(ben.get(AT).await.status, 200, "the subscription stays");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (mut service, elsewhere) = (PushService::start().await, PushService::start().await);
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    ben.subscribe(&Receiver::at(&service, "/up")).await;
    let to = format!("https://{}/there", elsewhere.address);
    service.will_answer([
        Scripted::status(307).with("location", to.clone()),
        Scripted::status(301).with("location", to),
    ]);
    let tested = ben.post("/api/v1/push/test", &json!({})).await.json(200);
    assert_eq!(
        (&tested["taken"], &tested["status"]),
        (&json!(false), &json!(307))
    );
    tell(&anna, &ben, "follow me").await;
    counted(&server, "refused", 1).await;
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(
        (service.parcel().await.path, service.parcel().await.path),
        ("/up".into(), "/up".into())
    );
    assert!(service.is_quiet());
}

#[tokio::test]
async fn an_address_that_leads_inside_is_refused() {
    let service = PushService::start().await;
    // Everybody on the internet, and nobody in this network.
    let mut server = service.server_with(&[]).await;
    let ben = server.person("ben").await;
    let port = service.address.port();
    for endpoint in [
        format!("https://127.0.0.1:{port}/up"),
        "https://127.0.0.1/up".into(),
        "https://[::1]/up".into(),
        "https://10.0.0.1/up".into(),
        "https://169.254.169.254/latest/meta-data".into(),
        "https://[::ffff:192.168.0.1]/up".into(),
        "http://push.example.org/up".into(),
        "https://push.example.org:22/up".into(),
        "https://me@push.example.org/up".into(),
        "https://push.example.org/".to_owned() + &"x".repeat(limits::PUSH_ENDPOINT_BYTES),
    ] {
        let reply = ben
            .put(AT, &Receiver::with(endpoint.clone()).subscription())
            .await;
        assert_eq!(
            (reply.status, reply.refused().as_str()),
            (400, "push_refused"),
            "{endpoint}"
        );
    }
    // A name is looked up when something is sent, and then what it leads to counts.
    ben.subscribe(&Receiver::with("https://localhost/up".into()))
        .await;
    assert_eq!(
        ben.post("/api/v1/push/test", &json!({})).await.refused(),
        "push_refused"
    );
    let anna = server.person("anna").await;
    tell(&anna, &ben, "are you inside?").await;
    counted(&server, "refused", 1).await;
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn a_test_says_what_the_service_answered_or_why_it_did_not() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let ben = server.person("ben").await;
    let test = || ben.post("/api/v1/push/test", &Value::Null);
    assert_eq!(test().await.refused(), "not_found");
    let receiver = Receiver::at(&service, "/up");
    ben.subscribe(&receiver).await;
    let taken = json!({ "taken": true, "host": "127.0.0.1", "status": 201 });
    assert_eq!(test().await.json(200), taken);
    let parcel = service.parcel().await;
    assert_eq!(receiver.open(&parcel), json!({ "type": "test" }));
    assert!(parcel.headers.get("topic").is_none());
    service.will_answer([Scripted::status(500)]);
    let failed = json!({ "taken": false, "host": "127.0.0.1", "status": 500 });
    assert_eq!(test().await.json(200), failed);
    // A service whose certificate nobody vouches for.
    let stranger = PushService::start().await;
    let hosts = format!("127.0.0.1:{}", stranger.address.port());
    let mut server = service.server_with(&[("KINGLET_PUSH_HOSTS", &hosts)]).await;
    let ben = server.person("ben").await;
    ben.subscribe(&Receiver::at(&stranger, "/up")).await;
    let tested = ben.post("/api/v1/push/test", &json!({})).await.json(200);
    assert!(
        tested["error"]
            .as_str()
            .is_some_and(|error| error.contains("TLS")),
        "{tested}"
    );
    assert!(
        tested.get("status").is_none() && tested["taken"] == false,
        "{tested}"
    );
}

#[tokio::test]
async fn what_is_no_subscription_is_refused() {
    let service = PushService::start().await;
    let mut server = service.server().await;
    let ben = server.person("ben").await;
    let good = Receiver::at(&service, "/up").subscription();
    let spoilt = |pointer: &str, with: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("the place is there") = with;
        bad
    };
    let point = good["keys"]["p256dh"].as_str().expect("a text");
    let off_the_curve = format!("{}AAAA{}", &point[..20], &point[24..]);
    for bad in [
        json!({}),
        json!({ "endpoint": "https://127.0.0.1/" }),
        spoilt("/keys", json!(null)),
        spoilt("/keys/auth", json!("")),
        spoilt("/keys/auth", json!("AAAA")),
        spoilt("/keys/auth", json!("!!!!!!!!!!!!!!!!!!!!!!")),
        spoilt("/keys/p256dh", json!(point[..40])),
        spoilt("/keys/p256dh", json!(off_the_curve)),
        spoilt("/endpoint", json!(7)),
    ] {
        assert_eq!(ben.put(AT, &bad).await.refused(), "bad_request", "{bad}");
    }
    assert_eq!(ben.get(AT).await.refused(), "not_found");
    for path in [AT, "/api/v1/push"] {
        assert_eq!(server.world.get(path, None).await.refused(), "not_signed_in");
    }
    let nobody = server.world.post("/api/v1/push/test", None, &json!({})).await;
    assert_eq!(nobody.refused(), "not_signed_in");
    assert_eq!(ben.delete(AT).await.status, 204, "nothing to end is no error");
    // A browser's padding is no mistake.
    let padded = spoilt("/keys/p256dh", json!(format!("{point}=")));
    ben.put(AT, &padded).await.json(200);
}

#[tokio::test]
async fn a_device_that_was_signed_out_is_told_nothing_more() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = ben.other_device().await;
    let tablet = ben.other_device().await;
    for (device, path) in [(&ben, "/laptop"), (&phone, "/phone"), (&tablet, "/tablet")] {
        device.subscribe(&Receiver::at(&service, path)).await;
    }
    assert_eq!(phone.post("/api/v1/sign-out", &Value::Null).await.status, 204);
    assert_eq!(
        ben.delete(&format!("/api/v1/devices/{}", tablet.device))
            .await
            .status,
        204
    );
    tell(&anna, &ben, "who is there?").await;
    assert_eq!(service.parcel().await.path, "/laptop");
    counted(&server, "taken", 1).await;
    // Disabled: nobody is left. The message to carl shows that the one to ben was looked at.
    let owner = server.owner().await;
    let disable = format!("/api/v1/users/{}/disable", ben.user);
    let carl = server.person("carl").await;
    carl.subscribe(&Receiver::at(&service, "/carl")).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben, &carl], json!({})).await;
    owner.post(&disable, &json!({})).await.json(200);
    at_anna.say(&group, "and now?").await;
    assert_eq!(service.parcel().await.path, "/carl");
    counted(&server, "taken", 2).await;
    assert!(service.is_quiet());
}

#[tokio::test]
async fn a_browser_that_changes_hands_tells_its_new_user_only() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben, carl] = server.people(["anna", "ben", "carl"]).await;
    let browser = Receiver::at(&service, "/browser");
    ben.subscribe(&browser).await;
    carl.subscribe(&browser).await;
    assert_eq!(ben.get(AT).await.status, 404, "the address is Carl's now");
    let mut at_anna = anna.live().await;
    at_anna.tell(&ben.user, "a secret for Ben").await;
    let for_carl = at_anna.tell(&carl.user, "a word for Carl").await;
    assert_eq!(
        browser.open(&service.parcel().await)["conversation"],
        for_carl["conversation"]
    );
    counted(&server, "taken", 1).await;
    assert!(service.is_quiet());
}

#[tokio::test]
async fn who_was_removed_is_not_told_of_what_came_before_they_went() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben, carl] = server.people(["anna", "ben", "carl"]).await;
    let bens = Receiver::at(&service, "/ben");
    ben.subscribe(&bens).await;
    carl.subscribe(&Receiver::at(&service, "/carl")).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben, &carl], json!({})).await;
    // Ben is connected, so that his message waits a moment; in it he is removed.
    let _at_ben = ben.live().await;
    at_anna.say(&group, "about Ben").await;
    at_anna
        .act(json!({ "type": "kick", "conversation": group, "user": ben.user }))
        .await;
    assert_eq!(service.parcel().await.path, "/carl");
    // What is said to Ben elsewhere, and the second time a whole moment later, is all that he is told.
    let first = at_anna.tell(&ben.user, "sorry").await["conversation"].clone();
    assert_eq!(bens.open(&service.parcel().await)["conversation"], first);
    let second = at_anna.group(&[&ben], json!({})).await;
    at_anna.say(&second, "a fresh start").await;
    assert_eq!(bens.open(&service.parcel().await)["conversation"], second);
    assert!(service.is_quiet());
}

#[tokio::test]
async fn what_waits_outlives_kill_9() {
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let key = ben.get("/api/v1/push").await.json(200)["public_key"].clone();
    let receiver = Receiver::at(&service, "/up");
    ben.subscribe(&receiver).await;
    service.will_answer([Scripted::status(503).with("retry-after", "3600")]);
    let talk = tell(&anna, &ben, "before the plug was pulled").await;
    service.parcel().await;
    counted(&server, "put_off", 1).await;
    server.kill9();
    server.restart().await;
    assert_eq!(receiver.open(&service.parcel().await)["conversation"], talk);
    counted(&server, "taken", 1).await;
    assert_eq!(
        ben.get("/api/v1/push").await.json(200)["public_key"],
        key,
        "the same key"
    );
    // What was sent is not sent again: the next one to arrive is about something else.
    server.kill9();
    server.restart().await;
    let group = anna.live().await.group(&[&ben], json!({})).await;
    anna.live().await.say(&group, "afterwards").await;
    assert_eq!(receiver.open(&service.parcel().await)["conversation"], group);
    assert!(service.is_quiet());

    // Killed at the moment of the ack, again and again: each message is told of, in this life or the next.
    for round in 0..5 {
        let mut at_anna = anna.live().await;
        let group = at_anna.group(&[&ben], json!({})).await;
        at_anna.say(&group, &format!("round {round}")).await;
        server.kill9();
        server.restart().await;
        let mut copies = 0;
        while copies == 0 {
            let told = receiver.open(&service.parcel().await);
            copies += usize::from(told["conversation"] == json!(group));
        }
        counted(&server, "put_off", 0).await;
    }
}
