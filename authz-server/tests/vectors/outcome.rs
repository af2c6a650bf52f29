//! What became of a request, in the words of the vectors.

use authz_server::request::Answer;
use envoy_types::ext_authz::v3::pb::{CheckResponse, HttpResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use interdict_mcp::reply::{Reply, code};
use interdict_proto::enforcement::{Enforcement, apply};
use serde_json::Value;

/// See the README of `tests/vectors`.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub verdict: String,
    pub reason: String,
    /// 0 for an allowed request: its status is the server's.
    pub status: u16,
    pub form: &'static str,
    pub sets: Vec<(String, String)>,
    pub removes: Vec<String>,
    pub arrives: Option<Vec<u8>>,
    /// The body of a reply, for the next step.
    pub reply: Value,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verdict, reason, status, form, sets, removes, arrives, reply } = self;
        let arrives = arrives.as_deref().map(String::from_utf8_lossy);
        write!(
            f,
            "{verdict} {reason} {status} {form}, sets {sets:?}, removes {removes:?}, arrives {arrives:?}, {reply}"
        )
    }
}

impl Outcome {
    /// Of an answer, for a request with this body.
    pub(crate) fn of(answer: Answer, sent: &[u8]) -> Self {
        let enforcement = answer.enforcement().clone();
        let arrives = |enforcement: &Enforcement| match enforcement.body_edit() {
            Some((length, edits)) => apply(sent, length, edits).unwrap(),
            None => sent.to_vec(),
        };
        let (verdict, reason) = (enforcement.verdict.to_string(), enforcement.reason.clone());
        match answer {
            Answer::Pass { set_headers, remove_headers, .. } => Self {
                verdict,
                reason,
                status: 0,
                form: "pass",
                sets: set_headers,
                removes: remove_headers,
                arrives: Some(arrives(&enforcement)),
                reply: Value::Null,
            },
            Answer::Reply { reply, .. } => Self {
                verdict,
                reason,
                status: reply.status,
                form: form(&reply),
                sets: Vec::new(),
                removes: Vec::new(),
                arrives: None,
                reply: serde_json::from_slice(&reply.body).unwrap_or(Value::Null),
            },
        }
    }
}

/// The answer that a CheckResponse stands for, taken apart as Envoy does: code 0 passes, everything else is denied.
pub(crate) fn answer_of(response: CheckResponse) -> Answer {
    let metadata = response.dynamic_metadata.unwrap();
    let text = |name: &str| match &metadata.fields[name].kind {
        Some(Kind::StringValue(text)) => text.clone(),
        _ => panic!("{name} is not text"),
    };
    let enforcement = Enforcement::parse(&text("enforcement")).unwrap();
    assert_eq!(text("verdict"), enforcement.verdict.as_str());
    assert_eq!(text("reason"), enforcement.reason);
    assert_eq!(text("decision_id"), enforcement.decision_id);
    match (response.status.unwrap().code, response.http_response.unwrap()) {
        (0, HttpResponse::OkResponse(ok)) => {
            let pair = |option: envoy_types::ext_authz::v3::pb::HeaderValueOption| {
                let header = option.header.unwrap();
                (header.key, header.value)
            };
            Answer::Pass {
                set_headers: ok.headers.into_iter().map(pair).collect(),
                remove_headers: ok.headers_to_remove,
                enforcement,
            }
        }
        (7, HttpResponse::DeniedResponse(denied)) => {
            let headers = denied.headers.into_iter().map(|option| {
                let header = option.header.unwrap();
                (header.key, header.value)
            });
            let (content, headers): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| name == "content-type");
            let json = content.first().map(|(_, value)| {
                assert_eq!(value, "application/json");
                "application/json"
            });
            Answer::Reply {
                reply: Reply {
                    status: u16::try_from(denied.status.unwrap().code).unwrap(),
                    content_type: json,
                    headers,
                    body: denied.body.into_bytes(),
                },
                enforcement,
            }
        }
        (code, arm) => panic!("code {code} with {arm:?}"),
    }
}

fn form(reply: &Reply) -> &'static str {
    let header = |name: &str| reply.headers.iter().any(|(found, _)| found == name);
    match reply.status {
        401 if header("www-authenticate") => return "challenge",
        405 if header("allow") => return "not_allowed",
        202 if reply.body.is_empty() => return "accepted",
        _ if reply.body.is_empty() => return "none",
        _ => {}
    }
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else { return "not json" };
    if body.is_array() {
        return "batch";
    }
    if body.get("resource").is_some() {
        return "document";
    }
    if let Some(code) = body.pointer("/error/code").and_then(Value::as_i64) {
        return match code {
            code::DENIED => "rpc_error",
            code::APPROVAL_REQUIRED => "approval_required",
            code::URL_ELICITATION_REQUIRED => "url_elicitation",
            _ => "refusal",
        };
    }
    match &body["result"] {
        result if result["isError"] == true => "tool_error",
        result if result["resultType"] == "input_required" => "input_required",
        Value::Object(members) if members.values().any(|value| *value == Value::Array(Vec::new())) => {
            "empty_list"
        }
        Value::Object(members) if members.keys().all(|name| name == "resultType") => "empty_result",
        _ => "unknown",
    }
}
