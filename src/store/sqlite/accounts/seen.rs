//! When devices were last seen: gathered in memory, written along with other commits. What must not live here: a commit
//! of its own, since "last seen" is not worth one.

use std::collections::HashMap;

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::to_sql;
use crate::core::permit::DeviceNo;
use crate::limits;
use crate::proto::Timestamp;
use crate::store::sqlite::sql_refusal;

/// Devices seen since the last flush.
#[derive(Default)]
pub struct SeenDevices {
    seen: Mutex<HashMap<DeviceNo, Timestamp>>,
}

impl SeenDevices {
    /// Notes a device. Beyond the limit new ones are left out until the next flush: the list shows them a little older.
    pub fn mark(&self, device: DeviceNo, now: Timestamp) {
        let mut seen = self.seen.lock();
        if seen.len() < limits::SEEN_DEVICES || seen.contains_key(&device) {
            seen.insert(device, now);
        }
    }

    /// Takes what was gathered, for [`flush_last_seen`].
    #[must_use]
    pub fn take(&self) -> HashMap<DeviceNo, Timestamp> {
        std::mem::take(&mut *self.seen.lock())
    }
}

/// Writes what was gathered, inside whatever transaction is open.
pub fn flush_last_seen(
    connection: &Connection,
    seen: &HashMap<DeviceNo, Timestamp>,
) -> Result<(), crate::proto::Refusal> {
    let mut update = connection
        .prepare_cached("UPDATE device SET last_seen = max(last_seen, ?2) WHERE no = ?1")
        .map_err(sql_refusal)?;
    for (device, at) in seen {
        update.execute(params![to_sql(*device), to_sql(*at)]).map_err(sql_refusal)?;
    }
    Ok(())
}
