//! Servers that fail in known ways, to prove that the client counts what happened, nothing else.

mod peer;

use std::{
    io::BufRead,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use http::Method;

use self::peer::{FINE, Peer, always_fine, serve};
use super::*;

/// A few requests over one connection.
fn plan(url: &str, requests: u64) -> Plan {
    Plan {
        connections: 1,
        rate_per_s: 200,
        requests_max: Some(requests),
        timeout: Duration::from_secs(20),
        ..Plan::to(url).unwrap()
    }
}

fn kinds(report: &Report) -> Vec<(&str, u64)> {
    report
        .failures
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect()
}

/// What one kind of answer to every request, then the end of the connection, is counted as.
fn counted(each: impl Fn(&mut Peer) + Send + Sync + 'static) -> Vec<(String, u64)> {
    let url = serve(move |mut peer| {
        if peer.head().is_some() {
            each(&mut peer);
        }
    });
    let report = drive(plan(&url, 3)).unwrap();
    assert_eq!(report.answered + report.failed, 3);
    report.failures.into_iter().collect()
}

#[test]
fn right_answers_over_kept_connections_are_no_failures() {
    let url = serve(always_fine);
    let report = drive(Plan {
        connections: 3,
        ..plan(&url, 30)
    })
    .unwrap();
    assert_eq!(
        (report.requests, report.answered, report.failed),
        (30, 30, 0)
    );
    assert_eq!(report.opened, 3);
    assert_eq!(report.statuses[&200], 30);
}

#[test]
fn connections_take_turns() {
    let served = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&served);
    let url = serve(move |mut peer| {
        let port = peer.stream.peer_addr().unwrap().port();
        while peer.head().is_some() {
            log.lock().unwrap().push(port);
            peer.say(FINE);
        }
    });
    let report = drive(Plan {
        connections: 4,
        ..plan(&url, 40)
    })
    .unwrap();
    assert_eq!(report.failed, 0);
    let served = served.lock().unwrap();
    for port in served.iter() {
        assert!(
            served.iter().filter(|other| *other == port).count() >= 5,
            "{served:?}"
        );
    }
}

#[test]
fn a_close_that_was_announced_is_reopened_and_no_failure() {
    let url = serve(|mut peer| {
        if peer.head().is_some() {
            peer.say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfine");
        }
    });
    let report = drive(plan(&url, 5)).unwrap();
    assert_eq!((report.answered, report.failed, report.opened), (5, 0, 5));
}

#[test]
fn a_close_while_idle_is_reopened_and_no_failure() {
    let url = serve(|mut peer| {
        if peer.head().is_some() {
            peer.say(FINE);
        }
    });
    let report = drive(Plan {
        rate_per_s: 5,
        ..plan(&url, 3)
    })
    .unwrap();
    assert_eq!((report.answered, report.failed, report.opened), (3, 0, 3));
}

#[test]
fn a_close_instead_of_the_second_answer_is_stale_for_a_get_and_closed_for_a_post() {
    let url = serve(|mut peer| {
        if peer.head().is_some() {
            peer.say(FINE);
            peer.head();
        }
    });
    let report = drive(plan(&url, 4)).unwrap();
    assert_eq!(kinds(&report), [("stale", 2)]);
    let report = drive(Plan {
        method: Method::POST,
        ..plan(&url, 4)
    })
    .unwrap();
    assert_eq!(kinds(&report), [("closed", 2)]);
}

#[test]
fn each_way_to_break_an_answer_is_counted_as_itself() {
    let three = |kind: &str| vec![(kind.to_owned(), 3)];
    assert_eq!(counted(|_| {}), three("closed"));
    assert_eq!(
        counted(|peer| peer.say("not HTTP at all\r\n\r\n")),
        three("garbage")
    );
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfine";
    assert_eq!(counted(|peer| peer.say(short)), three("truncated"));
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n";
    assert_eq!(counted(|peer| peer.say(chunks)), three("truncated"));
    let half = "HTTP/1.1 200 OK\r\ncontent-le";
    assert_eq!(counted(|peer| peer.say(half)), three("closed"));
}

#[test]
fn a_reset_before_the_answer_is_a_reset_and_within_it_truncates() {
    let url = serve(|mut peer| {
        if peer.head().is_some() {
            peer.reset();
        }
    });
    assert_eq!(kinds(&drive(plan(&url, 3)).unwrap()), [("reset", 3)]);
    let url = serve(|mut peer| {
        if peer.head().is_some() {
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfine");
            peer.reset();
        }
    });
    let report = drive(plan(&url, 3)).unwrap();
    // A reset may overtake the head that came before it.
    assert_eq!(report.failed_as("truncated") + report.failed_as("reset"), 3);
}

#[test]
fn a_refused_connection_is_counted_once_for_each_request() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    // Bound but not listening: nobody else gets this port, and it refuses.
    socket.bind(&any.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let report = drive(plan(&format!("http://127.0.0.1:{port}/"), 4)).unwrap();
    assert_eq!(kinds(&report), [("refused", 4)]);
}

#[test]
fn no_answer_in_time_is_a_timeout_or_was_never_sent() {
    let url = serve(|mut peer| while peer.head().is_some() {});
    let timeout = Duration::from_millis(50);
    let plan = Plan {
        timeout,
        rate_per_s: 1_000,
        ..plan(&url, 30)
    };
    let report = drive(plan).unwrap();
    assert!(report.failed_as("timeout") >= 1, "{report}");
    assert_eq!(report.failed_as("timeout") + report.failed_as("unsent"), 30);
}

#[test]
fn a_wrong_status_says_what_proxy_status_said() {
    let answer = "HTTP/1.1 502 Bad Gateway\r\nproxy-status: autoheal; details=\"502101\"\r\n\
                  content-length: 3\r\n\r\nbad";
    let url = serve(move |mut peer| {
        while peer.head().is_some() {
            peer.say(answer);
        }
    });
    let report = drive(plan(&url, 3)).unwrap();
    assert_eq!(
        kinds(&report),
        [("status 502 (autoheal; details=\"502101\")", 3)]
    );
    assert_eq!(report.opened, 1);
    let report = drive(Plan {
        expect: Some(502),
        ..plan(&url, 3)
    })
    .unwrap();
    assert_eq!((report.answered, report.statuses[&502]), (3, 3));
}

#[test]
fn a_whole_answer_that_is_not_the_announced_one_is_wrong() {
    let crc = |crc: &'static str| {
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\nx-body-crc: {crc}\r\n");
        move |peer: &mut Peer| peer.say(&format!("{answer}content-length: 9\r\n\r\n123456789"))
    };
    assert_eq!(counted(crc("cbf43926")), []);
    assert_eq!(counted(crc("cbf43927")), [("wrong".to_owned(), 3)]);
    let other = |peer: &mut Peer| {
        peer.say("HTTP/1.1 200 OK\r\nx-load-id: another\r\ncontent-length: 0\r\n\r\n");
    };
    let url = serve(move |mut peer| {
        while peer.head().is_some() {
            other(&mut peer);
        }
    });
    assert_eq!(drive(plan(&url, 2)).unwrap().failed, 0);
    let report = drive(Plan {
        ids: true,
        ..plan(&url, 2)
    })
    .unwrap();
    assert_eq!(kinds(&report), [("wrong", 2)]);
}

#[test]
fn what_was_received_is_held_against_what_was_sent() {
    let received = |bytes: u64| {
        serve(move |mut peer| {
            while let Some(head) = peer.head() {
                assert!(head.contains("content-length: 10\r\n"), "{head}");
                let mut body = [0; 10];
                io::Read::read_exact(&mut peer.reader, &mut body).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nx-received-bytes: {bytes}\r\n");
                peer.say(&format!("{head}content-length: 0\r\n\r\n"));
            }
        })
    };
    let post = |url: &str| Plan {
        method: Method::POST,
        body_bytes: 10,
        ..plan(url, 2)
    };
    assert_eq!(drive(post(&received(10))).unwrap().failed, 0);
    assert_eq!(kinds(&drive(post(&received(9))).unwrap()), [("wrong", 2)]);
}

#[test]
fn a_chunked_body_has_chunks_and_no_length() {
    let url = serve(|mut peer| {
        while let Some(head) = peer.head() {
            assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
            let mut chunks = 0;
            loop {
                let mut size = String::new();
                peer.reader.read_line(&mut size).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                io::Read::read_exact(&mut peer.reader, &mut chunk).unwrap();
                if size == 0 {
                    break;
                }
                chunks += 1;
            }
            peer.say(if chunks > 1 {
                FINE
            } else {
                "one chunk is no stream\r\n\r\n"
            });
        }
    });
    let plan = Plan {
        method: Method::POST,
        body_bytes: 100,
        chunked: true,
        ..plan(&url, 3)
    };
    assert_eq!(drive(plan).unwrap().failed, 0);
}

#[test]
fn a_stalled_server_is_charged_with_all_who_would_have_waited() {
    let url = serve(|mut peer| {
        // The stall itself: nobody ever sends.
        let (_sender, receiver) = mpsc::channel::<()>();
        peer.head();
        assert!(receiver.recv_timeout(Duration::from_millis(200)).is_err());
        peer.say(FINE);
        always_fine(peer);
    });
    let report = drive(Plan {
        rate_per_s: 100,
        ..plan(&url, 20)
    })
    .unwrap();
    assert_eq!(report.failed, 0);
    // The request due in the middle of the stall waited for half of it.
    assert!(report.latency.p50_ms >= 80.0, "{report}");
    assert!(report.latency.max_ms >= 200.0, "{report}");
}

#[test]
fn a_stop_ends_the_run_and_every_request_that_was_due_is_counted() {
    let url = serve(always_fine);
    let endless = Plan {
        requests_max: None,
        duration: Duration::from_secs(3_600),
        ..plan(&url, 1)
    };
    let running = Running::start(endless).unwrap();
    while running.progress().answered < 3 {
        thread::yield_now();
    }
    running.stop();
    let report = running.wait().unwrap();
    assert_eq!(report.answered, report.requests);
    assert!(report.requests >= 3 && report.seconds < 60.0);
}

#[test]
fn a_download_is_checked_to_its_end() {
    let url = serve(|mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /file ") {
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf");
                return;
            }
            peer.say(FINE);
        }
    });
    let report = drive(Plan {
        download: Some("/file".to_owned()),
        ..plan(&url, 5)
    })
    .unwrap();
    assert_eq!(report.answered, 5);
    assert!(report.downloads.failed >= 1);
    assert_eq!(
        report.failed_as("download truncated"),
        report.downloads.failed
    );
    assert_eq!(report.failed, report.downloads.failed);
}

#[test]
fn a_report_is_read_back_from_its_json() {
    let report = drive(plan(&serve(|_| {}), 3)).unwrap();
    let json = serde_json::to_vec_pretty(&report).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    std::fs::write(&file, json).unwrap();
    let back = read(&file).unwrap();
    assert_eq!((back.failed, back.failures), (3, report.failures));
    std::fs::write(&file, "{}").unwrap();
    assert!(read(&file).unwrap_err().to_string().contains("report.json"));
}
