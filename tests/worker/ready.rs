//! When a worker counts as ready, and what is said while it doesn't.

use std::{
    net::{Ipv6Addr, SocketAddr, TcpListener as StdListener},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use autoheal::{
    os::tree::Root,
    sense::probe::{Address, Failure, Question},
    tls::back::Manner,
    worker::ready::{Ready, Test, until_ready},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};

use crate::support::PATIENCE;

fn question() -> Test {
    Test::Answer(Box::new(Question {
        host: "localhost".to_owned(),
        path: "/".into(),
        status: None,
        timeout: Duration::from_millis(200),
        ..Question::default()
    }))
}

/// An address of the loopback interface that nobody listens on.
fn free() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn plainly(at: Address) -> (Address, Manner) {
    (at, Manner::default())
}

fn nobody() -> Root {
    Root::From(0)
}

async fn serve(address: SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        if stream.read(&mut request).await.unwrap() > 0 {
            let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_worker_that_listens_late_is_ready_once_it_answers() {
    let address = free();
    let (failed, mut failures) = mpsc::channel(1);
    let ready = until_ready(
        plainly(Address::Tcp(address)),
        question(),
        nobody(),
        |_| panic!("it listens nowhere"),
        |failure| {
            drop(failed.try_send(failure));
        },
    );
    let late = async {
        assert_eq!(failures.recv().await, Some(Failure::Refused));
        serve(address).await;
    };
    let ready = tokio::select! {
        ready = timeout(PATIENCE, ready) => ready.unwrap(),
        () = late => unreachable!(),
    };
    let at = Address::Tcp(address);
    assert_eq!(
        ready,
        Ready {
            at,
            status: Some(404)
        }
    );
}

#[tokio::test]
async fn a_worker_that_accepts_and_does_not_answer_is_not_ready_but_its_port_is() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let mut failures = Vec::new();
    let never = until_ready(
        plainly(address.clone()),
        question(),
        nobody(),
        drop,
        |failure| {
            failures.push(failure);
        },
    );
    assert!(timeout(Duration::from_millis(700), never).await.is_err());
    assert!(failures.len() >= 2);
    assert!(
        failures
            .iter()
            .all(|failure| matches!(failure, Failure::TimedOut(_)))
    );
    let ready = until_ready(plainly(address), Test::Port, nobody(), drop, drop);
    assert_eq!(timeout(PATIENCE, ready).await.unwrap().status, None);
}

#[tokio::test]
async fn a_worker_on_the_other_loopback_address_is_found_there() {
    let Ok(six) = StdListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        // Said aloud, so that a machine without IPv6 does not look like a pass.
        println!("not tested: this machine has no ::1");
        return;
    };
    let six = {
        let address = six.local_addr().unwrap();
        drop(six);
        address
    };
    let four = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], six.port())));
    let ready = until_ready(plainly(four), question(), nobody(), drop, drop);
    let ready = tokio::select! {
        ready = timeout(PATIENCE, ready) => ready,
        () = serve(six) => unreachable!(),
    };
    assert_eq!(ready.unwrap().at, Address::Tcp(six));
}

#[tokio::test]
async fn a_worker_that_listens_elsewhere_is_told_where() {
    let elsewhere = StdListener::bind("127.0.0.1:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    // It need not know that it listens: its standard input is the socket.
    let mut worker = Command::new("/bin/sleep")
        .arg("60")
        .stdin(Stdio::from(OwnedFd::from(elsewhere)))
        .spawn()
        .unwrap();
    let (told, mut found) = mpsc::channel(2);
    let never = until_ready(
        plainly(Address::Tcp(free())),
        question(),
        Root::From(worker.id()),
        |port| told.try_send(port).unwrap(),
        drop,
    );
    let found = tokio::select! {
        _ = never => None,
        found = timeout(PATIENCE, found.recv()) => found.unwrap(),
    };
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(found, Some(port));
}
