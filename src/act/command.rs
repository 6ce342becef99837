//! Custom actions: a program of the operator's, run without a shell and within limits.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use crate::{
    decide::policy,
    time,
    words::{Exit, Generation},
};

/// So much of its output is kept for the log, in bytes; the rest is read and dropped.
const OUTPUT_MAX: usize = 64 * 1024;
/// The longest value of a variable that it is given, in bytes.
const VALUE_MAX: usize = 4096;

/// One run of a custom action.
#[derive(Debug)]
pub(super) struct Custom {
    pub(super) incident: u64,
    pub(super) rule: String,
    pub(super) reason: String,
    pub(super) generation: Generation,
    /// The instance that this is a generation of, while it runs.
    pub(super) instance: Option<u32>,
    pub(super) pid: Option<u32>,
    pub(super) command: policy::Command,
}

impl Custom {
    /// Runs it to its end or its timeout; says how it ended, as a fragment for people.
    pub(super) async fn run(self) -> String {
        let began = time::now();
        let how = match self.spawn() {
            Ok(child) => wait(child, self.command.timeout).await,
            Err(error) => return format!("could not be run: {error}"),
        };
        let took = Duration::from_millis(time::now().since(began).as_millis() as u64);
        format!("{how} after {}", crate::units::format_duration(took))
    }

    fn spawn(&self) -> std::io::Result<tokio::process::Child> {
        let or_none = |number: Option<u32>| number.map_or_else(String::new, |n| n.to_string());
        let (pid, instance) = (or_none(self.pid), or_none(self.instance));
        let mut argv = self.command.argv.iter().map(|arg| arg.replace("%1%", &pid));
        let program = argv.next().unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(argv)
            .current_dir(&self.command.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if is_secret(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
            .env("AUTOHEAL_INCIDENT", self.incident.to_string())
            .env("AUTOHEAL_RULE", harmless(&self.rule))
            .env("AUTOHEAL_REASON", harmless(&self.reason))
            .env("AUTOHEAL_PID", &pid)
            .env("AUTOHEAL_GENERATION", self.generation.to_string())
            .env("AUTOHEAL_INSTANCE", instance)
            .env("WEBSITE_AUTOHEAL_REASON", harmless(&self.reason));
        command.spawn()
    }
}

fn is_secret(name: &str) -> bool {
    name.starts_with("AUTOHEAL_") && name.contains("TOKEN")
}

/// A value without control characters, of bounded length.
fn harmless(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).collect();
    let mut end = out.len().min(VALUE_MAX);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out
}

async fn wait(mut child: tokio::process::Child, timeout: Duration) -> String {
    let group = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (out, err, status) = tokio::join!(drain(out), drain(err), child.wait());
        for line in out.lines().chain(err.lines()) {
            tracing::info!(source = "custom action", "{line}");
        }
        status
    };
    match tokio::time::timeout(timeout, ended).await {
        Ok(Ok(status)) => exit(status).to_string(),
        Ok(Err(error)) => format!("could not be waited for: {error}"),
        Err(_) => {
            let pid = group.and_then(|pid| i32::try_from(pid).ok());
            if let Some(group) = pid.and_then(rustix::process::Pid::from_raw) {
                // Gone already: nothing left to kill.
                let killed =
                    rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                tracing::debug!(?killed, "custom action timed out");
            }
            drop(child.wait().await);
            "killed at its timeout".to_owned()
        }
    }
}

fn exit(status: std::process::ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Reads a stream to its end, so that the program never blocks on it; keeps its beginning.
async fn drain(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = OUTPUT_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn custom(argv: &[&str], timeout: Duration) -> Custom {
        Custom {
            incident: 7,
            rule: "r".to_owned(),
            reason: "why\n\u{1b}[31m".to_owned(),
            generation: Generation(3),
            instance: Some(2),
            pid: Some(42),
            command: policy::Command {
                argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
                dir: PathBuf::from("/"),
                timeout,
            },
        }
    }

    fn run(custom: Custom) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(custom.run())
    }

    #[test]
    fn it_is_told_what_happened_without_control_characters() {
        let script = "test \"$AUTOHEAL_INCIDENT $AUTOHEAL_GENERATION $1\" = '7 3 pid-42' && \
                      test \"$AUTOHEAL_INSTANCE\" = 2 && \
                      test \"$WEBSITE_AUTOHEAL_REASON\" = 'why[31m'";
        let argv = ["/bin/sh", "-c", script, "sh", "pid-%1%"];
        let how = run(custom(&argv, Duration::from_secs(20)));
        assert!(how.starts_with("exit code 0 after"), "{how}");
    }

    #[test]
    fn its_whole_group_is_killed_at_its_timeout() {
        let argv = ["/bin/sh", "-c", "sleep 1000 & sleep 1000"];
        let how = run(custom(&argv, Duration::from_millis(50)));
        assert!(how.starts_with("killed at its timeout"), "{how}");
    }

    #[test]
    fn a_program_that_is_not_there_is_said() {
        let how = run(custom(&["/no/such/program"], Duration::from_secs(1)));
        assert!(how.starts_with("could not be run: No such file"), "{how}");
    }
}
