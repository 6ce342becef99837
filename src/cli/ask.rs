//! Asks the running autoheal over its admin socket.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{net::UnixStream, runtime::Runtime, time};

use super::exit;
use crate::{admin::socket::Folders, journal, words::one_line};

/// How long an answer may take that waits for nothing.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which autoheal is asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Admin {
    /// The admin socket of the running autoheal, as unix:PATH [env: AUTOHEAL_ADMIN; default: the
    /// one that runs]
    #[arg(long, global = true, value_name = "ADDR")]
    pub admin: Option<String>,
}

/// Where a verb's words go.
pub struct Io<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// Why there is no answer.
    pub err: &'a mut dyn Write,
}

/// A connection's worth of asking.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The address is not one.
    #[error("\"{0}\" is not an admin address; write --admin unix:PATH")]
    Address(String),
    /// Nothing runs here.
    #[error(
        "no running autoheal was found; start one with `autoheal run`, or name its socket with \
         --admin unix:PATH (its log says \"admin\" and the path)"
    )]
    NoneRuns,
    /// Nothing runs here, but what ran here may have left its journal.
    #[error(
        "no running autoheal was found; --state-dir DIR reads what one left behind, --admin \
         unix:PATH asks one by its socket, and autoheal explain --list lists the codes"
    )]
    NoneRunsForIncidents,
    /// What an autoheal left behind can't be read.
    #[error("can't {0}")]
    Journal(#[source] journal::OpenError),
    /// More than one could be meant.
    #[error("several autoheals run; say which with --admin:{}", listed(.0))]
    Several(Vec<PathBuf>),
    /// The socket does not answer.
    #[error(
        "can't reach autoheal at {}: {why}; is it running, and as your user", .socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
    /// It answered no.
    #[error("{what}; {cure}")]
    No {
        /// What is in the way.
        what: String,
        /// What to do instead.
        cure: String,
        /// The HTTP status.
        status: u16,
    },
    /// This process can't ask, or can't print.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl AskError {
    /// What the process exits with.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Address(_) => exit::USAGE,
            Self::NoneRuns
            | Self::NoneRunsForIncidents
            | Self::Several(_)
            | Self::Unreachable { .. } => exit::UNREACHABLE,
            Self::No { status: 503, .. } => exit::UNREACHABLE,
            Self::No { .. } => exit::NO,
            Self::Journal(_) => exit::SYSTEM,
            // Whoever reads our output has enough.
            Self::System(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::DONE,
            Self::System(_) => exit::SYSTEM,
        }
    }
}

/// Runs a verb: its error, if it has one, is printed and becomes the exit code.
pub fn with_client(
    admin: &Admin,
    io: &mut Io<'_>,
    verb: impl FnOnce(&Client, &mut Io<'_>) -> Result<i32, AskError>,
) -> i32 {
    let found = Client::find(admin);
    report(io, found, |client, io| verb(&client, io))
}

/// Shows what was found: the error, if there is one, is printed and becomes the exit code.
pub fn report<T>(
    io: &mut Io<'_>,
    found: Result<T, AskError>,
    show: impl FnOnce(T, &mut Io<'_>) -> Result<i32, AskError>,
) -> i32 {
    let outcome = found.and_then(|found| show(found, io));
    outcome.unwrap_or_else(|error| {
        let code = error.exit_code();
        if code != exit::DONE {
            // When even stderr is gone, the exit code has to do.
            writeln!(io.err, "autoheal: {error}").ok();
        }
        code
    })
}

impl Client {
    /// Finds the running autoheal: by `--admin`, else `AUTOHEAL_ADMIN`, else the default places.
    ///
    /// # Errors
    /// When none or several run, or the address is not one.
    pub fn find(admin: &Admin) -> Result<Self, AskError> {
        let named = admin
            .admin
            .clone()
            .or_else(|| env::var("AUTOHEAL_ADMIN").ok());
        let socket = match named.filter(|address| !address.is_empty()) {
            Some(address) => path_of(&address)?,
            None => only(Folders::of_this_process().live())?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { runtime, socket })
    }

    /// The answer to a question, as JSON.
    ///
    /// # Errors
    /// When there is no answer, or the answer is no.
    pub fn get(&self, path: &str) -> Result<Value, AskError> {
        self.exchange(Method::GET, path, String::new(), Some(PATIENCE))
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// When there is no answer, the answer is no, or it is of another version.
    pub fn get_as<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        self.read(self.get(path)?)
    }

    /// An answer as what it should be.
    ///
    /// # Errors
    /// When it is of another version.
    pub fn read<T: DeserializeOwned>(&self, answer: Value) -> Result<T, AskError> {
        serde_json::from_value(answer).map_err(|error| self.unreadable(&error))
    }

    /// Has something changed. Without `patience` it waits as long as it takes.
    ///
    /// # Errors
    /// When there is no answer, or the answer is no.
    pub fn post(
        &self,
        path: &str,
        body: &Value,
        patience: Option<Duration>,
    ) -> Result<Value, AskError> {
        self.exchange(Method::POST, path, body.to_string(), patience)
    }

    /// Waits, as between two looks.
    pub fn pause(&self, time: Duration) {
        self.runtime.block_on(async { time::sleep(time).await });
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: String,
        patience: Option<Duration>,
    ) -> Result<Value, AskError> {
        let asked = async {
            let exchange = self.converse(method, path, body);
            match patience {
                Some(patience) => time::timeout(patience, exchange)
                    .await
                    .unwrap_or_else(|_| Err(format!("no answer within {patience:?}").into())),
                None => exchange.await,
            }
        };
        let (status, bytes) = self
            .runtime
            .block_on(asked)
            .map_err(|error| self.unreachable(error.to_string()))?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| self.unreadable(&error))?;
        if status < 400 {
            return Ok(value);
        }
        let text = |name: &str| one_line(value[name].as_str().unwrap_or("it gave no reason"));
        Err(AskError::No {
            what: text("detail").into_owned(),
            cure: text("cure").into_owned(),
            status,
        })
    }

    async fn converse(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "autoheal")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            Ok((status, body.collect().await?.to_bytes()))
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            // The answer may have come with the end of the connection.
            ended = &mut connection => { ended?; answer.await }
        }
    }

    fn unreachable(&self, why: String) -> AskError {
        AskError::Unreachable {
            socket: self.socket.clone(),
            why,
        }
    }

    fn unreadable(&self, error: &serde_json::Error) -> AskError {
        self.unreachable(format!(
            "its answer can't be read, is it another version ({error})"
        ))
    }
}

fn path_of(address: &str) -> Result<PathBuf, AskError> {
    let path = address.strip_prefix("unix:").unwrap_or(address);
    if path.contains('/') {
        Ok(Path::new(path).to_owned())
    } else {
        Err(AskError::Address(address.to_owned()))
    }
}

fn only(mut live: Vec<PathBuf>) -> Result<PathBuf, AskError> {
    match live.len() {
        0 => Err(AskError::NoneRuns),
        1 => Ok(live.remove(0)),
        _ => Err(AskError::Several(live)),
    }
}

fn listed(sockets: &[PathBuf]) -> String {
    let lines = sockets
        .iter()
        .map(|path| format!("\n  --admin unix:{}", path.display()));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_with_or_without_its_kind() {
        assert_eq!(path_of("unix:/a/b").unwrap(), Path::new("/a/b"));
        assert_eq!(path_of("./b.sock").unwrap(), Path::new("./b.sock"));
        assert_eq!(
            path_of("127.0.0.1:9180").unwrap_err().exit_code(),
            exit::USAGE
        );
    }

    #[test]
    fn several_running_ones_are_listed_and_none_is_unreachable() {
        let two = only(vec!["/a".into(), "/b".into()]).unwrap_err();
        assert!(
            two.to_string()
                .ends_with("--admin unix:/a\n  --admin unix:/b")
        );
        assert_eq!(two.exit_code(), exit::UNREACHABLE);
        assert_eq!(only(Vec::new()).unwrap_err().exit_code(), exit::UNREACHABLE);
    }
}
