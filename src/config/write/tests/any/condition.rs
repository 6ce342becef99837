//! Any condition that the readers can make.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{DAY, GIB, folder, size, time, words};
use crate::{
    decide::{
        observation::{Measure, Resource, Waiting},
        trigger::{Filter, LevelLimit, MemoryLimit, Trigger},
    },
    units::{Calendar, GrpcStatus, Hours, LinePattern, Share, StatusItem, StatusSet, Times, Zone},
};

pub(in crate::config::write::tests) fn statuses() -> BoxedStrategy<StatusSet> {
    let item = prop_oneof![
        (100u16..=599, 0u16..500)
            .prop_map(|(first, more)| { StatusItem::Range(first, (first + more).min(599)) }),
        (100u16..=599).prop_map(|status| StatusItem::Range(status, status)),
        (100u16..=599, 1u16..=999).prop_map(|(status, sub)| StatusItem::Sub(status, sub)),
        select(vec![
            StatusItem::Connect,
            StatusItem::Reset,
            StatusItem::Timeout,
            StatusItem::Grpc(GrpcStatus::UNAVAILABLE),
            StatusItem::Grpc(GrpcStatus::UNKNOWN)
        ]),
    ];
    vec(item, 1..4).prop_map(StatusSet::new).boxed()
}

fn share() -> BoxedStrategy<Share> {
    (1u16..=10_000)
        .prop_map(|points| {
            format!("{}.{:02}%", points / 100, points % 100)
                .parse()
                .unwrap()
        })
        .boxed()
}

pub(super) fn filter() -> BoxedStrategy<Filter> {
    let pattern = || "[/*][a-zA-Z*./\"-]{0,8}".prop_map(|text| text.parse().unwrap());
    let some = (
        vec(pattern(), 0..3),
        vec(pattern(), 0..3),
        vec("[A-Z0-9_-]{1,6}", 0..3),
    );
    prop_oneof![
        Just(Filter::default()),
        some.prop_map(|(path, except, methods)| Filter {
            path,
            except,
            methods
        })
    ]
    .boxed()
}

const COUNTS: std::ops::RangeInclusive<u32> = 1..=1_000_000_000;

/// Every kind of trigger; `every_condition_is_tried` compares with the table of keys.
pub(in crate::config::write::tests) fn trigger() -> BoxedStrategy<Trigger> {
    prop_oneof![
        12 => one_trigger(),
        1 => vec(one_trigger(), 2..4).prop_map(Trigger::All),
    ]
    .boxed()
}

fn one_trigger() -> BoxedStrategy<Trigger> {
    let window = || time(1000, DAY);
    let rate = || (COUNTS, option::of(share()), window(), filter());
    let memory = prop_oneof![
        size(1 << 20, 16 * 1024 * GIB).prop_map(MemoryLimit::PrivateBytes),
        share().prop_map(MemoryLimit::Share)
    ];
    prop_oneof![
        (COUNTS, option::of(window()), option::of(share()), filter()).prop_map(
            |(count, window, share, filter)| Trigger::Requests {
                count,
                share: share.filter(|_| window.is_some() && !filter.is_any()),
                window,
                filter,
            }
        ),
        (statuses(), rate()).prop_map(|(codes, (count, share, window, filter))| {
            Trigger::Status {
                codes,
                count,
                share,
                window,
                filter,
            }
        }),
        (time(10, DAY), rate()).prop_map(|(time_taken, (count, share, window, filter))| {
            Trigger::Slow {
                time_taken,
                count,
                share,
                window,
                filter,
            }
        }),
        (time(10, DAY), rate()).prop_map(|(after, (count, share, window, filter))| {
            Trigger::Abandoned {
                after,
                count,
                share,
                window,
                filter,
            }
        }),
        (line(), COUNTS, window()).prop_map(|(line, count, window)| Trigger::Output {
            line,
            count,
            window,
        }),
        (memory, time(0, DAY)).prop_map(|(limit, hold)| Trigger::Memory { limit, hold }),
        (
            option::of(size(1 << 20, 16 * 1024 * GIB)),
            time(60_000, 7 * DAY)
        )
            .prop_map(|(limit, horizon)| Trigger::Leak { limit, horizon }),
        level(),
        time(1000, 300 * DAY).prop_map(|limit| Trigger::Age { limit }),
        (times(), zone(), time(0, DAY)).prop_map(|(times, zone, spread)| {
            let calendar = Calendar { times, zone };
            Trigger::Schedule { calendar, spread }
        }),
        vec(folder(), 1..4).prop_map(|paths| Trigger::File { paths }),
    ]
    .boxed()
}

fn line() -> BoxedStrategy<LinePattern> {
    prop_oneof![
        words().prop_map(|text| LinePattern::contains(&text).unwrap()),
        select(vec!["(?i)out of memory", "^FATAL:", "a\\d+\"b$"])
            .prop_map(|text| LinePattern::regex(text).unwrap()),
    ]
    .boxed()
}

pub(super) fn hours() -> BoxedStrategy<Hours> {
    let spans = vec!["08:00-18:00", "mon-fri 22:00-06:00", "sat,sun 00:00-00:00"];
    let spans = vec(select(spans).prop_map(|span| span.parse().unwrap()), 1..3);
    (spans, zone())
        .prop_map(|(spans, zone)| Hours { spans, zone })
        .boxed()
}

fn level() -> BoxedStrategy<Trigger> {
    let cpu = select(vec![Measure::Cpu, Measure::Core]);
    let numbers = select(vec![
        Measure::Descriptors,
        Measure::Threads,
        Measure::Connections,
    ]);
    let resources = select(vec![Resource::Cpu, Resource::Io, Resource::Memory]);
    let waiting = select(vec![Waiting::Some, Waiting::Full]);
    let pressure = (resources, waiting).prop_map(|(of, waiting)| Measure::Pressure(of, waiting));
    let of_share = || share().prop_map(LevelLimit::Share);
    let count = |most: u32| (1..=most).prop_map(LevelLimit::Count);
    let made = prop_oneof![
        (cpu, of_share(), time(1000, DAY)),
        (Just(Measure::Descriptors), of_share(), time(0, DAY)),
        (numbers, count(1_000_000_000), time(0, DAY)),
        (pressure, of_share(), time(0, DAY)),
        (Just(Measure::MemoryHigh), count(1_000_000), time(0, DAY)),
    ];
    made.prop_map(|(measure, limit, hold)| Trigger::Level {
        measure,
        limit,
        hold,
    })
    .boxed()
}

fn zone() -> BoxedStrategy<Zone> {
    let names = ["local", "UTC", "Europe/Berlin", "America/New_York"];
    select(names.to_vec())
        .prop_map(|name| name.parse().unwrap())
        .boxed()
}

fn times() -> BoxedStrategy<Times> {
    let time = (0u32..24, 0u32..60, 0u32..60)
        .prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}").parse().unwrap());
    let days = select(vec!["mon-sun", "mon-fri", "sat", "fri-mon"]);
    let lines = vec!["0 3 * * *", "*/15 * * * mon-fri", "30 2 1,15 jan-mar 0"];
    prop_oneof![
        (vec(time, 1..4), days).prop_map(|(times, days)| Times::At {
            times,
            days: days.parse().unwrap()
        }),
        select(lines).prop_map(|line| Times::Cron(line.parse().unwrap())),
    ]
    .boxed()
}
