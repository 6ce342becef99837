//! Rules in the words of App Service's auto-heal, which web.config and ARM write differently:
//! triggers by kind, and one action that all of them share.

use std::{path::Path, time::Duration};

use super::{deed::Deed, losses::Losses};
use crate::{
    config::{defaults, reader::hms},
    decide::{
        policy::Rule,
        trigger::{Filter, MAX_RULES, MemoryLimit, Trigger},
    },
    units::{ByteSize, PathPattern, Share, StatusItem, StatusSet, format_duration},
};

/// Everything that is written of the rules.
pub(super) struct AutoHeal {
    pub(super) triggers: Vec<Part>,
    pub(super) deed: Deed,
    /// `hh:mm:ss`.
    pub(super) min_uptime: String,
}

/// One trigger, and the rule that it comes from.
pub(super) struct Part {
    pub(super) rule: String,
    pub(super) when: When,
}

/// A trigger of App Service. Times are `hh:mm:ss`.
pub(super) enum When {
    Requests(Counted),
    Slow {
        time_taken: String,
        counted: Counted,
        path: Option<String>,
    },
    /// A single status with its sub-status, 0 for any.
    Status {
        status: u16,
        sub: u16,
        counted: Counted,
        path: Option<String>,
    },
    Range {
        codes: String,
        counted: Counted,
        path: Option<String>,
    },
    Memory {
        kib: u64,
    },
}

/// So many in this time.
#[derive(Clone)]
pub(super) struct Counted {
    pub(super) count: u32,
    pub(super) interval: String,
}

/// The user's rules; `None` if there are none, or none that can be said.
pub(super) fn auto_heal(rules: &[Rule], home: &Path, losses: &mut Losses) -> Option<AutoHeal> {
    let own: Vec<_> = rules.iter().filter(|rule| !rule.proactive).collect();
    let deeds: Vec<_> = own.iter().map(|rule| Deed::of(rule)).collect();
    let shared = Deed::most_frequent(&deeds)?;
    let mut triggers = Vec::new();
    let mut kept = Vec::new();
    for (rule, deed) in own.iter().zip(&deeds) {
        if *deed != shared {
            losses.rule(
                rule,
                format!("is left out: all triggers share one action, which is {shared}"),
                format!("keep it as a [[rule]] in an autoheal.toml beside; it means {deed}"),
            );
            continue;
        }
        let before = triggers.len();
        for when in whens(rule, losses) {
            let rule = rule.name.clone();
            triggers.push(Part { rule, when });
        }
        if triggers.len() > before {
            deed.losses(rule, home, losses);
            kept.push(*rule);
        }
    }
    let most = MAX_RULES - defaults::proactive_rules().len();
    if triggers.len() > most {
        losses.all(
            format!(
                "{} triggers are more than the {most} that are read",
                triggers.len()
            ),
            "the last ones are left out: give a rule fewer codes and paths",
        );
        triggers.truncate(most);
    }
    let min_uptime = min_uptime(&kept, losses);
    (!triggers.is_empty()).then_some(AutoHeal {
        triggers,
        deed: shared,
        min_uptime,
    })
}

/// The longest of all: to act later than one rule asks is safer than sooner than another does.
fn min_uptime(rules: &[&Rule], losses: &mut Losses) -> String {
    let longest = rules.iter().map(|rule| rule.min_uptime).max();
    let (written, longest) = seconds(longest.unwrap_or_default());
    for rule in rules.iter().filter(|rule| rule.min_uptime != longest) {
        losses.rule(
            rule,
            format!(
                "can't have a min_uptime of {}",
                format_duration(rule.min_uptime)
            ),
            format!("all triggers share the longest, {written}"),
        );
    }
    written
}

/// Whole seconds, rounded up, as `hh:mm:ss` and as what that is.
fn seconds(time: Duration) -> (String, Duration) {
    let up = u64::from(time.subsec_nanos() > 0);
    let rounded = Duration::from_secs(time.as_secs() + up);
    (hms(rounded), rounded)
}

fn time(name: &str, time: Duration, rule: &Rule, losses: &mut Losses) -> String {
    let (written, rounded) = seconds(time);
    if rounded != time {
        losses.rule(
            rule,
            format!("can't have a {name} of {}", format_duration(time)),
            format!("times are in seconds: it is written as {written}"),
        );
    }
    written
}

/// When a rule acts, beside its condition.
fn when_not(rule: &Rule, losses: &mut Losses) {
    if rule.cooldown != defaults::COOLDOWN {
        losses.rule(
            rule,
            format!(
                "can't have a cooldown of {}",
                format_duration(rule.cooldown)
            ),
            format!("it is {}", format_duration(defaults::COOLDOWN)),
        );
    }
    if let Some(hours) = &rule.not_between {
        losses.rule(
            rule,
            format!("can't be held in {hours}"),
            "it acts at any time of the day",
        );
    }
}

/// What a rule's condition becomes: nothing, a trigger, or one for each of its codes and paths.
fn whens(rule: &Rule, losses: &mut Losses) -> Vec<When> {
    when_not(rule, losses);
    match &rule.when {
        Trigger::Requests {
            count,
            share,
            window,
            filter,
        } => vec![requests(*count, *share, *window, filter, rule, losses)],
        Trigger::Status {
            codes,
            count,
            share,
            window,
            filter,
        } => {
            let counted = counted(*count, *share, *window, rule, losses);
            let paths = paths(filter, rule, losses);
            let each = statuses(codes, rule, losses);
            let pairs = paths
                .iter()
                .flat_map(|path| each.iter().map(move |item| (path, item)));
            let when = |(path, codes): (&Option<String>, &Codes)| {
                status(codes, counted.clone(), path.clone())
            };
            pairs.map(when).collect()
        }
        Trigger::Slow {
            time_taken,
            count,
            share,
            window,
            filter,
        } => {
            let counted = counted(*count, *share, *window, rule, losses);
            let time_taken = time("time_taken", *time_taken, rule, losses);
            let when = |path| When::Slow {
                time_taken: time_taken.clone(),
                counted: counted.clone(),
                path,
            };
            paths(filter, rule, losses).into_iter().map(when).collect()
        }
        Trigger::Memory { limit, hold } => memory(*limit, *hold, rule, losses),
        Trigger::Abandoned { .. }
        | Trigger::Age { .. }
        | Trigger::All(_)
        | Trigger::File { .. }
        | Trigger::Leak { .. }
        | Trigger::Level { .. }
        | Trigger::Output { .. }
        | Trigger::Schedule { .. } => {
            losses.rule(
                rule,
                format!("is left out: there is no trigger for {}", rule.when.name()),
                "keep it as a [[rule]] in an autoheal.toml beside",
            );
            Vec::new()
        }
    }
}

fn requests(
    count: u32,
    share: Option<Share>,
    window: Option<Duration>,
    filter: &Filter,
    rule: &Rule,
    losses: &mut Losses,
) -> When {
    let window = window.unwrap_or_else(|| {
        losses.rule(
            rule,
            "can't count since the start of the worker",
            "it counts within 24:00:00, the longest that autoheal looks back",
        );
        Duration::from_secs(24 * 3600)
    });
    if !filter.path.is_empty() {
        let nearest = "it counts requests to every path";
        losses.rule(rule, "can't have a path", nearest);
    }
    narrower(filter, rule, losses);
    When::Requests(counted(count, share, window, rule, losses))
}

fn counted(
    count: u32,
    share: Option<Share>,
    window: Duration,
    rule: &Rule,
    losses: &mut Losses,
) -> Counted {
    if let Some(share) = share {
        losses.rule(
            rule,
            format!("can't ask for a share of {share}"),
            format!("{count} are enough, whatever their share: raise that if it is too few"),
        );
    }
    let interval = time("window", window, rule, losses);
    Counted { count, interval }
}

/// The paths of a filter, or one without.
fn paths(filter: &Filter, rule: &Rule, losses: &mut Losses) -> Vec<Option<String>> {
    narrower(filter, rule, losses);
    if filter.path.len() > 1 {
        losses.rule(
            rule,
            "can't count over several paths",
            "each path has a trigger of its own, with the whole count",
        );
    }
    let texts = |pattern: &PathPattern| Some(pattern.as_str().to_owned());
    match filter.path.is_empty() {
        true => vec![None],
        false => filter.path.iter().map(texts).collect(),
    }
}

/// What makes a filter narrower and has no word.
fn narrower(filter: &Filter, rule: &Rule, losses: &mut Losses) {
    let Filter {
        path: _,
        except,
        methods,
    } = filter;
    if !except.is_empty() {
        losses.rule(
            rule,
            "can't leave paths out",
            "what except names counts, too",
        );
    }
    if !methods.is_empty() {
        losses.rule(rule, "can't ask for methods", "it counts every method");
    }
}

/// The codes of one trigger.
#[derive(PartialEq, Eq)]
enum Codes {
    Single(u16, u16),
    Range(u16, u16),
}

fn statuses(codes: &StatusSet, rule: &Rule, losses: &mut Losses) -> Vec<Codes> {
    if codes.items().len() > 1 {
        losses.rule(
            rule,
            format!("can't count {codes} together"),
            "each of them has a trigger of its own, with the whole count",
        );
    }
    let mut all = Vec::new();
    for item in codes.items() {
        let codes = match item {
            StatusItem::Range(first, last) if first < last => Codes::Range(*first, *last),
            StatusItem::Range(status, _) => Codes::Single(*status, 0),
            StatusItem::Sub(status, sub) => Codes::Single(*status, *sub),
            StatusItem::Connect | StatusItem::Reset | StatusItem::Timeout => {
                losses.rule(
                    rule,
                    format!("can't tell {} apart", StatusSet::new(vec![*item])),
                    "it counts 502.3, every way in which a worker fails to answer",
                );
                Codes::Single(502, 3)
            }
            StatusItem::Grpc(_) => {
                losses.rule(
                    rule,
                    format!("can't count {}", StatusSet::new(vec![*item])),
                    "App Service knows no statuses of gRPC: keep them in an autoheal.toml beside",
                );
                continue;
            }
        };
        if !all.contains(&codes) {
            all.push(codes);
        }
    }
    if all.is_empty() {
        losses.rule(
            rule,
            "is left out: it counts statuses of gRPC alone",
            "keep it as a [[rule]] in an autoheal.toml beside",
        );
    }
    all
}

fn status(codes: &Codes, counted: Counted, path: Option<String>) -> When {
    match *codes {
        Codes::Range(first, last) => When::Range {
            codes: format!("{first}-{last}"),
            counted,
            path,
        },
        Codes::Single(status, sub) => When::Status {
            status,
            sub,
            counted,
            path,
        },
    }
}

fn memory(limit: MemoryLimit, hold: Duration, rule: &Rule, losses: &mut Losses) -> Vec<When> {
    /// The largest number that ARM holds here.
    const MOST_KIB: u64 = i32::MAX as u64;
    let bytes = match limit {
        MemoryLimit::PrivateBytes(bytes) => bytes,
        MemoryLimit::Share(share) => {
            losses.rule(
                rule,
                format!("is left out: {share} of the memory limit can't be said"),
                "write private_bytes = \"800MiB\", or what that share is where it runs",
            );
            return Vec::new();
        }
    };
    if !hold.is_zero() {
        losses.rule(
            rule,
            format!("can't wait for {}", format_duration(hold)),
            "one confirmed sample over the limit is enough",
        );
    }
    let kib = bytes.0.div_ceil(1024).min(MOST_KIB);
    if ByteSize::kib(kib) != bytes {
        losses.rule(
            rule,
            format!("can't have a limit of {bytes}"),
            format!("it is written as {kib} KB, {}", ByteSize::kib(kib).human()),
        );
    }
    vec![When::Memory { kib }]
}

impl AutoHeal {
    /// Says which rules lose their names. The triggers stand in the order of the file.
    pub(super) fn name_losses(&self, losses: &mut Losses) {
        let mut given: Vec<String> = Vec::new();
        let mut lost: Vec<String> = Vec::new();
        for Part { rule, when } in &self.triggers {
            let name = when.usual_name();
            let same = given.iter().filter(|other| **other == name).count();
            let shown = match same {
                0 => name.clone(),
                same => format!("{name} ({})", same + 1),
            };
            given.push(name);
            if shown != *rule {
                lost.push(format!("\"{rule}\" is read as \"{shown}\""));
            }
        }
        if !lost.is_empty() {
            losses.all("rules have no names", lost.join(", "));
        }
    }
}

impl When {
    /// The name that the readers give a rule of this trigger.
    pub(super) fn usual_name(&self) -> String {
        match self {
            Self::Requests(_) => "requests".to_owned(),
            Self::Slow { .. } => "slow requests".to_owned(),
            Self::Status { status, sub: 0, .. } => format!("status {status}"),
            Self::Status { status, sub, .. } => format!("status {status}.{sub}"),
            Self::Range { codes, .. } => format!("status {codes}"),
            Self::Memory { .. } => "private memory".to_owned(),
        }
    }
}
