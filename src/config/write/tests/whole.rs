//! Whole settings out of [`super::any`]'s parts, as only the readers put them together.

use std::path::PathBuf;

use proptest::{
    option,
    prelude::*,
    sample::{select, subsequence},
};

use super::{
    any::{
        DAY, GIB, HOME, HOUR, absolute, is_readable, listen, routes, rules, size, statuses, target,
        time, trust, worker,
    },
    attach::{attach, instead_of_a_worker},
    crashes::restart,
    dependencies::dependencies,
    instances::instances,
};
use crate::{
    config::{
        access_log::{AccessFormat, AccessLog, AccessTo},
        attach::Attach,
        defaults,
        model::{
            Admin, Health, Journal, Limits, Listen, Log, LogFormat, LogLevel, Parking, Port, Queue,
            Ready, Recycle, Route, Settings, StrategyChoice, Threads, Timeouts, Worker,
        },
        probes::Probes,
    },
    decide::policy::{
        self, Budget, Dependency, Policy, Restart, Shutdown, Strategy as Order, Verdict,
    },
    units::Share,
    words::{AccessField, Mode},
};

type Front = (
    Vec<Listen>,
    (Admin, Probes),
    (Option<PathBuf>, Option<PathBuf>),
    Threads,
    crate::units::Networks,
    Mode,
);

fn front() -> BoxedStrategy<Front> {
    let admin = prop_oneof![
        Just(Admin::Auto),
        Just(Admin::Off),
        absolute().prop_map(Admin::Unix)
    ];
    let probes = prop_oneof![
        Just(Probes::Off),
        Just(Probes::Tcp(([0, 0, 0, 0], 0).into())),
        absolute().prop_map(Probes::Unix)
    ];
    let threads = prop_oneof![Just(Threads::Auto), (1u8..=4).prop_map(Threads::Count)];
    let folder = prop_oneof![Just(PathBuf::from(HOME)), absolute()];
    let page = prop_oneof![
        absolute(),
        Just(PathBuf::from(HOME).join("app_offline.htm"))
    ];
    let page = option::of(page);
    let modes = select(vec![Mode::Heal, Mode::Observe, Mode::Relay]);
    (
        listen(),
        (admin, probes),
        (option::of(folder), page),
        threads,
        trust(),
        modes,
    )
        .boxed()
}

fn ready() -> BoxedStrategy<Ready> {
    let http = (target(), option::of(statuses()));
    prop_oneof![
        Just(Ready::Port),
        http.prop_map(|(path, status)| Ready::Http { path, status })
    ]
    .boxed()
}

fn recycle(port: Port) -> BoxedStrategy<(Recycle, policy::Recycle)> {
    let choices = match port {
        Port::Fixed(_) => vec![StrategyChoice::Auto, StrategyChoice::InPlace],
        Port::Auto | Port::Unix => vec![
            StrategyChoice::Auto,
            StrategyChoice::Overlap,
            StrategyChoice::InPlace,
        ],
    };
    let times = (
        time(1000, HOUR),
        time(0, HOUR),
        time(0, HOUR),
        time(0, HOUR),
        time(0, HOUR),
    );
    (select(choices), ready(), times)
        .prop_map(move |(strategy, ready, times)| {
            let fixed = matches!(port, Port::Fixed(_));
            let (start_timeout, drain_timeout, stop_timeout, slow_start, tunnel_timeout) = times;
            let followed = policy::Recycle {
                strategy: match strategy {
                    StrategyChoice::InPlace => Order::InPlace,
                    StrategyChoice::Auto if fixed => Order::InPlace,
                    _ => Order::Overlap,
                },
                needs_room: strategy == StrategyChoice::Auto,
                start_timeout,
                drain_timeout,
                stop_timeout,
                slow_start,
            };
            let asked = Recycle {
                strategy,
                ready,
                tunnel_timeout,
            };
            (asked, followed)
        })
        .boxed()
}

fn clients() -> BoxedStrategy<(Timeouts, Limits, Vec<Route>)> {
    let usual = || time(1000, DAY);
    let times = (
        time(100, DAY),
        usual(),
        usual(),
        usual(),
        usual(),
        usual(),
        usual(),
    );
    let sizes = (size(1024, 1 << 20), size(4096, 1 << 20));
    let connections = (1u32..=1_000_000, 1u32..=1_000_000);
    (times, sizes, 10u32..=1000, connections, routes())
        .prop_map(
            |(
                (response, head, handshake, idle, body, write, tunnel),
                (target, most),
                fields,
                (connections, connections_per_client),
                routes,
            )| {
                let timeouts = Timeouts {
                    response,
                    head,
                    handshake,
                    idle,
                    body,
                    write,
                    tunnel,
                };
                let limits = Limits {
                    target: target.min(most),
                    head: most,
                    fields,
                    connections,
                    connections_per_client,
                };
                (timeouts, limits, routes)
            },
        )
        .boxed()
}

type Guards = (
    Option<Health>,
    (Parking, Queue),
    (Budget, Verdict),
    Shutdown,
    Vec<Dependency>,
);

fn guards() -> BoxedStrategy<Guards> {
    let asked = prop_oneof![
        (target(), statuses(), option::of("[a-z\"\\\\]{1,5}"))
            .prop_map(|(path, statuses, body)| (path, None, statuses, body)),
        "[a-z.]{0,5}".prop_map(|service| {
            let usual = defaults::health().statuses;
            (String::new(), Some(service), usual, None)
        }),
    ];
    let times = (time(1000, HOUR), time(100, 60_000));
    let counts = (1u32..=1000, 1u32..=1000);
    let health = (asked, times, counts).prop_map(|(asked, (interval, timeout), counts)| {
        let (path, grpc, statuses, body) = asked;
        let (failures, successes) = counts;
        Health {
            path,
            grpc,
            statuses,
            body,
            interval,
            timeout,
            failures,
            successes,
        }
    });
    let parking = (
        0u32..=1_000_000,
        size(0, 64 * GIB),
        1u32..=1_000_000,
        time(0, HOUR),
        option::of(target()),
    );
    let parking = parking.prop_map(|(requests, bytes, per_client, wait, probe)| Parking {
        requests,
        bytes,
        per_client,
        wait,
        probe,
    });
    let queue = (0u32..=1_000_000, 1u32..=1_000_000, time(0, HOUR));
    let queue = queue.prop_map(|(requests, per_client, wait)| Queue {
        requests,
        per_client,
        wait,
    });
    let budget = (0u32..=1000, time(1000, DAY), 0u32..=10_000);
    let budget = budget.prop_map(|(recycles, window, per_day)| Budget {
        recycles,
        window,
        per_day,
    });
    let verdict = (time(1000, DAY), time(0, 7 * DAY));
    let verdict = verdict.prop_map(|(back_within, disarm)| Verdict {
        back_within,
        disarm,
    });
    let shutdown = (time(0, HOUR), time(0, HOUR));
    let shutdown = shutdown.prop_map(|(one, other)| Shutdown {
        delay: one.min(other),
        timeout: one.max(other),
    });
    let dependencies = dependencies();
    (
        option::of(health),
        (parking, queue),
        (budget, verdict),
        shutdown,
        dependencies,
    )
        .boxed()
}

fn records() -> BoxedStrategy<(Journal, Log, AccessLog)> {
    let format = select(vec![LogFormat::Auto, LogFormat::Text, LogFormat::Json]);
    let level = select(vec![
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ]);
    (
        size(64 * 1024, GIB),
        2u32..=1000,
        format,
        level,
        access_log(),
    )
        .prop_map(|(segment, segments, format, level, access)| {
            let log = Log { format, level };
            (Journal { segment, segments }, log, access)
        })
        .boxed()
}

fn access_log() -> BoxedStrategy<AccessLog> {
    let to = select(vec![
        AccessTo::Stdout,
        AccessTo::Stderr,
        AccessTo::File(PathBuf::from(HOME).join("log/access.log")),
        AccessTo::File(PathBuf::from("/var/log/access.log")),
    ]);
    let format = select(vec![AccessFormat::Json, AccessFormat::Combined]);
    let fields = subsequence(AccessField::ALL.to_vec(), 1..=18);
    let parts = (
        to,
        format,
        0u16..=100,
        fields,
        any::<bool>(),
        size(64 * 1024, GIB),
        1u32..=1000,
    );
    parts
        .prop_map(
            |(to, format, sample, fields, query, size, files)| AccessLog {
                to: Some(to),
                format,
                sample: Share::percent(sample),
                fields,
                query,
                size,
                files,
            },
        )
        .boxed()
}

/// Any settings; each part is left at its defaults half the time.
pub(super) fn settings() -> BoxedStrategy<Settings> {
    let worker = worker().prop_filter("blank", is_readable);
    worker
        .prop_flat_map(|worker| {
            let port = worker.port;
            let parts = (
                front(),
                recycle(port),
                clients(),
                guards(),
                records(),
                (restart(), instances(port), attach()),
            );
            (Just(worker), parts, rules(port), any::<[bool; 5]>())
                .prop_map(|(worker, parts, rules, said)| put_together(worker, parts, rules, said))
        })
        .boxed()
}

type Parts = (
    Front,
    (Recycle, policy::Recycle),
    (Timeouts, Limits, Vec<Route>),
    Guards,
    (Journal, Log, AccessLog),
    (Restart, policy::Instances, Option<Attach>),
);

/// gRPC's health protocol needs HTTP/2.
fn without_calls_over_http_1(whole: &mut Settings) {
    let health = whole.health.as_ref();
    let calls = health.is_some_and(|health| health.grpc.is_some());
    if calls && !whole.worker.protocol.is_http2() {
        (whole.health, whole.policy.health) = (None, None);
    }
}

fn put_together(
    worker: Worker,
    parts: Parts,
    rules: Vec<policy::Rule>,
    said: [bool; 5],
) -> Settings {
    let (front, (recycle, order), (timeouts, limits, routes), guards, records, ends) = parts;
    let (restart, instances, attach) = ends;
    let (listen, (admin, probes), (state_dir, maintenance), threads, trust, mode) = front;
    let (health, (parking, queue), (budget, verdict), shutdown, dependencies) = guards;
    let (journal, log, access_log) = records;
    let mut whole = Settings {
        listen,
        admin,
        probes,
        state_dir,
        threads,
        forwarded: trust == crate::units::Networks::none(),
        half_close: said[4],
        trust,
        watch: !said[0],
        maintenance,
        worker,
        attach: None,
        recycle,
        timeouts,
        routes,
        limits,
        parking: parking.clone(),
        queue,
        journal,
        log,
        access_log,
        policy: Policy {
            mode,
            rules,
            recycle: order,
            restart,
            health: health.as_ref().map(|health| policy::Health {
                failures: health.failures,
                successes: health.successes,
            }),
            parking_wait: parking.wait,
            budget,
            verdict,
            shutdown,
            dependencies,
            instances,
            attached: None,
        },
        health,
    };
    without_calls_over_http_1(&mut whole);
    at_defaults_where_nothing_is_said(&mut whole, said);
    if let Some(attach) = attach {
        instead_of_a_worker(attach, &mut whole);
    }
    whole
}

fn at_defaults_where_nothing_is_said(whole: &mut Settings, said: [bool; 5]) {
    let usual = defaults::settings(PathBuf::from(HOME));
    let [front, clients, parking, guards, records] = said;
    if !front {
        (whole.listen, whole.admin, whole.state_dir) = (usual.listen, usual.admin, None);
        whole.probes = usual.probes;
        whole.maintenance = None;
        (whole.threads, whole.trust) = (usual.threads, usual.trust);
        (whole.forwarded, whole.half_close) = (usual.forwarded, usual.half_close);
    }
    if !clients {
        (whole.timeouts, whole.limits) = (usual.timeouts, usual.limits);
        whole.routes = usual.routes;
    }
    if !parking {
        (whole.parking, whole.queue) = (usual.parking, usual.queue);
    }
    if !guards {
        (whole.policy.budget, whole.policy.shutdown) = (usual.policy.budget, usual.policy.shutdown);
        whole.policy.verdict = usual.policy.verdict;
        (whole.health, whole.policy.health) = (None, None);
        whole.policy.dependencies = usual.policy.dependencies;
    }
    if !records {
        (whole.journal, whole.log, whole.access_log) = (usual.journal, usual.log, usual.access_log);
    }
    whole.policy.parking_wait = whole.parking.wait;
}
