//! The page of `autoheal status`.

use super::*;
use crate::control::order::{CodeCount, ParkingStatus, ThreadStatus};

fn no_db() -> DependencyStatus {
    DependencyStatus {
        name: "db".to_owned(),
        address: "db:5432".to_owned(),
        state: "down".to_owned(),
        failing_ms: Some(12_000),
        why: Some("nobody listens".to_owned()),
    }
}

fn no_report() -> PoisonStatus {
    PoisonStatus {
        request: "POST /report".to_owned(),
        because: "in flight at 3 of 3 crashes, 2% of the traffic".to_owned(),
        crashes: 3,
        remaining_ms: 120_000,
    }
}

fn certificate() -> CertificateStatus {
    CertificateStatus {
        certificate: "/etc/site.pem".to_owned(),
        names: vec!["a.test".to_owned(), "*.a.test".to_owned()],
        remaining_s: 83 * 24 * 3600 + 5,
        ..CertificateStatus::default()
    }
}

fn stuck() -> RuleStatus {
    RuleStatus {
        name: "stuck".to_owned(),
        state: "cooling".to_owned(),
        instance: None,
        now: "2 of 5 slower than 30s in 2min".to_owned(),
        held: Some("cooldown".to_owned()),
        fired: 1,
        remaining_ms: Some(90_000),
        verdict: Some("did-not-help".to_owned()),
    }
}

fn busy() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        mode: "heal".to_owned(),
        pid: 812,
        uptime_ms: 7_380_123,
        ready: true,
        state: "serving".to_owned(),
        listen: vec!["0.0.0.0:8080".to_owned()],
        config: vec!["/etc/autoheal.toml".to_owned()],
        certificates: vec![certificate()],
        workers: vec![WorkerStatus {
            generation: 3,
            instance: None,
            state: "ready".to_owned(),
            pid: Some(990),
            address: "127.0.0.1:41233".to_owned(),
            uptime_ms: 61_500,
            in_flight: 4,
            private_bytes: Some(740 << 20),
            limit: Some(16),
            limit_why: Some("answers take 30ms".to_owned()),
        }],
        rules: vec![stuck()],
        dependencies: vec![no_db()],
        poison: vec![no_report()],
        budget: BudgetStatus {
            used: 1,
            recycles: 3,
            window_ms: 600_000,
            used_today: 4,
            per_day: 24,
        },
        parking: ParkingStatus {
            requests: 12,
            requests_max: 10_000,
            bytes: 4_096,
            bytes_max: 64 << 20,
            hold_remaining_ms: Some(15_000),
        },
        queue: QueueStatus {
            requests: 3,
            requests_max: 1000,
            places: Some(4),
            found: false,
        },
        ledger: LedgerStatus {
            queued: 5,
            accepted: 100,
            completed: 90,
            failed: 6,
            in_flight: 4,
            by_code: vec![CodeCount {
                code: 502_101,
                name: "WorkerRefusedConnection".to_owned(),
                count: 6,
            }],
            ..LedgerStatus::default()
        },
        threads: vec![
            ThreadStatus {
                connections: 31,
                in_flight: 2,
            };
            2
        ],
        access_log_lost: 0,
        warnings: vec!["a rule\nis off".to_owned()],
        ..Status::default()
    }
}

#[test]
fn the_page_says_the_state_first_and_everything_once() {
    assert_eq!(
        page(&busy()),
        "\
state     serving
warning   a rule\\nis off
autoheal  0.1.0, mode heal, pid 812, up 2h 3min
listens   0.0.0.0:8080
config    /etc/autoheal.toml
tls       /etc/site.pem for a.test, *.a.test, valid for 83 days
worker    generation 3 ready at 127.0.0.1:41233, up 1min 1s, 4 in flight, pid 990, 740 MiB \
private; at most 16 at once: answers take 30ms
rule      \"stuck\" cooling for 1min 30s more: 2 of 5 slower than 30s in 2min; \
held: cooldown; fired once; its last recycle did not help
depends   \"db\" at db:5432 down for 12s: nobody listens
poison    POST /report ends its workers: in flight at 3 of 3 crashes, 2% of the traffic; \
not sent twice for 2min more
budget    1 of 3 recycles in 10min, 4 of 24 today
parked    12 of 10000 requests, 4 KiB of 64 MiB; held by an operator for 15s more
queued    3 of 1000 requests; each worker has 4 at once
requests  100 accepted: 90 completed, 0 refused, 0 left by clients, 6 failed, 4 in flight; 0 were \
parked, 5 queued, 0 replayed
          6 x 502101 WorkerRefusedConnection
threads   31 + 31 connections
"
    );
}

#[test]
fn of_several_instances_each_is_named_and_one_without_a_worker_too() {
    let mut status = busy();
    let one = |instance, state: &str, next_start_ms| InstanceStatus {
        instance,
        state: state.to_owned(),
        next_start_ms,
    };
    status.workers[0].instance = Some(1);
    status.rules[0].instance = Some(2);
    status.instances = vec![
        one(1, "ready", None),
        one(2, "waiting", Some(8_000)),
        one(3, "gave up", None),
    ];
    let page = page(&status);
    for line in [
        "worker    instance 1, generation 3 ready at 127.0.0.1:41233,",
        "worker    instance 2 has no worker: waiting; its next start is in 8s\n",
        "worker    instance 3 has no worker: gave up\n",
        "rule      \"stuck\" cooling for 1min 30s more (instance 2): 2 of 5",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}
