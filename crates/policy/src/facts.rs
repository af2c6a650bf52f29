//! Everything that a judgement looks at beside the bundle, as values that can be kept and read back.
//!
//! [`FactsRef`] borrows from the request that is being judged; [`Facts`] is read from what was kept. Both have the same
//! JSON text, byte for byte, and lead to the same decision. The arguments stand in it exactly as they stood in the
//! body, because a number or an escape that was written differently may be judged differently.

use std::borrow::Cow;
use std::fmt;

use interdict_mcp::json;
use interdict_proto::enforcement::EnforcerKind;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{ApprovalFact, Arguments, ContentFact, HttpFact, McpFact, MessageKind, Principal, TotalFact};

/// A point in time in whole milliseconds: all that facts, and so decisions, know of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Moment(Timestamp);

impl Moment {
    /// As a timestamp without a part of a millisecond.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Moment {
    /// Drops what is less than a millisecond.
    fn from(time: Timestamp) -> Self {
        // The millisecond of a timestamp is in its range.
        Self(Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time))
    }
}

impl TryFrom<i64> for Moment {
    type Error = jiff::Error;

    fn try_from(milliseconds: i64) -> Result<Self, Self::Error> {
        Timestamp::from_millisecond(milliseconds).map(Self)
    }
}

impl From<Moment> for i64 {
    fn from(moment: Moment) -> Self {
        moment.0.as_millisecond()
    }
}

/// The facts of a judgement, borrowed from the request.
#[derive(Debug, Clone)]
pub struct FactsRef<'a> {
    /// When it is judged.
    pub time: Moment,
    /// Who asks, as the enforcement point says it; the registry may know better.
    pub enforcer: EnforcerKind,
    /// Version of the filter; empty for a native enforcer.
    pub enforcer_version: &'a str,
    /// The authenticated agent.
    pub agent_id: &'a str,
    /// How well the agent proved who it is.
    pub assurance: u8,
    /// The instance of the agent class.
    pub instance: Option<&'a str>,
    /// On whose behalf the agent acts.
    pub principal: Option<&'a Principal>,
    /// When the identity ends.
    pub identity_expires: Option<Moment>,
    /// The server that the request is for.
    pub server_id: &'a str,
    /// The HTTP request around the message.
    pub http: HttpFact<'a>,
    /// The message.
    pub mcp: McpFact<'a>,
    /// The approval that this very action was granted.
    pub approval: Option<&'a ApprovalFact>,
    /// What was found in the arguments; `None` where nothing was looked for and the session has no label.
    pub content: Option<&'a ContentFact>,
    /// What the counters that this call adds to said before it.
    pub totals: &'a [TotalFact],
}

/// The facts of a judgement, read back. The order of the members is the order in the JSON text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// When it was judged.
    pub time_ms: Moment,
    /// Who asked.
    pub enforcer: Enforcer,
    /// The authenticated agent.
    pub agent_id: String,
    /// How well the agent proved who it is.
    pub assurance: u8,
    /// The instance of the agent class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// On whose behalf the agent acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// When the identity ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_expires_ms: Option<Moment>,
    /// The server that the request was for.
    pub server_id: String,
    /// The approval that this very action had been granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What was found in the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentFact>,
    /// What the counters that the call adds to said before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<TotalFact>,
    /// The HTTP request around the message.
    pub http: Http,
    /// The message.
    pub mcp: Mcp,
}

/// The enforcement point, as it presented itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforcer {
    /// `native`, `split` or `call`.
    pub kind: EnforcerKind,
    /// Version of the filter.
    pub version: String,
}

/// The approval of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Id of the approval.
    pub id: String,
    /// Who approved.
    pub approved_by: String,
    /// When.
    pub approved_at_ms: Moment,
    /// Codes of the reasons that the approver saw.
    pub covers: Vec<String>,
}

/// The HTTP request around the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `POST`, `GET` or `DELETE`.
    pub method: String,
    /// Path as sent, query included.
    pub path: String,
    /// Authority as sent.
    pub host: String,
    /// The peer as the enforcement point saw it.
    pub source_address: String,
}

/// The MCP message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mcp {
    /// Label of the protocol revision.
    pub era: String,
    /// What it was.
    pub kind: MessageKind,
    /// JSON-RPC method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Tool of `tools/call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Name of `prompts/get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// URI of `resources/read|subscribe|unsubscribe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Every URI that the message named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<Cow<'static, str>>,
    /// Every task that the message named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_ids: Vec<Cow<'static, str>>,
    /// The arguments as they stood in the body, byte for byte, or as they went on when something in them was redacted.
    /// Last, so that the live side can append them.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Box<RawValue>>,
}

/// Why facts cannot be used: whoever kept them, it was not this program, or they were changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsError {
    /// `facts.malformed` or `facts.arguments`.
    pub code: &'static str,
    /// What is wrong; it quotes no argument.
    pub message: String,
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for FactsError {}

impl Facts {
    /// Reads one facts object.
    ///
    /// # Errors
    /// `facts.malformed` for anything but the members above, each once.
    pub fn parse(text: &[u8]) -> Result<Self, FactsError> {
        serde_json::from_slice(text).map_err(|error| {
            // The error's text may quote a value.
            let message = format!("The facts are malformed at column {}.", error.column());
            FactsError { code: "facts.malformed", message }
        })
    }

    /// Hands the facts over in the form in which they are judged.
    ///
    /// # Errors
    /// `facts.arguments` when the arguments are not what the reader of messages lets through.
    pub fn with_ref<T>(&self, run: impl FnOnce(&FactsRef<'_>) -> T) -> Result<T, FactsError> {
        let arguments = self.mcp.arguments.as_deref().map(read_arguments).transpose()?;
        let approval = self.approval.as_ref().map(|approval| ApprovalFact {
            id: approval.id.clone(),
            approved_by: approval.approved_by.clone(),
            approved_at: approval.approved_at_ms.timestamp(),
            covers: approval.covers.clone(),
        });
        Ok(run(&FactsRef {
            time: self.time_ms,
            enforcer: self.enforcer.kind,
            enforcer_version: &self.enforcer.version,
            agent_id: &self.agent_id,
            assurance: self.assurance,
            instance: self.instance.as_deref(),
            principal: self.principal.as_ref(),
            identity_expires: self.identity_expires_ms,
            server_id: &self.server_id,
            http: HttpFact {
                method: &self.http.method,
                path: &self.http.path,
                host: &self.http.host,
                source_address: &self.http.source_address,
            },
            mcp: McpFact {
                era: &self.mcp.era,
                kind: self.mcp.kind,
                method: self.mcp.method.as_deref(),
                tool: self.mcp.tool.as_deref(),
                name: self.mcp.name.as_deref(),
                uri: self.mcp.uri.as_deref(),
                uris: &self.mcp.uris,
                task_ids: &self.mcp.task_ids,
                arguments: arguments.as_ref().map(|document| document.root().into()),
            },
            approval: approval.as_ref(),
            content: self.content.as_ref(),
            totals: &self.totals,
        }))
    }
}

/// Arguments that are `null` are not the same as none.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(value).map(Some)
}

/// Reads the arguments with the reader that read the body. The body's limits have let them through once; which numbers
/// a server takes was decided then, and a value is the same in either mode.
fn read_arguments(raw: &RawValue) -> Result<json::Document<'_>, FactsError> {
    let limits = json::Limits {
        max_bytes: usize::MAX,
        max_depth: usize::MAX,
        max_tokens: usize::MAX,
        numbers: json::Numbers::Exact,
    };
    json::Document::parse(raw.get().as_bytes(), &limits).map_err(|error| FactsError {
        code: "facts.arguments",
        message: format!("The arguments cannot be read: {error}."),
    })
}

/// The members of [`Facts`] with borrowed values, arguments left out.
#[derive(Serialize)]
struct Head<'a> {
    time_ms: Moment,
    enforcer: EnforcerHead<'a>,
    agent_id: &'a str,
    assurance: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a Principal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_expires_ms: Option<Moment>,
    server_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalHead<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a ContentFact>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    totals: &'a [TotalFact],
    http: HttpHead<'a>,
    mcp: McpHead<'a>,
}

#[derive(Serialize)]
struct EnforcerHead<'a> {
    kind: EnforcerKind,
    version: &'a str,
}

#[derive(Serialize)]
struct ApprovalHead<'a> {
    id: &'a str,
    approved_by: &'a str,
    approved_at_ms: Moment,
    covers: &'a [String],
}

#[derive(Serialize)]
struct HttpHead<'a> {
    method: &'a str,
    path: &'a str,
    host: &'a str,
    source_address: &'a str,
}

#[derive(Serialize)]
struct McpHead<'a> {
    era: &'a str,
    kind: MessageKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    uris: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    task_ids: &'a [Cow<'a, str>],
}

impl FactsRef<'_> {
    /// The JSON text of the facts; [`Facts::parse`] reads it. It holds the arguments: never log it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let arguments = self.mcp.arguments.map(|arguments| match arguments {
            Arguments::Body(value) => Cow::Borrowed(value.raw()),
            Arguments::Json(value) => Cow::Owned(value.to_string()),
        });
        let mut text = Vec::with_capacity(512 + arguments.as_ref().map_or(0, |raw| raw.len()));
        // Nothing in it can fail to be written into memory; were it so, the text would not be read back.
        let _ = serde_json::to_writer(&mut text, &self.head());
        if let Some(raw) = arguments {
            // Copied instead of parsed once more: the text ends with the braces of `mcp` and of the whole.
            text.truncate(text.len().saturating_sub(2));
            text.extend_from_slice(b",\"arguments\":");
            text.extend_from_slice(raw.as_bytes());
            text.extend_from_slice(b"}}");
        }
        text
    }

    fn head(&self) -> Head<'_> {
        let (http, mcp) = (&self.http, &self.mcp);
        Head {
            time_ms: self.time,
            enforcer: EnforcerHead { kind: self.enforcer, version: self.enforcer_version },
            agent_id: self.agent_id,
            assurance: self.assurance,
            instance: self.instance,
            principal: self.principal,
            identity_expires_ms: self.identity_expires,
            server_id: self.server_id,
            approval: self.approval.map(|approval| ApprovalHead {
                id: &approval.id,
                approved_by: &approval.approved_by,
                approved_at_ms: approval.approved_at.into(),
                covers: &approval.covers,
            }),
            content: self.content,
            totals: self.totals,
            http: HttpHead {
                method: http.method,
                path: http.path,
                host: http.host,
                source_address: http.source_address,
            },
            mcp: McpHead {
                era: mcp.era,
                kind: mcp.kind,
                method: mcp.method,
                tool: mcp.tool,
                name: mcp.name,
                uri: mcp.uri,
                uris: mcp.uris,
                task_ids: mcp.task_ids,
            },
        }
    }
}
