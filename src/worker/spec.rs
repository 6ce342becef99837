//! What a worker is started with.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::user::User;
use crate::words::Generation;

/// What a worker is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its serial number.
    pub generation: Generation,
    /// Program and arguments; `{port}` and `{socket}` stand for where it must listen.
    pub command: Vec<String>,
    /// Set on top of our own environment; `{port}` and `{socket}` as in the command.
    pub env: Vec<(String, String)>,
    /// Where it runs.
    pub dir: PathBuf,
    /// `name`, `uid` or `uid:gid` to run it as; only root can.
    pub user: Option<String>,
    /// Where it must listen.
    pub listen: Listen,
    /// The soft limit on open files that we were started with, if we have raised our own since.
    pub open_files: Option<u64>,
    /// The binary that is the keeper: our own.
    pub keeper_exe: PathBuf,
}

/// Where a worker must listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// On this port of the loopback interface.
    Port(u16),
    /// On this Unix socket.
    Socket(PathBuf),
}

/// To whom a signal goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StopTo {
    /// The worker's process group.
    #[default]
    Group,
    /// Its main process only.
    Leader,
}

impl Spec {
    /// Our own binary, even if the file has been replaced since.
    pub const OWN_EXE: &str = "/proc/self/exe";

    /// The command with `{port}` and `{socket}` filled in. Other braces stay as they are.
    #[must_use]
    pub fn expanded_command(&self) -> Vec<String> {
        self.command.iter().map(|a| self.listen.expand(a)).collect()
    }

    /// What is set in the worker's environment, later entries winning.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut set: Vec<(OsString, OsString)> = Vec::new();
        if let Listen::Port(port) = self.listen {
            for name in ["PORT", "HTTP_PLATFORM_PORT"] {
                set.push((name.into(), port.to_string().into()));
            }
        }
        let generation = self.generation.to_string();
        set.push((GENERATION_VARIABLE.into(), generation.into()));
        let own = self.env.iter();
        set.extend(own.map(|(name, value)| (name.into(), self.listen.expand(value).into())));
        set
    }

    /// Whom to become.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn resolved_user(&self) -> io::Result<Option<User>> {
        self.user.as_deref().map(User::find).transpose()
    }
}

impl Listen {
    /// Fills in `{port}` or `{socket}`.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        match self {
            Self::Port(port) => text.replace("{port}", &port.to_string()),
            Self::Socket(path) => text.replace("{socket}", &path.to_string_lossy()),
        }
    }
}

/// The variable by which a process knows its generation, and we know it.
pub(super) const GENERATION_VARIABLE: &str = "AUTOHEAL_GENERATION";
/// The variable that only custom actions have.
pub(super) const INCIDENT_VARIABLE: &str = "AUTOHEAL_INCIDENT";

/// Whether a worker must not see this variable of ours: tokens, and the PORT that we ourselves
/// were told to listen on.
pub(super) fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    // Sockets that were passed to us are not the worker's.
    let passed = matches!(&*name, "LISTEN_FDS" | "LISTEN_FDNAMES" | "LISTEN_PID");
    passed
        || matches!(&*name, "PORT" | "HTTP_PLATFORM_PORT" | INCIDENT_VARIABLE)
        || (name.starts_with("AUTOHEAL_") && name.contains("TOKEN"))
}

/// Says why a command could not be run, naming it, and the cure.
pub(super) fn why_not_started(
    program: &str,
    dir: &Path,
    user: Option<(u32, u32)>,
    error: &io::Error,
) -> String {
    if !dir.is_dir() {
        let dir = dir.display();
        return format!("no such folder: {dir}; set worker.dir to one that exists");
    }
    let here = dir.join(program);
    match error.kind() {
        io::ErrorKind::NotFound if !program.contains('/') => {
            let path = env::var_os("PATH").unwrap_or_default();
            let path = path.to_string_lossy();
            format!("no such file: {program} (looked in PATH {path}); install it or give its path")
        }
        io::ErrorKind::NotFound if here.exists() => format!(
            "can't run {program}: the file is there, but the interpreter in its first line, or \
             its loader, is not; install that"
        ),
        io::ErrorKind::NotFound => {
            let here = here.display();
            format!("no such file: {here}; give the path of the program")
        }
        io::ErrorKind::PermissionDenied if user.is_some_and(|_| !is_root()) => {
            let (uid, gid) = user.unwrap_or_default();
            format!(
                "can't become user {uid}, group {gid}: autoheal does not run as root; start it as \
                 root, or leave out worker.user"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("may not run {program}: not executable for this user; chmod +x it")
        }
        _ if error.raw_os_error() == Some(ENOEXEC) => format!(
            "can't run {program}: neither a program for this machine nor a script with #! in its \
             first line; name its interpreter in the command"
        ),
        _ => format!("can't run {program}: {error}"),
    }
}

const ENOEXEC: i32 = 8;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(listen: Listen) -> Spec {
        Spec {
            generation: Generation(3),
            command: vec!["app".into(), "--bind=127.0.0.1:{port}".into(), "{x}".into()],
            env: vec![("URLS".into(), "http://127.0.0.1:{port}".into())],
            dir: "/".into(),
            user: None,
            listen,
            open_files: None,
            keeper_exe: Spec::OWN_EXE.into(),
        }
    }

    #[test]
    fn the_port_is_filled_in_and_other_braces_stay() {
        let spec = spec(Listen::Port(5001));
        assert_eq!(
            spec.expanded_command(),
            ["app", "--bind=127.0.0.1:5001", "{x}"]
        );
        let set = spec.environment();
        let value = |name: &str| {
            let found = set.iter().rev().find(|(n, _)| n == name);
            found.map(|(_, v)| v.to_string_lossy().into_owned())
        };
        assert_eq!(value("PORT").as_deref(), Some("5001"));
        assert_eq!(value("HTTP_PLATFORM_PORT").as_deref(), Some("5001"));
        assert_eq!(value("AUTOHEAL_GENERATION").as_deref(), Some("3"));
        assert_eq!(value("URLS").as_deref(), Some("http://127.0.0.1:5001"));
    }

    #[test]
    fn a_worker_on_a_socket_is_given_no_port() {
        let mut spec = spec(Listen::Socket("/run/a.sock".into()));
        spec.command = vec!["app".into(), "unix:{socket}".into()];
        assert_eq!(spec.expanded_command(), ["app", "unix:/run/a.sock"]);
        assert!(spec.environment().iter().all(|(name, _)| name != "PORT"));
    }

    #[test]
    fn tokens_and_our_own_port_are_kept_from_the_worker() {
        assert!(is_ours(OsStr::new("AUTOHEAL_ADMIN_TOKEN")));
        assert!(is_ours(OsStr::new("PORT")));
        assert!(is_ours(OsStr::new("LISTEN_FDS")));
        assert!(!is_ours(OsStr::new("AUTOHEAL_CONFIG")));
        assert!(!is_ours(OsStr::new("GITHUB_TOKEN")));
    }

    #[test]
    fn a_command_that_can_not_run_is_named_with_its_cure() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("script"), "#!/no/such/interpreter\n").unwrap();
        let why = |program, dir: &Path, user, kind: io::ErrorKind| {
            why_not_started(program, dir, user, &kind.into())
        };
        let here = dir.path();
        let text = why("gunicorn", here, None, io::ErrorKind::NotFound);
        assert!(
            text.starts_with("no such file: gunicorn (looked in PATH "),
            "{text}"
        );
        let text = why("./script", here, None, io::ErrorKind::NotFound);
        assert!(text.contains("interpreter"), "{text}");
        let text = why("./other", here, None, io::ErrorKind::NotFound);
        assert!(text.starts_with("no such file: /"), "{text}");
        let text = why("app", &here.join("none"), None, io::ErrorKind::NotFound);
        assert!(text.starts_with("no such folder: "), "{text}");
        let text = why("app", here, None, io::ErrorKind::PermissionDenied);
        assert!(text.contains("chmod +x"), "{text}");
        let error = io::Error::from_raw_os_error(ENOEXEC);
        assert!(why_not_started("app", here, None, &error).contains("#!"));
    }
}
