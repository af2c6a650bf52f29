//! The sealed input of a decision, opened and held against what its record committed to.

use interdict_audit::commit::{DECISION, INPUT, SALT_BYTES, commit};
use interdict_audit::record::Decision;
use interdict_policy::{Decision as Said, Facts};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NotTestable, shown};
use crate::audit::{LogReader, StoredEntry};

/// Why there is no input to work with.
pub(in crate::cli) enum Closed {
    /// Nothing can be said.
    NotTestable(NotTestable),
    /// What lies there is not what the record says (`replay.sealed_tampered`).
    Tampered(String),
}

/// What was judged, and what was said to it: the texts, in the order of the messages.
pub(in crate::cli) struct Opened {
    pub(in crate::cli) facts: Vec<Box<RawValue>>,
    pub(in crate::cli) decisions: Vec<Box<RawValue>>,
}

/// Text of what is sealed behind the salt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<'a> {
    v: u64,
    #[serde(borrow)]
    facts: &'a RawValue,
    #[serde(borrow)]
    decisions: &'a RawValue,
}

/// Opens the sealed input of a decision.
pub(in crate::cli) fn open(
    reader: &LogReader,
    stored: &StoredEntry,
    body: &Decision<'_>,
) -> Result<Opened, Closed> {
    let Some(input_commit) = &body.input_commit else {
        let message = format!("refused before the policy at stage {}", body.stage);
        return Err(not_testable("replay.refused_before_policy", message));
    };
    let plain = match reader.open_sealed(stored.seq) {
        Ok(Some(plain)) => plain,
        // It is stored with its record, in one row.
        Ok(None) => {
            return Err(Closed::Tampered("the sealed input was taken out of the database".to_owned()));
        }
        Err(error) => match error.code {
            "audit.inputs_erased" => return Err(not_testable("replay.inputs_erased", error.message)),
            "audit.corrupt" => return Err(Closed::Tampered(error.message)),
            code => return Err(not_testable(code, error.message)),
        },
    };
    unpack(&plain, input_commit, body).map_err(|what| Closed::Tampered(what.to_owned()))
}

fn not_testable(code: &'static str, message: impl Into<String>) -> Closed {
    Closed::NotTestable(NotTestable { code, message: message.into() })
}

/// Every byte of it is bound: the facts by one commitment, each decision by its own.
fn unpack(plain: &[u8], input_commit: &str, body: &Decision<'_>) -> Result<Opened, &'static str> {
    let judgements = &body.judgements;
    let malformed = "the sealed input is none";
    let (salt, text) = plain.split_first_chunk::<SALT_BYTES>().ok_or(malformed)?;
    let text: Text<'_> = serde_json::from_slice(text).map_err(|_| malformed)?;
    if text.v != 1 {
        return Err("the sealed input is of a version that this program does not know");
    }
    if commit(INPUT, salt, text.facts.get().as_bytes()) != *input_commit {
        return Err("the sealed facts are not those that the record commits to");
    }
    let facts: Vec<Box<RawValue>> = serde_json::from_str(text.facts.get()).map_err(|_| malformed)?;
    let decisions: Vec<Box<RawValue>> = serde_json::from_str(text.decisions.get()).map_err(|_| malformed)?;
    if facts.len() != judgements.len() || decisions.len() != judgements.len() {
        return Err("the record has another number of judgements than the sealed input");
    }
    let mut said: Vec<Said> = Vec::with_capacity(decisions.len());
    for (decision, judgement) in decisions.iter().zip(judgements) {
        if commit(DECISION, salt, decision.get().as_bytes()) != *judgement.decision_commit {
            return Err("a sealed decision is not the one that the record commits to");
        }
        said.push(serde_json::from_str(decision.get()).map_err(|_| malformed)?);
    }
    // Facts that do not read are told when they are judged.
    let read: Result<Vec<Facts>, _> = facts.iter().map(|text| Facts::parse(text.get().as_bytes())).collect();
    let about = read.ok().and_then(|read| shown::about_otherwise(body, &read, salt));
    if let Some(what) = shown::judged_otherwise(body, &said).or(about) {
        return Err(what);
    }
    Ok(Opened { facts, decisions })
}

#[cfg(test)]
mod tests {
    use interdict_audit::record::{Judgement, Verdict};

    use super::*;

    const FACTS: &str = r#"[{"n":1.50}]"#;
    const SAID: &str = r#"{"obligations":[],"reasons":[{"code":"policy.ok","kind":"allow","message":"m","topic":"t"}],"verdict":"allow"}"#;

    fn plain(facts: &str, said: &str) -> Vec<u8> {
        let text = format!(r#"{{"v":1,"facts":{facts},"decisions":[{said}]}}"#);
        [[7; SALT_BYTES].as_slice(), text.as_bytes()].concat()
    }

    fn judgement() -> Judgement<'static> {
        Judgement {
            bundle: "b".into(),
            decision_commit: commit(DECISION, &[7; SALT_BYTES], SAID.as_bytes()).into(),
            obligations: Vec::new(),
            reasons: vec![interdict_audit::record::Reason {
                code: "policy.ok".into(),
                kind: interdict_audit::record::ReasonKind::Allow,
                topic: "t".into(),
            }],
            verdict: Verdict::Allow,
        }
    }

    fn body(judgements: &[Judgement<'static>]) -> Decision<'static> {
        let line = include_str!("../../../../crates/audit/tests/examples.jsonl").lines().find_map(|line| {
            let entry = interdict_audit::record::Entry::read(line.as_bytes()).unwrap();
            match entry.body().unwrap() {
                interdict_audit::record::AnyBody::Decision(body) => Some(*body),
                _ => None,
            }
        });
        let mut body = line.unwrap();
        body.policy.as_mut().unwrap().bundle = "b".into();
        (body.verdict, body.reason, body.reasons) =
            (Verdict::Allow, "policy.ok".into(), vec!["policy.ok".into()]);
        body.judgements = judgements.to_vec();
        body
    }

    fn what(plain: &[u8], judgements: &[Judgement<'static>]) -> &'static str {
        let committed = commit(INPUT, &[7; SALT_BYTES], FACTS.as_bytes());
        unpack(plain, &committed, &body(judgements)).err().unwrap_or("whole")
    }

    #[test]
    fn every_byte_of_the_sealed_input_and_every_word_of_the_record_is_held_against_the_commitments() {
        assert_eq!(what(&plain(FACTS, SAID), &[judgement()]), "whole");
        assert!(what(&plain(r#"[{"n":1.5}]"#, SAID), &[judgement()]).contains("facts"));
        assert!(what(&plain(FACTS, &SAID.replace("\"m\"", "\"x\"")), &[judgement()]).contains("commits to"));
        assert!(what(&plain(FACTS, SAID), &[]).contains("number"));
        assert!(what(b"short", &[judgement()]).contains("none"));
        let denied = Judgement { verdict: Verdict::Deny, ..judgement() };
        assert!(what(&plain(FACTS, SAID), &[denied]).contains("verdict"));
        let silent = Judgement { reasons: Vec::new(), ..judgement() };
        assert!(what(&plain(FACTS, SAID), &[silent]).contains("reasons"));
    }
}
