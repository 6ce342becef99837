//! `autoheal incidents`: what went wrong, what it cost, and whether healing helped.

use std::{path::PathBuf, sync::Arc};

use serde_json::Value;

use super::{
    ask::{Admin, AskError, Client, Io, report},
    exit,
};
use crate::{
    explain::incident::{Incident, Kind, store, story},
    journal,
    words::one_line,
};

/// Show the latest incidents, the latest first
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// So many at most
    #[arg(short, value_name = "N", default_value_t = 20)]
    pub number: u32,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Where they are found.
    #[command(flatten)]
    pub place: Whence,
}

/// Whom to ask for incidents.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Whence {
    /// Read what an autoheal left in its state_dir, also when none runs
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    let shown = args.place.incidents(admin, args.number as usize);
    report(io, shown, |incidents, io| {
        if args.json {
            for incident in &incidents {
                writeln!(io.out, "{}", incident.to_json())?;
            }
        } else if incidents.is_empty() {
            writeln!(io.out, "there was no incident")?;
        } else {
            write!(io.out, "{}", table(&incidents))?;
            writeln!(io.out, "\nautoheal explain ID tells the story of one.")?;
        }
        io.out.flush()?;
        Ok(exit::DONE)
    })
}

impl Whence {
    /// At most so many, the latest first.
    fn incidents(&self, admin: &Admin, number: usize) -> Result<Vec<Incident>, AskError> {
        if let Some(known) = self.left_behind()? {
            return Ok(known.latest().take(number).cloned().collect());
        }
        let client = Client::find(admin).map_err(or_state_dir)?;
        let answer = client.get(&format!("/api/v1/incidents?limit={number}"))?;
        let list = answer["incidents"].as_array().into_iter().flatten();
        list.map(|one| readable(&client, one)).collect()
    }

    /// One; `None`: the latest.
    pub(super) fn incident(&self, admin: &Admin, id: Option<u64>) -> Result<Incident, AskError> {
        let Some(known) = self.left_behind()? else {
            let client = Client::find(admin).map_err(or_state_dir)?;
            let name = id.map_or_else(|| "latest".to_owned(), |id| id.to_string());
            let answer = client.get(&format!("/api/v1/incidents/{name}"))?;
            return readable(&client, &answer);
        };
        let found = match id {
            Some(id) => known.get(id),
            None => known.latest().next(),
        };
        let ids: Vec<u64> = known.latest().map(|incident| incident.id).collect();
        found.cloned().ok_or_else(|| match id {
            Some(id) => AskError::No {
                what: format!("there is no incident {id} there"),
                cure: store::cure_for_unknown(&ids, id),
                status: 404,
            },
            None => AskError::No {
                what: "there was no incident".to_owned(),
                cure: "autoheal explain --list lists the codes".to_owned(),
                status: 404,
            },
        })
    }

    /// What the journal in the folder tells of, if one was named.
    fn left_behind(&self) -> Result<Option<store::Incidents>, AskError> {
        let Some(folder) = &self.state_dir else {
            return Ok(None);
        };
        let lines = journal::read_incident_lines(&folder.join("journal"));
        let lines: Vec<Arc<str>> = lines.map_err(AskError::Journal)?;
        let lines = lines.iter().map(|line| &**line);
        Ok(Some(store::Incidents::of(lines)))
    }
}

fn readable(client: &Client, json: &Value) -> Result<Incident, AskError> {
    client.read(json.clone())
}

/// Nobody has to run for what was left behind to be read.
fn or_state_dir(error: AskError) -> AskError {
    match error {
        AskError::NoneRuns => AskError::NoneRunsForIncidents,
        error => error,
    }
}

/// One line each under a line of names. Columns are as wide as their widest, but for the first
/// words, which are cut.
fn table(incidents: &[Incident]) -> String {
    const NAMES: [&str; 8] = [
        "WHEN", "ID", "WHAT", "RULE", "INSTANCE", "VERDICT", "COST", "SAVED",
    ];
    let names = NAMES.map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(names)
        .chain(incidents.iter().map(cells))
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: [usize; 8] = std::array::from_fn(|at| width(at).unwrap_or(0));
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn cells(incident: &Incident) -> [String; 8] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let saved = incident.averted.as_ref().map(|averted| averted.errors);
    // RFC 3339 to the second, in UTC.
    let at = incident.opened_at.get(..19).unwrap_or(&incident.opened_at);
    [
        at.replace('T', " ") + "Z",
        incident.id.to_string(),
        what(incident),
        or_none(incident.rule.as_deref().map(|rule| cut(rule, 24))),
        or_none(incident.instance.map(|instance| instance.to_string())),
        incident.came_out().to_owned(),
        story::cost_in_short(incident.cost.as_ref()),
        or_none(saved.map(|saved| saved.to_string())),
    ]
}

/// Short, as the rule has a column of its own.
fn what(incident: &Incident) -> String {
    const WIDTH: usize = 56;
    let what = incident.what.as_str();
    match incident.kind {
        Kind::Rule => cut(
            what.split_once("\": ").map_or(what, |(_, seen)| seen),
            WIDTH,
        ),
        Kind::NoHelp => "recycling does not help".to_owned(),
        _ => cut(what, WIDTH),
    }
}

fn cut(text: &str, width: usize) -> String {
    let text = one_line(text);
    match text.char_indices().nth(width) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.into_owned(),
    }
}
