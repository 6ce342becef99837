//! A thousand worlds: whatever happens, the slot comes back, and everything ends.

use std::time::Duration;

use autoheal::{
    decide::{
        engine::Engine,
        group::Group,
        observation::{Measure, Word},
        policy::{Action, GiveUp, Policy, RestartWhen, Strategy},
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
    let triggers = [
        status(20, secs(30)),
        slow(secs(1), 5),
        memory(200, Duration::ZERO),
        leak(Some(200), secs(60)),
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
    policy
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
    if world.stopped || world.engine.snapshot(world.now).phase == "down" {
        world.operator(Word::Start);
    }
    let settled = |world: &World| {
        let phase = world.engine.snapshot(world.now).phase;
        world.stopped || (phase == "ready" && world.unanswered.is_empty())
    };
    world.run(secs(600), settled);
    assert!(
        world.exit.is_some() || settled(&world),
        "{:?}",
        world.engine.snapshot(world.now)
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
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}

/// How many worlds: 1,000 unless `AUTOHEAL_SEEDS` says otherwise.
fn seeds() -> u64 {
    match std::env::var("AUTOHEAL_SEEDS") {
        Ok(text) => text.parse().expect("AUTOHEAL_SEEDS is a number"),
        Err(_) => 1_000,
    }
}

#[test]
fn once_faults_stop_every_seed_serves_again_and_ends_in_order() {
    for seed in 0..seeds() {
        let name = Seed(seed);
        live(seed, false);
        drop(name);
    }
}

#[test]
fn the_same_facts_at_the_same_times_give_the_same_steps() {
    for seed in 1..20 {
        let world = live(seed, true);
        let policy = drawn_policy(&mut fastrand::Rng::with_seed(seed));
        let start = MonoTime::from_millis(10_000);
        let mut engine = Engine::new(policy, seed, 1, start);
        let mut done = Vec::new();
        let mut take = |engine: &mut Engine, now| {
            while let Some(step) = engine.poll_step() {
                done.push(format!("{now:?} {step:?}"));
            }
        };
        take(&mut engine, start);
        for (now, seen) in world.told {
            match seen {
                Some(seen) => drop(engine.handle(now, seen)),
                None => engine.handle_timeout(now),
            }
            take(&mut engine, now);
        }
        assert_eq!(done, world.done, "seed {seed}");
    }
}

#[test]
fn a_group_of_one_does_what_its_engine_does() {
    for seed in 1..60 {
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
        assert_eq!(
            group.snapshot(world.now).last_incident,
            world.engine.snapshot(world.now).last_incident
        );
    }
}
