//! The memory of real and of made-up process trees.

use std::{fs, path::Path, thread, time::Duration};

use autoheal::{
    decide::observation::{Measure, MemorySample},
    os::{procfs::Proc, tree::Root},
    sense::memory::{Sampler, Thresholds},
    units::ByteSize,
    words::Generation,
};
use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::timeout,
};

use crate::support::{PATIENCE, Worker, wait_until};

const GENERATION: Generation = Generation(4);

fn over(mib: u64) -> Thresholds {
    Thresholds {
        bytes: vec![ByteSize::mib(mib)],
        ..Thresholds::default()
    }
}

fn sampler(proc: Proc, tree: Root, thresholds: Thresholds) -> (Sampler, Receiver<MemorySample>) {
    let (sender, samples) = channel(16);
    let (levels, _) = channel(16);
    let sampler = Sampler::start(proc, sender, levels).unwrap();
    sampler.watch(GENERATION, tree, thresholds);
    (sampler, samples)
}

async fn next(samples: &mut Receiver<MemorySample>) -> MemorySample {
    timeout(PATIENCE, samples.recv()).await.unwrap().unwrap()
}

/// A process of a made-up machine, with so much memory and started at this tick.
fn process(machine: &Path, pid: u32, parent: u32, mib: u64, ticks: u64) {
    let folder = machine.join(pid.to_string());
    fs::create_dir_all(&folder).unwrap();
    let stat = format!("{pid} (p) S {parent} 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 9");
    let put = |name: &str, text: String| {
        // Renamed, so that it is never read half written.
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    };
    put("stat", stat);
    put(
        "status",
        format!(
            "PPid:\t{parent}\nRssAnon:\t{} kB\nVmSwap:\t0 kB\n",
            mib * 1024
        ),
    );
}

/// Nothing comes for as long as several samples would take.
async fn is_silent(samples: &mut Receiver<MemorySample>) -> bool {
    while samples.try_recv().is_ok() {}
    // One may have been under way.
    drop(timeout(Duration::from_millis(200), samples.recv()).await);
    timeout(Duration::from_millis(500), samples.recv())
        .await
        .is_err()
}

#[tokio::test]
async fn memory_that_forked_processes_share_is_counted_once() {
    let script = "x=$(head -c 104857600 /dev/zero | tr '\\0' x)
        for i in 1 2 3 4; do (echo up; while :; do sleep 60; done) & done
        echo up; wait; echo ${#x}";
    let mut worker = Worker::shell(script);
    worker.started().await;
    worker.lines(5).await;
    let (sampler, mut samples) = sampler(Proc::default(), worker.child.tree(), over(50));
    let sample = loop {
        let sample = next(&mut samples).await;
        if sample.exact {
            break sample;
        }
    };
    let naive: u64 = autoheal::os::tree::members(&Proc::default(), worker.child.tree())
        .unwrap()
        .iter()
        .filter_map(|member| Proc::default().status(member.who.pid).ok())
        .map(|status| status.private_bound().0)
        .sum();
    assert_eq!(sample.generation, GENERATION);
    assert!(naive >= ByteSize::mib(500).0, "{naive}");
    assert!(
        sample.bytes >= ByteSize::mib(100),
        "{}",
        sample.bytes.human()
    );
    assert!(
        sample.bytes.0 * 2 < naive,
        "{} of {naive}",
        sample.bytes.human()
    );
    assert!(!sampler.has_only_bounds());
}

#[tokio::test]
async fn below_every_limit_the_cheap_bound_does_and_a_confirmation_is_exact() {
    let mut worker = Worker::shell("echo up; while :; do sleep 60; done");
    worker.started().await;
    let (sampler, mut samples) = sampler(Proc::default(), worker.child.tree(), over(50));
    assert!(!next(&mut samples).await.exact);
    sampler.confirm(GENERATION);
    while !next(&mut samples).await.exact {}
    assert!(!next(&mut samples).await.exact);
}

#[tokio::test]
async fn a_tree_that_is_gone_has_no_memory_rather_than_none_of_it() {
    let mut worker = Worker::shell("echo up; while :; do sleep 60; done");
    worker.started().await;
    let (_sampler, mut samples) = sampler(Proc::default(), worker.child.tree(), over(50));
    next(&mut samples).await;
    worker.child.kill();
    while worker.next().await.is_some() {}
    while let Ok(sample) = samples.try_recv() {
        assert!(sample.bytes > ByteSize(0));
    }
    assert!(is_silent(&mut samples).await);
}

#[tokio::test]
async fn another_process_with_the_number_of_the_keeper_is_not_sampled() {
    let machine = tempfile::tempdir().unwrap();
    process(machine.path(), 10, 1, 1, 100);
    process(machine.path(), 11, 10, 30, 101);
    process(machine.path(), 12, 11, 12, 102);
    let tree = Root::Under(10);
    let (_sampler, mut samples) = sampler(Proc::at(machine.path()), tree, over(500));
    assert_eq!(next(&mut samples).await.bytes, ByteSize::mib(42));
    for (pid, parent) in [(12, 11), (11, 10), (10, 1)] {
        process(machine.path(), pid, parent, 400, 900);
    }
    // Until the tree is listed again, each second, its members are known by number and parent.
    let silence = async { while !is_silent(&mut samples).await {} };
    timeout(PATIENCE, silence).await.unwrap();
}

#[tokio::test]
async fn where_exact_readings_are_not_to_be_had_the_bound_stands_in_and_that_is_said() {
    let machine = tempfile::tempdir().unwrap();
    process(machine.path(), 10, 1, 1, 100);
    process(machine.path(), 11, 10, 30, 101);
    fs::write(machine.path().join("11/smaps_rollup"), "Rss: 12 kB\n").unwrap();
    let tree = Root::Under(10);
    let (sampler, mut samples) = sampler(Proc::at(machine.path()), tree, over(20));
    let sample = next(&mut samples).await;
    assert_eq!((sample.bytes, sample.exact), (ByteSize::mib(30), true));
    assert!(sampler.has_only_bounds());
}

#[tokio::test]
async fn samples_that_nobody_takes_are_counted_and_forgetting_ends_them() {
    let machine = tempfile::tempdir().unwrap();
    process(machine.path(), 10, 1, 1, 100);
    process(machine.path(), 11, 10, 30, 101);
    let (sender, mut samples) = channel(1);
    let (levels, _) = channel(1);
    let sampler = Sampler::start(Proc::at(machine.path()), sender, levels).unwrap();
    sampler.watch(GENERATION, Root::Under(10), over(500));
    wait_until("the channel is full", || sampler.dropped_samples() >= 2);
    sampler.forget(GENERATION);
    assert!(is_silent(&mut samples).await);
    drop(sampler);
    assert!(timeout(PATIENCE, samples.recv()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_look_that_takes_long_for_want_of_a_cpu_does_not_put_off_the_next() {
    let machine = tempfile::tempdir().unwrap();
    process(machine.path(), 10, 1, 1, 100);
    process(machine.path(), 11, 10, 30, 101);
    // Another's process: whoever looks at it waits for a second, which costs nothing.
    let slow = machine.path().join("20/stat");
    fs::create_dir(machine.path().join("20")).unwrap();
    mkfifoat(CWD, &slow, Mode::RUSR | Mode::WUSR).unwrap();
    thread::spawn(move || {
        while let Ok(mut pipe) = fs::File::options().write(true).open(&slow) {
            thread::park_timeout(Duration::from_secs(1));
            let stat = b"20 (p) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 99 9";
            drop(std::io::Write::write_all(&mut pipe, stat));
            drop(pipe);
            // Whoever reads sees the end of it first.
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    let (sender, _samples) = channel(1);
    let (levels, mut seen) = channel(16);
    let sampler = Sampler::start(Proc::at(machine.path()), sender, levels).unwrap();
    let thresholds = Thresholds {
        measures: vec![Measure::Threads],
        ..Thresholds::default()
    };
    sampler.watch(GENERATION, Root::Under(10), thresholds);
    // The first two looks tell once; at a twentieth of the time the second would be the last.
    for _ in 0..3 {
        timeout(PATIENCE, seen.recv()).await.unwrap().unwrap();
    }
}
