//! USB disks and sensors, from a `/sys` as boards have it. What must not live here: anything else.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::bench::{Bench, code};

/// A disk or partition as the kernel shows it: a link into the tree of devices.
fn block(bench: &Bench, name: &str, path: &str) {
    fs::create_dir_all(bench.root().join("sys/devices").join(path)).expect("the root is ours");
    let links = bench.root().join("sys/class/block");
    fs::create_dir_all(&links).expect("the root is ours");
    symlink(format!("../../devices/{path}"), links.join(name)).expect("the root is ours");
}

fn with_a_stick() -> Bench {
    let bench = Bench::new();
    let usb = "platform/scb/usb1/1-1/1-1:1.0/host0/block";
    block(&bench, "sda", &format!("{usb}/sda"));
    block(&bench, "sda1", &format!("{usb}/sda/sda1"));
    // Not on USB, whatever else is called so.
    block(&bench, "sdb1", "platform/not-usb1/ata1/host1/block/sdb/sdb1");
    block(
        &bench,
        "mmcblk0p2",
        "platform/mmc_host/mmc0/block/mmcblk0/mmcblk0p2",
    );
    bench.file("proc/self/mounts", "/dev/mmcblk0p2 / ext4 rw 0 0\n");
    bench.program("usr/sbin/blkid", "echo exfat");
    bench
}

const MOUNT: &str = "systemd-mount --no-ask-password --collect --type=exfat \
                     --options=nosuid,nodev,noexec,noatime,uid=UID,gid=991,umask=0077 /dev/sda1 /media/kinglet-backup";

#[test]
fn a_usb_disk_is_mounted_for_the_server_and_nothing_on_it_can_be_run() {
    let bench = with_a_stick();
    let told = bench.done(&json!({ "verb": "usb_mount" }));
    assert_eq!(told["path"], "/media/kinglet-backup");
    assert_eq!(
        (&told["device"], &told["file_system"]),
        (&json!("sda1"), &json!("exfat"))
    );
    let users = bench.text("etc/passwd").expect("it is there");
    let uid = users
        .lines()
        .nth(1)
        .and_then(|line| line.split(':').nth(2))
        .expect("the server's user");
    assert_eq!(
        bench.calls(),
        [
            "blkid -p -o value -s TYPE /dev/sda1".to_owned(),
            MOUNT.replace("UID", uid)
        ]
    );
    bench.program("usr/sbin/blkid", "echo ext4");
    bench.done(&json!({ "verb": "usb_mount", "device": "sda1" }));
    let options =
        format!("--options=nosuid,nodev,noexec,noatime,X-mount.owner={uid},X-mount.group=991 /dev/sda1");
    assert!(bench.calls()[1].contains(&options));
    for kind in ["ntfs", "", "ext4,suid", "crypto_LUKS"] {
        bench.program("usr/sbin/blkid", &format!("echo '{kind}'"));
        assert_eq!(
            bench.refused(&json!({ "verb": "usb_mount" })),
            "not_available",
            "{kind}"
        );
    }
    bench.calls();
    for device in ["sdb1", "sdc1", "sda2", "sda"] {
        let asked = json!({ "verb": "usb_mount", "device": device });
        assert_eq!(bench.refused(&asked), "not_available", "{device}");
    }
    assert_eq!(bench.refused(&json!({ "verb": "usb_unmount" })), "not_available");
    assert_eq!(bench.calls(), [""; 0]);
    bench.file(
        "proc/self/mounts",
        "/dev/sda1 /media/kinglet-backup exfat rw 0 0\n",
    );
    assert_eq!(bench.refused(&json!({ "verb": "usb_mount" })), "busy");
    bench.done(&json!({ "verb": "usb_unmount" }));
    assert_eq!(bench.calls(), ["systemd-umount /media/kinglet-backup"]);
}

#[test]
fn with_several_disks_one_must_be_named_and_the_systems_own_is_none_of_them() {
    let bench = with_a_stick();
    block(
        &bench,
        "sdc1",
        "platform/scb/usb2/2-1/2-1:1.0/host2/block/sdc/sdc1",
    );
    let answer = bench.ask(&json!({ "verb": "usb_mount" }));
    assert_eq!(code(&answer), "several");
    assert_eq!(answer["error"]["choices"], json!(["sda1", "sdc1"]));
    bench.done(&json!({ "verb": "usb_mount", "device": "sdc1" }));
    // A system on a USB disk: no partition of that disk is for backups.
    bench.file("proc/self/mounts", "/dev/sda2 / ext4 rw 0 0\n");
    assert_eq!(bench.done(&json!({ "verb": "usb_mount" }))["device"], "sdc1");
    assert_eq!(
        bench.refused(&json!({ "verb": "usb_mount", "device": "sda1" })),
        "not_available"
    );
}

#[test]
fn sensors_tell_what_the_kernel_reports() {
    let bench = Bench::new();
    bench.file("sys/class/thermal/thermal_zone0/temp", "48312\n");
    bench.file("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    bench.file("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    bench.file("sys/block/mmcblk0/stat", "1 2 3 4 5 6 2048 8 9 10 11\n");
    bench.file("sys/block/loop0/stat", "1 2 3 4 5 6 7 8 9 10 11\n");
    let device = bench.root().join("sys/devices/platform/mmc_host/mmc1/mmc1:0001");
    fs::create_dir_all(&device).expect("the root is ours");
    symlink(
        "../../devices/platform/mmc_host/mmc1/mmc1:0001",
        bench.root().join("sys/block/mmcblk0/device"),
    )
    .expect("the root is ours");
    for (file, text) in [
        ("type", "MMC\n"),
        ("life_time", "0x01 0x03\n"),
        ("pre_eol_info", "0x02\n"),
    ] {
        bench.file(
            &format!("sys/devices/platform/mmc_host/mmc1/mmc1:0001/{file}"),
            text,
        );
    }
    bench.file(
        "sys/kernel/debug/mmc1/err_stats",
        "# Command Timeout Occurred:\t 2\n# Command CRC Errors Occurred:\t 0\n# Data CRC Errors Occurred:\t 3\n",
    );
    bench.file("sys/fs/ext4/mmcblk0p2/errors_count", "1\n");
    bench.file("proc/sys/kernel/random/boot_id", "0f1e\n");
    bench.file("sys/fs/ext4/features/lazy_itable_init", "supported\n");
    bench.file("proc/sys/kernel/hostname", "kinglet\n");
    symlink(
        "../usr/share/zoneinfo/Europe/Berlin",
        bench.root().join("etc/localtime"),
    )
    .expect("the root is ours");
    let told = bench.done(&json!({ "verb": "sensors" }));
    assert_eq!(
        told,
        json!({
            "ok": true,
            "temperature": [{ "sensor": "cpu-thermal", "celsius": 48.312 }],
            "under_voltage": { "now": true, "since_start": true },
            "throttled": { "now": true, "since_start": true },
            "frequency_capped": { "now": false, "since_start": false },
            "disks": [{
                "name": "mmcblk0",
                "kind": "MMC",
                "bytes_written_since_start": 1_048_576,
                "life_used_percent_at_most": 30,
                "spare_blocks": "warning",
                "errors": 5,
            }],
            "file_systems": [{ "name": "mmcblk0p2", "errors": 1 }],
            "usb_disks": [],
            "boot_id": "0f1e",
            "host_name": "kinglet",
            "time_zone": "Europe/Berlin",
            "ssh": false,
            "updates": false,
            "failed_update": null,
            "not_reported": [],
        })
    );
    fs::create_dir_all(bench.root().join("sys/fs/cgroup/system.slice/ssh.service"))
        .expect("the root is ours");
    assert_eq!(bench.done(&json!({ "verb": "sensors" }))["ssh"], true);
    bench.file("usr/share/kinglet/update.pub", "a key");
    assert_eq!(bench.done(&json!({ "verb": "sensors" }))["updates"], true);
    assert_eq!(bench.calls(), [""; 0], "looking runs nothing");
}

#[test]
fn usb_disks_that_could_be_mounted_are_told_and_none_that_is() {
    let bench = with_a_stick();
    bench.file(
        "sys/devices/platform/scb/usb1/1-1/1-1:1.0/host0/block/sda/sda1/size",
        "62333952\n",
    );
    let told = || bench.done(&json!({ "verb": "sensors" }))["usb_disks"].clone();
    assert_eq!(told(), json!([{ "name": "sda1", "bytes": 31_914_983_424u64 }]));
    block(
        &bench,
        "sdc1",
        "platform/scb/usb2/2-1/2-1:1.0/host2/block/sdc/sdc1",
    );
    assert_eq!(told()[1], json!({ "name": "sdc1", "bytes": null }));
    bench.file(
        "proc/self/mounts",
        "/dev/sda1 /media/kinglet-backup exfat rw 0 0\n",
    );
    assert_eq!(told(), json!([{ "name": "sdc1", "bytes": null }]));
    assert_eq!(bench.calls(), [""; 0], "looking runs nothing");
}

#[test]
fn what_is_not_reported_is_named_and_not_guessed() {
    let bench = Bench::new();
    // A machine whose SSH is not the appliance's.
    bench.file(
        "etc/passwd",
        &bench
            .text("etc/passwd")
            .expect("it is there")
            .replace("kinglet-admin", "pi"),
    );
    let told = bench.done(&json!({ "verb": "sensors" }));
    let names = [
        "temperature",
        "under_voltage",
        "throttled",
        "frequency_capped",
        "disks",
        "file_systems",
        "boot_id",
        "host_name",
        "time_zone",
        "ssh",
    ];
    assert_eq!(told["not_reported"], json!(names));
    for name in names {
        assert_eq!(told[name], Value::Null, "{name}");
    }
    // The kernel's own driver knows the present; nonsense is nothing.
    bench.file("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    bench.file("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
    bench.file("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
    bench.file("sys/devices/platform/soc/soc:firmware/get_throttled", "hot\n");
    bench.file("sys/block/mmcblk0/stat", "1 2\n");
    bench.file("sys/block/mmcblk0/device/life_time", "0x00 0x00\n");
    bench.file("sys/block/mmcblk0/device/pre_eol_info", "0x00\n");
    let told = bench.done(&json!({ "verb": "sensors" }));
    assert_eq!(told["under_voltage"], json!({ "now": true, "since_start": null }));
    assert_eq!(told["throttled"], Value::Null);
    let disk = &told["disks"][0];
    for name in [
        "bytes_written_since_start",
        "life_used_percent_at_most",
        "spare_blocks",
        "errors",
    ] {
        assert_eq!(disk[name], Value::Null, "{name}: {disk}");
    }
}
