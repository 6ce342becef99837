//! Any settings that the readers can make, for properties.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};

use super::{
    any_tls::{behind, tls},
    instances::{affinity, concurrency},
};
use crate::{
    config::{
        defaults,
        model::{Address, Listen, Output, Port, Route, RouteLimit, StopTo, Worker},
    },
    decide::policy::{Action, Command, Notice, Rule, Rung, Strategy as Order},
    units::{ByteSize, Network, Networks},
    words::{Mode, Protocol},
};

mod condition;

use condition::{filter, hours};
pub(super) use condition::{statuses, trigger};

/// Where the file stands that is written and read.
pub(super) const HOME: &str = "/srv/shop";

/// Text that is not blank and has no NUL, quotes and controls included.
fn words() -> BoxedStrategy<String> {
    let odd = "[ -~\t\n\"'\\\\\u{1b}\u{7f}\u{e9}\u{202e}]{0,12}";
    prop_oneof![3 => "[a-z][a-z ]{0,9}", 1 => odd]
        .prop_filter("blank", |text| !text.trim().is_empty())
        .boxed()
}

fn pathless() -> BoxedStrategy<String> {
    words().prop_map(|text| text.replace('/', "-")).boxed()
}

/// Milliseconds between bounds, and the bounds themselves.
pub(super) fn time(least: u64, most: u64) -> BoxedStrategy<Duration> {
    let any = prop_oneof![
        4 => (least.div_ceil(1000)..=most / 1000).prop_map(|secs| secs * 1000),
        1 => least..=most,
        1 => Just(least),
        1 => Just(most),
    ];
    any.prop_map(Duration::from_millis).boxed()
}

pub(super) fn size(least: u64, most: u64) -> BoxedStrategy<ByteSize> {
    prop_oneof![
        (least..=most).prop_map(ByteSize),
        (least.div_ceil(1024)..=most / 1024).prop_map(ByteSize::kib),
        Just(ByteSize(least)),
        Just(ByteSize(most)),
    ]
    .boxed()
}

pub(super) const DAY: u64 = 24 * 3600 * 1000;
pub(super) const HOUR: u64 = 3600 * 1000;
pub(super) const GIB: u64 = 1 << 30;

/// An absolute path: below the file's folder, or elsewhere.
pub(super) fn absolute() -> BoxedStrategy<PathBuf> {
    ("(/srv/shop|/srv|/srv/shopping)", "(/[a-z][a-z.]{0,5}){1,3}")
        .prop_map(|(at, rest)| PathBuf::from(at + &rest))
        .boxed()
}

fn folder() -> BoxedStrategy<PathBuf> {
    prop_oneof![Just(PathBuf::from(HOME)), absolute()].boxed()
}

pub(super) fn target() -> BoxedStrategy<String> {
    "/[a-z%0-9/]{0,8}(\\?[a-z=\"\\\\]{0,5})?".boxed()
}

pub(super) fn argv() -> BoxedStrategy<Vec<String>> {
    let program = prop_oneof![
        pathless(),
        absolute().prop_map(|path| path.display().to_string())
    ];
    let argument = prop_oneof![4 => words(), 1 => Just(String::new())];
    (program, vec(argument, 0..4))
        .prop_map(|(program, mut words)| {
            words.insert(0, program);
            words
        })
        .boxed()
}

pub(super) fn plain(text: &str) -> String {
    text.replace(['{', '}'], "")
}

pub(super) fn listen() -> BoxedStrategy<Vec<Listen>> {
    let port = 1u16..3000;
    let address = prop_oneof![
        (any::<[u8; 4]>(), port.clone()).prop_map(|at| Address::Tcp(SocketAddr::from(at))),
        (any::<[u16; 8]>(), port).prop_map(|at| Address::Tcp(SocketAddr::from(at))),
        absolute().prop_map(Address::Unix),
        Just(Address::Systemd),
    ];
    let one = (address, any::<bool>(), tls()).prop_map(|(address, proxy_protocol, tls)| Listen {
        tls: tls.filter(|_| matches!(address, Address::Tcp(_))),
        address,
        proxy_protocol,
    });
    let several = vec(one, 1..4).prop_filter("twice", |all| {
        let same = |at: usize| {
            all[..at]
                .iter()
                .any(|other| other.address == all[at].address)
        };
        (1..all.len()).all(|at| !same(at))
    });
    let usual = defaults::settings(PathBuf::new()).listen;
    prop_oneof![Just(usual), several].boxed()
}

pub(super) fn trust() -> BoxedStrategy<Networks> {
    let four = (any::<[u8; 4]>(), 0u8..=32)
        .prop_map(|([a, b, c, d], prefix)| format!("{a}.{b}.{c}.{d}/{prefix}"));
    let network = prop_oneof![four, Just("fd00::/8".to_owned()), Just("::1".to_owned())]
        .prop_map(|text| text.parse::<Network>().unwrap());
    prop_oneof![
        Just(Networks::private()),
        vec(network, 0..4).prop_map(Networks::new)
    ]
    .boxed()
}

/// How long connections are kept, the warm-up, and after how long an idle worker is asked.
fn times() -> BoxedStrategy<(Duration, Vec<String>, Duration, Option<Duration>)> {
    let as_app_service = Duration::from_secs(300);
    let always_on = option::of(prop_oneof![Just(as_app_service), time(1000, HOUR)]);
    let warmup = vec(target(), 0..3);
    (time(0, HOUR), warmup, time(1000, HOUR), always_on).boxed()
}

pub(super) fn worker() -> BoxedStrategy<Worker> {
    let port = prop_oneof![
        Just(Port::Auto),
        (3000u16..).prop_map(Port::Fixed),
        Just(Port::Unix)
    ];
    let value = prop_oneof![words(), Just(String::new())];
    let env = btree_map("[A-Z_.\" é][a-z_]{0,5}", value, 0..4);
    let signal = select(vec![1, 2, 3, 9, 10, 12, 15, 28]);
    let ends = (select(vec![StopTo::Group, StopTo::Leader]), signal);
    let protocol = select(vec![
        (Protocol::Http, false),
        (Protocol::H2c, false),
        (Protocol::Https, true),
        (Protocol::H2, true),
    ]);
    let protocol = (protocol, option::of(behind()))
        .prop_map(|((protocol, secure), tls)| (protocol, tls.filter(|_| secure)));
    let output = select(vec![Output::Auto, Output::Raw, Output::Marked]);
    let user = option::of(words());
    let counts = (option::of(1u32..=100_000), concurrency(), affinity());
    (
        prop_oneof![4 => argv(), 1 => Just(Vec::new())],
        port,
        env,
        folder(),
        user,
        ends,
        (output, protocol),
        times(),
        counts,
    )
        .prop_map(|all| {
            let (command, port, env, dir, user, ends, spoken, times, counts) = all;
            let (stop_to, stop_signal) = ends;
            let (output, (protocol, tls)) = spoken;
            let (keep_alive, warmup, warmup_timeout, always_on) = times;
            let (connections, concurrency, affinity) = counts;
            let mut worker = Worker {
                command: command.iter().map(|word| plain(word)).collect(),
                port,
                env: env.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
                dir,
                user,
                stop_signal,
                stop_to,
                output,
                protocol,
                tls,
                warmup,
                warmup_timeout,
                always_on,
                keep_alive,
                connections,
                concurrency,
                affinity,
            };
            let place = if port == Port::Unix {
                "{socket}"
            } else {
                "{port}"
            };
            worker.env.insert("PLACE".to_owned(), place.to_owned());
            worker
        })
        .boxed()
}

/// Text of which nothing but blanks is left is no value; the readers refuse it.
pub(super) fn is_readable(worker: &Worker) -> bool {
    let blank = |text: &String| !text.is_empty() && text.trim().is_empty();
    let program = worker
        .command
        .first()
        .is_none_or(|word| !word.trim().is_empty());
    program && !worker.command.iter().any(blank) && !worker.env.values().any(blank)
}

pub(super) fn routes() -> BoxedStrategy<Vec<Route>> {
    let limits = prop_oneof![
        Just(RouteLimit::Usual),
        Just(RouteLimit::None),
        time(100, DAY).prop_map(RouteLimit::After),
    ];
    let one = (filter(), limits, any::<bool>(), any::<bool>()).prop_map(
        |(filter, response, slow, websocket)| Route {
            filter,
            response,
            slow,
            websocket,
        },
    );
    let one = one.prop_filter("pathless", |route| !route.filter.path.is_empty());
    vec(one, 0..3).boxed()
}

fn actions(port: Port) -> BoxedStrategy<Vec<Rung>> {
    let orders = match port {
        Port::Fixed(_) => vec![None, Some(Order::InPlace)],
        Port::Auto | Port::Unix => vec![None, Some(Order::InPlace), Some(Order::Overlap)],
    };
    let run = (argv(), folder(), time(1000, HOUR));
    let run = run.prop_map(|(argv, dir, timeout)| Action::Run(Command { argv, dir, timeout }));
    let urls = vec![
        "http://a",
        "http://[::1]:8080/hook?key=\"",
        "http://hooks.example/T0/1",
    ];
    let notify = (select(urls), time(1000, HOUR)).prop_map(|(url, timeout)| {
        let url = url.parse().unwrap();
        Action::Notify(Notice { url, timeout })
    });
    let action = prop_oneof![
        Just(Action::Log),
        Just(Action::Capture),
        Just(Action::Unready),
        select(orders).prop_map(Action::Recycle),
        run,
        notify,
    ];
    let after = prop_oneof![4 => Just(1u32), 1 => 2u32..=1000];
    let one = (after, action).prop_map(|(after, action)| Rung { after, action });
    vec(one, 1..4)
        .prop_filter("recycles twice", |all| {
            all.iter()
                .filter(|rung| matches!(rung.action, Action::Recycle(_)))
                .count()
                < 2
        })
        .boxed()
}

pub(super) fn rules(port: Port) -> BoxedStrategy<Vec<Rule>> {
    let name = prop_oneof![
        8 => words(),
        1 => Just(defaults::PROACTIVE_MEMORY.to_owned()),
    ];
    let modes = select(vec![Mode::Heal, Mode::Observe]);
    let usual = |usual: Duration| prop_oneof![Just(usual), time(0, DAY)];
    let rest = (
        trigger(),
        actions(port),
        usual(defaults::MIN_UPTIME),
        usual(defaults::COOLDOWN),
        modes,
        option::of(hours()),
    );
    let own = btree_map(name, rest, 0..5);
    (own, any::<bool>())
        .prop_map(|(own, proactive)| {
            let mut rules: Vec<_> = own
                .into_iter()
                .map(
                    |(name, (when, actions, min_uptime, cooldown, mode, not_between))| Rule {
                        name,
                        when,
                        actions,
                        min_uptime,
                        cooldown,
                        mode,
                        not_between,
                        proactive: false,
                    },
                )
                .collect();
            let beside = defaults::proactive_rules()
                .into_iter()
                .filter(|_| proactive);
            for rule in beside {
                if !rules.iter().any(|own| own.name == rule.name) {
                    rules.push(rule);
                }
            }
            rules
        })
        .boxed()
}
