//! `autoheal load`: an honest open-loop load client.
//!
//! Requests are due at a constant rate from the start, whatever the server does, and latency is
//! measured from when a request was *due*: a stalled server is charged with everybody who would
//! have waited. Every answer is read to its end and checked, every kind of failure counted by
//! itself. Nothing is ever sent twice, except a request of which provably no byte was written.

mod compare;
mod connection;
pub mod crc;
mod drive;
mod failure;
mod ledger;
pub(super) mod machine;
mod payload;
mod plan;
mod report;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use thiserror::Error;

pub use self::{
    compare::Comparison,
    drive::{Progress, Running},
    failure::Failure,
    plan::{Plan, parse_header},
    report::{Client, Downloads, FailedRequest, Latency, Report, Second, SlowRequest},
};
use crate::units::{ByteSize, parse_duration};

/// Options of `autoheal load`.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadArgs {
    /// Where to: http://HOST:PORT/PATH
    #[arg(required_unless_present = "compare")]
    url: Option<String>,
    /// Requests due each second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// For how long; 10s if neither this nor --requests is given
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// End after this many requests
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Over exactly this many keep-alive connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// GET unless there is a body
    #[arg(long)]
    method: Option<Method>,
    /// Length of each request's body, like 64KiB
    #[arg(long, value_name = "SIZE")]
    body: Option<ByteSize>,
    /// Send the body in chunks, without a Content-Length
    #[arg(long)]
    chunked: bool,
    /// A header of each request, like "Accept: text/html"
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The one right status; without it 200 to 399 are right
    #[arg(long, value_name = "STATUS")]
    expect: Option<u16>,
    /// From when a request is due to the end of its answer
    #[arg(long, default_value = "70s", value_parser = parse_duration)]
    timeout: Duration,
    /// Give each request an X-Load-Id of its own
    #[arg(long)]
    ids: bool,
    /// Keep one download of this path in flight, checked to its end
    #[arg(long, value_name = "PATH")]
    download: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Put two JSON reports side by side; exit 1 if B failed or is clearly slower
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "url")]
    compare: Option<Vec<PathBuf>>,
}

/// Why a run could not be made.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The URL is not one that can be asked.
    #[error("ask \"{url}\": write the URL like http://127.0.0.1:8080/path")]
    Url {
        /// As it was given.
        url: String,
    },
    /// The host has no address.
    #[error("find the address of {host}")]
    Resolve {
        /// As the URL has it.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// A number that must not be 0.
    #[error("send anything: the {what} is 0")]
    Zero {
        /// Which number.
        what: &'static str,
    },
    /// The limit of open files is too low.
    #[error("raise the limit of open files to {needed}: see `ulimit -Hn`")]
    Descriptors {
        /// How many are needed.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("start the client's thread")]
    Thread(#[source] io::Error),
    /// A report can't be read.
    #[error("read {}: it must be what `load --json` printed", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

/// The verb: 0 when nothing failed, 1 when something did, 64 when it can't be done.
#[must_use]
pub fn run(args: &LoadArgs) -> i32 {
    let result = match &args.compare {
        Some(files) => compare(&files[0], &files[1]),
        None => measure(args),
    };
    match result {
        Ok((text, good)) => {
            // A reader that went away has seen enough.
            drop(io::stdout().lock().write_all(text.as_bytes()));
            i32::from(!good)
        }
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            let source = source.unwrap_or_default();
            drop(writeln!(io::stderr().lock(), "failed to {error}{source}"));
            64
        }
    }
}

/// Carries out a plan to its end.
///
/// # Errors
/// When nothing can be sent at all. Failed requests are no error: they are in the report.
pub fn drive(plan: Plan) -> Result<Report, LoadError> {
    Running::start(plan)?.wait()
}

fn measure(args: &LoadArgs) -> Result<(String, bool), LoadError> {
    let report = drive(args.plan()?)?;
    let text = if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(io::Error::from);
        json.map_err(LoadError::Thread)? + "\n"
    } else {
        report.to_string()
    };
    Ok((text, report.failed == 0))
}

fn compare(a: &Path, b: &Path) -> Result<(String, bool), LoadError> {
    let (a, b) = (read(a)?, read(b)?);
    let comparison = Comparison { a: &a, b: &b };
    Ok((comparison.to_string(), comparison.worse().is_empty()))
}

fn read(path: &Path) -> Result<Report, LoadError> {
    let wrong = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read(path).map_err(wrong)?;
    serde_json::from_slice(&text).map_err(|error| wrong(error.into()))
}

impl LoadArgs {
    fn plan(&self) -> Result<Plan, LoadError> {
        let plan = Plan::to(self.url.as_deref().unwrap_or_default())?;
        let body = self.body.map_or(0, |size| size.0);
        let default = if body > 0 || self.chunked {
            Method::POST
        } else {
            Method::GET
        };
        let unless_told = if self.requests.is_some() {
            LONGEST
        } else {
            plan.duration
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.header {
            headers.append(name, value.clone());
        }
        Ok(Plan {
            method: self.method.clone().unwrap_or(default),
            rate_per_s: self.rate,
            duration: self.duration.unwrap_or(unless_told),
            requests_max: self.requests,
            connections: self.connections,
            body_bytes: usize::try_from(body).unwrap_or(usize::MAX),
            chunked: self.chunked,
            headers,
            expect: self.expect,
            timeout: self.timeout,
            ids: self.ids,
            download: self.download.clone(),
            ..plan
        })
    }
}

/// With a number of requests alone it is the number that ends a run.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
