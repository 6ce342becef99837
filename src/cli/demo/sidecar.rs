//! autoheal itself, run for the demo as anybody would run it, and ended by its id.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::ask::ask;
use crate::time;

/// From its start to the first answer through it.
const START_TIME_MAX: Duration = Duration::from_secs(20);
/// From SIGTERM to its end: its own default for a shutdown, and a little.
const STOP_TIME_MAX: Duration = Duration::from_secs(28);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running autoheal. Dropping it stops it and everything that it started.
pub(super) struct Sidecar {
    process: Child,
    folder: PathBuf,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Sidecar {
    /// Starts it and waits for the first answer. What it says is passed on, marked by a bar.
    pub(super) fn start() -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let program = std::env::current_exe()?;
        let folder = std::env::temp_dir().join(format!("autoheal-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = folder.join("demo.toml");
        let started = fs::write(&file, config(address, &folder, &program)).and_then(|()| {
            Command::new(&program)
                .args(["run", "--config"])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
        });
        let process = started.inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        let mut sidecar = Self {
            process,
            folder,
            address,
        };
        if let Some(said) = sidecar.process.stderr.take() {
            thread::Builder::new().spawn(move || pass_on(BufReader::new(said)))?;
        }
        sidecar.answers()?;
        Ok(sidecar)
    }

    fn answers(&mut self) -> io::Result<()> {
        let until = time::now() + START_TIME_MAX;
        while !ask(self.address, "/").is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!("autoheal ended: {status}")));
            }
            if time::now() > until {
                return Err(io::Error::other("autoheal passed no answer in time"));
            }
            thread::park_timeout(LOOK_AGAIN);
        }
        Ok(())
    }

    fn stop(&mut self) {
        let pid = Pid::from_child(&self.process);
        let until = time::now() + STOP_TIME_MAX;
        // One that has ended already can't be told to; then only its exit is left to collect.
        let _told = kill_process(pid, Signal::TERM);
        while let Ok(None) = self.process.try_wait() {
            if time::now() > until {
                drop(self.process.kill());
            }
            thread::park_timeout(LOOK_AGAIN);
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop();
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The demo's configuration with this run's places filled in.
fn config(address: SocketAddr, folder: &Path, program: &Path) -> String {
    let text = |value: String| toml::Value::String(value).to_string();
    let admin = format!("unix:{}", folder.join("admin.sock").display());
    include_str!("demo.toml")
        .replace("LISTEN", &text(address.to_string()))
        .replace("ADMIN", &text(admin))
        .replace("PROGRAM", &text(program.display().to_string()))
}

fn pass_on(said: impl BufRead) {
    for line in said.lines().map_while(Result::ok) {
        drop(writeln!(io::stdout().lock(), "    | {}", told(&line)));
    }
}

/// What a line of the log says to people: its text where it is JSON, else all of it.
fn told(line: &str) -> String {
    let fields = serde_json::from_str::<serde_json::Value>(line).ok();
    let text = fields
        .as_ref()
        .and_then(|fields| fields.get("text")?.as_str());
    text.unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_json_line_its_text_is_told_and_any_other_is_told_whole() {
        assert_eq!(
            told(r#"{"level":"info","text":"worker 1 stopped"}"#),
            "worker 1 stopped"
        );
        assert_eq!(told("thread panicked"), "thread panicked");
        assert_eq!(told(r#"{"level":"info"}"#), r#"{"level":"info"}"#);
    }

    #[test]
    fn the_configuration_is_toml_whatever_the_paths_are() {
        let at = "127.0.0.1:8080".parse().unwrap();
        let text = config(at, Path::new("/a \"b\""), Path::new("/c\\d/autoheal"));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["listen"].as_str(), Some("127.0.0.1:8080"));
        assert_eq!(table["admin"].as_str(), Some("unix:/a \"b\"/admin.sock"));
        assert_eq!(
            table["worker"]["command"][0].as_str(),
            Some("/c\\d/autoheal")
        );
        assert_eq!(table["rule"].as_array().unwrap().len(), 3);
    }
}
