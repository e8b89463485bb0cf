//! The rules about the people of this server: who may administer whom, and that an owner stays. What must not live here:
//! conversations, rows, a clock.
//!
//! Asked when an act is handed in, and again inside the transaction that carries it out.

use super::Allowed;
use crate::proto::account::ServerRole;
use crate::proto::machine::BoardVerb;
use crate::proto::{Code, Refusal};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Office {
    /// Whoever can run commands on the machine.
    Operator,
    /// A user, by their role at this moment; someone who is disabled holds no office.
    Holder(ServerRole),
    Nobody,
}

impl Office {
    /// The office of a user with this role.
    #[must_use]
    pub fn of(role: ServerRole, disabled: bool) -> Office {
        if disabled {
            Office::Nobody
        } else {
            Office::Holder(role)
        }
    }
}

/// Whether one may see what admins see: the journal of their acts, who has left.
pub fn may_oversee(by: Office) -> Allowed {
    match by {
        Office::Operator | Office::Holder(ServerRole::Admin | ServerRole::Owner) => Ok(()),
        _ => Err(Code::Forbidden.into()),
    }
}

/// Whether one may disable, enable, deactivate or reset someone of this role, see their devices and end one: an admin members, an owner everyone.
pub fn may_administer(by: Office, theirs: ServerRole) -> Allowed {
    may_oversee(by)?;
    if by == Office::Holder(ServerRole::Admin) && theirs > ServerRole::Member {
        return Err(Refusal::because(
            Code::Forbidden,
            "Only an owner may change an admin or an owner.",
        ));
    }
    Ok(())
}

/// Whether one may warn, mute or ban somebody of this role: whom one may administer, but not oneself.
pub fn may_restrain(by: Office, oneself: bool, theirs: ServerRole) -> Allowed {
    may_administer(by, theirs)?;
    if oneself {
        return Err(Refusal::because(
            Code::Forbidden,
            "One cannot do this to oneself.",
        ));
    }
    Ok(())
}

/// Whether one may hand out roles of the server.
pub fn may_appoint(by: Office) -> Allowed {
    match by {
        Office::Operator | Office::Holder(ServerRole::Owner) => Ok(()),
        _ => Err(Refusal::because(
            Code::Forbidden,
            "Only an owner hands out roles of the server.",
        )),
    }
}

/// Whether one may make the key that backups can be read with, and so everything that anybody said.
pub fn may_hold_the_key(by: Office) -> Allowed {
    match by {
        Office::Holder(ServerRole::Owner) => Ok(()),
        _ => Err(Refusal::because(
            Code::Forbidden,
            "Only an owner makes the key that backups can be read with.",
        )),
    }
}

/// Whether one may say where backups go: everything that anybody said goes there, encrypted, and what is never made helps nobody.
pub fn may_place_backups(by: Office) -> Allowed {
    match by {
        Office::Holder(ServerRole::Owner) => Ok(()),
        _ => Err(Refusal::because(
            Code::Forbidden,
            "Only an owner chooses where backups go.",
        )),
    }
}

/// Whether one may have kinglet-board do this to the machine: an admin what leaves it as it is, an owner everything.
pub fn may_ask_board(by: Office, verb: BoardVerb) -> Allowed {
    may_oversee(by)?;
    if verb.is_grave() && by != Office::Holder(ServerRole::Owner) {
        return Err(Refusal::because(
            Code::Forbidden,
            "Only an owner lets somebody into the machine, or resets it.",
        ));
    }
    Ok(())
}

/// Whether somebody of this role may cease to be it: the last owner must stay. `others` says whether there is another
/// owner who can sign in.
pub fn may_cease(theirs: ServerRole, others: bool) -> Allowed {
    if theirs == ServerRole::Owner && !others {
        return Err(Code::LastOwner.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [ServerRole; 3] = [ServerRole::Member, ServerRole::Admin, ServerRole::Owner];

    #[test]
    fn nobody_administers_upwards_or_sideways_but_owners() {
        for theirs in ROLES {
            assert!(may_administer(Office::Operator, theirs).is_ok());
            assert!(may_administer(Office::Holder(ServerRole::Owner), theirs).is_ok());
            assert!(may_administer(Office::Holder(ServerRole::Member), theirs).is_err());
            assert!(may_administer(Office::Nobody, theirs).is_err());
            let by_admin = may_administer(Office::Holder(ServerRole::Admin), theirs);
            assert_eq!(by_admin.is_ok(), theirs == ServerRole::Member);
        }
        assert_eq!(Office::of(ServerRole::Owner, true), Office::Nobody);
    }

    #[test]
    fn nobody_restrains_themselves_or_whom_they_do_not_administer() {
        for own in ROLES {
            for theirs in ROLES {
                let by = Office::Holder(own);
                assert!(may_restrain(by, true, theirs).is_err());
                assert_eq!(
                    may_restrain(by, false, theirs).is_ok(),
                    may_administer(by, theirs).is_ok()
                );
            }
        }
        assert!(may_restrain(Office::Operator, false, ServerRole::Owner).is_ok());
    }

    #[test]
    fn only_owners_open_the_machine_or_reset_it() {
        for verb in BoardVerb::ALL {
            let may = |by| may_ask_board(by, verb).is_ok();
            assert!(may(Office::Holder(ServerRole::Owner)));
            assert!(!may(Office::Holder(ServerRole::Member)) && !may(Office::Nobody));
            let is_grave = [BoardVerb::SshOn, BoardVerb::FactoryReset].contains(&verb);
            assert_eq!(may(Office::Holder(ServerRole::Admin)), !is_grave, "{verb:?}");
        }
    }

    #[test]
    fn only_owners_appoint_and_the_last_one_stays() {
        for role in ROLES {
            assert_eq!(
                may_appoint(Office::Holder(role)).is_ok(),
                role == ServerRole::Owner
            );
            assert_eq!(
                may_oversee(Office::Holder(role)).is_ok(),
                role >= ServerRole::Admin
            );
            assert_eq!(
                may_place_backups(Office::Holder(role)).is_ok(),
                role == ServerRole::Owner
            );
            assert!(may_cease(role, true).is_ok());
            assert_eq!(may_cease(role, false).is_ok(), role < ServerRole::Owner);
        }
        assert!(may_appoint(Office::Nobody).is_err() && may_oversee(Office::Nobody).is_err());
    }
}
