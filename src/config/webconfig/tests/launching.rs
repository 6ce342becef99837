//! How the launchers start a worker.

use std::path::Path;

use super::*;
use crate::config::Port;

fn launched(attributes: &str, children: &str) -> Loaded {
    server(&format!(
        "<httpPlatform {attributes}>{children}</httpPlatform>"
    ))
    .unwrap()
}

#[test]
fn a_program_is_found_by_what_windows_would_call_it() {
    let program = |path: &str| {
        let loaded = launched(&format!("processPath=\"{path}\""), "");
        loaded.settings.worker.command[0].clone()
    };
    assert_eq!(program("bin\\app.exe"), "/site/bin/app");
    assert_eq!(program(".\\bin\\app"), "/site/bin/app");
    assert_eq!(program("node.exe"), "node");
    assert_eq!(program("node"), "node");
    assert_eq!(program("serve"), "/site/serve");
    assert_eq!(program("C:\\Program Files\\nodejs\\node.exe"), "node");
    assert_eq!(program("%ProgramFiles%\\nodejs\\node.exe"), "node");
    assert_eq!(program("%HOME%/app"), "/home/app");
    assert_eq!(program("later"), "later");
}

#[test]
fn arguments_are_split_and_expanded() {
    let loaded = launched(
        "processPath=\"node\" arguments=\".\\run.py &quot;a b&quot; -p %HTTP_PLATFORM_PORT% \\x\"",
        "",
    );
    let worker = loaded.settings.worker;
    assert_eq!(
        worker.command,
        ["node", "./run.py", "a b", "-p", "{port}", "\\x"]
    );
    assert_eq!(worker.dir, Path::new("/site"));
    assert_eq!(worker.port, Port::Auto);
}

#[test]
fn variables_refer_to_each_other_and_to_the_environment() {
    let variables = "<environmentVariables>\
        <environmentVariable name=\"OPTS\" value=\"%BASE% -p %HTTP_PLATFORM_PORT%\" />\
        <environmentVariable name=\"BASE\" value=\"-Xmx1g\" />\
        <environmentVariable name=\"PATH\" value=\"%PATH%:%HOME%/bin\" />\
        <environmentVariable name=\"EMPTY\" value=\"\" /></environmentVariables>";
    let env = launched("processPath=\"node\"", variables)
        .settings
        .worker
        .env;
    assert_eq!(env["OPTS"], "-Xmx1g -p {port}");
    assert_eq!(env["PATH"], "/bin:/home/bin");
    assert_eq!(env["EMPTY"], "");
    assert_eq!(env.len(), 4);
}

#[test]
fn limits_of_a_launcher_become_ours() {
    let settings = server(
        "<aspNetCore processPath=\"node\" startupTimeLimit=\"60\" shutdownTimeLimit=\"5\" \
         requestTimeout=\"00:01:30\" />",
    );
    let settings = settings.unwrap().settings;
    assert_eq!(settings.policy.recycle.start_timeout.as_secs(), 60);
    assert_eq!(settings.policy.recycle.stop_timeout.as_secs(), 5);
    assert_eq!(settings.timeouts.response.as_secs(), 90);
    assert_eq!(
        settings.worker.env["ASPNETCORE_URLS"],
        "http://127.0.0.1:{port}"
    );
    assert_eq!(
        settings.worker.env["ASPNETCORE_FORWARDEDHEADERS_ENABLED"],
        "true"
    );
}

#[test]
fn what_asp_net_core_is_told_gives_way_to_the_file() {
    let settings = server(
        "<aspNetCore processPath=\"node\"><environmentVariables>\
         <environmentVariable name=\"ASPNETCORE_URLS\" value=\"http://[::1]:%ASPNETCORE_PORT%\" />\
         </environmentVariables></aspNetCore>",
    );
    let env = settings.unwrap().settings.worker.env;
    assert_eq!(env["ASPNETCORE_URLS"], "http://[::1]:{port}");
    assert!(
        launched("processPath=\"node\"", "")
            .settings
            .worker
            .env
            .is_empty()
    );
}

#[test]
fn a_list_of_variables_may_be_cleared_and_shortened() {
    let variables = "<environmentVariables>\
        <environmentVariable name=\"A\" value=\"1\" /><clear />\
        <environmentVariable name=\"B\" value=\"2\" />\
        <environmentVariable name=\"C\" value=\"3\" /><remove name=\"b\" />\
        </environmentVariables>";
    let env = launched("processPath=\"node\"", variables)
        .settings
        .worker
        .env;
    assert_eq!(env.keys().collect::<Vec<_>>(), ["C"]);
}

#[test]
fn a_path_with_arguments_in_it_is_told_apart() {
    let cure = |path: &str, arguments: &str| {
        let launcher = format!("<httpPlatform processPath=\"{path}\" arguments=\"{arguments}\" />");
        server(&launcher).unwrap_err().remove(0).cure
    };
    assert_eq!(
        cure("node server.js", ""),
        "write processPath=\"node\" arguments=\"server.js\""
    );
    assert_eq!(
        cure(
            "D:\\my tools\\python.exe -m app",
            "-p %HTTP_PLATFORM_PORT% &quot;a b&quot;"
        ),
        "write processPath=\"D:\\my tools\\python.exe\" \
         arguments=\"-m app -p %HTTP_PLATFORM_PORT% &quot;a b&quot;\""
    );
    let loaded = launched("processPath=\"my app\"", "");
    assert_eq!(loaded.settings.worker.command, ["/site/my app"]);
}

#[test]
fn an_app_that_is_offline_is_said_not_to_run() {
    let source = Source {
        name: "web.config".to_owned(),
        dir: PathBuf::from("/site"),
        bytes: b"<configuration><system.webServer><httpPlatform processPath='node' />\
                 </system.webServer></configuration>"
            .to_vec(),
    };
    let around = Surroundings {
        env: &|_| None,
        is_file: &|path| path == Path::new("/site/app_offline.htm"),
        flaws: &|_| Vec::new(),
        cwd: PathBuf::from("/here"),
        machine: Machine::default(),
    };
    let loaded = load(&[source], &Overrides::default(), &around).unwrap();
    assert!(
        loaded.warnings[0]
            .what
            .starts_with("app_offline.htm stands beside")
    );
    let page = loaded.settings.maintenance.unwrap();
    assert_eq!(page, Path::new("/site/app_offline.htm"));
}

#[test]
fn folders_separated_as_on_windows_are_told() {
    let variable = "<environmentVariables>\
        <environmentVariable name=\"PythonPath\" value=\"a;b\" />\
        <environmentVariable name=\"LIST\" value=\"a;b\" /></environmentVariables>";
    let warnings = launched("processPath=\"node\"", variable).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].cure, "write value=\"a:b\"");
}
