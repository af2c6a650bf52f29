//! The typed input of a decision. `docs/policy-input.md` describes the document that Rego sees.

mod content;
mod document;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub(crate) use self::document::{Documents, InputError, value_from};
use crate::registry::{Agent, Server};
use crate::{ContentFact, Contract, TotalFact};

/// Everything that a decision looks at. Borrowed: building it copies nothing.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// The decision's time; policies never read a clock.
    pub time: jiff::Timestamp,
    /// Who asks and will carry the decision out.
    pub enforcer: EnforcerFact<'a>,
    /// The authenticated agent.
    pub agent: AgentFact<'a>,
    /// The person or service on whose behalf the agent acts, when its credential names one.
    pub principal: Option<Principal>,
    /// The MCP server that the request is for.
    pub server: &'a Server,
    /// The HTTP request around the message.
    pub http: HttpFact<'a>,
    /// The message.
    pub mcp: McpFact<'a>,
    /// The approval that this very action was granted, on resume. It satisfies the intercept reasons that it covers
    /// and no others; it never weakens a Deny.
    pub approval: Option<ApprovalFact>,
    /// The contract of the tool that is called, when the bundle has one.
    pub contract: Option<&'a Contract>,
    /// What was found in the arguments, and what the session is.
    pub content: Option<&'a ContentFact>,
    /// What the counters that this call adds to said before it.
    pub totals: &'a [TotalFact],
}

/// The enforcement point.
#[derive(Debug, Clone, Copy)]
pub struct EnforcerFact<'a> {
    /// `native`, `split` or `call`.
    pub kind: &'a str,
    /// Version of the filter; empty for a native enforcer.
    pub version: &'a str,
}

/// The agent as the registry knows it, and how surely it was recognised.
#[derive(Debug, Clone, Copy)]
pub struct AgentFact<'a> {
    /// The registry's row.
    pub agent: &'a Agent,
    /// How well the agent proved who it is: 1 a token, or a verified certificate alone; 2 both, of the same agent.
    pub assurance: u8,
    /// The instance of the agent class, when its credential names one.
    pub instance: Option<&'a str>,
}

/// On whose behalf an agent acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Subject at the issuer.
    pub id: String,
    /// The issuer that vouches for it.
    pub issuer: String,
}

/// The HTTP request around the message.
#[derive(Debug, Clone, Copy)]
pub struct HttpFact<'a> {
    /// `POST`, `GET` or `DELETE`.
    pub method: &'a str,
    /// Path as sent, query included.
    pub path: &'a str,
    /// Authority as sent.
    pub host: &'a str,
    /// Peer address as Envoy saw it (`ip:port` or empty).
    pub source_address: &'a str,
}

/// What the request is in terms of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A JSON-RPC request.
    Request,
    /// A JSON-RPC notification.
    Notification,
    /// A JSON-RPC response of the client.
    Response,
    /// GET: the server's stream.
    OpenStream,
    /// DELETE: the end of a session.
    EndSession,
}

impl MessageKind {
    /// The word in the input document.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Notification => "notification",
            Self::Response => "response",
            Self::OpenStream => "open_stream",
            Self::EndSession => "end_session",
        }
    }
}

/// The MCP message.
#[derive(Debug, Clone)]
pub struct McpFact<'a> {
    /// Label of the protocol revision, as `2025-06-18`.
    pub era: &'a str,
    /// What it is.
    pub kind: MessageKind,
    /// JSON-RPC method; `None` for a response, an opened stream and an ended session.
    pub method: Option<&'a str>,
    /// Tool of `tools/call`.
    pub tool: Option<&'a str>,
    /// Name of `prompts/get`.
    pub name: Option<&'a str>,
    /// URI of `resources/read|subscribe|unsubscribe`.
    pub uri: Option<&'a str>,
    /// Every URI that the message names: `uri`, and the resources of `subscriptions/listen`. Empty: absent.
    pub uris: &'a [Cow<'a, str>],
    /// Every task that the message names: that of `tasks/*`, and those of `subscriptions/listen`. Empty: absent.
    pub task_ids: &'a [Cow<'a, str>],
    /// Arguments of `tools/call` or `prompts/get`.
    pub arguments: Option<Arguments<'a>>,
}

/// Arguments, borrowed from wherever they were read.
#[derive(Debug, Clone, Copy)]
pub enum Arguments<'a> {
    /// The value inside of the body that was judged; nothing is copied before the document is built.
    Body(interdict_mcp::json::Value<'a>),
    /// A parsed document, for tests.
    Json(&'a serde_json::Value),
}

impl<'a> From<interdict_mcp::json::Value<'a>> for Arguments<'a> {
    fn from(value: interdict_mcp::json::Value<'a>) -> Self {
        Self::Body(value)
    }
}

impl<'a> From<&'a serde_json::Value> for Arguments<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        Self::Json(value)
    }
}

impl Input<'_> {
    /// The document that Rego sees as `input`, as JSON text. It holds the arguments: never log it.
    ///
    /// # Errors
    /// The `policy.*` code of a value that cannot be represented; the decision for this input is a Deny with it.
    pub fn to_json(&self) -> Result<String, &'static str> {
        let document = Documents::default().build(self).map_err(InputError::code)?;
        let mut text = String::new();
        document::write(&document, &mut text);
        Ok(text)
    }
}

/// An approval of this very action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalFact {
    /// Id of the approval.
    pub id: String,
    /// Who approved.
    pub approved_by: String,
    /// When.
    pub approved_at: jiff::Timestamp,
    /// Codes of the reasons that the approver saw (`policy.…`). An intercept reason outside of this list still
    /// intercepts.
    pub covers: Vec<String>,
}
