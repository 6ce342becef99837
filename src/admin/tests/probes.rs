//! Probes over a real socket, before a control thread that only answers.

use std::{collections::VecDeque, net::SocketAddr};

use tokio::net::TcpStream;

use super::*;
use crate::admin::probes::{self, Probes};

/// Runs `test` beside probes that ask `control`.
fn run<F: Future<Output = ()>>(
    control: impl Fn(Order) + 'static,
    test: impl FnOnce(SocketAddr) -> F,
) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let any = ([127, 0, 0, 1], 0).into();
        let probes = Probes::bind(&probes::Place::Tcp(any)).unwrap();
        let (orders, mut receiver): (_, mpsc::Receiver<Order>) = order::channel();
        tokio::task::spawn_local(probes.serve(orders).unwrap());
        tokio::task::spawn_local(async move {
            while let Some(order) = receiver.recv().await {
                control(order);
            }
        });
        test(probes.address().parse().unwrap()).await;
    });
}

async fn send(at: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

async fn get(at: SocketAddr, path: &str) -> (u16, String) {
    send(at, &format!("GET {path} HTTP/1.1\r\nHost: anyone\r\n\r\n")).await
}

#[test]
fn each_path_says_what_the_control_thread_says() {
    let ill = |order| {
        if let Order::Status(reply) = order {
            let ill = Status {
                ready: false,
                state: "shutting down".to_owned(),
                restart_wanted: Some("restart the worker: it hangs".to_owned()),
                ..status()
            };
            reply.send(ill).ok();
        }
    };
    run(ill, |at| async move {
        assert_eq!(get(at, "/livez").await, (200, "alive\n".to_owned()));
        assert_eq!(
            get(at, "/readyz").await,
            (503, "shutting down\n".to_owned())
        );
        let wanted = "restart the worker: it hangs\n".to_owned();
        assert_eq!(get(at, "/workerz?verbose").await, (503, wanted));
        let head = send(at, "HEAD /workerz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(head, (503, String::new()));
    });
    run(agrees, |at| async move {
        assert_eq!(get(at, "/readyz").await, (200, "serving\n".to_owned()));
        assert_eq!(get(at, "/workerz").await.0, 200);
        for path in ["/", "/metrics", "/api/v1/status", "/livez/"] {
            let (code, why) = get(at, path).await;
            assert!(code == 404 && why.len() > 20, "{path}: {code} {why}");
        }
        let post = "POST /api/v1/stop HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(send(at, post).await.0, 405);
    });
}

#[test]
fn a_stuck_control_thread_is_neither_alive_nor_ready_and_blames_no_worker() {
    let kept = RefCell::new(Vec::new());
    run(
        move |order| kept.borrow_mut().push(order),
        |at| async move {
            let all = tokio::join!(get(at, "/livez"), get(at, "/readyz"), get(at, "/workerz"));
            assert_eq!((all.0.0, all.1.0, all.2.0), (503, 503, 200));
        },
    );
}

#[test]
fn who_connects_and_says_nothing_loses_the_place_to_the_next_one() {
    run(agrees, |at| async move {
        let mut silent = VecDeque::new();
        for _ in 0..probes::CONNECTIONS_MAX {
            silent.push_back(TcpStream::connect(at).await.unwrap());
        }
        for _ in 0..3 {
            assert_eq!(get(at, "/livez").await.0, 200);
        }
        // It is the oldest that had to go, long before its time to speak was over.
        let mut oldest = silent.pop_front().unwrap();
        let end = oldest.read_u8();
        let ended = time::timeout(Duration::from_secs(3), end).await;
        assert!(ended.is_ok_and(|read| read.is_err()));
        let mut youngest = silent.pop_back().unwrap();
        let ask = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
        youngest.write_all(ask).await.unwrap();
        let mut first = [0; 12];
        youngest.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    });
}

#[test]
fn heads_over_the_limit_are_refused() {
    run(agrees, |at| async move {
        let path = format!("/{}", "x".repeat(64 * 1024));
        assert!(matches!(get(at, &path).await.0, 414 | 431));
    });
}
