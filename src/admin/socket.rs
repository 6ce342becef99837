//! Where the admin socket is, how it is made, and how the commands find it.
//!
//! Invariant: the socket has mode 0600 from its first moment, and lies in a folder that no one but
//! its owner and root can write to when we choose the folder.

use std::{
    env,
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process,
};

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

/// The socket's name while no other autoheal has it.
const NAME: &str = "autoheal.sock";

/// Clients beyond those served wait here.
const BACKLOG: i32 = 64;

/// Where the socket shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the first usable of the default folders.
    Auto,
    /// Exactly there.
    At(PathBuf),
}

/// The default folders, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders(Vec<Folder>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    /// Made, with mode 0700, if it does not exist.
    ours: bool,
}

/// The socket, listening. Dropping it removes its file.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: what is removed is what was made.
    identity: Option<(u64, u64)>,
    /// The live socket that has the default name.
    other: Option<PathBuf>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A live autoheal, or something else, listens there.
    #[error(
        "make the admin socket {}: a running autoheal has it; stop that one, or give this one \
         another --admin unix:PATH", .0.display()
    )]
    InUse(PathBuf),
    /// There is a file that is not a socket.
    #[error(
        "make the admin socket {}: it exists and is not a socket; remove it, or choose another",
        .0.display()
    )]
    NotASocket(PathBuf),
    /// The system says no.
    #[error(
        "make the admin socket {}: {source}; choose another --admin unix:PATH, or \"off\"",
        .path.display()
    )]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// None of the default folders can be used.
    #[error("find a folder for the admin socket ({tried}); give --admin unix:PATH")]
    NoFolder {
        /// Which were tried, and why not.
        tried: String,
    },
}

impl Folders {
    /// Those of this process: /run/autoheal, $XDG_RUNTIME_DIR, a private folder in the temporary
    /// one.
    #[must_use]
    pub fn of_this_process() -> Self {
        let user = rustix::process::geteuid();
        let private = env::temp_dir().join(format!("autoheal-{}", user.as_raw()));
        let ours = |path| Folder { path, ours: true };
        let mut folders = vec![ours(PathBuf::from("/run/autoheal"))];
        if let Some(runtime) = env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
            folders.push(Folder {
                path: PathBuf::from(runtime),
                ours: false,
            });
        }
        folders.push(ours(private));
        Self(folders)
    }

    /// Exactly these.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let ours = |path| Folder { path, ours: true };
        Self(paths.into_iter().map(ours).collect())
    }

    /// The sockets of running autoheals, the default one first. Those that only another user may
    /// open are named only when there is no other.
    #[must_use]
    pub fn live(&self) -> Vec<PathBuf> {
        let live = self.found(|found| matches!(found, Found::Live));
        if live.is_empty() {
            return self.found(|found| matches!(found, Found::Foreign));
        }
        live
    }

    fn found(&self, wanted: fn(&Found) -> bool) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for Folder { path, .. } in &self.0 {
            if trusted(path).is_err() {
                continue;
            }
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let mut found: Vec<_> = entries
                .map(|entry| entry.path())
                .filter(|path| is_ours(path) && probe(path).is_ok_and(|found| wanted(&found)))
                .collect();
            found.sort_by_key(|path| (!path.ends_with(NAME), path.clone()));
            all.append(&mut found);
        }
        all
    }
}

impl Bound {
    /// Makes the socket.
    ///
    /// # Errors
    /// When the place is taken by a live socket or by another file, or can't be used.
    pub fn new(place: &Place, folders: &Folders) -> Result<Self, BindError> {
        match place {
            Place::At(path) => Self::at(path),
            Place::Auto => {
                let mut tried = Vec::new();
                for folder in &folders.0 {
                    match Self::within(folder) {
                        Ok(bound) => return Ok(bound),
                        Err(error) => tried.push(reason(&folder.path, &error)),
                    }
                }
                Err(BindError::NoFolder {
                    tried: tried.join("; "),
                })
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket of another running autoheal that has the default name, so that this one's
    /// carries its pid. Worth a line in the log.
    #[must_use]
    pub fn other(&self) -> Option<&Path> {
        self.other.as_deref()
    }

    /// A listener for the runtime of this thread.
    ///
    /// # Errors
    /// When there is no descriptor left, or no runtime.
    pub fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }

    fn within(folder: &Folder) -> Result<Self, BindError> {
        if folder.ours {
            // What it is, made or found, is judged next.
            DirBuilder::new().mode(0o700).create(&folder.path).ok();
        }
        trusted(&folder.path).map_err(|source| BindError::Io {
            path: folder.path.clone(),
            source,
        })?;
        let path = folder.path.join(NAME);
        match Self::at(&path) {
            Err(BindError::InUse(other)) => {
                let own = folder.path.join(format!("autoheal-{}.sock", process::id()));
                let mut bound = Self::at(&own)?;
                bound.other = Some(other);
                Ok(bound)
            }
            done => done,
        }
    }

    fn at(path: &Path) -> Result<Self, BindError> {
        let failed = |source| BindError::Io {
            path: path.to_owned(),
            source,
        };
        match probe(path).map_err(failed)? {
            Found::Nothing => {}
            Found::Dead => fs::remove_file(path).map_err(failed)?,
            Found::Live | Found::Foreign => return Err(BindError::InUse(path.to_owned())),
            Found::Other => return Err(BindError::NotASocket(path.to_owned())),
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        // Linux gives the file the mode of the descriptor, so that there is no moment at which
        // others may connect.
        fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(|e| failed(e.into()))?;
        let address = SockAddr::unix(path).map_err(failed)?;
        socket.bind(&address).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener: UnixListener::from(socket),
            path: path.to_owned(),
            identity: fs::symlink_metadata(path).ok().as_ref().map(identity),
            other: None,
        })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path).ok().as_ref().map(identity);
        if now.is_some() && now == self.identity {
            // Left behind, it is found dead and replaced.
            fs::remove_file(&self.path).ok();
        }
    }
}

fn reason(folder: &Path, error: &BindError) -> String {
    match error {
        BindError::Io { source, .. } => format!("{}: {source}", folder.display()),
        other => other.to_string(),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether the folder is one in which nobody else can put a socket of theirs.
fn trusted(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    let user = rustix::process::geteuid().as_raw();
    let problem = if !metadata.is_dir() {
        "it is not a folder"
    } else if metadata.uid() != user && metadata.uid() != 0 {
        "it belongs to another user"
    } else if metadata.mode() & 0o022 != 0 {
        "others may write to it"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

/// Whether a file is named as our sockets are.
fn is_ours(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| {
            name == NAME || (name.starts_with("autoheal-") && name.ends_with(".sock"))
        })
}

enum Found {
    Nothing,
    Dead,
    Live,
    /// It belongs to another user.
    Foreign,
    /// It is not a socket.
    Other,
}

/// Looks what is at a path. Never waits: a live one may be stuck.
fn probe(path: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Ok(Found::Other),
        Ok(_) => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Dead),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Found::Foreign),
        // A full backlog is an error too: someone is there, but busy.
        Ok(()) | Err(_) => Ok(Found::Live),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_socket_is_for_its_owner_only_and_goes_with_its_maker() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let bound = Bound::new(&Place::At(path.clone()), &Folders::new([])).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_live_socket_is_refused_by_name_and_a_dead_one_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let place = Place::At(path.clone());
        let folders = Folders::new([]);
        let live = UnixListener::bind(&path).unwrap();
        let error = Bound::new(&place, &folders).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
        assert!(error.to_string().contains("a.sock"), "{error}");
        drop(live);
        assert!(path.exists(), "a dead socket's file stays");
        let first = Bound::new(&place, &folders).unwrap();
        assert_eq!(first.path(), path);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        fs::write(&path, "mine").unwrap();
        let error = Bound::new(&Place::At(path.clone()), &Folders::new([])).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn the_second_one_in_a_folder_takes_a_name_of_its_own_and_both_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new([dir.path().join("private")]);
        let first = Bound::new(&Place::Auto, &folders).unwrap();
        let second = Bound::new(&Place::Auto, &folders).unwrap();
        assert!(first.path().ends_with(NAME));
        assert_eq!(second.other(), Some(first.path()));
        assert_eq!(folders.live(), [first.path(), second.path()]);
        drop(first);
        assert_eq!(folders.live(), [second.path()]);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (open, private) = (dir.path().join("open"), dir.path().join("private"));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let _planted = UnixListener::bind(open.join(NAME)).unwrap();
        let folders = Folders::new([open.clone(), private.clone()]);
        assert!(folders.live().is_empty());
        let bound = Bound::new(&Place::Auto, &folders).unwrap();
        assert_eq!(bound.path(), private.join(NAME));
        let error = Bound::new(&Place::Auto, &Folders::new([open])).unwrap_err();
        assert!(error.to_string().contains("others may write"), "{error}");
    }
}
