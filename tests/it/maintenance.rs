//! A maintenance page beside a web.config, end to end.

use std::fs;

use crate::support::{Setup, Sidecar, command_of_demo_worker};

fn with_page(page: Option<&str>) -> (tempfile::TempDir, Sidecar) {
    let site = tempfile::tempdir().unwrap();
    fs::write(
        site.path().join("web.config"),
        "<configuration><system.webServer><httpPlatform processPath=\"dotnet\" />\
         </system.webServer></configuration>",
    )
    .unwrap();
    if let Some(page) = page {
        fs::write(site.path().join("app_offline.htm"), page).unwrap();
    }
    let sidecar = Setup {
        files: vec![site.path().join("web.config")],
        command: command_of_demo_worker(&[]),
        ..Setup::default()
    }
    .launch();
    (site, sidecar)
}

#[test]
fn app_offline_htm_is_the_answer_while_it_is_there_and_the_worker_is_stopped() {
    let (site, sidecar) = with_page(None);
    sidecar.wait_for_kind("worker-ready");
    let page = site.path().join("app_offline.htm");
    let slow = sidecar.ask("/slow?ms=1500");
    sidecar.wait("it is in flight", || {
        let flying = sidecar.status()["workers"][0]["in_flight"].as_u64();
        (flying == Some(1)).then_some(())
    });
    fs::write(site.path().join("new"), "<h1>back soon</h1>").unwrap();
    fs::rename(site.path().join("new"), &page).unwrap();
    sidecar.wait_for_kind("maintenance");
    let answer = sidecar.wait("data threads know", || {
        let answer = sidecar.get("/");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(answer.code(), Some("503114"));
    assert_eq!(answer.field("content-type"), Some("text/html"));
    assert_eq!(answer.body, "<h1>back soon</h1>");
    assert_eq!(slow.answer().status, 200, "what was in flight is finished");
    sidecar.wait_for_kind("worker-stopped");
    fs::write(site.path().join("new"), "<h1>back later</h1>").unwrap();
    fs::rename(site.path().join("new"), &page).unwrap();
    sidecar.wait("the new page", || {
        (sidecar.get("/").body == "<h1>back later</h1>").then_some(())
    });
    assert_eq!(sidecar.status()["ready"], false);
    fs::remove_file(page).unwrap();
    sidecar.wait_for_kind("maintenance");
    let answer = sidecar.wait("an answer of the app", || {
        let answer = sidecar.get("/");
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.generation(), Some(2));
}

#[test]
fn nothing_is_started_beside_a_page_that_is_there_at_the_start() {
    let (site, sidecar) = with_page(Some("not today"));
    let answer = sidecar.wait("the page", || {
        let answer = sidecar.get("/");
        (answer.body == "not today").then_some(answer)
    });
    assert_eq!(answer.status, 503);
    assert_eq!(
        sidecar.events("worker-starting").len(),
        0,
        "{}",
        sidecar.log()
    );
    fs::remove_file(site.path().join("app_offline.htm")).unwrap();
    sidecar.wait_for_kind("worker-ready");
    sidecar.wait("an answer of the app", || {
        (sidecar.get("/").generation() == Some(1)).then_some(())
    });
}
