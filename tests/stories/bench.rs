//! A machine below a directory of the story's own, and the real kinglet-board for it, started for each connection as systemd does it.
//! What must not live here: stories.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::Server;
use crate::programs::board_program;

pub const BOARD: &str = "/api/v1/admin/board";
/// What is mounted while no stick is.
const REST: &str = "/dev/mmcblk0p2 / ext4 rw 0 0\n";

/// A machine below a directory, with programs that note how they were called: a story cannot reboot.
pub struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench {
            root: tempfile::tempdir().expect("a temporary directory"),
        };
        // Root is heard whatever its name; anybody else must be the server's user.
        let own = fs::metadata("/proc/self").expect("there is a /proc").uid();
        let server = if own == 0 { 990 } else { own };
        bench.file(
            "etc/passwd",
            &format!("kinglet:x:{server}:991::/:/bin/false\nkinglet-admin:x:1000:1000::/:/bin/sh\n"),
        );
        bench.file("proc/sys/kernel/hostname", "kinglet\n");
        bench.file("usr/share/kinglet/update.pub", "whose updates are taken\n");
        for folder in ["run/kinglet-board", "etc/kinglet-board", "etc/ssh/sshd_config.d"] {
            fs::create_dir_all(bench.path(folder)).expect("the root is ours");
        }
        for name in [
            "systemctl",
            "hostnamectl",
            "timedatectl",
            "systemd-run",
            "loginctl",
        ] {
            bench.program(&format!("usr/bin/{name}"), "");
        }
        bench.program("usr/sbin/sshd", "");
        bench
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("the root is ours");
        fs::write(path, text).expect("the root is ours");
    }

    /// Notes how it was called, then does what `more` says.
    fn program(&self, path: &str, more: &str) {
        let calls = self.path("calls");
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"${{0##*/}} $*\" >> '{}'\n{more}\n",
            calls.display()
        );
        self.file("draft", &text);
        let to = self.path(path);
        fs::create_dir_all(to.parent().expect("it is below the root")).expect("the root is ours");
        // By another process: a file that a child of a story beside holds open for writing cannot be run.
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(self.path("draft")).arg(to);
        assert!(install.status().expect("coreutils are there").success());
    }

    /// What was called since the last look.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        // There is none where nothing was called.
        let _ = fs::remove_file(self.path("calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// Gives each connection to a board of its own.
    pub fn serve(&self) {
        let listener = UnixListener::bind(self.path("run/kinglet-board.sock")).expect("the path is short");
        let (program, root) = (board_program(), self.root.path().to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut board = Command::new(program);
                board
                    .arg("--root")
                    .arg(&root)
                    .stdin(Stdio::from(OwnedFd::from(stream)));
                let board = board.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                board
                    .expect("the board can be run")
                    .wait()
                    .expect("it is our child");
            }
        });
    }

    pub async fn server(&self) -> Server {
        let root = self.root.path().to_str().expect("a path in UTF-8");
        Server::with(&[("KINGLET_BOARD_ROOT", root)]).await
    }

    /// Plugs a stick of 32 GB in; what is on it is found in `stick` while it is not mounted. As the kernel shows it, with programs
    /// that move a folder in the place of mounting.
    pub fn plug_in(&self) {
        let (links, disk) = (
            self.path("sys/class/block"),
            "platform/scb/usb1/1-1/1-1:1.0/host0/block/sda",
        );
        fs::create_dir_all(&links).expect("the root is ours");
        for (name, path) in [("sda", disk.to_owned()), ("sda1", format!("{disk}/sda1"))] {
            self.file(&format!("sys/devices/{path}/size"), "62333952\n");
            symlink(format!("../../devices/{path}"), links.join(name)).expect("the root is ours");
        }
        self.file("proc/self/mounts", REST);
        fs::create_dir_all(self.path("media")).expect("the root is ours");
        fs::create_dir_all(self.path("stick")).expect("the root is ours");
        self.program("usr/sbin/blkid", "echo ext4");
        let root = self.root.path().display();
        let (mounts, stick) = (format!("'{root}/proc/self/mounts'"), format!("'{root}/stick'"));
        let place = format!("'{root}/media/kinglet-backup'");
        let mounted = format!(
            "printf '{}/dev/sda1 /media/kinglet-backup ext4 rw 0 0\\n' > {mounts}",
            REST.trim_end().to_owned() + "\\n"
        );
        let rest = format!("printf '{}\\n' > {mounts}", REST.trim_end());
        self.program(
            "usr/bin/systemd-mount",
            &format!("mv {stick} {place} && {mounted}"),
        );
        self.program("usr/bin/systemd-umount", &format!("mv {place} {stick} && {rest}"));
    }

    pub fn pull(&self) {
        for name in ["sda", "sda1"] {
            fs::remove_file(self.path("sys/class/block").join(name)).expect("it was plugged in");
        }
    }
}
