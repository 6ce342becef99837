//! Anything that autoheal may be attached to, and the settings that this leaves possible.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::{option, prelude::*, sample::select};

use super::any::{absolute, argv, plain};
use crate::{
    config::{
        attach::{Attach, Reach, RestartBy},
        defaults,
        model::{Address, Admin, Listen, Port, Settings, StopTo, StrategyChoice},
        probes::Probes,
    },
    decide::{
        policy::{Action, Comes, Count, RestartWhen, Strategy as Order},
        trigger::{Filter, Trigger},
    },
};

pub(super) fn attach() -> BoxedStrategy<Option<Attach>> {
    let ip = select(vec![
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]);
    let place = prop_oneof![
        (ip, 1u16..).prop_map(|(ip, port)| Reach::Tcp(SocketAddr::new(ip, port))),
        absolute().prop_map(Reach::Unix),
    ];
    let command = argv().prop_map(|argv| argv.iter().map(|word| plain(word)).collect::<Vec<_>>());
    let blank = |argv: &Vec<String>| {
        argv[0].trim().is_empty() || argv.iter().any(|w| !w.is_empty() && w.trim().is_empty())
    };
    let restart = prop_oneof![
        command
            .prop_filter("blank", move |argv| !blank(argv))
            .prop_map(RestartBy::Command),
        select(vec![1, 10, 12, 15]).prop_map(RestartBy::Signal),
        Just(RestartBy::Supervisor),
        Just(RestartBy::Probe),
        select(vec![2, 88, 255]).prop_map(RestartBy::Exit),
        Just(RestartBy::Nobody),
    ];
    let whole = (place, option::of(absolute()), restart);
    let whole = whole.prop_map(|(address, pid_file, restart)| Attach {
        address,
        pid_file,
        restart,
    });
    option::weighted(0.2, whole).boxed()
}

/// Settings that stand in front of this rather than start a worker.
pub(super) fn instead_of_a_worker(mut attach: Attach, whole: &mut Settings) {
    let usual = defaults::settings(super::any::HOME.into()).worker;
    let to = &mut whole.worker;
    (to.command, to.env, to.dir) = (usual.command, usual.env, usual.dir);
    (to.port, to.user, to.output) = (Port::Auto, None, usual.output);
    to.stop_to = StopTo::Group;
    whole.policy.instances.count = Count::Fixed(1);
    whole.policy.restart.when = RestartWhen::Always;
    if whole.recycle.strategy == StrategyChoice::Overlap {
        whole.recycle.strategy = StrategyChoice::InPlace;
        whole.policy.recycle.needs_room = false;
    }
    whole.policy.recycle.strategy = Order::InPlace;
    let prints = |when: &Trigger| matches!(when, Trigger::Output { .. });
    let rules = &mut whole.policy.rules;
    for rule in rules.iter_mut() {
        if rule.when.parts().iter().any(prints) {
            rule.when = Trigger::Requests {
                count: 1,
                share: None,
                window: None,
                filter: Filter::default(),
            };
        }
    }
    for rung in rules.iter_mut().flat_map(|rule| &mut rule.actions) {
        if rung.action == Action::Recycle(Some(Order::Overlap)) {
            rung.action = Action::Recycle(Some(Order::InPlace));
        }
    }
    if let Reach::Tcp(at) = attach.address {
        let same =
            |one: &Listen| matches!(one.address, Address::Tcp(own) if own.port() == at.port());
        if whole.listen.iter().any(same) {
            attach.address = Reach::Unix("/run/app.sock".into());
        }
    }
    if attach.restart == RestartBy::Probe && whole.probes == Probes::Off {
        // Someone must be able to ask.
        whole.admin = Admin::Auto;
    }
    whole.policy.attached = Some(match attach.restart {
        RestartBy::Command(_) => Comes::ByCommand,
        RestartBy::Signal(_) | RestartBy::Supervisor => Comes::ByItself,
        RestartBy::Probe => Comes::ByProbe,
        RestartBy::Exit(code) => Comes::ByOurExit(i32::from(code)),
        RestartBy::Nobody => Comes::Unasked,
    });
    whole.attach = Some(attach);
}
