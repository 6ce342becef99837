//! What a rule does that reaches nobody.

use crate::{
    config::{diagnostic::Report, document::Node, model::Settings},
    decide::policy::{Action, Rule},
};

/// Says which of a rule's actions would be in vain. `actions`: where they were said.
pub(super) fn judge(rule: &Rule, actions: &Node, settings: &Settings, report: &mut Report) {
    let has = |wanted: &Action| rule.actions.iter().any(|rung| rung.action == *wanted);
    if has(&Action::Unready) && settings.parking.probe.is_none() {
        report.warning(
            actions.span,
            "unready tells load balancers nothing, as they have no path to ask autoheal",
            "set parking.probe to the path that they ask, or let them ask /readyz of the admin \
             address",
        );
    }
    if has(&Action::Capture) && settings.state_dir.is_none() {
        report.warning(
            actions.span,
            "what is captured is only counted, as there is no folder to keep it in",
            "set state_dir, or run with --state-dir",
        );
    }
}
