//! An answer as a whole: the same however it is cut, and no bytes of any kind are too much.

use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::{chunks::Step, framing::Framing, head::Reader};

/// What came of an answer: a head, and so much of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Came {
    status: u16,
    fields: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: End,
    /// Bytes after the end.
    left: usize,
}

/// No head came that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NoHead {
    wrong: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Short,
    Wrong,
}

/// Reads an answer that comes in pieces of these lengths, in turn, and then its connection's end.
fn read(answer: &[u8], method: &Method, cuts: &[usize]) -> Result<Came, NoHead> {
    let mut left = Bytes::copy_from_slice(answer);
    let mut cuts = cuts.iter().cycle();
    let mut next = move || {
        let length = cuts.next().map_or(left.len(), |cut| (*cut).min(left.len()));
        Some(left.split_to(length)).filter(|piece| !piece.is_empty())
    };
    let mut reader = Reader::default();
    let (head, mut unread) = loop {
        let Some(piece) = next() else {
            return Err(NoHead { wrong: false });
        };
        match reader.push(piece) {
            Err(_) => return Err(NoHead { wrong: true }),
            Ok(None) => {}
            Ok(Some(found)) => break found,
        }
    };
    let (status, fields) = (head.response.status(), head.response.headers().clone());
    let framing = Framing::of(method, status, head.response.version(), &fields);
    let (mut body, mut trailers) = (Vec::new(), None);
    let end = match framing {
        Err(_) => End::Wrong,
        Ok(mut framing) => loop {
            match framing.step(&mut unread) {
                Err(_) => break End::Wrong,
                Ok(Step::Data(data)) => {
                    assert!(!data.is_empty(), "an empty piece looks like an end");
                    body.extend(data);
                }
                Ok(Step::Trailers(fields)) => trailers = Some(fields),
                Ok(Step::End) => break End::Whole,
                Ok(Step::More) => match next() {
                    Some(piece) => unread = piece,
                    None if framing.close() => break End::Whole,
                    None => break End::Short,
                },
            }
        },
    };
    let mut left = unread.len();
    while let Some(piece) = next() {
        left += piece.len();
    }
    Ok(Came {
        status: status.as_u16(),
        fields,
        body,
        trailers,
        end,
        left: if end == End::Wrong { 0 } else { left },
    })
}

/// What answers are made of, right and wrong.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("HTTP/1.1 200 OK\r\n"),
        Just("HTTP/1.1 204 No Content\r\n"),
        Just("HTTP/1.0 404 \r\n"),
        Just("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\n"),
        Just("HTTP/1.1 101 Switching Protocols\r\n"),
    ];
    let field = prop_oneof![
        4 => Just("x-a: b c\r\n"),
        2 => Just("content-length: 10\r\n"),
        2 => Just("transfer-encoding: chunked\r\n"),
        1 => Just("connection: close\r\n"),
        1 => Just("content-length: 11\r\n"),
        1 => Just("folded: a\r\n b\r\n"),
    ];
    let part = prop_oneof![
        Just("0\r\n\r\n"),
        Just("5\r\nhello\r\n"),
        Just("A;x=y\r\n0123456789\r\n"),
        Just("0\r\nt: 1\r\n\r\n"),
        Just("x"),
        Just("\r\n"),
    ];
    let fields = proptest::collection::vec(field, 0..4);
    let parts = proptest::collection::vec(part, 0..5);
    (line, fields, parts).prop_map(|(line, fields, parts)| {
        [line, &fields.concat(), "\r\n", &parts.concat()]
            .concat()
            .into_bytes()
    })
}

proptest! {
    #[test]
    fn an_answer_is_the_same_wherever_it_is_cut(answer in answer(), is_head in any::<bool>()) {
        let method = if is_head { Method::HEAD } else { Method::GET };
        let whole = read(&answer, &method, &[]);
        prop_assert_eq!(&read(&answer, &method, &[1]), &whole);
        for cut in 1..answer.len() {
            prop_assert_eq!(&read(&answer, &method, &[cut, answer.len()]), &whole, "at {}", cut);
        }
    }

    #[test]
    fn what_is_cut_short_is_never_taken_for_whole(answer in answer()) {
        let Ok(Came { fields, end: End::Whole, left: 0, .. }) = read(&answer, &Method::GET, &[])
        else {
            return Ok(());
        };
        let ends_by_itself = fields.contains_key("content-length")
            || fields.contains_key("transfer-encoding");
        if ends_by_itself {
            let short = &answer[..answer.len() - 1];
            match read(short, &Method::GET, &[]) {
                Ok(came) => prop_assert_eq!(came.end, End::Short),
                Err(NoHead { wrong }) => prop_assert!(!wrong),
            }
        }
    }

    #[test]
    fn no_bytes_are_too_much(
        head in prop_oneof![
            Just(""),
            Just("HTTP/1.1 200 OK\r\n"),
            Just("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ],
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        cut in 1_usize..50,
    ) {
        let answer = [head.as_bytes(), &bytes].concat();
        let (cut, whole) = (read(&answer, &Method::GET, &[cut]), read(&answer, &Method::GET, &[]));
        // A beginning that can't be right may be seen for it sooner.
        prop_assert!(cut == whole || (cut.is_err() && whole.is_err()), "{:?} {:?}", cut, whole);
    }
}
