//! Shapes of memory, and what is forecast of each.

use super::*;

const MIB: f64 = 1_048_576.0;
const HOUR: Duration = Duration::from_secs(3600);

/// One worker sampled every second; `mib` is its memory at a second.
fn watched(seconds: u64, mib: impl Fn(f64) -> f64) -> (Forecast, MonoTime) {
    let mut forecast = Forecast::new(HOUR);
    let mut now = MonoTime::ZERO;
    for second in 0..seconds {
        now = MonoTime::from_millis(second * 1_000);
        forecast.sample(now, (mib(second as f64) * MIB) as u64);
    }
    (forecast, now)
}

/// The first second at which it expects `limit` within the time it has seen growth for.
fn fires_at(seconds: u64, limit: f64, mib: impl Fn(f64) -> f64) -> Option<u64> {
    let mut forecast = Forecast::new(HOUR);
    (0..seconds).find(|second| {
        let now = MonoTime::from_millis(second * 1_000);
        forecast.sample(now, (mib(*second as f64) * MIB) as u64);
        let growth = forecast.growth();
        growth.is_some_and(|growth| {
            let reach = growth.reaches(now, (limit * MIB) as u64);
            reach.is_some_and(|reach| reach.likely <= growth.seen)
        })
    })
}

/// A little noise that no seed changes.
fn noise(second: f64) -> f64 {
    (second * 12.9898).sin() * 43_758.547 % 1.0
}

#[test]
fn a_steady_leak_is_measured_and_its_end_foretold() {
    let (forecast, now) = watched(1_200, |s| 100.0 + s * 0.5 + noise(s));
    let growth = forecast.growth().unwrap();
    assert!((growth.slope / MIB - 0.5).abs() < 0.02, "{growth:?}");
    assert!(
        growth.low < 0.5 * MIB && growth.high > 0.5 * MIB,
        "{growth:?}"
    );
    assert!(growth.high - growth.low < 0.1 * MIB, "{growth:?}");
    let reach = growth.reaches(now, (1_000.0 * MIB) as u64).unwrap();
    let truth = 600.0;
    assert!(
        (reach.likely.as_secs_f64() - truth).abs() < 30.0,
        "{reach:?}"
    );
    assert!(reach.earliest <= reach.likely && reach.likely <= reach.latest);
}

#[test]
fn a_leak_under_waves_of_traffic_is_measured_all_the_same() {
    // Nothing leaks in the last 15 seconds of each two minutes.
    let leaked = |s: f64| (s / 120.0).floor() * 105.0 + (s % 120.0).min(105.0);
    let (forecast, _) = watched(1_200, |s| 100.0 + leaked(s));
    let growth = forecast.growth().unwrap();
    let truth = 105.0 / 120.0;
    assert!((growth.slope / MIB - truth).abs() < 0.05, "{growth:?}");
    let at = fires_at(2_000, 1_000.0, |s| 100.0 + leaked(s)).unwrap();
    assert!((500..900).contains(&at), "{at}");
}

#[test]
fn a_saw_tooth_is_flat_ground_once_it_has_had_a_tooth() {
    for period in [7.0, 61.0, 240.0, 900.0, 1_700.0] {
        let tooth = |s: f64| 200.0 + (s % period) / period * 250.0 + noise(s);
        assert_eq!(fires_at(15_000, 1_000.0, tooth), None, "{period}");
        let (forecast, _) = watched(15_000, tooth);
        assert_eq!(forecast.growth(), None, "{period}");
    }
}

#[test]
fn teeth_that_differ_are_flat_ground_too() {
    let height = |n: f64| 150.0 + 100.0 * noise(n).abs();
    let tooth = |s: f64| 200.0 + (s % 300.0) / 300.0 * height((s / 300.0).floor());
    assert_eq!(fires_at(15_000, 700.0, tooth), None);
}

#[test]
fn a_saw_tooth_whose_floor_rises_is_a_leak() {
    let tooth = |s: f64| 200.0 + s * 0.2 + (s % 60.0) * 2.0;
    let at = fires_at(5_000, 1_000.0, tooth).unwrap();
    let (forecast, _) = watched(at, tooth);
    let growth = forecast.growth().unwrap();
    assert!((growth.slope / MIB - 0.2).abs() < 0.05, "{growth:?}");
    let reached = (1_000.0 - 320.0) / 0.2;
    assert!((at as f64) < reached, "{at}");
}

#[test]
fn a_warm_up_that_ends_below_the_limit_never_fires() {
    for (end, time) in [
        (400.0, 60.0),
        (700.0, 600.0),
        (850.0, 1_200.0),
        (800.0, 30.0),
    ] {
        let warm = |s: f64| end * (1.0 - (-s / time).exp()) + noise(s);
        assert_eq!(fires_at(12_000, 1_000.0, warm), None, "{end} {time}");
    }
    // And one that stops all at once.
    assert_eq!(
        fires_at(12_000, 1_000.0, |s| 100.0 + s.min(600.0) * 0.7),
        None
    );
}

#[test]
fn steps_are_no_growth() {
    let step = |s: f64| if s < 900.0 { 300.0 } else { 850.0 } + noise(s);
    assert_eq!(fires_at(5_000, 1_000.0, step), None);
    let two = |s: f64| 300.0 + (s / 1_700.0).floor().min(2.0) * 300.0 + noise(s);
    assert_eq!(fires_at(9_000, 1_000.0, two), None);
}

#[test]
fn a_leak_that_has_become_faster_is_taken_as_it_is_of_late() {
    let (forecast, _) = watched(3_400, |s| 100.0 + s * 0.05 + (s - 3_000.0).max(0.0) * 0.45);
    let growth = forecast.growth().unwrap();
    assert!(growth.slope / MIB > 0.4, "{growth:?}");
}

#[test]
fn a_leak_that_begins_late_is_seen_in_time() {
    let late = |s: f64| 300.0 + (s - 20_000.0).max(0.0) * 0.4 + noise(s);
    let at = fires_at(30_000, 1_000.0, late).unwrap();
    assert!((20_500..21_700).contains(&at), "{at}");
}

#[test]
fn flat_memory_with_noise_has_no_growth() {
    let (forecast, _) = watched(7_200, |s| 500.0 + 20.0 * noise(s));
    assert_eq!(forecast.growth(), None);
}

#[test]
fn growth_is_not_looked_for_in_less_than_three_minutes() {
    assert_eq!(watched(180, |s| 100.0 + s).0.growth(), None);
    assert!(watched(200, |s| 100.0 + s).0.growth().is_some());
}
