//! `interdict check`: the decision that the server would make, without a server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use interdict_proto::enforcement::Verdict;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ConfigArgs, Failure, check_request, configuration, plain, small_runtime};
use crate::bundle::{BundleKeeper, Opening};
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::request::Answer;
use crate::server::Kept;
use crate::store::DryStore;
use crate::telemetry::metrics::Metrics;

pub(super) const HELP: &str = r#"Example:
  interdict check --config interdict.yaml --request request.json

request.json (all keys but `path` are optional; unknown keys are refused):
  {
    "method": "POST", "path": "/mcp", "host": "files.example.com", "scheme": "https",
    "headers": {"content-type": "application/json", "authorization": "Bearer eyJ…"},
    "body": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read_file", "arguments": {}}},
    "enforcer": {"kind": "call", "version": "0.1.0"},
    "peer": {"address": "10.0.0.7", "principal": "spiffe://example.org/t/acme/a/report-bot", "certificate_file": "peer.pem"},
    "server": "files", "route": "mcp", "time": "2026-07-28T12:00:00Z"
  }
A `body` that is a string is sent as it is; `body_file` sends a file. `headers` may be a list of pairs.
Without `enforcer` it is the filter of this version in mode `call`, which looks into responses where the content rules ask for
it. `"profiles": null` in it stands for one that cannot (`native` never can): then such calls are denied.

Exit codes: 0 allow, 10 deny, 11 intercept, 2 usage or configuration error."#;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The request, a JSON file; `-` reads standard input.
    #[arg(long, short, value_name = "FILE")]
    request: PathBuf,
    /// Decide as if it were this moment, like 2026-07-28T12:00:00Z; wins over `time` in the request.
    #[arg(long, value_name = "TIME")]
    time: Option<Timestamp>,
}

pub(super) fn run(args: CheckArgs) -> Result<u8, Failure> {
    let mut config = configuration(&args.config.config)?;
    // A rehearsal asks nobody, so there is nobody to wait for.
    config.approvals.hold_seconds = 0;
    let file = check_request::load(&args.request)?;
    let clock: Arc<dyn Clock> = match args.time.or(file.time) {
        Some(at) => Arc::new(FixedClock::new(at)),
        None => Arc::new(SystemClock),
    };
    let request = file.into_request()?;
    let metrics = Arc::new(Metrics::new());
    let wrong = |error: crate::server::ServeError| Failure::usage(error.to_string());
    let opening = Opening::rehearsal(Arc::clone(&clock), Arc::clone(&metrics));
    let bundle = BundleKeeper::open(&config.bundle, opening)
        .map_err(|error| Failure::usage(format!("bundle: {error}")))?;
    // A key of its own: what it seals is shown, never opened again.
    let key = [0; 32];
    let answer = small_runtime()?.block_on(async {
        let decider = crate::server::decider(
            &config,
            &bundle,
            Arc::new(DryStore::default()),
            key,
            clock,
            metrics,
            Kept::default(),
        )
        .await
        .map_err(wrong)?;
        Ok::<_, Failure>(decider.decide(request).await)
    })?;
    let document = describe(&answer, &bundle.status().digest);
    let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::failed(error.to_string()))?;
    println!("{}", plain::json(&text));
    Ok(match answer.enforcement().verdict {
        Verdict::Allow => 0,
        Verdict::Deny => 10,
        Verdict::Intercept => 11,
    })
}

/// Header values are not shown: one of them can be our credential for the server.
fn describe(answer: &Answer, bundle: &str) -> Value {
    let enforcement = answer.enforcement();
    let mut document = json!({
        "verdict": enforcement.verdict.as_str(),
        "reason": enforcement.reason,
        "decision_id": enforcement.decision_id,
        "bundle": bundle,
        "obligations": enforcement.obligations,
    });
    let (key, part) = match answer {
        Answer::Pass { set_headers, remove_headers, .. } => {
            let set: Vec<&str> = set_headers.iter().map(|(name, _)| name.as_str()).collect();
            ("pass", json!({ "set_headers": set, "remove_headers": remove_headers }))
        }
        Answer::Reply { reply, .. } => {
            let body = serde_json::from_slice::<Value>(&reply.body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&reply.body).into_owned()));
            let headers: Vec<Value> =
                reply.headers.iter().map(|(name, value)| json!([name, value])).collect();
            let part = json!({
                "status": reply.status,
                "content_type": reply.content_type,
                "headers": headers,
                "body": body,
            });
            ("reply", part)
        }
    };
    if let Some(members) = document.as_object_mut() {
        members.insert(key.to_owned(), part);
    }
    document
}
