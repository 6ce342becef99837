//! What a worker is given: environment, folder, user, signals, descriptors.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::{Command, Stdio},
};

use autoheal::worker::child::Event;

use crate::support::{Worker, spec};

async fn printed(worker: &mut Worker) -> Vec<String> {
    worker.started().await;
    assert!(matches!(worker.next().await, Some(Event::Exited { .. })));
    let lines = worker.child.output().tail(1000);
    lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn the_environment_the_folder_and_the_port_arrive() {
    let script = "echo $PORT $HTTP_PLATFORM_PORT $AUTOHEAL_GENERATION $OWN $1; pwd; cat";
    let mut spec = spec(&["/bin/sh", "-c", script, "sh", "--port={port}"]);
    spec.env = vec![("OWN".into(), "at-{port}".into())];
    spec.dir = "/usr".into();
    let lines = printed(&mut Worker::start(&spec)).await;
    assert_eq!(lines, ["5999 5999 1 at-5999 --port=5999", "/usr"]);
}

#[tokio::test]
async fn signals_are_at_their_defaults_whatever_we_were_started_with() {
    let dir = tempfile::tempdir().unwrap();
    let nohup = dir.path().join("nohup");
    let keeper = env!("CARGO_BIN_EXE_autoheal");
    let script =
        format!("#!/bin/sh\ntrap '' HUP INT QUIT USR1 PIPE CHLD TTOU\nexec {keeper} \"$@\"\n");
    fs::write(&nohup, script).unwrap();
    fs::set_permissions(&nohup, fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = spec(&["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    spec.keeper_exe = nohup;
    let lines = printed(&mut Worker::start(&spec)).await;
    assert_eq!(lines.len(), 2);
    for line in lines {
        let mask = line.split_whitespace().nth(1).unwrap();
        let bits = u64::from_str_radix(mask, 16).unwrap();
        // Above are the C library's own, which can't be changed.
        assert_eq!(bits & 0x7fff_ffff, 0, "{line}");
    }
}

#[tokio::test]
async fn no_descriptor_of_ours_arrives_but_the_three_standard_ones() {
    let script = "for fd in /proc/self/fd/*; do echo ${fd##*/}; done; readlink /proc/self/fd/0";
    let lines = printed(&mut Worker::shell(script)).await;
    // Whoever runs this test may have left descriptors open; those are not ours.
    let direct = Command::new("/bin/sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .output();
    let direct = String::from_utf8(direct.unwrap().stdout).unwrap();
    assert_eq!(lines, direct.lines().collect::<Vec<_>>());
    assert_eq!(lines.last().unwrap(), "/dev/null");
}

#[tokio::test]
async fn the_limit_on_open_files_is_the_one_asked_for() {
    let mut spec = spec(&["/bin/sh", "-c", "ulimit -Sn"]);
    spec.open_files = Some(321);
    assert_eq!(printed(&mut Worker::start(&spec)).await, ["321"]);
}

#[tokio::test]
async fn the_user_is_the_one_asked_for_or_the_cure_is_told() {
    let mut spec = spec(&["/bin/sh", "-c", "id -u; id -g; id -G"]);
    spec.user = Some("65534:65533".into());
    let mut worker = Worker::start(&spec);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        assert_eq!(printed(&mut worker).await, ["65534", "65533", "65533"]);
    } else {
        let Some(Event::Failed { why }) = worker.next().await else {
            panic!("it was started");
        };
        assert!(why.contains("does not run as root"), "{why}");
    }
}
