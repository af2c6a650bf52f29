//! The bodies of everything that is not a decision.

use serde::{Deserialize, Serialize};

use super::labels::{
    ApprovalEvent, BundleEvent, Defined, Durability, Ended, HealthEvent, KeyEvent, Kind, LiftEvent, PinEvent,
    Rpc, Treated,
};
use super::{Body, Count, Found, Moment, Principal, RpcCode, Text};

/// What became of an allowed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome<'a> {
    /// Bytes of the response's body.
    pub bytes: Count,
    /// The decision that allowed it.
    pub decision_id: Text<'a>,
    /// From the decision to the end, in microseconds.
    pub duration_us: Count,
    /// How the exchange ended.
    pub ended: Ended,
    /// What was found in the response; absent where nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "some")]
    pub found: Vec<Found<'a>>,
    /// The gRPC status, where the exchange was gRPC.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Count>,
    /// The HTTP status, if there was one.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Whether it came after its absence had been recorded.
    pub late: bool,
    /// Rows that were cut off; absent where none were.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub rows_cut: Option<Count>,
    /// What the JSON-RPC response was.
    pub rpc: Rpc,
    /// The code of a JSON-RPC error.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub rpc_code: Option<RpcCode>,
    /// What happened to the response; absent where it was not looked into.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub treated: Option<Treated>,
    /// Reason code of a response that was refused or quarantined.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub treated_reason: Option<Text<'a>>,
}

/// Reads a list that is there: an empty one would be a second spelling of its absence.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Found<'static>>, D::Error> {
    let found = Vec::<Found<'static>>::deserialize(deserializer)?;
    if found.is_empty() {
        return Err(serde::de::Error::custom("a list of findings is not empty"));
    }
    Ok(found)
}

/// Nobody said in time what became of an allowed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeMissing<'a> {
    /// How long was waited.
    pub deadline_seconds: Count,
    /// The decision that allowed it.
    pub decision_id: Text<'a>,
}

/// A question for a person moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval<'a> {
    /// Registry id of the agent.
    pub agent: Text<'a>,
    /// Id of the question.
    pub approval_id: Text<'a>,
    /// Digest of everything that it is about.
    pub binding: Text<'a>,
    /// The person or service that moved it; absent where time or the agent did.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub by: Option<Text<'a>>,
    /// What happened.
    pub event: ApprovalEvent,
    /// The MCP method.
    pub method: Text<'a>,
    /// Commitment to the note that a person left.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub note_commit: Option<Text<'a>>,
    /// Registry id of the server.
    pub server: Text<'a>,
    /// The tool of a `tools/call`.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub tool: Option<Text<'a>>,
}

/// A policy bundle was loaded, refused, put back, or got too old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle<'a> {
    /// Stable code of what is wrong with it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// Its digest, if it got that far.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub digest: Option<Text<'a>>,
    /// What happened.
    pub event: BundleEvent,
    /// What is wrong with it, in words.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub message: Option<Text<'a>>,
    /// Digest of the bundle that was in force before.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub previous: Option<Text<'a>>,
    /// The revision that its manifest names.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub revision: Option<Text<'a>>,
    /// The growing number that its manifest names.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Count>,
    /// Id of the key that signed it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<Text<'a>>,
    /// Where it came from.
    pub source: Text<'a>,
}

/// A definition of a server was seen, approved, revoked, or is not as it was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin<'a> {
    /// Who approved or revoked it; absent where nobody did anything.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub by: Option<Text<'a>>,
    /// Digest of the definition that it is about.
    pub digest: Text<'a>,
    /// What happened.
    pub event: PinEvent,
    /// What stood behind the server then, where the registry says so: for an approval and for `stale`.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub image: Option<Text<'a>>,
    /// What it defines.
    pub kind: Defined,
    /// Name, URI or template; empty for instructions.
    pub name: Text<'a>,
    /// Digest of the definition that was approved until then, if it is another one.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub previous: Option<Text<'a>>,
    /// Registry id of the server.
    pub server: Text<'a>,
}

/// A person lifted what held an agent back: a total over calls, or a label of its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift<'a> {
    /// Registry id of the agent.
    pub agent: Text<'a>,
    /// Who did it.
    pub by: Text<'a>,
    /// Of a total: the keyed hash that stands for it, and for its payee where there is one for each.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub counter: Option<Text<'a>>,
    /// What happened.
    pub event: LiftEvent,
    /// The label.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub label: Option<Text<'a>>,
    /// The person for whom the agent acts.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal<'a>>,
    /// Registry id of the server: of a total; of a label, the one whose response gave it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub server: Option<Text<'a>>,
    /// Of a total: what it stood at.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub stood: Option<Count>,
    /// Of a total: the tool.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub tool: Option<Text<'a>>,
    /// Of a total: what it counts.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub total: Option<Text<'a>>,
    /// Why, in the words of whoever did it.
    pub why: Text<'a>,
    /// Of a total: its window, as the contract says it.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub window: Option<Text<'a>>,
}

/// A key appeared, changed or was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key<'a> {
    /// The day whose inputs are gone, `2026-11-21`.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub day: Option<Text<'a>>,
    /// What happened.
    pub event: KeyEvent,
    /// The verifier key from now on, `name+hash+key`.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub key: Option<Text<'a>>,
    /// The verifier key until now.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub previous: Option<Text<'a>>,
}

/// A server began to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start<'a> {
    /// Build of the server.
    pub build: Text<'a>,
    /// Digest of its configuration.
    pub config_digest: Text<'a>,
    /// When its entries are safe from a loss of power.
    pub durability: Durability,
    /// Name and version of the policy engine.
    pub engine: Text<'a>,
    /// Which of our servers.
    pub replica: Text<'a>,
}

/// A server stopped writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop<'a> {
    /// Whether everything that it took was written.
    pub clean: bool,
    /// Which of our servers.
    pub replica: Text<'a>,
}

/// A decision, computed again from its sealed input, came out different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayDifference<'a> {
    /// The decision.
    pub decision_id: Text<'a>,
    /// What the record says: commitment to the decision.
    pub recorded: Text<'a>,
    /// What came out: commitment with the same salt, or a stable code where nothing came out.
    pub replayed: Text<'a>,
}

/// Something happened that could not be recorded at its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap<'a> {
    /// How many entries are not here.
    pub count: Count,
    /// When the first of them would have been written.
    pub from: Moment,
    /// Stable code of what was in the way.
    pub reason: Text<'a>,
    /// When the last of them would have been written.
    pub to: Moment,
}

/// The log stopped or went on. Of a stop there is an entry only where it could still be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health<'a> {
    /// Stable code of what was in the way.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// What happened.
    pub event: HealthEvent,
    /// How long it was down.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Count>,
}

macro_rules! bodies {
    ($($body:ident)*) => {
        $(impl Body for $body<'_> {
            const KIND: Kind = Kind::$body;
        })*
    };
}

bodies! { Outcome OutcomeMissing Approval Bundle Pin Lift Key Start Stop ReplayDifference Gap Health }
