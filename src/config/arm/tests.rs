//! Each part of ARM by itself: what it becomes, or what is said of it.

mod expressions;

use std::path::PathBuf;

use crate::{
    config::{Diagnostic, Loaded, Machine, Overrides, Source, Surroundings, load},
    decide::policy::Rule,
};

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        dir: PathBuf::from("/site"),
        bytes: text.as_bytes().to_vec(),
    }
}

fn read_all(sources: &[Source]) -> Result<Loaded, Vec<Diagnostic>> {
    let around = Surroundings {
        env: &|_| None,
        is_file: &|_| false,
        flaws: &|_| Vec::new(),
        cwd: PathBuf::from("/here"),
        machine: Machine::default(),
    };
    let over = Overrides {
        command: vec!["serve".to_owned()],
        set: vec!["proactive=false".to_owned()],
        ..Overrides::default()
    };
    load(sources, &over, &around)
}

fn read(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    read_all(&[source("arm.json", text)])
}

/// All that is wrong, in one text.
fn told(text: &str) -> String {
    let found = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    };
    let texts: Vec<_> = found.iter().map(|found| found.render(false)).collect();
    texts.join("\n")
}

fn rules_of(text: &str) -> Vec<Rule> {
    match read(text) {
        Ok(loaded) => loaded.settings.policy.rules,
        Err(_) => panic!("{text}\n{}", told(text)),
    }
}

#[test]
fn a_site_that_is_always_on_is_kept_warm_as_app_service_does() {
    let always_on = |flag: &str| {
        let rules = rules();
        let text = format!(
            r#"{{ "autoHealEnabled": true, "alwaysOn": {flag}, "autoHealRules": {rules} }}"#
        );
        match read(&text) {
            Ok(loaded) => Ok(loaded.settings.worker.always_on),
            Err(_) => Err(told(&text)),
        }
    };
    let five = Some(std::time::Duration::from_secs(300));
    assert_eq!(always_on("true"), Ok(five));
    assert_eq!(always_on("\"True\""), Ok(five));
    assert_eq!(always_on("false"), Ok(None));
    assert_eq!(always_on("null"), Ok(None));
    let wrong = always_on("300").unwrap_err();
    assert!(
        wrong.contains("alwaysOn wants true or false, not"),
        "{wrong}"
    );
}

const ACTIONS: &str = r#""actions": { "actionType": "Recycle",
    "minProcessExecutionTime": "00:10:00" }"#;
const TRIGGERS: &str = r#""triggers": { "requests": { "count": 5, "timeInterval": "00:01:00" } }"#;

/// `autoHealRules` that work.
fn rules() -> String {
    format!("{{ {TRIGGERS}, {ACTIONS} }}")
}

fn with_triggers(triggers: &str) -> String {
    format!("{{ \"triggers\": {{ {triggers} }}, {ACTIONS} }}")
}

fn names(text: &str) -> Vec<String> {
    rules_of(text).into_iter().map(|rule| rule.name).collect()
}

/// Every trigger and action that both formats have.
const IN_ARM: &str = r#"{
    "triggers": {
        "requests": { "count": 1000, "timeInterval": "00:10:00" },
        "slowRequests": { "timeTaken": "00:00:45", "count": 20, "timeInterval": "00:02:00" },
        "statusCodes": [
            { "status": 500, "subStatus": 0, "count": 10, "timeInterval": "00:00:30" },
            { "status": 502, "subStatus": 3, "count": 5, "timeInterval": "00:01:00" },
            { "status": 500, "count": 100, "timeInterval": "01:00:00" }
        ],
        "privateBytesInKB": 819200
    },
    "actions": ACTIONS
}"#;
const IN_WEB_CONFIG: &str = r#"<configuration><system.webServer><monitoring><triggers>
    <memory privateBytesInKB="819200" />
    <requests count="1000" timeInterval="00:10:00" />
    <slowRequests timeTaken="00:00:45" count="20" timeInterval="00:02:00" />
    <statusCode>
      <add statusCode="500" subStatusCode="0" count="10" timeInterval="00:00:30" />
      <add statusCode="502" subStatusCode="3" count="5" timeInterval="00:01:00" />
      <add statusCode="500" count="100" timeInterval="01:00:00" />
    </statusCode>
    </triggers>ACTIONS</monitoring></system.webServer></configuration>"#;

#[test]
fn arm_and_web_config_make_the_very_same_rules_and_warnings() {
    for (arm, web_config) in [
        (
            r#"{ "actionType": "Recycle", "minProcessExecutionTime": "00:10:00" }"#,
            r#"<actions value="Recycle" minProcessExecutionTime="00:10:00" />"#,
        ),
        (
            r#"{ "actionType": "LogEvent" }"#,
            r#"<actions value="LogEvent" />"#,
        ),
        (
            r#"{ "actionType": 2, "customAction": { "exe": "D:\\home\\dump.exe",
                "parameters": "-p %1% \"a b\"" } }"#,
            r#"<actions value="CustomAction"><customAction exe="D:\home\dump.exe"
                parameters="-p %1% &quot;a b&quot;" /></actions>"#,
        ),
        (
            r#"{ "actionType": 2, "customAction": {
                "exe": "D:\\home\\data\\DaaS\\bin\\DaasConsole.exe",
                "parameters": "-CollectLogs" } }"#,
            r#"<actions value="CustomAction"><customAction
                exe="D:\home\data\DaaS\bin\DaasConsole.exe" parameters="-CollectLogs"
                /></actions>"#,
        ),
    ] {
        let arm = read(&IN_ARM.replace("ACTIONS", arm)).unwrap();
        let web_config = IN_WEB_CONFIG.replace("ACTIONS", web_config);
        let web_config = read_all(&[source("web.config", &web_config)]).unwrap();
        assert_eq!(arm.settings.policy, web_config.settings.policy);
        let told = |loaded: Loaded| -> Vec<String> {
            loaded
                .warnings
                .into_iter()
                .map(|found| found.what)
                .collect()
        };
        assert_eq!(told(arm), told(web_config));
    }
}

#[test]
fn rules_are_found_wherever_azure_has_them() {
    let rules = rules();
    let config = format!("{{ \"autoHealEnabled\": true, \"autoHealRules\": {rules} }}");
    let site = format!(
        r#"{{ "type": "Microsoft.Web/sites", "name": "shop",
            "properties": {{ "siteConfig": {config} }} }}"#
    );
    let template = |resources: &str| format!("{{ \"resources\": {resources} }}");
    let nested = |kind: &str, name: &str| {
        template(&format!(
            r#"[ {{ "type": "Microsoft.Web/sites", "name": "shop", "properties": {{}},
                "resources": [ {{ "type": "{kind}", "name": "{name}", "properties": {config} }} ]
            }} ]"#
        ))
    };
    let deployment = |inner: &str| {
        template(&format!(
            r#"[ {{ "type": "Microsoft.Resources/deployments", "name": "d",
                "properties": {{ "mode": "Incremental", "template": {inner} }} }} ]"#
        ))
    };
    let whole = template(&format!("[ {site} ]"));
    for text in [
        rules.clone(),
        config.clone(),
        format!("{{ \"siteConfig\": {config} }}"),
        format!("{{ \"properties\": {{ \"siteConfig\": {config} }} }}"),
        format!("{{ \"properties\": {config} }}"),
        site.clone(),
        format!("[ {config} ]"),
        format!("{{ \"value\": [ {site} ] }}"),
        whole.clone(),
        template(&format!("{{ \"app\": {site} }}")),
        nested("config", "web"),
        nested("Microsoft.Web/sites/config", "shop/web"),
        template(&format!(
            r#"[ {{ "type": "microsoft.web/SITES/config",
                "name": "[concat(uniqueString('x'), '/web')]", "properties": {config} }} ]"#
        )),
        template(&format!(
            r#"[ {{ "type": "Microsoft.Web/sites/slots", "name": "shop/staging",
                "properties": {{ "siteConfig": {config} }} }} ]"#
        )),
        deployment(&whole),
        deployment(&deployment(&whole)),
    ] {
        assert_eq!(names(&text), ["requests"], "{text}");
    }
}

#[test]
fn keys_are_read_in_any_case() {
    let text = r#"{ "AUTOHEALENABLED": true, "AutoHealRules": {
        "Triggers": { "Requests": { "Count": 5, "TimeInterval": "00:01:00" } },
        "Actions": { "ActionType": "recycle", "MinProcessExecutionTime": "00:10:00" } } }"#;
    let expected = rules_of(&rules());
    assert_eq!(rules_of(text), expected);
}

#[test]
fn null_zero_and_nothing_are_absent() {
    let nothing = r#""requests": null, "slowRequests": null, "privateBytesInKB": 0,
        "statusCodes": [], "statusCodesRange": null, "slowRequestsWithPath": [],"#;
    let zeros = r#""requests": { "count": 0, "timeInterval": "00:00:00" },
        "slowRequests": { "timeTaken": "", "count": 0, "timeInterval": null, "path": "" },"#;
    let status = r#""statusCodes": [ { "status": 500, "subStatus": 0, "win32Status": 0,
        "count": 10, "timeInterval": "00:00:30", "path": "" } ]"#;
    for absent in [nothing, zeros] {
        let absent = absent.replace("\"statusCodes\": [],", "");
        let text = with_triggers(&format!("{absent} {status}"));
        assert_eq!(names(&text), ["status 500"]);
    }
    let text = rules().replace("00:10:00", "00:00:00");
    assert!(rules_of(&text)[0].min_uptime.is_zero());
    assert!(told(&text).contains("without minProcessExecutionTime"));
}

#[test]
fn an_action_is_a_word_or_a_number() {
    use crate::decide::policy::Action;
    let action = |written: &str| {
        let text = rules().replace("\"Recycle\"", written);
        rules_of(&text)[0].actions[0].action.clone()
    };
    assert_eq!(action("0"), Action::Recycle(None));
    assert_eq!(action("1"), Action::Log);
    assert_eq!(action("\"LOGEVENT\""), Action::Log);
    let text = rules().replace("\"Recycle\"", "3");
    assert!(told(&text).contains("\"3\" is not an action"));
}

#[test]
fn rules_that_are_switched_off_are_not_in_force() {
    let text = format!(
        "{{ \"autoHealEnabled\": false, \"autoHealRules\": {} }}",
        rules()
    );
    assert_eq!(names(&text), [""; 0]);
    assert!(told(&text).contains("autoHealEnabled is false: its rules are not in force"));
    let text = text.replace("false", "\"False\"");
    assert_eq!(names(&text), [""; 0]);
    let text = text.replace("\"False\"", "7");
    assert!(told(&text).contains("autoHealEnabled wants true or false, not the number 7"));
}

#[test]
fn none_of_several_sites_is_guessed() {
    let site = |name: &str, count: u32, on: bool| {
        let rules = rules().replace("\"count\": 5", &format!("\"count\": {count}"));
        format!(
            r#"{{ "type": "Microsoft.Web/sites", "name": "{name}", "properties": {{ "siteConfig": {{
                "autoHealEnabled": {on}, "autoHealRules": {rules} }} }} }}"#
        )
    };
    let all = |sites: &[String]| format!("{{ \"resources\": [ {} ] }}", sites.join(",\n"));
    let text = all(&[site("shop", 5, true), site("api", 6, true)]);
    let shown = told(&text);
    assert!(shown.contains("several sites have rules of their own: shop (line 2), api (line"));
    assert!(shown.contains("az webapp config show"), "{shown}");
    assert_eq!(
        names(&all(&[site("shop", 5, true), site("api", 5, true)])),
        ["requests"]
    );
    assert_eq!(
        names(&all(&[site("shop", 5, true), site("api", 6, false)])),
        ["requests"]
    );
}

#[test]
fn a_health_check_is_kept_as_app_service_has_it() {
    let text = format!(
        r#"{{ "autoHealEnabled": true, "healthCheckPath": "/up", "autoHealRules": {} }}"#,
        rules()
    );
    let loaded = read(&text).unwrap();
    let health = loaded.settings.health.unwrap();
    assert_eq!(
        (health.path.as_str(), health.interval.as_secs()),
        ("/up", 60)
    );
    assert_eq!((health.failures, health.timeout.as_secs()), (10, 60));
    assert!(told(&text).contains("takes an unhealthy instance from its load balancer"));
    let own = source("autoheal.toml", "[health]\npath = \"/own\"\nfailures = 2\n");
    let loaded = read_all(&[source("a.json", &text), own]).unwrap();
    let health = loaded.settings.health.unwrap();
    assert_eq!((health.path.as_str(), health.failures), ("/own", 2));
    let told: Vec<_> = loaded.warnings.iter().map(|found| &found.what).collect();
    assert!(
        !told.iter().any(|what| what.contains("load balancer")),
        "{told:?}"
    );
}
