//! What a probe asks, and what it takes for an answer.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};

use super::*;

const HTTP: Manner = Manner {
    protocol: Protocol::Http,
    tls: None,
};

fn question(status: Option<&str>) -> Question {
    Question {
        host: "localhost".into(),
        path: "/healthz?deep=1".into(),
        status: status.map(|text| text.parse().unwrap()),
        timeout: Duration::from_secs(5),
        ..Question::default()
    }
}

/// Answers one connection with these bytes, then closes it.
async fn asked(answer: &'static [u8], question: &Question) -> (Result<u16, Failure>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        stream.write_all(answer).await.unwrap();
        String::from_utf8(request[..read].to_vec()).unwrap()
    };
    tokio::join!(ask(&address, &HTTP, question), served)
}

#[tokio::test]
async fn the_request_says_who_asks() {
    let (result, request) = asked(b"HTTP/1.1 204 No Content\r\n\r\n", &question(None)).await;
    assert_eq!(result, Ok(204));
    let request = request.to_lowercase();
    assert!(
        request.starts_with("get /healthz?deep=1 http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("host: localhost\r\n"), "{request}");
    assert!(
        request.contains("user-agent: autoheal-probe\r\n"),
        "{request}"
    );
    let other = Question {
        user_agent: "AlwaysOn",
        ..question(None)
    };
    let (_, request) = asked(b"HTTP/1.1 204 No Content\r\n\r\n", &other).await;
    assert!(request.contains("user-agent: AlwaysOn\r\n"), "{request}");
}

#[tokio::test]
async fn any_complete_answer_is_one_and_a_status_may_be_asked_for() {
    let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(asked(answer, &question(None)).await.0, Ok(503));
    let wanted = question(Some("200-299"));
    assert_eq!(asked(answer, &wanted).await.0, Err(Failure::Status(503)));
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for half in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        assert_eq!(asked(half, &question(None)).await.0, Err(Failure::Closed));
    }
    let result = asked(b"SSH-2.0-OpenSSH_9.2\r\n", &question(None)).await.0;
    assert_eq!(result, Err(Failure::NotHttp));
}

#[tokio::test]
async fn a_worker_that_accepts_and_says_nothing_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let brief = Question {
        timeout: Duration::from_millis(50),
        ..question(None)
    };
    let failure = ask(&address, &HTTP, &brief).await.unwrap_err();
    assert_eq!(failure, Failure::TimedOut(brief.timeout));
    assert_eq!(failure.to_string(), "no complete answer within 50ms");
    assert_eq!(knock(&address, &HTTP, brief.timeout).await, Ok(()));
    drop(listener);
    assert_eq!(
        ask(&address, &HTTP, &question(None)).await,
        Err(Failure::Refused)
    );
    assert_eq!(
        knock(&address, &HTTP, brief.timeout).await,
        Err(Failure::Refused)
    );
}

#[tokio::test]
async fn a_worker_is_asked_in_what_it_speaks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let served = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut answer) = connection.accept().await.unwrap().unwrap();
        assert_eq!(request.uri(), "http://localhost/healthz?deep=1");
        let response = Response::builder().status(204).body(()).unwrap();
        let mut body = answer.send_response(response, false).unwrap();
        body.send_data(Bytes::new(), true).unwrap();
        while connection.accept().await.is_some() {}
        // The next one speaks HTTP/1.1.
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (question, manner) = (question(None), Manner::plain(Protocol::H2c));
    let asked = async {
        assert_eq!(ask(&address, &manner, &question).await, Ok(204));
        assert_eq!(
            ask(&address, &manner, &question).await,
            Err(Failure::NotHttp)
        );
    };
    let local = tokio::task::LocalSet::new();
    let both = Box::pin(async { tokio::join!(asked, served) });
    local.run_until(both).await;
}

#[tokio::test]
async fn a_connection_to_itself_is_no_worker() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let own = socket.local_addr().unwrap();
    let stream = socket.connect(own).await.unwrap();
    assert!(met_itself(&stream));
}

#[tokio::test]
async fn a_socket_that_is_not_there_yet_refuses_and_one_that_is_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let address = Address::Unix(path.clone());
    assert_eq!(
        ask(&address, &HTTP, &question(None)).await,
        Err(Failure::Refused)
    );
    let listener = UnixListener::bind(&path).unwrap();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let question = question(None);
    let (result, _stream) = tokio::join!(ask(&address, &HTTP, &question), served);
    assert_eq!(result, Ok(200));
}

#[tokio::test]
async fn a_socket_whose_queue_is_full_is_no_sign_of_sickness_yet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // It has a queue of one (listen(2) again).
    rustix::net::listen(&listener, 0).unwrap();
    let queued = UnixStream::connect(&path).await.unwrap();
    let address = Address::Unix(path.clone());
    let question = Question {
        timeout: Duration::from_millis(100),
        ..question(None)
    };
    let result = ask(&address, &HTTP, &question).await;
    assert_eq!(result, Err(Failure::TimedOut(question.timeout)));
    drop(queued);
}

#[tokio::test]
async fn a_good_answer_has_in_its_body_what_is_wanted() {
    let wants = |body: &str| Question {
        body: Some(body.to_owned()),
        ..question(Some("200-299"))
    };
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall is ok";
    assert_eq!(asked(answer, &wants("is ok")).await.0, Ok(200));
    assert_eq!(asked(answer, &wants("is well")).await.0, Err(Failure::Body));
    let moved = b"HTTP/1.1 302 Found\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(
        asked(moved, &wants("ok")).await.0,
        Err(Failure::Status(302))
    );
}
