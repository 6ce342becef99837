//! Limits of memory that no worker comes to, or any does.

use super::{Said, several};
use crate::{
    config::{
        Machine,
        diagnostic::{Report, Span},
        model::Settings,
    },
    decide::trigger::MemoryLimit,
    units::ByteSize,
};

/// Hardly any app lives in less, so that a smaller limit is probably a slip.
const LEAST_MEMORY: ByteSize = ByteSize::mib(64);

pub(super) fn judge(
    limit: MemoryLimit,
    said: &Said<'_>,
    settings: &Settings,
    machine: &Machine,
    report: &mut Report,
) {
    let bytes = match limit {
        MemoryLimit::PrivateBytes(bytes) => bytes,
        MemoryLimit::Share(_) => {
            if let (None, Some(_), Some(node)) =
                (machine.memory_limit, machine.memory, said.get("share"))
            {
                report.warning(
                    node.span,
                    "nothing limits the memory of a worker here, so the rule is off",
                    "limit the container's memory, or write private_bytes = \"800MiB\"",
                );
            }
            return;
        }
    };
    let Some(node) = said.get("private_bytes") else {
        return;
    };
    let alias = node.alias.is_some();
    let most = machine.memory_limit.into_iter().chain(machine.memory).min();
    let fits = |size: &ByteSize| *size >= LEAST_MEMORY && most.is_none_or(|most| *size < most);
    let meant = |size: ByteSize, otherwise: &str| match Some(size).filter(fits) {
        Some(size) => format!("did you mean {}?", as_written(size, alias)),
        None => otherwise.to_owned(),
    };
    if bytes < LEAST_MEMORY {
        let more = if bytes < ByteSize::mib(10) { 100 } else { 10 };
        report.warning(
            node.span,
            format!(
                "{bytes} is less than almost any app needs: its worker would be recycled for ever"
            ),
            meant(
                ByteSize(bytes.0.saturating_mul(more)),
                "set it above what the app needs when it is well",
            ),
        );
    } else if let Some(most) = most.filter(|most| bytes >= *most) {
        let kilo = match bytes.0.is_multiple_of(ByteSize::mib(1).0) {
            true => 1024,
            false => 1000,
        };
        let of = match machine.memory_limit == Some(most) {
            true => "than the limit of this container",
            false => "than this machine has",
        };
        report.warning(
            node.span,
            format!(
                "{bytes} is not less {of} ({}): the kernel would kill the worker first",
                most.human()
            ),
            meant(
                ByteSize(bytes.0 / kilo),
                "set it below the memory of the machine that runs the app",
            ),
        );
    } else if let Some(most) = most {
        together(bytes, most, node.span, settings, machine, report);
    }
}

/// Several that are each below their limit may be too much together.
fn together(
    each: ByteSize,
    most: ByteSize,
    blame: Span,
    settings: &Settings,
    machine: &Machine,
    report: &mut Report,
) {
    let count = u64::from(several::most(settings));
    let all = |count: u64| ByteSize(each.0.saturating_mul(count));
    if count < 2 || all(count) < most {
        return;
    }
    let of = match machine.memory_limit == Some(most) {
        true => "this container may have",
        false => "this machine has",
    };
    report.warning(
        blame,
        format!(
            "{} of up to {} each need {}, and {} while one is replaced; {of} {}: the kernel may \
             kill one before any is over its limit",
            several::workers(settings),
            each.human(),
            all(count).human(),
            all(count + 1).human(),
            most.human()
        ),
        format!(
            "set it to less than {}, or have fewer workers",
            ByteSize(most.0 / count).human()
        ),
    );
}

/// A size as the format of its file has it: web.config counts KB.
fn as_written(size: ByteSize, alias: bool) -> String {
    match alias {
        true => format!("{} ({})", size.0 / 1024, size.human()),
        false => size.to_string(),
    }
}
