//! Behind a load balancer that says whose connection it is.

use super::{
    proxy::{Proxy, start},
    wire::fields,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const BEHIND: &str = "listen={address=\"127.0.0.1:0\", proxy_protocol=true}";

fn refused_with(proxy: &Proxy, code: u32) -> u64 {
    let by_code = proxy.ledger().by_code;
    let of_code = by_code.iter().find(|one| one.code == code);
    of_code.map_or(0, |one| one.count)
}

#[test]
fn the_worker_is_told_who_the_load_balancer_says_the_client_is() {
    let (proxy, origin) = start(&[BEHIND]);
    let mut second = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f".to_vec();
    second.extend_from_slice(&[192, 0, 2, 8, 10, 0, 0, 1, 1, 2, 3, 4, 4, 0, 0]);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, client) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 5 80\r\n"[..], "192.0.2.7"),
        (&second, "192.0.2.8"),
        (local, "127.0.0.1"),
    ] {
        // The client itself is not to be believed, whoever stands before us.
        let forged = "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 198.51.100.1\r\n\r\n";
        let asked = if client == "127.0.0.1" { GET } else { forged };
        let mut talker = proxy.says([header, asked.as_bytes()].concat());
        let mut worker = origin.accept();
        assert_eq!(fields(&worker.head(), "x-forwarded-for"), [client]);
        worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        assert_eq!(talker.answer().status, 200);
    }
}

#[test]
fn a_header_that_comes_in_pieces_is_read_as_one() {
    let (proxy, origin) = start(&[BEHIND]);
    let mut client = proxy.client();
    for byte in b"PROXY TCP6 2001:db8::7 ::1 5 80\r" {
        client.send([*byte]);
    }
    client.send("\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    assert_eq!(fields(&worker.head(), "x-forwarded-for"), ["2001:db8::7"]);
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_connection_that_does_not_begin_with_it_is_closed_and_counted() {
    let (proxy, origin) = start(&[BEHIND]);
    proxy.says(GET).is_closed();
    assert_eq!(refused_with(&proxy, 400_107), 1);
    // A health check that connects and leaves is none.
    drop(proxy.client());
    proxy.says("PROXY TC").finish_sending();
    let mut client = proxy.says([b"PROXY UNKNOWN\r\n", GET.as_bytes()].concat());
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    assert_eq!(refused_with(&proxy, 400_107), 1);
}

#[test]
fn a_sender_that_is_not_trusted_is_not_believed() {
    let (proxy, _origin) = start(&[BEHIND, "trust=\"none\""]);
    proxy.says(["PROXY UNKNOWN\r\n", GET].concat()).is_closed();
    assert_eq!(refused_with(&proxy, 400_107), 1);
}

#[test]
fn a_header_that_does_not_come_to_its_end_has_its_deadline() {
    let (proxy, _origin) = start(&[BEHIND, "timeouts.head=1s"]);
    proxy.says("PROXY TCP4 192.0.2.7").is_closed();
}
