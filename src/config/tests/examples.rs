//! The examples can be used as they are.

use super::*;

const FOLDERS: [&str; 2] = ["config/examples", "config/kubernetes"];

fn files(folder: &str, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == kind))
        .collect();
    all.sort();
    all
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn loaded(path: &Path) -> Loaded {
    let name = path.display().to_string();
    let found = load_all(&[source(&name, &read(path))], &Overrides::default(), &[]);
    found.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_example_is_right_and_raises_no_doubt() {
    let all: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| files(folder, "toml"))
        .collect();
    assert!(all.len() >= 5, "{all:?}");
    for path in all {
        let mut doubts = loaded(&path).warnings;
        // Where nothing limits memory a share of it is a rule that is off.
        doubts.retain(|doubt| !doubt.what.contains("nothing limits the memory"));
        let doubts: Vec<_> = doubts.iter().map(|doubt| doubt.render(false)).collect();
        assert!(doubts.is_empty(), "{}: {doubts:?}", path.display());
    }
}

#[test]
fn each_pod_asks_where_its_autoheal_answers() {
    let pods = files("config/kubernetes", "yaml");
    assert_eq!(pods.len(), 2);
    for pod in pods {
        let (text, settings) = (read(&pod), loaded(&pod.with_extension("toml")).settings);
        let Probes::Tcp(at) = settings.probes else {
            panic!("{} has no probes", pod.display())
        };
        let port = format!("containerPort: {}", at.port());
        let attach = settings.attach.unwrap();
        let bound = format!("\"--bind\", \"{}\"", attach.address);
        let mut expected = vec![
            "shareProcessNamespace: true",
            "path: /livez",
            "path: /readyz",
            "mountPath: /var/lib/autoheal",
            &port,
            &bound,
        ];
        let asked = format!("path: /workerz\n          port: {}\n", at.port());
        if attach.restart == RestartBy::Probe {
            expected.push(&asked);
        }
        for part in expected {
            assert!(text.contains(part), "{}: {part}", pod.display());
        }
        assert_eq!(
            text.contains("/workerz"),
            attach.restart == RestartBy::Probe
        );
    }
}
