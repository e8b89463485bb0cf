//! Settings through a power cut: what was acknowledged is kept, with the number it was given. What must not live here:
//! messages.

use kinglet::proto::UserId;
use kinglet::proto::setting::{Draft, Kept, Setting};
use kinglet::store::sqlite::fault_vfs::{Action, Cut};

use crate::machine::Machine;
use crate::store_kit::words::send_to;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_setting_survives_the_power_cut() {
    let machine = Machine::new(11).await;
    let mut desk = machine.start().expect("it starts");
    let conversation = desk.done(1, send_to(2, "hello")).await.conversation;
    let draft = |text: String| Setting::Draft {
        conversation,
        value: Some(Draft { text, reply_to: None }),
    };
    let mut last = 0;
    for round in 0..8 {
        for unseen in [true, false] {
            let setting = Setting::Unseen { value: unseen };
            desk.store.set(UserId(1), setting, false).await.expect("kept");
        }
        let setting = draft(format!("round {round}"));
        let change = desk
            .store
            .set(UserId(1), setting.clone(), false)
            .await
            .expect("kept");
        assert!(change > last, "the number {change} was given out twice");
        last = change;
        let cut = if round % 2 == 0 {
            Cut::DropAll
        } else {
            Cut::Random(round)
        };
        machine.go_down(Some(desk), Action::CutHere(cut));
        desk = machine.start().expect("it starts after the cut");
        let changed = desk
            .store
            .settings_since(UserId(1), 1, 10)
            .await
            .expect("readable");
        let expected = [
            Kept {
                change: change - 1,
                setting: Setting::Unseen { value: false },
            },
            Kept { change, setting },
        ];
        assert_eq!(changed.settings, expected, "round {round}");
        assert!(!desk.store.discretion().is_unseen(UserId(1)));
    }
}
