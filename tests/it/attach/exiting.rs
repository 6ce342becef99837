//! Restarted by autoheal's own end, with the code that its pod waits for.

use std::{fs, io::Write, time::Duration};

use autoheal::time::{WallTime, wall};

use super::{App, rule};
use crate::support::Setup;

#[test]
fn it_answers_what_is_in_flight_and_ends_with_its_own_code_but_not_twice_in_a_minute() {
    let app = App::on_socket(&["--work", "3s"]);
    let toml = rule("requests = { count = 10 }");
    let attach = app.by_file("{ exit = 88 }");
    let sidecar = app.attached(&attach, &toml);
    let before = app.pid();
    let in_flight = sidecar.ask("/");
    sidecar.wait("it is in flight", || {
        let status = sidecar.status();
        (status["workers"][0]["in_flight"] == 1).then_some(())
    });
    sidecar.verb(&["recycle"]);
    assert_eq!(in_flight.answer().status, 200);
    assert_eq!(sidecar.ended().code(), Some(88), "{}", sidecar.log());
    assert_eq!(app.pid(), before, "it is not ours to end");
    // Its pod restarts both.
    app.kill();
    let setup = Setup {
        toml: format!("{toml}\n[attach]\n{attach}\n"),
        ..Setup::default()
    };
    let sidecar = sidecar.again(setup);
    sidecar.wait_for_kind("worker-ready");
    let asked: Vec<_> = (0..12).map(|_| sidecar.ask("/")).collect();
    for one in asked {
        assert_eq!(one.answer().status, 200);
    }
    let held = sidecar.wait_for_event("its rule is held", |event| {
        event["kind"] == "rule-held" && event["rule"] == "r"
    });
    let text = held["text"].as_str().unwrap();
    assert!(
        text.contains("ends for the app no more than once a minute"),
        "{text}"
    );
}

#[test]
fn what_it_ended_for_before_is_still_spent_when_it_comes_again() {
    let app = App::on_socket(&[]);
    let attach = app.by_file("{ exit = 88 }");
    let sidecar = app.attached(&attach, "");
    sidecar.verb(&["recycle"]);
    assert_eq!(sidecar.ended().code(), Some(88), "{}", sidecar.log());
    let used = |folder: &std::path::Path| {
        let all = fs::read_dir(folder.join("journal")).unwrap();
        let mut all: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
        all.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
        all.sort();
        all.pop().unwrap()
    };
    // As one that a rule asked for two minutes ago.
    let at = WallTime(wall().0 - u64::try_from(Duration::from_secs(120).as_millis()).unwrap());
    let line = format!(
        "{{\"v\":1,\"seq\":900,\"at\":\"{at}\",\"mono_ms\":1,\"kind\":\"shutting-down\",\
         \"level\":\"warn\",\"incident\":90,\"text\":\"a\",\"budget\":true}}\n"
    );
    let file = used(&sidecar.path("state"));
    let mut file = fs::File::options().append(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
    let setup = Setup {
        toml: format!("[attach]\n{attach}\n"),
        ..Setup::default()
    };
    let sidecar = sidecar.again(setup);
    // The operator's own costs nothing.
    assert_eq!(sidecar.status()["budget"]["used"], 1, "{}", sidecar.log());
}
