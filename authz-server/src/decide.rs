//! The decision: a fixed order of stages, from a request to an answer.
//!
//! ```text
//! body whole? → metadata document? → server → read → identity → content → registry → policy → pins → approval →
//! obligations → totals → record
//! ```
//!
//! Every stage can only end the way with a refusal or hand on to the next. After the identity stage a call that is not
//! intercepted runs to its record without an await, so a caller that goes away cannot cut it in half; only a large message
//! may have to wait for its turn before it is judged, a call of an unknown tool for the report of the list that it is
//! on, and one that adds to totals for their file. The verdict leaves when its record is committed, not before ([`answer`]).

mod answer;
mod content;
mod headers;
mod judging;
mod panics;
mod pass;
mod pins;
mod stages;
mod totals;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use interdict_audit::record::Stage;
use interdict_mcp::reply::Reply;
use interdict_policy::{Bundle, DenyForm, EvalLimits};
use interdict_proto::enforcement::{Obligation, Verdict};

#[cfg(test)]
pub(crate) use self::answer::tests as answer_tests;
use self::panics::caught;
pub(crate) use self::stages::{Call, Judged};
pub(crate) use self::turns::{Overloaded, Turns};
use crate::bundle::Freshness;
use crate::clock::Clock;
use crate::content::ContentStage;
use crate::content::pins::Pins;
use crate::facts::client_capabilities::ClientCapabilities;
use crate::facts::effects;
use crate::identity::Authenticator;
use crate::intercept::Approvals;
use crate::intercept::request_state::SealError;
use crate::record::{Recording, Trace};
use crate::reply::{self, Denial};
use crate::request::{Answer, Request, Undecodable};
use crate::store::ApprovalStore;
use crate::telemetry::metrics::Metrics;
use crate::totals::Totals;
use crate::upstream_credential::UpstreamCredentials;

/// Everything that a decision draws on.
#[derive(Clone)]
pub struct Parts {
    /// The bundle in force; swapping it is all that a reload needs.
    pub bundle: Arc<ArcSwap<Bundle>>,
    /// Authenticates callers.
    pub identity: Arc<Authenticator>,
    /// Our credentials for MCP servers.
    pub upstream: Arc<UpstreamCredentials>,
    /// Questions for people, and their answers.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// Whether the bundle in force is still young enough.
    pub freshness: Freshness,
    /// Approved definitions of tools, prompts and resources.
    pub pins: Arc<dyn Pins>,
    /// What adds up over calls.
    pub totals: Totals,
    /// Where decisions are recorded; `None`: they leave no evidence.
    pub recording: Option<Arc<Recording>>,
    /// What the operator configured.
    pub settings: Settings,
}

/// What the operator configured for decisions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of a message; how numbers are read is each server's own setting.
    pub limits: interdict_mcp::Limits,
    /// Limits of one evaluation.
    pub evaluation: EvalLimits,
    /// How long an intercepted call may wait for its approval (0 to 25 s).
    pub hold: Duration,
    /// How long an approval can be given and used.
    pub approval_ttl: Duration,
    /// The page where a person approves, with `{id}` for the approval's id.
    pub page_url: Option<String>,
    /// Seals `requestState`.
    pub request_state_key: [u8; 32],
}

/// Decides requests. One per server, shared by all doors.
pub struct Decider {
    parts: Parts,
    approvals: Approvals,
    capabilities: ClientCapabilities,
    content: Arc<ContentStage>,
    turns: Arc<Turns>,
}

/// A request that goes on to the server.
#[derive(Debug, Default)]
struct Pass {
    set_headers: Vec<(String, String)>,
    remove_headers: Vec<String>,
    obligations: Vec<Obligation>,
    reason: String,
}

/// The end of the way for a request.
#[derive(Debug)]
struct Stop {
    verdict: Verdict,
    code: String,
    reply: Reply,
}

impl std::fmt::Debug for Decider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decider").field("settings.hold", &self.parts.settings.hold).finish_non_exhaustive()
    }
}

impl Decider {
    /// A decider over these parts.
    ///
    /// # Errors
    /// When the cryptographic library refuses the key for `requestState`.
    pub fn new(parts: Parts) -> Result<Self, SealError> {
        let turns = Arc::new(Turns::default());
        let approvals = Approvals::new(&parts)?;
        let content =
            ContentStage::new(&parts.settings.request_state_key, Arc::clone(&parts.pins), &parts.metrics)?;
        let (capabilities, content) = (ClientCapabilities::default(), Arc::new(content));
        Ok(Self { parts, approvals, capabilities, content, turns })
    }

    /// What looks into content; reports of responses go to it.
    pub fn content(&self) -> &Arc<ContentStage> {
        &self.content
    }

    /// Decides one request and records the decision. Never fails: whatever goes wrong is a Deny.
    pub async fn decide(&self, request: Request) -> Answer {
        let mut trace = Trace::of(&request, self.parts.recording.as_ref(), &self.parts.metrics);
        let outcome = caught(self.stages(&request, &mut trace)).await;
        let outcome = outcome.unwrap_or_else(|_panic| {
            trace.at(Stage::Internal);
            let denial = Denial {
                code: "internal.panic",
                text: "The decision failed.",
                decision_id: trace.id(),
                known_agent: false,
                tool_form: DenyForm::RpcError,
            };
            // Which message it was is asked again without the stages, so that the client gets its id back.
            let reply = self.reply_blind(&request, &denial, reply::denied);
            Err(Stop { verdict: Verdict::Deny, code: denial.code.to_owned(), reply })
        });
        self.answer(Some(&request), outcome, &mut trace).await
    }

    /// Answers a request that a door could not decode.
    pub async fn refuse(&self, undecodable: &Undecodable) -> Answer {
        let mut trace = Trace::blank(self.parts.recording.as_ref(), &self.parts.metrics);
        let denial = Denial {
            code: undecodable.code,
            text: undecodable.message,
            decision_id: trace.id(),
            known_agent: false,
            tool_form: DenyForm::RpcError,
        };
        let reply = reply::unreadable(500, interdict_mcp::reply::code::UNAVAILABLE, &denial);
        let stop = Stop { verdict: Verdict::Deny, code: undecodable.code.to_owned(), reply };
        self.answer(None, Err(stop), &mut trace).await
    }

    /// The order of the stages.
    async fn stages(&self, request: &Request, trace: &mut Trace) -> Result<Pass, Stop> {
        let body = stages::whole_body(request, trace)?;
        let bundle = self.parts.bundle.load_full();
        trace.at(Stage::Metadata);
        self.metadata_document(request, &bundle, trace)?;
        trace.at(Stage::Read);
        let server = stages::server_of(request, bundle.registry());
        if let Some(server) = server {
            trace.note_server(server);
        }
        let reading = self.read(request, body, server, trace)?;
        trace.at(Stage::Server);
        let server = stages::known(server, &reading, trace)?;
        trace.evidence.consequential = effects::is_consequential(&reading, server, &bundle);
        trace.evidence.stream = effects::is_stream(&reading);
        trace.at(Stage::Identity);
        let identity = self.identify(request, &reading, server, &bundle, trace).await?;
        trace.at(Stage::Content);
        let content = self.look(request, &reading, server, &identity, &bundle, trace).await?;
        let sent = self.sent(request, &reading, &content, server, trace)?;
        let masked = self.masked(request, &reading, &content, server, trace)?;
        trace.at(Stage::Policy);
        let call = Call {
            request,
            reading: masked.as_ref().unwrap_or(&reading),
            original: &reading,
            sent: sent.as_ref().unwrap_or(&reading),
            content: &content,
            stage: &self.content,
            server_id: &server.id,
            identity: &identity,
        };
        let judged = self.judge_in_turn(&call, &bundle, trace).await?;
        let judged = self.fresh(&call, judged, trace)?;
        let judged = self.pinned(&call, judged, trace).await?;
        let pass = self.settle(&call, judged, trace).await?;
        trace.at(Stage::Record);
        Ok(pass)
    }
}
