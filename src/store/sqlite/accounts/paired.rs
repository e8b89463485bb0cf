//! A sign-in that another device of the same user vouched for. What must not live here: codes and numbers, which are never
//! stored.

use rusqlite::params;

use super::devices::put_device;
use super::history::{self, Entrance};
use super::users::profile;
use super::{Entered, Outcome, Registers, SecretHash, Store, news, sql_refusal, to_sql};
use crate::core::permit::DeviceNo;
use crate::proto::account::NewDevice;
use crate::proto::people::NewsWhat;
use crate::proto::{Code, UserId};

/// Who is let in, and by which device.
pub struct PairedWith {
    pub user: UserId,
    /// It must still be signed in.
    pub voucher: DeviceNo,
    pub device: NewDevice,
    pub token: SecretHash,
    /// Whether it is told: a repeat, after a lost answer, is not.
    pub is_first: bool,
}

impl Store {
    pub async fn sign_in_paired(&self, with: PairedWith, by: Entrance) -> Outcome<Entered> {
        self.write(move |registers| {
            let entered = sign_in_paired(registers, &with)?;
            history::note(registers, &entered, &by).map(|()| entered)
        })
        .await
    }
}

fn sign_in_paired(registers: &mut Registers<'_>, with: &PairedWith) -> Outcome<Entered> {
    let vouches: bool = registers
        .connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM device JOIN user ON user.id = device.user AND user.disabled = 0
                            WHERE device.no = ?1 AND device.user = ?2 AND device.token IS NOT NULL)",
            params![to_sql(with.voucher), to_sql(with.user.0)],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    if !vouches {
        return Err(Code::LinkInvalid.into());
    }
    let device_no = put_device(registers, with.user, &with.device, &with.token)?;
    if with.is_first {
        let device_name = with.device.name.clone();
        news::tell(registers, with.user, &NewsWhat::DeviceAdded { device_name })?;
    }
    Ok(Entered {
        profile: profile(registers.connection, with.user)?,
        device_no,
    })
}
