//! What another bundle would have decided.

use std::collections::BTreeMap;

use interdict_audit::record::Decision;
use interdict_policy::replay::{Explanation, FlipKind, Judge, NotTestable, compare, explain, read_recorded};
use interdict_policy::{Bundle, BundleFile, Decision as Said, Facts};
use serde::Serialize;
use serde_json::value::RawValue;

use super::bundles::{self, Bundles};
use super::options::{Reasons, Walked, each_decision};
use super::sealed::{self, Closed};
use super::{Format, ReplayArgs, markdown, range, text};
use crate::cli::{Failure, plain};

/// What changes into what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Key {
    pub(super) kind: FlipKind,
    pub(super) from: Ending,
    pub(super) to: Ending,
}

/// A verdict with the reason that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Ending {
    pub(super) verdict: &'static str,
    pub(super) reason: String,
}

/// A recorded decision that would change.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Example {
    pub(super) decision_id: String,
    pub(super) time: String,
    pub(super) agent: String,
    pub(super) server: String,
    pub(super) what: String,
}

/// All flips of one kind.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) examples: Vec<Example>,
    /// Why the newest of them flips.
    pub(super) explanation: Option<Result<Explanation, String>>,
}

/// The whole result.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) new_digest: String,
    /// Judgements by the digest that judged.
    pub(super) old_digests: BTreeMap<String, u64>,
    pub(super) judgements: u64,
    pub(super) unchanged: u64,
    pub(super) groups: BTreeMap<Key, Group>,
    pub(super) not_testable: Reasons,
    pub(super) tampered: Vec<String>,
}

impl Counted {
    /// How many differ in this way.
    pub(super) fn flips(&self, kind: FlipKind) -> u64 {
        self.groups.iter().filter(|(key, _)| key.kind == kind).map(|(_, group)| group.count).sum()
    }
}

struct Comparison<'a> {
    args: &'a ReplayArgs,
    judge: Judge,
    new_files: Vec<BundleFile>,
    bundles: Bundles,
    counted: Counted,
}

pub(super) fn run(args: &ReplayArgs) -> Result<u8, Failure> {
    let bundle = bundles::named(&args.bundle)?;
    let mut comparison = Comparison::new(args, &bundle)?;
    let walked = each_decision(args, |reader, stored, body| {
        let time = interdict_audit::record::Entry::read(&stored.record).map(|entry| entry.ts.to_string());
        let time = time.unwrap_or_default();
        match sealed::open(reader, stored, body) {
            Ok(opened) => comparison.decision(body, &time, &opened),
            Err(Closed::NotTestable(why)) => comparison.not_testable(body, &why),
            Err(Closed::Tampered(what)) => {
                comparison.counted.tampered.push(format!("{}: {what}", body.decision_id));
            }
        }
        Ok(())
    })?;
    let counted = comparison.counted;
    report(args, &counted, &walked)?;
    let flipped = counted.flips(FlipKind::Verdict) + counted.flips(FlipKind::Obligations) > 0;
    Ok(u8::from((args.fail_on_flip && flipped) || !counted.tampered.is_empty()))
}

fn report(args: &ReplayArgs, counted: &Counted, walked: &Walked) -> Result<(), Failure> {
    match args.format {
        Format::Text => text::print(counted, walked),
        Format::Markdown => print!("{}", markdown::of(args, counted, walked)),
        Format::Json => plain::print_json(&text::as_json(counted, walked))?,
    }
    Ok(())
}

impl<'a> Comparison<'a> {
    fn new(args: &'a ReplayArgs, bundle: &Bundle) -> Result<Self, Failure> {
        Ok(Self {
            args,
            judge: Judge::new(bundle),
            new_files: bundle.files().collect(),
            bundles: Bundles::of(&args.place.layout()?),
            counted: Counted {
                new_digest: bundle.digest().to_owned(),
                old_digests: BTreeMap::new(),
                judgements: 0,
                unchanged: 0,
                groups: BTreeMap::new(),
                not_testable: Reasons::default(),
                tampered: Vec::new(),
            },
        })
    }

    fn not_testable(&mut self, body: &Decision<'_>, why: &NotTestable) {
        self.counted.not_testable.add(&range::key(why.code, body.stage), &why.message);
    }

    fn decision(&mut self, body: &Decision<'_>, time: &str, opened: &sealed::Opened) {
        let texts = opened.facts.iter().zip(&opened.decisions).zip(&body.judgements);
        for ((facts, said), judgement) in texts {
            self.counted.judgements += 1;
            *self.counted.old_digests.entry(judgement.bundle.to_string()).or_default() += 1;
            if let Err(why) = self.judgement(body, time, &judgement.bundle, facts, said) {
                self.not_testable(body, &why);
            }
        }
    }

    fn judgement(
        &mut self,
        body: &Decision<'_>,
        time: &str,
        digest: &str,
        facts: &RawValue,
        said: &RawValue,
    ) -> Result<(), NotTestable> {
        let recorded = read_recorded(said.get().as_bytes())?;
        let facts = Facts::parse(facts.get().as_bytes())?;
        let new = self.judge.judge(&facts)?;
        let Some(flip) = compare(&recorded, &new) else {
            self.counted.unchanged += 1;
            return Ok(());
        };
        let key = Key { kind: flip.kind(), from: Ending::of(&recorded), to: Ending::of(&new) };
        let is_new = !self.counted.groups.contains_key(&key);
        let explanation = (is_new && self.args.explain).then(|| self.explain(digest, &facts));
        let group = self.counted.groups.entry(key).or_default();
        group.count += 1;
        group.explanation = group.explanation.take().or(explanation);
        if group.examples.len() < self.args.examples {
            group.examples.push(Example::of(body, time));
        }
        Ok(())
    }

    fn explain(&mut self, digest: &str, facts: &Facts) -> Result<Explanation, String> {
        let kept = self.bundles.get(digest).map_err(|why| why.to_string())?;
        let old: Vec<BundleFile> = kept.bundle.files().collect();
        let explanation = explain(&old, &self.new_files, facts).map_err(|error| error.to_string())?;
        explanation.ok_or_else(|| "the kept bundle decides like the new one".to_owned())
    }
}

impl Ending {
    fn of(decision: &Said) -> Self {
        let reason = decision.reasons.first().map(|reason| reason.code.clone()).unwrap_or_default();
        Self { verdict: decision.verdict.as_str(), reason }
    }
}

impl Example {
    fn of(body: &Decision<'_>, time: &str) -> Self {
        let action = &body.action;
        let kind = action.kind.map(|kind| kind.label());
        let what = action.target.as_deref().or(action.method.as_deref()).or(kind).unwrap_or("-");
        Self {
            decision_id: body.decision_id.to_string(),
            time: time.to_owned(),
            agent: body.agent.as_ref().map(|agent| agent.id.to_string()).unwrap_or_default(),
            server: action.server.as_deref().unwrap_or("-").to_owned(),
            what: what.to_owned(),
        }
    }
}
