//! What is counted of requests, by rule, generation and configuration.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> Rules {
    let filter = |path: &str| Filter {
        path: vec![path.parse().unwrap()],
        ..Filter::default()
    };
    let triggers = [
        Trigger::Status {
            codes: "500-599".parse().unwrap(),
            count: 1,
            share: None,
            window: SECOND,
            filter: filter("/bad*"),
        },
        Trigger::Slow {
            time_taken: SECOND,
            count: 1,
            share: None,
            window: SECOND,
            filter: Filter::default(),
        },
        Trigger::Memory {
            limit: crate::decide::trigger::MemoryLimit::PrivateBytes(crate::units::ByteSize(1)),
            hold: SECOND,
        },
    ];
    Rules::new(7, triggers.iter())
}

#[test]
fn a_rule_counts_only_its_own_paths() {
    let rules = rules();
    assert_eq!(rules.matching("GET", "/bad/1"), 0b011);
    assert_eq!(rules.matching("GET", "/good"), 0b010);
}

#[test]
fn a_slow_request_is_counted_once() {
    let (rules, registry) = (rules(), Registry::default());
    let counters = registry.register(Generation(1), &rules);
    counters.became_slow(1);
    counters.finished(&rules, 0b010, 0b010, Outcome::Status(200), SECOND * 3);
    assert_eq!(registry.totals(Generation(1), 7).rules[1], (1, 1));
    counters.finished(&rules, 0b010, 0, Outcome::Status(200), SECOND);
    assert_eq!(registry.totals(Generation(1), 7).rules[1], (2, 2));
    counters.finished(&rules, 0b011, 0, Outcome::Refused, SECOND / 2);
    let totals = registry.totals(Generation(1), 7);
    assert_eq!((totals.rules[0], totals.rules[1]), ((1, 1), (2, 3)));
    assert_eq!(totals.answered, 2);
}

#[test]
fn a_client_that_left_counts_if_it_had_waited_long_enough() {
    let abandoned = Trigger::Abandoned {
        after: SECOND,
        count: 1,
        share: None,
        window: SECOND,
        filter: Filter::default(),
    };
    let rules = Rules::new(1, [abandoned].iter());
    let registry = Registry::default();
    let counters = registry.register(Generation(1), &rules);
    counters.abandoned(&rules, 1, SECOND);
    counters.abandoned(&rules, 1, SECOND / 2);
    counters.finished(&rules, 1, 0, Outcome::Status(200), SECOND * 9);
    assert_eq!(registry.totals(Generation(1), 1).rules, [(1, 2)]);
}

#[test]
fn a_call_counts_once_and_by_its_own_status() {
    let codes = |codes: &str| Trigger::Status {
        codes: codes.parse().unwrap(),
        count: 1,
        share: None,
        window: SECOND,
        filter: Filter::default(),
    };
    let triggers = [codes("grpc:unavailable,500"), codes("200,grpc:14")];
    let rules = Rules::new(1, triggers.iter());
    let registry = Registry::default();
    let counters = registry.register(Generation(1), &rules);
    for status in [GrpcStatus::UNAVAILABLE, GrpcStatus::UNKNOWN] {
        counters.finished(&rules, 0b11, 0, Outcome::Status(200), SECOND);
        counters.call_ended(&rules, 0b11, status);
    }
    let totals = registry.totals(Generation(1), 1);
    assert_eq!(totals.rules, [(1, 2), (2, 2)]);
}

#[test]
fn requests_that_are_a_share_are_one_of_all_and_others_of_their_own() {
    let requests = |share| Trigger::Requests {
        count: 1,
        share,
        window: Some(SECOND),
        filter: Filter {
            path: vec!["/bad*".parse().unwrap()],
            ..Filter::default()
        },
    };
    let share = crate::units::Share::percent(30);
    let rules = Rules::new(1, [requests(Some(share)), requests(None)].iter());
    let registry = Registry::default();
    // Two data threads.
    let each = [(); 2].map(|()| registry.register(Generation(1), &rules));
    let paths = ["/bad/1", "/good", "/bad/2", "/other", "/more"];
    for (path, counters) in paths.iter().zip(each.iter().cycle()) {
        let mask = rules.matching("GET", path);
        counters.finished(&rules, mask, 0, Outcome::Refused, SECOND);
    }
    let totals = registry.totals(Generation(1), 1);
    assert_eq!(totals.rules, [(2, 5), (2, 2)]);
}

#[test]
fn generations_and_configurations_are_not_mixed() {
    let (rules, registry) = (rules(), Registry::default());
    registry.register(Generation(1), &rules).became_slow(1);
    registry.register(Generation(2), &rules).became_slow(1);
    assert_eq!(registry.totals(Generation(2), 7).rules[1], (1, 1));
    assert_eq!(registry.totals(Generation(2), 8), Totals::default());
    registry.retain(&[Generation(2)], 7);
    assert_eq!(registry.totals(Generation(1), 7), Totals::default());
}
