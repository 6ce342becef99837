//! What is asked of every proxy, and the bar beside nginx.

/// Which of a proxy's listeners is asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// HTTP/1.1.
    Plain,
    /// HTTP/1.1 in TLS.
    Tls,
    /// HTTP/2 with prior knowledge, ten streams a connection.
    H2,
}

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// Its word on the command line.
    pub(crate) name: &'static str,
    /// What it is, for the table.
    pub(crate) title: &'static str,
    pub(crate) front: Front,
    pub(crate) path: &'static str,
    pub(crate) connections: u32,
    /// Bytes of each request's body; 0: a GET.
    pub(crate) body: usize,
    /// A connection for each request.
    pub(crate) close: bool,
    /// CPU per request, as a multiple of nginx's, at most.
    pub(crate) bar: f64,
}

const GET: Workload = Workload {
    name: "get",
    title: "GET, 64 bytes, 64 keep-alive connections",
    front: Front::Plain,
    path: "/",
    connections: 64,
    body: 0,
    close: false,
    bar: 1.1,
};

/// Every kind of load, in the order of the report.
pub(crate) const ALL: [Workload; 7] = [
    GET,
    Workload {
        name: "16k",
        title: "GET, 16 KiB, 64 keep-alive connections",
        path: "/16k",
        bar: 1.0,
        ..GET
    },
    Workload {
        name: "1m",
        title: "GET, 1 MiB streamed, 32 keep-alive connections",
        path: "/1m",
        connections: 32,
        bar: 1.0,
        ..GET
    },
    Workload {
        name: "post",
        title: "POST, 16 KiB, 64 keep-alive connections",
        body: 16 * 1024,
        bar: 1.0,
        ..GET
    },
    Workload {
        name: "connect",
        title: "GET, 64 bytes, a new connection for each request",
        close: true,
        bar: 1.15,
        ..GET
    },
    Workload {
        name: "tls",
        title: "GET, 64 bytes, 64 keep-alive connections in TLS",
        front: Front::Tls,
        bar: 1.0,
        ..GET
    },
    Workload {
        name: "h2",
        title: "GET, 64 bytes, HTTP/2, 8 connections of 10 streams",
        front: Front::H2,
        connections: 8,
        bar: 0.9,
        ..GET
    },
];
