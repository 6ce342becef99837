//! The journal: whole lines, numbers that go on, and a full disk that is nobody's problem.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start};

fn setup() -> Setup {
    let command = command_of_demo_worker(&[]);
    Setup {
        command,
        ..Setup::default()
    }
}

fn records(sidecar: &Sidecar) -> Vec<Value> {
    let lines = sidecar.journal();
    let record = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
    lines.iter().map(record).collect()
}

fn numbers(records: &[Value], name: &str) -> Vec<u64> {
    records
        .iter()
        .filter_map(|record| record[name].as_u64())
        .collect()
}

#[test]
fn numbers_go_on_after_autoheal_was_killed_and_every_line_is_whole() {
    let sidecar = setup().launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar.recycle();
    sidecar.worker().signal(Signal::KILL);
    let crash = sidecar.wait_for_kind("worker-exited");
    assert_eq!(crash["incident"], 2, "{crash}");
    sidecar.wait("it is on the disk", || {
        numbers(&records(&sidecar), "incident")
            .contains(&2)
            .then_some(())
    });
    let sidecar = sidecar.again(setup());
    let at = records(&sidecar).len();
    sidecar.wait("a worker of the second run", || {
        (sidecar.get("/").status == 200).then_some(())
    });
    sidecar.recycle();
    sidecar.wait("the second run's recycle is on the disk", || {
        numbers(&records(&sidecar), "incident")
            .contains(&3)
            .then_some(())
    });
    let all = records(&sidecar);
    assert!(all.len() > at);
    let seqs = numbers(&all, "seq");
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    let incidents: BTreeSet<_> = numbers(&all, "incident").into_iter().collect();
    assert_eq!(incidents, BTreeSet::from([1, 2, 3]));
}

#[test]
fn the_last_half_line_of_a_killed_autoheal_does_not_spoil_the_next() {
    let sidecar = setup().launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar.wait("it is on the disk", || {
        (records(&sidecar).len() >= 2).then_some(())
    });
    sidecar.kill();
    let torn = newest_segment(&sidecar.path("state"));
    let mut text = fs::read_to_string(&torn).unwrap();
    text.push_str("{\"v\":1,\"seq\":99,\"at\":\"20");
    fs::write(&torn, text).unwrap();
    let sidecar = sidecar.again(setup());
    sidecar.wait("the second run writes", || {
        (sidecar.journal().len() >= 4).then_some(())
    });
    let seqs = numbers(&records(&sidecar), "seq");
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    assert!(!seqs.contains(&99), "{seqs:?}");
}

/// The segment that is written.
fn newest_segment(state: &Path) -> PathBuf {
    let entries = fs::read_dir(state.join("journal")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let segments = paths.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    segments.max().unwrap()
}

/// A file system that takes 64 KiB, unmounted when dropped.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    /// `None` where this user may not mount one.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64k", "autoheal-it"])
            .arg(folder.path());
        let output = mount.output().ok()?;
        output.status.success().then_some(Self(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "{:?} is still mounted",
            self.0
        );
    }
}

#[test]
fn a_full_disk_keeps_nothing_from_being_healed() {
    let Some(disk) = TinyDisk::mount() else {
        println!("skipped: this user may not mount a tmpfs, so no disk can be filled");
        return;
    };
    let fill = disk.0.path().join("fill");
    // As much as fits; that it does not all fit is the point.
    assert!(fs::write(&fill, vec![0; 256 << 10]).is_err());
    let state = Some(disk.0.path().join("state"));
    let sidecar = Setup { state, ..setup() }.launch();
    sidecar.wait_for_kind("worker-ready");
    let load = start(plan(&sidecar.url("/"), 3));
    sidecar.recycle();
    sidecar.worker().signal(Signal::KILL);
    sidecar.wait_for_kind("worker-exited");
    assert_whole(&load.wait().unwrap(), &sidecar);
    let said = |count| {
        sidecar.wait("what was lost is said", || {
            let events = sidecar.events("records-lost");
            (events.len() >= count).then(|| events[count - 1].clone())
        })
    };
    let text = said(1)["text"].as_str().unwrap().to_owned();
    assert!(text.contains("No space left on device"), "{text}");
    fs::remove_file(&fill).unwrap();
    sidecar.recycle();
    let back = said(2);
    assert_eq!(back["level"], "info", "{back}");
    sidecar.wait("records are on the disk again", || {
        (!journal(&disk).is_empty()).then_some(())
    });
}

/// What the journal on this disk holds.
fn journal(disk: &TinyDisk) -> String {
    fs::read_to_string(newest_segment(&disk.0.path().join("state"))).unwrap()
}
