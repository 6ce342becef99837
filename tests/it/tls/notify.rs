//! A webhook that speaks TLS: another autoheal, whose worker takes what it is sent.

use std::path::PathBuf;

use super::{Authority, start, wait_counted};
use crate::support::{Setup, Sidecar, command_of_demo_worker};

/// What came of telling this hook of a failing worker, where the certificates of a file are
/// trusted.
fn told(url: &str, roots: PathBuf) -> String {
    let setup = Setup {
        toml: format!(
            "proactive = false\n[[rule]]\nname = \"r\"\nmin_uptime = \"0s\"\n\
             when.status = {{ codes = 500, count = 1, window = \"10min\" }}\n\
             do = [{{ notify = \"{url}\" }}]\n"
        ),
        command: command_of_demo_worker(&[]),
        env: vec![("SSL_CERT_FILE", roots)],
        ..Setup::default()
    };
    let sidecar = setup.launch();
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/bad").status, 500);
    let notified = sidecar.wait_for_kind("notified");
    notified["text"].as_str().unwrap().to_owned()
}

fn hook(authority: &Authority) -> Sidecar {
    authority.issue("localhost");
    start(&format!("tls = {{ {} }}\n", authority.pair("localhost")))
}

#[test]
fn a_hook_that_speaks_tls_is_told_if_its_certificate_can_be_trusted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let hook = hook(&authority);
    let port = hook.address.port();
    let text = told(
        &format!("https://localhost:{port}/T0/SECRET"),
        authority.path("ca.pem"),
    );
    assert!(
        text.contains(&format!("https://localhost:{port} (200 OK)")),
        "{text}"
    );
    assert_eq!(hook.status()["ledger"]["completed"], 1);
    for (url, roots, why) in [
        (
            format!("https://localhost:{port}/T0/SECRET"),
            &stranger,
            "does not lead to what this machine trusts; install",
        ),
        (
            format!("https://127.0.0.1:{port}/T0/SECRET"),
            &authority,
            "is for localhost, not for 127.0.0.1; write a name",
        ),
    ] {
        let text = told(&url, roots.path("ca.pem"));
        assert!(
            text.contains(why) && text.contains("(try 1, the last)"),
            "{text}"
        );
        assert!(
            !text.contains("SECRET") && !text.contains("worker.tls"),
            "{text}"
        );
    }
    wait_counted(&hook, 400_110, 2);
}
