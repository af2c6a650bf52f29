//! Every decision of a range, judged again by the bundles that judged it: an audit of the judging.

use interdict_audit::record::Stage;
use serde_json::{Value, json};

use super::bundles::Bundles;
use super::exact::{self, Result3};
use super::options::{Reasons, Walked, each_decision};
use super::{Format, ReplayArgs};
use crate::cli::{Failure, plain};

/// Differences that are listed; more are counted.
const LISTED: usize = 100;

#[derive(Default)]
struct Tally {
    same: u64,
    different: u64,
    tampered: u64,
    not_testable: Reasons,
    listed: Vec<Value>,
}

pub(super) fn run(args: &ReplayArgs) -> Result<u8, Failure> {
    let mut bundles = Bundles::of(&args.place.layout()?);
    let mut tally = Tally::default();
    let walked = each_decision(args, |reader, stored, body| {
        let outcomes = exact::replay(&mut bundles, reader, stored, body);
        for outcome in &outcomes {
            match outcome.result {
                Result3::Same => tally.same += 1,
                Result3::Different => tally.different += 1,
                Result3::Tampered => tally.tampered += 1,
                Result3::NotTestable => {
                    tally.not_testable.add(&key(outcome.code, body.stage), &outcome.message);
                }
            }
        }
        let bad = |outcome: &exact::Outcome| matches!(outcome.result, Result3::Different | Result3::Tampered);
        if outcomes.iter().any(bad) && tally.listed.len() < LISTED {
            tally.listed.push(exact::as_json(body, &outcomes));
        }
        Ok(())
    })?;
    match args.format {
        Format::Json => plain::print_json(&as_json(&tally, &walked))?,
        Format::Text => print(&tally, &walked, ""),
        Format::Markdown => {
            println!("### Interdict: recorded decisions judged again\n\n```");
            print(&tally, &walked, "");
            println!("```");
        }
    }
    Ok(u8::from(tally.different + tally.tampered > 0))
}

/// A refusal before the policy has its stage as its reason.
pub(super) fn key(code: &str, stage: Stage) -> String {
    match code {
        "replay.refused_before_policy" => format!("{code} ({stage})"),
        code => code.to_owned(),
    }
}

fn as_json(tally: &Tally, walked: &Walked) -> Value {
    json!({
        "decisions": walked.decisions, "same": tally.same, "different": tally.different,
        "tampered": tally.tampered, "not_testable": tally.not_testable, "differences": tally.listed,
    })
}

fn print(tally: &Tally, walked: &Walked, indent: &str) {
    println!("{indent}decisions     {:>8}{}", walked.decisions, rate(walked));
    println!("{indent}same          {:>8}", tally.same);
    println!("{indent}different     {:>8}", tally.different);
    println!("{indent}tampered      {:>8}", tally.tampered);
    println!("{indent}not testable  {:>8}", tally.not_testable.total());
    for (what, count, _) in tally.not_testable.iter() {
        println!("{indent}  {count:>8}  {}", plain::line(what));
    }
    for difference in &tally.listed {
        println!("{indent}DIFFERENT  {}", plain::line(&difference.to_string()));
    }
}

/// How fast it went.
pub(super) fn rate(walked: &Walked) -> String {
    match walked.decisions {
        0 => String::new(),
        // Nobody needs the digits that a double loses.
        count => format!(
            "  in {:.1} s ({:.0} per second)",
            walked.seconds,
            count as f64 / walked.seconds.max(1e-6)
        ),
    }
}
