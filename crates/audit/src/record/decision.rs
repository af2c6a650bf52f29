//! The body of a decision: what was asked, by whom, what was said to it, and by which policy.

use serde::{Deserialize, Serialize};

use super::labels::{ActionKind, EnforcerKind, Kind, ReasonKind, Stage, Verdict};
use super::{Body, Count, Moment, Text};

/// A request was decided. Written before the answer leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision<'a> {
    /// What the request would do.
    pub action: Action<'a>,
    /// Who asked, once that was clear.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent<'a>>,
    /// The approval that was asked for or used.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub approval: Option<UsedApproval<'a>>,
    /// Bytes of the body as it arrived.
    pub body_bytes: Count,
    /// What was found in the messages, and what the session was; absent where nothing was.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub content: Option<Content<'a>>,
    /// UUID version 7, made before the first stage.
    pub decision_id: Text<'a>,
    /// Who carried the decision out.
    pub enforcer: Enforcer<'a>,
    /// Whether an outcome has to follow; if none does, an `outcome_missing` does.
    pub expects_outcome: bool,
    /// Commitment to the sealed facts that were judged; absent where nothing was judged.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub input_commit: Option<Text<'a>>,
    /// One per judged message, in the order of the messages; empty for a request that was refused before the policy.
    pub judgements: Vec<Judgement<'a>>,
    /// Time in the stages, in microseconds.
    pub latency_us: Latency,
    /// The policy that judged.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy<'a>>,
    /// On whose behalf the agent acted.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal<'a>>,
    /// The reason code that decided.
    pub reason: Text<'a>,
    /// Codes of all reasons, the deciding one first.
    pub reasons: Vec<Text<'a>>,
    /// The decision that this one repeats, where an enforcement point asked twice about one request.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub repeat_of: Option<Text<'a>>,
    /// Which of our servers decided.
    pub replica: Text<'a>,
    /// The request as the enforcement point named it.
    pub request: Request<'a>,
    /// Where the way of the request ended.
    pub stage: Stage,
    /// What was decided.
    pub verdict: Verdict,
}

impl Body for Decision<'_> {
    const KIND: Kind = Kind::Decision;
}

/// What a request would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action<'a> {
    /// The arguments, as a commitment or in full.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub args: Option<Args<'a>>,
    /// Digest of the action, where one was computed.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub digest: Option<Text<'a>>,
    /// Label of the protocol revision.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub era: Option<Text<'a>>,
    /// What it was in terms of MCP; absent where it was not read.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ActionKind>,
    /// The JSON-RPC method.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// The HTTP path as it was asked for, without its query: clients put secrets there. The sealed facts have all of it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<'a>>,
    /// Registry id of the server.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub server: Option<Text<'a>>,
    /// The tool, prompt or resource.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub target: Option<Text<'a>>,
}

/// The arguments of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args<'a> {
    /// Commitment to their text as it was judged.
    pub commit: Text<'a>,
    /// Their canonical text, where the operator asked for it and it is short.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub shown: Option<Text<'a>>,
}

/// What was found in the messages of a request: classes and counts, never a value and never its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content<'a> {
    /// What was found.
    pub classes: Vec<Found<'a>>,
    /// Labels of the session, as `hostile`, in order.
    pub labels: Vec<Text<'a>>,
    /// How many places of the body were replaced before the message went on.
    pub redacted: Count,
}

/// Values of one class to which the same was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found<'a> {
    /// What the profile says to do.
    pub action: Text<'a>,
    /// Their class.
    pub class: Text<'a>,
    /// How many.
    pub count: Count,
}

/// The agent, as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent<'a> {
    /// How well it proved who it is: 1 by one credential, 2 by a token and a certificate of the same agent.
    pub assurance: u8,
    /// Its id.
    pub id: Text<'a>,
    /// The instance, when its credential names one.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub instance: Option<Text<'a>>,
    /// Who answers for it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text<'a>>,
}

/// The approval of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsedApproval<'a> {
    /// When it was given.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Who gave it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub by: Option<Text<'a>>,
    /// Its id.
    pub id: Text<'a>,
}

/// The enforcement point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforcer<'a> {
    /// Which of the three ways of enforcing.
    pub kind: EnforcerKind,
    /// Its name of the route.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub route: Option<Text<'a>>,
    /// Version of our filter.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub version: Option<Text<'a>>,
}

/// What the policy said to one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement<'a> {
    /// Digest of the bundle that judged.
    pub bundle: Text<'a>,
    /// Commitment to the decision's canonical text, which the sealed input holds.
    pub decision_commit: Text<'a>,
    /// Names of what the enforcement point had to do.
    pub obligations: Vec<Text<'a>>,
    /// Why.
    pub reasons: Vec<Reason<'a>>,
    /// What was said.
    pub verdict: Verdict,
}

/// One reason of a judgement, without its text: the bundle has that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason<'a> {
    /// Stable code.
    pub code: Text<'a>,
    /// The set that it comes from.
    pub kind: ReasonKind,
    /// The topic of the policy; empty for a failure outside of any topic.
    pub topic: Text<'a>,
}

/// Time in the stages, in microseconds; zero for a stage that did not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The approval store and the hold.
    pub approval: Count,
    /// Tokens and certificates.
    pub identity: Count,
    /// Registry and policy.
    pub policy: Count,
    /// Strict reading of the message.
    pub read: Count,
    /// Everything up to the making of this record.
    pub total: Count,
}

/// The policy that judged, and what ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy<'a> {
    /// Build of our server.
    pub build: Text<'a>,
    /// Digest of the bundle.
    pub bundle: Text<'a>,
    /// Name and version of the policy engine.
    pub engine: Text<'a>,
}

/// On whose behalf an agent acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal<'a> {
    /// Subject at the issuer.
    pub id: Text<'a>,
    /// The issuer that vouches for it.
    pub issuer: Text<'a>,
}

/// The request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request<'a> {
    /// The enforcement point's own id of it.
    pub id: Text<'a>,
    /// Address of the peer as the enforcement point saw it.
    pub source_address: Text<'a>,
}
