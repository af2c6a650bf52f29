//! Runs `tests/corpus/hostile.jsonl`; the format of a line is described in `tests/corpus/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use interdict_mcp::read;
use support::{Case, corpus};

fn check(case: &Case) -> Result<(), String> {
    let headers = case.headers();
    let head = case.head(&headers);
    let outcome = read(&head, &case.body, &case.limits);
    let refusal = match outcome {
        Ok(_) if case.expect == "accepted" => return Ok(()),
        Ok(reading) => return Err(format!("expected {}, was accepted as {reading:?}", case.expect)),
        Err(refusal) => refusal,
    };
    if refusal.code != case.expect || u64::from(refusal.status) != case.status {
        return Err(format!(
            "expected {} {}, got {} {}",
            case.status, case.expect, refusal.status, refusal.code
        ));
    }
    let reply = refusal.reply("d-1");
    if u64::from(reply.status) != case.status {
        return Err(format!("expected status {} in the reply, got {}", case.status, reply.status));
    }
    if reply.body.is_empty() {
        return if matches!(reply.status, 202 | 405) { Ok(()) } else { Err("an empty reply".into()) };
    }
    let text = String::from_utf8(reply.body).map_err(|error| error.to_string())?;
    let parsed: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let errors: Vec<_> = parsed.as_array().cloned().unwrap_or_else(|| vec![parsed.clone()]);
    for error in &errors {
        let data = &error["error"]["data"];
        if data["reason"] != case.expect || data["decision_id"] != "d-1" {
            return Err(format!("the reply does not say why: {text}"));
        }
    }
    let prefix =
        |id: &String| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{}", refusal.rpc_code);
    let expected =
        if case.ids.is_empty() { case.id.iter().collect::<Vec<_>>() } else { case.ids.iter().collect() };
    if expected.is_empty() && errors.iter().any(|error| error.get("id").is_some()) {
        return Err(format!("the reply has an id: {text}"));
    }
    if let Some(id) = expected.iter().find(|id| !text.contains(&prefix(id))) {
        return Err(format!("the reply does not echo {id}: {text}"));
    }
    if expected.len() > 1 && errors.len() != expected.len() {
        return Err(format!("expected {} answers: {text}", expected.len()));
    }
    Ok(())
}

#[test]
fn every_hostile_body_gets_the_verdict_written_down_for_it() {
    let cases = corpus();
    assert!(cases.len() >= 150, "the corpus shrank to {}", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case.name)))
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn a_refusal_never_repeats_text_of_the_request() {
    for case in corpus() {
        let headers = case.headers();
        if let Err(refusal) = read(&case.head(&headers), &case.body, &case.limits) {
            let shown = refusal.to_string();
            for secret in ["delete", "/etc", "add", "test://", "us-west"] {
                assert!(!shown.contains(secret), "{}: {shown}", case.name);
            }
        }
    }
}
