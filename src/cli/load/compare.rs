//! Two reports side by side, and whether the second is worse.

use std::fmt::{self, Write as _};

use super::report::Report;

/// Slower by less than this is noise, whatever the ratio.
const NOISE_MS: f64 = 2.0;
/// Slower by more than this share is clearly slower.
const SLOWER: f64 = 1.25;

/// A report before a change and one after it.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// Before.
    pub a: &'a Report,
    /// After.
    pub b: &'a Report,
}

impl Comparison<'_> {
    /// Why B is worse than A; nothing when it is not.
    #[must_use]
    pub fn worse(&self) -> Vec<String> {
        let Self { a, b } = self;
        let mut worse = Vec::new();
        if b.failed > 0 {
            worse.push(format!("B has {} failures of {}", b.failed, b.requests));
        }
        if b.answered_per_s < a.answered_per_s * 0.95 {
            worse.push(format!(
                "B answered {:.0} a second, A {:.0}",
                b.answered_per_s, a.answered_per_s
            ));
        }
        for (name, a, b) in self.percentiles() {
            if name != "max" && b > a * SLOWER && b > a + NOISE_MS {
                worse.push(format!("{name} is {b:.2} ms, A has {a:.2}"));
            }
        }
        worse
    }

    fn percentiles(&self) -> [(&'static str, f64, f64); 5] {
        let (a, b) = (&self.a.latency, &self.b.latency);
        [
            ("p50", a.p50_ms, b.p50_ms),
            ("p90", a.p90_ms, b.p90_ms),
            ("p99", a.p99_ms, b.p99_ms),
            ("p99.9", a.p999_ms, b.p999_ms),
            ("max", a.max_ms, b.max_ms),
        ]
    }
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b } = self;
        let mut line = |name: &str, a: &str, b: &str| writeln!(f, "{name:<24}{a:>14}{b:>14}");
        line("", "A", "B")?;
        line("requests", &a.requests.to_string(), &b.requests.to_string())?;
        line("failed", &a.failed.to_string(), &b.failed.to_string())?;
        line(
            "answered per second",
            &format!("{:.1}", a.answered_per_s),
            &format!("{:.1}", b.answered_per_s),
        )?;
        for (name, a, b) in self.percentiles() {
            line(
                &format!("{name} ms"),
                &format!("{a:.2}"),
                &format!("{b:.2}"),
            )?;
        }
        let mut kinds: Vec<&String> = a.failures.keys().chain(b.failures.keys()).collect();
        kinds.sort();
        kinds.dedup();
        for kind in kinds {
            let count = |report: &Report| report.failures.get(kind).copied().unwrap_or_default();
            line(kind, &count(a).to_string(), &count(b).to_string())?;
        }
        let mut verdict = String::new();
        for why in self.worse() {
            writeln!(verdict, "worse: {why}")?;
        }
        f.write_str(if verdict.is_empty() {
            "B is not worse\n"
        } else {
            &verdict
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(p99_ms: f64, failed: u64, answered_per_s: f64) -> Report {
        let mut report = Report {
            failed,
            answered_per_s,
            requests: 10,
            ..Report::default()
        };
        report.latency.p99_ms = p99_ms;
        report
    }

    fn worse(a: &Report, b: &Report) -> usize {
        Comparison { a, b }.worse().len()
    }

    #[test]
    fn failures_a_lower_rate_and_clear_slowness_are_each_worse() {
        let base = report(20.0, 0, 1_000.0);
        assert_eq!(worse(&base, &base), 0);
        assert_eq!(worse(&base, &report(20.0, 1, 1_000.0)), 1);
        assert_eq!(worse(&base, &report(20.0, 0, 900.0)), 1);
        assert_eq!(worse(&base, &report(26.0, 0, 1_000.0)), 1);
        assert_eq!(worse(&base, &report(26.0, 2, 900.0)), 3);
    }

    #[test]
    fn less_than_the_noise_is_not_slower() {
        assert_eq!(worse(&report(0.5, 0, 1.0), &report(2.0, 0, 1.0)), 0);
        assert_eq!(worse(&report(100.0, 0, 1.0), &report(110.0, 0, 1.0)), 0);
    }

    #[test]
    fn failures_of_both_sides_stand_beside_each_other() {
        let mut a = report(1.0, 0, 1.0);
        a.failures.insert("reset".to_owned(), 3);
        let mut b = a.clone();
        b.failures.insert("timeout".to_owned(), 4);
        let text = Comparison { a: &a, b: &b }.to_string();
        assert!(
            text.contains(&format!("{:<24}{:>14}{:>14}", "timeout", 0, 4)),
            "{text}"
        );
        assert!(
            text.contains(&format!("{:<24}{:>14}{:>14}", "reset", 3, 3)),
            "{text}"
        );
    }
}
