//! Each key of autoheal.toml by itself: what it becomes, or what is said of it.

use super::*;
use crate::{
    decide::{
        policy::{Action, Count, GiveUp, RestartWhen, Strategy},
        trigger::{MemoryLimit, Trigger},
    },
    units::{ByteSize, Networks},
    words::Protocol,
};

fn read(text: &str) -> Result<Settings, String> {
    options(text, &Overrides::default())
}

fn rule(text: &str) -> Result<crate::decide::policy::Rule, String> {
    let settings = read(&format!("[[rule]]\nname = \"r\"\n{text}"))?;
    Ok(settings.policy.rules[0].clone())
}

fn when(text: &str) -> Result<Trigger, String> {
    rule(&format!("when.{text}\ndo = [\"log\"]")).map(|rule| rule.when)
}

#[test]
fn the_top_of_the_file_says_where_and_how() {
    let settings = read(
        "listen = [\":80\", \"unix:run/a.sock\"]\nadmin = \"unix:/run/b.sock\"\n\
         state_dir = \"state\"\nmode = \"observe\"\nthreads = 2\ntrust = [\"10.0.0.0/8\"]",
    )
    .unwrap();
    assert_eq!(
        settings.listen[1],
        Listen::at(Address::Unix(PathBuf::from("/app/run/a.sock")))
    );
    assert_eq!(settings.admin, Admin::Unix(PathBuf::from("/run/b.sock")));
    assert_eq!(settings.state_dir, Some(PathBuf::from("/app/state")));
    assert_eq!(settings.policy.mode, crate::words::Mode::Observe);
    assert_eq!(settings.threads, Threads::Count(2));
    assert!(settings.trust.contains("10.1.1.1".parse().unwrap()));
    assert_eq!(read("trust = \"none\"").unwrap().trust, Networks::none());
    assert_eq!(read("trust = []").unwrap().trust, Networks::none());
}

#[test]
fn how_many_requests_a_worker_has_is_a_number_or_found_out_between_bounds() {
    let of = |value: &str| {
        let text = format!("[worker]\ncommand = [\"serve\"]\nconcurrency = {value}");
        let settings = load_all(&[source("a.toml", &text)], &Overrides::default(), &[]);
        settings.map(|loaded| loaded.settings.worker.concurrency)
    };
    let found = |min, max| Ok(Concurrency::Found { min, max });
    assert_eq!(of("3"), Ok(Concurrency::Fixed(3)));
    assert_eq!(of("\"auto\""), found(4, 1000));
    assert_eq!(of("{ max = 200 }"), found(4, 200));
    assert_eq!(of("{ min = 7, max = 7 }"), found(7, 7));
    assert!(
        of("{ max = 3 }")
            .unwrap_err()
            .contains("less than its min (4)")
    );
    assert!(
        of("\"all\"")
            .unwrap_err()
            .contains("{ min = 4, max = 200 }")
    );
    assert!(of("{ most = 3 }").unwrap_err().contains("min, max"));
}

#[test]
fn clients_stay_at_a_worker_by_a_cookie_that_may_be_named() {
    let of = |value: &str| {
        let text = format!("[worker]\ncommand = [\"serve\"]\naffinity = {value}");
        let loaded = load_all(&[source("a.toml", &text)], &Overrides::default(), &[]);
        loaded.map(|loaded| loaded.settings.worker.affinity)
    };
    assert_eq!(of("true"), Ok(Some("autoheal-affinity".to_owned())));
    assert_eq!(of("{}"), of("true"));
    assert_eq!(of("false"), Ok(None));
    assert_eq!(
        of("{ cookie = \"ARRAffinity\" }"),
        Ok(Some("ARRAffinity".to_owned()))
    );
    for wrong in [
        "\"yes\"",
        "{ cookie = \"a b\" }",
        "{ cookie = \"__Host-a\" }",
        "{ name = \"a\" }",
    ] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_worker_is_all_that_its_section_says() {
    let text = "[worker]\ncommand = [\"bin/serve\", \"\"]\nport = 5000\ndir = \"sub\"\n\
                user = \"app\"\nstop_signal = \"SIGQUIT\"\nstop_to = \"leader\"\n\
                restart = \"on-failure\"\non_give_up = \"exit\"\noutput = \"raw\"\n\
                protocol = \"h2c\"\nkeep_alive = \"1s\"\nconnections = 9\n\
                concurrency = 16\n\
                env = { A = \"\", B = \"{port}\" }";
    let loaded = load_all(&[source("a.toml", text)], &Overrides::default(), &[]).unwrap();
    let worker = loaded.settings.worker;
    assert_eq!(worker.command, ["/app/sub/bin/serve", ""]);
    assert_eq!(worker.dir, Path::new("/app/sub"));
    assert_eq!((worker.port, worker.stop_signal), (Port::Fixed(5000), 3));
    assert_eq!(
        (worker.stop_to, worker.output, worker.protocol),
        (StopTo::Leader, Output::Raw, Protocol::H2c)
    );
    assert_eq!(
        (
            worker.user.as_deref(),
            worker.connections,
            worker.concurrency
        ),
        (Some("app"), Some(9), Concurrency::Fixed(16))
    );
    assert_eq!(worker.env["B"], "{port}");
    assert_eq!(worker.keep_alive.as_secs(), 1);
    let restart = loaded.settings.policy.restart;
    assert_eq!(restart.when, RestartWhen::OnFailure);
    assert_eq!(restart.give_up, GiveUp::Exit);
}

#[test]
fn ready_is_an_answer_or_an_open_port() {
    let ready = |text: &str| read(&format!("[recycle]\nready = {text}")).map(|s| s.recycle.ready);
    assert_eq!(ready("\"port\""), Ok(Ready::Port));
    let Ok(Ready::Http { path, status }) =
        ready("{ path = \"/up?x=1\", status = [200, \"300-399\"] }")
    else {
        panic!("no answer");
    };
    assert_eq!(
        (path.as_str(), status.unwrap().to_string().as_str()),
        ("/up?x=1", "200,300-399")
    );
    assert!(
        ready("{ path = \"up\" }")
            .unwrap_err()
            .contains("write \"/up\"")
    );
    assert!(
        ready("{ path = \"http://a/up\" }")
            .unwrap_err()
            .contains("\"/up\"")
    );
}

#[test]
fn health_is_probed_when_it_has_a_path() {
    let settings = read("[health]\npath = \"/up\"\nfailures = 5").unwrap();
    assert_eq!(settings.health.unwrap().interval.as_secs(), 10);
    assert_eq!(settings.policy.health.unwrap().failures, 5);
    assert_eq!(read("[health]\nfailures = 5").unwrap().health, None);
}

#[test]
fn conditions_take_their_numbers_and_filters() {
    let Ok(Trigger::Status {
        codes,
        count,
        share,
        window,
        filter,
    }) = when(
        "status = { codes = [500, \"connect\"], count = 20, share = \"30%\", window = \"30s\", \
         path = \"/a/*\", except = [\"/a/b\"], methods = \"get\" }",
    )
    else {
        panic!("no status rule");
    };
    assert_eq!((codes.to_string().as_str(), count), ("500,connect", 20));
    assert_eq!(
        (share.unwrap().basis_points(), window.as_secs()),
        (3000, 30)
    );
    assert!(filter.matches("GET", "/a/c"));
    assert!(!filter.matches("GET", "/a/b") && !filter.matches("POST", "/a/c"));
    assert_eq!(
        when("memory = { private_bytes = \"800MiB\" }"),
        Ok(Trigger::Memory {
            limit: MemoryLimit::PrivateBytes(ByteSize::mib(800)),
            hold: std::time::Duration::ZERO,
        })
    );
    let requests = when("requests = { count = 5 }");
    assert!(matches!(
        requests,
        Ok(Trigger::Requests {
            window: None,
            count: 5,
            ..
        })
    ));
}

#[test]
fn requests_may_be_a_share_of_all_if_they_are_not_all() {
    let of = |rest: &str| when(&format!("requests = {{ share = \"30%\", {rest} }}"));
    for which in ["path = \"/a/*\"", "except = \"/a/*\"", "methods = \"POST\""] {
        let read = of(&format!("count = 5, window = \"10s\", {which}"));
        let Ok(Trigger::Requests {
            count: 5,
            share: Some(share),
            window: Some(window),
            filter,
        }) = read
        else {
            panic!("{read:?}");
        };
        assert_eq!((share.basis_points(), window.as_secs()), (3000, 10));
        assert!(!filter.is_any());
    }
    for (rest, what, cure) in [
        (
            "count = 5, window = \"10s\"",
            "every request counts",
            "help: add path, except or methods",
        ),
        (
            "window = \"10s\", path = \"/a\"",
            "a share needs a count",
            "help: add count = 5",
        ),
        (
            "count = 5, path = \"/a\"",
            "when.requests has no window",
            "help: add window = \"30s\"",
        ),
    ] {
        let shown = of(rest).unwrap_err();
        assert!(shown.contains(what) && shown.contains(cure), "{shown}");
        // Of one mistake one thing is said, where it is.
        assert_eq!(shown.matches("help: ").count(), 1, "{shown}");
        assert!(shown.contains("autoheal.toml:3:"), "{shown}");
    }
    let unread = of("count = 5, window = \"10s\", path = []").unwrap_err();
    assert!(!unread.contains("every request counts"), "{unread}");
}

#[test]
fn actions_keep_their_order() {
    let text = "when.requests.count = 1\ndo = [\"log\", { run = [\"./a\", \"%1%\"] }, \
                { recycle = \"in-place\" }]";
    let actions = rule(text).unwrap().actions;
    assert_eq!(actions[0], Action::Log.into());
    let Action::Run(command) = &actions[1].action else {
        panic!("{actions:?}");
    };
    assert_eq!(command.argv, ["/app/a", "%1%"]);
    assert_eq!(command.timeout.as_secs(), 60);
    assert_eq!(actions[2], Action::Recycle(Some(Strategy::InPlace)).into());
}

#[test]
fn a_ladder_does_more_at_each_firing_in_a_row_and_recycles_once() {
    let text = "when.requests.count = 1\ndo = [\"capture\", { do = \"unready\", after = 2 }, \
                { recycle = \"auto\", after = 2 }, { recycle = \"in-place\", after = 3 }, \
                { notify = \"http://hooks/\", after = 3 }]";
    let rule = rule(text).unwrap();
    let at = |nth| rule.actions_at(nth).cloned().collect::<Vec<_>>();
    assert_eq!(at(1), [Action::Capture]);
    let recycle = Action::Recycle(None);
    assert_eq!(at(2), [Action::Capture, Action::Unready, recycle]);
    let in_place = Action::Recycle(Some(Strategy::InPlace));
    assert_eq!(at(9)[..3], [Action::Capture, Action::Unready, in_place]);
    assert!(matches!(at(9)[3], Action::Notify(_)));
}

#[test]
fn a_proactive_rule_gives_way_to_one_of_its_name() {
    let text = "[[rule]]\nname = \"proactive slow\"\nwhen.requests.count = 1\ndo = [\"log\"]";
    let rules = read(text).unwrap().policy.rules;
    assert_eq!(rules.len(), 2);
    assert!(!rules[0].proactive && rules[1].proactive);
    assert!(read("proactive = false").unwrap().policy.rules.is_empty());
    let shown = read("proactive = 5").unwrap_err();
    assert!(shown.contains("proactive wants true or false"), "{shown}");
}

#[test]
fn bounds_hold_at_both_ends() {
    for (right, wrong) in [
        ("threads = 1", "threads = 0"),
        ("threads = 4", "threads = 5"),
        ("timeouts.head = \"1s\"", "timeouts.head = \"999ms\""),
        ("timeouts.idle = \"24h\"", "timeouts.idle = \"24h 1s\""),
        (
            "recycle.start_timeout = \"1h\"",
            "recycle.start_timeout = \"0s\"",
        ),
        (
            "recycle.drain_timeout = \"0s\"",
            "recycle.drain_timeout = \"2h\"",
        ),
        ("limits.fields = 10", "limits.fields = 9"),
        ("limits.target = \"1KiB\"", "limits.target = \"1023B\""),
        ("parking.requests = 0", "parking.requests = -1"),
        ("journal.segments = 2", "journal.segments = 1"),
        ("journal.segment = \"1GiB\"", "journal.segment = \"1.1GiB\""),
        ("budget.recycles = 0", "budget.recycles = 1001"),
        ("budget.window = \"1s\"", "budget.window = \"25h\""),
        ("verdict.disarm = \"0s\"", "verdict.disarm = \"8days\""),
        (
            "verdict.back_within = \"1s\"",
            "verdict.back_within = \"900ms\"",
        ),
        ("log.level = \"trace\"", "log.level = \"all\""),
        ("access_log.sample = \"0%\"", "access_log.sample = \"101%\""),
        ("access_log.size = \"64KiB\"", "access_log.size = \"63KiB\""),
        ("access_log.files = 1", "access_log.files = 0"),
        (
            "access_log.fields = \"path\"",
            "access_log.fields = [\"cookie\"]",
        ),
    ] {
        assert!(read(right).is_ok(), "{right}");
        let shown = read(wrong).unwrap_err();
        assert!(shown.contains("help: "), "{wrong}");
    }
    for (right, wrong) in [
        ("requests = { count = 1 }", "requests = { count = 0 }"),
        (
            "requests = { count = 1, window = \"24h\" }",
            "requests = { count = 1, window = \"25h\" }",
        ),
        (
            "memory = { share = \"100%\" }",
            "memory = { share = \"0%\" }",
        ),
        (
            "memory = { private_bytes = \"1MiB\" }",
            "memory = { private_bytes = \"1KiB\" }",
        ),
    ] {
        assert!(when(right).is_ok(), "{right}");
        assert!(when(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_limit_of_a_container_counts_before_the_memory_of_its_machine() {
    let text = "[worker]\ncommand = [\"serve\"]\n[[rule]]\nname = \"big\"\n\
                when.memory = { private_bytes = \"800MiB\" }\ndo = [\"recycle\"]\n";
    let doubts = |limit: Option<u64>| {
        let around = Surroundings {
            machine: Machine {
                memory: Some(ByteSize::mib(1024)),
                memory_limit: limit.map(ByteSize::mib),
            },
            ..around(&|_| None, &|_| false)
        };
        let sources = [source("a.toml", text)];
        let loaded = load(&sources, &Overrides::default(), &around).unwrap();
        let warnings = loaded.warnings.into_iter().map(|found| found.what);
        warnings.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(doubts(None), "");
    assert_eq!(doubts(Some(801)), "");
    assert!(doubts(Some(800)).contains("than the limit of this container (800 MiB)"));
}

#[test]
fn an_address_may_have_settings_of_its_own() {
    let table = "{ address = \":81\", proxy_protocol = true }";
    let settings = read(&format!("listen = [\":80\", {table}]")).unwrap();
    let flags: Vec<_> = settings
        .listen
        .iter()
        .map(|one| one.proxy_protocol)
        .collect();
    assert_eq!(flags, [false, true]);
    let said = read(&format!("listen = [\":81\", {table}]")).unwrap_err();
    assert!(said.contains("same address twice"), "{said}");
    let said = read("listen = { proxy_protocol = true }").unwrap_err();
    assert!(said.contains("add address = \"0.0.0.0:8080\""), "{said}");
    let said = read("proxy_protocol = true").unwrap_err();
    assert!(said.contains("proxy_protocol = true }"), "{said}");
}

#[test]
fn several_workers_are_a_number_or_follow_the_load() {
    let count = |text: &str| {
        let worker = "[recycle]\nmax_unavailable = 2\n[worker]\ncommand = [\"serve\"]";
        let text = format!("{worker}\ncount = {text}");
        let loaded = load_all(&[source("a.toml", &text)], &Overrides::default(), &[]);
        loaded.map(|loaded| loaded.settings.policy.instances)
    };
    let three = count("3").unwrap();
    assert_eq!((three.count, three.max_unavailable), (Count::Fixed(3), 2));
    let Count::Follow(follow) = count("{ max = 4, grow_after = \"2s\" }").unwrap().count else {
        panic!("no table");
    };
    assert_eq!((follow.min, follow.max, follow.in_flight), (1, 4, 20));
    assert_eq!(
        (follow.grow_after.as_secs(), follow.shrink_after.as_secs()),
        (2, 60)
    );
    let wrong = |text: &str, words: &str| {
        let said = count(text).unwrap_err();
        assert!(said.contains(words), "{said}");
    };
    wrong("{ min = 2 }", "has no max");
    wrong("{ min = 3, max = 2 }", "max is less than its min (3)");
    wrong("\"3\"", "write count = 3, or count = { min = 1");
    wrong("2\nport = 5000", "2 workers can't all listen on port 5000");
}
