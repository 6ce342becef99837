//! A connection against a worker whose every byte is said by the test.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener, UnixStream},
    runtime::LocalOptions,
};

use super::*;
use crate::{
    admit::roster::{Endpoint, Member, Ramp},
    forward::socket,
    time::now,
    tls::back::Manner,
    words::{Generation, Protocol},
};

/// A connection, and its worker's end.
async fn pair() -> (Whole, UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker");
    let listener = UnixListener::bind(&path).unwrap();
    let whole = connected(Endpoint::Unix(Arc::from(path))).await;
    let (worker, _) = listener.accept().await.unwrap();
    (whole, worker)
}

async fn connected(endpoint: Endpoint) -> Whole {
    let ramp = Ramp {
        first: 1,
        since: MonoTime::ZERO,
        until: MonoTime::ZERO,
    };
    let at = (endpoint, Manner::plain(Protocol::Http));
    let member = Member::new((Generation(1), 0), at, ramp, 1, Arc::default());
    let io = socket::connect(&member, Duration::from_secs(30))
        .await
        .unwrap();
    Whole::new(io, Open::new(Arc::new(member), 0))
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build_local(LocalOptions::default());
    runtime.unwrap().block_on(test);
}

async fn hear(worker: &mut UnixStream, expected: &str) {
    let mut said = vec![0; expected.len()];
    worker.read_exact(&mut said).await.unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), expected);
}

async fn get(whole: &mut Whole) -> Result<Response<()>, Break> {
    let headers = HeaderMap::new();
    let head = (&Method::GET, &Uri::from_static("/x"), &headers);
    whole.send(head, Outgoing::Empty).await
}

async fn body(whole: &mut Whole) -> Result<Vec<u8>, Break> {
    let mut body = Vec::new();
    while let Some(frame) = poll_fn(|cx| whole.poll_frame(cx)).await {
        body.extend(frame?.into_data().unwrap());
    }
    Ok(body)
}

const GET: &str = "GET /x HTTP/1.1\r\n\r\n";

#[test]
fn a_connection_carries_one_exchange_after_the_other() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        ] {
            let (sent, ()) = tokio::join!(get(&mut whole), async {
                hear(&mut worker, GET).await;
                worker.write_all(answer.as_bytes()).await.unwrap();
            });
            assert_eq!(sent.unwrap().status(), 200);
            assert_eq!(body(&mut whole).await.unwrap(), b"hi");
            assert!(whole.may_carry_more() && !whole.is_over(), "{answer:?}");
        }
    });
}

#[test]
fn what_nobody_asked_for_ends_a_connection() {
    run(async {
        for answer in [
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n",
        ] {
            let (mut whole, mut worker) = pair().await;
            worker.write_all(answer.as_bytes()).await.unwrap();
            get(&mut whole).await.unwrap();
            body(&mut whole).await.unwrap();
            assert!(!whole.may_carry_more(), "{answer:?}");
        }
    });
}

#[test]
fn an_idle_connection_whose_worker_speaks_or_leaves_is_over() {
    run(async {
        for says in ["HTTP/1.1 200 OK\r\n\r\n", ""] {
            let (mut whole, mut worker) = pair().await;
            worker
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
            get(&mut whole).await.unwrap();
            assert!(whole.may_carry_more() && !whole.is_over());
            worker.write_all(says.as_bytes()).await.unwrap();
            worker.shutdown().await.unwrap();
            while !whole.is_over() {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn an_answer_that_ends_too_early_is_an_error() {
    run(async {
        for (answer, has_head) in [
            ("", false),
            ("HTTP/1.1 200 OK\r\n", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", true),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
                true,
            ),
        ] {
            let (mut whole, mut worker) = pair().await;
            worker.write_all(answer.as_bytes()).await.unwrap();
            worker.shutdown().await.unwrap();
            let sent = get(&mut whole).await;
            assert!(whole.written() > 0);
            match sent {
                Ok(_) => {
                    let broken = body(&mut whole).await;
                    assert!(
                        has_head && matches!(broken, Err(Break::Closed)),
                        "{answer:?}"
                    );
                }
                Err(error) => assert!(!has_head && matches!(error, Break::Closed)),
            }
        }
    });
}

#[test]
fn without_a_length_the_end_is_the_end() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        worker
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            .await
            .unwrap();
        worker.shutdown().await.unwrap();
        get(&mut whole).await.unwrap();
        assert_eq!(body(&mut whole).await.unwrap(), b"all of it");
        assert!(!whole.may_carry_more());
    });
}

#[test]
fn a_body_goes_with_its_head() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        let kept = Outgoing::Kept(Some(Box::new(Bytes::from_static(b"twelve bytes"))));
        let headers = HeaderMap::new();
        let head = (&Method::PUT, &Uri::from_static("/"), &headers);
        let (sent, ()) = tokio::join!(whole.send(head, kept), async {
            hear(
                &mut worker,
                "PUT / HTTP/1.1\r\ncontent-length: 12\r\n\r\ntwelve bytes",
            )
            .await;
            worker
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
        });
        sent.unwrap();
        assert!(whole.may_carry_more());
    });
}

#[test]
fn an_early_answer_does_not_stop_the_rest_of_its_request() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        // More than a socket takes.
        let long = Bytes::from(vec![b'x'; 4 << 20]);
        let kept = Outgoing::Kept(Some(Box::new(long.clone())));
        let headers = HeaderMap::new();
        let head = (&Method::PUT, &Uri::from_static("/"), &headers);
        worker
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh")
            .await
            .unwrap();
        assert_eq!(whole.send(head, kept).await.unwrap().status(), 200);
        assert!(!whole.may_carry_more());
        hear(
            &mut worker,
            "PUT / HTTP/1.1\r\ncontent-length: 4194304\r\n\r\n",
        )
        .await;
        let mut rest = vec![0; long.len()];
        worker.read_exact(&mut rest).await.unwrap();
        assert!(rest == long);
        worker.write_all(b"i").await.unwrap();
        assert_eq!(body(&mut whole).await.unwrap(), b"hi");
        while !whole.may_carry_more() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn what_is_left_of_a_request_goes_on_after_its_answer_unless_that_is_dropped() {
    run(async {
        for leaves in [true, false] {
            let (mut whole, mut worker) = pair().await;
            let long = Bytes::from(vec![b'x'; 4 << 20]);
            let kept = Outgoing::Kept(Some(Box::new(long.clone())));
            let headers = HeaderMap::new();
            let head = (&Method::PUT, &Uri::from_static("/"), &headers);
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            worker.write_all(answer).await.unwrap();
            whole.send(head, kept).await.unwrap();
            assert!(whole.is_end_stream() && !whole.may_carry_more());
            if leaves {
                whole.leave();
            } else {
                drop(whole);
            }
            let mut all = Vec::new();
            worker.read_to_end(&mut all).await.unwrap();
            assert_eq!(all.ends_with(&long), leaves);
        }
    });
}

#[test]
fn what_is_left_of_a_request_is_given_up_when_its_worker_takes_nothing_of_it() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        let long = Bytes::from(vec![b'x'; 4 << 20]);
        let kept = Outgoing::Kept(Some(Box::new(long.clone())));
        let headers = HeaderMap::new();
        let head = (&Method::PUT, &Uri::from_static("/"), &headers);
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        worker.write_all(answer).await.unwrap();
        whole.send(head, kept).await.unwrap();
        whole.leave();
        // Nothing else goes on here, so that time passes at once.
        tokio::time::pause();
        tokio::time::sleep(UNTAKEN_MAX * 3).await;
        let mut all = Vec::new();
        worker.read_to_end(&mut all).await.unwrap();
        assert!(all.len() < long.len(), "{}", all.len());
    });
}

#[test]
fn a_worker_that_takes_what_is_left_of_a_request_slowly_gets_all_of_it() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        let long = Bytes::from(vec![b'x'; 4 << 20]);
        let kept = Outgoing::Kept(Some(Box::new(long.clone())));
        let headers = HeaderMap::new();
        let head = (&Method::PUT, &Uri::from_static("/"), &headers);
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        worker.write_all(answer).await.unwrap();
        whole.send(head, kept).await.unwrap();
        whole.leave();
        tokio::time::pause();
        let mut all = Vec::new();
        for _ in 0..5 {
            let mut some = vec![0; 512 * 1024];
            worker.read_exact(&mut some).await.unwrap();
            all.append(&mut some);
            tokio::time::sleep(UNTAKEN_MAX * 2 / 3).await;
        }
        worker.read_to_end(&mut all).await.unwrap();
        assert!(all.ends_with(&long), "{}", all.len());
    });
}

#[test]
fn after_a_switch_the_socket_is_given_away_with_what_was_said() {
    run(async {
        let (mut whole, mut worker) = pair().await;
        worker
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes")
            .await
            .unwrap();
        assert_eq!(get(&mut whole).await.unwrap().status(), 101);
        let (mut io, early, _open) = whole.into_parts().unwrap();
        assert_eq!(&early[..], b"frames");
        worker.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        io.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
    });
}

#[test]
fn a_worker_that_writes_head_and_body_apart_is_not_kept_waiting() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut whole = connected(Endpoint::Tcp(listener.local_addr().unwrap())).await;
        // It has Nagle's algorithm on, as sockets are made.
        let (mut worker, _) = listener.accept().await.unwrap();
        let mut times = Vec::new();
        for _ in 0..41 {
            let began = now();
            let answers = async {
                worker.read_exact(&mut [0; GET.len()]).await.unwrap();
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
                worker.write_all(head).await.unwrap();
                tokio::task::yield_now().await;
                worker.write_all(b"hi").await.unwrap();
            };
            let (sent, ()) = tokio::join!(get(&mut whole), answers);
            sent.unwrap();
            assert_eq!(body(&mut whole).await.unwrap(), b"hi");
            times.push(now().since(began));
        }
        times.sort();
        // A delayed acknowledgement takes 40 ms.
        assert!(times[20] < Duration::from_millis(20), "{times:?}");
    });
}
