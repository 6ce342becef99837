//! Rules over what is measured of the worker's processes, end to end.

use crate::{
    rules::rule,
    support::{Setup, Sidecar, command_of_demo_worker},
};

fn fired(sidecar: &Sidecar) -> String {
    let fired = sidecar.wait_for_kind("rule-fired");
    fired["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_worker_whose_child_burns_cpu_is_recycled() {
    // Other tests run beside this one, so that a whole core is not to be had.
    let script = "(while :; do :; done) & exec \"$0\" \"$@\"";
    let mut command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    command.extend(command_of_demo_worker(&[]));
    let sidecar = Setup {
        toml: rule("cpu = { share = \"10%\", of = \"core\", for = \"2s\" }"),
        command,
        ..Setup::default()
    }
    .launch();
    let text = fired(&sidecar);
    assert!(text.contains("CPU of one core: "), "{text}");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
}

#[test]
fn a_worker_with_too_many_connections_is_recycled() {
    let sidecar = Sidecar::start(&rule("connections = { count = 6 }"), &[]);
    let open: Vec<_> = (0..6).map(|_| sidecar.ask("/slow?ms=4000")).collect();
    let text = fired(&sidecar);
    assert!(text.contains("open TCP connections (limit: 6)"), "{text}");
    for connection in open {
        assert_eq!(connection.answer().status, 200, "{}", sidecar.log());
    }
}

#[test]
fn descriptors_threads_and_pressure_are_shown_and_what_can_not_be_read_is_off() {
    let toml = rule("descriptors = { count = 1000000 }")
        + &rule("descriptors = { share = \"99%\" }").replace("\"r\"", "\"share\"")
        + &rule("threads = { count = 1000000 }").replace("\"r\"", "\"threads\"")
        + &rule("pressure = { of = \"memory\", share = \"99%\" }").replace("\"r\"", "\"psi\"");
    let toml = toml.replace("proactive = false\n", "");
    let sidecar = Sidecar::start(&toml, &[]);
    let now = |at: usize| {
        sidecar.status()["rules"][at]["now"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    sidecar.wait("everything is measured", || {
        let open = |text: &str| {
            text.split(' ')
                .next()?
                .parse::<u64>()
                .ok()
                .filter(|n| *n > 2)
        };
        open(&now(0))?;
        now(2)
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
            .filter(|n| *n > 0)
    });
    assert!(
        now(0).ends_with("open descriptors (limit: 1000000)"),
        "{}",
        now(0)
    );
    assert!(now(1).starts_with("open descriptors: "), "{}", now(1));
    let state = sidecar.status()["rules"][3]["state"].clone();
    assert!(state == "armed" || state == "off", "{state}");
}

#[test]
fn a_rule_that_needs_two_things_fires_when_both_are_there() {
    let parts = "{ connections = { count = 3 } }, \
                 { status = { codes = 500, count = 3, window = \"60s\" } }";
    let sidecar = Sidecar::start(&rule(&format!("all = [{parts}]")), &[]);
    for _ in 0..4 {
        assert_eq!(sidecar.get("/bad").status, 500);
    }
    sidecar.wait("the first is measured", || {
        let now = sidecar.status()["rules"][0]["now"].as_str()?.to_owned();
        now.contains("and 4 of 4 answers").then_some(())
    });
    assert_eq!(sidecar.events("rule-fired").len(), 0, "{}", sidecar.log());
    let open: Vec<_> = (0..3).map(|_| sidecar.ask("/slow?ms=3000")).collect();
    let text = fired(&sidecar);
    assert!(text.contains("(limit: 3) and 4 of "), "{text}");
    drop(open);
}
