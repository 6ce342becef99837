//! A worker that speaks TLS.

use std::{fs, io::Read, path::PathBuf, process::Command};

use autoheal::cli::load::Plan;
use http::Method;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use serde_json::{Value, json};

use super::{Authority, launched};
use crate::support::{Connection, Sidecar, assert_whole, plan, start as start_load};

/// A worker's ways, which it looks up for every connection.
struct Ways(PathBuf);

impl Ways {
    /// With a certificate of this file name.
    fn new(authority: &Authority, file: &str) -> Self {
        let ways = Self(authority.path("ways.json"));
        ways.set(with(authority, file));
        ways
    }

    fn set(&self, ways: Value) {
        let new = self.0.with_extension("new");
        fs::write(&new, ways.to_string()).unwrap();
        fs::rename(new, &self.0).unwrap();
    }
}

fn with(authority: &Authority, file: &str) -> Value {
    let path = |end: &str| authority.path(&format!("{file}.{end}"));
    json!({ "certificate": path("pem"), "key": path("key") })
}

/// The configuration of a worker that must lead to this authority.
fn trusting(authority: &Authority, protocol: &str, more: &str) -> String {
    let roots = authority.path("ca.pem");
    format!(
        "[worker]\nprotocol = \"{protocol}\"\ntls = {{ roots = \"{}\"{more} }}\n",
        roots.display()
    )
}

fn ready(toml: &str, ways: &Ways) -> Sidecar {
    let sidecar = launched(toml, &["{port}", ways.0.to_str().unwrap()]);
    sidecar.wait_for_kind("worker-ready");
    sidecar
}

#[test]
fn requests_bodies_and_tunnels_pass_to_a_worker_that_speaks_tls() {
    let authority = Authority::new();
    authority.issue("localhost");
    let ways = Ways::new(&authority, "localhost");
    let toml = trusting(&authority, "https", "");
    let unix = format!("{toml}port = \"unix\"\n");
    for (toml, place) in [(toml, "{port}"), (unix, "{socket}")] {
        let sidecar = launched(&toml, &[place, ways.0.to_str().unwrap()]);
        sidecar.wait_for_kind("worker-ready");
        let answer = sidecar.get("/");
        assert_eq!(answer.status, 200, "{answer:?}\n{}", sidecar.log());
        assert!(
            answer.body.contains("x-forwarded-proto: http"),
            "{answer:?}"
        );
        let body = "x".repeat(3_000_000);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = Connection::open(sidecar.address)
            .send(head + &body)
            .answer();
        assert!(answer.body.ends_with(&body), "{}", sidecar.log());
        let mut tunnel = Connection::open(sidecar.address).send(
            "GET / HTTP/1.1\r\nHost: it\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let head = until(&mut tunnel, b"\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let mut tunnel = tunnel.send(&body);
        let mut echoed = vec![0; body.len()];
        tunnel.0.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, body.as_bytes());
    }
}

fn until(connection: &mut Connection, end: &[u8]) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(end) {
        connection.0.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

#[test]
fn each_failure_of_tls_has_its_own_code_in_the_answer_and_its_reason_in_the_log() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("localhost");
    authority.issue("shop.local");
    authority.issue_until("expired", "localhost", 2021);
    let later = |params: &mut CertificateParams| params.not_before = date_time_ymd(2090, 1, 1);
    authority.issue_odd("later", "localhost", later);
    let of_client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    authority.issue_odd("client", "localhost", of_client);
    stranger.issue("localhost");
    let right = with(&authority, "localhost");
    let but = |key: &str, value: Value| {
        let mut ways = right.clone();
        ways[key] = value;
        ways
    };
    let ways = Ways::new(&authority, "localhost");
    // A new connection for each request.
    let toml = trusting(&authority, "https", "") + "keep_alive = \"0s\"\n";
    let sidecar = ready(&toml, &ways);
    let cases = [
        (with(&authority, "expired"), "502111", "expired "),
        (with(&authority, "later"), "502112", "not valid before 2090"),
        (
            with(&stranger, "localhost"),
            "502113",
            "issued by \\\"Test Authority\\\"",
        ),
        (
            with(&authority, "shop.local"),
            "502114",
            "its certificate is for shop.local, not for localhost: set worker.tls.name = \
             \\\"shop.local\\\"",
        ),
        (with(&authority, "client"), "502115", "not for servers"),
        (
            but("ca", json!(authority.path("ca.pem"))),
            "502116",
            "it wants a certificate of autoheal's",
        ),
        (
            but("maximum", json!("TLSv1_1")),
            "502117",
            "no version, cipher",
        ),
        (but("plain", json!(true)), "502118", "does not speak TLS"),
    ];
    for (wrong, code, why) in cases {
        ways.set(wrong);
        let answer = sidecar.get("/");
        assert_eq!(
            (answer.status, answer.code()),
            (502, Some(code)),
            "{answer:?}\n{}",
            sidecar.log()
        );
        sidecar.wait(&format!("{code} is in the log with its reason"), || {
            let log = sidecar.log();
            let mut lines = log.lines().filter(|line| line.contains(code));
            lines.any(|line| line.contains(why)).then_some(())
        });
    }
    ways.set(right);
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
}

#[test]
fn a_worker_that_is_not_ready_for_its_certificate_is_said_so_at_once_and_can_be_helped() {
    let authority = Authority::new();
    authority.issue("shop.local");
    let ways = Ways::new(&authority, "shop.local");
    let toml = trusting(&authority, "https", "");
    let sidecar = launched(&toml, &["{port}", ways.0.to_str().unwrap()]);
    let event = sidecar.wait_for_kind("tls-failed");
    assert_eq!(event["code"], 502_114, "{event}");
    let why = "is not ready: its certificate is for shop.local, not for localhost: set \
               worker.tls.name = \"shop.local\"";
    assert!(event["text"].as_str().unwrap().ends_with(why), "{event}");
    let toml = trusting(&authority, "https", ", name = \"shop.local\"");
    fs::write(sidecar.path("autoheal.toml"), toml).unwrap();
    sidecar.order(&["reload"]);
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    assert_eq!(sidecar.events("tls-failed").len(), 1, "it is said once");
}

#[test]
fn a_worker_without_http_2_is_told_from_one_that_has_it() {
    let authority = Authority::new();
    authority.issue("localhost");
    let ways = Ways::new(&authority, "localhost");
    let toml = trusting(&authority, "h2", "") + "[recycle]\nready = \"port\"\n";
    let sidecar = launched(&toml, &["{port}", ways.0.to_str().unwrap()]);
    let event = sidecar.wait_for_kind("tls-failed");
    assert_eq!(event["code"], 502_119, "{event}");
}

#[test]
fn a_worker_is_shown_the_certificate_that_it_wants_renewed_while_it_serves() {
    let authority = Authority::new();
    authority.issue("localhost");
    authority.issue("client");
    let ways = Ways::new(&authority, "localhost");
    let mut strict = with(&authority, "localhost");
    strict["ca"] = json!(authority.path("ca.pem"));
    ways.set(strict);
    let own = format!(", {}", authority.pair("client"));
    let toml = trusting(&authority, "https", &own) + "keep_alive = \"0s\"\n";
    let sidecar = ready(&toml, &ways);
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    let shown = &sidecar.status()["certificates"];
    assert_eq!(shown[0]["names"][0], "client", "{shown}");
    // One that has expired is refused as soon as it is in force.
    authority.issue_until("client", "client", 2021);
    sidecar.wait("the new one is shown", || {
        (sidecar.get("/").code() == Some("502116")).then_some(())
    });
    sidecar.wait_for_event("that it has expired", |event| {
        let text = event["text"].as_str().unwrap_or_default();
        event["kind"] == "certificate" && text.contains("the worker refuses it")
    });
    authority.issue("client");
    sidecar.wait("the newest one is shown", || {
        (sidecar.get("/").status == 200).then_some(())
    });
}

#[test]
fn no_client_notices_recycles_of_a_worker_that_speaks_tls() {
    let authority = Authority::new();
    authority.issue("localhost");
    let ways = Ways::new(&authority, "localhost");
    let sidecar = ready(&trusting(&authority, "https", ""), &ways);
    let gets = start_load(Plan {
        rate_per_s: 60,
        connections: 6,
        ..plan(&sidecar.url("/"), 4)
    });
    let posts = start_load(Plan {
        method: Method::POST,
        rate_per_s: 20,
        connections: 3,
        body_bytes: 20_000,
        ..plan(&sidecar.url("/"), 4)
    });
    for _ in 0..3 {
        sidecar.recycle();
    }
    assert_whole(&gets.wait().unwrap(), &sidecar);
    assert_whole(&posts.wait().unwrap(), &sidecar);
    assert_eq!(sidecar.get("/").generation(), Some(4), "{}", sidecar.log());
}

#[test]
fn who_is_not_verified_is_served_and_warned_of() {
    let authority = Authority::new();
    authority.issue_until("localhost", "shop.local", 2021);
    let ways = Ways::new(&authority, "localhost");
    let toml = "[worker]\nprotocol = \"https\"\ntls = { verify = false }\n";
    let sidecar = ready(toml, &ways);
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    sidecar.wait("the log warns of it", || {
        let warns = sidecar.log().contains("worker.tls.verify is false");
        warns.then_some(())
    });
    let file = sidecar.path("autoheal.toml");
    let checked = Command::new(env!("CARGO_BIN_EXE_autoheal"))
        .arg("check")
        .arg(file)
        .output()
        .unwrap();
    let said = super::text(&checked.stdout) + &super::text(&checked.stderr);
    assert!(
        said.contains("warning: the worker's certificate is not verified"),
        "{said}"
    );
    assert!(
        said.contains("It speaks HTTP/1.1 in TLS, and its certificate is NOT verified"),
        "{said}"
    );
}
