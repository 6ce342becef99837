//! The scripts of `tests/vtc`: byte-exact clients and servers around the real binary, driven by
//! varnishtest (Debian's package varnish), which nobody here wrote.

use std::{fs, path::Path, process::Command};

/// Runs `varnishtest` on every script. `None`: it is not on this machine.
fn runs_all(folder: &Path, scratch: &Path) -> Option<(bool, String, usize)> {
    let mut scripts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "vtc"))
        .collect();
    scripts.sort();
    let run = Command::new("varnishtest")
        .args(["-k", "-j2", "-t", "60"])
        .arg("-D")
        .arg(concat!("autoheal=", env!("CARGO_BIN_EXE_autoheal")))
        .arg("-D")
        .arg(format!("vtc={}", folder.display()))
        .args(&scripts)
        .env("TMPDIR", scratch)
        .output();
    let run = match run {
        Ok(run) => run,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("varnishtest: {error}"),
    };
    let mut said = String::from_utf8_lossy(&run.stdout).into_owned();
    said += &String::from_utf8_lossy(&run.stderr);
    Some((run.status.success(), said, scripts.len()))
}

#[test]
fn every_script_of_varnishtest_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vtc");
    let scratch = tempfile::tempdir().unwrap();
    let Some((passed, said, scripts)) = runs_all(&folder, scratch.path()) else {
        eprintln!("skipped: no varnishtest on this machine");
        return;
    };
    assert!(passed, "{said}");
    let through = said
        .lines()
        .filter(|line| line.contains(" passed ("))
        .count();
    assert!(
        through == scripts && scripts >= 10,
        "{through} of {scripts}:\n{said}"
    );
}
