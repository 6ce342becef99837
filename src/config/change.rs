//! What a new configuration changes while the old one is in force.

use super::model::{Listen, Settings};

impl Settings {
    /// Why the worker must be replaced for `new` to hold, as a fragment for people; `None`: it
    /// need not.
    #[must_use]
    pub fn why_recycle(&self, new: &Self) -> Option<String> {
        let (old, new) = (&self.worker, &new.worker);
        let parts = [
            ("command", old.command != new.command),
            ("port", old.port != new.port),
            ("env", old.env != new.env),
            ("dir", old.dir != new.dir),
            ("user", old.user != new.user),
        ];
        let changed = names(&parts);
        (!changed.is_empty()).then(|| format!("the worker's {changed} changed"))
    }

    /// Which keys that changed hold only after a restart of autoheal; empty: none.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> String {
        names(&[
            ("listen", !alike(&self.listen, &new.listen)),
            ("admin", self.admin != new.admin),
            ("state_dir", self.state_dir != new.state_dir),
            ("threads", self.threads != new.threads),
            ("journal", self.journal != new.journal),
            ("log", self.log != new.log),
        ])
    }
}

fn alike(old: &[Listen], new: &[Listen]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_like(new))
}

fn names(parts: &[(&str, bool)]) -> String {
    let changed: Vec<_> = parts
        .iter()
        .filter(|(_, changed)| *changed)
        .map(|(name, _)| *name)
        .collect();
    changed.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{defaults, model::Port};

    #[test]
    fn only_what_a_worker_is_started_with_replaces_it() {
        let old = defaults::settings(PathBuf::from("/app"));
        let mut new = old.clone();
        new.policy.budget.recycles = 9;
        new.worker.stop_signal = 3;
        assert_eq!(old.why_recycle(&new), None);
        assert_eq!(old.needs_restart(&new), "");
        new.worker.port = Port::Unix;
        new.worker.env.insert("A".to_owned(), "1".to_owned());
        new.listen.clear();
        let why = old.why_recycle(&new);
        assert_eq!(why.as_deref(), Some("the worker's port, env changed"));
        assert_eq!(old.needs_restart(&new), "listen");
    }
}
