//! Asks something that the app depends on whether it is there.
//!
//! Names are looked up on threads of their own: the system's resolver may block for long, and
//! nothing that waits for an answer may. One look-up at a time for each dependency.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::probe::{Address, Failure, Question, ask, knock};
use crate::{tls::back::Manner, units::format_duration};

/// So many addresses of a name are tried.
const ADDRESSES_MAX: usize = 4;
/// What an HTTP dependency takes for healthy.
const HEALTHY: &str = "200-399";

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a port of a host, by name or address.
    Host(String, u16),
    /// On a Unix socket.
    Unix(PathBuf),
}

/// One dependency, as it is asked.
#[derive(Clone, Debug)]
pub struct Dependency {
    place: Place,
    path: Option<String>,
    timeout: Duration,
    looking_up: Arc<AtomicBool>,
}

impl Dependency {
    /// Something at `place` that takes connections, or with a path, that answers a GET for it with
    /// 200 to 399; within `timeout`, the look-up of its name included.
    #[must_use]
    pub fn new(place: Place, path: Option<String>, timeout: Duration) -> Self {
        Self {
            place,
            path,
            timeout,
            looking_up: Arc::default(),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why it is not there, as a fragment for people.
    pub async fn ask(&self) -> Result<(), String> {
        let within = self.timeout;
        let late = || Err(format!("no answer within {}", format_duration(within)));
        timeout(within, self.answer())
            .await
            .unwrap_or_else(|_| late())
    }

    async fn answer(&self) -> Result<(), String> {
        let (host, port) = match &self.place {
            Place::Unix(path) => {
                let address = Address::Unix(path.clone());
                let answer = self.at(&address, "localhost").await;
                return answer.map_err(|failure| failure.to_string());
            }
            Place::Host(host, port) => (host, *port),
        };
        let authority = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let mut last = format!("{host} has no address");
        for address in self
            .addresses(host, port)
            .await?
            .into_iter()
            .take(ADDRESSES_MAX)
        {
            match self.at(&Address::Tcp(address), &authority).await {
                Ok(()) => return Ok(()),
                Err(failure) => last = failure.to_string(),
            }
        }
        Err(last)
    }

    async fn at(&self, address: &Address, host: &str) -> Result<(), Failure> {
        let Some(path) = &self.path else {
            return knock(address, &Manner::default(), self.timeout).await;
        };
        let question = Question {
            host: host.to_owned(),
            path: path.clone(),
            status: HEALTHY.parse().ok(),
            timeout: self.timeout,
            ..Question::default()
        };
        ask(address, &Manner::default(), &question).await.map(drop)
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if self.looking_up.swap(true, Ordering::AcqRel) {
            return Err(format!("the last look-up of {host} has not ended"));
        }
        let (tell, told) = oneshot::channel();
        let (name, looking_up) = (host.to_owned(), self.looking_up.clone());
        let look_up = move || {
            let found = (name.as_str(), port).to_socket_addrs();
            looking_up.store(false, Ordering::Release);
            // Who asked may have given up.
            drop(tell.send(found.map(Iterator::collect)));
        };
        let started = thread::Builder::new().name("look-up".into()).spawn(look_up);
        if let Err(error) = started {
            self.looking_up.store(false, Ordering::Release);
            return Err(format!("{host} can't be looked up: {error}"));
        }
        let found: io::Result<Vec<SocketAddr>> = told
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        found.map_err(|error| format!("{host} can't be looked up: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, UnixListener},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn what_takes_connections_is_there_by_name_and_by_address_until_it_does_not() {
        let (listener, port) = listener().await;
        let of = |host: &str| Dependency::new(Place::Host(host.to_owned(), port), None, PATIENCE);
        assert_eq!(of("127.0.0.1").ask().await, Ok(()));
        assert_eq!(of("localhost").ask().await, Ok(()));
        drop(listener);
        assert_eq!(
            of("127.0.0.1").ask().await,
            Err("nobody listens".to_owned())
        );
    }

    #[tokio::test]
    async fn a_name_that_is_not_known_says_so() {
        let place = Place::Host("db.invalid".to_owned(), 5432);
        let why = Dependency::new(place, None, PATIENCE)
            .ask()
            .await
            .unwrap_err();
        assert!(why.starts_with("db.invalid can't be looked up: "), "{why}");
    }

    #[tokio::test]
    async fn one_look_up_at_a_time_is_enough() {
        let place = Place::Host("localhost".to_owned(), 1);
        let one = Dependency::new(place, None, PATIENCE);
        one.looking_up.store(true, Ordering::Release);
        let why = one.ask().await.unwrap_err();
        assert_eq!(why, "the last look-up of localhost has not ended");
    }

    #[tokio::test]
    async fn with_a_path_a_good_answer_is_wanted_under_its_own_host() {
        let (listener, port) = listener().await;
        let place = Place::Host("127.0.0.1".to_owned(), port);
        let one = Dependency::new(place, Some("/up".to_owned()), PATIENCE);
        let serve = async {
            let mut asked = Vec::new();
            for status in ["204 No Content", "503 Busy"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..read]).to_lowercase());
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        };
        let ask = async { (one.ask().await, one.ask().await) };
        let (answers, asked) = tokio::join!(ask, serve);
        assert_eq!(answers, (Ok(()), Err("it answered 503".to_owned())));
        let host = format!("host: 127.0.0.1:{port}\r\n");
        assert!(asked[0].starts_with("get /up http/1.1\r\n") && asked[0].contains(&host));
    }

    #[tokio::test]
    async fn one_that_says_nothing_in_time_is_not_there() {
        let (_listener, port) = listener().await;
        let place = Place::Host("127.0.0.1".to_owned(), port);
        let brief = Duration::from_millis(50);
        let one = Dependency::new(place, Some("/".to_owned()), brief);
        let why = one.ask().await.unwrap_err();
        assert!(why.contains("within 50ms"), "{why}");
    }

    #[tokio::test]
    async fn a_unix_socket_is_a_place_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.sock");
        let one = Dependency::new(Place::Unix(path.clone()), None, PATIENCE);
        assert_eq!(one.ask().await, Err("nobody listens".to_owned()));
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(one.ask().await, Ok(()));
    }
}
