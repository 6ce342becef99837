//! Reads `[health]`: the probe of a ready worker.

use std::time::Duration;

use super::{
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    model::Settings,
    reader::{Fields, count, duration, text, unwanted},
    resolve::{statuses, target},
};
use crate::decide::policy;

pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let Some(fields) = top.section("health", report) else {
        return;
    };
    let mut health = defaults::health();
    let bounds = duration(secs(1)..=secs(3600));
    fields.read(report, "path", &mut health.path, target);
    health.grpc = fields.find(report, "grpc", service);
    fields.read(report, "statuses", &mut health.statuses, statuses);
    health.body = fields.find(report, "body", text);
    fields.read(report, "interval", &mut health.interval, bounds);
    let bounds = duration(Duration::from_millis(100)..=secs(60));
    fields.read(report, "timeout", &mut health.timeout, bounds);
    fields.read(report, "failures", &mut health.failures, count(1..=1000));
    fields.read(report, "successes", &mut health.successes, count(1..=1000));
    match (fields.get("path"), fields.get("grpc")) {
        (None, None) => {
            report.warning(
                fields.span,
                "[health] has no path, so nothing is probed",
                "add path = \"/healthz\", or grpc = \"\" for gRPC's protocol, or remove [health]",
            );
            return;
        }
        (_, Some(node)) => by_grpc(&fields, node, settings, report),
        (Some(_), None) => {}
    }
    if let Some(node) = fields
        .get("path")
        .filter(|n| n.alias == Some("healthCheckPath"))
    {
        report.warning(
            node.span,
            format!(
                "App Service takes an unhealthy instance from its load balancer; autoheal recycles \
                 the worker after {} failures, one a minute",
                health.failures
            ),
            "write [health] with path, interval and failures in an autoheal.toml given after this \
             file to have it otherwise",
        );
    }
    settings.policy.health = Some(policy::Health {
        failures: health.failures,
        successes: health.successes,
    });
    settings.health = Some(health);
}

/// gRPC's protocol has a path and an answer of its own.
fn by_grpc(fields: &Fields<'_>, grpc: &Node, settings: &Settings, report: &mut Report) {
    for key in ["path", "statuses", "body"] {
        if let Some(node) = fields.get(key) {
            report.error(
                node.span,
                format!("health.{key} means nothing to gRPC's health protocol"),
                format!("remove {key}, or remove grpc and ask by HTTP"),
            );
        }
    }
    if !settings.worker.protocol.is_http2() {
        report.error(
            grpc.span,
            "gRPC's health protocol needs HTTP/2, and the worker is spoken to in HTTP/1.1",
            "set worker.protocol = \"h2c\", or ask by path",
        );
    }
}

/// A service's name, which may be empty: the server as a whole.
fn service(report: &mut Report, name: &str, node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(service) if service.bytes().all(|b| b.is_ascii_graphic()) => {
            Some(service.clone())
        }
        _ => unwanted(
            report,
            name,
            node,
            "the name of a gRPC service, or \"\" for all",
            "write it like \"shop.Cart\"",
        ),
    }
}
