//! What the real binary holds in memory for clients that rest, read slowly, and have left.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use crate::support::{Connection, PATIENCE, Setup, Sidecar, command_of_demo_worker};

/// Its memory, in KiB.
fn resident(sidecar: &Sidecar) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", sidecar.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[test]
fn the_memory_of_connections_that_rest_goes_back_to_the_kernel() {
    const CLIENTS: u64 = 400;
    let sidecar = Sidecar::start("", &[]);
    let before = resident(&sidecar);
    let ask = |_| {
        let mut client =
            Connection::open(sidecar.address).send("GET / HTTP/1.1\r\nHost: it\r\n\r\n");
        client.0.read_exact(&mut [0; 12]).unwrap();
        client
    };
    let clients: Vec<_> = (0..CLIENTS).map(ask).collect();
    // Each took 16 KiB, and keeps 3 to 6: no buffer of its own. It kept 12.
    sidecar.wait("memory given back", || {
        (resident(&sidecar) < before + CLIENTS * 9).then_some(())
    });
    drop(clients);
}

#[test]
fn slow_readers_hold_little_and_nothing_when_they_have_left() {
    const READERS: u64 = 100;
    // Behind a Unix socket, whose kernel takes a part of each answer, and not all of it.
    let setup = Setup {
        socket: Some("readers"),
        command: command_of_demo_worker(&[]),
        ..Setup::default()
    };
    let sidecar = setup.launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar.get("/");
    let before = resident(&sidecar);
    let ask = |_| {
        let mut reader = UnixStream::connect(sidecar.path("readers")).unwrap();
        reader.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = b"GET /download?bytes=524288 HTTP/1.1\r\nHost: it\r\n\r\n";
        reader.write_all(request).unwrap();
        reader.read_exact(&mut [0; 12]).unwrap();
        reader
    };
    let readers: Vec<_> = (0..READERS).map(ask).collect();
    let held = sidecar.wait("readers that are slow", || {
        let held = resident(&sidecar).saturating_sub(before);
        (held > READERS * 32).then_some(held)
    });
    assert!(
        held < READERS * 130,
        "{held} KiB for {READERS} slow readers"
    );
    drop(readers);
    // They kept all of it; what is left belongs to no one of them.
    sidecar.wait("memory given back", || {
        (resident(&sidecar) < before + READERS * 40).then_some(())
    });
}
