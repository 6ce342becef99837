//! Files that change in every way, and certificates that come to their end.

use std::fs;

use super::*;
use crate::tls::testing::{NOW, World};

const DAY: u64 = 24 * 3_600_000;

fn after(days: u64) -> WallTime {
    WallTime(NOW.0 + days * DAY)
}

fn texts(news: &[News]) -> Vec<&str> {
    news.iter().map(|one| one.text.as_str()).collect()
}

fn begun(world: &World, years: (i32, i32)) -> Renewal {
    let (certificate, key) = world.issue("a.test", years);
    let mut renewal = Renewal::default();
    let files = world.write(&certificate, &key);
    renewal.begin(vec![files], None, NOW).unwrap();
    renewal
}

#[test]
fn a_changed_pair_is_put_in_force_when_two_looks_find_it_the_same() {
    let world = World::new();
    let mut renewal = begun(&world, (2026, 2027));
    assert_eq!(texts(&renewal.look(NOW)), [""; 0]);
    let (certificate, key) = world.issue("b.test", (2026, 2028));
    world.write(&certificate, &key);
    assert_eq!(texts(&renewal.look(NOW)), [""; 0]);
    assert_eq!(renewal.served()[0].names, ["a.test"]);
    let news = renewal.look(NOW);
    assert_eq!((news.len(), news[0].urgency), (1, Urgency::Info));
    assert!(
        news[0]
            .text
            .ends_with("was renewed: it is valid until 2028-01-01T00:00:00.000Z")
    );
    assert_eq!(renewal.served()[0].names, ["b.test"]);
    assert_eq!(texts(&renewal.look(NOW)), [""; 0]);
}

#[test]
fn a_pair_that_does_not_match_is_told_once_and_the_old_one_stays() {
    let world = World::new();
    let mut renewal = begun(&world, (2026, 2027));
    let (certificate, key) = world.issue("b.test", (2026, 2028));
    fs::write(world.at("site.pem"), &certificate).unwrap();
    assert_eq!(texts(&renewal.look(NOW)), [""; 0]);
    let news = renewal.look(NOW);
    assert_eq!((news.len(), news[0].urgency), (1, Urgency::Warn));
    assert!(
        news[0]
            .text
            .contains("certificates stay as they were: the key"),
        "{news:?}"
    );
    assert_eq!(renewal.served()[0].names, ["a.test"]);
    for _ in 0..5 {
        assert_eq!(texts(&renewal.look(NOW)), [""; 0]);
    }
    fs::write(world.at("site.key"), &key).unwrap();
    renewal.look(NOW);
    assert_eq!(renewal.look(NOW).len(), 1);
    assert_eq!(renewal.served()[0].names, ["b.test"]);
}

#[test]
fn files_that_are_gone_are_told_once_and_may_come_back() {
    let world = World::new();
    let mut renewal = begun(&world, (2026, 2027));
    let text = fs::read_to_string(world.at("site.key")).unwrap();
    fs::remove_file(world.at("site.key")).unwrap();
    renewal.look(NOW);
    assert!(renewal.look(NOW)[0].text.contains("there is no file"));
    fs::write(world.at("site.key"), text).unwrap();
    renewal.look(NOW);
    assert_eq!(
        texts(&renewal.look(NOW)),
        [""; 0],
        "the same certificate is no news"
    );
}

#[test]
fn the_end_of_a_certificate_is_told_at_30_7_and_1_days_and_when_it_has_come() {
    let world = World::new();
    // 2027-01-01 is 214 days after now.
    let mut renewal = begun(&world, (2026, 2027));
    let mut told = Vec::new();
    for hour in 0..216 * 24 {
        for news in renewal.look(WallTime(NOW.0 + hour * DAY / 24)) {
            told.push((hour / 24, news.urgency, news.text));
        }
    }
    let days: Vec<_> = told
        .iter()
        .map(|(day, urgency, _)| (*day, *urgency))
        .collect();
    assert_eq!(
        days,
        [
            (184, Urgency::Warn),
            (207, Urgency::Warn),
            (213, Urgency::Warn),
            (214, Urgency::Error)
        ]
    );
    assert!(
        told[0].2.contains("expires in 30 days, at 2027-01-01"),
        "{told:?}"
    );
    assert!(told[2].2.contains("expires in 1 day, at"), "{told:?}");
    assert!(told[3].2.contains("expired at 2027-01-01"), "{told:?}");
}

#[test]
fn a_late_start_tells_only_how_near_the_end_is_now() {
    let world = World::new();
    let mut renewal = begun(&world, (2026, 2027));
    let news = renewal.look(after(210));
    assert_eq!(news.len(), 1);
    assert!(news[0].text.contains("expires in 4 days"), "{news:?}");
    // A reload of the same files does not tell it again; a new certificate's end is its own.
    let (front, files) = front_of(&renewal);
    renewal.replace(&front, files.clone(), None, NOW).unwrap();
    assert_eq!(texts(&renewal.look(after(210))), [""; 0]);
    let (certificate, key) = world.issue("a.test", (2025, 2027));
    world.write(&certificate, &key);
    renewal.replace(&front, files, None, NOW).unwrap();
    assert_eq!(renewal.look(after(213)).len(), 1);
}

#[test]
fn a_reload_that_can_not_be_served_changes_nothing() {
    let world = World::new();
    let mut renewal = begun(&world, (2026, 2027));
    let (front, _) = front_of(&renewal);
    let nowhere = Files {
        certificate: "/nowhere".into(),
        key: "/nowhere".into(),
    };
    assert!(renewal.replace(&front, vec![nowhere], None, NOW).is_err());
    assert_eq!(renewal.served()[0].names, ["a.test"]);
    assert_eq!(front_of(&renewal).1[0].certificate, world.at("site.pem"));
}

fn front_of(renewal: &Renewal) -> (Arc<Front>, Vec<Files>) {
    match &renewal.entries[0].what {
        What::Front { front, pairs, .. } => (front.clone(), pairs.clone()),
        What::Back(_) => panic!("it is another"),
    }
}

#[test]
fn what_the_worker_is_shown_is_looked_after_too() {
    let world = World::new();
    let (certificate, key) = world.issue("client.test", (2026, 2027));
    let own = world.write(&certificate, &key);
    let asked = Behind {
        own: Some(own),
        verify: false,
        ..Behind::default()
    };
    let mut renewal = Renewal::default();
    let back = renewal.begin_back(asked.clone(), false, NOW).unwrap();
    assert_eq!(renewal.served()[0].names, ["client.test"]);
    let (certificate, key) = world.issue("renewed.test", (2026, 2030));
    world.write(&certificate, &key);
    renewal.look(NOW);
    let news = renewal.look(NOW);
    assert!(news[0].text.contains("was renewed"), "{news:?}");
    assert_eq!(renewal.served()[0].names, ["renewed.test"]);
    let over = renewal.look(WallTime(NOW.0 + 5 * 366 * 24 * 3_600_000));
    assert!(over[0].text.contains("the worker refuses it"), "{over:?}");
    // Another one takes its place.
    let other = Behind {
        name: "shop.local".to_owned(),
        ..asked
    };
    let new = renewal.begin_back(other, true, NOW).unwrap();
    assert!(!Arc::ptr_eq(&back, &new) && new.is_http2());
    assert_eq!(renewal.served().len(), 1);
    renewal.end_back();
    assert_eq!(renewal.served(), []);
}
