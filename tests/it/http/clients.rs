//! Clients that people use, through three recycles: none sees an error.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    thread,
};

use super::{
    origin::Origin,
    proxy::{Proxy, start},
    wire::{Wire, fields},
};

/// Requests that each client makes, of which a third are uploads.
const REQUESTS: usize = 500;

/// Answers a request with its method and its body, chunked for every third path.
fn echo(wire: &mut Wire) {
    while let Some(head) = wire.try_head() {
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        let length = fields(&head, "content-length")
            .first()
            .map_or(0, |l| l.parse().unwrap());
        let mut body = if fields(&head, "transfer-encoding").is_empty() {
            let Ok(body) = wire.bytes(length) else { return };
            body
        } else {
            wire.chunked_body()
        };
        body.splice(0..0, method.bytes().chain([b' ']));
        let said = if head.contains("/chunked") {
            let length = body.len();
            let mut said =
                format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n")
                    .into_bytes();
            said.append(&mut body);
            said.extend_from_slice(b"\r\n0\r\n\r\n");
            said
        } else {
            let length = body.len();
            let mut said =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
            said.append(&mut body);
            said
        };
        if wire.stream().write_all(&said).is_err() {
            return;
        }
    }
}

fn is_here(tool: &str) -> bool {
    let asked = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let here = asked.is_ok_and(|status| status.success());
    if !here {
        eprintln!("skipped: no {tool} on this machine");
    }
    here
}

/// Runs a client while the worker is recycled three times.
fn through_recycles(settings: &[&str], client: impl FnOnce(&Proxy) -> Output + Send) -> Output {
    let (proxy, origin): (Proxy, Origin) = start(settings);
    let _folder = origin.serve(echo);
    let output = thread::scope(|scope| {
        let running = scope.spawn(|| client(&proxy));
        for round in 1..=3 {
            let due = round * REQUESTS as u64 / 5;
            proxy.until("so many were served", |status| {
                status.ledger.completed >= due
            });
            proxy.order("recycle", "{\"wait\": true}");
        }
        running.join().unwrap()
    });
    let ledger = proxy.settled();
    assert_eq!((ledger.failed, ledger.refused), (0, 0), "{ledger:?}");
    assert!(ledger.completed >= REQUESTS as u64, "{ledger:?}");
    let newest = proxy.status().workers.last().unwrap().generation;
    assert_eq!(newest, 4);
    output
}

fn runs(tool: &str, script: &str, flag: &str) -> impl FnOnce(&Proxy) -> Output + Send {
    let (tool, script, flag) = (tool.to_owned(), script.to_owned(), flag.to_owned());
    move |proxy| {
        Command::new(tool)
            .args([flag, script])
            .args([proxy.address.port().to_string(), REQUESTS.to_string()])
            .output()
            .unwrap()
    }
}

fn all_were_right(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert_eq!(said.trim(), format!("{REQUESTS} right"), "{errors}");
}

const PYTHON: &str = r#"
import http.client, sys, urllib.request
port, count, right = int(sys.argv[1]), int(sys.argv[2]), 0
kept = http.client.HTTPConnection("127.0.0.1", port)
for n in range(count):
    path = "/chunked" if n % 3 else "/plain"
    body = b"x" * n
    if n % 4 == 3:
        url = f"http://127.0.0.1:{port}{path}"
        answer = urllib.request.urlopen(url, timeout=20)
        got, want = answer.read(), b"GET "
    elif n % 4 == 2:
        kept.request("POST", path, iter([body, b"y"]), encode_chunked=True,
                     headers={"Transfer-Encoding": "chunked"})
        got = kept.getresponse().read()
        want = b"POST " + body + b"y"
    elif n % 4 == 1:
        kept.request("POST", path, body)
        got, want = kept.getresponse().read(), b"POST " + body
    else:
        kept.request("GET", path)
        got, want = kept.getresponse().read(), b"GET "
    right += got == want
print(right, "right")
"#;

#[test]
fn python_sees_no_error() {
    for port in ["worker.port=\"auto\"", "recycle.strategy=\"in-place\""] {
        if is_here("python3") {
            all_were_right(&through_recycles(&[port], runs("python3", PYTHON, "-c")));
        }
    }
}

const NODE: &str = r#"
const http = require('http');
const [port, count] = process.argv.slice(-2).map(Number);
http.globalAgent = new http.Agent({ keepAlive: true, maxSockets: 8 });
let right = 0, begun = 0, ended = 0;
const next = () => {
  if (begun >= count) return;
  const n = begun++;
  const method = n % 3 == 0 ? 'POST' : 'GET';
  const path = n % 2 ? '/chunked' : '/plain';
  const body = method == 'POST' ? 'x'.repeat(n) : '';
  const headers = method == 'POST' ? { 'content-length': n } : {};
  const request = http.request({ port, host: '127.0.0.1', method, path, headers,
                                 agent: http.globalAgent }, (answer) => {
    let got = '';
    answer.on('data', (piece) => got += piece);
    answer.on('end', () => {
      if (answer.statusCode == 200 && got == method + ' ' + body) right++;
      if (++ended == count) { console.log(right + ' right'); process.exit(0); }
      next();
    });
  });
  request.on('error', (error) => { console.error(n, error); process.exit(1); });
  request.end(body);
};
for (let i = 0; i < 8; i++) next();
"#;

#[test]
fn node_with_kept_connections_sees_no_error() {
    if is_here("node") {
        all_were_right(&through_recycles(&[], runs("node", NODE, "-e")));
    }
}

#[test]
fn curl_sees_no_error() {
    if !is_here("curl") {
        return;
    }
    let output = through_recycles(&[], |proxy| {
        let each = REQUESTS / 5;
        let url = format!("http://{}", proxy.address);
        let gets = format!("{url}/plain?[1-{each}]");
        let chunked = format!("{url}/chunked?[1-{each}]");
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--fail",
            "--max-time",
            "20",
            "-w",
            "%{http_code}\n",
            "-o",
            "/dev/null",
        ]);
        curl.args([&gets, "-o", "/dev/null", &chunked]);
        curl.args([
            "--next",
            "-sS",
            "--fail",
            "-w",
            "%{http_code}\n",
            "-o",
            "/dev/null",
        ]);
        curl.args(["-d", "abc", &gets]);
        curl.args([
            "--next",
            "-sS",
            "--fail",
            "-w",
            "%{http_code}\n",
            "-o",
            "/dev/null",
        ]);
        curl.args([
            "-T",
            "/proc/self/cmdline",
            "-H",
            "expect: 100-continue",
            &chunked,
        ]);
        curl.args([
            "--next",
            "-sS",
            "--fail",
            "-w",
            "%{http_code}\n",
            "-o",
            "/dev/null",
            "-0",
        ]);
        curl.arg(&gets);
        curl.output().unwrap()
    });
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(
        said.lines().filter(|line| *line == "200").count(),
        REQUESTS,
        "{errors}"
    );
}
