//! What can't be had together with `[attach]`, and what can.

use std::path::PathBuf;

use super::*;
use crate::decide::policy::{Comes, Strategy};

const ATTACH: &str = "[attach]\naddress = \"127.0.0.1:5000\"\nrestart = \"supervisor\"\n";

fn read(text: &str) -> Result<Settings, String> {
    load_all(&[source("a.toml", text)], &Overrides::default(), &[]).map(|loaded| loaded.settings)
}

fn refused(text: &str) -> String {
    read(&format!("{text}\n{ATTACH}")).unwrap_err()
}

#[test]
fn it_stands_in_for_a_command_and_recycles_in_place() {
    let text = format!("{ATTACH}pid_file = \"run/shop.pid\"\n[worker]\nwarmup = \"/\"\n");
    let settings = read(&text).unwrap();
    assert_eq!(settings.policy.recycle.strategy, Strategy::InPlace);
    assert_eq!(settings.policy.attached, Some(Comes::ByItself));
    let attach = settings.attach.unwrap();
    assert_eq!(attach.address.to_string(), "127.0.0.1:5000");
    assert_eq!(attach.pid_file, Some(PathBuf::from("/app/run/shop.pid")));
    let command = ATTACH.replace("\"supervisor\"", "[\"./again.sh\", \"shop\"]");
    let settings = read(&command).unwrap();
    assert_eq!(settings.policy.attached, Some(Comes::ByCommand));
    let argv = ["/app/again.sh", "shop"].map(str::to_owned).to_vec();
    assert_eq!(settings.attach.unwrap().restart, RestartBy::Command(argv));
}

#[test]
fn who_listens_everywhere_is_reached_on_the_loopback() {
    let reached = |address: &str| {
        let text = ATTACH.replace("127.0.0.1:5000", address);
        read(&text).map(|settings| settings.attach.unwrap().address.to_string())
    };
    assert_eq!(reached("0.0.0.0:5000").unwrap(), "127.0.0.1:5000");
    assert_eq!(reached("unix:a.sock").unwrap(), "unix:/app/a.sock");
    let named = reached("localhost:5000").unwrap_err();
    assert!(named.contains("write \"127.0.0.1:5000\""), "{named}");
}

#[test]
fn what_is_about_starting_a_worker_is_refused_where_it_was_said() {
    for line in [
        "command = [\"serve\"]",
        "port = 5000",
        "env = { A = \"1\" }",
        "dir = \"/srv\"",
        "user = \"app\"",
        "output = \"raw\"",
        "count = 3",
        "restart = \"on-failure\"",
        "stop_to = \"leader\"",
    ] {
        let said = refused(&format!("[worker]\n{line}"));
        let key = line.split(' ').next().unwrap();
        let expected = format!("error: worker.{key} is for a worker that autoheal starts");
        assert!(
            said.contains(&expected) && said.contains("a.toml:2:"),
            "{said}"
        );
    }
    let over = Overrides {
        command: vec!["serve".to_owned()],
        ..Overrides::default()
    };
    let said = load_all(&[source("a.toml", ATTACH)], &over, &[]).unwrap_err();
    assert!(said.contains("worker.command is for"), "{said}");
}

#[test]
fn an_overlap_and_what_it_prints_can_t_be_had() {
    let overlap = "two can't overlap";
    assert!(refused("[recycle]\nstrategy = \"overlap\"").contains(overlap));
    let rule = |when: &str, act: &str| {
        refused(&format!(
            "[[rule]]\nname = \"r\"\nwhen.{when}\ndo = [{act}]"
        ))
    };
    let requests = "requests = { count = 100, window = \"1min\" }";
    assert!(rule(requests, "{ recycle = \"overlap\" }").contains(overlap));
    let output = "output = { contains = \"OutOfMemoryError\" }";
    assert!(rule(output, "\"recycle\"").contains("what an attached worker prints"));
}

#[test]
fn autoheal_can_t_stand_in_front_of_itself_nor_restart_it_in_no_way() {
    let own = refused("listen = \"0.0.0.0:5000\"");
    assert!(
        own.contains("autoheal listens on port 5000 itself"),
        "{own}"
    );
    let none = read("[attach]\naddress = \"127.0.0.1:5000\"").unwrap_err();
    assert!(none.contains("attach has no restart"), "{none}");
    let shell = read(&ATTACH.replace("supervisor", "systemctl restart shop")).unwrap_err();
    assert!(
        shell.contains("write [\"systemctl\", \"restart\", \"shop\"]"),
        "{shell}"
    );
}

#[test]
fn other_formats_can_t_say_it_and_that_is_said() {
    let settings = read(ATTACH).unwrap();
    let origin = Origin {
        from: "a.toml".to_owned(),
        home: PathBuf::from("/app"),
    };
    for target in [Target::Arm, Target::WebConfig] {
        let written = write(&settings, target, &origin);
        let all: Vec<_> = written
            .warnings
            .iter()
            .map(|one| one.render(false))
            .collect();
        let all = all.concat();
        assert!(all.contains("attach.address, attach.restart"), "{all}");
        assert!(all.contains("[attach]"), "{all}");
    }
}

#[test]
fn what_autoheal_never_restarts_is_said_so_of_it_and_of_every_rule() {
    let rule = "[health]\npath = \"/up\"\n[[rule]]\nname = \"r\"\nwhen.requests = { count = 100 }\n\
                do = [\"recycle\"]\n";
    let settings = read(&(ATTACH.replace("supervisor", "none") + rule)).unwrap();
    assert_eq!(settings.policy.attached, Some(Comes::Unasked));
    let told = describe(&settings).join("\n");
    for expected in [
        "it is never restarted by autoheal: rules say when whoever runs it should",
        "3 failures in a row tell of it.",
        "ready for 1min, it is said that it should be restarted; then",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    for untrue in ["It is recycled", "Rules recycle", "it is recycled"] {
        assert!(!told.contains(untrue), "{untrue}\n{told}");
    }
}

#[test]
fn the_code_that_autoheal_ends_with_is_no_code_that_means_something_else() {
    let with = |restart: &str| {
        let text = format!(
            "state_dir = \"s\"\n{}",
            ATTACH.replace("\"supervisor\"", restart)
        );
        load_all(&[source("a.toml", &text)], &Overrides::default(), &[])
    };
    let right = with("{ exit = 88 }").unwrap();
    assert_eq!(right.settings.policy.attached, Some(Comes::ByOurExit(88)));
    assert!(right.warnings.is_empty(), "{:?}", right.warnings);
    let told = describe(&right.settings).join("\n");
    assert!(
        told.contains("by autoheal's own end with exit code 88"),
        "{told}"
    );
    assert!(
        told.contains("autoheal ends for it to be restarted; then"),
        "{told}"
    );
    for (wrong, why) in [
        (
            "{ exit = 78 }",
            "exit code 78 is how autoheal tells an error in its configuration",
        ),
        ("{ exit = 101 }", "a defect of autoheal's own"),
        ("{ exit = 0 }", "from 2 to 255, not 0"),
        ("{ exit = 256 }", "from 2 to 255, not 256"),
        ("{ exit = 88, signal = \"HUP\" }", "not by both"),
        ("{}", "attach.restart has no signal"),
    ] {
        let said = with(wrong).unwrap_err();
        assert!(said.contains(why), "{wrong}: {said}");
    }
    let doubt = with("{ exit = 137 }").unwrap().warnings;
    assert!(
        doubt[0].what.contains("like an end by a signal"),
        "{doubt:?}"
    );
    let forgets = ATTACH.replace("\"supervisor\"", "{ exit = 88 }");
    let forgets = load_all(&[source("a.toml", &forgets)], &Overrides::default(), &[]).unwrap();
    assert!(
        forgets.warnings[0].what.contains("without state_dir"),
        "{forgets:?}"
    );
}
