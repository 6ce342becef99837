//! Records folded from lines as the journal has them, and their stories.

mod told;

use serde_json::{Value, json};

use super::{
    store::{INCIDENTS_MAX, Incidents, cure_for_unknown},
    story::{in_short, story},
    *,
};

fn line(kind: &str, id: u64, mono_ms: u64, more: &Value) -> String {
    let mut line = json!({
        "v": 1, "seq": mono_ms, "at": "2026-11-26T00:51:02.123Z", "mono_ms": mono_ms,
        "kind": kind, "level": "warn", "incident": id,
    });
    let (all, more) = (line.as_object_mut().unwrap(), more.as_object().unwrap());
    all.extend(more.clone());
    line.to_string()
}

fn crash(id: u64, mono_ms: u64, more: &Value) -> String {
    let mut all = json!({
        "generation": 2, "what": "worker 2 (pid 812) was killed by SIGKILL after 35s with 12 in \
        flight", "text": "worker 2 (pid 812) was killed by SIGKILL after 35s with 12 in flight; \
        restarting at once (1 of 3 this minute)", "how": "killed by SIGKILL", "signal": 9,
        "uptime_ms": 35_000, "in_flight": 12, "oom_killed": false, "core_dumped": false,
    });
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    line("worker-exited", id, mono_ms, &all)
}

fn folded(lines: &[String]) -> Incidents {
    Incidents::of(lines.iter().map(String::as_str))
}

fn one(lines: &[String]) -> Incident {
    let all = folded(lines);
    assert_eq!(all.count(), 1);
    all.latest().next().unwrap().clone()
}

/// A crash that was dealt with, and what it cost.
fn healed() -> Incident {
    let ready = json!({ "generation": 3, "text": "worker 3 (pid 901) ready after 310ms" });
    let mut incident = one(&[
        crash(4, 1_000, &json!({})),
        line(
            "worker-starting",
            4,
            1_001,
            &json!({ "text": "starting worker 3" }),
        ),
        line("worker-ready", 4, 1_311, &ready),
    ]);
    let codes = [("502102 WorkerClosedConnection".to_owned(), 2)];
    incident.charge(Cost {
        ended: 240,
        parked: 62,
        replayed: 10,
        failed: 2,
        by_code: codes.into(),
        late: 70,
        delay_median_ms: Some(190),
        delay_worst_ms: Some(340),
        saved: 70,
        ..Cost::default()
    });
    incident.close("2026-11-26T00:51:03.500Z".to_owned(), 1_377);
    incident
}

#[test]
fn a_crash_tells_who_died_of_what_and_who_came_instead() {
    let incident = healed();
    assert_eq!(incident.kind, Kind::Crash);
    assert_eq!(
        (incident.generation, incident.replaced_by),
        (Some(2), Some(3))
    );
    assert_eq!(incident.came_out(), "restarted");
    let exit = incident.exit.as_ref().unwrap();
    assert_eq!(
        (exit.signal, exit.code, exit.in_flight),
        (Some(9), None, 12)
    );
    let after: Vec<_> = incident.moments.iter().map(|one| one.after_ms).collect();
    assert_eq!(after, [0, 1, 311]);
    assert_eq!(
        in_short(&incident),
        "incident 4 is over after 1.4s: worker 2 (pid 812) was killed by SIGKILL after 35s with \
         12 in flight; restarted; it cost 62 parked, 10 replayed, 2 failed, and averted 70 errors"
    );
}

#[test]
fn the_story_of_a_crash_is_told_in_plain_english() {
    insta::assert_snapshot!(story(&healed()));
}

#[test]
fn a_cure_fits_the_way_a_worker_ended() {
    let core = json!({ "signal": 11, "core_dumped": true, "how": "killed by SIGSEGV" });
    for (more, cure) in [
        (json!({ "oom_killed": true }), "more memory"),
        (json!({}), "Find out who did it"),
        (core, "core dump"),
        (json!({ "signal": null, "exit_code": 1 }), "logs --previous"),
        (json!({ "signal": null, "exit_code": 0 }), "meant to end"),
        (json!({ "signal": null }), "Ask whoever started it"),
    ] {
        let page = story(&one(&[crash(1, 1, &more)]));
        assert!(page.contains(cure), "{more}: {page}");
    }
}

#[test]
fn what_a_worker_had_when_it_crashed_is_part_of_why() {
    let end = json!({ "signal": 11, "how": "killed by SIGSEGV", "in_flight": 0 });
    let had = json!({
        "requests": "GET /pdf/*, POST /x",
        "text": "when the worker crashed it had in flight: GET /pdf/*, POST /x",
    });
    let incident = one(&[crash(7, 1_000, &end), line("had-in-flight", 7, 1_002, &had)]);
    let page = story(&incident);
    let why = page.split("What was done").next().unwrap();
    assert!(
        why.contains("It had in flight: GET /pdf/*, POST /x."),
        "{page}"
    );
    let without = story(&one(&[crash(7, 1_000, &end)]));
    assert!(!without.contains("It had in flight"), "{without}");
}

#[test]
fn what_nobody_can_count_is_not_said_to_be_none() {
    let mut incident = one(&[crash(1, 1, &json!({}))]);
    assert!(
        in_short(&incident).ends_with("; open"),
        "{}",
        in_short(&incident)
    );
    incident.charge(Cost {
        parked: 1,
        saved: 1,
        ..Cost::default()
    });
    let text = in_short(&incident);
    assert!(
        text.ends_with("it cost 1 parked, and averted 1 error"),
        "{text}"
    );
}

/// A firing of a rule that looks at statuses, its recycle and this verdict.
fn recycled(id: u64, verdict: &Value) -> Vec<String> {
    let fired = json!({
        "generation": 1, "rule": "failing", "when": "status", "recycles": true,
        "seen": "20 of 20 were 500-599 in 10s",
        "text": "rule \"failing\" fired: 20 of 20 were 500-599 in 10s; recycling worker 1",
    });
    let ended = json!({
        "generation": 2, "outcome": "replaced", "text": "worker 1 replaced by worker 2 after 1s",
    });
    vec![
        line("rule-fired", id, 100, &fired),
        line(
            "recycle-begun",
            id,
            101,
            &json!({ "generation": 1, "strategy": "overlap" }),
        ),
        line("recycle-ended", id, 1_100, &ended),
        line("verdict", id, 21_000, verdict),
    ]
}

#[test]
fn how_an_incident_came_out_follows_from_what_was_done() {
    let fired = |recycles: bool| {
        let more = json!({ "rule": "r", "recycles": recycles, "text": "r fired" });
        one(&[line("rule-fired", 1, 100, &more)]).outcome
    };
    assert_eq!(fired(false).as_deref(), Some("reported"));
    assert_eq!(fired(true), None, "nothing has come of it yet");
    let mut lines = recycled(1, &json!({}));
    lines.pop();
    lines.push(line("worker-ready", 1, 2_000, &json!({ "generation": 3 })));
    let incident = one(&lines);
    assert_eq!(
        (incident.came_out(), incident.replaced_by),
        ("replaced", Some(2))
    );
}

#[test]
fn no_more_errors_are_averted_than_there_were_requests() {
    let verdict = json!({
        "verdict": "helped", "because": "0 of 20 since", "compared": "status",
        "before_matching": 12, "before_total": 10, "after_matching": 0, "after_total": 20,
    });
    let mut incident = one(&recycled(1, &verdict));
    incident.charge(Cost::default());
    assert_eq!(incident.averted.unwrap().errors, 20);
}

#[test]
fn what_a_recycle_that_helped_averted_is_estimated_from_the_rates_it_was_judged_by() {
    let verdict = json!({
        "rule": "failing", "verdict": "helped", "because": "2 of 400 (0%) since, 20 of 40 before",
        "compared": "status", "before_matching": 20, "before_total": 40, "after_matching": 2,
        "after_total": 400,
    });
    let mut incident = one(&recycled(1, &verdict));
    incident.charge(Cost {
        saved: 3,
        ..Cost::default()
    });
    let averted = incident.averted.as_ref().unwrap();
    assert_eq!(averted.errors, 3 + 200 - 2);
    assert!(averted.method.contains("(counted)") && averted.method.contains("(estimated)"));
    assert!(
        averted
            .method
            .contains("200 would have failed at the rate before it (20 of 40)")
    );
    assert_eq!(incident.came_out(), "helped");
    assert!(story(&incident).contains("Yes: 2 of 400 (0%) since, 20 of 40 before."));
}

#[test]
fn nothing_is_estimated_of_what_is_no_error_or_did_not_help() {
    for (verdict, compared) in [
        ("did-not-help", "status"),
        ("unclear", "status"),
        ("helped", "slow"),
    ] {
        let verdict = json!({
            "verdict": verdict, "compared": compared, "before_matching": 20, "before_total": 40,
            "after_matching": 2, "after_total": 400,
        });
        let mut incident = one(&recycled(1, &verdict));
        incident.charge(Cost::default());
        assert_eq!(incident.averted, None, "{verdict}");
    }
}

#[test]
fn that_recycling_does_not_help_is_told_of_both_incidents_with_what_would() {
    let verdict = json!({
        "rule": "failing", "verdict": "did-not-help", "because": "20 of 20 again, 1s after it",
    });
    let mut lines = recycled(2, &verdict);
    let cure = "the same 500-599 came from the new worker: look at what it depends on";
    let no_help = json!({
        "rule": "failing", "cure": cure, "last": 2, "text": "disarmed", "code": 503_406,
    });
    lines.push(line("recycling-does-not-help", 3, 21_001, &no_help));
    let all = folded(&lines);
    for (id, says) in [
        (2, "No: recycling does not help: 20 of 20 again"),
        (3, "No: two recycles"),
    ] {
        let page = story(all.get(id).unwrap());
        assert!(page.contains(says), "{page}");
        let flat = page.replace("\n  ", " ");
        assert!(
            flat.contains("The same 500-599 came from the new worker"),
            "{page}"
        );
    }
    let no_help = all.get(3).unwrap();
    assert_eq!(no_help.came_out(), "disarmed");
    assert_eq!(no_help.code.as_deref(), Some("503406 RecyclingDoesNotHelp"));
    let page = story(no_help);
    assert!(page.contains("; 503406 RecyclingDoesNotHelp\n"), "{page}");
    assert!(
        page.contains("autoheal explain 503406 has more causes"),
        "{page}"
    );
}

#[test]
fn what_cost_clients_something_or_was_not_mended_is_worth_a_warning() {
    let verdict = |verdict| one(&recycled(1, &json!({ "verdict": verdict })));
    assert!(!verdict("helped").hurt());
    assert!(verdict("did-not-help").hurt() && verdict("unclear").hurt());
    let costs = |cost| {
        let mut incident = verdict("helped");
        incident.charge(cost);
        incident.hurt()
    };
    let (parked, failed, refused) = (5, 1, 1);
    assert!(!costs(Cost {
        parked,
        replayed: 5,
        ..Cost::default()
    }));
    assert!(costs(Cost {
        failed,
        ..Cost::default()
    }));
    assert!(costs(Cost {
        refused,
        ..Cost::default()
    }));
    let ended = |outcome| {
        let begun = line("recycle-begun", 1, 0, &json!({ "generation": 1 }));
        let ended = json!({ "outcome": outcome, "text": "" });
        one(&[begun, line("recycle-ended", 1, 9, &ended)]).hurt()
    };
    assert!(!ended("replaced") && ended("kept-old") && ended("failed"));
    assert!(
        one(&[
            line("worker-exited", 1, 0, &json!({})),
            line("gave-up", 1, 9, &json!({}))
        ])
        .hurt()
    );
}

#[test]
fn of_a_failed_health_probe_nobody_is_told_that_it_was_planned() {
    let what = "worker 1 failed 2 health probes in a row: no complete answer within 1s";
    let ended = json!({ "outcome": "replaced", "worker": 2, "text": "worker 1 replaced" });
    let incident = one(&[
        line("unhealthy", 3, 0, &json!({ "generation": 1, "text": what })),
        line(
            "recycle-begun",
            3,
            0,
            &json!({ "strategy": "overlap", "text": "recycling" }),
        ),
        line("recycle-ended", 3, 93, &ended),
    ]);
    let told = story(&incident);
    assert!(
        told.contains("The new worker answered before it was let in"),
        "{told}"
    );
    assert!(
        told.contains("Find out why it did not answer its probe"),
        "{told}"
    );
    assert!(!told.contains("planned"), "{told}");
}

#[test]
fn a_closed_record_stands_for_all_that_was_said_before() {
    let whole = healed();
    let record = json!({ "record": serde_json::from_str::<Value>(&whole.to_json()).unwrap() });
    let lines = [
        crash(4, 1_000, &json!({})),
        line("incident-closed", 4, 2_400, &record),
    ];
    let read = one(&lines);
    assert_eq!(read.state, State::Closed);
    assert_eq!(story(&read), story(&whole));
}

#[test]
fn what_was_open_when_autoheal_ended_is_cut_off() {
    let mut all = folded(&[crash(4, 1_000, &json!({}))]);
    all.cut_off();
    let page = story(all.get(4).unwrap());
    assert!(page.contains("autoheal ended"), "{page}");
    assert_eq!(all.get(4).unwrap().came_out(), "cut-off");
}

#[test]
fn records_and_their_number_are_bounded() {
    let mut lines = vec![crash(1, 1, &json!({}))];
    for nth in 0..200 {
        let text = json!({ "text": "\u{1}".repeat(600), "reason": nth });
        lines.push(line("start-failed", 1, nth, &text));
    }
    let incident = one(&lines);
    assert_eq!(incident.moments.len(), MOMENTS);
    let json = incident.to_json();
    assert!(json.len() <= RECORD_BYTES_MAX, "{}", json.len());
    let read: Incident = serde_json::from_str(&json).unwrap();
    assert_eq!(read.moments_left_out + read.moments.len() as u64, 201);
    assert!(read.moments[0].text.contains("SIGKILL"), "the first stays");

    let many: Vec<_> = (1..=INCIDENTS_MAX as u64 + 5)
        .map(|id| crash(id, id, &json!({})))
        .collect();
    let all = folded(&many);
    assert_eq!(all.count(), INCIDENTS_MAX);
    assert!(all.get(5).is_none() && all.get(6).is_some());
}

#[test]
fn what_a_worker_printed_does_nothing_to_the_terminal() {
    let more = json!({ "what": "worker 2 \u{1b}[31m", "text": "\u{1b}[31m" });
    let page = story(&one(&[crash(4, 1_000, &more)]));
    assert!(!page.contains('\u{1b}'), "{page}");
}

#[test]
fn an_unknown_number_gets_the_ones_near_it() {
    let near = cure_for_unknown(&[9, 7, 3, 2, 1], 8);
    assert_eq!(near, "near it: 3, 7, 9; autoheal incidents lists them all");
    assert_eq!(cure_for_unknown(&[], 8), "there was none so far");
}

#[test]
fn incidents_that_share_a_cost_are_named_and_one_error_is_one() {
    let mut incident = healed();
    let mut cost = incident.cost.take().unwrap();
    for (others, named) in [
        (
            &[5][..],
            "Incident 5 went on at the same time: what was counted then stands in both,",
        ),
        (
            &[5, 7],
            "Incidents 5 and 7 went on at the same time: what was counted then stands in each,",
        ),
        (&[5, 7, 9], "Incidents 5, 7 and 9 went on at the same time"),
    ] {
        cost.shared_with = others.to_vec();
        cost.saved = 1;
        incident.charge(cost.clone());
        let page = story(&incident).replace("\n  ", " ");
        assert!(page.contains(named), "{page}");
        assert!(in_short(&incident).ends_with("averted 1 error"));
    }
}

#[test]
fn what_only_someone_else_can_do_is_what_is_to_do() {
    let cure = "attach.restart is \"none\": whoever runs the app has to restart it";
    let fired = json!({ "rule": "r", "seen": "5 of 5", "recycles": false, "cure": cure });
    let incident = one(&[line("rule-fired", 1, 1_000, &fired)]);
    let told = story(&incident);
    assert!(
        told.contains(&format!("{}.", cure.replacen('a', "A", 1))),
        "{told}"
    );
    assert!(!told.contains("autoheal recycle"), "{told}");
}
