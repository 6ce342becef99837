//! Verdicts of several instances: what one says of the others.

use autoheal::{
    decide::{
        event::Kind,
        observation::{MemorySample, Observation, Word},
        policy::Rule,
        trigger::{MemoryLimit, Trigger},
    },
    units::{ByteSize, Share},
    words::Generation,
};

use crate::{
    rig::{rule, secs, status, with},
    three::{Three, three},
};

/// As it is by default: a minute of uptime, five of rest.
fn failing() -> Rule {
    Rule {
        min_uptime: secs(60),
        cooldown: secs(300),
        ..rule("failing", status(20, secs(30)))
    }
}

/// Whether a worker of this instance fails.
type Fails = fn(u32) -> bool;

/// Traffic on every worker for so many seconds, ten requests in each. Who is replaced goes, and
/// who is started is ready a second later.
fn serve(three: &mut Three, seconds: u64, fails: Fails) {
    for _ in 0..seconds {
        three.pass(1_000);
        let snapshot = three.group.snapshot(three.now);
        for one in snapshot.generations {
            let generation = one.generation.0;
            match (one.state, one.on_roster) {
                ("starting", _) => three.ready(generation),
                ("ready", true) => {
                    let matching = 10 * u64::from(fails(one.instance));
                    three.tally(generation, matching, 10, 0);
                }
                ("draining", _) => three.goes(generation),
                _ => {}
            }
        }
    }
}

fn recycles(three: &Three) -> usize {
    three.said(Kind::RecycleBegun).len()
}

#[test]
fn a_dependency_that_is_down_for_all_costs_each_instance_one_recycle_at_most() {
    let mut three = three(with([failing()]));
    serve(&mut three, 3 * 3600, |_| true);
    assert_eq!(recycles(&three), 3, "{:#?}", three.said);
    let said = three.said(Kind::NoHelp);
    assert_eq!(said.len(), 1, "{said:?}");
    let expected = "recycling does not help against rule \"failing\": the last ones of instances 1 \
                    and 2 did not; disarmed for all for 3h (autoheal arm ends that); the same \
                    500-599 came from";
    assert!(said[0].starts_with(expected), "{said:?}");
    let shown = three.group.snapshot(three.now).rules.remove(0);
    assert_eq!(shown.state, "disarmed");
    three.word(Word::Arm { rules: Vec::new() });
    assert_eq!(three.group.snapshot(three.now).rules[0].state, "armed");
}

#[test]
fn what_holds_a_rule_for_all_is_said_once_and_not_by_each() {
    let share = Trigger::Memory {
        limit: MemoryLimit::Share(Share::percent(90)),
        hold: secs(0),
    };
    let mut three = three(with([
        rule("failing", status(20, secs(30))),
        rule("big", share),
    ]));
    for generation in [1, 2, 3] {
        three.see(Observation::Memory(MemorySample {
            generation: Generation(generation),
            bytes: ByteSize::mib(100),
            exact: false,
            limit: None,
            room: None,
        }));
    }
    let held = three.said(Kind::RuleHeld);
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(held[0].contains("so the rule is off"), "{held:?}");
    three.forget();
    serve(&mut three, 600, |_| true);
    let held = three.said(Kind::RuleHeld);
    let rests = held.iter().filter(|said| said.contains("did not help"));
    assert_eq!(rests.count(), 1, "{held:?}");
}

#[test]
fn one_sick_instance_is_left_alone_and_the_others_are_healed_as_ever() {
    let mut three = three(with([failing()]));
    serve(&mut three, 3600, |instance| instance == 1);
    assert_eq!(recycles(&three), 2, "{:#?}", three.said);
    let said = three.said(Kind::NoHelp);
    assert_eq!(said.len(), 1, "{said:?}");
    let expected = "recycling instance 1 does not help against rule \"failing\": its last two \
                    recycles did not; disarmed there for 3h (autoheal arm ends that); it stays \
                    armed for the others; ";
    assert!(said[0].starts_with(expected), "{said:?}");
    let shown = three.group.snapshot(three.now).rules.remove(0);
    assert_eq!(shown.state, "armed");
    let held = shown.held.unwrap();
    assert!(
        held.starts_with("the last two recycles of instance 1 did not help"),
        "{held}"
    );
    three.forget();
    serve(&mut three, 3, |instance| instance == 2);
    assert_eq!(recycles(&three), 1, "another one that is sick is replaced");
    serve(&mut three, 120, |_| false);
    let verdicts = three.said(Kind::Verdict);
    assert!(verdicts[0].contains("the recycle helped"), "{verdicts:?}");
}

#[test]
fn one_that_was_helped_shows_that_it_can_and_arms_the_rule_for_the_others() {
    let mut three = three(with([failing()]));
    while recycles(&three) < 3 {
        serve(&mut three, 1, |_| true);
    }
    // Whatever is wrong, the last one to be replaced was cured of it.
    serve(&mut three, 60, |instance| instance < 3);
    assert_eq!(three.said(Kind::NoHelp).len(), 1);
    let verdicts = three.said(Kind::Verdict);
    let last = verdicts.last().unwrap();
    assert!(last.ends_with("; so the rule is armed again"), "{last}");
    assert_eq!(three.group.snapshot(three.now).rules[0].state, "cooling");
    serve(&mut three, 3600, |instance| instance < 3);
    assert!(recycles(&three) <= 5, "each of the others once more");
}

#[test]
fn an_instance_that_comes_later_is_not_judged_by_what_another_did() {
    let mut three = three(with([failing()]));
    serve(&mut three, 3600, |instance| instance == 1);
    assert_eq!(three.said(Kind::NoHelp).len(), 1);
    let mut policy = with([failing()]);
    policy.instances.count = autoheal::decide::policy::Count::Fixed(4);
    three.word(Word::Reload {
        policy: Box::new(policy),
        recycle: None,
        changes: String::new(),
    });
    serve(&mut three, 90, |_| false);
    three.forget();
    serve(&mut three, 10, |instance| instance == 4);
    assert_eq!(recycles(&three), 1, "{:?}", three.said);
}
