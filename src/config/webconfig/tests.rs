//! Each element of web.config by itself: what it becomes, or what is said of it.

use std::path::{Path, PathBuf};

use crate::{
    config::{Diagnostic, Loaded, Machine, Overrides, Source, Surroundings, load},
    decide::{
        policy::{Action, Rule},
        trigger::{MemoryLimit, Trigger},
    },
    units::ByteSize,
};

mod launching;
mod pooling;

fn read(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let source = Source {
        name: "web.config".to_owned(),
        dir: PathBuf::from("/site"),
        bytes: text.as_bytes().to_vec(),
    };
    let env = |name: &str| match name {
        "HOME" => Some("/home".to_owned()),
        "PATH" => Some("/bin".to_owned()),
        _ => None,
    };
    let there = [
        "/site/bin/app",
        "/site/run.py",
        "/bin/node",
        "/site/serve",
        "/site/my app",
    ];
    let is_file = |path: &Path| {
        let plain: PathBuf = path.components().collect();
        there.iter().any(|file| plain == Path::new(file))
    };
    let around = Surroundings {
        env: &env,
        is_file: &is_file,
        flaws: &|_| Vec::new(),
        cwd: PathBuf::from("/here"),
        machine: Machine::default(),
    };
    let over = Overrides {
        command_may_follow: true,
        set: vec!["proactive=false".to_owned()],
        ..Overrides::default()
    };
    load(&[source], &over, &around)
}

fn server(inner: &str) -> Result<Loaded, Vec<Diagnostic>> {
    read(&format!(
        "<configuration><system.webServer>{inner}</system.webServer></configuration>"
    ))
}

fn rules(triggers: &str, actions: &str) -> Vec<Rule> {
    let text = format!("<monitoring><triggers>{triggers}</triggers>{actions}</monitoring>");
    server(&text).unwrap().settings.policy.rules
}

const RECYCLE: &str = "<actions value=\"Recycle\" minProcessExecutionTime=\"00:10:00\" />";

fn rule(trigger: &str) -> Rule {
    rules(trigger, RECYCLE).remove(0)
}

#[test]
fn requests_count_in_their_interval() {
    let rule = rule("<requests count=\"1000\" timeInterval=\"00:10:00\" />");
    let Trigger::Requests {
        count,
        share: None,
        window,
        filter,
    } = rule.when
    else {
        panic!("{rule:?}");
    };
    assert_eq!((count, window.unwrap().as_secs()), (1000, 600));
    assert!(filter.is_any());
    assert_eq!(rule.actions, [Action::Recycle(None).into()]);
    assert_eq!(rule.min_uptime.as_secs(), 600);
    assert_eq!(rule.cooldown.as_secs(), 300);
}

#[test]
fn slow_requests_have_a_time_and_perhaps_a_path() {
    let rule = rule(
        "<slowRequests timeTaken=\"00:00:45\" count=\"5\" timeInterval=\"00:02:00\" \
         path=\"/a*\" />",
    );
    let Trigger::Slow {
        time_taken,
        count,
        share,
        window,
        filter,
    } = rule.when
    else {
        panic!("{rule:?}");
    };
    assert_eq!(
        (time_taken.as_secs(), count, window.as_secs()),
        (45, 5, 120)
    );
    assert_eq!(share, None);
    assert!(filter.matches("GET", "/abc") && !filter.matches("GET", "/b"));
}

#[test]
fn a_sub_status_of_zero_is_any() {
    let codes = |attributes: &str| {
        let add = format!("<add {attributes} count=\"1\" timeInterval=\"00:00:30\" />");
        match rule(&format!("<statusCode>{add}</statusCode>")).when {
            Trigger::Status { codes, .. } => codes.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(codes("statusCode=\"502\""), "502");
    assert_eq!(codes("statusCode=\"502\" subStatusCode=\"0\""), "502");
    assert_eq!(codes("statusCode=\"502\" subStatusCode=\"3\""), "502.3");
    assert_eq!(
        codes("statusCode=\"502\" subStatusCode=\"\" win32StatusCode=\"0\""),
        "502"
    );
}

#[test]
fn each_status_becomes_a_rule_with_a_name_of_its_own() {
    let add = "<add statusCode=\"500\" count=\"1\" timeInterval=\"00:00:30\" />";
    let two = format!("<statusCode><clear />{add}{add}</statusCode>");
    let names: Vec<_> = rules(&two, RECYCLE).into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["status 500", "status 500 (2)"]);
}

#[test]
fn memory_is_in_kilobytes_of_1024() {
    let Trigger::Memory { limit, hold } = rule("<memory privateBytesInKB=\"819200\" />").when
    else {
        panic!("no memory rule");
    };
    assert_eq!(limit, MemoryLimit::PrivateBytes(ByteSize::mib(800)));
    assert!(hold.is_zero());
}

#[test]
fn an_action_is_shared_and_keeps_its_meaning() {
    let trigger = "<memory privateBytesInKB=\"819200\" />";
    let all = |actions: &str| rules(trigger, actions).remove(0).actions;
    let first = |actions: &str| all(actions).remove(0).action;
    assert_eq!(first("<actions value=\"LogEvent\" />"), Action::Log);
    let custom = "<actions value=\"CustomAction\"> \
                  <customAction exe=\"&quot;%HOME%\\dump.sh&quot;\" \
                  parameters=\"-p %1% &quot;a b&quot;\" /></actions>";
    let Action::Run(command) = first(custom) else {
        panic!("no command");
    };
    assert_eq!(command.argv, ["/home/dump.sh", "-p", "%1%", "a b"]);
    assert_eq!(command.dir, Path::new("/site"));
    let daas = |parameters: &str| {
        all(&format!(
            "<actions value=\"CustomAction\"><customAction exe=\"D:\\home\\DaasConsole.exe\" \
             parameters=\"{parameters}\" /></actions>"
        ))
    };
    let (capture, recycle) = (Action::Capture.into(), Action::Recycle(None).into());
    assert_eq!(daas("-CollectLogs"), std::slice::from_ref(&capture));
    assert_eq!(daas("-CollectKillAnalyze"), [capture, recycle]);
}

#[test]
fn a_rule_without_a_minimum_uptime_acts_at_once_and_says_so() {
    let text = "<monitoring><triggers><memory privateBytesInKB=\"819200\" /></triggers>\
                <actions value=\"Recycle\" /></monitoring>";
    let loaded = server(text).unwrap();
    assert!(loaded.settings.policy.rules[0].min_uptime.is_zero());
    assert!(
        loaded.warnings[0]
            .cure
            .contains("minProcessExecutionTime=\"00:01:00\"")
    );
}

#[test]
fn sections_that_are_not_ours_are_passed_over() {
    let sections: String = [
        "asp",
        "caching",
        "cgi",
        "defaultDocument",
        "directoryBrowse",
        "fastCgi",
        "globalModules",
        "handlers",
        "httpCompression",
        "httpErrors",
        "httpLogging",
        "httpProtocol",
        "httpRedirect",
        "httpTracing",
        "isapiFilters",
        "management",
        "modules",
        "odbcLogging",
        "proxy",
        "rewrite",
        "security",
        "serverRuntime",
        "staticContent",
        "tracing",
        "urlCompression",
        "validation",
        "webSocket",
        "webdav",
    ]
    .map(|name| format!("<{name}><add name=\"x\" />text</{name}>"))
    .concat();
    let others: String = [
        "appSettings",
        "connectionStrings",
        "configSections",
        "runtime",
        "startup",
        "system.net",
        "system.web",
        "system.codedom",
        "system.diagnostics",
        "system.serviceModel",
        "system.data",
        "entityFramework",
        "log4net",
        "nlog",
        "assemblyBinding",
        "applicationSettings",
    ]
    .map(|name| format!("<{name} a=\"b\" />"))
    .concat();
    let text = format!(
        "<configuration xmlns=\"http://schemas.microsoft.com/.NetConfiguration/v2.0\">{others}\
         <system.webServer>{sections}<httpPlatform processPath=\"node\" /></system.webServer>\
         </configuration>"
    );
    assert_eq!(read(&text).unwrap().warnings, []);
}

#[test]
fn a_section_is_found_in_a_location_of_the_whole_site() {
    let at = |path: &str| {
        read(&format!(
            "<configuration><location {path}><system.webServer>\
             <httpPlatform processPath=\"node\" /></system.webServer></location></configuration>"
        ))
        .unwrap()
    };
    assert_eq!(at("path=\".\"").settings.worker.command, ["node"]);
    assert_eq!(at("").settings.worker.command, ["node"]);
    let elsewhere = at("path=\"admin\"");
    assert!(elsewhere.settings.worker.command.is_empty());
    assert!(elsewhere.warnings[0].what.contains("passed over"));
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let text = "\u{feff}<configuration><system.webServer><httpPlatform processPath=\"node\" />\
                </system.webServer></configuration>";
    assert_eq!(read(text).unwrap().settings.worker.command, ["node"]);
}

#[test]
fn what_is_missing_is_said_even_beside_a_similar_name() {
    let text = "<monitoring><triggers><statusCode><add subStatusCode=\"3\" count=\"1\" \
                timeInterval=\"00:00:30\" /></statusCode></triggers></monitoring>";
    let found = server(text).unwrap_err();
    assert!(
        found
            .iter()
            .any(|found| found.what == "<add> has no statusCode")
    );
}

#[test]
fn hours_past_a_day_are_read_where_iis_reads_them() {
    let text = "<monitoring><triggers><requests count=\"5\" timeInterval=\"29:00:00\" />\
                </triggers><actions value=\"Recycle\" minProcessExecutionTime=\"00:00:00\" />\
                </monitoring>";
    let loaded = server(text).unwrap();
    let Trigger::Requests { window, .. } = loaded.settings.policy.rules[0].when else {
        panic!("no rule for requests");
    };
    assert_eq!(window.unwrap().as_secs(), 24 * 3600);
    assert!(loaded.warnings[0].what.contains("looks back at most"));
}
