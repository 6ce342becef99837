//! Where clients connect: sockets that are passed, and no descriptor left for one more.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{Connection, PATIENCE, wait_for};

const PROGRAM: &str = env!("CARGO_BIN_EXE_autoheal");

/// What systemd does for a .socket unit, and then becomes autoheal.
const LIKE_SYSTEMD: &str = "
import os, socket, sys
program, folder = sys.argv[1:3]
listening = socket.create_server(('127.0.0.1', 0))
with open(folder + '/port.new', 'w') as file:
    file.write(str(listening.getsockname()[1]))
os.rename(folder + '/port.new', folder + '/port')
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
os.execv(program, [program, 'run', '--listen', 'systemd', '--admin', 'off',
                   '--', program, 'demo-worker', '--ids', folder + '/ids'])
";

struct Passed(Child);

impl Passed {
    fn start(folder: &Path) -> Self {
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new("python3");
        command
            .args(["-c", LIKE_SYSTEMD, PROGRAM])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        // Its keepers end the worker.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The environments of the processes that were started with this folder in their command, but for
/// this one's.
fn environments(folder: &Path, not: u32) -> Vec<String> {
    let mark = folder.display().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let pid: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let command = fs::read_to_string(path.join("cmdline")).ok()?;
        let is_one = pid != not && command.contains("demo-worker") && command.contains(&mark);
        is_one.then(|| fs::read_to_string(path.join("environ")).ok())?
    });
    processes.collect()
}

#[test]
fn a_socket_that_systemd_passes_is_served_and_is_not_the_workers() {
    let folder = tempfile::tempdir().unwrap();
    let passed = Passed::start(folder.path());
    let port = wait_for(PATIENCE, || {
        let said = fs::read_to_string(folder.path().join("port")).ok()?;
        said.parse::<u16>().ok()
    });
    let address = ([127, 0, 0, 1], port.unwrap()).into();
    let answer = Connection::open(address).get("/").answer();
    let log = || fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(answer.status, 200, "{}", log());
    let workers = environments(folder.path(), passed.0.id());
    assert!(!workers.is_empty());
    for environment in workers {
        assert!(!environment.contains("LISTEN_"), "{environment}");
    }
    assert!(
        log().contains(&format!("127.0.0.1:{}", port.unwrap())),
        "{}",
        log()
    );
}

#[test]
fn without_a_passed_socket_it_does_not_start_and_says_why() {
    let words = ["run", "--listen", "systemd", "--admin", "off", "--", "true"];
    let output = Command::new(PROGRAM).args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(111), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("systemd passed no socket"), "{said}");
}
