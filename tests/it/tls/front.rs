//! What holds for every TLS connection, whatever its certificate.

use super::{Authority, curl, s_client, start, text, wait_counted};
use crate::support::Connection;

fn tls(authority: &Authority, more: &str) -> String {
    authority.issue("localhost");
    format!("tls = {{ {} }}\n{more}\n", authority.pair("localhost"))
}

#[test]
fn a_client_speaks_https_and_the_worker_is_told_so() {
    let authority = Authority::new();
    let sidecar = start(&tls(&authority, ""));
    for (version, line) in [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")] {
        let output = curl(&sidecar, &authority, "localhost", &[version]);
        let said = text(&output.stdout);
        assert!(said.starts_with(line), "{said}{}", text(&output.stderr));
        assert!(said.contains("x-forwarded-proto: https"), "{said}");
        assert!(said.contains("x-forwarded-for: 127.0.0.1"), "{said}");
    }
}

#[test]
fn bodies_of_any_size_pass_whole_in_both_versions_of_tls() {
    let authority = Authority::new();
    let sidecar = start(&tls(&authority, ""));
    let body = authority.path("body");
    std::fs::write(&body, vec![b'x'; 3_000_000]).unwrap();
    let body = format!("@{}", body.display());
    let versions: [&[&str]; 2] = [&["--tls-max", "1.2"], &["--tlsv1.3"]];
    for version in versions {
        let more = [version, &["--data-binary", &body]].concat();
        let output = curl(&sidecar, &authority, "localhost", &more);
        let said = text(&output.stdout);
        assert!(
            said.ends_with(&"x".repeat(3_000_000)),
            "{said}{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn our_own_answers_and_last_words_go_through_tls() {
    let authority = Authority::new();
    let sidecar = start(&tls(&authority, "timeouts.head = \"1s\""));
    let quiet = ["-quiet", "-servername", "localhost"];
    let said = text(&s_client(&sidecar, &quiet, "GET / HTTP/1.1\r\nHo").stdout);
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(said.contains("408101"), "{said}");
    let said = text(&s_client(&sidecar, &quiet, "GET / HTTP/1.1\r\n\r\n").stdout);
    assert!(
        said.starts_with("HTTP/1.1 400") && said.contains("400101"),
        "{said}"
    );
}

#[test]
fn plain_http_to_a_tls_address_is_answered_in_plain() {
    let authority = Authority::new();
    let sidecar = start(&tls(&authority, ""));
    let answer = sidecar.get("/");
    assert_eq!(
        (answer.status, answer.code()),
        (400, Some("400108")),
        "{answer:?}"
    );
    wait_counted(&sidecar, 400_108, 1);
}

#[test]
fn tls_to_a_plain_address_is_told_apart_from_other_noise() {
    let authority = Authority::new();
    let sidecar = start("");
    let output = curl(&sidecar, &authority, "localhost", &[]);
    assert!(!output.status.success(), "{output:?}");
    wait_counted(&sidecar, 400_109, 1);
    let answer = Connection::open(sidecar.address)
        .send("\x16\x03\x01 hello\r\n\r\n")
        .answer();
    assert_eq!(answer.code(), Some("400109"), "{answer:?}");
    let answer = Connection::open(sidecar.address)
        .send("\x17hello\r\n\r\n")
        .answer();
    assert_eq!(answer.code(), Some("400105"), "{answer:?}");
}

#[test]
fn a_handshake_that_stalls_or_fails_ends_and_is_counted() {
    let authority = Authority::new();
    let sidecar = start(&tls(&authority, "timeouts.handshake = \"1s\""));
    let stalled = Connection::open(sidecar.address).send("\x16\x03\x01\x02\x00\x01");
    assert!(stalled.try_answer().is_none());
    wait_counted(&sidecar, 408_103, 1);
    let noise = Connection::open(sidecar.address).send("\x16\x03\x01\x00\x05hello");
    assert!(noise.try_answer().is_none());
    wait_counted(&sidecar, 400_110, 1);
    let old = s_client(&sidecar, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "");
    assert!(!old.status.success(), "{}", text(&old.stdout));
    wait_counted(&sidecar, 400_110, 2);
    let ledger = &sidecar.status()["ledger"];
    assert_eq!(ledger["accepted"], 3, "{ledger}");
    assert_eq!(ledger["refused"], 3, "{ledger}");
}

#[test]
fn a_client_that_leaves_while_its_request_is_parked_is_noticed() {
    let authority = Authority::new();
    let sidecar = start(&tls(&authority, ""));
    sidecar.order(&["hold", "--for", "60s"]);
    // More body is announced than comes: only the watch on the socket sees it leave.
    let post = "POST / HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\n\r\nhalf";
    let mut client = std::process::Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-connect",
            &sidecar.address.to_string(),
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut client.stdin.take().unwrap(), post.as_bytes()).unwrap();
    let parked = |count: u64| (sidecar.status()["parking"]["requests"] == count).then_some(());
    sidecar.wait("it is parked", || parked(1));
    client.kill().unwrap();
    client.wait().unwrap();
    sidecar.wait("it is not parked any more", || parked(0));
    assert_eq!(sidecar.status()["ledger"]["client_aborted"], 1);
}
