//! Where the CPU time goes, by `perf` where it may be used.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use super::{load, subject::Subject, support::installed, workload::Workload};

const SYMBOLS: usize = 15;

/// The hottest symbols of a subject under load, as text.
pub(crate) fn take(
    subject: &Subject,
    workload: &Workload,
    seconds: u32,
    folder: &Path,
) -> io::Result<String> {
    let Some(address) = subject.address(workload.front) else {
        return Ok(String::new());
    };
    if !installed("perf") {
        return Ok("\nperf is not installed: no profile\n".to_owned());
    }
    let data = folder.join("perf.data");
    let mut perf = Command::new("perf")
        .args([
            "record",
            "--quiet",
            "-F",
            "999",
            "-p",
            &subject.pid().to_string(),
            "-o",
        ])
        .arg(&data)
        .args(["--", "sleep", &seconds.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    load::drive(workload, address, seconds, folder)?;
    let recorded = perf.wait()?.success();
    let report = |sort: &str| {
        Command::new("perf")
            .args([
                "report",
                "--stdio",
                "--no-children",
                "--percent-limit",
                "0.3",
                "-s",
                sort,
                "-i",
            ])
            .arg(&data)
            .stderr(Stdio::null())
            .output()
    };
    let (parts, symbols) = (report("dso")?, report("dso,symbol")?);
    if !recorded || !symbols.status.success() {
        return Ok("\nperf can't be used here (perf_event_paranoid?): no profile\n".to_owned());
    }
    Ok(format!(
        "\nWhere the time of {} goes:\n{}\n{}",
        subject.name,
        lines(&parts.stdout, 5),
        lines(&symbols.stdout, SYMBOLS)
    ))
}

fn lines(report: &[u8], most: usize) -> String {
    String::from_utf8_lossy(report)
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .take(most)
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
