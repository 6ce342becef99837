//! What is known of a worker before anything is done to it, kept as one bounded file: its processes
//! as /proc shows them, what is in flight on it, and its last lines.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    admit::mailbox::Mailboxes,
    os::{
        facts::Facts,
        procfs::Proc,
        tree::{Root, members},
    },
    time::wall,
    words::Generation,
    worker::output::Output,
};

/// The most processes of a worker that are looked at.
const PROCESSES_MOST: usize = 32;
/// The most requests in flight, and of lines.
const REQUESTS_MOST: usize = 200;
const LINES_MOST: usize = 200;
/// So many captures are kept; the oldest give way.
const KEPT: usize = 20;
/// /proc of a process whose memory is locked may not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// One capture to take.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) incident: u64,
    pub(super) rule: String,
    pub(super) reason: String,
    pub(super) generation: Generation,
    /// The instance that this is a generation of, while it runs.
    pub(super) instance: Option<u32>,
    /// The worker's tree, and what it prints, if that comes to us; `None`: it is gone.
    pub(super) worker: Option<(Root, Option<Output>)>,
    pub(super) mailboxes: Mailboxes,
    /// Where captures are kept; `None`: nowhere.
    pub(super) folder: Option<PathBuf>,
}

impl Capture {
    /// Takes it. What was kept and where, as a fragment for people.
    pub(super) async fn take(self) -> String {
        let Some((root, output)) = self.worker else {
            return format!("nothing: worker {} is gone", self.generation);
        };
        // First of all, as a stuck request may be replayed next.
        let requests = self.mailboxes.list(REQUESTS_MOST).await;
        let requests = requests
            .into_iter()
            .filter(|one| one.generation == self.generation);
        let requests: Vec<_> = requests.collect();
        let looked = tokio::task::spawn_blocking(move || look(root));
        let processes = match timeout(PATIENCE, looked).await {
            Ok(Ok(processes)) => processes,
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let threads: usize = processes
            .iter()
            .map(|one| one.threads.len() + one.more_threads)
            .sum();
        let descriptors: u64 = processes.iter().filter_map(|one| one.descriptors).sum();
        let mut what = format!(
            "worker {}: {} processes with {threads} threads and {descriptors} descriptors, {} \
             requests in flight",
            self.generation,
            processes.len(),
            requests.len(),
        );
        let Some(folder) = self.folder else {
            what.push_str("; not kept, as there is no state_dir");
            return what;
        };
        let lines = output.map_or_else(Vec::new, |output| output.tail(LINES_MOST));
        let lines = lines.into_iter().map(|line| {
            let text = line.text;
            json!({ "at": line.at.to_string(), "text": text })
        });
        let requests = requests.into_iter().map(|one| {
            json!({
                "method": one.method,
                "path": one.path,
                "age_ms": u64::try_from(one.age.as_millis()).unwrap_or(u64::MAX),
                "answered": one.answered,
                "tunnel": one.tunnel,
            })
        });
        let whole = json!({
            "v": 1,
            "incident": self.incident,
            "rule": self.rule,
            "reason": self.reason,
            "generation": self.generation.0,
            "instance": self.instance,
            "at": wall().to_string(),
            "requests": requests.collect::<Vec<_>>(),
            "processes": processes.iter().map(process).collect::<Vec<_>>(),
            "output": lines.collect::<Vec<_>>(),
        });
        let name = format!("incident-{:08}.json", self.incident);
        let path = folder.join(&name);
        let kept = tokio::task::spawn_blocking(move || keep(&folder, &name, &whole));
        match kept.await {
            Ok(Ok(())) => format!("{what}; kept in {}", path.display()),
            Ok(Err(error)) => format!("{what}; can't be kept in {}: {error}", path.display()),
            Err(_) => format!("{what}; can't be kept"),
        }
    }
}

fn look(root: Root) -> Vec<Facts> {
    let proc = Proc::default();
    let members = members(&proc, root).unwrap_or_default().into_iter();
    let living = members.filter(|member| !member.zombie);
    living
        .take(PROCESSES_MOST)
        .map(|member| Facts::of(&proc, member.who.pid))
        .collect()
}

fn process(facts: &Facts) -> Value {
    let mut value = json!({
        "pid": facts.pid,
        "command": facts.command,
        "descriptors": facts.descriptors,
        "threads": facts.threads,
        "more_threads": facts.more_threads,
    });
    for (name, text) in &facts.files {
        value[*name] = text.lines().collect();
    }
    value
}

/// Writes a file that nobody else can read, and lets the oldest go.
fn keep(folder: &Path, name: &str, whole: &Value) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)?;
    let mut kept: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("incident-"))
        .collect();
    kept.sort_unstable();
    let too_many = (kept.len() + 1).saturating_sub(KEPT);
    for old in kept.iter().take(too_many) {
        fs::remove_file(folder.join(old))?;
    }
    let mut options = OpenOptions::new();
    // A file of this name, or a link, that somebody else put there is not written to.
    let file = options.write(true).create_new(true).mode(0o600);
    let mut file = file.open(folder.join(name))?;
    serde_json::to_writer_pretty(&mut file, whole)?;
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_newest_are_kept_and_nobody_else_can_read_them() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("captures");
        for incident in 1..=KEPT + 2 {
            keep(&folder, &format!("incident-{incident:08}.json"), &json!({})).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            (names.len(), names[0].as_str()),
            (KEPT, "incident-00000003.json")
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(&names[0])), 0o600);
        let again = keep(&folder, &names[5], &json!({})).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_process_is_shown_line_by_line() {
        let facts = Facts::of(&Proc::default(), std::process::id());
        let shown = process(&facts);
        let status = shown["status"].as_array().unwrap();
        assert!(
            status
                .iter()
                .any(|line| line.as_str().unwrap().starts_with("VmRSS:"))
        );
    }
}
