//! Asks a worker that answers for what makes it warm, before clients do. What fails is told, and
//! keeps nobody from serving.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{
    sense::probe::{Address, Question, ask},
    time::{MonoTime, now},
    tls::back::Manner,
};

/// So much before a start is too late its warm-up ends.
const TO_SPARE: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warmup {
    /// Under which name they are asked for.
    pub host: String,
    /// The paths, with their queries, in this order.
    pub paths: Vec<String>,
    /// All of them together may take this long...
    pub timeout: Duration,
    /// ...and with them the worker's whole start may take this long.
    pub start_timeout: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warmed {
    /// How many were asked for.
    pub asked: usize,
    /// Those that gave no good answer, and why: `/cache: it answered 500`.
    pub failed: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Warmup {
    /// Asks for one path after the other. `started`: when the worker's start began.
    pub async fn of(&self, at: &Address, manner: &Manner, started: MonoTime) -> Warmed {
        let began = now();
        let left = (self.start_timeout).saturating_sub(began.since(started) + TO_SPARE);
        let end = Instant::now() + self.timeout.min(left);
        let mut failed = Vec::new();
        for path in &self.paths {
            let question = Question {
                host: self.host.clone(),
                path: path.clone(),
                timeout: self.timeout,
                ..Question::default()
            };
            match timeout_at(end, ask(at, manner, &question)).await {
                Ok(Ok(status)) if status < 400 => {}
                Ok(Ok(status)) => failed.push(format!("{path}: it answered {status}")),
                Ok(Err(failure)) => failed.push(format!("{path}: {failure}")),
                Err(_) => failed.push(format!("{path}: no time was left")),
            }
        }
        Warmed {
            asked: self.paths.len(),
            failed,
            took: now().since(began),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers by the path's first letter: `g` is good, `b` bad, `h` hangs.
    async fn serve(listener: TcpListener) {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).await.unwrap();
            let status = match &bytes[..count.min(6)] {
                b"GET /g" => "200 OK",
                b"GET /b" => "500 no",
                _ => {
                    open.push(stream);
                    continue;
                }
            };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn each_path_is_asked_for_and_what_fails_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Address::Tcp(listener.local_addr().unwrap());
        let warmup = Warmup {
            host: "localhost".to_owned(),
            paths: ["/good", "/bad", "/hang", "/good"]
                .map(str::to_owned)
                .to_vec(),
            timeout: Duration::from_millis(700),
            start_timeout: Duration::from_secs(60),
        };
        let manner = Manner::default();
        let warmed = tokio::select! {
            warmed = warmup.of(&at, &manner, now()) => warmed,
            () = serve(listener) => unreachable!(),
        };
        assert_eq!(warmed.asked, 4);
        let [bad, hang, late] = &warmed.failed[..] else {
            panic!("{warmed:?}");
        };
        assert_eq!(bad, "/bad: it answered 500");
        assert!(hang.starts_with("/hang: no "), "{hang}");
        assert!(late.starts_with("/good: no "), "{late}");
        assert!(warmed.took >= warmup.timeout, "{warmed:?}");
    }
}
