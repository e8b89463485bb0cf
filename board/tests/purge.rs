//! What purging the packages takes along, by their own scripts on a root of the test's own, in a mount namespace: on the
//! appliance's card the data is mounted where it is looked for. What must not live here: dpkg itself, which is `cargo xtask
//! deb-test`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Purges a package on a root where `/data` is mounted at these places.
fn purge(root: &Path, package: &str, mounted: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../packaging/{package}/postrm"));
    let script = fs::read_to_string(script).expect("it is there");
    // No unit of this machine's own is touched.
    let script = script
        .replace("@UNITS@", "")
        .replace(" /", &format!(" {}/", root.display()));
    fs::write(root.join("postrm"), script).expect("the root is ours");
    let run = format!("mount --bind data/{mounted} var/lib/{mounted} && sh postrm purge");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &run])
        .current_dir(root)
        .output()
        .expect("util-linux is there");
    assert!(
        output.status.success(),
        "{package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn file(root: &Path, path: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it is below the root")).expect("the root is ours");
    fs::write(path, "text").expect("the root is ours");
}

#[test]
fn a_purge_on_the_card_erases_the_data_and_comes_to_its_end() {
    let root = tempfile::tempdir().expect("a test may make a directory");
    let root = root.path();
    for (package, rest) in [
        (
            "kinglet",
            ["var/lib/kinglet-switch/floor", "usr/lib/kinglet/versions/x"],
        ),
        (
            "kinglet-board",
            [
                "etc/kinglet-board/authorized_keys",
                "etc/ssh/sshd_config.d/00-kinglet.conf",
            ],
        ),
    ] {
        file(root, &format!("data/{package}/kinglet.db"));
        file(root, &format!("data/{package}/blobs/ab/cdef"));
        file(root, "data/other/stays");
        fs::create_dir_all(root.join("var/lib").join(package)).expect("the root is ours");
        for path in rest {
            file(root, path);
        }
        purge(root, package, package);
        let left = fs::read_dir(root.join("data").join(package)).expect("it was mounted");
        assert_eq!(left.count(), 0, "{package}: data is left");
        for path in rest {
            assert!(!root.join(path).exists(), "{package}: {path}");
        }
        assert!(root.join("data/other/stays").exists());
        // And where nothing is mounted the folder itself goes.
        file(root, &format!("data/none-of-{package}/x"));
        fs::create_dir_all(root.join(format!("var/lib/none-of-{package}"))).expect("the root is ours");
        purge(root, package, &format!("none-of-{package}"));
        assert!(!root.join("var/lib").join(package).exists(), "{package}");
    }
}
