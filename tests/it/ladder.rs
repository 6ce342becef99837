//! What a rule does beside recycling: capture, notify, unready, and more at the next firing in a
//! row; end to end.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::Value;

use crate::support::Sidecar;

fn rule(actions: &str) -> String {
    format!(
        "proactive = false\n[parking]\nprobe = \"/probe\"\n[[rule]]\nname = \"r\"\n\
         when.status = {{ codes = 500, count = 2, window = \"10min\" }}\ndo = {actions}\n\
         min_uptime = \"0s\"\ncooldown = \"0s\"\n"
    )
}

fn fire(sidecar: &Sidecar) -> String {
    for _ in 0..2 {
        assert_eq!(sidecar.get("/bad").status, 500);
    }
    let fired = sidecar.wait_for_kind("rule-fired");
    fired["text"].as_str().unwrap().to_owned()
}

/// A webhook that takes one POST; its JSON.
fn hook() -> (String, thread::JoinHandle<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let taken = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut came = Vec::new();
        loop {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            came.extend_from_slice(&bytes[..count]);
            let text = String::from_utf8_lossy(&came);
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
            if let Some(Ok(json)) = body.map(serde_json::from_str) {
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .unwrap();
                return json;
            }
            assert!(count > 0, "it ended early: {text}");
        }
    });
    (url, taken)
}

#[test]
fn a_sick_worker_is_captured_and_told_of_before_it_goes() {
    let (url, told) = hook();
    let actions = format!("[\"recycle\", \"capture\", {{ notify = \"{url}\" }}]");
    let sidecar = Sidecar::start(&rule(&actions), &[]);
    assert_eq!(sidecar.get("/print?bytes=100").status, 200);
    let pid = sidecar.worker().who.pid;
    let hanging = sidecar.ask("/hang?token=SECRET");
    sidecar.wait("it is in flight", || {
        let flying = sidecar.status()["workers"][0]["in_flight"].as_u64();
        (flying == Some(1)).then_some(())
    });
    fire(&sidecar);
    // Which of the two ends first is nobody's business.
    let event = |kind: &str| sidecar.wait(kind, || sidecar.events(kind).pop());
    let captured = event("captured");
    let text = captured["text"].as_str().unwrap();
    assert!(text.contains("1 requests in flight; kept in "), "{text}");
    let path = text.rsplit_once("kept in ").unwrap().1;
    let capture: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(capture["requests"][0]["path"], "/hang");
    assert_eq!(capture["incident"], captured["incident"]);
    let processes = capture["processes"].as_array().unwrap();
    let main = processes.iter().find(|one| one["pid"] == pid).unwrap();
    assert!(
        main["command"].as_str().unwrap().contains("demo-worker"),
        "{main}"
    );
    assert!(!main["threads"].as_array().unwrap().is_empty(), "{main}");
    let last = capture["output"].as_array().unwrap().last().unwrap();
    assert!(
        last["text"].as_str().unwrap().starts_with("line 0 "),
        "{last}"
    );
    assert!(!capture.to_string().contains("SECRET"));
    let told = told.join().unwrap();
    assert_eq!(
        (&told["rule"], &told["generation"]),
        (&"r".into(), &1.into())
    );
    assert_eq!(told["incident"], captured["incident"]);
    let notified = event("notified");
    let text = notified["text"].as_str().unwrap();
    assert!(text.contains("(204 No Content"), "{text}");
    drop(hanging);
}

#[test]
fn load_balancers_are_kept_away_until_another_worker_serves() {
    let sidecar = Sidecar::start(&rule("\"unready\""), &[]);
    assert_eq!(sidecar.get("/probe").status, 200);
    let text = fire(&sidecar);
    assert!(
        text.contains("telling load balancers that it is not ready"),
        "{text}"
    );
    sidecar.wait_for_kind("readiness");
    let refused = sidecar.wait("data threads know", || {
        let answer = sidecar.get("/probe");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(refused.code(), Some("503110"), "{}", refused.head);
    assert_eq!(
        sidecar.get("/").status,
        200,
        "clients that still come are served"
    );
    assert_eq!(sidecar.status()["ready"], false);
    sidecar.recycle();
    sidecar.wait("it is asked again", || {
        (sidecar.get("/probe").status == 200).then_some(())
    });
    assert_eq!(sidecar.status()["ready"], true);
}

#[test]
fn only_the_second_firing_in_a_row_recycles() {
    let sidecar = Sidecar::start(&rule("[\"log\", { recycle = \"auto\", after = 2 }]"), &[]);
    let text = fire(&sidecar);
    assert!(text.contains("fired (1 in a row)"), "{text}");
    assert!(
        text.ends_with("only said, as it has no other action"),
        "{text}"
    );
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        0,
        "{}",
        sidecar.log()
    );
    let text = fire(&sidecar);
    assert!(text.contains("fired (2 in a row)"), "{text}");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
}
