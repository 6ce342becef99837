//! Incidents of a live autoheal: what their stories say is what their clients saw.

use autoheal::cli::load::Report;
use http::Method;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    recycle::received,
    rules::{get, rule},
    support::{Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start},
};

/// The incident when it is over.
pub(crate) fn closed(sidecar: &Sidecar, id: u64) -> Value {
    sidecar.wait(&format!("incident {id} is over"), || {
        let path = format!("/api/v1/incidents/{id}");
        let incident = sidecar.client()?.get(&path).ok()?;
        (incident["state"] == "closed").then_some(incident)
    })
}

/// As one reads it, without its line breaks.
fn told(sidecar: &Sidecar, words: &[&str]) -> String {
    let page = sidecar.order(words);
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Kills the worker amid this load, once it has answered so many.
fn kill_amid(sidecar: &Sidecar, load: autoheal::cli::load::Running) -> Report {
    sidecar.wait("answers", || {
        (load.progress().answered >= 200 || load.is_finished()).then_some(())
    });
    sidecar.worker().signal(Signal::KILL);
    load.wait().unwrap()
}

#[test]
fn the_story_of_a_kill_under_load_names_its_signal_and_what_the_worker_received_twice() {
    let ids = tempfile::NamedTempFile::new().unwrap();
    let file = ids.path().to_str().unwrap();
    let sidecar = Sidecar::start("", &["--work", "30ms", "--ids", file]);
    let report = kill_amid(&sidecar, start(plan(&sidecar.url("/"), 5)));
    assert_whole(&report, &sidecar);
    let cost = closed(&sidecar, 1)["cost"].clone();
    // Who was sent once more was received twice, unless the first worker never read it.
    let twice = received(ids.path()).into_values().filter(|n| *n == 2);
    let (twice, replayed) = (twice.count() as u64, cost["replayed"].as_u64().unwrap());
    assert!(twice <= replayed && replayed <= 16, "{twice} {cost}");
    assert_eq!(cost["failed"], 0, "{cost}");
    assert_eq!(cost["saved"], cost["late"], "{cost}");
    assert!(cost["saved"].as_u64() >= Some(replayed), "{cost}");
    let page = told(&sidecar, &["explain"]);
    for words in [
        "was killed by SIGKILL",
        &format!("{replayed} went to a worker a second time"),
        "none failed",
        "Yes: worker 2 serves.",
        &format!("{} errors that clients would have got", cost["saved"]),
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let table = sidecar.order(&["incidents"]);
    assert!(table.contains("restarted"), "{table}");
    let line = sidecar.wait("one line of the log has all of it", || {
        let log = sidecar.log();
        let mut lines = log.lines().map(str::to_owned);
        lines.find(|line| line.contains("\"incident-closed\""))
    });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["record"]["cost"], cost);
}

#[test]
fn what_failed_is_told_by_code_as_its_clients_saw_it() {
    let sidecar = Sidecar::start("", &["--work", "100ms"]);
    let posts = autoheal::cli::load::Plan {
        method: Method::POST,
        body_bytes: 1_000,
        ..plan(&sidecar.url("/echo"), 5)
    };
    let report = kill_amid(&sidecar, start(posts));
    let cost = closed(&sidecar, 1)["cost"].clone();
    let by_code = cost["by_code"].as_object().unwrap();
    let failed: u64 = by_code.values().filter_map(Value::as_u64).sum();
    assert_eq!(failed, report.failed, "{cost}\n{report}");
    assert_eq!(cost["failed"], report.failed, "{cost}");
}

#[test]
fn incidents_outlive_autoheal_and_are_read_when_none_runs() {
    let setup = || Setup {
        command: command_of_demo_worker(&[]),
        ..Setup::default()
    };
    let sidecar = setup().launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar.worker().signal(Signal::KILL);
    closed(&sidecar, 1);
    let before = told(&sidecar, &["explain", "1"]);
    sidecar.wait("it is on the disk", || {
        let lines = sidecar.journal();
        lines
            .iter()
            .any(|line| line.contains("incident-closed"))
            .then_some(())
    });
    let sidecar = sidecar.again(setup());
    assert_eq!(told(&sidecar, &["explain", "1"]), before);
    let output = sidecar.verb(&["explain", "9"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("there is no incident 9") && said.contains("near it: 1"),
        "{said}"
    );
    sidecar.kill();
    let state = sidecar.path("state").display().to_string();
    assert_eq!(told(&sidecar, &["explain", "--state-dir", &state]), before);
}

#[test]
fn a_recycle_that_does_not_help_says_so_and_what_would() {
    let condition = "codes = \"500-599\", count = 20, window = \"2s\"";
    let rules = rule(&format!("status = {{ {condition} }}"));
    // Nobody reads more of such a log than its warnings, and all of the evidence is in it.
    let toml = rules + "[recycle]\nslow_start = \"0s\"\n[log]\nlevel = \"warn\"\n";
    let sidecar = Sidecar::start(&toml, &["--status-path", "/shop=503"]);
    sidecar.wait("it is said that recycling does not help", || {
        get(&sidecar, "/shop", 20);
        sidecar.events("recycling-does-not-help").pop()
    });
    assert_eq!(closed(&sidecar, 2)["verdict"]["verdict"], "did-not-help");
    for words in [&["explain", "2"][..], &["explain"]] {
        let page = told(&sidecar, words);
        for said in [
            "ecycling does not help",
            "The same 500-599 came from the new worker: look at what it depends on",
        ] {
            assert!(page.contains(said), "{page}");
        }
    }
    let page = told(&sidecar, &["explain"]);
    assert!(page.contains("503406 RecyclingDoesNotHelp"), "{page}");
    let record = |id: u64| {
        let (log, kind) = (sidecar.log(), "\"incident-closed\"");
        let mut lines = log.lines().filter(|line| line.contains(kind));
        lines.find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["incident"] == id && line["level"] == "warn").then(|| line["record"].clone())
        })
    };
    let record = sidecar.wait("the incident is in the log", || record(2));
    assert_eq!(record["verdict"]["verdict"], "did-not-help", "{record}");
    let log = sidecar.log();
    assert!(!log.contains("\"level\":\"info\""), "{log}");
    assert!(log.contains("(autoheal explain 503406)"), "{log}");
}

#[test]
fn what_a_recycle_that_helped_averted_is_estimated() {
    let condition = "codes = \"500-599\", count = 5, window = \"2s\"";
    let rules = rule(&format!("status = {{ {condition} }}"));
    let toml = rules + "[recycle]\nslow_start = \"0s\"\n";
    let sidecar = Sidecar::start(&toml, &[]);
    get(&sidecar, "/bad", 5);
    sidecar.wait_for_kind("recycle-ended");
    assert_whole(&start(plan(&sidecar.url("/"), 3)).wait().unwrap(), &sidecar);
    let incident = closed(&sidecar, 1);
    let verdict = &incident["verdict"];
    assert_eq!(verdict["verdict"], "helped", "{incident}");
    let after = verdict["after"][1].as_u64().unwrap();
    // Every request before the recycle failed, and none after it.
    assert_eq!(verdict["before"], serde_json::json!([5, 5]));
    let counted = incident["cost"]["saved"].as_u64().unwrap();
    assert_eq!(incident["averted"]["errors"], counted + after, "{incident}");
    let page = told(&sidecar, &["explain", "1"]);
    assert!(page.contains("(estimated)"), "{page}");
}

#[test]
fn why_a_worker_does_not_start_is_told_in_its_own_last_words() {
    let script = "exec >&2; echo 'Traceback (most recent call last):'; \
                  echo \"ModuleNotFoundError: No module named 'shop'\"; echo bye; exit 3";
    let sidecar = Setup {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..Setup::default()
    }
    .launch();
    let why =
        "exited with code 3 (ModuleNotFoundError: No module named 'shop') before it was ready";
    let failed = sidecar.wait_for_kind("start-failed");
    let text = failed["text"].as_str().unwrap();
    assert!(text.contains(why), "{text}");
    let page = told(&sidecar, &["explain"]);
    for words in [
        "Last words of worker",
        "Traceback (most recent call last): ModuleNotFoundError: No module named 'shop'",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // The newest has ended, so its words are the last ones.
    let logs = sidecar.order(&["logs", "--previous"]);
    assert!(logs.contains("bye"), "{logs}");
}
