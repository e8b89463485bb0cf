//! What those who are in may do: with invitations, their devices, passwords and profiles. What must not live here: the
//! doors.

use super::*;

fn page_of(after: Option<&str>, limit: Option<u32>) -> ListAfter {
    ListAfter {
        after: after.map(Into::into),
        find: None,
        limit,
        deactivated: false,
    }
}

#[tokio::test]
async fn nobody_hands_out_or_sees_more_than_their_role_covers() {
    let (hall, owner) = Hall::claimed().await;
    let (_, admin) = hall.join(&owner, "adm", 2, ServerRole::Admin).await;
    let (_, bob) = hall.join(&admin, "bob", 3, ServerRole::Member).await;
    assert_eq!(admin.role, ServerRole::Admin);
    let invite = |by, n, role| hall.accounts.invite(by, invitation(n, role));
    assert_eq!(
        code(invite(&bob, 20, ServerRole::Member).await),
        Some(Code::Forbidden)
    );
    assert_eq!(
        code(invite(&admin, 21, ServerRole::Admin).await),
        Some(Code::Forbidden)
    );
    let high = invite(&owner, 22, ServerRole::Owner).await.expect("an owner may");
    let low = invite(&owner, 23, ServerRole::Member)
        .await
        .expect("an owner may");

    let ids = |list: crate::proto::account::InvitationList| {
        list.invitations.iter().map(|i| i.id).collect::<Vec<_>>()
    };
    assert_eq!(
        ids(hall.accounts.invitations(&owner).await.expect("a list")).len(),
        2
    );
    assert_eq!(
        ids(hall.accounts.invitations(&admin).await.expect("a list")),
        [low.id]
    );
    assert!(ids(hall.accounts.invitations(&bob).await.expect("a list")).is_empty());
    assert_eq!(
        code(hall.accounts.revoke_invitation(&admin, high.id).await),
        Some(Code::NotFound)
    );
    assert_eq!(
        code(hall.accounts.revoke_invitation(&bob, low.id).await),
        Some(Code::NotFound)
    );
    hall.accounts
        .revoke_invitation(&admin, low.id)
        .await
        .expect("an admin may");
    let operator = hall
        .accounts
        .invite_as_operator(invitation(24, ServerRole::Owner))
        .await
        .expect("made");
    assert_eq!(operator.by, owner.user);
    for bad in [
        NewInvitation {
            uses: Some(0),
            ..invitation(30, ServerRole::Member)
        },
        NewInvitation {
            uses: Some(1_001),
            ..invitation(30, ServerRole::Member)
        },
        NewInvitation {
            days: Some(366),
            ..invitation(30, ServerRole::Member)
        },
    ] {
        assert_eq!(
            code(hall.accounts.invite(&owner, bad).await),
            Some(Code::BadRequest)
        );
    }
}

#[tokio::test]
async fn sessions_end_where_they_are_ended() {
    let (hall, owner) = Hall::claimed().await;
    let password = password_of("ada");
    let phone = hall.sign_in("ada", &password, 11).await.expect("signed in");
    let tablet = hall.sign_in("ada", &password, 12).await.expect("signed in");
    let caller = hall.caller(&phone).await;
    hall.take_effects();

    hall.accounts
        .kick_device(&caller, device(12).id)
        .await
        .expect("kicked");
    assert_eq!(
        code(hall.accounts.authenticate(&tablet.token).await),
        Some(Code::SignedOut)
    );
    let request = SignOutEverywhere { keep_this: true };
    let ended = hall
        .accounts
        .sign_out_everywhere(&caller, &request)
        .await
        .expect("signed out")
        .ended;
    assert_eq!(ended, 1, "the first device's");
    hall.caller(&phone).await;
    hall.accounts.sign_out(&caller).await.expect("signed out");
    assert_eq!(
        code(hall.accounts.authenticate(&phone.token).await),
        Some(Code::SignedOut)
    );
    let devices = hall.accounts.devices(&caller).await.expect("a list").devices;
    assert_eq!(devices.iter().filter(|device| device.signed_in).count(), 0);
    assert_eq!(devices.len(), 3);

    let revoked = |device, except| AccountEffect::Revoked {
        user: owner.user,
        device,
        except,
    };
    let effects = hall.take_effects();
    assert_eq!(effects.len(), 3);
    assert_eq!(effects[1], revoked(None, Some(caller.device_no)));
    assert_eq!(effects[2], revoked(Some(caller.device_no), None));
    for text in ["", "kt_", "kt_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"] {
        assert_eq!(
            code(hall.accounts.authenticate(text).await),
            Some(Code::SignedOut)
        );
    }
}

#[tokio::test]
async fn passwords_are_changed_and_reset() {
    let (hall, owner) = Hall::claimed().await;
    let other = hall
        .sign_in("ada", &password_of("ada"), 5)
        .await
        .expect("signed in");
    let change = |current: &str, new: &str| ChangePassword {
        current: current.into(),
        new: new.into(),
    };
    let wrong = hall
        .accounts
        .change_password(&owner, change("not hers at all", "a better secret"))
        .await;
    assert_eq!(code(wrong), Some(Code::WrongCredentials));
    let weak = hall
        .accounts
        .change_password(&owner, change(&password_of("ada"), "12345678"))
        .await;
    assert_eq!(code(weak), Some(Code::PasswordWeak));
    let good = change(&password_of("ada"), "a better secret");
    hall.accounts
        .change_password(&owner, good)
        .await
        .expect("changed");
    assert_eq!(
        code(hall.accounts.authenticate(&other.token).await),
        Some(Code::SignedOut)
    );
    hall.accounts.profile(&owner).await.expect("the caller stays");

    let (joined, bob) = hall.join(&owner, "bob", 2, ServerRole::Member).await;
    let asked = hall
        .accounts
        .reset_password(Administrator::Caller(&bob), owner.user)
        .await;
    assert_eq!(code(asked), Some(Code::Forbidden));
    let reset = hall
        .accounts
        .reset_password(Administrator::Caller(&owner), bob.user)
        .await
        .expect("reset");
    assert_eq!(reset.password.len(), 12);
    assert_eq!(
        code(hall.accounts.authenticate(&joined.token).await),
        Some(Code::SignedOut)
    );
    assert_eq!(
        code(hall.sign_in("bob", &password_of("bob"), 2).await),
        Some(Code::WrongCredentials)
    );
    hall.sign_in("bob", &reset.password, 2)
        .await
        .expect("the new one");
    let last = hall.accounts.disable(Administrator::Operator, owner.user).await;
    assert_eq!(code(last), Some(Code::LastOwner));
}

#[tokio::test]
async fn profiles_and_the_list_of_people() {
    let (hall, owner) = Hall::claimed().await;
    hall.join(&owner, "bob", 2, ServerRole::Member).await;
    hall.take_effects();
    let change = |name: &str| ChangeProfile {
        display_name: name.into(),
    };
    let profile = hall
        .accounts
        .change_profile(&owner, &change("  Ada   L. "))
        .await
        .expect("changed");
    assert_eq!(profile.display_name, "Ada L.");
    assert!(
        matches!(&hall.take_effects()[..], [AccountEffect::Profile(info)] if info.display_name == "Ada L.")
    );
    let hidden = hall.accounts.change_profile(&owner, &change("Ada\u{202e}")).await;
    assert_eq!(code(hidden), Some(Code::NameInvalid));
    let page = hall
        .accounts
        .users(Administrator::Operator, page_of(None, Some(1)))
        .await
        .expect("a page");
    assert_eq!((page.users[0].name.as_str(), page.more), ("ada", true));
    let page = hall
        .accounts
        .users(Administrator::Operator, page_of(Some("ada"), None))
        .await
        .expect("a page");
    assert_eq!((page.users[0].name.as_str(), page.more), ("bob", false));
    assert_eq!(
        hall.accounts
            .user(&owner, owner.user)
            .await
            .expect("she exists")
            .info
            .name,
        "ada"
    );
    assert_eq!(
        hall.accounts.user_by_name("Ada").await.expect("she exists").user,
        owner.user
    );
    assert_eq!(
        code(hall.accounts.user(&owner, UserId(7)).await),
        Some(Code::NotFound)
    );
}

#[tokio::test]
async fn a_device_id_is_a_uuid_of_ones_own() {
    let (hall, owner) = Hall::claimed().await;
    hall.join(&owner, "bob", 2, ServerRole::Member).await;
    assert_eq!(
        code(hall.sign_in("bob", &password_of("bob"), 0).await),
        Some(Code::BadRequest)
    );
    assert_eq!(
        code(hall.sign_in("bob", &password_of("bob"), 1).await),
        Some(Code::DeviceTaken)
    );
    let long = SignIn {
        device: NewDevice {
            name: "x".repeat(65),
            ..device(3)
        },
        ..sign_in("bob", &password_of("bob"), 3)
    };
    assert_eq!(
        code(hall.accounts.sign_in(long, HERE).await),
        Some(Code::NameInvalid)
    );
}
