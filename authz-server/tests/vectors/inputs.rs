//! The input documents of all vectors: what the policy is asked in each step, taken from what the decisions recorded.
//!
//! With `INTERDICT_INPUTS` set they are written to that file, one per line, for `tests/second_opinion`, which asks
//! another implementation of Rego about them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use authz_server::audit::{Appended, Appending, Health, NewEntry, Recorder};
use authz_server::record::outcomes::Outcomes;
use authz_server::record::{Recording, RecordingSettings};
use authz_server::telemetry::metrics::Metrics;
use interdict_policy::{Decision, Facts};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::MODES;
use crate::format::{read_all, steps_of};
use crate::stage::{Door, Stage, load};

/// Bytes of the salt in front of what is sealed.
const SALT: usize = 32;

/// Keeps what was to be sealed, and writes nothing.
#[derive(Default)]
struct Kept {
    sealed: Mutex<Vec<Vec<u8>>>,
}

impl Recorder for Kept {
    fn append(&self, entry: NewEntry) -> Appending {
        self.submit(entry);
        Box::pin(std::future::ready(Ok(Appended { seq: 0 })))
    }

    fn submit(&self, entry: NewEntry) {
        self.sealed.lock().unwrap().extend(entry.sealed);
    }

    fn health(&self) -> watch::Receiver<Health> {
        watch::channel(Health::Serving).1
    }

    fn unrecorded(&self, tenant: &str) {
        panic!("a call of {tenant} went on without a record");
    }
}

#[derive(Deserialize)]
struct Sealed {
    facts: Vec<Box<RawValue>>,
    decisions: Vec<Decision>,
}

fn recording(kept: &Arc<Kept>) -> Arc<Recording> {
    let outcomes = Arc::new(Outcomes::new(Duration::from_secs(60), &Metrics::new()));
    let settings = RecordingSettings { show_arguments: false, allow_unrecorded_reads: false };
    Arc::new(Recording::new(Arc::clone(kept) as Arc<dyn Recorder>, outcomes, settings))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_every_vector_records_leads_to_the_same_decision_again() {
    let kept = Arc::new(Kept::default());
    let mut stage = Stage::set_up();
    stage.recording = Some(recording(&kept));
    let mut evaluator = load(&[]).evaluator(stage.evaluation);
    let mut lines = String::new();
    for vector in &read_all() {
        for mode in MODES.into_iter().filter(|mode| vector.is_about(mode)) {
            let mut run = stage.begin(mode, vector.time()).await;
            for (step, request) in steps_of(vector).into_iter().enumerate() {
                if let Some(answer) = &request.answer {
                    run.answer(answer).await;
                    continue;
                }
                let sent = run.http(&request);
                run.send(sent, Door::Decision).await;
                for plain in std::mem::take(&mut *kept.sealed.lock().unwrap()) {
                    let Sealed { facts, decisions } = serde_json::from_slice(&plain[SALT..]).unwrap();
                    assert_eq!(facts.len(), decisions.len());
                    for (facts, decision) in facts.iter().zip(decisions) {
                        let facts = Facts::parse(facts.get().as_bytes()).unwrap();
                        let (document, again) = facts
                            .with_ref(|facts| (evaluator.document(facts), evaluator.judge(facts)))
                            .unwrap();
                        let place = format!("{} [{mode}, step {step}]", vector.name);
                        assert_eq!(again.decision, decision, "{place}");
                        // What the registry refuses, the policy is not asked.
                        let Some(document) = document.unwrap() else { continue };
                        let (place, decision) = (json!(place), json!(decision));
                        // The document's text as it is: in a JSON tree large numbers would lose digits.
                        lines += &format!(
                            "{{\"vector\":{place},\"decision\":{decision},\"document\":{document}}}\n"
                        );
                    }
                }
            }
        }
    }
    assert!(lines.lines().count() >= 100, "{} documents", lines.lines().count());
    if let Some(file) = std::env::var_os("INTERDICT_INPUTS") {
        std::fs::write(file, lines).unwrap();
    }
}
