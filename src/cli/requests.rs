//! `autoheal requests`: what is in flight and parked.

use super::{
    ask::{Admin, Io, with_client},
    exit,
    status::age,
};
use crate::{control::order::Request, words::one_line};

/// Show the requests in flight and parked, the oldest first
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(serde::Deserialize)]
struct Answer {
    requests: Vec<Request>,
    left_out: u64,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    with_client(admin, io, |client, io| {
        let path = "/api/v1/requests";
        if args.json {
            writeln!(io.out, "{}", client.get(path)?)?;
            return Ok(exit::DONE);
        }
        let mut answer: Answer = client.get_as(path)?;
        answer
            .requests
            .sort_by_key(|request| std::cmp::Reverse(request.age_ms));
        for request in &answer.requests {
            writeln!(io.out, "{}", line(request))?;
        }
        if answer.requests.is_empty() {
            writeln!(io.out, "nothing is in flight")?;
        }
        if answer.left_out > 0 {
            writeln!(io.out, "and {} more", answer.left_out)?;
        }
        Ok(exit::DONE)
    })
}

fn line(request: &Request) -> String {
    let Request {
        method,
        path,
        state,
        generation,
        instance,
        ..
    } = request;
    let of = instance.map_or_else(String::new, |instance| format!(" instance={instance}"));
    let age = age(request.age_ms);
    one_line(&format!(
        "{age:>12} {state:<9} {method} {path} worker={generation}{of}"
    ))
    .into_owned()
}
