//! Each fault that a sidecar meets, and the tests that hold what is promised of it. A name here
//! that no test has is found.

use super::Source;

/// The fault, and its tests by name.
pub(crate) const FAULTS: [(&str, &[&str]); 26] = [
    (
        "a worker is killed with requests in flight",
        &[
            "no_get_fails_when_the_worker_is_killed_twice",
            "of_posts_only_those_in_flight_at_a_kill_fail_and_none_is_sent_twice",
            "one_of_three_is_killed_under_load_and_no_client_notices",
        ],
    ),
    (
        "a worker ends again and again",
        &[
            "a_worker_that_exits_at_start_is_tried_again_ever_later_and_its_code_is_said",
            "a_worker_that_never_gets_ready_is_given_up_and_tried_every_five_minutes",
            "once_faults_stop_every_seed_serves_again_and_ends_in_order",
        ],
    ),
    (
        "a worker never listens, or late, or elsewhere",
        &[
            "a_worker_that_never_listens_is_killed_and_tried_again_ever_later",
            "a_worker_that_listens_elsewhere_is_told_from_one_that_does_not_listen",
            "a_slow_start_delays_no_one_in_an_overlap",
        ],
    ),
    (
        "a worker listens and hangs",
        &[
            "a_worker_that_accepts_but_never_answers_is_not_ready",
            "a_worker_that_was_stopped_by_a_signal_is_replaced_and_no_get_fails",
            "one_of_three_hangs_and_the_others_serve_what_it_had",
        ],
    ),
    (
        "a worker answers its probe, and requests hang",
        &["a_recycle_begins_as_soon_as_the_third_request_is_slow"],
    ),
    (
        "a worker forks, into the background, into other sessions, without end",
        &[
            "a_worker_that_forks_into_the_background_is_told_to_stay_and_none_of_it_is_left",
            "a_kill_reaches_children_sessions_and_daemons",
            "a_chain_of_daemons_that_flees_is_caught",
            "a_worker_that_forks_without_end_is_replaced_and_none_of_it_is_left",
        ],
    ),
    (
        "orphans and zombies",
        &[
            "orphans_of_a_worker_are_collected_within_a_second",
            "orphans_are_reaped_while_the_worker_lives",
        ],
    ),
    (
        "a worker ignores SIGTERM, or nothing moves it",
        &[
            "a_worker_that_ignores_sigterm_is_killed_at_stop_timeout",
            "a_worker_that_does_not_die_is_killed_again_and_keeps_no_fresh_port_from_being_used",
        ],
    ),
    (
        "a storm of stops",
        &[
            "a_storm_of_signals_is_one_stop",
            "sigterm_during_the_start_ends_at_once_and_cleanly",
            "a_second_sigterm_ends_the_drain",
        ],
    ),
    (
        "the kernel kills a worker for want of memory",
        &[
            "an_oom_kill_and_a_daemon_are_called_by_their_names",
            "a_worker_that_the_limit_of_its_own_group_ends_is_told_from_one_that_is_killed",
            "where_memory_is_short_for_both_the_kernel_takes_the_worker_and_not_autoheal",
        ],
    ),
    (
        "a process goes while its memory is read, or its number is another's",
        &[
            "a_tree_that_is_gone_has_no_memory_rather_than_none_of_it",
            "another_process_with_the_number_of_the_keeper_is_not_sampled",
            "a_process_that_is_gone_is_told_from_one_that_may_not_be_read",
        ],
    ),
    (
        "memory that comes and goes, and memory that leaks",
        &[
            "memory_that_comes_and_goes_fires_nothing_and_what_stays_does",
            "a_leak_is_foretold_and_its_route_named_and_the_worker_replaced_before_the_limit",
            "without_room_for_two_the_worker_is_recycled_in_place",
        ],
    ),
    (
        "the wall clock jumps",
        &[
            "a_clock_that_jumps_an_hour_and_back_brings_an_hourly_time_once_and_fires_nothing_else",
            "a_clock_that_was_years_ahead_does_not_stop_it_for_years",
        ],
    ),
    (
        "the disk of the journal is full",
        &[
            "a_full_disk_keeps_nothing_from_being_healed",
            "the_last_half_line_of_a_killed_autoheal_does_not_spoil_the_next",
        ],
    ),
    (
        "no descriptor is left",
        &[
            "it_survives_having_no_descriptor_left",
            "without_a_descriptor_left_some_are_told_and_service_goes_on",
        ],
    ),
    (
        "a system call fails, once or again and again",
        &[
            "a_system_call_that_fails_is_said_and_waited_for_and_all_is_as_before_when_it_succeeds",
            "a_worker_that_was_gone_before_it_began_is_waited_for_no_more",
        ],
    ),
    (
        "the worker's port is taken",
        &[
            "the_owner_of_a_taken_port_is_named_and_the_worker_starts_once_it_is_free",
            "who_holds_the_port_is_said",
        ],
    ),
    (
        "the configuration is half written, wrong, swapped, gone",
        &[
            "a_file_that_is_dribbled_under_load_is_put_in_force_whole_and_once",
            "what_can_t_be_used_is_told_once_and_the_old_configuration_stays",
            "a_link_that_is_swapped_is_a_change",
            "a_storm_of_hangups_does_no_harm",
        ],
    ),
    (
        "a worker prints more than anybody reads",
        &["a_worker_that_prints_a_gigabyte_serves_meanwhile_and_its_last_lines_are_kept"],
    ),
    (
        "autoheal is killed",
        &[
            "a_killed_autoheal_leaves_no_process_of_its_workers",
            "a_killed_autoheal_leaves_no_process_of_a_worker_that_starts_or_forked_away",
            "autoheal_killed_amid_an_overlap_leaves_nothing_of_both_workers",
        ],
    ),
    (
        "several triggers, operators and reloads at once",
        &[
            "two_rules_at_once_are_one_recycle_for_both_reasons",
            "operators_that_ask_at_once_get_one_recycle",
        ],
    ),
    (
        "a trigger while a worker starts or is young",
        &["a_young_worker_is_not_recycled_and_that_is_said"],
    ),
    (
        "a probe that fails now and then",
        &[
            "failures_are_made_good_by_as_many_good_answers_as_are_asked_for",
            "patience_with_unhealthy_replacements_grows_and_is_forgotten_after_a_minute_of_service",
        ],
    ),
    (
        "recycling does not help: a dependency is down",
        &[
            "while_a_dependency_is_down_no_fewer_requests_are_served_than_by_a_bare_proxy",
            "a_dependency_that_is_down_costs_two_recycles_and_not_one_answer",
            "a_spent_budget_keeps_the_worker_and_is_said_as_an_error",
        ],
    ),
    (
        "clients and workers that are slow or break off during a drain",
        &[
            "what_outlasts_the_drain_is_cut_and_sent_again_where_that_is_safe",
            "the_parked_are_let_in_slowly_on_a_fresh_worker",
            "an_answer_that_breaks_off_is_never_made_to_look_whole",
            "the_end_of_the_drain_is_the_end_of_a_tunnel",
        ],
    ),
    (
        "the machine stands still",
        &[
            "autoheal_that_stood_still_under_load_fires_nothing_and_loses_nothing",
            "autoheal_stopped_and_continued_voids_what_it_saw_and_no_rule_fires",
            "an_answer_that_came_while_autoheal_stood_still_is_given",
            "a_look_that_takes_long_for_want_of_a_cpu_does_not_put_off_the_next",
        ],
    ),
];

/// Names that no test of these sources has.
pub(crate) fn unheld(faults: &[(&str, &[&str])], sources: &[Source]) -> Vec<String> {
    let has = |name: &str| {
        let line = format!("fn {name}(");
        sources.iter().any(|source| source.text.contains(&line))
    };
    let mut problems = Vec::new();
    for (fault, tests) in faults {
        if tests.is_empty() {
            problems.push(format!("{fault}: no test holds what is promised"));
        }
        let missing = tests.iter().filter(|name| !has(name));
        problems.extend(missing.map(|name| format!("{fault}: there is no test {name}")));
    }
    problems
}
