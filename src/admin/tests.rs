//! The admin API over a real socket, before a control thread that only answers.

mod probes;
mod said;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::LocalSet,
};

use self::said::said;
use super::{
    socket::{Bound, Folders, Place},
    *,
};
use crate::control::order::{self, Events, LogLine, Logs, Order, Refusal, Status};

/// A running API, what its control thread was told, and where it listens.
struct World {
    _dir: tempfile::TempDir,
    bound: Bound,
    told: Rc<RefCell<Vec<String>>>,
}

impl World {
    /// Runs `test` beside an API whose orders go to `control`.
    fn run<F: Future<Output = ()>>(
        control: impl Fn(Order) + 'static,
        paused: bool,
        test: impl FnOnce(Rc<Self>) -> F,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(paused)
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let dir = tempfile::tempdir().unwrap();
            let place = Place::At(dir.path().join("a.sock"));
            let bound = Bound::new(&place, &Folders::new([])).unwrap();
            let told = Rc::new(RefCell::new(Vec::new()));
            let (orders, mut receiver): (_, mpsc::Receiver<Order>) = order::channel();
            tokio::task::spawn_local(serve(bound.listener().unwrap(), orders));
            let heard = Rc::clone(&told);
            tokio::task::spawn_local(async move {
                while let Some(order) = receiver.recv().await {
                    heard.borrow_mut().push(said(&order));
                    control(order);
                }
            });
            let world = Self {
                _dir: dir,
                bound,
                told,
            };
            test(Rc::new(world)).await;
        });
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.bound.path()).await.unwrap()
    }

    /// Sends a whole request and reads the whole answer: its status and body.
    async fn send(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read(stream).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&(head + body)).await
    }
}

async fn read(mut stream: UnixStream) -> (u16, String) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or(0), body.to_owned())
}

fn problem(body: &str) -> Value {
    let value: Value = serde_json::from_str(body).unwrap();
    assert!(value["cure"].as_str().is_some_and(|cure| !cure.is_empty()));
    value
}

/// Says yes to everything.
fn agrees(order: Order) {
    let yes = || Ok("done".to_owned());
    match order {
        Order::Recycle { reply, .. } | Order::Disarm { reply, .. } | Order::Arm { reply, .. } => {
            reply.send(yes()).ok();
        }
        Order::Start(reply)
        | Order::Stop(reply)
        | Order::Reload(reply)
        | Order::Release(reply)
        | Order::Hold(_, reply) => {
            reply.send(yes()).ok();
        }
        Order::Status(reply) => {
            reply.send(status()).ok();
        }
        Order::Events { reply, .. } => {
            let lines = vec![
                (4, Arc::from(r#"{"seq":4}"#)),
                (5, Arc::from(r#"{"seq":5}"#)),
            ];
            reply.send(Events { lines, lost: 2 }).ok();
        }
        Order::Logs { reply, .. } => {
            let line = LogLine {
                seq: 9,
                text: "hello".to_owned(),
                ..LogLine::default()
            };
            let lines = vec![line];
            reply.send(Ok(Logs { lines, lost: 1 })).ok();
        }
        Order::Incidents { limit, reply } => {
            let all = [r#"{"id":7}"#, r#"{"id":6}"#].map(str::to_owned);
            reply.send(all.into_iter().take(limit).collect()).ok();
        }
        Order::Incident { id: Some(8), reply } => {
            let refusal = Refusal {
                what: "there is no incident 8".to_owned(),
                cure: "near it: 6, 7".to_owned(),
            };
            reply.send(Err(refusal)).ok();
        }
        Order::Incident { id, reply } => {
            let id = id.unwrap_or(7);
            reply.send(Ok(format!("{{\"id\":{id}}}"))).ok();
        }
        Order::Requests(reply) => {
            reply.send(vec![order::Request::default(); 3]).ok();
        }
    }
}

fn status() -> Status {
    Status {
        version: "9.9".to_owned(),
        ready: true,
        state: "serving".to_owned(),
        ..Status::default()
    }
}

#[test]
fn status_is_the_snapshot_as_json() {
    World::run(agrees, false, |world| async move {
        let (code, body) = world.get("/api/v1/status").await;
        assert_eq!(code, 200);
        assert_eq!(serde_json::from_str::<Status>(&body).unwrap(), status());
    });
}

#[test]
fn incidents_are_listed_and_told_one_by_one() {
    World::run(agrees, false, |world| async move {
        for (path, body) in [
            (
                "incidents",
                r#"{"incidents":[{"id":7},{"id":6}],"left_out":0}"#,
            ),
            (
                "incidents?limit=1",
                r#"{"incidents":[{"id":7}],"left_out":0}"#,
            ),
            ("incidents/6", r#"{"id":6}"#),
            ("incidents/latest", r#"{"id":7}"#),
        ] {
            let told = world.get(&format!("/api/v1/{path}")).await;
            assert_eq!(told, (200, body.to_owned()), "{path}");
        }
        for path in ["incidents/8", "incidents/x", "incidents/"] {
            let (code, body) = world.get(&format!("/api/v1/{path}")).await;
            assert_eq!(code, 404, "{path}");
            problem(&body);
        }
    });
}

#[test]
fn each_change_reaches_the_control_thread_with_its_words() {
    World::run(agrees, false, |world| async move {
        for (verb, body, order) in [
            ("recycle", "", "recycle None  false false"),
            (
                "recycle",
                r#"{"instance":2,"reason":"why","force":true,"wait":true}"#,
                "recycle Some(2) why true true",
            ),
            ("start", "{}", "start"),
            ("stop", "{}", "stop"),
            ("reload", "{}", "reload"),
            ("hold", r#"{"for":"20s"}"#, "hold 20s"),
            ("release", "{}", "release"),
            (
                "disarm",
                r#"{"rules":["a"],"for":"30min"}"#,
                "disarm [\"a\"] 1800s",
            ),
            ("arm", "{}", "arm []"),
        ] {
            let answer = world.post(&format!("/api/v1/{verb}"), body).await;
            assert_eq!(
                answer,
                (200, json!({ "text": "done" }).to_string()),
                "{verb}"
            );
            assert_eq!(world.told.borrow_mut().pop().as_deref(), Some(order));
        }
    });
}

#[test]
fn events_and_logs_say_where_to_go_on() {
    World::run(agrees, false, |world| async move {
        let (_, body) = world.get("/api/v1/events?since=3&limit=7").await;
        assert_eq!(
            body,
            r#"{"events":[{"seq":4},{"seq":5}],"next":5,"lost":2}"#
        );
        let (_, body) = world.get("/api/v1/logs?previous=1&limit=5000").await;
        let logs: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&logs["next"], &logs["lost"]), (&json!(9), &json!(1)));
        assert_eq!(
            *world.told.borrow(),
            ["events Some(3) 7", "logs true None None 1000"]
        );
        let (_, body) = world.get("/api/v1/requests?limit=2").await;
        let requests: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(requests["requests"].as_array().unwrap().len(), 2);
        assert_eq!(requests["left_out"], 1);
    });
}

#[test]
fn what_is_wrong_is_said_with_a_cure() {
    World::run(agrees, false, |world| async move {
        let (code, body) = world.get("/api/v1/recycle").await;
        assert_eq!((code, &problem(&body)["status"]), (405, &json!(405)));
        let (code, body) = world.get("/api/v2/status").await;
        assert_eq!((code, &problem(&body)["status"]), (404, &json!(404)));
        let (code, body) = world.get("/api/v1/events?since=x").await;
        assert_eq!((code, &problem(&body)["status"]), (400, &json!(400)));
        let form = "POST /api/v1/stop HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\
                    Content-Type: text/plain\r\n\r\n";
        let (code, body) = world.send(form).await;
        assert_eq!((code, &problem(&body)["status"]), (415, &json!(415)));
        for (verb, body) in [
            ("hold", "{}"),
            ("hold", r#"{"for":"soon"}"#),
            ("recycle", r#"{"foce":true}"#),
            ("stop", "[1"),
        ] {
            let (code, body) = world.post(&format!("/api/v1/{verb}"), body).await;
            assert_eq!((code, &problem(&body)["status"]), (400, &json!(400)));
        }
        assert!(world.told.borrow().is_empty());
    });
}

#[test]
fn a_refusal_is_a_conflict_that_carries_its_cure() {
    let refuses = |order| {
        if let Order::Start(reply) = order {
            let refusal = Refusal {
                what: "it runs already".to_owned(),
                cure: "use recycle".to_owned(),
            };
            reply.send(Err(refusal)).ok();
        }
    };
    World::run(refuses, false, |world| async move {
        let (code, body) = world.post("/api/v1/start", "{}").await;
        assert_eq!(
            (code, &problem(&body)["cure"]),
            (409, &json!("use recycle"))
        );
        // The place for the answer is dropped: the control thread is going away.
        let (code, _) = world.post("/api/v1/stop", "{}").await;
        assert_eq!(code, 503);
    });
}

#[test]
fn bodies_and_heads_over_the_limit_are_refused() {
    World::run(agrees, false, |world| async move {
        let large = format!(r#"{{"reason":"{}"}}"#, "x".repeat(REQUEST_BYTES_MAX));
        assert_eq!(world.post("/api/v1/recycle", &large).await.0, 413);
        let path = format!("/{}", "x".repeat(2 * REQUEST_BYTES_MAX));
        assert!(matches!(world.get(&path).await.0, 414 | 431));
        assert!(world.told.borrow().is_empty());
    });
}

#[test]
fn probes_tell_alive_from_ready() {
    let starting = |order| {
        if let Order::Status(reply) = order {
            let ready = Status {
                ready: false,
                state: "starting".to_owned(),
                ..status()
            };
            reply.send(ready).ok();
        }
    };
    World::run(starting, false, |world| async move {
        assert_eq!(world.get("/livez").await.0, 200);
        assert_eq!(world.get("/readyz").await, (503, "starting\n".to_owned()));
    });
    World::run(agrees, false, |world| async move {
        assert_eq!(world.get("/readyz").await, (200, "serving\n".to_owned()));
    });
}

#[test]
fn a_stuck_control_thread_is_not_alive() {
    let kept = RefCell::new(Vec::new());
    let stuck = move |order| kept.borrow_mut().push(order);
    World::run(stuck, true, |world| async move {
        assert_eq!(world.get("/livez").await.0, 503);
        assert_eq!(world.get("/api/v1/status").await.0, 503);
    });
}

#[test]
fn clients_that_send_nothing_lose_their_place_to_those_who_ask() {
    World::run(agrees, true, |world| async move {
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            idle.push(world.connect().await);
        }
        let (code, _) = world.get("/api/v1/status").await;
        assert_eq!(code, 200);
        for stream in idle {
            read(stream).await;
        }
    });
}

#[test]
fn no_more_clients_are_served_at_once_than_there_are_places() {
    let kept = RefCell::new(Vec::new());
    let slow = move |order| kept.borrow_mut().push(order);
    World::run(slow, false, |world| async move {
        let wait = r#"{"wait":true}"#;
        let request = format!(
            "POST /api/v1/recycle HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{wait}",
            wait.len()
        );
        let mut waiting = Vec::new();
        for _ in 0..CONNECTIONS_MAX + 5 {
            let mut stream = world.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            waiting.push(stream);
        }
        while world.told.borrow().len() < CONNECTIONS_MAX {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.told.borrow().len(), CONNECTIONS_MAX);
        // One leaves, and the next is served.
        waiting.swap_remove(0);
        while world.told.borrow().len() == CONNECTIONS_MAX {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_answer_is_bounded_and_a_client_that_never_reads_it_is_left() {
    let talks = |order| {
        if let Order::Events { reply, .. } = order {
            let line: Arc<str> = Arc::from(format!("\"{}\"", "x".repeat(10_000)));
            let lines = (1..=1_000).map(|seq| (seq, Arc::clone(&line))).collect();
            reply.send(Events { lines, lost: 0 }).ok();
        }
    };
    World::run(talks, true, |world| async move {
        let (_, body) = world.get("/api/v1/events?since=0").await;
        assert!(body.len() <= 1024 * 1024 + 100, "{}", body.len());
        let value: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["next"], value["events"].as_array().unwrap().len());

        let mut deaf = world.connect().await;
        let request = "GET /api/v1/events HTTP/1.1\r\nHost: a\r\n\r\n";
        deaf.write_all(request.as_bytes()).await.unwrap();
        time::sleep(PATIENCE * 2).await;
        let mut bytes = Vec::new();
        deaf.read_to_end(&mut bytes).await.ok();
        assert!(bytes.len() < body.len(), "the rest was not kept for it");
    });
}

#[test]
fn one_who_follows_gets_the_next_event_when_it_comes() {
    let asked = RefCell::new(0);
    let later = move |order| {
        if let Order::Events { reply, since, .. } = order {
            *asked.borrow_mut() += 1;
            let lines = if *asked.borrow() < 3 {
                Vec::new()
            } else {
                vec![(since.unwrap() + 1, Arc::from("{}"))]
            };
            reply.send(Events { lines, lost: 0 }).ok();
        }
    };
    World::run(later, true, |world| async move {
        let (_, body) = world.get("/api/v1/events?since=7&wait=30").await;
        assert_eq!(body, r#"{"events":[{}],"next":8,"lost":0}"#);
    });
    let never = |order| {
        if let Order::Events { reply, .. } = order {
            reply.send(Events::default()).ok();
        }
    };
    World::run(never, true, |world| async move {
        let (_, body) = world.get("/api/v1/events?since=7&wait=99999").await;
        assert_eq!(body, r#"{"events":[],"next":7,"lost":0}"#);
    });
}
