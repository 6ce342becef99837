//! What /proc says of one process and its threads at one moment, as bounded text for people.

use std::{
    fs::File,
    io::{self, Read},
};

use super::procfs::Proc;

/// The most bytes that are read of one file.
const FILE_MOST: u64 = 8 * 1024;
/// The most threads of one process.
const THREADS_MOST: usize = 64;

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Which.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// Its files of /proc by name: `status`, `limits`, `smaps_rollup`, `io`. What can't be read is
    /// left out.
    pub files: Vec<(&'static str, String)>,
    /// How many descriptors it has open.
    pub descriptors: Option<u64>,
    /// Its threads, a line each: number, name, state, and where it waits in the kernel.
    pub threads: Vec<String>,
    /// Threads beyond those that are listed.
    pub more_threads: usize,
}

impl Facts {
    /// Looks at a process.
    #[must_use]
    pub fn of(proc: &Proc, pid: u32) -> Self {
        let names = ["status", "limits", "smaps_rollup", "io"];
        let files = names.into_iter().filter_map(|name| {
            let text = beginning(proc, pid, name).ok()?;
            Some((name, text))
        });
        let mut threads: Vec<u32> = std::fs::read_dir(proc.file(pid, "task"))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        threads.sort_unstable();
        Self {
            pid,
            command: proc
                .command_line(pid)
                .map(|line| clip(line, FILE_MOST))
                .unwrap_or_default(),
            files: files.collect(),
            descriptors: proc.descriptors(pid),
            more_threads: threads.len().saturating_sub(THREADS_MOST),
            threads: threads
                .into_iter()
                .take(THREADS_MOST)
                .filter_map(|thread| line_of(proc, pid, thread))
                .collect(),
        }
    }
}

/// `812 gunicorn S futex_wait_queue`.
fn line_of(proc: &Proc, pid: u32, thread: u32) -> Option<String> {
    let file = |name: &str| beginning(proc, pid, &format!("task/{thread}/{name}"));
    let stat = file("stat").ok()?;
    // The name may have any character in it, and ends with the last bracket.
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let state = rest.split_ascii_whitespace().next()?;
    let waits = file("wchan").unwrap_or_default();
    let waits = match waits.trim() {
        "" | "0" => "",
        at => &format!(" {at}"),
    };
    Some(format!("{thread} {name} {state}{waits}"))
}

fn beginning(proc: &Proc, pid: u32, name: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(proc.file(pid, name))?;
    file.take(FILE_MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn clip(mut text: String, most: u64) -> String {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_can_be_looked_at() {
        let own = Facts::of(&Proc::default(), std::process::id());
        let program = std::env::args().next().unwrap();
        assert!(own.command.starts_with(&program), "{}", own.command);
        let names: Vec<_> = own.files.iter().map(|(name, _)| *name).collect();
        assert!(
            names.contains(&"status") && names.contains(&"limits"),
            "{names:?}"
        );
        assert!(own.descriptors.unwrap() > 2);
        let main = std::process::id().to_string();
        let is_main = |thread: &String| thread.starts_with(&main);
        assert!(own.threads.iter().any(is_main), "{:?}", own.threads);
    }

    #[test]
    fn a_process_that_is_gone_has_no_facts() {
        let none = Facts::of(&Proc::at("/nowhere"), 1);
        assert_eq!(
            none,
            Facts {
                pid: 1,
                ..Facts::default()
            }
        );
    }
}
