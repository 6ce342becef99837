//! A worker that prints without end.

use std::{
    io::{self, Read},
    os::fd::OwnedFd,
    time::Duration,
};

use autoheal::{
    os::procfs::Proc,
    words::Exit,
    worker::{
        child::{Child, Event},
        lines::Patterns,
        output::Passing,
        pass::Pass,
        ring::{MAX_BYTES, MAX_LINES},
    },
};

use crate::support::{Worker, spec};

#[tokio::test]
async fn a_gigabyte_is_drained_while_our_output_stalls_and_memory_stays() {
    let (mut reader, writer) = io::pipe().unwrap();
    let pass = Pass::to(OwnedFd::from(writer)).unwrap();
    let script = "yes $(printf '%0999d' 0) | head -c 1000000000; echo; echo end";
    let spec = spec(&["/bin/sh", "-c", script]);
    let before = Proc::default().status(std::process::id()).unwrap();
    let (child, events) =
        Child::spawn(&spec, Passing::Raw(pass.clone()), Patterns::default()).unwrap();
    let mut worker = Worker { child, events };
    worker.started().await;
    let ended = tokio::time::timeout(Duration::from_secs(120), worker.events.recv()).await;
    assert!(matches!(
        ended.unwrap(),
        Some(Event::Exited {
            exit: Exit::Code(0),
            ..
        })
    ));
    let after = Proc::default().status(std::process::id()).unwrap();
    let grown = after.rss_anon.0.saturating_sub(before.rss_anon.0);
    assert!(grown < 64 * 1024 * 1024, "{grown}");
    let output = worker.child.output();
    assert_eq!(output.tail(1)[0].text, "end");
    let kept: usize = output
        .tail(usize::MAX)
        .iter()
        .map(|line| line.text.len())
        .sum();
    assert!(kept <= MAX_BYTES && output.tail(usize::MAX).len() <= MAX_LINES);
    assert!(output.dropped_lines() > 900_000);
    // Nobody read a byte until now; what waits is the end of it.
    assert!(pass.dropped_lines() > 900_000);
    let mut seen = Vec::new();
    while !seen.ends_with(b"\nend\n") {
        let mut bytes = vec![0; 65536];
        let read = reader.read(&mut bytes).unwrap();
        seen.extend_from_slice(&bytes[..read]);
    }
    assert!(
        seen.split(|byte| *byte == b'\n')
            .all(|line| matches!(line.len(), 0..=999))
    );
}

#[tokio::test]
async fn a_worker_whose_last_words_say_that_the_address_is_taken_is_told_apart() {
    let mut worker = Worker::shell("printf 'bind: Address already in use' >&2; exit 1");
    worker.started().await;
    assert!(matches!(
        worker.next().await,
        Some(Event::Exited {
            address_in_use: true,
            ..
        })
    ));
}
