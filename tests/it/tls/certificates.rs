//! Which certificate clients get, and what becomes of them when files change.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::{Authority, curl, start, text};
use crate::support::Sidecar;

/// The subject of the certificate that a client gets who asks for this name; none, if it is empty.
fn subject(sidecar: &Sidecar, name: &str) -> String {
    let asked = match name {
        "" => vec!["-noservername"],
        name => vec!["-servername", name],
    };
    let output = super::s_client(
        sidecar,
        &[&["-quiet", "-verify_quiet"], &asked[..]].concat(),
        "GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
    );
    let shown = text(&output.stderr);
    let line = shown.lines().find(|line| line.contains("depth=0"));
    line.and_then(|line| line.split("CN = ").nth(1))
        .unwrap_or(&shown)
        .to_owned()
}

fn several(authority: &Authority) -> String {
    for name in ["first.test", "*.shop.test", "admin.shop.test"] {
        authority.issue(name);
    }
    format!(
        "tls = [{{ {} }}, {{ {} }}, {{ {} }}]\n",
        authority.pair("first.test"),
        authority.pair("*.shop.test"),
        authority.pair("admin.shop.test")
    )
}

#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let authority = Authority::new();
    let sidecar = start(&several(&authority));
    for (asked, served) in [
        ("first.test", "first.test"),
        ("admin.shop.test", "admin.shop.test"),
        ("ADMIN.shop.test", "admin.shop.test"),
        ("www.shop.test", "*.shop.test"),
        ("unknown.test", "first.test"),
        ("", "first.test"),
    ] {
        assert_eq!(subject(&sidecar, asked), served, "{asked}");
    }
    let output = curl(&sidecar, &authority, "www.shop.test", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn status_tells_how_long_each_certificate_is_valid() {
    let authority = Authority::new();
    let sidecar = start(&several(&authority));
    let status = sidecar.status();
    let second = &status["certificates"][1];
    assert_eq!(second["names"][0], "*.shop.test");
    assert_eq!(second["not_after"], "2096-01-01T00:00:00.000Z");
    assert!(
        second["remaining_s"].as_i64().unwrap() > 365 * 24 * 3600,
        "{status}"
    );
    let page = sidecar.order(&["status"]);
    assert!(
        page.contains("*.shop.test.pem for *.shop.test, valid for"),
        "{page}"
    );
}

#[test]
fn a_hundred_new_certificates_under_load_fail_no_handshake() {
    let authority = Authority::new();
    authority.issue("localhost");
    let sidecar = start(&format!("tls = {{ {} }}\n", authority.pair("localhost")));
    let load = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/load.py");
    let mut client = Command::new("python3")
        .args([load, &sidecar.address.port().to_string()])
        .arg(authority.path("ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut seen = || said.next().unwrap().unwrap();
    assert_eq!(seen(), "new");
    let admin = sidecar.client().unwrap();
    for _ in 0..100 {
        let (certificate, key) = authority.made("localhost", 2096);
        // Between the two the files do not match, and a reload is refused.
        authority.write("localhost.pem", &certificate);
        assert!(
            admin
                .post("/api/v1/reload", &serde_json::json!({}), None)
                .is_err()
        );
        authority.write("localhost.key", &key);
        admin
            .post("/api/v1/reload", &serde_json::json!({}), None)
            .unwrap();
        assert_eq!(seen(), "new");
    }
    drop(client.stdin.take());
    let result = seen();
    assert!(
        client.wait().unwrap().success(),
        "{result}\n{}",
        sidecar.log()
    );
    let numbers: Vec<u64> = result.split(' ').map(|n| n.parse().unwrap()).collect();
    assert!(numbers.iter().all(|count| *count >= 100), "{result}");
    let ledger = &sidecar.status()["ledger"];
    assert_eq!(ledger["refused"], 0, "{ledger}");
}

#[test]
fn files_that_change_are_put_in_force_without_a_word() {
    let authority = Authority::new();
    authority.issue_until("site", "old.test", 2096);
    let sidecar = start(&format!("tls = {{ {} }}\n", authority.pair("site")));
    assert_eq!(subject(&sidecar, ""), "old.test");
    authority.issue_until("site", "new.test", 2097);
    let event = sidecar.wait_for_kind("certificate");
    assert_eq!(event["level"], "info", "{event}");
    assert!(
        event["text"].as_str().unwrap().contains("was renewed"),
        "{event}"
    );
    assert_eq!(subject(&sidecar, ""), "new.test");
    let (certificate, _) = authority.made("lost.test", 2098);
    authority.write("site.pem", &certificate);
    let event = sidecar.wait_for_kind("certificate");
    assert_eq!(event["level"], "warn", "{event}");
    assert!(
        event["text"].as_str().unwrap().contains("does not match"),
        "{event}"
    );
    assert_eq!(subject(&sidecar, ""), "new.test");
    assert_eq!(sidecar.status()["certificates"][0]["names"][0], "new.test");
}

#[test]
fn an_expired_certificate_is_served_and_told_aloud() {
    let authority = Authority::new();
    authority.issue_until("site", "old.test", 2020);
    let toml = format!("tls = {{ {} }}\n", authority.pair("site"));
    let sidecar = start(&toml);
    let event = sidecar.wait_for_kind("certificate");
    assert_eq!(event["level"], "error", "{event}");
    assert!(
        sidecar.log().contains("expired at 2020-01-01"),
        "{}",
        sidecar.log()
    );
    assert_eq!(subject(&sidecar, ""), "old.test");
}

#[test]
fn a_pair_that_does_not_match_starts_nothing_and_names_the_place() {
    let authority = Authority::new();
    authority.issue("a.test");
    authority.issue("b.test");
    fs::copy(authority.path("b.test.key"), authority.path("a.test.key")).unwrap();
    let sidecar = start("");
    let file = sidecar.path("wrong.toml");
    fs::write(&file, format!("tls = {{ {} }}\n", authority.pair("a.test"))).unwrap();
    let output = sidecar.verb(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.contains("wrong.toml:1:") && said.contains("does not match"),
        "{said}"
    );
}
