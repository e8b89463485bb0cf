//! Push and what people have chosen: which message is told to whom, and which is not. A witness in the same conversation is told
//! of everything, so that a message that was not told is known to have been looked at. What must not live here: how
//! it is sent (see `push`), and the levels and hours as such (see `core::notify`).

use serde_json::{Value, json};

use crate::harness::{Person, Server};
use crate::live::Live;
use crate::personal::keep;
use crate::push_service::{PushService, Receiver};

/// Anna writes, Ben has chosen something, Carl is told of everything. Parcels go to a path of their own.
struct Stage {
    service: PushService,
    server: Server,
    ben: Person,
    carl: Person,
    bens: Receiver,
    carls: Receiver,
    at_anna: Live,
    /// What came for Ben while Carl's was waited for.
    early: Vec<Value>,
}

impl Stage {
    async fn new() -> Stage {
        let service = PushService::start().await;
        let mut server = service.server().await;
        let [anna, ben, carl] = server.people(["anna", "ben", "carl"]).await;
        let (bens, carls) = (Receiver::at(&service, "/ben"), Receiver::at(&service, "/carl"));
        ben.subscribe(&bens).await;
        carl.subscribe(&carls).await;
        let at_anna = anna.live().await;
        Stage {
            service,
            server,
            ben,
            carl,
            bens,
            carls,
            at_anna,
            early: Vec::new(),
        }
    }

    async fn group(&mut self) -> String {
        self.at_anna.group(&[&self.ben, &self.carl], json!({})).await
    }

    /// Keeps a setting of Ben's, who is not connected before or after.
    async fn wish(&self, setting: Value) {
        let mut live = self.ben.live().await;
        keep(&mut live, setting).await;
        live.close().await;
        // Until only Anna is here: who is connected is given a moment.
        while self.server.metric("kinglet_sessions").await > 1.0 {}
    }

    /// The next parcel for Carl, or for Ben; what comes for Ben meanwhile is kept.
    async fn next(&mut self, path: &str) -> Value {
        if path == "/ben" && !self.early.is_empty() {
            return self.early.remove(0);
        }
        loop {
            let parcel = self.service.parcel().await;
            let to_ben = parcel.path == "/ben";
            let told = if to_ben { &self.bens } else { &self.carls }.open(&parcel);
            if parcel.path == path {
                return told;
            }
            if to_ben {
                self.early.push(told);
            }
        }
    }

    /// Says something in a new group, and gives the group once the witness was told of it.
    async fn said(&mut self, text: &str) -> String {
        let group = self.group().await;
        self.say(&group, text).await;
        group
    }

    async fn say(&mut self, group: &str, text: &str) {
        let seq = self.at_anna.say(group, text).await["seq"].clone();
        let is_this = |told: &Value| told["conversation"] == group && told["seq"] == seq;
        while !is_this(&self.next("/carl").await) {}
    }

    /// The seqs of one conversation that Ben is told of, up to this one and with it.
    async fn told(&mut self, group: &str, last: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.last() != Some(&last) {
            let told = self.next("/ben").await;
            assert_eq!(told["conversation"], group, "{told}");
            seqs.push(told["seq"].as_u64().expect("a seq"));
        }
        seqs
    }
}

fn notify(conversation: Option<&str>, level: &str) -> Value {
    let mut notify = json!({ "key": "notify", "value": { "level": level } });
    if let Some(conversation) = conversation {
        notify["conversation"] = json!(conversation);
    }
    notify
}

/// What is not wanted is not told, now or later; a wish that is taken back counts from then on.
#[tokio::test]
async fn the_level_of_the_conversation_decides_and_where_there_is_none_that_of_all() {
    let mut stage = Stage::new().await;
    let name = format!("<@{}>, look", stage.ben.user);
    for (here, elsewhere, text, is_told) in [
        (None, None, "plain", true),
        (Some("all"), Some("none"), "plain", true),
        (Some("mentions"), None, "plain", false),
        (Some("mentions"), None, &name, true),
        (Some("mentions"), Some("none"), "<@all> look", true),
        (Some("none"), None, &name, false),
        (None, Some("mentions"), "plain", false),
        (None, Some("mentions"), &name, true),
        (None, Some("none"), "<@all> look", false),
        (Some("none"), Some("all"), "plain", false),
    ] {
        let group = stage.group().await;
        stage
            .wish(elsewhere.map_or(json!({ "key": "notify" }), |level| notify(None, level)))
            .await;
        if let Some(level) = here {
            stage.wish(notify(Some(&group), level)).await;
        }
        stage.say(&group, text).await;
        if !is_told {
            stage.wish(notify(Some(&group), "all")).await;
            stage.at_anna.say(&group, "and now?").await;
        }
        let last = if is_told { 2 } else { 3 };
        let told = stage.told(&group, last).await;
        assert_eq!(told, [last], "{here:?} {elsewhere:?} {text}");
    }
    // In a direct conversation everything is meant for one.
    stage.wish(notify(None, "mentions")).await;
    let ben = stage.ben.user.clone();
    let talk = stage.at_anna.tell(&ben, "plain").await["conversation"].clone();
    let talk = talk.as_str().expect("an id");
    assert_eq!(stage.told(talk, 1).await, [1]);
}

/// Who wants to hear of mentions hears of each once: what is said after it is no mention, though that is still unread.
#[tokio::test]
async fn what_follows_a_mention_is_not_told_for_its_sake() {
    let mut stage = Stage::new().await;
    let group = stage.group().await;
    stage.wish(notify(Some(&group), "mentions")).await;
    stage.say(&group, "<@all> soup").await;
    assert_eq!(stage.told(&group, 2).await, [2]);
    stage.say(&group, "yes, soup").await;
    let name = format!("and <@{}>?", stage.ben.user);
    stage.say(&group, &name).await;
    assert_eq!(stage.told(&group, 4).await, [4]);
}

/// Two hours around now by the clock on the wall in Tokyo. Bogota's shows another time.
#[tokio::test]
async fn quiet_hours_are_those_of_the_readers_own_zone() {
    let mut stage = Stage::new().await;
    let now = stage.at_anna.welcome["ts"].as_u64().expect("a time") / 60_000;
    let (in_tokyo, day) = (now + 9 * 60, 24 * 60);
    let hours = json!([{
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "from": (in_tokyo + day - 60) % day, "to": (in_tokyo + 60) % day
    }]);
    let quiet = |zone: &str| json!({ "key": "quiet", "value": { "zone": zone, "hours": hours } });
    // A clock that is not right knows no hours.
    let is_right = stage.at_anna.welcome["synchronised"] == true;
    for (zone, is_quiet) in [("Asia/Tokyo", is_right), ("America/Bogota", false)] {
        stage.wish(quiet(zone)).await;
        let group = stage.said("<@all> look").await;
        if is_quiet {
            stage.wish(json!({ "key": "quiet" })).await;
            stage.at_anna.say(&group, "and now?").await;
        }
        let last = if is_quiet { 3 } else { 2 };
        assert_eq!(stage.told(&group, last).await, [last], "{zone}");
    }
}

/// While a message waits for its reader to read it, it may come to be nobody's business.
#[tokio::test]
async fn what_is_over_before_it_is_sent_is_not_told() {
    let mut stage = Stage::new().await;
    let [dora] = stage.server.people(["dora"]).await;
    let (mut at_ben, mut at_dora) = (stage.ben.live().await, dora.live().await);
    let ben = stage.ben.clone();
    let mut groups = Vec::new();
    for _ in 0..4 {
        groups.push(stage.group().await);
    }
    let [recalled, hidden, left, older] = <[String; 4]>::try_from(groups).expect("four");
    let of_dora = at_dora.group(&[&ben], json!({})).await;
    // Taken back; hidden; left; and of two messages the older is told of where the newer is taken back.
    for group in [&recalled, &hidden, &left, &older, &older] {
        stage.at_anna.say(group, "something").await;
    }
    // By somebody who is blocked, between the two of them and in a group, where they mention Ben.
    at_dora.tell(&ben.user, "hello?").await;
    at_dora.say(&of_dora, &format!("<@{}>", ben.user)).await;
    let recall =
        |group: &str, target: u64| json!({ "type": "recall", "conversation": group, "target": target });
    stage.at_anna.act(recall(&recalled, 2)).await;
    stage.at_anna.act(recall(&older, 3)).await;
    keep(
        &mut at_ben,
        json!({ "key": "hidden", "conversation": hidden, "seq": 2, "value": true }),
    )
    .await;
    at_ben.act(json!({ "type": "leave", "conversation": left })).await;
    keep(
        &mut at_ben,
        json!({ "key": "blocked", "user": dora.user, "value": true }),
    )
    .await;
    assert_eq!(stage.told(&older, 2).await, [2]);
    // A moment after all of that was due.
    let witness = stage.said("a witness").await;
    assert_eq!(stage.told(&witness, 2).await, [2]);
    // The others are heard where a blocked one speaks, too.
    let mixed = stage.group().await;
    stage
        .at_anna
        .act(json!({ "type": "invite", "conversation": mixed, "users": [dora.user] }))
        .await;
    let said = stage.at_anna.say(&mixed, "from Anna").await["seq"]
        .as_u64()
        .expect("a seq");
    at_dora.say(&mixed, "from Dora").await;
    assert_eq!(stage.told(&mixed, said).await, [said]);
    assert!(stage.early.is_empty(), "{:?}", stage.early);
}
