//! What the machine is called and which time zone it keeps, as far as anybody may know it: a new card takes both over. What must not
//! live here: what only root may know of its network (docs/decisions/0022-what-of-a-machine-is-in-a-backup.md).

use std::fs;
use std::path::Path;

/// A link into the list of zones (localtime(5)).
const LOCAL: &str = "/etc/localtime";

pub fn host() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().ok()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

pub fn zone() -> Option<String> {
    zone_of(Path::new(LOCAL))
}

fn zone_of(link: &Path) -> Option<String> {
    let leads_to = fs::read_link(link).ok()?;
    let (_, zone) = leads_to.to_str()?.split_once("/zoneinfo/")?;
    Some(zone.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_where_the_link_leads() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("localtime");
        assert_eq!(zone_of(&link), None);
        std::os::unix::fs::symlink("../usr/share/zoneinfo/Asia/Shanghai", &link).expect("it is ours");
        assert_eq!(zone_of(&link).as_deref(), Some("Asia/Shanghai"));
    }
}
