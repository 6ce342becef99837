//! `autoheal recycle`: replace the worker, or one of several.

use serde_json::json;

use super::{
    ask::{Admin, Io, PATIENCE, with_client},
    steer::report,
};

/// Replace the worker so that no client notices; of several all, one after another
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only this one of several instances
    #[arg(long, value_name = "N")]
    pub instance: Option<u32>,
    /// Return when it has ended; exit 1 when the old worker was kept
    #[arg(long)]
    pub wait: bool,
    /// Also while it starts or after giving up, and without waiting for what is in flight
    #[arg(long)]
    pub force: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    with_client(admin, io, |client, io| {
        let body = json!({
            "instance": args.instance,
            "reason": args.reason,
            "force": args.force,
            "wait": args.wait,
        });
        let patience = (!args.wait).then_some(PATIENCE);
        let answer = client.post("/api/v1/recycle", &body, patience)?;
        report(&answer, args.json, io)
    })
}
