//! Where probes are answered, and who can ask `/workerz`.

use super::*;

fn read(text: &str) -> Result<Loaded, String> {
    let command = "[worker]\ncommand = [\"serve\"]\n";
    let text = match text.contains("[attach]") {
        true => text.to_owned(),
        false => format!("{text}\n{command}"),
    };
    load_all(&[source("a.toml", &text)], &Overrides::default(), &[])
}

fn warned(text: &str) -> String {
    let loaded = read(text).unwrap();
    loaded
        .warnings
        .iter()
        .map(|one| one.render(false))
        .collect()
}

#[test]
fn probes_have_an_address_of_their_own_or_none() {
    let at =
        |probes: &str| read(&format!("probes = {probes}")).map(|it| it.settings.probes.to_string());
    assert_eq!(at("\"off\"").unwrap(), "off");
    assert_eq!(at("\":9181\"").unwrap(), "0.0.0.0:9181");
    assert_eq!(
        at("\"unix:run/probes.sock\"").unwrap(),
        "unix:/app/run/probes.sock"
    );
    assert_eq!(read("").unwrap().settings.probes, Probes::Off);
    for (wrong, cure) in [
        ("\"of\"", "did you mean \"off\"?"),
        ("9181", "write \"off\", \"0.0.0.0:9181\" or \"unix:PATH\""),
        ("\"on\"", "\"0.0.0.0:9181\""),
        ("\"::1:9181\"", "put brackets around the address"),
    ] {
        let said = at(wrong).unwrap_err();
        assert!(said.contains(cure), "{wrong}: {said}");
    }
    let told = describe(&read("probes = \":9181\"").unwrap().settings).join("\n");
    assert!(
        told.contains("; probes are answered on 0.0.0.0:9181. Rules act."),
        "{told}"
    );
}

#[test]
fn a_port_that_others_have_is_no_port_for_probes() {
    let both =
        |listen: &str, probes: &str| read(&format!("listen = \"{listen}\"\nprobes = \"{probes}\""));
    for (listen, probes) in [
        (":80", ":80"),
        ("127.0.0.1:80", "[::]:80"),
        (":80", "127.0.0.1:80"),
    ] {
        let said = both(listen, probes).unwrap_err();
        let expected = "probes can't be answered on port 80, which clients connect to";
        assert!(
            said.contains(expected) && said.contains("a.toml:2:"),
            "{said}"
        );
    }
    for (listen, probes) in [
        (":80", ":81"),
        (":0", ":0"),
        ("127.0.0.1:80", "127.0.0.2:80"),
    ] {
        assert!(both(listen, probes).is_ok(), "{listen} {probes}");
    }
    let app = "probes = \":5000\"\n[attach]\naddress = \"127.0.0.1:5000\"\nrestart = \"none\"";
    assert!(
        read(app)
            .unwrap_err()
            .contains("port 5000, which the app has")
    );
}

#[test]
fn who_is_to_restart_it_must_be_able_to_ask_and_have_the_time() {
    let attach = "[attach]\naddress = \"127.0.0.1:5000\"\nrestart = \"probe\"\n";
    let with = |more: &str| format!("{more}\n{attach}");
    assert_eq!(warned(&with("probes = \":9181\"")), "");
    assert!(warned(attach).contains("/workerz can be asked on the admin socket alone"));
    let nobody = read(&with("admin = \"off\"")).unwrap_err();
    assert!(nobody.contains("nobody can ask /workerz"), "{nobody}");
    assert!(nobody.contains("livenessProbe of /workerz"), "{nobody}");
    let hasty = warned(&with("probes = \":9181\"\nparking.wait = \"30s\""));
    assert!(hasty.contains("acts only after 30s"), "{hasty}");
    let told = describe(&read(&with("probes = \":9181\"")).unwrap().settings).join("\n");
    for expected in [
        "it is restarted by whoever asks /workerz",
        "periodSeconds x failureThreshold",
        "within 50s of the parking, the old one serves again",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}
