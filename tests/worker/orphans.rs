//! Reaping what others leave, and nothing else.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use autoheal::{
    os::{procfs::Proc, tree::Census, tree::Root},
    worker::orphans::{Orphans, adopt},
};

use crate::support::wait_until;

#[test]
fn orphans_are_reaped_and_the_exit_codes_of_our_own_children_are_left() {
    adopt().unwrap();
    let mut ours = Command::new("/bin/sh")
        .args(["-c", "exit 7"])
        .spawn()
        .unwrap();
    let script = "for i in 1 2 3 4 5; do sh -c 'sh -c \"echo \\$\\$\" &'; done";
    let mut leaver = Command::new("/bin/sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(leaver.stdout.take().unwrap()).lines();
    let left: Vec<u32> = lines
        .map(|line| line.unwrap().trim().parse().unwrap())
        .collect();
    assert_eq!(left.len(), 5);
    leaver.wait().unwrap();
    let proc = Proc::default();
    let is_zombie = |pid: &u32| proc.stat(*pid).is_ok_and(|stat| stat.is_zombie());
    wait_until("our own child has ended", || is_zombie(&ours.id()));
    let me = std::process::id();
    wait_until("all are our zombies or gone", || {
        left.iter().all(|pid| {
            proc.stat(*pid)
                .map_or(true, |stat| stat.parent == me && stat.is_zombie())
        })
    });
    // What other tests of this process wait for is not ours to take.
    let children = |census: Census| -> Vec<u32> {
        let all = census
            .tree(Root::Under(me))
            .into_iter()
            .map(|member| member.who.pid);
        all.filter(|pid| !left.contains(pid)).collect()
    };
    let mut orphans = Orphans::default();
    wait_until("the orphans are reaped", || {
        let others = children(Census::take(&proc).unwrap());
        orphans.reap(&others);
        left.iter().all(|pid| proc.stat(*pid).is_err())
    });
    assert!(is_zombie(&ours.id()));
    assert_eq!(ours.wait().unwrap().code(), Some(7));
}
