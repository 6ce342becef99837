//! The worker asked over real connections, by the load client and by hand.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
};

use clap::Parser;
use tokio::runtime::LocalOptions;

use super::{serve::Listener, *};
use crate::cli::load::{Plan, Report, drive};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    knobs: DemoWorkerArgs,
}

/// A worker with these knobs, in a thread that ends with the test process.
fn worker(knobs: &[&str]) -> SocketAddr {
    let args = Line::parse_from([&["worker", "--port", "0"], knobs].concat()).knobs;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap()
            .block_on(async {
                let listener = Listener::bind(&args).await.unwrap();
                sender.send(listener.port().unwrap()).unwrap();
                serve::run(args, listener).await.unwrap()
            })
    });
    ([127, 0, 0, 1], receiver.recv().unwrap()).into()
}

/// All that the worker says to a request for `path`.
fn get(worker: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(worker).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-a: 1\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn load(worker: SocketAddr, path: &str, change: impl FnOnce(Plan) -> Plan) -> Report {
    let plan = Plan {
        requests_max: Some(20),
        connections: 4,
        timeout: Duration::from_secs(20),
        ..Plan::to(&format!("http://{worker}{path}")).unwrap()
    };
    drive(change(plan)).unwrap()
}

#[test]
fn what_it_answers_is_what_the_load_client_holds_for_right() {
    let worker = worker(&[]);
    let post = |plan| Plan {
        method: http::Method::POST,
        body_bytes: 20_000,
        ids: true,
        ..plan
    };
    let reports = [
        load(worker, "/", |plan| plan),
        load(worker, "/any/path?at=all", |plan| plan),
        load(worker, "/download?bytes=100000&length=1", |plan| plan),
        load(worker, "/download?bytes=100000", |plan| plan),
        load(worker, "/events?ms=1&count=3", |plan| plan),
        load(worker, "/status?code=204", |plan| plan),
        load(worker, "/echo", post),
        load(worker, "/echo", |plan| Plan {
            chunked: true,
            ..post(plan)
        }),
        load(worker, "/upload-slow?ms=1", |plan| Plan {
            chunked: true,
            ..post(plan)
        }),
        load(worker, "/bad", |plan| Plan {
            expect: Some(500),
            ..plan
        }),
    ];
    for report in reports {
        assert_eq!((report.answered, report.failed), (20, 0), "{report}");
    }
}

#[test]
fn each_way_of_breaking_is_seen_as_itself() {
    let worker = worker(&["--status-path", "/odd=418"]);
    for (path, kind) in [
        ("/reset", "reset"),
        ("/truncate", "truncated"),
        ("/garbage", "garbage"),
        ("/bad", "status 500"),
        ("/odd", "status 418"),
        ("/status?code=503", "status 503"),
    ] {
        assert_eq!(
            load(worker, path, |plan| plan).failed_as(kind),
            20,
            "{path}"
        );
    }
}

#[test]
fn it_hangs_from_the_request_on_that_it_was_told() {
    let worker = worker(&["--hang-at", "8"]);
    let timeout = Duration::from_millis(200);
    let report = load(worker, "/", |plan| Plan { timeout, ..plan });
    assert_eq!(report.answered, 7);
    assert_eq!(report.failed_as("timeout") + report.failed_as("unsent"), 13);
}

#[test]
fn it_hangs_where_it_was_told_and_while_it_is_told() {
    let worker = worker(&["--hang-path", "/stuck"]);
    let impatient = |plan| Plan {
        timeout: Duration::from_millis(100),
        ..plan
    };
    assert_eq!(load(worker, "/stuck", impatient).answered, 0);
    assert_eq!(load(worker, "/", |plan| plan).failed, 0);
    assert!(get(worker, "/misbehave?hang=1").starts_with("HTTP/1.1 200"));
    assert_eq!(load(worker, "/", impatient).answered, 0);
}

#[test]
fn the_head_comes_back_as_it_was_received() {
    let answer = get(worker(&[]), "/headers?q=1");
    for line in [
        "\"target\":\"/headers?q=1\"",
        "[\"host\",\"x\"]",
        "[\"x-a\",\"1\"]",
    ] {
        assert!(answer.contains(line), "{answer}");
    }
    assert!(answer.contains(&format!("x-pid: {}\r\n", std::process::id())));
}

#[test]
fn every_id_received_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ids");
    let worker = worker(&["--ids", file.to_str().unwrap()]);
    let report = load(worker, "/", |plan| Plan { ids: true, ..plan });
    assert_eq!(report.failed, 0);
    let text = std::fs::read_to_string(file).unwrap();
    let mut numbers: Vec<u64> = text
        .lines()
        .map(|line| line.split_once('-').unwrap().1.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<u64>>());
}

#[test]
fn knobs_that_make_no_sense_are_refused() {
    for wrong in [
        ["--crash-signal", "HUP"],
        ["--status-path", "/bad"],
        ["--status-path", "/=9"],
    ] {
        assert!(
            Line::try_parse_from([&["worker"], &wrong[..]].concat()).is_err(),
            "{wrong:?}"
        );
    }
}
