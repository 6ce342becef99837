//! The verbs against a running admin API whose control thread only answers.

use std::{sync::Arc, thread};

use clap::Parser as _;
use tokio::{sync::oneshot, task::LocalSet};

use super::*;
use crate::{
    admin::{
        self,
        socket::{Bound, Folders, Place},
    },
    control::order::{self, Events, LogLine, Logs, Order, Refusal, Request, Status},
    explain::incident::{Incident, Kind},
};

/// An admin API on a thread of its own. Dropping it ends it.
struct Running {
    dir: tempfile::TempDir,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn with(control: impl Fn(Order) + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::At(dir.path().join("a.sock"));
        let bound = Bound::new(&place, &Folders::new([])).unwrap();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            LocalSet::new().block_on(&runtime, async {
                let (orders, mut receiver) = order::channel();
                let answer = async {
                    while let Some(order) = receiver.recv().await {
                        control(order);
                    }
                };
                tokio::select! {
                    () = admin::serve(bound.listener().unwrap(), orders) => {}
                    () = answer => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            dir,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Exit code, stdout, stderr.
    fn run(&self, line: &str) -> (i32, String, String) {
        let socket = self.dir.path().join("a.sock");
        let admin = format!("--admin=unix:{}", socket.display());
        run_with(["autoheal", &admin].into_iter().chain(line.split(' ')))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn run_with<'a>(line: impl Iterator<Item = &'a str>) -> (i32, String, String) {
    let arguments = Arguments::try_parse_from(line).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut io = Io {
        out: &mut out,
        err: &mut err,
    };
    let code = run(arguments, &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

fn yes(line: String, reply: oneshot::Sender<order::Answer>) {
    reply.send(Ok(line)).ok();
}

fn echoes(order: Order) {
    match order {
        Order::Recycle {
            instance,
            reason,
            force,
            wait,
            reply,
        } => yes(
            format!("recycle {instance:?} {reason} {force} {wait}"),
            reply,
        ),
        Order::Start(reply) => yes("start".to_owned(), reply),
        Order::Stop(reply) => yes("stop".to_owned(), reply),
        Order::Reload(reply) => yes("reload".to_owned(), reply),
        Order::Release(reply) => yes("release".to_owned(), reply),
        Order::Hold(time, reply) => yes(format!("hold {time:?}"), reply),
        Order::Disarm { rules, time, reply } => yes(format!("disarm {rules:?} {time:?}"), reply),
        Order::Arm { rules, reply } => yes(format!("arm {rules:?}"), reply),
        Order::Status(reply) => {
            let status = Status {
                ready: true,
                state: "serving".to_owned(),
                ..Status::default()
            };
            reply.send(status).ok();
        }
        Order::Events { reply, .. } => {
            let line = concat!(
                r#"{"at":"T","level":"warn","incident":7,"#,
                r#""generation":3,"instance":2,"text":"a\u001b"}"#
            );
            let lines = vec![(1, Arc::from(line))];
            reply.send(Events { lines, lost: 4 }).ok();
        }
        Order::Logs {
            previous,
            instance,
            reply,
            ..
        } => {
            reply.send(Ok(printed(previous, instance))).ok();
        }
        Order::Incidents { reply, .. } => {
            reply
                .send(vec![incident(7).to_json(), incident(6).to_json()])
                .ok();
        }
        Order::Incident { id: Some(8), reply } => {
            let refusal = Refusal {
                what: "there is no incident 8".to_owned(),
                cure: "near it: 6, 7".to_owned(),
            };
            reply.send(Err(refusal)).ok();
        }
        Order::Incident { id, reply } => yes(incident(id.unwrap_or(7)).to_json(), reply),
        Order::Requests(reply) => {
            let request = |age_ms, generation| Request {
                age_ms,
                generation,
                instance: (generation == 3).then_some(2),
                method: "GET".to_owned(),
                path: "/a".to_owned(),
                state: "sent".to_owned(),
            };
            let requests = vec![request(5, 2), request(61_000, 3)];
            reply.send(requests).ok();
        }
    }
}

fn printed(previous: bool, instance: Option<u32>) -> Logs {
    let line = LogLine {
        at: "T".to_owned(),
        generation: 2,
        instance,
        text: format!("previous {previous} \u{1b}[31m"),
        ..LogLine::default()
    };
    Logs {
        lines: vec![line],
        lost: 0,
    }
}

fn incident(id: u64) -> Incident {
    let mut incident = Incident::default();
    incident.id = id;
    incident.opened_at = "2026-11-26T00:51:02.123Z".to_owned();
    incident.what = "rule \"a\u{1b}\": 20 of 20 were 500-599 in 10s".to_owned();
    incident.kind = Kind::Rule;
    incident.rule = Some("a\u{1b}".to_owned());
    incident.outcome = Some("replaced".to_owned());
    incident
}

#[test]
fn incidents_are_a_table_and_one_is_a_story() {
    let running = Running::with(echoes);
    let (code, out, _) = running.run("incidents");
    assert_eq!(code, exit::DONE);
    let lines: Vec<_> = out.lines().collect();
    assert!(
        lines[0].starts_with("WHEN                  ID  WHAT"),
        "{out}"
    );
    let cells: Vec<_> = lines[1].split("  ").map(str::trim).collect();
    let cells: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
    let what = "20 of 20 were 500-599 in 10s";
    assert_eq!(
        cells,
        [
            "2026-11-26 00:51:02Z",
            "7",
            what,
            "a\\u001b",
            "-",
            "replaced",
            "-",
            "-"
        ]
    );
    let (_, out, _) = running.run("incidents --json");
    assert_eq!(out.lines().count(), 2);
    for (line, begins) in [
        ("explain", "Incident 7: rule"),
        ("explain 6", "Incident 6: rule"),
        ("explain #6", "Incident 6: rule"),
        ("explain 502101", "502101 WorkerRefusedConnection"),
    ] {
        let (code, out, _) = running.run(line);
        assert_eq!(code, exit::DONE, "{line}");
        assert!(out.starts_with(begins), "{line}: {out}");
    }
    let (code, _, err) = running.run("explain 8");
    assert_eq!(code, exit::NO);
    assert_eq!(err, "autoheal: there is no incident 8; near it: 6, 7\n");
}

#[test]
fn each_order_is_carried_out_and_its_answer_printed() {
    let running = Running::with(echoes);
    for (line, said) in [
        ("start", "start"),
        ("stop", "stop"),
        ("reload", "reload"),
        ("release", "release"),
        ("hold --for 20s", "hold 20s"),
        ("disarm a b --for 30min", "disarm [\"a\", \"b\"] 1800s"),
        ("arm", "arm []"),
        ("recycle", "recycle None  false false"),
        (
            "recycle --instance 2 --wait --force --reason x",
            "recycle Some(2) x true true",
        ),
    ] {
        let (code, out, err) = running.run(line);
        assert_eq!(
            (code, out.as_str()),
            (exit::DONE, &*format!("{said}\n")),
            "{err}"
        );
    }
    assert_eq!(running.run("start --json").1, "{\"text\":\"start\"}\n");
}

#[test]
fn what_is_shown_does_nothing_to_the_terminal() {
    let running = Running::with(echoes);
    let (code, out, err) = running.run("events");
    assert_eq!(
        (code, out.as_str()),
        (0, "T WARN a\\u001b incident=7 worker=3 instance=2\n")
    );
    assert!(err.contains("4 events are missing"), "{err}");
    let (code, out, _) = running.run("logs --previous");
    assert_eq!((code, out.as_str()), (0, "T 2 previous true \\u001b[31m\n"));
    let (_, out, _) = running.run("logs --instance 3");
    assert_eq!(out, "T 2 instance=3 previous false \\u001b[31m\n");
    let (_, out, _) = running.run("logs --json");
    assert!(out.contains("\\u001b[31m"), "{out}");
    let (_, out, _) = running.run("requests");
    let lines: Vec<_> = out.lines().map(str::trim).collect();
    assert_eq!(lines[0], "1min 1s sent      GET /a worker=3 instance=2");
    assert_eq!(lines[1], "5ms sent      GET /a worker=2");
}

#[test]
fn status_is_no_when_a_request_would_be_turned_away() {
    assert_eq!(Running::with(echoes).run("status").0, exit::DONE);
    let stopped = Running::with(|order| {
        if let Order::Status(reply) = order {
            reply.send(Status::default()).ok();
        }
    });
    assert_eq!(stopped.run("status").0, exit::NO);
    assert_eq!(stopped.run("status --json").0, exit::NO);
}

#[test]
fn a_refusal_is_exit_one_with_its_cure() {
    let refuses = Running::with(|order| {
        if let Order::Recycle { reply, .. } = order {
            let refusal = Refusal {
                what: "the old worker was kept".to_owned(),
                cure: "see autoheal logs".to_owned(),
            };
            reply.send(Err(refusal)).ok();
        }
    });
    let (code, _, err) = refuses.run("recycle --wait");
    assert_eq!(code, exit::NO);
    assert_eq!(
        err,
        "autoheal: the old worker was kept; see autoheal logs\n"
    );
    // A control thread that drops the order is as good as none.
    assert_eq!(refuses.run("stop").0, exit::UNREACHABLE);
}

#[test]
fn nobody_there_is_exit_sixty_nine_with_a_cure() {
    let dir = tempfile::tempdir().unwrap();
    let gone = format!("--admin=unix:{}/gone.sock", dir.path().display());
    let (code, _, err) = run_with(["autoheal", &gone, "status"].into_iter());
    assert_eq!(code, exit::UNREACHABLE);
    assert!(
        err.contains("gone.sock") && err.contains("is it running"),
        "{err}"
    );
    let tcp = ["autoheal", "--admin=127.0.0.1:9180", "status"];
    assert_eq!(run_with(tcp.into_iter()).0, exit::USAGE);
}

#[test]
fn one_who_follows_is_told_when_autoheal_goes() {
    let asked = std::sync::Mutex::new(false);
    let running = Running::with(move |order| {
        let mut asked = asked.lock().unwrap();
        // After the first answer the control thread takes no more orders.
        if let (Order::Events { reply, .. }, false) = (order, *asked) {
            *asked = true;
            let lines = vec![(1, Arc::from("{\"seq\":1}"))];
            reply.send(Events { lines, lost: 0 }).ok();
        }
    });
    let (code, out, _) = running.run("events --follow --json");
    assert_eq!((code, out.as_str()), (exit::UNREACHABLE, "{\"seq\":1}\n"));
}

#[test]
fn the_arguments_hold_together() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}
