//! Leaks: when a worker is recycled before its memory reaches a limit, and that nothing else is
//! taken for one.

use std::time::Duration;

use autoheal::{
    decide::{
        event::{Event, Kind},
        observation::{MemorySample, Observation, RuleCount, Tally},
        policy::{Policy, Rule},
        trigger::Trigger,
    },
    units::ByteSize,
    words::Generation,
};

use crate::rig::{Rig, rule, secs, with};

const MIB: f64 = 1_048_576.0;
const LIMIT: f64 = 1_000.0;

pub(crate) fn leak(limit: Option<u64>, horizon: Duration) -> Trigger {
    Trigger::Leak {
        limit: limit.map(ByteSize::mib),
        horizon,
    }
}

/// A world of one worker under traffic: memory and a tally every second.
struct Shop<'a> {
    /// Requests a second at a second.
    rate: &'a dyn Fn(f64) -> f64,
    /// MiB at a second, after so many requests to /report, which are a tenth of all.
    memory: &'a dyn Fn(f64, f64) -> f64,
    /// What the worker takes to get ready.
    start: Duration,
    seed: u64,
}

/// How it went.
#[derive(Debug)]
struct Story {
    /// The second at which the rule fired, and the memory then.
    fired: Option<(f64, f64)>,
    text: String,
    forecasts: Vec<Event>,
    reading: String,
}

fn policy(horizon: Duration) -> Policy {
    with([Rule {
        min_uptime: secs(60),
        ..rule("leak", leak(Some(1_000), horizon))
    }])
}

impl Shop<'_> {
    /// Until the rule fires, or for so long.
    fn run(&self, policy: Policy, seconds: u64) -> Story {
        let mut rig = Rig::ready_after(policy, self.start);
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut requests = 0.0;
        let mut confirm = false;
        let mut story = Story {
            fired: None,
            text: String::new(),
            forecasts: Vec::new(),
            reading: String::new(),
        };
        for second in 0..seconds {
            let second = second as f64;
            // As random as arrivals are: the sum of many small chances.
            let mean = (self.rate)(second);
            let spread = mean.sqrt() * (rng.f64() + rng.f64() + rng.f64() - 1.5) * 2.0;
            let came = (mean + spread).max(0.0).round();
            let part = |rng: &mut fastrand::Rng| (came * 0.2 * rng.f64()).round();
            let reports = part(&mut rng);
            let searches = part(&mut rng) * 2.0;
            requests += reports;
            tally(&mut rig, came as u64);
            let carts = (came - reports - searches).max(0.0);
            let all = [
                ("/cart", carts),
                ("/search", searches),
                ("/report", reports),
            ];
            rig.see(Observation::Routes {
                generation: Generation(1),
                requests: all.map(|(name, came)| (name.into(), came as u64)).into(),
            });
            let mib = (self.memory)(second, requests);
            sample(&mut rig, mib, confirm);
            confirm = rig.acts().contains(&"confirm memory 1".to_owned());
            if let Some(event) = rig.events(Kind::RuleFired).next() {
                story.fired = Some((second, mib));
                story.text.clone_from(&event.text);
                break;
            }
            rig.pass(1_000);
        }
        story.forecasts = rig.events(Kind::Forecast).cloned().collect();
        let snapshot = rig.engine.snapshot(rig.now);
        story.reading.clone_from(&snapshot.rules[0].reading);
        story
    }
}

fn tally(rig: &mut Rig, answered: u64) {
    rig.see(Observation::Tally(Tally {
        generation: Generation(1),
        rules: vec![RuleCount::default()],
        answered,
        ..Tally::default()
    }));
}

fn sample(rig: &mut Rig, mib: f64, exact: bool) {
    rig.see(Observation::Memory(MemorySample {
        generation: Generation(1),
        bytes: ByteSize((mib * MIB) as u64),
        exact,
        limit: None,
        room: None,
    }));
}

/// 200 requests a second, and 20 in the last 15 seconds of each two minutes.
fn troughs(second: f64) -> f64 {
    if in_trough(second) { 20.0 } else { 200.0 }
}

fn in_trough(second: f64) -> bool {
    second % 120.0 >= 105.0
}

#[test]
fn a_leaking_worker_is_recycled_in_a_trough_before_its_limit_and_the_route_is_named() {
    let (mut runs, mut good, mut named) = (0, 0, 0);
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        // From 7 minutes to 2 hours to the limit, at any phase of the traffic.
        let lasts = 420.0 * 17f64.powf(rng.f64());
        let start = 60.0 + 200.0 * rng.f64();
        let phase = 120.0 * rng.f64();
        let kept = (LIMIT - start) / (lasts * 17.75);
        let shop = Shop {
            rate: &|s| troughs(s + phase),
            memory: &|_, requests| start + requests * kept,
            start: secs(1),
            seed,
        };
        let story = shop.run(policy(secs(3_600)), 20_000);
        let (second, mib) = story.fired.expect("fires");
        assert!(mib < LIMIT, "seed {seed}: {story:?}");
        assert_eq!(story.forecasts.len(), 1, "seed {seed}: {story:?}");
        runs += 1;
        good += u64::from(in_trough(second + phase));
        let name = ", as each request to /report keeps ";
        named += u64::from(story.text.contains(name));
    }
    assert!(good * 100 >= runs * 97, "{good} of {runs} in a trough");
    assert_eq!(named, runs, "the route is named");
}

#[test]
fn what_is_expected_is_said_before_and_when_it_fires() {
    let shop = Shop {
        rate: &troughs,
        memory: &|_, requests| 100.0 + requests * 900.0 / (1_800.0 * 17.75),
        start: secs(1),
        seed: 7,
    };
    let story = shop.run(policy(secs(3_600)), 20_000);
    let said = &story.forecasts[0].text;
    assert!(said.starts_with("rule \"leak\": private memory "), "{said}");
    assert!(said.contains(" MiB a minute ("), "{said}");
    assert!(
        said.contains(", as each request to /report keeps 2"),
        "{said}"
    );
    assert!(said.contains("; reaches 1000 MiB in 1"), "{said}");
    let waits = "; waits for the last quiet moment before, expected in about 1";
    assert!(said.contains(waits), "{said}");
    let fired = &story.text;
    assert!(fired.contains("; it is quiet now, at "), "{fired}");
    assert!(
        fired.contains(" as usual; recycling worker 1 (overlap"),
        "{fired}"
    );
}

/// Memory that is no leak, under traffic with troughs: the rule never fires.
fn never(name: &str, memory: &dyn Fn(f64) -> f64) {
    for horizon in [600, 6 * 3_600] {
        let shop = Shop {
            rate: &troughs,
            memory: &|second, _| memory(second),
            start: secs(1),
            seed: horizon,
        };
        let story = shop.run(policy(secs(horizon)), 7_200);
        assert_eq!(story.fired, None, "{name}, {horizon} s: {story:?}");
    }
}

#[test]
fn a_saw_tooth_a_warm_up_and_a_step_never_fire() {
    for period in [3.0, 20.0, 110.0, 480.0] {
        let tooth = move |s: f64| 200.0 + s % period / period * 350.0;
        never(&format!("teeth of {period} s"), &tooth);
    }
    never("warm-up", &|s| 850.0 * (1.0 - (-s / 300.0).exp()));
    never("slow warm-up", &|s| 800.0 * (1.0 - (-s / 1_800.0).exp()));
    never("ramp that ends", &|s| 100.0 + s.min(500.0));
    never("step", &|s| if s < 1_000.0 { 300.0 } else { 900.0 });
    never("stairs", &|s| 300.0 + (s / 2_500.0).floor() * 250.0);
    never("flat", &|s| 950.0 + (s * 7.3).sin() * 20.0);
}

#[test]
fn without_a_quiet_moment_left_it_fires_before_the_limit_is_reached() {
    // Traffic that only rises has its quietest moment behind it; and a worker that takes a minute
    // to start can't be replaced in the last moment.
    let shop = Shop {
        rate: &|s| 20.0 + s,
        memory: &|s, _| 100.0 + s,
        start: secs(60),
        seed: 3,
    };
    let story = shop.run(policy(secs(3_600)), 5_000);
    let (_, mib) = story.fired.expect("fires");
    assert!((850.0..900.0).contains(&mib), "{story:?}");
    let text = &story.text;
    assert!(text.contains("no time is left to wait"), "{text}");
}

#[test]
fn steady_traffic_is_not_waited_for_in_vain() {
    let shop = Shop {
        rate: &|_| 400.0,
        memory: &|s, _| 100.0 + s / 2.0,
        start: secs(1),
        seed: 3,
    };
    let story = shop.run(policy(secs(3_600)), 5_000);
    let (_, mib) = story.fired.expect("fires");
    assert!((750.0..LIMIT).contains(&mib), "{story:?}");
}

#[test]
fn pages_that_processes_share_are_no_memory_of_theirs() {
    // The cheap bound says four times as much as is there.
    let mut rig = Rig::ready(policy(secs(3_600)));
    for second in 0..1_200 {
        tally(&mut rig, 10);
        let real = 50.0 + f64::from(second) * 0.3;
        sample(&mut rig, real + 600.0, false);
        if rig.acts().contains(&"confirm memory 1".to_owned()) {
            sample(&mut rig, real, true);
        }
        rig.pass(1_000);
    }
    assert_eq!(rig.said(Kind::RuleFired), Vec::<String>::new());
    let reading = &rig.engine.snapshot(rig.now).rules[0].reading;
    let real = "private memory 409 MiB grows 17.9 MiB a minute";
    assert!(reading.starts_with(real), "{reading}");
}

#[test]
fn a_new_worker_starts_with_nothing_seen_of_the_last() {
    let mut rig = Rig::ready(policy(secs(3_600)));
    for second in 0..400u32 {
        sample(&mut rig, 100.0 + f64::from(second), false);
        rig.pass(1_000);
    }
    let reading = |rig: &Rig| rig.engine.snapshot(rig.now).rules[0].reading.clone();
    assert!(
        reading(&rig).contains("grows 1 MiB a second"),
        "{}",
        reading(&rig)
    );
    rig.dies(1);
    rig.ready_now(2);
    assert!(
        reading(&rig).contains("without steady growth in 0ms"),
        "{}",
        reading(&rig)
    );
}

#[test]
fn a_stall_is_no_quiet_time_and_does_not_unsay_growth() {
    let mut rig = Rig::ready(policy(secs(3_600)));
    let run = |rig: &mut Rig, seconds: std::ops::Range<u32>| {
        for second in seconds {
            tally(rig, if second % 60 >= 45 { 5 } else { 500 });
            sample(rig, 100.0 + f64::from(second), false);
            if rig.acts().contains(&"confirm memory 1".to_owned()) {
                sample(rig, 100.0 + f64::from(second), true);
            }
            rig.pass(1_000);
        }
    };
    run(&mut rig, 0..580);
    rig.pass(30_000);
    rig.see(Observation::Stalled(secs(30)));
    run(&mut rig, 610..640);
    assert_eq!(rig.said(Kind::RuleFired), Vec::<String>::new());
    let reading = rig.engine.snapshot(rig.now).rules[0].reading.clone();
    assert!(reading.contains("reaches 1000 MiB in 4min"), "{reading}");
}

#[test]
fn without_a_limit_of_its_own_it_takes_that_of_the_control_group() {
    let mut rig = Rig::ready(with([rule("leak", leak(None, secs(3_600)))]));
    let mut see = |limit: Option<u64>| {
        rig.see(Observation::Memory(MemorySample {
            generation: Generation(1),
            bytes: ByteSize::mib(100),
            exact: false,
            limit: limit.map(ByteSize::mib),
            room: None,
        }));
        let rule = rig.engine.snapshot(rig.now).rules[0].clone();
        (rule.state, rule.limit)
    };
    assert_eq!(see(None), ("off", 0));
    assert_eq!(see(Some(1_000)), ("armed", ByteSize::mib(900).0));
}
