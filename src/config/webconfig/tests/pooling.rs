//! How an application pool of applicationHost.config becomes rules and limits.

use super::*;
use crate::{config::StrategyChoice, units::Times};

fn pool(inner: &str) -> Result<Loaded, Vec<Diagnostic>> {
    read(&format!(
        "<configuration><system.applicationHost><applicationPools>{inner}</applicationPools>\
         </system.applicationHost></configuration>"
    ))
}

#[test]
fn a_periodic_restart_becomes_a_rule_for_each_of_its_reasons() {
    let loaded = pool(
        "<add name=\"shop\"><recycling><periodicRestart time=\"1.05:00:00\" requests=\"5000\" \
         privateMemory=\"819200\" memory=\"0\"><schedule><add value=\"04:00:00\" /><clear />\
         <add value=\"03:00:00\" /><add value=\"15:30:00\" /><add value=\"12:00:00\" />\
         <remove value=\"12:00:00\" /></schedule></periodicRestart></recycling></add>",
    )
    .unwrap();
    assert_eq!(loaded.warnings.len(), 1, "only the command is missing");
    let rules = loaded.settings.policy.rules;
    assert!(
        rules
            .iter()
            .all(|rule| rule.actions == [Action::Recycle(None).into()])
    );
    let [age, schedule, requests, memory] = &rules[..] else {
        panic!("{rules:?}");
    };
    assert!(matches!(&age.when, Trigger::Age { limit } if limit.as_secs() == 29 * 3600));
    let Trigger::Schedule { calendar, .. } = &schedule.when else {
        panic!("{schedule:?}");
    };
    assert!(matches!(&calendar.times, Times::At { times, .. } if times.len() == 2));
    assert!(matches!(
        requests.when,
        Trigger::Requests {
            count: 5000,
            window: None,
            ..
        }
    ));
    let Trigger::Memory { limit, .. } = memory.when else {
        panic!("{memory:?}");
    };
    assert_eq!(limit, MemoryLimit::PrivateBytes(ByteSize::mib(800)));
}

#[test]
fn zero_is_off() {
    let loaded = pool(
        "<add name=\"shop\"><recycling disallowOverlappingRotation=\"false\"><periodicRestart \
         time=\"00:00:00\" requests=\"0\" privateMemory=\"0\" /></recycling></add>",
    );
    let settings = loaded.unwrap().settings;
    assert!(settings.policy.rules.is_empty());
    assert_eq!(settings.recycle.strategy, StrategyChoice::Auto);
}

#[test]
fn limits_of_a_pool_become_ours_and_its_own_win_over_the_defaults() {
    let loaded = pool(
        "<applicationPoolDefaults queueLength=\"7\"><processModel startupTimeLimit=\"00:01:00\" \
         shutdownTimeLimit=\"00:00:45\" /></applicationPoolDefaults>\
         <add name=\"shop\" queueLength=\"4000\">\
         <recycling disallowOverlappingRotation=\"true\" />\
         <processModel startupTimeLimit=\"00:05:00\" /></add>",
    );
    let settings = loaded.unwrap().settings;
    assert_eq!(settings.recycle.strategy, StrategyChoice::InPlace);
    assert_eq!(settings.policy.recycle.start_timeout.as_secs(), 300);
    assert_eq!(settings.policy.recycle.drain_timeout.as_secs(), 45);
    assert_eq!(settings.parking.requests, 4000);
}

#[test]
fn of_several_pools_none_is_chosen() {
    let several = "<add name=\"shop\" /><add name=\"blog\" />";
    let found = pool(several).unwrap_err().remove(0);
    assert!(found.what.starts_with("2 application pools: shop, blog;"));
    assert!(pool(&format!("{several}<remove name=\"blog\" />")).is_ok());
    assert!(pool(&format!("{several}<clear /><add name=\"old\" />")).is_ok());
}

#[test]
fn a_file_change_becomes_a_rule_beside_the_others() {
    let loaded = server(
        "<httpPlatform processPath=\"node\"><recycleOnFileChange>\
         <file path=\"a.json\" /><clear /><file path=\".\\b.json\" /><file path=\"%HOME%\\c\" />\
         <file path=\"d\" /><remove path=\"d\" /></recycleOnFileChange></httpPlatform>\
         <monitoring><triggers><memory privateBytesInKB=\"819200\" /></triggers>\
         <actions value=\"Recycle\" minProcessExecutionTime=\"00:10:00\" /></monitoring>",
    );
    let rules = loaded.unwrap().settings.policy.rules;
    let [files, memory] = &rules[..] else {
        panic!("{rules:?}");
    };
    let Trigger::File { paths } = &files.when else {
        panic!("{files:?}");
    };
    assert_eq!(paths[..], ["/site/b.json", "/home/c"].map(PathBuf::from));
    assert_eq!(memory.when.name(), "memory");
}
