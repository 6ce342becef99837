//! Requests that end their workers: one by one, and as kinds among others in a shop's traffic.

use autoheal::{
    decide::{
        event::Kind,
        observation::{Observation, Presence, Present, Word},
        policy::Policy,
    },
    units::RequestShape,
    words::{Exit, Mode},
};

use crate::{
    rig::{Rig, policy},
    shop::{Deaths, Shop},
    three::three,
};

fn report() -> RequestShape {
    RequestShape::of("POST", "/report/4711")
}

/// Of a thousand requests ten are reports; none is there for long.
fn rare(each: u64) -> Observation {
    Observation::Presence(Presence {
        requests: 1_000,
        moments: 300,
        each: vec![Present {
            shape: report(),
            requests: each,
            moments: 0,
        }],
    })
}

impl Rig {
    /// The worker ends with a report in flight, and another one comes.
    fn crashes(&mut self, generation: u32, exit: Exit) {
        self.pass(61_000);
        self.exits(generation, exit);
        self.gone(generation);
        if self.acts().contains(&format!("list lost {generation}")) {
            self.see(Observation::Lost {
                incident: u64::from(generation),
                in_flight: vec![report()],
            });
        }
        self.ready_now(generation + 1);
        self.see(rare(10));
    }
}

#[test]
fn after_three_crashes_a_rare_request_is_named_and_not_sent_twice_for_an_hour() {
    let mut rig = Rig::ready(policy());
    for generation in 1..=3 {
        assert!(rig.said(Kind::PoisonRequest).is_empty());
        rig.forget();
        rig.crashes(generation, Exit::Signal(11));
        let had = rig.events(Kind::HadInFlight);
        let had: Vec<_> = had.map(|event| (event.incident, &*event.text)).collect();
        let text = "when the worker crashed it had in flight: POST /report/*";
        assert_eq!(had, [(Some(u64::from(generation)), text)]);
    }
    let said = rig.said(Kind::PoisonRequest);
    let begin = "POST /report/* ends its workers: in flight at 3 of 3 crashes, 1% of the traffic; \
                 it is served, but not sent to a second worker, for 1h";
    assert!(said[0].starts_with(begin), "{said:?}");
    assert!(said[0].ends_with("(502121 PoisonRequest)"), "{said:?}");
    let event = rig.events(Kind::PoisonRequest).next().unwrap();
    assert_eq!(event.incident, Some(3));
    assert!(
        rig.acts()
            .contains(&"suspect 1, 1 of them poison".to_owned())
    );
    assert_eq!(rig.engine.snapshot(rig.now).poison[0].crashes, 3);
    rig.forget();
    rig.crashes(4, Exit::Code(1));
    let said = rig.said(Kind::PoisonRequest);
    let again = "POST /report/* ended one more worker: in flight at 4 of 4 crashes";
    assert!(said.len() == 1 && said[0].starts_with(again), "{said:?}");
    assert_eq!(
        rig.events(Kind::PoisonRequest).next().unwrap().incident,
        Some(4)
    );
    rig.pass(3_600_000);
    rig.forget();
    rig.see(rare(0));
    assert_eq!(rig.acts(), ["suspect 0, 0 of them poison"]);
    assert!(rig.engine.snapshot(rig.now).poison.is_empty());
}

#[test]
fn ends_that_are_not_the_workers_own_making_ask_for_nobody() {
    let asks = |rig: &mut Rig| rig.acts().iter().any(|act| act.starts_with("list lost"));
    for exit in [
        Exit::Signal(9),
        Exit::Signal(15),
        Exit::Code(0),
        Exit::Code(137),
    ] {
        let mut rig = Rig::ready(policy());
        rig.exits(1, exit);
        assert!(!asks(&mut rig), "{exit}");
    }
    let mut rig = Rig::ready(policy());
    rig.word(Word::Stop);
    rig.drained(1);
    rig.exits(1, Exit::Code(1));
    assert!(!asks(&mut rig), "told to stop");
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.ready_now(2);
    rig.pass(20_000);
    rig.exits(1, Exit::Signal(11));
    assert!(!asks(&mut rig), "on its way out of a recycle");
    let given = Policy {
        mode: Mode::Relay,
        ..policy()
    };
    let mut rig = Rig::ready(given);
    rig.exits(1, Exit::Code(1));
    assert!(!asks(&mut rig), "a bare proxy");
}

#[test]
fn a_new_configuration_and_an_operators_recycle_acquit_everyone() {
    let reload = Word::Reload {
        policy: Box::new(policy()),
        changes: String::new(),
        recycle: None,
    };
    let recycle = Word::Recycle {
        reason: "mended".to_owned(),
        force: false,
    };
    for word in [reload, recycle] {
        let mut rig = Rig::ready(policy());
        for generation in 1..=3 {
            rig.crashes(generation, Exit::Code(1));
        }
        rig.forget();
        rig.word(word);
        assert_eq!(rig.acts()[0], "suspect 0, 0 of them poison");
        assert!(rig.engine.snapshot(rig.now).poison.is_empty());
    }
}

#[test]
fn it_is_named_once_for_all_instances_whichever_of_them_it_ended() {
    let mut three = three(policy());
    three.pass(5_000);
    for (crash, generation) in [(1, 1), (2, 3), (3, 2)] {
        assert!(three.said(Kind::PoisonRequest).is_empty());
        three.exits(generation, Exit::Signal(11));
        let asked = format!("list lost {generation} of {crash}");
        assert!(three.acts().contains(&asked), "{crash}");
        three.see(Observation::Lost {
            incident: crash,
            in_flight: vec![report()],
        });
        three.see(rare(0));
    }
    assert_eq!(three.said(Kind::PoisonRequest).len(), 1);
    assert_eq!(three.group.snapshot(three.now).poison.len(), 1);
    three.forget();
    three.recycle();
    let acts = three.acts();
    assert!(
        acts.contains(&"suspect 0, 0 of them poison".to_owned()),
        "{acts:?}"
    );
}

/// So many deaths of its making may one kind of requests cause before it is named: at a part of
/// the traffic of 5%, among 40 others.
const DEATHS_MOST: u64 = 8;

#[test]
fn in_every_shop_the_poison_is_named_in_time_and_nobody_else_ever() {
    for seed in 0..40 {
        let mut shop = Shop::drawn(seed, Deaths::ByPoison);
        while shop.poison_deaths < DEATHS_MOST && !shop.is_named() && shop.minutes() < 600 {
            shop.pass_a_minute();
        }
        assert!(shop.is_named(), "seed {seed}: {shop:?}");
        shop.pass_some_minutes();
        assert!(shop.innocents_named.is_empty(), "seed {seed}: {shop:?}");
        assert_eq!(shop.replays_of_named, 0, "seed {seed}: {shop:?}");
    }
}

#[test]
fn in_no_shop_is_anyone_named_for_deaths_of_other_causes() {
    for seed in 0..30 {
        for deaths in [Deaths::FromOutside, Deaths::AtRandom] {
            let mut shop = Shop::drawn(seed, deaths);
            shop.pass_some_minutes();
            assert!(shop.deaths > 10, "seed {seed}: {shop:?}");
            assert!(shop.innocents_named.is_empty(), "seed {seed}: {shop:?}");
            assert_eq!(shop.asked > 0, deaths == Deaths::AtRandom, "seed {seed}");
        }
    }
}
