//! One decision, judged again by the bundle that judged it.

use interdict_audit::record::{AnyBody, Decision, Entry, Judgement, Kind};
use interdict_policy::replay::Exact;
use serde::Serialize;
use serde_json::json;

use super::bundles::Bundles;
use super::sealed::{self, Closed};
use super::{Format, NotTestable, ReplayArgs};
use crate::audit::{LogReader, StoredEntry};
use crate::cli::audit::{parse_id, readers, refused};
use crate::cli::{Failure, plain};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Result3 {
    Same,
    Different,
    Tampered,
    NotTestable,
}

/// One judged message, or the whole decision where it did not get that far.
pub(super) struct Outcome {
    pub(super) result: Result3,
    /// `replay.*`, `facts.*` or `policy.*`; empty for the same.
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Recorded and replayed.
    pub(super) both: Option<(interdict_policy::Decision, interdict_policy::Decision)>,
}

impl Outcome {
    fn not_testable(why: NotTestable) -> Self {
        Self { result: Result3::NotTestable, code: why.code, message: why.message, both: None }
    }

    fn of(exact: Exact) -> Self {
        match exact {
            Exact::Same => Self { result: Result3::Same, code: "", message: String::new(), both: None },
            Exact::Different { recorded, replayed } => Self {
                result: Result3::Different,
                code: "replay.different",
                message: "the same bundle decides otherwise".to_owned(),
                both: Some((recorded, replayed)),
            },
            Exact::Failed(why) => Self::not_testable(why),
        }
    }
}

/// Judges every message of a decision again.
pub(super) fn replay(
    bundles: &mut Bundles,
    reader: &LogReader,
    stored: &StoredEntry,
    body: &Decision<'_>,
) -> Vec<Outcome> {
    let opened = match sealed::open(reader, stored, body) {
        Ok(opened) => opened,
        Err(Closed::NotTestable(why)) => return vec![Outcome::not_testable(why)],
        Err(Closed::Tampered(message)) => {
            let code = "replay.sealed_tampered";
            return vec![Outcome { result: Result3::Tampered, code, message, both: None }];
        }
    };
    let texts = opened.facts.iter().zip(&opened.decisions);
    let judge = |((facts, said), judgement): ((&Box<_>, &Box<_>), &Judgement<'_>)| {
        let (facts, said): (&serde_json::value::RawValue, &serde_json::value::RawValue) = (facts, said);
        Outcome::of(bundles.exact(&judgement.bundle, facts.get().as_bytes(), said.get().as_bytes()))
    };
    texts.zip(&body.judgements).map(judge).collect()
}

pub(super) fn run(args: &ReplayArgs, id: &str) -> Result<u8, Failure> {
    let layout = args.place.layout()?;
    let id = parse_id(id)?;
    for reader in readers(&layout, args.tenant.as_deref())? {
        for stored in reader.by_decision(id).map_err(refused)? {
            let entry = Entry::read(&stored.record).map_err(|error| Failure::failed(error.to_string()))?;
            if entry.kind != Kind::Decision {
                continue;
            }
            let AnyBody::Decision(body) = entry.body().map_err(|error| Failure::failed(error.to_string()))?
            else {
                continue;
            };
            let outcomes = replay(&mut Bundles::of(&layout), &reader, &stored, &body);
            print(args, &body, &outcomes)?;
            return Ok(exit(&outcomes));
        }
    }
    Err(Failure::failed(format!("no log holds the decision {id}")))
}

/// The worst of it.
fn exit(outcomes: &[Outcome]) -> u8 {
    let any = |results: &[Result3]| outcomes.iter().any(|outcome| results.contains(&outcome.result));
    match (any(&[Result3::Different, Result3::Tampered]), any(&[Result3::NotTestable])) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    }
}

fn print(args: &ReplayArgs, body: &Decision<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    if args.format == Format::Json {
        return plain::print_json(&as_json(body, outcomes));
    }
    for (at, outcome) in outcomes.iter().enumerate() {
        let of = if outcomes.len() > 1 {
            format!(" (message {} of {})", at + 1, outcomes.len())
        } else {
            String::new()
        };
        let word = match outcome.result {
            Result3::Same => "SAME",
            Result3::Different => "DIFFERENT",
            Result3::Tampered => "TAMPERED",
            Result3::NotTestable => "NOT TESTABLE",
        };
        println!("{word}  {}{of}", plain::line(&body.decision_id));
        if !outcome.code.is_empty() {
            println!("  why        {} [{}]", plain::line(&outcome.message), outcome.code);
        }
        if let Some(judgement) = body.judgements.get(at) {
            println!("  bundle     {}", plain::line(&judgement.bundle));
            println!("  recorded   {} {}", judgement.verdict, plain::line(&first(judgement)));
            if args.explain {
                for reason in &judgement.reasons {
                    println!(
                        "  rule       {} {} ({})",
                        reason.kind,
                        plain::line(&reason.code),
                        plain::line(&reason.topic)
                    );
                }
            }
        }
        if let Some((recorded, replayed)) = &outcome.both {
            println!("  was        {}", plain::line(&String::from_utf8_lossy(&recorded.canonical())));
            println!("  is         {}", plain::line(&String::from_utf8_lossy(&replayed.canonical())));
        }
    }
    if let Some(ended) = ended(body) {
        println!("  final      {}", plain::line(&ended));
    }
    Ok(())
}

/// How the call ended, where something else than what is judged again had the last word.
fn ended(body: &Decision<'_>) -> Option<String> {
    let said =
        |judgement: &Judgement<'_>| judgement.verdict == body.verdict && first(judgement) == body.reason;
    let decided = body.judgements.is_empty() || body.judgements.iter().any(said);
    (!decided).then(|| {
        format!(
            "{} {}, decided at stage {}; replay covers what the policy said",
            body.verdict, body.reason, body.stage
        )
    })
}

fn first(judgement: &Judgement<'_>) -> String {
    judgement.reasons.first().map(|reason| reason.code.to_string()).unwrap_or_default()
}

pub(super) fn as_json(body: &Decision<'_>, outcomes: &[Outcome]) -> serde_json::Value {
    let judgements: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let (recorded, replayed) = outcome.both.as_ref().map(|(a, b)| (a, b)).unzip();
            json!({
                "result": outcome.result, "code": outcome.code, "message": outcome.message,
                "recorded": recorded, "replayed": replayed,
            })
        })
        .collect();
    json!({"decision_id": body.decision_id, "judgements": judgements})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_call_ended_is_told_where_a_stage_behind_the_policy_decided() {
        let judged = include_str!("../../../../crates/audit/tests/examples.jsonl").lines().find_map(|line| {
            let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let body = entry.get_mut("body").unwrap().take();
            let judgement = body.pointer("/judgements/0/reasons/0/code") == body.get("reason");
            (judgement && body.get("reason").is_some()).then_some(body)
        });
        let mut body = judged.unwrap();
        let text = body.to_string();
        assert_eq!(ended(&serde_json::from_str(&text).unwrap()), None);
        for (member, value) in [("verdict", "deny"), ("reason", "tool.drift"), ("stage", "pins")] {
            *body.get_mut(member).unwrap() = value.into();
        }
        let text = body.to_string();
        let said = ended(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(said, "deny tool.drift, decided at stage pins; replay covers what the policy said");
    }
}
