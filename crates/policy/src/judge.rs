//! The whole judgement: what the registry refuses, and then what the policy says.
//!
//! The server's live path and replay both come through here, so a replayed decision is made by the code that made it.

use interdict_proto::enforcement::EnforcerKind;

use crate::facts::Moment;
use crate::{
    Agent, AgentFact, ApprovalFact, Bundle, Consume, Decision, EnforcerFact, Evaluator, FactsRef, Input,
    Registry, Server, ServerEnforcement, outcome,
};

/// A decision, and what the registry made of the facts on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The decision.
    pub decision: Decision,
    /// Who really carries the decision out: the operator may know more than a bare ext_authz call says.
    pub enforcer: EnforcerKind,
    /// What the call adds to counters once it is let through; nothing with a Deny.
    pub consumes: Vec<Consume>,
}

/// What the registry says to the facts.
enum Found<'b> {
    Both(&'b Server, &'b Agent),
    Refused(&'static str, &'static str),
}

impl Evaluator {
    /// Judges. A pure function of bundle and facts; it never fails: whatever goes wrong is a Deny with its code.
    pub fn judge(&mut self, facts: &FactsRef<'_>) -> Judgement {
        let bundle = self.bundle().clone();
        let registry = bundle.registry();
        let enforcer = enforcer(facts, registry);
        let (decision, consumes) = match found(facts, registry) {
            Found::Refused(code, text) => (outcome::failure(code, text), Vec::new()),
            Found::Both(server, agent) => self.conclude(&input(facts, &bundle, server, agent, enforcer)),
        };
        Judgement { decision, enforcer, consumes }
    }

    /// The input document that the policy judges for these facts; none when the registry refuses them.
    ///
    /// # Errors
    /// The `policy.*` code of a value that no document can hold.
    pub fn document(&self, facts: &FactsRef<'_>) -> Result<Option<String>, &'static str> {
        let bundle = self.bundle();
        let registry = bundle.registry();
        match found(facts, registry) {
            Found::Refused(..) => Ok(None),
            Found::Both(server, agent) => {
                input(facts, bundle, server, agent, enforcer(facts, registry)).to_json().map(Some)
            }
        }
    }
}

/// A bare ext_authz call cannot say who stands behind it; the operator can.
fn enforcer(facts: &FactsRef<'_>, registry: &Registry) -> EnforcerKind {
    let enforcement = registry.server(facts.server_id).map(|server| server.enforcement);
    match (facts.enforcer, enforcement) {
        (EnforcerKind::Native, Some(ServerEnforcement::Split)) => EnforcerKind::Split,
        (kind, _) => kind,
    }
}

fn found<'b>(facts: &FactsRef<'_>, registry: &'b Registry) -> Found<'b> {
    let Some(server) = registry.server(facts.server_id) else {
        return Found::Refused("registry.unknown_server", "There is no such server here.");
    };
    // An identity can end while a call is held.
    if facts.identity_expires.is_some_and(|end| end <= facts.time) {
        return Found::Refused("identity.token_expired", "The caller's identity has expired.");
    }
    let Some(agent) = registry.agent(facts.agent_id) else {
        return Found::Refused("registry.unknown_agent", "The agent is not registered here.");
    };
    if agent.tenant != server.tenant {
        return Found::Refused("registry.tenant_mismatch", "Agent and server belong to different tenants.");
    }
    if !agent.servers.contains(&server.id) {
        return Found::Refused("registry.agent_not_allowed", "The agent may not use this server.");
    }
    Found::Both(server, agent)
}

fn input<'a>(
    facts: &FactsRef<'a>,
    bundle: &'a Bundle,
    server: &'a Server,
    agent: &'a Agent,
    enforcer: EnforcerKind,
) -> Input<'a> {
    Input {
        time: facts.time.timestamp(),
        enforcer: EnforcerFact { kind: enforcer.as_str(), version: facts.enforcer_version },
        agent: AgentFact { agent, assurance: facts.assurance, instance: facts.instance },
        principal: facts.principal.cloned(),
        server,
        http: facts.http,
        mcp: facts.mcp.clone(),
        // What the facts do not keep must not reach the policy.
        approval: facts.approval.map(|approval| ApprovalFact {
            approved_at: Moment::from(approval.approved_at).timestamp(),
            ..approval.clone()
        }),
        contract: facts.mcp.tool.and_then(|tool| bundle.contract(&server.id, tool)),
        content: facts.content,
        totals: facts.totals,
    }
}
