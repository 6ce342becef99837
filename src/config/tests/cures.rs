//! Whatever is said of the fixtures has a place and a cure.

use super::*;

const FIXTURES: &str = "tests/fixtures/config";

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

/// Every diagnostic of everything that the fixtures have wrong.
#[test]
fn no_diagnostic_is_without_a_cure_and_a_place_that_exists() {
    let mut seen = 0;
    for path in files(FIXTURES) {
        let source = Source::read(&path, &std::env::current_dir().unwrap()).unwrap();
        let env = |_: &str| None;
        let all = match load(&[source], &Overrides::default(), &around(&env, &|_| false)) {
            Ok(loaded) => loaded.warnings,
            Err(found) => found,
        };
        for found in all {
            seen += 1;
            assert!(found.cure.len() > 5 && !found.what.is_empty(), "{found:?}");
            assert!(!found.what.ends_with('.'), "{found:?}");
            assert!(
                !found.cure.contains('{') || !found.cure.contains("{}"),
                "{found:?}"
            );
            match &found.place {
                Some(place) => {
                    let text = &place.source.text;
                    assert!(text.get(place.range.clone()).is_some(), "{found:?}");
                    assert!(place.line_column() >= (1, 1), "{found:?}");
                }
                // Only a command is missing everywhere.
                None => assert!(found.what.contains("command"), "{found:?}"),
            }
            assert!(found.render(false).contains("help: "), "{found:?}");
        }
    }
    assert!(seen > 200, "{seen}");
}

/// What people read of each fixture, as it is kept.
#[test]
fn no_snapshot_shows_an_error_without_its_help() {
    let mut snapshots = files(&format!("{FIXTURES}/snapshots"));
    snapshots.retain(|path| path.extension().is_some_and(|kind| kind == "snap"));
    assert_eq!(snapshots.len(), files(FIXTURES).len());
    let mut told = 0;
    for path in snapshots {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut open = None;
        for line in text.lines() {
            if line.starts_with("error: ") || line.starts_with("warning: ") {
                assert_eq!(open, None, "{}", path.display());
                open = Some(line);
            } else if line.starts_with("help: ") {
                assert!(open.take().is_some(), "{}: {line}", path.display());
                told += 1;
            }
        }
        assert_eq!(open, None, "{}", path.display());
    }
    assert!(told > 200, "{told}");
}
