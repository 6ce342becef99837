//! An ARM template and its parameters file heal a worker as an autoheal.toml does.

use std::fs;

use crate::support::{Setup, command_of_demo_worker};

const TEMPLATE: &str = r#"{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "parameters": { "count": { "type": "int" } },
  "resources": [ {
    "type": "Microsoft.Web/sites", "name": "shop", "properties": { "siteConfig": {
      "autoHealEnabled": true,
      "autoHealRules": {
        "triggers": { "requests": {
          "count": "[parameters('count')]", "timeInterval": "00:01:00" } },
        "actions": { "actionType": "Recycle", "minProcessExecutionTime": "00:00:00" }
      } } }
  } ]
}"#;

#[test]
fn a_template_and_its_parameters_recycle_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let values = r#"{ "parameters": { "count": { "value": 5 } } }"#;
    let sidecar = Setup {
        files: vec![at("values.json", values), at("template.json", TEMPLATE)],
        command: command_of_demo_worker(&[]),
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    // The count has a jitter of a tenth.
    for _ in 0..6 {
        assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    }
    let fired = sidecar.wait_for_kind("rule-fired");
    assert_eq!(fired["rule"], "requests", "{}", sidecar.log());
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
}
