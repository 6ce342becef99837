//! The access log: one line for each request however it ends, and a reader that stalls is nobody's
//! problem but its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Connection, Setup, Sidecar, command_of_demo_worker};

/// Waits for the line of a path.
fn line_of(sidecar: &Sidecar, path: &str) -> Value {
    sidecar.wait(&format!("{path} has its line"), || {
        let text = fs::read_to_string(sidecar.path("access.log")).ok()?;
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut found: Vec<Value> = lines.filter(|line: &Value| line["path"] == path).collect();
        assert!(found.len() < 2, "one line a request: {text}");
        found.pop()
    })
}

/// Waits until the status says so of this member.
fn waiting(sidecar: &Sidecar, part: &str, member: &str, count: u64) {
    sidecar.wait(&format!("{part} has {count} {member}"), || {
        (sidecar.status()[part][member] == count).then_some(())
    });
}

#[test]
fn every_request_has_one_line_however_it_ends() {
    let toml = "access_log.path = \"access.log\"\nparking.requests = 1\n";
    let sidecar = Sidecar::start(toml, &[]);
    let body = sidecar.get("/plain?token=secret").body.len();
    let plain = line_of(&sidecar, "/plain");
    assert_eq!(
        (&plain["status"], &plain["bytes"]),
        (&200.into(), &body.into())
    );
    assert_eq!(
        (&plain["end"], &plain["worker"]),
        (&"completed".into(), &1.into())
    );
    assert_eq!(
        (&plain["client"], &plain["host"]),
        (&"127.0.0.1".into(), &"it".into())
    );
    assert_eq!(
        (&plain["parked"], &plain["replayed"]),
        (&false.into(), &0.into())
    );
    assert!(plain["duration_ms"].as_f64() >= plain["head_ms"].as_f64());

    let unread = sidecar.ask("/download?bytes=70000000&seconds=60");
    waiting(&sidecar, "ledger", "in_flight", 1);
    let mut connection = unread;
    let mut first = [0; 4096];
    assert!(connection.0.read(&mut first).unwrap() > 0);
    drop(connection);
    let left = line_of(&sidecar, "/download");
    assert_eq!(
        (&left["end"], &left["status"]),
        (&"aborted".into(), &200.into())
    );

    let slow = sidecar.ask("/slow?ms=1500");
    waiting(&sidecar, "ledger", "in_flight", 1);
    sidecar.worker().signal(Signal::KILL);
    assert_eq!(slow.answer().status, 200, "{}", sidecar.log());
    let again = line_of(&sidecar, "/slow");
    assert_eq!(
        (&again["replayed"], &again["worker"]),
        (&1.into(), &2.into())
    );

    sidecar.order(&["hold", "--for", "20s"]);
    let parked = sidecar.ask("/parked");
    waiting(&sidecar, "parking", "requests", 1);
    assert_eq!(sidecar.get("/full").code(), Some("503102"));
    sidecar.order(&["release"]);
    assert_eq!(parked.answer().status, 200);
    assert_eq!(line_of(&sidecar, "/parked")["parked"], true);
    let full = line_of(&sidecar, "/full");
    assert_eq!(
        (&full["end"], &full["status"]),
        (&"refused".into(), &503.into())
    );
    assert!(full["code"].as_str().unwrap().contains("503102"), "{full}");
    let text = fs::read_to_string(sidecar.path("access.log")).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_combined_log_is_as_other_servers_write_it() {
    let toml = "[access_log]\npath = \"access.log\"\nformat = \"combined\"\nquery = true\n\
                fields = [\"user_agent\"]\n";
    let sidecar = Sidecar::start(toml, &[]);
    let head = "GET /a?b=c HTTP/1.1\r\nHost: it\r\nUser-Agent: the \"it\"\r\n\
                Referer: http://private/\r\nConnection: close\r\n\r\n";
    let answer = Connection::open(sidecar.address).send(head).answer();
    let line = sidecar.wait("there is a line", || {
        let text = fs::read_to_string(sidecar.path("access.log")).ok()?;
        text.lines().next().map(str::to_owned)
    });
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    let end = format!(
        " +0000] \"GET /a?b=c HTTP/1.1\" 200 {} \"-\" \"the \\\"it\\\"\"",
        answer.body.len()
    );
    assert!(line.ends_with(&end), "{line}");
}

#[test]
fn a_reader_that_stalls_costs_lines_and_no_request() {
    let setup = Setup {
        toml: "access_log.path = \"stdout\"\n".to_owned(),
        command: command_of_demo_worker(&[]),
        stdout: Some(Stdio::piped()),
        ..Setup::default()
    };
    let sidecar = setup.launch();
    sidecar.wait_for_kind("worker-ready");
    let stream = Connection::open(sidecar.address).0;
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let many = "HEAD / HTTP/1.1\r\nHost: it\r\n\r\n".repeat(100);
    let mut lost = 0;
    // What fits the pipe, the batch and the queue is less than half of this.
    for _ in 0..120 {
        (&stream).write_all(many.as_bytes()).unwrap();
        let mut heads = 0;
        while heads < 100 {
            let mut line = String::new();
            assert!(answers.read_line(&mut line).unwrap() > 0, "it goes on");
            if line.starts_with("HTTP/1.1 ") {
                assert!(line.starts_with("HTTP/1.1 200"), "{line}");
                heads += 1;
            }
        }
        lost = sidecar.status()["access_log_lost"].as_u64().unwrap();
        if lost > 0 {
            break;
        }
    }
    assert!(lost > 0, "the queue is bounded");
    sidecar.close_stdout();
    sidecar.wait("the loss is said", || {
        let said = "lines of the access log were dropped";
        sidecar.log().contains(said).then_some(())
    });
}
