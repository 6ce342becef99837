//! No process of a worker's tree survives: not a stop, not its main process, not us.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    process::{Command, Stdio},
    time::Duration,
};

use autoheal::{
    os::{procfs::Proc, tree::members},
    words::Exit,
    words::Generation,
    worker::{child::Event, orphans::adopt, spec::StopTo},
};

use crate::support::{Worker, identity, is_alive, spec, wait_until, wait_until_gone};

/// A child, a grandchild in a session of its own, and a daemon that forked twice; each says who it
/// is, and none heeds SIGTERM.
const FAMILY: &str = r#"
trap '' TERM HUP
sh -c 'echo $$; while :; do sleep 60; done' &
sh -c 'setsid sh -c "echo \$\$; while :; do sleep 60; done" & wait' &
sh -c 'setsid sh -c "sh -c \"echo \\\$\\\$; while :; do sleep 60; done\" &" &'
"#;

#[tokio::test]
async fn a_kill_reaches_children_sessions_and_daemons() {
    let mut worker = Worker::shell(&format!("{FAMILY} wait; wait; sleep 60"));
    let main = identity(worker.started().await);
    let mut all = worker.printed_processes(3).await;
    all.push(main);
    worker.child.kill();
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            exit: Exit::Signal(9),
            left_children: false,
            ..
        })
    ));
    assert_eq!(worker.next().await, Some(Event::Gone));
    assert!(all.iter().all(|who| !Proc::default().is(*who)));
}

#[tokio::test]
async fn what_outlives_the_main_process_is_killed_and_reported() {
    let script = format!("{FAMILY} trap 'exit 0' USR1; while :; do sleep 0.01; done");
    let mut worker = Worker::shell(&script);
    worker.started().await;
    let all = worker.printed_processes(3).await;
    worker.child.signal(10, StopTo::Leader);
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            exit: Exit::Code(0),
            left_children: true,
            ..
        })
    ));
    assert_eq!(worker.next().await, Some(Event::Gone));
    assert!(all.iter().all(|who| !Proc::default().is(*who)));
}

#[tokio::test]
async fn dropping_our_side_kills_the_tree() {
    let mut worker = Worker::shell(&format!("{FAMILY} wait; wait; sleep 60"));
    worker.started().await;
    let all = worker.printed_processes(3).await;
    assert!(all.iter().all(|who| is_alive(*who)));
    drop(worker.child);
    wait_until_gone(&all);
}

/// A shell stands for autoheal: it holds the socket's other end, as its standard input, and is
/// killed with a signal that no one can handle.
#[test]
fn killing_the_process_that_holds_the_socket_kills_the_tree() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_autoheal"))
        .arg("__keeper")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let orders = serde_json::json!({
        "argv": ["/bin/sh", "-c", format!("{FAMILY} wait; wait; sleep 60")],
        "dir": "/",
        "user": null,
        "open_files": null,
    });
    writeln!(&ours, "{orders}").unwrap();
    let mut holder = Command::new("/bin/sleep")
        .arg("1000")
        .stdin(Stdio::from(OwnedFd::from(ours)))
        .spawn()
        .unwrap();
    let all: Vec<_> = BufReader::new(keeper.stdout.take().unwrap())
        .lines()
        .take(3)
        .map(|line| identity(line.unwrap().trim().parse().unwrap()))
        .collect();
    assert!(all.iter().all(|who| is_alive(*who)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(keeper.wait().unwrap().success());
    assert!(all.iter().all(|who| !Proc::default().is(*who)));
}

#[tokio::test]
async fn a_keeper_that_is_killed_does_not_leave_the_worker() {
    adopt().unwrap();
    let mut spec = spec(&["/bin/sh", "-c", &format!("{FAMILY} wait; wait; sleep 60")]);
    // No other test's: what came to this process as an orphan is told apart by it.
    spec.generation = Generation(77);
    let mut worker = Worker::start(&spec);
    let main = identity(worker.started().await);
    let mut all = worker.printed_processes(3).await;
    all.push(main);
    kill(worker.child.tree().pid());
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            exit: Exit::Signal(9),
            ..
        })
    ));
    assert_eq!(worker.next().await, Some(Event::Gone));
    assert!(all.iter().all(|who| !is_alive(*who)));
}

#[tokio::test]
async fn orphans_are_reaped_while_the_worker_lives() {
    let script = "i=0; while [ $i -lt 300 ]; do sh -c 'sleep 0.01 &'; i=$((i+1)); done; \
                  echo done; sleep 60";
    let mut worker = Worker::shell(script);
    worker.started().await;
    worker.lines(1).await;
    let tree = worker.child.tree();
    wait_until("no zombie is left", || {
        let members = members(&Proc::default(), tree).unwrap();
        // The shell itself and its last sleep.
        members.len() == 2 && members.iter().all(|member| !member.zombie)
    });
}

#[tokio::test]
async fn many_stops_at_once_are_one_stop() {
    let mut worker = Worker::shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done");
    worker.started().await;
    worker.lines(1).await;
    for _ in 0..100 {
        worker
            .child
            .stop(15, StopTo::Leader, Duration::from_secs(30));
    }
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            exit: Exit::Code(7),
            ..
        })
    ));
    assert_eq!(worker.next().await, Some(Event::Gone));
}

#[tokio::test]
async fn a_stop_right_after_the_start_is_obeyed() {
    let mut worker = Worker::shell("sleep 60");
    worker
        .child
        .stop(15, StopTo::Group, Duration::from_secs(30));
    worker.started().await;
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            exit: Exit::Signal(15),
            ..
        })
    ));
    assert_eq!(worker.next().await, Some(Event::Gone));
}

/// Each process starts its successor in a new session and ends: none lives for long.
#[tokio::test]
async fn a_chain_of_daemons_that_flees_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("flee");
    fs::write(&script, "#!/bin/sh\necho on\nsetsid \"$0\" &\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut worker = Worker::shell(&format!("{}; sleep 60", script.display()));
    worker.started().await;
    worker.lines(50).await;
    worker.child.kill();
    assert!(matches!(worker.next().await, Some(Event::Exited { .. })));
    assert_eq!(worker.next().await, Some(Event::Gone));
}

#[tokio::test]
async fn a_worker_that_was_stopped_by_a_signal_is_woken_to_end() {
    let mut worker = Worker::shell("echo up; kill -STOP $$; sleep 60");
    let main = worker.started().await;
    worker.lines(1).await;
    wait_until("it stands", || {
        Proc::default()
            .stat(main)
            .is_ok_and(|stat| stat.state == 'T')
    });
    worker
        .child
        .stop(15, StopTo::Group, Duration::from_secs(30));
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            exit: Exit::Signal(15),
            ..
        })
    ));
}

fn kill(pid: u32) {
    let status = Command::new("/bin/kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}
