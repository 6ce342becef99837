//! A maintenance page: while its file is there no worker runs, whoever wants one.

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    life::Want,
};

impl Engine {
    /// The maintenance page came, or went.
    pub(super) fn maintenance(&mut self, on: bool) {
        if self.offline == on {
            return;
        }
        self.offline = on;
        if on {
            self.go_offline();
        } else {
            self.come_back();
        }
    }

    fn go_offline(&mut self) {
        let stops = !self.lives.is_empty();
        let next = match stops {
            true => "; the worker is being stopped",
            false => "",
        };
        let text =
            format!("the maintenance page is there: every request is answered 503 with it{next}");
        self.say(Event::new(Kind::Maintenance, Level::Warn, text).flag("on", true));
        self.pending_start = None;
        self.end_recycle("failed", "not replaced: the maintenance page is there");
        let until = self.now + self.policy.recycle.drain_timeout;
        self.retire_all(until);
    }

    fn come_back(&mut self) {
        let starts = self.want == Want::Up && self.ending.is_none();
        let next = match starts {
            true => "starting the worker",
            false => "the worker stays stopped",
        };
        let text = format!("the maintenance page is gone: {next}");
        self.say(Event::new(Kind::Maintenance, Level::Info, text).flag("on", false));
        if starts {
            self.restarts.reset();
            self.down_since = self.now;
            self.pending_start = Some(self.now);
        }
    }
}
