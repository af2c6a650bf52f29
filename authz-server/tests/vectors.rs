//! The decision vectors of `tests/vectors`, in-process: through the decision, and through the ext_authz door, once for
//! each kind of enforcement point. The end-to-end tests run the same files through a real Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "vectors/attacks.rs"]
mod attacks;
#[path = "vectors/content.rs"]
mod content;
#[path = "vectors/format.rs"]
mod format;
#[path = "vectors/holds.rs"]
mod holds;
#[path = "vectors/inputs.rs"]
mod inputs;
#[path = "vectors/log.rs"]
mod log;
#[path = "vectors/outcome.rs"]
mod outcome;
#[path = "vectors/stage.rs"]
mod stage;

use format::{Expect, Vector, steps_of};
use outcome::Outcome;
use stage::{Door, Stage};

const MODES: [&str; 3] = ["call", "split", "native"];

/// Runs one vector; what is wrong, in words.
async fn run(stage: &Stage, vector: &Vector, mode: &str, door: Door) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut run = stage.begin(mode, vector.time()).await;
    for (number, step) in steps_of(vector).into_iter().enumerate() {
        let place = format!("{} [{mode}, {door:?}, step {number}]", vector.name);
        if let Some(answer) = &step.answer {
            run.answer(answer).await;
            continue;
        }
        let sent = run.http(&step);
        let outcome = run.send(sent, door).await;
        let expect = step.expect.as_ref().expect("a step is a request with `expect`, or an answer");
        let expect = match (mode, &step.expect_native) {
            ("native", Some(laid_over)) => expect.clone().overlaid(laid_over),
            _ => expect.clone(),
        };
        wrong.extend(
            different(&outcome, &expect, &run.bodies).map(|what| format!("{place}: {what}\n    {outcome}")),
        );
    }
    wrong
}

/// What differs from what was expected.
fn different(seen: &Outcome, expect: &Expect, bodies: &[Vec<u8>]) -> Option<String> {
    let is = |what: &str, wanted: Option<&str>, found: &str| {
        wanted
            .filter(|wanted| *wanted != "*" && *wanted != found)
            .map(|wanted| format!("{what} is not {wanted}"))
    };
    let arrived = |seen: &Outcome| {
        let step = expect.arrives_as.unwrap_or(bodies.len() - 1);
        match (&seen.arrives, seen.verdict.as_str()) {
            (None, "allow") => Some("nothing arrives".to_owned()),
            (Some(_), "deny" | "intercept") => Some("something arrives".to_owned()),
            (Some(body), _) if expect.arrives_like.is_some() => {
                let body = String::from_utf8_lossy(body);
                let like = expect.arrives_like.iter().flatten().find(|text| !is_like(&body, text));
                let without = expect.arrives_without.iter().flatten().find(|text| body.contains(*text));
                like.map(|text| format!("what arrives has not {text}"))
                    .or_else(|| without.map(|text| format!("what arrives has {text}")))
            }
            (Some(body), _) if *body != bodies[step] => {
                Some(format!("another body arrives than of step {step}"))
            }
            _ => None,
        }
    };
    is("verdict", expect.verdict.as_deref(), &seen.verdict)
        .or_else(|| is("reason", expect.reason.as_deref(), &seen.reason))
        .or_else(|| {
            is("status", expect.status.map(|status| status.to_string()).as_deref(), &seen.status.to_string())
        })
        .or_else(|| is("form", expect.form.as_deref(), seen.form))
        .or_else(|| {
            let sets = expect.sets.iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
            sets.into_iter().find(|set| !seen.sets.contains(set)).map(|set| format!("{set:?} is not set"))
        })
        .or_else(|| {
            let removes = expect.removes.iter().flatten();
            removes
                .into_iter()
                .find(|name| !seen.removes.contains(name))
                .map(|name| format!("{name} is not removed"))
        })
        .or_else(|| arrived(seen))
}

/// Whether a text stands in the body; `*` in it is a run of hex digits.
fn is_like(body: &str, text: &str) -> bool {
    let (first, rest) = text.split_once('*').map_or((text, None), |(first, rest)| (first, Some(rest)));
    body.match_indices(first).any(|(at, _)| {
        let behind = body.get(at + first.len()..).unwrap_or_default();
        let behind = behind.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
        rest.is_none_or(|rest| behind.starts_with(rest))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_23_every_vector_has_its_outcome_in_every_mode_and_through_every_door() {
    let stage = Stage::set_up();
    let vectors = format::read_all();
    assert!(vectors.len() >= 60, "{} vectors", vectors.len());
    let mut wrong = Vec::new();
    for vector in &vectors {
        for mode in MODES.into_iter().filter(|mode| vector.is_about(mode)) {
            for door in [Door::Decision, Door::ExtAuthz, Door::ExtAuthzPlain] {
                wrong.extend(run(&stage, vector, mode, door).await);
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
