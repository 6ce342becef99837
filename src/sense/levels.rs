//! Measures what a worker's tree uses beside memory: CPU, descriptors, threads, connections, and
//! the pressure on its control group.
//!
//! What can't be read has no level, never zero.

use std::{collections::HashMap, time::Duration};

use crate::{
    decide::observation::{Level, Measure, Resource, Waiting},
    os::{
        cgroup::{Cgroup, Waits},
        cpus,
        procfs::{Identity, Proc},
        sockets,
        tree::Member,
    },
    time::MonoTime,
};

/// What was read the last time, of what only its growth tells something.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    at: MonoTime,
    cpu_ticks: HashMap<Identity, u64>,
    high_events: Option<u64>,
}

/// Growth over less than this says little.
const LEAST: Duration = Duration::from_millis(900);

impl Meter {
    /// The levels now of everything wanted. `None`: it is too early to tell.
    pub(super) fn measure(
        &mut self,
        now: MonoTime,
        wanted: &[Measure],
        proc: &Proc,
        members: &[Member],
    ) -> Option<Vec<(Measure, Option<Level>)>> {
        let early = self
            .last
            .as_ref()
            .is_some_and(|last| now.since(last.at) < LEAST);
        let first = members.first()?;
        if early || wanted.is_empty() {
            return None;
        }
        let group = Cgroup::of(proc, first.who.pid);
        let new = Last {
            at: now,
            cpu_ticks: members.iter().map(|m| (m.who, m.cpu_ticks)).collect(),
            high_events: group.high_events(),
        };
        let before = self.last.replace(new)?;
        let time = now.since(before.at);
        let pids: Vec<u32> = members.iter().map(|member| member.who.pid).collect();
        let level = |measure: &Measure| match measure {
            Measure::Cpu | Measure::Core => {
                let whole = match measure {
                    Measure::Cpu => cpus::usable_millis(proc, first.who.pid),
                    _ => 1_000,
                };
                Some(of(cpu_millis(members, &before.cpu_ticks, time), whole))
            }
            Measure::Descriptors => descriptors(proc, &pids),
            Measure::Threads => Some(plain(members.iter().map(|member| member.threads).sum())),
            Measure::Connections => sockets::connections(proc, &pids).map(plain),
            Measure::Pressure(resource, waiting) => pressure(&group, *resource, *waiting),
            Measure::MemoryHigh => {
                let grown = group.high_events()?.saturating_sub(before.high_events?);
                Some(plain(per_second(grown, time)))
            }
        };
        Some(wanted.iter().map(|one| (*one, level(one))).collect())
    }
}

fn plain(count: u64) -> Level {
    Level { count, share: None }
}

fn of(count: u64, whole: u64) -> Level {
    Level {
        count,
        share: Some(count.saturating_mul(10_000) / whole.max(1)),
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(count) * 1_000 / millis).unwrap_or(u64::MAX)
}

/// Thousandths of a CPU that the tree used. Of a process that is new, all it ever used counts; what
/// one used after the last look and before its end is not known.
fn cpu_millis(members: &[Member], before: &HashMap<Identity, u64>, time: Duration) -> u64 {
    let ticks = members.iter().map(|member| {
        let before = before.get(&member.who).copied().unwrap_or(0);
        member.cpu_ticks.saturating_sub(before)
    });
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    per_second(ticks.sum::<u64>().saturating_mul(1_000), time) / a_second
}

fn descriptors(proc: &Proc, pids: &[u32]) -> Option<Level> {
    let mut level = None;
    for pid in pids {
        let Some(count) = proc.descriptors(*pid) else {
            continue;
        };
        let share = proc
            .descriptor_limit(*pid)
            .map(|limit| of(count, limit).share);
        let sum: &mut Level = level.get_or_insert_default();
        sum.count += count;
        sum.share = sum.share.max(share.flatten());
    }
    level
}

fn pressure(group: &Cgroup, resource: Resource, waiting: Waiting) -> Option<Level> {
    let waits = match waiting {
        Waiting::Some => Waits::Some,
        Waiting::Full => Waits::Full,
    };
    let share = group.pressure(resource.name(), waits)?;
    Some(Level {
        count: 0,
        share: Some(share),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::os::tree::{Root, members};

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    /// A machine with the processes 7 and 8, 8 a child of 7, in a group of version 2.
    struct Machine(TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            for (pid, parent) in [(7, 1), (8, 7)] {
                machine.ticks(pid, parent, 0);
                let mount = format!(
                    "30 23 0:26 / {} rw - cgroup2 c rw\n",
                    machine.0.path().display()
                );
                machine.write(&format!("{pid}/mountinfo"), &mount);
                machine.write(&format!("{pid}/cgroup"), "0::/app\n");
                machine.write(&format!("{pid}/status"), "Cpus_allowed:\t3\n");
                let limits = "Limit\nMax open files            4                 8      files\n";
                machine.write(&format!("{pid}/limits"), limits);
                machine.write(&format!("{pid}/fd/0"), "");
            }
            machine.write("7/fd/1", "");
            machine.write("7/fd/2", "");
            machine.write("app/cpu.max", "50000 100000\n");
            machine.write("app/memory.events", "low 0\nhigh 5\nmax 0\n");
            let psi = "some avg10=12.34 avg60=1.00 avg300=0.00 total=9\n\
                       full avg10=3.00 avg60=0.00 avg300=0.00 total=1\n";
            machine.write("app/memory.pressure", psi);
            machine
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn ticks(&self, pid: u32, parent: u32, ticks: u64) {
            let stat =
                format!("{pid} (p) R {parent} 1 1 0 -1 0 1 2 3 4 {ticks} 0 7 8 20 0 3 0 {pid}00 9");
            self.write(&format!("{pid}/stat"), &stat);
        }

        fn measure(&self, meter: &mut Meter, ms: u64, wanted: &[Measure]) -> Vec<Option<Level>> {
            let proc = Proc::at(self.0.path());
            let members = members(&proc, Root::From(7)).unwrap();
            let levels = meter.measure(at(ms), wanted, &proc, &members);
            levels
                .unwrap_or_default()
                .into_iter()
                .map(|(_, level)| level)
                .collect()
        }
    }

    fn level(count: u64, share: impl Into<Option<u64>>) -> Option<Level> {
        let share = share.into();
        Some(Level { count, share })
    }

    #[test]
    fn cpu_is_what_the_tree_used_since_the_last_look_of_its_quota_or_of_a_core() {
        let (machine, mut meter) = (Machine::new(), Meter::default());
        let wanted = [Measure::Cpu, Measure::Core];
        assert_eq!(machine.measure(&mut meter, 0, &wanted), []);
        machine.ticks(7, 1, 50);
        machine.ticks(8, 7, 30);
        assert_eq!(machine.measure(&mut meter, 500, &wanted), [], "too early");
        // 0.8 s in 2 s.
        let expected = [level(400, 8_000), level(400, 4_000)];
        assert_eq!(machine.measure(&mut meter, 2_000, &wanted), expected);
        let expected = [level(0, 0), level(0, 0)];
        assert_eq!(machine.measure(&mut meter, 4_000, &wanted), expected);
    }

    #[test]
    fn without_a_quota_the_cpus_of_the_affinity_are_the_whole() {
        let (machine, mut meter) = (Machine::new(), Meter::default());
        machine.write("app/cpu.max", "max 100000\n");
        machine.measure(&mut meter, 0, &[Measure::Cpu]);
        machine.ticks(7, 1, 100);
        let expected = [level(1_000, 5_000)];
        assert_eq!(
            machine.measure(&mut meter, 1_000, &[Measure::Cpu]),
            expected
        );
    }

    #[test]
    fn descriptors_are_summed_and_the_worst_process_has_the_share() {
        let (machine, mut meter) = (Machine::new(), Meter::default());
        let wanted = [Measure::Descriptors, Measure::Threads];
        machine.measure(&mut meter, 0, &wanted);
        let expected = [level(4, 7_500), level(6, None)];
        assert_eq!(machine.measure(&mut meter, 1_000, &wanted), expected);
    }

    #[test]
    fn pressure_is_that_of_the_own_group_and_what_it_does_not_say_has_no_level() {
        let (machine, mut meter) = (Machine::new(), Meter::default());
        let wanted = [
            Measure::Pressure(Resource::Memory, Waiting::Some),
            Measure::Pressure(Resource::Memory, Waiting::Full),
            Measure::Pressure(Resource::Io, Waiting::Some),
            Measure::MemoryHigh,
        ];
        machine.measure(&mut meter, 0, &wanted);
        machine.write("app/memory.events", "low 0\nhigh 25\nmax 0\n");
        let expected = [level(0, 1_234), level(0, 300), None, level(10, None)];
        assert_eq!(machine.measure(&mut meter, 2_000, &wanted), expected);
    }

    #[test]
    fn our_own_process_can_be_measured() {
        let proc = Proc::default();
        let own = || members(&proc, Root::From(std::process::id())).unwrap();
        let mut meter = Meter::default();
        let wanted = [Measure::Core, Measure::Descriptors, Measure::Connections];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(meter.measure(at(0), &wanted, &proc, &own()), None);
        let levels = meter.measure(at(1_000), &wanted, &proc, &own()).unwrap();
        drop(client);
        let count = |at: usize| levels[at].1.unwrap().count;
        assert!(count(1) >= 5 && count(2) >= 1, "{levels:?}");
    }
}
