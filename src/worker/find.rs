//! Finds the process that serves at a place, or that a pid file names: what to attach to.
//!
//! A process is known by its number and its start, so that another that was given its number is
//! never taken for it. One that autoheal itself descends from is never found: it would be told to
//! end.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt, path::PathBuf};

use crate::os::{
    listener::{Holder, Listeners, Place, holder, listeners},
    procfs::{Identity, Proc},
    tree::{Root, members},
};

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it listens.
    pub place: Place,
    /// The file that its process writes its number to. Without it the process is found by who
    /// listens at the place.
    pub pid_file: Option<PathBuf>,
}

/// Ancestors are looked up so far; a ring in a changing world must end.
const ANCESTORS_MOST: usize = 64;

/// The main process, if it listens there; `left`: what is not it, as it is what is left of the one
/// before.
///
/// # Errors
/// When it is not there, or can't be seen: why, and the cure, as a fragment for people.
pub fn find(proc: &Proc, wanted: &Wanted, left: &HashSet<Identity>) -> Result<Identity, String> {
    match &wanted.pid_file {
        Some(file) => by_file(proc, wanted, file, left),
        None => by_place(proc, &wanted.place, left),
    }
}

fn by_place(proc: &Proc, place: &Place, left: &HashSet<Identity>) -> Result<Identity, String> {
    let Listeners { sockets, holders } = listeners(proc, place);
    if sockets.is_empty() {
        return Err(nobody(place));
    }
    if holders.is_empty() {
        return Err(hidden(place, sockets.into_values().flatten().next()));
    }
    let (old, new): (Vec<_>, Vec<_>) = holders.iter().partition(|one| left.contains(&one.who));
    if new.is_empty() {
        let old = old
            .first()
            .map_or_else(String::new, |one| format!("{one}, "));
        return Err(format!(
            "{old}left of the worker before, still listens on {place}"
        ));
    }
    let above = ancestors(proc);
    let (ours, others): (Vec<_>, Vec<_>) =
        (new.into_iter()).partition(|one| above.contains(&one.who.pid));
    // systemd holds the sockets of its .socket units beside those that serve them.
    let manages = |one: &&&Holder| one.who.pid == 1 || one.name == "systemd";
    let managed = others.iter().any(|one| !manages(&one));
    let serving: Vec<_> = (others.iter())
        .filter(|one| !(managed && manages(one)))
        .collect();
    let is_below = |one: &Holder| serving.iter().any(|other| other.who.pid == one.parent);
    let tops = serving.iter().filter(|one| !is_below(one));
    match tops.min_by_key(|one| one.who.start_ticks) {
        Some(top) => Ok(top.who),
        None => Err(ours.first().map_or_else(
            || nobody(place),
            |above| {
                format!(
                    "{above} listens on {place}, and autoheal descends from it: start autoheal \
                     apart from what it is to watch"
                )
            },
        )),
    }
}

fn by_file(
    proc: &Proc,
    wanted: &Wanted,
    file: &PathBuf,
    left: &HashSet<Identity>,
) -> Result<Identity, String> {
    let (shown, place) = (file.display(), &wanted.place);
    let text = fs::read_to_string(file).map_err(|error| format!("no {shown}: {error}"))?;
    let first = text.split_ascii_whitespace().next();
    let pid = first.and_then(|word| word.parse().ok());
    let pid = pid.ok_or_else(|| {
        format!("{shown} holds no process id; name the file that the app's main process writes")
    })?;
    let main = holder(proc, pid)
        .ok_or_else(|| format!("{shown} names process {pid}, which is gone: it is stale"))?;
    if left.contains(&main.who) {
        return Err(format!(
            "{shown} still names {main}, which is on its way out"
        ));
    }
    if pid == std::process::id() || ancestors(proc).contains(&pid) {
        return Err(format!(
            "{shown} names {main}, which autoheal descends from: start autoheal apart from what \
             it is to watch"
        ));
    }
    // What has the number of a stale file must not be taken for the app: the app listens.
    let Listeners { sockets, holders } = listeners(proc, place);
    if sockets.is_empty() {
        return Err(format!("{}; {shown} names {main}", nobody(place)));
    }
    let tree = members(proc, Root::From(pid)).unwrap_or_default();
    let listens = |one: &Holder| tree.iter().any(|member| member.who == one.who);
    if holders.iter().any(listens) {
        return Ok(main.who);
    }
    let readable = fs::read_dir(proc.file(pid, "fd")).is_ok();
    let user = fs::metadata(proc.file(pid, "")).ok().map(|dir| dir.uid());
    if !readable && sockets.values().any(|of| of.is_some() && *of == user) {
        // It may not be looked into, but the socket is of its user.
        return Ok(main.who);
    }
    let who = match holders.first() {
        Some(other) => format!("{other} does"),
        None => hidden(place, sockets.into_values().flatten().next()),
    };
    Err(format!(
        "{main}, which {shown} names, does not listen on {place}; {who}"
    ))
}

fn nobody(place: &Place) -> String {
    format!("nobody on this machine listens on {place}")
}

/// Something listens, and the process is none that may be looked into.
fn hidden(place: &Place, user: Option<u32>) -> String {
    let me = rustix::process::geteuid().as_raw();
    match user {
        Some(user) if user != me && me != 0 => format!(
            "a process of user {user} listens on {place}, and user {me} may not look into it: run \
             autoheal as user {user} or as root, or name its attach.pid_file"
        ),
        _ => format!(
            "what listens on {place} can't be seen from here: in a pod, set \
             shareProcessNamespace: true"
        ),
    }
}

/// The processes that we descend from.
fn ancestors(proc: &Proc) -> HashSet<u32> {
    let mut above = HashSet::new();
    let mut next = proc.stat(std::process::id()).map(|stat| stat.parent);
    while let Ok(pid) = next
        && pid != 0
        && above.len() < ANCESTORS_MOST
        && above.insert(pid)
    {
        next = proc.stat(pid).map(|stat| stat.parent);
    }
    above
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, os::unix::fs::symlink};

    use super::*;

    const PLACE: &str = "127.0.0.1:5000";

    /// A machine laid out as files, where a socket of user 1234 listens on port 5000.
    struct Machine(tempfile::TempDir);

    impl Machine {
        /// Processes: number, parent, name, and whether each has the socket open.
        fn of(processes: &[(u32, u32, &str, bool)]) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            let own = machine.0.path().join(std::process::id().to_string());
            fs::create_dir_all(own.join("net")).unwrap();
            let line = "0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 \
                        00000000  1234        0 4242 1 0000000000000000 100 0 0 10 0\n";
            fs::write(own.join("net/tcp"), line).unwrap();
            for (pid, parent, name, holds) in processes {
                machine.process(*pid, *parent, name, *holds);
            }
            machine
        }

        fn process(&self, pid: u32, parent: u32, name: &str, holds: bool) {
            let folder = self.0.path().join(pid.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            let stat =
                format!("{pid} ({name}) S {parent} 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 {pid}00 9");
            fs::write(folder.join("stat"), stat).unwrap();
            if holds {
                symlink("socket:[4242]", folder.join("fd/3")).unwrap();
            }
        }

        fn find(&self, pid_file: Option<&str>, left: &[u32]) -> Result<u32, String> {
            let file = self.0.path().join("app.pid");
            if let Some(text) = pid_file {
                fs::write(&file, text).unwrap();
            }
            let wanted = Wanted {
                place: Place::Tcp((Ipv4Addr::LOCALHOST, 5000).into()),
                pid_file: pid_file.map(|_| file),
            };
            let left = left.iter().map(|pid| Identity {
                pid: *pid,
                start_ticks: u64::from(*pid) * 100,
            });
            let found = find(&Proc::at(self.0.path()), &wanted, &left.collect());
            found.map(|who| who.pid)
        }
    }

    #[test]
    fn of_those_that_share_a_socket_the_one_above_all_is_found() {
        let machine = Machine::of(&[
            (50, 10, "gunicorn", true),
            (51, 50, "gunicorn", true),
            (52, 51, "python3", true),
            (60, 10, "other", false),
        ]);
        assert_eq!(machine.find(None, &[]), Ok(50));
    }

    #[test]
    fn of_those_that_share_a_socket_beside_each_other_the_oldest_is_found() {
        let machine = Machine::of(&[
            (70, 1, "new", true),
            (50, 1, "old", true),
            (60, 1, "newer", true),
        ]);
        assert_eq!(machine.find(None, &[]), Ok(50));
    }

    #[test]
    fn who_only_holds_a_socket_for_another_is_not_found() {
        let machine = Machine::of(&[(1, 0, "init", true), (50, 1, "shop", true)]);
        assert_eq!(machine.find(None, &[]), Ok(50));
        let alone = Machine::of(&[(1, 0, "shop", true)]);
        assert_eq!(alone.find(None, &[]), Ok(1), "a container's first process");
    }

    #[test]
    fn what_is_left_of_the_one_before_is_not_the_next_one() {
        let machine = Machine::of(&[(50, 1, "shop", true)]);
        let why = machine.find(None, &[50, 40]).unwrap_err();
        let left = "shop (pid 50), left of the worker before, still listens on 127.0.0.1:5000";
        assert_eq!(why, left);
        machine.process(90, 1, "shop", true);
        assert_eq!(machine.find(None, &[50, 40]), Ok(90));
        // The number of one that is gone, and another process.
        fs::remove_dir_all(machine.0.path().join("50")).unwrap();
        let left = HashSet::from([Identity {
            pid: 90,
            start_ticks: 1,
        }]);
        let wanted = Wanted {
            place: Place::Tcp(PLACE.parse().unwrap()),
            pid_file: None,
        };
        let found = find(&Proc::at(machine.0.path()), &wanted, &left);
        assert_eq!(found.unwrap().pid, 90);
    }

    #[test]
    fn who_can_t_be_looked_into_is_told_with_the_cure() {
        let machine = Machine::of(&[(50, 1, "shop", false)]);
        let why = machine.find(None, &[]).unwrap_err();
        let cure = match rustix::process::geteuid().is_root() {
            true => "shareProcessNamespace: true",
            false => "run autoheal as user 1234 or as root, or name its attach.pid_file",
        };
        assert!(why.contains(PLACE) && why.contains(cure), "{why}");
    }

    #[test]
    fn what_autoheal_descends_from_is_never_found() {
        let me = std::process::id();
        let machine = Machine::of(&[(7, 1, "sh", true), (me, 7, "autoheal", false)]);
        let me = me.to_string();
        for (file, who) in [
            (None, "sh (pid 7)"),
            (Some("7"), "sh (pid 7)"),
            (Some(&*me), &*me),
        ] {
            let why = machine.find(file, &[]).unwrap_err();
            assert!(why.contains(who), "{why}");
            assert!(why.contains("autoheal descends from"), "{why}");
        }
    }

    #[test]
    fn a_pid_file_is_believed_only_if_its_process_listens() {
        let machine = Machine::of(&[
            (50, 1, "master", false),
            (51, 50, "worker", true),
            (60, 1, "stranger", false),
        ]);
        assert_eq!(machine.find(Some("50\n"), &[]), Ok(50));
        let reused = machine.find(Some("60"), &[]).unwrap_err();
        let who = "does not listen on 127.0.0.1:5000; worker (pid 51) does";
        assert!(reused.contains(who), "{reused}");
        let stale = machine.find(Some("77"), &[]).unwrap_err();
        assert!(stale.contains("names process 77, which is gone"), "{stale}");
        let old = machine.find(Some("50"), &[50]).unwrap_err();
        assert!(old.contains("still names master (pid 50)"), "{old}");
        // One that can be looked into listens only if it is seen to, whosever the socket is.
        let own = machine
            .0
            .path()
            .join(format!("{}/net/tcp", std::process::id()));
        let lines = fs::read_to_string(&own).unwrap();
        let user = rustix::process::geteuid().as_raw().to_string();
        fs::write(&own, lines.replace("1234", &format!("{user:>4}"))).unwrap();
        assert!(machine.find(Some("60"), &[]).is_err());
        let empty = machine.find(Some("soon"), &[]).unwrap_err();
        assert!(empty.contains("holds no process id"), "{empty}");
    }
}
