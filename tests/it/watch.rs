//! Files of the configuration that are written while requests run: whole or not at all.

use std::{fs, io::Write, thread, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start};

/// A configuration whose half, cut at any line, would be one too, with other rules.
fn config(wait: u32) -> String {
    let command: toml::Value = command_of_demo_worker(&[]).into();
    let mut text = format!("proactive = false\n[worker]\ncommand = {command}\n");
    text += &format!("[parking]\nwait = \"{wait}s\"\n");
    for rule in 0..6 {
        text += &format!(
            "[[rule]]\nname = \"rule {rule}\"\nwhen.status = {{ codes = \"599\", count = 9, \
             window = \"{wait}s\" }}\ndo = [\"log\"]\n"
        );
    }
    text
}

fn begin(text: &str) -> Sidecar {
    let sidecar = Setup {
        toml: text.to_owned(),
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar
}

fn text(event: &Value) -> &str {
    event["text"].as_str().unwrap()
}

/// Writes a file as the worst of editors would: emptied, then piece by piece with pauses.
fn dribble(sidecar: &Sidecar, text: &str) {
    let mut file = fs::File::create(sidecar.path("autoheal.toml")).unwrap();
    let piece = text.len() / 7 + 1;
    for part in text.as_bytes().chunks(piece) {
        file.write_all(part).unwrap();
        // The pause is what is tested: shorter than the quiet time, longer than any look.
        thread::park_timeout(Duration::from_millis(300));
    }
}

#[test]
fn a_file_that_is_dribbled_under_load_is_put_in_force_whole_and_once() {
    let sidecar = begin(&config(20));
    let load = start(plan(&sidecar.url("/"), 14));
    for wait in [21, 22, 23] {
        dribble(&sidecar, &config(wait));
        let event = sidecar.wait_for_kind("reloaded");
        let change = format!("parking.wait {}s -> {wait}s", wait - 1);
        assert!(text(&event).contains(&change), "{event}");
        assert!(text(&event).contains("rule \"rule 5\": window"), "{event}");
        assert!(!text(&event).contains("removed"), "{event}");
        assert_eq!(sidecar.status()["rules"].as_array().unwrap().len(), 6);
    }
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(sidecar.events("reloaded").len(), 3);
    assert_eq!(sidecar.events("configuration-refused").len(), 0);
}

#[test]
fn what_can_t_be_used_is_told_once_and_the_old_configuration_stays() {
    let sidecar = begin(&config(20));
    let file = sidecar.path("autoheal.toml");
    let refused = |file_says: Option<&str>, expected: &str| {
        match file_says {
            Some(says) => fs::write(&file, says).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let event = sidecar.wait_for_kind("configuration-refused");
        assert!(text(&event).contains(expected), "{event}");
        let warnings = sidecar.status()["warnings"].to_string();
        assert!(
            warnings.contains("the old one stays in force"),
            "{warnings}"
        );
        assert_eq!(sidecar.status()["rules"].as_array().unwrap().len(), 6);
    };
    refused(
        Some(&config(21).replace("[parking]", "[praking]")),
        "unknown key praking",
    );
    refused(Some(""), "says nothing any more");
    refused(None, "there is no file");
    fs::write(&file, config(20)).unwrap();
    let again = sidecar.wait_for_kind("reloaded");
    assert!(text(&again).contains("can be used again"), "{again}");
    assert_eq!(sidecar.status()["warnings"].as_array().unwrap().len(), 0);
    // One that is only touched, or written as it was, changes nothing.
    fs::write(&file, config(20)).unwrap();
    fs::write(&file, config(22)).unwrap();
    sidecar.wait_for_kind("reloaded");
    assert_eq!(sidecar.events("configuration-refused").len(), 3);
    assert_eq!(sidecar.events("reloaded").len(), 2);
}

#[test]
fn a_link_that_is_swapped_is_a_change() {
    let sidecar = begin(&config(20));
    let at = |name: &str| sidecar.path(name);
    let mount = |version: &str, wait: u32| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("autoheal.toml"), config(wait)).unwrap();
        std::os::unix::fs::symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    mount("v1", 20);
    std::os::unix::fs::symlink("..data/autoheal.toml", at("link")).unwrap();
    fs::rename(at("link"), at("autoheal.toml")).unwrap();
    mount("v2", 25);
    let event = sidecar.wait_for_kind("reloaded");
    assert!(text(&event).contains("parking.wait 20s -> 25s"), "{event}");
}

#[test]
fn a_file_that_is_not_watched_waits_for_a_reload() {
    let sidecar = begin(&format!("watch = false\n{}", config(20)));
    fs::write(sidecar.path("autoheal.toml"), config(21)).unwrap();
    thread::park_timeout(Duration::from_secs(2));
    assert_eq!(sidecar.events("reloaded").len(), 0);
    let said = sidecar.order(&["reload"]);
    assert!(
        said.contains("watch false -> true, parking.wait 20s -> 21s"),
        "{said}"
    );
    assert!(sidecar.order(&["reload"]).starts_with("nothing changed"));
}

#[test]
fn a_storm_of_hangups_does_no_harm() {
    let sidecar = begin(&config(20));
    let load = start(plan(&sidecar.url("/"), 3));
    fs::write(sidecar.path("autoheal.toml"), config(21)).unwrap();
    for _ in 0..2_000 {
        sidecar.signal(Signal::HUP);
        thread::park_timeout(Duration::from_millis(1));
    }
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(sidecar.events("reloaded").len(), 1);
}
