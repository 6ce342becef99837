//! Start, exit, stop, kill.

use std::{os::unix::process::ExitStatusExt, process::Command, time::Duration};

use autoheal::{
    words::Exit,
    worker::{child::Event, spec::StopTo},
};

use crate::support::{Worker, identity, spec, wait_until_gone};

fn exited(exit: Exit) -> Event {
    Event::Exited {
        exit,
        oom_killed: false,
        address_in_use: false,
        left_children: false,
    }
}

#[tokio::test]
async fn an_exit_code_is_reported_and_then_that_nothing_is_left() {
    let mut worker = Worker::shell("exit 3");
    worker.started().await;
    assert_eq!(worker.next().await, Some(exited(Exit::Code(3))));
    assert_eq!(worker.next().await, Some(Event::Gone));
    assert_eq!(worker.next().await, None);
}

#[tokio::test]
async fn a_deadly_signal_is_reported_by_its_number() {
    let mut worker = Worker::shell("ulimit -c 0; kill -SEGV $$");
    worker.started().await;
    assert_eq!(worker.next().await, Some(exited(Exit::Signal(11))));
}

#[tokio::test]
async fn a_core_dump_is_reported_where_the_system_writes_one() {
    let folder = tempfile::tempdir().unwrap();
    let argv = ["/bin/sh", "-c", "ulimit -c unlimited; kill -SEGV $$"];
    let alone = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(folder.path())
        .status()
        .unwrap();
    let expected = match alone.core_dumped() {
        true => Exit::Core(11),
        false => Exit::Signal(11),
    };
    let mut given = spec(&argv);
    given.dir = folder.path().to_owned();
    let mut worker = Worker::start(&given);
    worker.started().await;
    assert_eq!(worker.next().await, Some(exited(expected)));
}

#[tokio::test]
async fn a_missing_command_is_named() {
    let mut worker = Worker::start(&spec(&["no-such-command-here"]));
    let Some(Event::Failed { why }) = worker.next().await else {
        panic!("it was started");
    };
    assert!(
        why.starts_with("no such file: no-such-command-here"),
        "{why}"
    );
    assert_eq!(worker.next().await, None);
}

#[tokio::test]
async fn a_worker_that_ignores_the_stop_signal_is_killed_when_its_time_is_over() {
    let mut worker = Worker::shell("trap '' TERM; echo $$; while :; do sleep 60; done");
    let pid = identity(worker.started().await);
    worker.lines(1).await;
    worker
        .child
        .stop(15, StopTo::Leader, Duration::from_millis(100));
    assert_eq!(worker.next().await, Some(exited(Exit::Signal(9))));
    assert_eq!(worker.next().await, Some(Event::Gone));
    wait_until_gone(&[pid]);
}
