//! The triggers, and what makes each fire.

use autoheal::time::wall;
use rustix::process::Signal;

use super::{Case, Stage, a_look};

/// A tick of 100 ms, and what one thing after another takes.
const TICK_MS: u64 = 300;
/// What is sampled once a second.
const SAMPLED_MS: u64 = 1_300;

const PLAIN: Case = Case {
    name: "",
    when: "",
    more: "",
    beside: "",
    before: "",
    below: |_| {},
    seen: "",
    cause: Stage::now,
    event: "recycle-begun",
    early_ms: None,
    within_ms: TICK_MS,
};

/// Shows the group of the worker as one of version 2 whose pressure the test makes up.
const MADE_UP: &str = "mkdir group; echo 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0' \
                       >group/cpu.pressure; while umount -l $(awk '/ - cgroup .*memory/ { print \
                       $5; exit }' /proc/self/mountinfo) 2>&-; do :; done; mount --bind group \
                       $(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo);";

pub(super) const CASES: [Case; 21] = [
    Case {
        name: "status",
        when: "status = { codes = 500, count = 5, window = \"1min\", path = \"/bad\" }",
        below: |stage| stage.ask("GET", "/bad", 4),
        seen: "4 of 4 answers",
        cause: |stage| after(stage, |stage| stage.ask("GET", "/bad", 1)),
        ..PLAIN
    },
    Case {
        name: "status, share",
        when: "status = { codes = 500, count = 5, share = \"50%\", window = \"1min\", path = \
               \"/status\" }",
        below: |stage| {
            stage.ask("GET", "/status?code=200", 6);
            stage.ask("GET", "/status?code=500", 5);
        },
        seen: "5 of 11 answers",
        cause: |stage| after(stage, |stage| stage.ask("GET", "/status?code=500", 1)),
        ..PLAIN
    },
    Case {
        name: "status, connect",
        when: "status = { codes = \"connect\", count = 5, window = \"1min\" }",
        // What listens is a child of the worker's main process, which lives on when it ends.
        beside: "\"$0\" \"$@\"; sleep 1000;",
        // The worker's own word is not one of autoheal's.
        below: |stage| {
            stage.ask("GET", "/status?code=502", 5);
            stage.ask("POST", "/reset", 5);
        },
        seen: "0 of ",
        cause: |stage| {
            let all = stage.sidecar.processes();
            let worker = stage.sidecar.worker();
            let serves = all.iter().find(|one| one.parent == worker.who.pid);
            let since = stage.now();
            serves.unwrap().signal(Signal::KILL);
            since
        },
        ..PLAIN
    },
    Case {
        name: "status, reset",
        when: "status = { codes = \"reset\", count = 3, window = \"1min\", path = \"/reset\" }",
        below: |stage| stage.ask("POST", "/reset", 2),
        seen: "2 of 2 answers",
        cause: |stage| after(stage, |stage| stage.ask("POST", "/reset", 1)),
        ..PLAIN
    },
    Case {
        name: "status, timeout",
        when: "status = { codes = \"timeout\", count = 2, window = \"1min\", path = \"/hang\" }",
        more: "[timeouts]\nresponse = \"2s\"\n",
        below: |stage| stage.ask("POST", "/hang", 1),
        seen: "1 of 1 answers",
        cause: |stage| after(stage, |stage| stage.ask("POST", "/hang", 1)),
        ..PLAIN
    },
    Case {
        name: "slow",
        when: "slow = { time_taken = \"2s\", count = 3, window = \"1min\", path = \"/hang\" }",
        below: |stage| stage.wait_for("/hang", 2),
        seen: "2 of 2 requests",
        cause: |stage| {
            let since = stage.now();
            stage.wait_for("/hang", 1);
            since + 2_000
        },
        early_ms: Some(0),
        ..PLAIN
    },
    Case {
        name: "requests",
        when: "requests = { count = 20, path = \"/cart/*\" }",
        below: |stage| stage.ask("GET", "/cart/1", 17),
        seen: "17 ",
        // Its limit has a tenth of jitter.
        cause: |stage| after(stage, |stage| stage.ask("GET", "/cart/1", 5)),
        ..PLAIN
    },
    Case {
        name: "abandoned",
        when: "abandoned = { after = \"100ms\", count = 3, window = \"1min\", path = \"/hang\" }",
        below: |stage| {
            stage.wait_for("/hang", 3);
            a_look(stage);
            stage.waiting.borrow_mut().truncate(1);
        },
        seen: "2 of 2 clients",
        cause: |stage| after(stage, |stage| stage.waiting.borrow_mut().clear()),
        ..PLAIN
    },
    Case {
        name: "output",
        when: "output = { contains = \"line 0 \", count = 3, window = \"1min\" }",
        below: |stage| stage.ask("GET", "/print?bytes=100", 2),
        seen: "2 lines",
        cause: |stage| after(stage, |stage| stage.ask("GET", "/print?bytes=100", 1)),
        ..PLAIN
    },
    Case {
        name: "memory",
        when: "memory = { private_bytes = \"96MiB\" }",
        below: |stage| stage.ask("GET", "/leak?bytes=60000000", 1),
        seen: "private memory",
        cause: |stage| after(stage, |stage| stage.ask("GET", "/leak?bytes=60000000", 1)),
        ..PLAIN
    },
    Case {
        name: "cpu",
        when: "cpu = { share = \"25%\", of = \"core\", for = \"1s\" }",
        beside: "for n in 1 2; do (while :; do if [ -e burn ]; then i=0; while [ $i -lt 20000 ]; \
                 do i=$((i+1)); done; else sleep 0.1; fi; done) & done;",
        below: a_look,
        seen: "CPU of one core: ",
        cause: |stage| {
            stage.write("burn", "");
            stage.now() + 1_000
        },
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "descriptors",
        when: "descriptors = { count = 70 }",
        below: |stage| {
            stage.wait_for("/slow?ms=9000", 15);
            a_look(stage);
        },
        seen: " open descriptors",
        cause: |stage| after(stage, |stage| stage.wait_for("/slow?ms=9000", 60)),
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "connections",
        when: "connections = { count = 60 }",
        below: |stage| {
            stage.wait_for("/slow?ms=9000", 15);
            a_look(stage);
        },
        seen: " open TCP connections",
        cause: |stage| after(stage, |stage| stage.wait_for("/slow?ms=9000", 50)),
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "threads",
        when: "threads = { count = 20 }",
        beside: "(until [ -e more ]; do sleep 0.1; done; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 \
                 14 15 16 17 18 19 20; do sleep 1000 & done; wait) &",
        below: a_look,
        seen: " threads",
        cause: |stage| after(stage, |stage| stage.write("more", "")),
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "age",
        when: "age = { over = \"8s\" }",
        below: a_look,
        // It has a tenth of jitter.
        cause: |stage| stage.event("worker-ready")["mono_ms"].as_u64().unwrap() + 8_800,
        early_ms: Some(1_600),
        ..PLAIN
    },
    Case {
        name: "schedule",
        when: "schedule = { at = \"{soon}\", zone = \"UTC\", spread = \"0s\" }",
        below: a_look,
        // Two clocks are read one after the other.
        early_ms: Some(20),
        cause: |stage| stage.now() + (stage.soon * 1_000).saturating_sub(wall().0),
        ..PLAIN
    },
    Case {
        name: "file",
        when: "file = { path = \"settings.json\" }",
        below: |stage| {
            stage.write("another.json", "{}");
            a_look(stage);
        },
        cause: |stage| after(stage, |stage| stage.write("settings.json", "{}")),
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "pressure",
        when: "pressure = { of = \"cpu\", share = \"40%\" }",
        before: MADE_UP,
        below: |stage| {
            stage.write(
                "group/cpu.pressure",
                "some avg10=39.99 avg60=90.00 avg300=90.00 total=9\n",
            );
            a_look(stage);
        },
        seen: "cpu pressure: 39%",
        cause: |stage| {
            let text = "some avg10=40.01 avg60=0.00 avg300=0.00 total=9\n";
            after(stage, |stage| stage.write("group/cpu.pressure", text))
        },
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "two things",
        when: "all = [{ connections = { count = 60 } }, { status = { codes = 500, count = 3, \
               window = \"1min\", path = \"/bad\" } }]",
        below: |stage| {
            stage.ask("GET", "/bad", 3);
            a_look(stage);
        },
        seen: "and 3 of 3 answers",
        cause: |stage| after(stage, |stage| stage.wait_for("/slow?ms=9000", 70)),
        within_ms: SAMPLED_MS,
        ..PLAIN
    },
    Case {
        name: "health",
        more: "[health]\npath = \"/healthz\"\ninterval = \"1s\"\ntimeout = \"500ms\"\nfailures = \
               2\n",
        // Answers that other paths give are not the probe's.
        below: |stage| {
            stage.ask("GET", "/status?code=503", 9);
            a_look(stage);
        },
        cause: |stage| after(stage, |stage| stage.ask("GET", "/misbehave?hang=1", 1)),
        // The next probe, and one more; each has its jitter and its time.
        within_ms: 2 * (1_100 + 500) + TICK_MS,
        ..PLAIN
    },
    Case {
        name: "crash",
        // One that goes because it was told to does not crash.
        below: |stage| stage.sidecar.recycle(),
        cause: |stage| {
            let since = stage.now();
            stage.sidecar.worker().signal(Signal::KILL);
            since
        },
        event: "worker-exited",
        ..PLAIN
    },
];

/// The time after something was done.
fn after(stage: &Stage, cause: impl Fn(&Stage)) -> u64 {
    cause(stage);
    stage.now()
}
