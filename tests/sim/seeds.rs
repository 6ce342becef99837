//! A thousand worlds: whatever happens, the slot comes back, and everything ends.

use std::{sync::Mutex, thread, time::Duration};

use autoheal::{
    decide::{
        engine::Engine,
        group::Group,
        observation::{Measure, Word},
        policy::{Action, Count, Follow, GiveUp, Instances, Policy, RestartWhen, Strategy},
    },
    time::MonoTime,
    words::Mode,
};

use crate::{
    due::{age, file, schedule},
    leak::leak,
    levels::level,
    quiet::{abandoned, output},
    rig::{health, memory, policy, rule, secs, slow, status},
    worker::{Knobs, Worker},
    world::World,
};

fn drawn_policy(rng: &mut fastrand::Rng) -> Policy {
    let mut policy = policy();
    policy.recycle.start_timeout = secs(rng.u64(3..20));
    policy.recycle.drain_timeout = secs(rng.u64(0..10));
    policy.recycle.stop_timeout = secs(rng.u64(0..5));
    policy.recycle.slow_start = secs(rng.u64(0..10));
    policy.health = rng.bool().then_some(health(3)).flatten();
    policy.shutdown.delay = secs(rng.u64(0..3));
    if rng.bool() {
        policy.recycle.strategy = Strategy::InPlace;
    }
    if rng.u8(0..8) == 0 {
        policy.restart.when = RestartWhen::OnFailure;
    }
    if rng.u8(0..8) == 0 {
        policy.restart.give_up = GiveUp::Exit;
    }
    if rng.u8(0..8) == 0 {
        policy.mode = Mode::Observe;
    }
    if rng.bool() {
        policy.dependencies = vec![crate::dependencies::db()];
    }
    // Looking ahead costs the most of all, so that only some worlds do.
    let foresight = match rng.u8(0..4) {
        0 => leak(Some(200), secs(60)),
        _ => memory(300, secs(5)),
    };
    let triggers = [
        status(20, secs(30)),
        slow(secs(1), 5),
        memory(200, Duration::ZERO),
        foresight,
        level(Measure::Cpu, "50%", secs(3)),
        age(secs(30)),
        schedule(secs(rng.u64(0..5))),
        file(),
        abandoned(5),
        output(20),
    ];
    for (at, trigger) in triggers.into_iter().enumerate() {
        let mut rule = rule(&format!("rule {at}"), trigger);
        rule.min_uptime = secs(rng.u64(0..5));
        rule.cooldown = secs(rng.u64(0..20));
        if rng.u8(0..4) == 0 {
            rule.actions[0].after = rng.u32(1..4);
            rule.actions.push(Action::Unready.into());
            rule.actions.push(Action::Capture.into());
        }
        policy.rules.push(rule);
    }
    policy.instances = drawn_instances(rng);
    policy
}

/// One worker in half of the worlds, else up to four, or as many as the load needs.
fn drawn_instances(rng: &mut fastrand::Rng) -> Instances {
    let count = match rng.u8(0..4) {
        0 | 1 => return Instances::ONE,
        2 => Count::Fixed(rng.u32(2..=4)),
        _ => {
            let min = rng.u32(1..=2);
            Count::Follow(Follow {
                min,
                max: rng.u32(min..=4),
                in_flight: rng.u32(5..20),
                grow_after: secs(rng.u64(1..5)),
                shrink_after: secs(rng.u64(3..20)),
            })
        }
    };
    Instances {
        count,
        max_unavailable: if rng.u8(0..4) == 0 { 2 } else { 1 },
    }
}

/// Faults for a minute, then none; then the end. `record`: keep every step.
fn live(seed: u64, record: bool) -> World {
    let mut rng = fastrand::Rng::with_seed(seed);
    let policy = drawn_policy(&mut rng);
    let timeout = policy.shutdown.timeout;
    let mut world = World::new(seed, policy, Knobs::drawn(&mut rng), record);
    // A few get time enough to be given up.
    let faulty = if seed.is_multiple_of(40) {
        secs(1_200)
    } else {
        secs(60)
    };
    world.run(faulty, |_| false);
    world.knobs = Knobs {
        ready_after_ms_max: 1_000,
        ..Knobs::default()
    };
    world.workers.values_mut().for_each(Worker::heal);
    if world.paged && world.exit.is_none() {
        world.page(false);
        world.operator(Word::Start);
    }
    world.load = 0;
    if world.stopped || world.left_down() {
        world.operator(Word::Start);
    }
    let settled = |world: &mut World| {
        world.stopped || (world.unanswered.is_empty() && world.all_serve() && world.is_ready())
    };
    world.run(secs(600), settled);
    assert!(
        world.exit.is_some() || settled(&mut world),
        "{:?}",
        world.group.snapshot(world.now)
    );
    let gave_up = world.exit.is_some_and(|code| code != 0);
    assert!(!gave_up || world.policy.restart.give_up == GiveUp::Exit);
    if world.exit.is_none() {
        world.operator(Word::Shutdown);
        world.run(timeout + secs(2), |_| false);
        assert_eq!(world.exit, Some(0));
    }
    let left = world.workers.iter().filter(|(_, worker)| worker.lives());
    assert_eq!(left.count(), 0, "nothing of a worker outlives us");
    world.followed.check_end();
    if world.exit == Some(0) {
        let due = &world.unjudged;
        assert!(due.is_empty(), "no verdict of incidents {due:?}");
    }
    assert!(
        world.unanswered.is_empty(),
        "nobody told how {:?} ended",
        world.unanswered
    );
    world
}

/// Says which seed it was, if it fails.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stdout, reason = "only when the test fails")]
    fn drop(&mut self) {
        if thread::panicking() {
            println!("run it again alone with AUTOHEAL_SEED={}", self.0);
        }
    }
}

/// A number that the environment may give.
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number")),
    )
}

/// Which worlds: 1,000, or as many as `AUTOHEAL_SEEDS` says, or the one of `AUTOHEAL_SEED`.
fn seeds() -> std::ops::Range<u64> {
    match variable("AUTOHEAL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("AUTOHEAL_SEEDS").unwrap_or(1_000),
    }
}

#[test]
fn once_faults_stop_every_seed_serves_again_and_ends_in_order() {
    let left = Mutex::new(seeds());
    let live_on = || {
        while let Some(seed) = next(&left) {
            let name = Seed(seed);
            live(seed, false);
            drop(name);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(live_on);
        }
    });
}

fn next(left: &Mutex<std::ops::Range<u64>>) -> Option<u64> {
    left.lock().unwrap().next()
}

#[test]
fn the_same_facts_at_the_same_times_give_the_same_steps() {
    for seed in 1..40 {
        let world = live(seed, true);
        let policy = drawn_policy(&mut fastrand::Rng::with_seed(seed));
        let start = MonoTime::from_millis(10_000);
        let mut group = Group::new(policy, seed, 1, start);
        let mut done = Vec::new();
        let mut take = |group: &mut Group, now| {
            while let Some(step) = group.poll_step() {
                done.push(format!("{now:?} {step:?}"));
            }
        };
        take(&mut group, start);
        let told = world.told.len();
        for (at, (now, seen)) in world.told.into_iter().enumerate() {
            match seen {
                Some(seen) => drop(group.handle(now, seen)),
                None => group.handle_timeout(now),
            }
            take(&mut group, now);
            let ends = at + 1 == told;
            assert!(ends || group.next_deadline().is_none_or(|due| due >= now));
        }
        assert_eq!(done, world.done, "seed {seed}");
    }
}

#[test]
fn a_group_of_one_does_what_its_engine_does() {
    for seed in 1..60 {
        let policy = drawn_policy(&mut fastrand::Rng::with_seed(seed));
        if policy.instances != Instances::ONE {
            continue;
        }
        let mut world = live(seed, true);
        let start = MonoTime::from_millis(10_000);
        let mut engine = Engine::new(policy, seed, 1, start);
        let mut done = Vec::new();
        let mut take = |engine: &mut Engine, now| {
            while let Some(step) = engine.poll_step() {
                done.push(format!("{now:?} {step:?}"));
            }
        };
        take(&mut engine, start);
        for (now, seen) in std::mem::take(&mut world.told) {
            match seen {
                Some(seen) => drop(engine.handle(now, seen)),
                None => engine.handle_timeout(now),
            }
            take(&mut engine, now);
        }
        assert_eq!(done, world.done, "seed {seed}");
        assert_eq!(
            world.group.snapshot(world.now).last_incident,
            engine.snapshot(world.now).last_incident
        );
    }
}
