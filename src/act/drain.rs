//! Letting what is in flight finish, and cutting what does not.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Hands, report};
use crate::{
    admit::{
        mailbox::{Mailboxes, Which},
        roster::Member,
    },
    decide::observation::Observation,
    time::{self, MonoTime},
    words::Generation,
};

/// What is in flight for longer than this is waited for before anyone is parked.
const OLD: Duration = Duration::from_secs(1);
/// Between two looks at what is old.
const LOOK: Duration = Duration::from_millis(25);
/// What was cut leaves at once; so long is waited for it to be counted out.
const CUT: Duration = Duration::from_secs(1);
/// Idle connections close at once when their worker leaves the roster; so long is waited for that.
const CLOSE: Duration = Duration::from_millis(500);

impl Hands {
    /// Reports as soon as nothing old is in flight on a worker that goes on serving, and nobody
    /// waits who would then have to wait for the next one too.
    pub(super) fn await_quiet(&self, generation: Generation, until: MonoTime) {
        let (mailboxes, observations) = (self.mailboxes.clone(), self.observations.clone());
        let occupancy = self.occupancy.clone();
        tokio::task::spawn_local(async move {
            loop {
                let oldest = mailboxes.oldest(generation).await;
                let now = time::now();
                let young = oldest.is_none_or(|since| now.since(since) < OLD);
                if now >= until || (young && occupancy.parked() == 0) {
                    break;
                }
                tokio::time::sleep(LOOK.min(until.since(now))).await;
            }
            report(&observations, Observation::Quiet { generation }).await;
        });
    }

    /// Closes a worker's admission and reports when nothing is in flight on it.
    pub(super) fn drain(&mut self, generation: Generation, until: MonoTime) {
        self.stage.withdraw(generation);
        let member = self
            .running
            .get(&generation)
            .and_then(|running| running.member.clone());
        let (mailboxes, observations) = (self.mailboxes.clone(), self.observations.clone());
        tokio::task::spawn_local(async move {
            let cut = match member {
                Some(member) => drained(&member, until, &mailboxes).await,
                None => 0,
            };
            report(&observations, Observation::Drained { generation, cut }).await;
        });
    }
}

/// Waits until a closed worker has nothing in flight and no connection. Returns how many requests
/// had to be cut.
async fn drained(member: &Arc<Member>, until: MonoTime, mailboxes: &Mailboxes) -> u64 {
    member.close();
    let mut cut = 0;
    if !empty_by(member, until, |member| member.in_flight() == 0).await {
        cut = mailboxes.cut(member.generation, Which::All).await as u64;
        empty_by(member, time::now() + CUT, |member| member.in_flight() == 0).await;
    }
    empty_by(member, time::now() + CLOSE, |member| {
        member.connections() == 0
    })
    .await;
    cut
}

/// Waits for something to be true of a worker whose bell rings with each step towards it.
async fn empty_by(member: &Member, until: MonoTime, is: impl Fn(&Member) -> bool) -> bool {
    let deadline = Instant::from_std(until.to_instant());
    loop {
        if is(member) {
            return true;
        }
        if tokio::time::timeout_at(deadline, member.rung())
            .await
            .is_err()
        {
            return is(member);
        }
    }
}
