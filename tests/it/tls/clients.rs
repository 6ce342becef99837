//! Clients that show certificates of their own, or don't.

use std::process::Output;

use super::{Authority, curl, start, text, wait_counted};
use crate::support::Sidecar;

fn toml(authority: &Authority, required: bool) -> String {
    authority.issue("localhost");
    format!(
        "tls = {{ {}, client = {{ roots = \"{}\", required = {required} }} }}\n",
        authority.pair("localhost"),
        authority.path("ca.pem").display()
    )
}

/// A request with the certificate that this authority issued to the client.
fn with(sidecar: &Sidecar, server: &Authority, client: &Authority) -> Output {
    client.issue("client");
    let (certificate, key) = (client.path("client.pem"), client.path("client.key"));
    let shown = [
        "--cert",
        certificate.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    curl(sidecar, server, "localhost", &shown)
}

#[test]
fn only_clients_with_a_certificate_of_the_right_authority_are_let_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let sidecar = start(&toml(&authority, true));
    let output = with(&sidecar, &authority, &authority);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let none = curl(&sidecar, &authority, "localhost", &[]);
    assert!(!none.status.success(), "{none:?}");
    wait_counted(&sidecar, 400_110, 1);
    let wrong = with(&sidecar, &authority, &stranger);
    assert!(!wrong.status.success(), "{wrong:?}");
    wait_counted(&sidecar, 400_110, 2);
    assert_eq!(sidecar.status()["ledger"]["completed"], 1);
}

#[test]
fn a_certificate_that_is_not_required_must_still_be_right_when_it_is_shown() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let sidecar = start(&toml(&authority, false));
    let none = curl(&sidecar, &authority, "localhost", &[]);
    assert!(none.status.success(), "{none:?}");
    let right = with(&sidecar, &authority, &authority);
    assert!(right.status.success(), "{right:?}");
    let wrong = with(&sidecar, &authority, &stranger);
    assert!(!wrong.status.success(), "{wrong:?}");
}

#[test]
fn the_worker_is_told_of_a_certificate_by_us_alone() {
    let authority = Authority::new();
    let all = "tell = [\"client-cert\", \"x-arr-clientcert\"], required = false";
    let toml = toml(&authority, false).replace("required = false", all);
    let log = "[access_log]\npath = \"access.log\"\nfields = [\"status\", \"client_subject\"]\n";
    let sidecar = start(&format!("{toml}{log}"));
    let forged = ["-H", "Client-Cert: :Zm9v:", "-H", "X-ARR-ClientCert: Zm9v"];
    authority.issue("client");
    let path = |end: &str| {
        authority
            .path(&format!("client.{end}"))
            .display()
            .to_string()
    };
    let (certificate, key) = (path("pem"), path("key"));
    let shown = ["--cert", &certificate, "--key", &key];
    let shown = [&shown[..], &forged].concat();
    let output = text(&curl(&sidecar, &authority, "localhost", &shown).stdout);
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let der: String = lines.collect::<String>().to_lowercase();
    // Python's echo writes all in lower case.
    assert!(
        output.contains(&format!("client-cert: :{der}:\n")),
        "{output}"
    );
    assert!(
        output.contains(&format!("x-arr-clientcert: {der}\n")),
        "{output}"
    );
    assert!(!output.contains("zm9v"), "{output}");
    let none = text(&curl(&sidecar, &authority, "localhost", &forged).stdout);
    assert!(none.contains("200") && !none.contains("cert"), "{none}");
    let logged = sidecar.wait("both are logged", || {
        let lines = std::fs::read_to_string(sidecar.path("access.log")).ok()?;
        (lines.lines().count() == 2).then_some(lines)
    });
    let subjects = [
        "{\"status\":200,\"client_subject\":\"CN=client\"}",
        "{\"status\":200}",
    ];
    assert_eq!(logged.lines().collect::<Vec<_>>(), subjects);
}

#[test]
fn a_session_is_resumed_until_other_clients_are_let_in() {
    let authority = Authority::new();
    let sidecar = start(&toml(&authority, false));
    let kept = authority.path("session");
    let kept = kept.to_str().unwrap();
    let get = "GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n";
    let ask = |flag: &str| {
        let more = ["-ign_eof", flag, kept, "-servername", "localhost"];
        text(&super::s_client(&sidecar, &more, get).stdout)
    };
    let first = ask("-sess_out");
    assert!(first.contains("New, TLSv1.3"), "{first}");
    for _ in 0..4 {
        let again = ask("-sess_in");
        assert!(again.contains("Reused, TLSv1.3"), "{again}");
    }
    std::fs::write(authority.path("ca.pem"), authority.made("other", 2096).0).unwrap();
    sidecar.order(&["reload"]);
    let other = ask("-sess_in");
    assert!(other.contains("New, TLSv1.3"), "{other}");
}
