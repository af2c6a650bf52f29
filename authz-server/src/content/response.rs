//! What the enforcement point is to do with the response to a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use interdict_audit::hex;
use interdict_content::rules::{
    AnswerRules, ListRules, OutputRule, ResponseRules, RowRule, Undeclared, Unreadable,
};
use interdict_mcp::{Message, MessageKind, Method, Reading};
use interdict_policy::{Bundle, Contract, Direction, PolicyObligation, Server};
use interdict_proto::enforcement::{EnforcerKind, Obligation};

use super::pins::Origin;
use super::{Asked, ContentStage, Refused, Sent};

const RESUMPTION_REFUSED: Refused = Refused(
    "content.resumption_refused",
    "A stream of this server cannot be resumed: what holds for the answer to a call would be lost. Call again.",
);
const MIXED_BATCH: Refused = Refused(
    "content.mixed_batch",
    "Answers to the messages of this batch are looked through for different things; send them one by one.",
);
const NO_OUTPUT_SCHEMA: Refused = Refused(
    "content.no_output_schema",
    "Undeclared members of the answer are not to pass, and no approved schema says which are declared.",
);
const CANNOT_INSPECT: Refused = Refused(
    "enforcer.cannot_inspect_response",
    "The enforcement point cannot look into the response, and this one has to be looked into.",
);

/// An allowed request, with what its messages were allowed for.
#[derive(Clone, Copy)]
pub(crate) struct Answering<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) server: &'a Server,
    /// Who carries out, as the registry knows it.
    pub(crate) kind: EnforcerKind,
    /// What the policy demands, by message.
    pub(crate) obligations: &'a [Vec<PolicyObligation>],
    pub(crate) decision_id: &'a str,
}

impl ContentStage {
    /// What is to be done with the response; `None`: nothing.
    pub(crate) fn answer(&self, call: &Answering<'_>) -> Result<Option<Obligation>, Refused> {
        let bundle = call.asked.bundle;
        call.check_resumption()?;
        let lists = self.pins.list_rules(call.asked.tenant, &call.server.id);
        let lists = lists.map(|rules| match call.may_list() {
            true => call.granted(rules),
            false => none_of(rules),
        });
        let answers = self.answers(call)?;
        let profile = call.profile()?;
        let binds = |rules: &AnswerRules| *rules != AnswerRules::default();
        let bound = lists.is_some() || answers.values().any(binds);
        if profile.is_none() && !bound {
            return Ok(None);
        }
        let enforcer = &call.asked.request.enforcer;
        let held = enforcer.profiles.as_ref().filter(|_| call.kind.can_inspect_responses());
        let held = held.ok_or(CANNOT_INSPECT)?;
        let settings = bundle.content().settings(&call.server.id);
        let key = self.session(&call.asked);
        let digest = profile.map(|profile| profile.digest().to_owned());
        let known = digest.as_ref().is_some_and(|digest| held.contains(digest));
        let rules = ResponseRules {
            profile_text: profile.filter(|_| !known).map(|profile| profile.text().to_owned()),
            profile: digest,
            session_key: hex::encode(key.bytes()),
            // A list that is pinned and rows that are counted have to be read: `pass` is about values alone.
            unreadable: if bound { Unreadable::Deny } else { settings.unreadable },
            lists,
            tools: self.pins.tools(call.asked.tenant),
            answers,
            max_bytes: settings.max_bytes,
        };
        let principal = call.asked.identity.principal.clone();
        let sent = Sent { origin: call.origin(), principal, session: key };
        self.sent.insert(call.decision_id.into(), Arc::new(sent));
        Ok(Some(Obligation::InspectResponse { rules: Box::new(rules) }))
    }

    fn answers(&self, call: &Answering<'_>) -> Result<BTreeMap<String, AnswerRules>, Refused> {
        let bundle = call.asked.bundle;
        let mut answers = BTreeMap::new();
        for (index, message) in call.messages().iter().enumerate() {
            let (MessageKind::Request, Some(id)) = (message.kind(), message.id()) else { continue };
            let obligations = call.obligations.get(index).map(Vec::as_slice).unwrap_or_default();
            let mut rows = rows(obligations);
            if asks_for_a_task(message) {
                rows.extend(rows_of_all(bundle, &call.server.id));
            }
            let output = self.output(call, message, obligations)?;
            answers.insert(id.raw().to_owned(), AnswerRules { rows, output });
        }
        if let Reading::OpenStream { .. } | Reading::EndSession { .. } = call.asked.reading {
            // No answer belongs here. Should one come, what holds for no known request holds for it: all there is.
            let rows = rows_of_all(bundle, &call.server.id);
            if !rows.is_empty() {
                answers.insert(r#""""#.to_owned(), AnswerRules { rows, output: None });
            }
        }
        Ok(answers)
    }

    fn output(
        &self,
        call: &Answering<'_>,
        message: &Message<'_>,
        obligations: &[PolicyObligation],
    ) -> Result<Option<OutputRule>, Refused> {
        let Some(tool) = message.tool() else { return Ok(None) };
        let demanded = obligations.iter().filter_map(|obligation| match obligation {
            PolicyObligation::UndeclaredOutput { action } => Some(*action),
            PolicyObligation::SetRequestHeader { .. } | PolicyObligation::CapRows { .. } => None,
        });
        let demanded = demanded.max();
        match self.pins.output_schema(call.asked.tenant, &call.server.id, &tool) {
            Some(schema) => {
                let undeclared = demanded.unwrap_or_default().max(call.server.undeclared_output);
                Ok(Some(OutputRule { schema, undeclared }))
            }
            None if demanded.is_some_and(|action| action != Undeclared::Schema) => Err(NO_OUTPUT_SCHEMA),
            None => Ok(None),
        }
    }
}

/// For answers in which no list belongs: what is pinned has no entries. A server may put the answer to another request
/// there, and clients find its request by the id alone.
fn none_of(rules: ListRules) -> ListRules {
    let none = |pinned: Option<BTreeMap<String, String>>| pinned.map(|_| BTreeMap::new());
    ListRules {
        tools: none(rules.tools),
        prompts: none(rules.prompts),
        resources: none(rules.resources),
        templates: none(rules.templates),
        instructions: rules.instructions.map(|_| String::new()),
        trust_first: false,
        ..rules
    }
}

fn rows(obligations: &[PolicyObligation]) -> Vec<RowRule> {
    let rule = |obligation: &PolicyObligation| match obligation {
        PolicyObligation::CapRows { path, max, over } => {
            Some(RowRule { path: path.clone(), max: *max, over: *over })
        }
        PolicyObligation::SetRequestHeader { .. } | PolicyObligation::UndeclaredOutput { .. } => None,
    };
    obligations.iter().filter_map(rule).collect()
}

/// The answer is that of a tool's call, and which tool it was is not said.
fn asks_for_a_task(message: &Message<'_>) -> bool {
    matches!(
        message.method(),
        Some(Method::TasksGet | Method::TasksResult | Method::TasksUpdate | Method::SubscriptionsListen)
    )
}

fn contracts<'b>(bundle: &'b Bundle, server: &str) -> impl Iterator<Item = &'b Contract> {
    let server = server.to_owned();
    bundle.contracts().filter(move |contract| contract.server == server)
}

/// The ceilings of all tools of a server; where a path leads nowhere, its ceiling holds nothing back.
fn rows_of_all(bundle: &Bundle, server: &str) -> Vec<RowRule> {
    let rule = |contract: &Contract| {
        let rows = contract.rows.as_ref()?;
        Some(RowRule { path: rows.path.clone(), max: rows.max, over: rows.over })
    };
    contracts(bundle, server).filter_map(rule).collect()
}

impl Answering<'_> {
    fn messages(&self) -> &[Message<'_>] {
        super::look::messages(self.asked.reading)
    }

    /// With what the agent's roles let it use: the rest is not shown either.
    fn granted(&self, rules: ListRules) -> ListRules {
        let Asked { bundle, identity, .. } = self.asked;
        let Some(grants) = bundle.grants(&identity.agent_id, &self.server.id) else { return rules };
        ListRules {
            permitted_tools: Some(grants.tools),
            permitted_prompts: Some(grants.prompts),
            permitted_resources: Some(grants.resources),
            ..rules
        }
    }

    /// Whether a list, or the instructions of a server, belongs in what comes back.
    fn may_list(&self) -> bool {
        let lists = |message: &Message<'_>| {
            matches!(
                message.method(),
                Some(
                    Method::Initialize
                        | Method::ServerDiscover
                        | Method::ToolsList
                        | Method::PromptsList
                        | Method::ResourcesList
                        | Method::ResourcesTemplatesList
                )
            )
        };
        match self.asked.reading {
            Reading::OpenStream { .. } => true,
            _ => self.messages().iter().any(lists),
        }
    }

    /// A resumed stream brings answers to earlier calls, and nobody knows to which.
    fn check_resumption(&self) -> Result<(), Refused> {
        let (Asked { bundle, request, .. }, server) = (self.asked, self.server.id.as_str());
        let resumes = matches!(self.asked.reading, Reading::OpenStream { .. })
            && request.http.headers.iter().any(|(name, _)| name == "last-event-id");
        let matters = || {
            bundle.content().tells_tools_apart(server)
                || contracts(bundle, server).any(|one| one.rows.is_some() || one.output.is_some())
        };
        if resumes && matters() { Err(RESUMPTION_REFUSED) } else { Ok(()) }
    }

    /// The one profile for all that comes back.
    fn profile(&self) -> Result<Option<&Arc<interdict_policy::ContentProfile>>, Refused> {
        let find = |tool: Option<&str>| {
            self.asked.bundle.content().profile(&self.server.id, tool, Direction::Response)
        };
        let mut messages = self.messages().iter().map(|message| find(message.tool().as_deref()));
        let Some(first) = messages.next() else { return Ok(find(None)) };
        let digest = first.map(|profile| profile.digest());
        match messages.all(|other| other.map(|profile| profile.digest()) == digest) {
            true => Ok(first),
            false => Err(MIXED_BATCH),
        }
    }

    fn origin(&self) -> Origin {
        let tool = match self.asked.reading {
            Reading::Message(message) => message.tool().map(std::borrow::Cow::into_owned),
            _ => None,
        };
        Origin {
            decision_id: self.decision_id.to_owned(),
            tenant: self.asked.tenant.to_owned(),
            agent: self.asked.identity.agent_id.clone(),
            server: self.server.id.clone(),
            tool,
        }
    }
}
